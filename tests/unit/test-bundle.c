/* Bundles: both folder layouts load, and whatever else people point at gets one clear
 * answer. SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>

#include "model/bundle.h"
#include "sde.h"
#include "temp-files.h"

#define UNET(in, out, more)                                                           \
    "{\"_class_name\":\"UNet2DModel\",\"in_channels\":" #in ",\"out_channels\":" #out \
    ",\"block_out_channels\":[16],\"norm_num_groups\":8,"                             \
    "\"down_block_types\":[\"DownBlock2D\"],\"up_block_types\":[\"UpBlock2D\"]" more  \
    "}"
#define SCHEDULER "{\"_class_name\":\"DDIMScheduler\",\"num_train_timesteps\":500}"
#define WEIGHTS \
    "{\"conv_in.weight\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
#define OUR_INDEX                                                                 \
    "{\"_class_name\":\"DDPMPipeline\",\"unet\":[\"diffusers\",\"UNet2DModel\"]," \
    "\"sdedit\":{\"patch_size\":2,\"level_map\":true,"                            \
    "\"class_names\":[\"photo\",\"ink\",\"none\"],\"none_class\":2,"              \
    "\"default_class\":0}}"
#define OUR_UNET UNET(16, 12, ",\"num_class_embeds\":3")

static void
write_weights(const char *folder, const char *name)
{
    g_free(safetensors_write(folder, name, WEIGHTS, NULL, 4));
}

static void
write_flat(const char *folder)
{
    temp_text_write(folder, "config.json", UNET(3, 3, ""));
    write_weights(folder, "diffusion_pytorch_model.safetensors");
}

static void
write_ours(const char *folder)
{
    temp_text_write(folder, "model_index.json", OUR_INDEX);
    temp_text_write(folder, "unet/config.json", OUR_UNET);
    temp_text_write(folder, "scheduler/scheduler_config.json", SCHEDULER);
    write_weights(folder, "unet/diffusion_pytorch_model.safetensors");
}

static void
assert_refused(const char *folder, GQuark domain, int code, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, &error);

    g_assert_null(bundle);
    g_assert_error(error, domain, code);
    if (strstr(error->message, part) == NULL) {
        g_test_message("'%s' lacks '%s'", error->message, part);
    }
    g_assert_nonnull(strstr(error->message, part));
}

/* ---- what loads ---------------------------------------------------------------------
 */

static void
test_flat_folder_loads_with_ddpm_defaults(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_flat(folder);

    g_autoptr(GError) error = NULL;
    g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, &error);
    g_autofree char *name = g_path_get_basename(folder);

    g_assert_no_error(error);
    g_assert_cmpstr(bundle->name, ==, name);
    g_assert_cmpint(bundle->scheduler.klass, ==, SDE_SCHEDULER_DDPM);
    g_assert_cmpint(bundle->patch_size, ==, 1);
    g_assert_false(bundle->level_map);
    g_assert_null(bundle->class_names);
    g_assert_cmpint(bundle->none_class, ==, -1);
    g_assert_cmpint(bundle->default_class, ==, -1);
    g_assert_true(sde_weights_has(bundle->weights, "conv_in.weight"));
}

static void
test_flat_folder_finds_its_scheduler(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_flat(folder);
    temp_text_write(folder, "scheduler_config.json", SCHEDULER);

    g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, NULL);

    g_assert_cmpint(bundle->scheduler.klass, ==, SDE_SCHEDULER_DDIM);
    g_assert_cmpint(bundle->scheduler.num_train_timesteps, ==, 500);
}

static void
test_our_own_kind_loads_from_sub_folders(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_ours(folder);

    g_autofree char *with_slash = g_strconcat(folder, "/", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeBundle) bundle = sde_bundle_load(with_slash, &error);
    g_autofree char *name = g_path_get_basename(folder);

    g_assert_no_error(error);
    g_assert_cmpstr(bundle->name, ==, name);
    g_assert_cmpint(bundle->patch_size, ==, 2);
    g_assert_true(bundle->level_map);
    g_assert_false(bundle->posterior_input);
    g_assert_cmpint((int) g_strv_length(bundle->class_names), ==, 3);
    g_assert_cmpstr(bundle->class_names[1], ==, "ink");
    g_assert_cmpint(bundle->none_class, ==, 2);
    g_assert_cmpint(bundle->default_class, ==, 0);
    g_assert_cmpint(bundle->restyle_class, ==, -1);
    g_assert_cmpint(bundle->scheduler.klass, ==, SDE_SCHEDULER_DDIM);
}

static void
test_learned_variance_doubles_the_output(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_flat(folder);
    temp_text_write(folder, "config.json", UNET(3, 6, ""));

    g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, NULL);

    g_assert_nonnull(bundle);
}

static void
test_weights_are_found_under_each_usual_name(void)
{
    static const char *const names[] = {"diffusion_pytorch_model.fp16.safetensors",
                                        "model.safetensors"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();

        temp_text_write(folder, "config.json", UNET(3, 3, ""));
        write_weights(folder, names[i]);

        g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, NULL);

        g_assert_nonnull(bundle);
    }
}

static void
test_sharded_weights_are_found(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    temp_text_write(folder, "config.json", UNET(3, 3, ""));
    write_weights(folder, "shard-1.safetensors");
    temp_text_write(folder, "diffusion_pytorch_model.safetensors.index.json",
                    "{\"weight_map\":{\"conv_in.weight\":\"shard-1.safetensors\"}}");

    g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, NULL);

    g_assert_nonnull(bundle);
}

/* ---- what is no model folder --------------------------------------------------------
 */

static void
test_missing_folder_is_named(void)
{
    assert_refused("/nowhere/at-all", G_FILE_ERROR, G_FILE_ERROR_NOENT, "at-all");
}

static void
test_single_file_is_answered_with_its_folder(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_flat(folder);

    g_autofree char *file =
        g_build_filename(folder, "diffusion_pytorch_model.safetensors", NULL);

    assert_refused(file, G_FILE_ERROR, G_FILE_ERROR_NOTDIR, "expected the folder");
}

static void
test_empty_folder_is_no_model(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    assert_refused(folder, SDE_ERROR, SDE_ERROR_FORMAT, "config.json");
}

static void
test_folder_without_weights_says_what_is_missing(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    temp_text_write(folder, "config.json", UNET(3, 3, ""));
    assert_refused(folder, SDE_ERROR, SDE_ERROR_FORMAT,
                   "diffusion_pytorch_model.safetensors");
}

static void
test_pickled_weights_are_answered_with_how_to_convert(void)
{
    static const char *const names[] = {"diffusion_pytorch_model.bin", "last.ckpt",
                                        "weights.pt"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();

        temp_text_write(folder, "config.json", UNET(3, 3, ""));
        temp_text_write(folder, names[i], "anything");
        assert_refused(folder, SDE_ERROR, SDE_ERROR_UNSUPPORTED, "save_file");
    }
}

static void
test_stable_diffusion_is_answered_clearly(void)
{
    static const char *const parts[] = {"vae", "text_encoder", "transformer"};

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();
        g_autofree char *file = g_strconcat(parts[i], "/config.json", NULL);

        write_ours(folder);
        temp_text_write(folder, file, "{}");
        assert_refused(folder, SDE_ERROR, SDE_ERROR_UNSUPPORTED, "not supported yet");
    }
}

static void
test_text_conditioned_unet_is_answered_clearly(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_flat(folder);
    temp_text_write(folder, "config.json",
                    "{\"_class_name\":\"UNet2DConditionModel\"}");
    assert_refused(folder, SDE_ERROR, SDE_ERROR_UNSUPPORTED, "text-conditioned");
}

/* The parts decide, not the name of the program that diffusers would run over them. */
static void
test_pipelines_of_any_name_load_when_their_parts_do(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_flat(folder);
    temp_text_write(folder, "model_index.json", "{\"_class_name\":\"MyPipeline\"}");

    g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, NULL);

    g_assert_nonnull(bundle);
    temp_text_write(folder, "scheduler_config.json",
                    "{\"_class_name\":\"CMStochasticIterativeScheduler\"}");
    assert_refused(folder, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                   "CMStochasticIterativeScheduler");
}

/* ---- damaged parts ------------------------------------------------------------------
 */

static void
test_each_damaged_part_is_named(void)
{
    static const char *const parts[] = {"model_index.json", "unet/config.json",
                                        "scheduler/scheduler_config.json"};

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();

        write_ours(folder);
        temp_text_write(folder, parts[i], "{\"a\":");
        assert_refused(folder, SDE_ERROR, SDE_ERROR_FORMAT, parts[i]);
    }
}

static void
test_damaged_weights_are_named(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_flat(folder);
    temp_text_write(folder, "diffusion_pytorch_model.safetensors", "short");
    assert_refused(folder, SDE_ERROR, SDE_ERROR_FORMAT,
                   "diffusion_pytorch_model.safetensors");
}

static void
test_channels_must_fit_the_kind_of_model(void)
{
    static const char *const flat[] = {UNET(1, 1, ""), UNET(4, 4, ""), UNET(3, 4, ""),
                                       UNET(3, 12, ""), UNET(12, 3, "")};
    static const char *const ours[] = {UNET(12, 12, ",\"num_class_embeds\":3"),
                                       UNET(4, 12, ",\"num_class_embeds\":3"),
                                       UNET(16, 3, ",\"num_class_embeds\":3"),
                                       UNET(16, 16, ",\"num_class_embeds\":3")};

    for (size_t i = 0; i < G_N_ELEMENTS(flat); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();

        write_flat(folder);
        temp_text_write(folder, "config.json", flat[i]);
        assert_refused(folder, SDE_ERROR, SDE_ERROR_UNSUPPORTED, "channels");
    }
    for (size_t i = 0; i < G_N_ELEMENTS(ours); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();

        write_ours(folder);
        temp_text_write(folder, "unet/config.json", ours[i]);
        assert_refused(folder, SDE_ERROR, SDE_ERROR_UNSUPPORTED, "channels");
    }
}

static void
assert_sdedit_refused(const char *object, SdeError code, const char *part)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *index = g_strdup_printf("{\"sdedit\":%s}", object);

    write_ours(folder);
    temp_text_write(folder, "model_index.json", index);
    assert_refused(folder, SDE_ERROR, (int) code, part);
}

static void
test_wrong_values_in_the_sdedit_object_are_refused(void)
{
#define OURS "\"patch_size\":2,\"level_map\":true,"

    assert_sdedit_refused("[]", SDE_ERROR_FORMAT, "'sdedit'");
    assert_sdedit_refused("{\"patch_size\":0}", SDE_ERROR_FORMAT, "'patch_size'");
    assert_sdedit_refused("{\"patch_size\":17}", SDE_ERROR_FORMAT, "'patch_size'");
    assert_sdedit_refused("{\"patch_size\":2.0}", SDE_ERROR_FORMAT, "'patch_size'");
    assert_sdedit_refused("{\"level_map\":1}", SDE_ERROR_FORMAT, "'level_map'");
    assert_sdedit_refused("{\"posterior_input\":\"yes\"}", SDE_ERROR_FORMAT,
                          "'posterior_input'");
    assert_sdedit_refused("{\"patch_size\":2,\"posterior_input\":true}",
                          SDE_ERROR_FORMAT, "'level_map'");
    assert_sdedit_refused("{\"filling_gain\":1}", SDE_ERROR_FORMAT, "'filling_gain'");
    assert_sdedit_refused("{\"filling_gain\":[0.5,-1]}", SDE_ERROR_FORMAT, "number 1");
    assert_sdedit_refused("{\"filling_gain\":[\"a\"]}", SDE_ERROR_FORMAT, "number 0");
    assert_sdedit_refused("{\"new_key\":1}", SDE_ERROR_UNSUPPORTED, "'new_key'");
    assert_sdedit_refused("{" OURS "\"class_names\":\"photo\"}", SDE_ERROR_FORMAT,
                          "'class_names'");
    assert_sdedit_refused("{" OURS "\"class_names\":[\"a\",\"b\"]}", SDE_ERROR_FORMAT,
                          "2 names for the network's 3 classes");
    assert_sdedit_refused("{" OURS "\"class_names\":[\"a\",\"b\",\"a\"]}",
                          SDE_ERROR_FORMAT, "entry 2");
    assert_sdedit_refused("{" OURS "\"class_names\":[\"a\",\"\",\"c\"]}",
                          SDE_ERROR_FORMAT, "entry 1");
    assert_sdedit_refused("{" OURS "\"class_names\":[\"a\",1,\"c\"]}", SDE_ERROR_FORMAT,
                          "entry 1");
    assert_sdedit_refused("{" OURS "\"class_names\":[\"a\",[],\"c\"]}",
                          SDE_ERROR_FORMAT, "entry 1");
    assert_sdedit_refused("{" OURS "\"none_class\":3}", SDE_ERROR_FORMAT,
                          "'none_class'");
    assert_sdedit_refused("{" OURS "\"none_class\":-1}", SDE_ERROR_FORMAT,
                          "'none_class'");
    assert_sdedit_refused("{" OURS "\"default_class\":99}", SDE_ERROR_FORMAT,
                          "'default_class'");
    assert_sdedit_refused("{" OURS "\"default_class\":1,\"none_class\":1}",
                          SDE_ERROR_FORMAT, "'default_class'");
    assert_sdedit_refused("{" OURS "\"restyle_class\":99}", SDE_ERROR_FORMAT,
                          "'restyle_class'");
    assert_sdedit_refused("{" OURS "\"restyle_class\":1,\"none_class\":1}",
                          SDE_ERROR_FORMAT, "'restyle_class'");
#undef OURS
}

static void
test_class_names_need_a_network_with_classes(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();

    write_ours(folder);
    temp_text_write(folder, "unet/config.json", UNET(16, 12, ""));
    assert_refused(folder, SDE_ERROR, SDE_ERROR_FORMAT, "'class_names'");
}

static void
test_a_noise_network_is_optional_but_must_be_sound(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeBundle) without = NULL, with = NULL;

    write_ours(folder);
    without = sde_bundle_load(folder, &error);
    g_assert_no_error(error);
    g_assert_null(without->noise_weights);
    write_weights(folder, "noise_level/model.safetensors");
    with = sde_bundle_load(folder, &error);
    g_assert_no_error(error);
    g_assert_nonnull(with->noise_weights);
    temp_text_write(folder, "noise_level/model.safetensors", "no such thing");
    assert_refused(folder, SDE_ERROR, SDE_ERROR_FORMAT, "noise_level");
}

#define SEVENTEEN "0,0,0,0,0,0,0,0,0.5,1,1,1,1,1,1,1,1"
#define TONES(luma, mean, deviation) \
    "{\"ink\":{\"luma\":[" luma "],\"chroma_mean\":[" mean "]" deviation "}}"
#define DEVIATION ",\"chroma_deviation\":0.1"

static void
assert_tones_refused(const char *folder, const char *json, const char *part)
{
    temp_text_write(folder, "styles/tones.json", json);
    assert_refused(folder, SDE_ERROR, SDE_ERROR_FORMAT, part);
}

static void
test_tones_of_styles_are_optional_but_must_be_sound(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeBundle) without = NULL, with = NULL;

    write_ours(folder);
    without = sde_bundle_load(folder, &error);
    g_assert_no_error(error);
    g_assert_null(without->tones);
    temp_text_write(folder, "styles/tones.json",
                    TONES(SEVENTEEN, "0.1,0,-0.2", DEVIATION));
    with = sde_bundle_load(folder, &error);
    g_assert_no_error(error);
    g_assert_false(with->tones[0].known);
    g_assert_true(with->tones[1].known);
    g_assert_cmpfloat(with->tones[1].luma[8], ==, 0.5f);
    g_assert_cmpfloat(with->tones[1].chroma_mean[2], ==, -0.2f);
    g_assert_cmpfloat(with->tones[1].chroma_deviation, ==, 0.1f);
    g_assert_cmpint(with->tones[1].technique, ==, SDE_TECHNIQUE_NONE);
    assert_tones_refused(folder, "[]", "tones.json");
    assert_tones_refused(folder, "{\"no_class\":{}}", "0 of 1 styles");
    assert_tones_refused(folder, "{\"ink\":{}}", "'ink': 'luma': expected 17");
    assert_tones_refused(folder, TONES("0,1", "0,0,0", DEVIATION), "found 2");
    assert_tones_refused(folder, TONES(SEVENTEEN, "0,\"a\",0", DEVIATION), "number 1");
    assert_tones_refused(folder, TONES(SEVENTEEN, "0,0,0", ""), "'chroma_deviation'");
    assert_tones_refused(
        folder, TONES("0,0,0,0,0,0,0,0,1,0.5,1,1,1,1,1,1,1", "0,0,0", DEVIATION),
        "number 9");
    assert_tones_refused(
        folder, TONES(SEVENTEEN, "0,0,0", DEVIATION ",\"technique\":1"), "'technique'");
    assert_tones_refused(
        folder, TONES(SEVENTEEN, "0,0,0", DEVIATION ",\"technique\":\"chalk\""),
        "expected one of none, oil, dabs");
    temp_text_write(folder, "model_index.json",
                    "{\"sdedit\":{\"patch_size\":2,\"level_map\":true}}");
    assert_tones_refused(folder, "{}", "'class_names'");
}

static void
test_styles_name_their_technique(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeBundle) bundle = NULL;

    write_ours(folder);
    temp_text_write(
        folder, "styles/tones.json",
        TONES(SEVENTEEN, "0,0,0", DEVIATION ",\"technique\":\"woodblock\""));
    bundle = sde_bundle_load(folder, &error);
    g_assert_no_error(error);
    g_assert_cmpint(bundle->tones[1].technique, ==, SDE_TECHNIQUE_WOODBLOCK);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/bundle/" name, function)
    ADD("flat-folder", test_flat_folder_loads_with_ddpm_defaults);
    ADD("flat-folder-with-scheduler", test_flat_folder_finds_its_scheduler);
    ADD("our-own-kind", test_our_own_kind_loads_from_sub_folders);
    ADD("learned-variance", test_learned_variance_doubles_the_output);
    ADD("usual-names-of-weights", test_weights_are_found_under_each_usual_name);
    ADD("sharded-weights", test_sharded_weights_are_found);
    ADD("missing-folder", test_missing_folder_is_named);
    ADD("single-file", test_single_file_is_answered_with_its_folder);
    ADD("empty-folder", test_empty_folder_is_no_model);
    ADD("folder-without-weights", test_folder_without_weights_says_what_is_missing);
    ADD("pickled-weights", test_pickled_weights_are_answered_with_how_to_convert);
    ADD("stable-diffusion", test_stable_diffusion_is_answered_clearly);
    ADD("text-conditioned", test_text_conditioned_unet_is_answered_clearly);
    ADD("foreign-pipelines", test_pipelines_of_any_name_load_when_their_parts_do);
    ADD("damaged-parts", test_each_damaged_part_is_named);
    ADD("damaged-weights", test_damaged_weights_are_named);
    ADD("channels", test_channels_must_fit_the_kind_of_model);
    ADD("sdedit-object", test_wrong_values_in_the_sdedit_object_are_refused);
    ADD("class-names-need-classes", test_class_names_need_a_network_with_classes);
    ADD("noise-network", test_a_noise_network_is_optional_but_must_be_sound);
    ADD("technique", test_styles_name_their_technique);
    ADD("tones", test_tones_of_styles_are_optional_but_must_be_sound);
#undef ADD
    return g_test_run();
}
