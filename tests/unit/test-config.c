/* Configs: the defaults are diffusers', and what is not run is refused by its name.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <string.h>

#include "model/config.h"
#include "sde.h"

/* `base` (an object) with one more member; a key that is there is replaced. */
static char *
with(const char *base, const char *key, const char *value)
{
    g_autofree char *quoted = g_strdup_printf("\"%s\":", key);
    const char *old = strstr(base, quoted);

    if (old == NULL) {
        return g_strdup_printf("%.*s%s%s%s}", (int) strlen(base) - 1, base,
                               strlen(base) > 2 ? "," : "", quoted, value);
    }

    const char *end = old + strlen(quoted);
    int depth = 0;

    while (depth > 0 || (*end != ',' && *end != '}')) {
        depth += (*end == '[') - (*end == ']');
        end++;
    }
    return g_strdup_printf("%.*s%s%s%s", (int) (old - base), base, quoted, value, end);
}

/* ---- unet ---------------------------------------------------------------------------
 */

#define SMALL                                                             \
    "{\"_class_name\":\"UNet2DModel\",\"_diffusers_version\":\"0.30.0\"," \
    "\"block_out_channels\":[16,32],\"norm_num_groups\":8,"               \
    "\"down_block_types\":[\"DownBlock2D\",\"AttnDownBlock2D\"],"         \
    "\"up_block_types\":[\"AttnUpBlock2D\",\"UpBlock2D\"]}"

static SdeUnetConfig
parse_unet(const char *json)
{
    g_autoptr(GError) error = NULL;
    SdeUnetConfig config;

    if (!sde_unet_config_parse(json, -1, &config, &error)) {
        g_test_message("%s", json);
    }
    g_assert_no_error(error);
    return config;
}

static SdeUnetConfig
parse_unet_with(const char *key, const char *value)
{
    g_autofree char *json = with(SMALL, key, value);

    return parse_unet(json);
}

static void
assert_unet_json_refused(const char *json, const char *key, SdeError code)
{
    g_autoptr(GError) error = NULL;
    SdeUnetConfig config;
    SdeUnetConfig untouched;

    memset(&config, 0x5a, sizeof(config));
    memset(&untouched, 0x5a, sizeof(untouched));
    if (sde_unet_config_parse(json, -1, &config, &error)) {
        g_test_message("taken: %s", json);
    }
    g_assert_error(error, SDE_ERROR, (int) code);
    g_assert_nonnull(strstr(error->message, key));
    g_assert_cmpmem(&config, sizeof(config), &untouched, sizeof(untouched));
}

static void
assert_unet_refused(const char *key, const char *value, SdeError code)
{
    g_autofree char *json = with(SMALL, key, value);

    assert_unet_json_refused(json, key, code);
}

static void
test_empty_unet_config_has_the_defaults_of_diffusers(void)
{
    static const int channels[] = {224, 448, 672, 896};
    SdeUnetConfig config = parse_unet("{\"_class_name\":\"UNet2DModel\"}");

    g_assert_cmpint(config.n_levels, ==, 4);
    g_assert_cmpmem(config.block_out_channels, sizeof(channels), channels,
                    sizeof(channels));
    g_assert_cmpint(config.down_block_types[0], ==, SDE_BLOCK_PLAIN);
    g_assert_cmpint(config.down_block_types[3], ==, SDE_BLOCK_ATTENTION);
    g_assert_cmpint(config.up_block_types[0], ==, SDE_BLOCK_ATTENTION);
    g_assert_cmpint(config.up_block_types[3], ==, SDE_BLOCK_PLAIN);
    g_assert_cmpint(config.in_channels, ==, 3);
    g_assert_cmpint(config.out_channels, ==, 3);
    g_assert_cmpint(config.layers_per_block, ==, 2);
    g_assert_cmpint(config.attention_head_dim, ==, 8);
    g_assert_cmpint(config.norm_num_groups, ==, 32);
    g_assert_cmpint(config.attn_norm_num_groups, ==, 0);
    g_assert_cmpfloat(config.norm_eps, ==, 1e-5);
    g_assert_cmpfloat(config.freq_shift, ==, 0);
    g_assert_cmpfloat(config.mid_block_scale_factor, ==, 1);
    g_assert_cmpint(config.downsample_padding, ==, 1);
    g_assert_cmpint(config.act_fn, ==, SDE_ACT_SILU);
    g_assert_true(config.flip_sin_to_cos && config.has_mid_block &&
                  config.add_attention);
    g_assert_false(config.center_input_sample || config.scale_shift);
    g_assert_false(config.downsample_resnet || config.upsample_resnet);
    g_assert_cmpint(config.class_embed, ==, SDE_CLASS_NONE);
    g_assert_cmpint(config.time_embedding_dim, ==, 0);
    g_assert_cmpint(config.sample_size, ==, 0);
}

static void
test_unet_keys_are_read(void)
{
    g_assert_cmpint(parse_unet_with("sample_size", "64").sample_size, ==, 64);
    g_assert_cmpint(parse_unet_with("sample_size", "[96,64]").sample_size, ==, 64);
    g_assert_cmpint(parse_unet_with("in_channels", "16").in_channels, ==, 16);
    g_assert_cmpint(parse_unet_with("out_channels", "12").out_channels, ==, 12);
    g_assert_cmpint(parse_unet_with("layers_per_block", "3").layers_per_block, ==, 3);
    g_assert_cmpint(parse_unet_with("act_fn", "\"gelu\"").act_fn, ==, SDE_ACT_GELU);
    g_assert_cmpint(parse_unet_with("act_fn", "\"swish\"").act_fn, ==, SDE_ACT_SILU);
    g_assert_cmpint(parse_unet_with("act_fn", "\"mish\"").act_fn, ==, SDE_ACT_MISH);
    g_assert_cmpint(parse_unet_with("downsample_padding", "0").downsample_padding, ==,
                    0);
    g_assert_true(parse_unet_with("downsample_type", "\"resnet\"").downsample_resnet);
    g_assert_true(parse_unet_with("upsample_type", "\"resnet\"").upsample_resnet);
    g_assert_true(
        parse_unet_with("resnet_time_scale_shift", "\"scale_shift\"").scale_shift);
    g_assert_true(parse_unet_with("center_input_sample", "true").center_input_sample);
    g_assert_false(parse_unet_with("flip_sin_to_cos", "false").flip_sin_to_cos);
    g_assert_false(parse_unet_with("add_attention", "false").add_attention);
    g_assert_false(parse_unet_with("mid_block_type", "null").has_mid_block);
    g_assert_cmpfloat(parse_unet_with("freq_shift", "1").freq_shift, ==, 1);
    g_assert_cmpfloat(parse_unet_with("norm_eps", "1e-06").norm_eps, ==, 1e-6);
    g_assert_cmpint(parse_unet_with("time_embedding_dim", "40").time_embedding_dim, ==,
                    40);
    g_assert_cmpint(parse_unet_with("attn_norm_num_groups", "4").attn_norm_num_groups,
                    ==, 4);
}

static void
test_class_embeddings_are_told_apart(void)
{
    SdeUnetConfig labels = parse_unet_with("num_class_embeds", "10");

    g_assert_cmpint(labels.class_embed, ==, SDE_CLASS_LABEL);
    g_assert_cmpint(labels.num_class_embeds, ==, 10);
    g_assert_cmpint(parse_unet_with("class_embed_type", "\"timestep\"").class_embed, ==,
                    SDE_CLASS_TIMESTEP);
    g_assert_cmpint(parse_unet_with("class_embed_type", "\"identity\"").class_embed, ==,
                    SDE_CLASS_IDENTITY);
}

static void
test_resnet_and_old_block_names_are_known(void)
{
    SdeUnetConfig config =
        parse_unet_with("down_block_types", "[\"ResnetDownsampleBlock2D\",\"UNetResAttn"
                                            "DownBlock2D\"]");

    g_assert_cmpint(config.down_block_types[0], ==, SDE_BLOCK_RESNET);
    g_assert_cmpint(config.down_block_types[1], ==, SDE_BLOCK_ATTENTION);
}

static void
test_missing_head_dim_is_null_for_the_first_diffusers(void)
{
    g_assert_cmpint(parse_unet(SMALL).attention_head_dim, ==, 8);
    g_assert_cmpint(parse_unet_with("attention_head_dim", "null").attention_head_dim,
                    ==, 0);
    g_assert_cmpint(parse_unet_with("attention_head_dim", "4").attention_head_dim, ==,
                    4);
    g_assert_cmpint(
        parse_unet_with("_diffusers_version", "\"0.0.4\"").attention_head_dim, ==, 0);
}

static void
test_unknown_unet_keys_are_tolerated(void)
{
    parse_unet_with("dropout", "0.3");
    parse_unet_with("num_train_timesteps", "null");
    parse_unet_with("something_new", "{\"a\":[1]}");
}

static void
test_unets_that_are_not_run_are_refused_by_name(void)
{
    static const struct {
        const char *key, *value;
    } not_run[] = {
        {"_class_name", "\"UNet2DConditionModel\""},
        {"_class_name", "\"AutoencoderKL\""},
        {"_class_name", "\"UNet1DModel\""},
        {"time_embedding_type", "\"fourier\""},
        {"time_embedding_type", "\"learned\""},
        {"mid_block_type", "\"UNetMidBlock2DCrossAttn\""},
        {"mid_block_type", "\"UNetMidBlock2DSimpleCrossAttn\""},
        {"act_fn", "\"elu\""},
        {"act_fn", "\"\""},
        {"down_block_types", "[\"DownBlock2D\",\"SkipDownBlock2D\"]"},
        {"down_block_types", "[\"AttnSkipDownBlock2D\",\"DownBlock2D\"]"},
        {"down_block_types", "[\"DownBlock2D\",\"CrossAttnDownBlock2D\"]"},
        {"down_block_types", "[\"DownBlock2D\",\"UpBlock2D\"]"},
        {"up_block_types", "[\"SkipUpBlock2D\",\"UpBlock2D\"]"},
        {"up_block_types", "[\"UpBlock2D\",\"DownBlock2D\"]"},
        {"downsample_type", "\"max\""},
        {"upsample_type", "\"max\""},
        {"resnet_time_scale_shift", "\"ada_group\""},
        {"class_embed_type", "\"projection\""},
        {"norm_num_groups", "null"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(not_run); i++) {
        assert_unet_refused(not_run[i].key, not_run[i].value, SDE_ERROR_UNSUPPORTED);
    }
}

static void
test_text_conditioned_unet_gets_a_clear_answer(void)
{
    g_autoptr(GError) error = NULL;
    SdeUnetConfig config;

    g_assert_false(sde_unet_config_parse("{\"_class_name\":\"UNet2DConditionModel\"}",
                                         -1, &config, &error));
    g_assert_nonnull(strstr(error->message, "text-conditioned"));
    g_assert_nonnull(strstr(error->message, "not supported yet"));
}

static void
test_configs_of_something_else_are_refused(void)
{
    assert_unet_json_refused("{}", "UNet2DModel", SDE_ERROR_FORMAT);
    assert_unet_json_refused("{\"architectures\":[\"CLIPTextModel\"],\"vocab_size\":5}",
                             "UNet2DModel", SDE_ERROR_FORMAT);
}

static void
test_wrong_types_in_a_unet_config_are_refused(void)
{
    static const struct {
        const char *key, *value;
    } wrong[] = {
        {"in_channels", "\"3\""},
        {"in_channels", "3.0"},
        {"in_channels", "[3]"},
        {"out_channels", "true"},
        {"sample_size", "\"64\""},
        {"sample_size", "[64]"},
        {"sample_size", "[64,64,64]"},
        {"sample_size", "[64,\"64\"]"},
        {"sample_size", "[64.5,64]"},
        {"block_out_channels", "16"},
        {"block_out_channels", "\"16\""},
        {"block_out_channels", "[16,\"32\"]"},
        {"block_out_channels", "[16,32.0]"},
        {"block_out_channels", "[16,null]"},
        {"block_out_channels", "[16,[32]]"},
        {"down_block_types", "\"DownBlock2D\""},
        {"down_block_types", "[1,2]"},
        {"down_block_types", "[null,null]"},
        {"up_block_types", "[[],{}]"},
        {"act_fn", "1"},
        {"flip_sin_to_cos", "1"},
        {"center_input_sample", "\"true\""},
        {"freq_shift", "\"0\""},
        {"norm_eps", "true"},
        {"mid_block_type", "1"},
        {"attention_head_dim", "[8,8]"},
        {"_diffusers_version", "1"},
        {"_class_name", "[]"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        assert_unet_refused(wrong[i].key, wrong[i].value, SDE_ERROR_FORMAT);
    }
}

static void
test_absurd_numbers_in_a_unet_config_are_refused(void)
{
    static const struct {
        const char *key, *value;
    } absurd[] = {
        {"in_channels", "0"},
        {"in_channels", "-3"},
        {"in_channels", "8193"},
        {"in_channels", "4294967299"},
        {"in_channels", "99999999999999999999"},
        {"out_channels", "0"},
        {"sample_size", "0"},
        {"sample_size", "4097"},
        {"sample_size", "[64,4097]"},
        {"sample_size", "[0,64]"},
        {"sample_size", "[64,4294967360]"},
        {"block_out_channels", "[16,8200]"},
        {"block_out_channels", "[16,0]"},
        {"block_out_channels", "[16,-32]"},
        {"block_out_channels", "[16,4294967328]"},
        {"block_out_channels", "[]"},
        {"layers_per_block", "0"},
        {"layers_per_block", "65"},
        {"attention_head_dim", "0"},
        {"attention_head_dim", "-8"},
        {"norm_num_groups", "0"},
        {"norm_eps", "0"},
        {"norm_eps", "-1e-5"},
        {"norm_eps", "1e999"},
        {"freq_shift", "100"},
        {"mid_block_scale_factor", "0"},
        {"downsample_padding", "2"},
        {"downsample_padding", "-1"},
        {"num_class_embeds", "0"},
        {"num_class_embeds", "1000000"},
        {"time_embedding_dim", "0"},
        {"time_embedding_dim", "1000000"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(absurd); i++) {
        assert_unet_refused(absurd[i].key, absurd[i].value, SDE_ERROR_FORMAT);
    }
}

static void
test_keys_that_contradict_each_other_are_refused(void)
{
    static const struct {
        const char *key, *value;
    } wrong[] = {
        {"norm_num_groups", "12"},                 /* divides 16 or 32? no */
        {"attention_head_dim", "7"},               /* 32 channels */
        {"attention_head_dim", "64"},              /* more than there are */
        {"attn_norm_num_groups", "5"},             /* of 32 */
        {"down_block_types", "[\"DownBlock2D\"]"}, /* lists of one length */
        {"block_out_channels", "[16,32,32]"},
        {"block_out_channels", "[16]"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        assert_unet_refused(wrong[i].key, wrong[i].value, SDE_ERROR_FORMAT);
    }
    /* No attention at the top level: its channels need not hold whole heads. */
    parse_unet_with("attention_head_dim", "32");
}

static void
test_more_levels_than_a_network_may_have_are_refused(void)
{
    g_autoptr(GString) numbers = g_string_new("[16");

    for (int i = 0; i < SDE_MAX_LEVELS; i++) {
        g_string_append(numbers, ",16");
    }
    g_string_append_c(numbers, ']');
    assert_unet_refused("block_out_channels", numbers->str, SDE_ERROR_FORMAT);
}

static void
test_time_embedding_needs_an_even_width(void)
{
    const char *format = "{\"block_out_channels\":[%s],\"norm_num_groups\":1,"
                         "\"freq_shift\":1,\"down_block_types\":[\"DownBlock2D\"],"
                         "\"up_block_types\":[\"UpBlock2D\"],\"mid_block_type\":null}";
    static const struct {
        const char *channels;
        bool fine;
    } widths[] = {{"1", false}, {"2", false}, {"3", false}, {"4", true}, {"5", false}};

    for (size_t i = 0; i < G_N_ELEMENTS(widths); i++) {
        g_auto(GStrv) parts = g_strsplit(format, "%s", 2);
        g_autofree char *json = g_strjoinv(widths[i].channels, parts);

        if (widths[i].fine) {
            parse_unet(json);
        } else {
            assert_unet_json_refused(json, "time embedding", SDE_ERROR_FORMAT);
        }
    }
}

/* ---- scheduler ----------------------------------------------------------------------
 */

static SdeSchedulerConfig
parse_scheduler(const char *json)
{
    g_autoptr(GError) error = NULL;
    SdeSchedulerConfig config;

    if (!sde_scheduler_config_parse(json, -1, &config, &error)) {
        g_test_message("%s", json);
    }
    g_assert_no_error(error);
    return config;
}

static void
assert_scheduler_refused(const char *key, const char *value, SdeError code)
{
    g_autofree char *json = g_strdup_printf("{\"%s\":%s}", key, value);
    g_autoptr(GError) error = NULL;
    SdeSchedulerConfig config = {.num_train_timesteps = -5};

    if (sde_scheduler_config_parse(json, -1, &config, &error)) {
        g_test_message("taken: %s", json);
    }
    g_assert_error(error, SDE_ERROR, (int) code);
    g_assert_nonnull(strstr(error->message, key));
    g_assert_cmpint(config.num_train_timesteps, ==, -5);
}

static void
test_each_scheduler_class_has_its_own_defaults(void)
{
    static const struct {
        const char *name;
        SdeSchedulerClass klass;
        SdeSpacing spacing;
        bool clips, alpha_one;
        double beta_end;
    } classes[] = {
        {"DDPMScheduler", SDE_SCHEDULER_DDPM, SDE_SPACING_LEADING, true, true, 0.02},
        {"DDIMScheduler", SDE_SCHEDULER_DDIM, SDE_SPACING_LEADING, true, true, 0.02},
        {"DDIMInverseScheduler", SDE_SCHEDULER_DDIM_INVERSE, SDE_SPACING_LEADING, true,
         true, 0.02},
        {"RePaintScheduler", SDE_SCHEDULER_REPAINT, SDE_SPACING_LEADING, true, true,
         0.02},
        {"DPMSolverMultistepScheduler", SDE_SCHEDULER_DPM_SOLVER_MULTISTEP,
         SDE_SPACING_LINSPACE, false, true, 0.02},
        {"EulerDiscreteScheduler", SDE_SCHEDULER_EULER, SDE_SPACING_LINSPACE, false,
         true, 0.02},
        {"EulerAncestralDiscreteScheduler", SDE_SCHEDULER_EULER_ANCESTRAL,
         SDE_SPACING_LINSPACE, false, true, 0.02},
        {"LCMScheduler", SDE_SCHEDULER_LCM, SDE_SPACING_LEADING, false, true, 0.012},
        {"PNDMScheduler", SDE_SCHEDULER_PNDM, SDE_SPACING_LEADING, false, false, 0.02},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        g_autofree char *json =
            g_strdup_printf("{\"_class_name\":\"%s\"}", classes[i].name);
        SdeSchedulerConfig config = parse_scheduler(json);

        g_assert_cmpint(config.klass, ==, classes[i].klass);
        g_assert_cmpint(config.timestep_spacing, ==, classes[i].spacing);
        g_assert_true(config.clip_sample == classes[i].clips);
        g_assert_true(config.set_alpha_to_one == classes[i].alpha_one);
        g_assert_cmpfloat(config.beta_end, ==, classes[i].beta_end);
        g_assert_cmpint(config.num_train_timesteps, ==, 1000);
        g_assert_cmpint(config.prediction_type, ==, SDE_PREDICTION_EPSILON);
        g_assert_cmpfloat(config.dynamic_thresholding_ratio, ==, 0.995);
        g_assert_cmpfloat(config.clip_sample_range, ==, 1);
        g_assert_null(config.trained_betas);
    }
    g_assert_cmpint(parse_scheduler("{}").klass, ==, SDE_SCHEDULER_DDPM);
}

static void
test_scheduler_keys_are_read(void)
{
    SdeSchedulerConfig config = parse_scheduler(
        "{\"_class_name\":\"DDIMScheduler\",\"num_train_timesteps\":4000,"
        "\"beta_schedule\":\"squaredcos_cap_v2\",\"beta_start\":0.00085,"
        "\"beta_end\":0.012,\"prediction_type\":\"v_prediction\",\"clip_sample\":false,"
        "\"clip_sample_range\":0.7,\"timestep_spacing\":\"trailing\","
        "\"thresholding\":true,\"sample_max_value\":1.5,\"steps_offset\":1,"
        "\"set_alpha_to_one\":false,\"rescale_betas_zero_snr\":true,"
        "\"variance_type\":\"learned_range\",\"trained_betas\":null,"
        "\"dynamic_thresholding_ratio\":0.95,\"unknown\":[1,2]}");

    g_assert_cmpint(config.num_train_timesteps, ==, 4000);
    g_assert_cmpint(config.beta_schedule, ==, SDE_BETAS_SQUAREDCOS_CAP_V2);
    g_assert_cmpfloat(config.beta_start, ==, 0.00085);
    g_assert_cmpfloat(config.beta_end, ==, 0.012);
    g_assert_cmpint(config.prediction_type, ==, SDE_PREDICTION_V);
    g_assert_false(config.clip_sample);
    g_assert_cmpfloat(config.clip_sample_range, ==, 0.7);
    g_assert_cmpint(config.timestep_spacing, ==, SDE_SPACING_TRAILING);
    g_assert_true(config.thresholding && config.rescale_betas_zero_snr);
    g_assert_cmpfloat(config.sample_max_value, ==, 1.5);
    g_assert_cmpfloat(config.dynamic_thresholding_ratio, ==, 0.95);
    g_assert_cmpint(config.steps_offset, ==, 1);
    g_assert_false(config.set_alpha_to_one);
    g_assert_cmpint(config.variance_type, ==, SDE_VARIANCE_LEARNED_RANGE);
    g_assert_cmpint(parse_scheduler("{\"beta_schedule\":\"sqrt\"}").beta_schedule, ==,
                    SDE_BETAS_SQRT);
    g_assert_false(
        parse_scheduler("{\"final_sigmas_type\":\"sigma_min\"}").final_sigma_zero);
}

/* What diffusers writes out for DPMSolverMultistepScheduler, -Infinity and all. */
static void
test_dpm_solver_config_as_diffusers_writes_it_is_read(void)
{
    SdeSchedulerConfig config = parse_scheduler(
        "{\"_class_name\":\"DPMSolverMultistepScheduler\","
        "\"algorithm_type\":\"dpmsolver++\",\"euler_at_final\":false,"
        "\"final_sigmas_type\":\"zero\",\"flow_shift\":1.0,"
        "\"lambda_min_clipped\":-Infinity,\"lower_order_final\":true,"
        "\"solver_order\":2,\"solver_type\":\"midpoint\",\"use_beta_sigmas\":false,"
        "\"use_flow_sigmas\":false,\"use_karras_sigmas\":true,"
        "\"use_lu_lambdas\":false,\"variance_type\":null}");

    g_assert_cmpint(config.klass, ==, SDE_SCHEDULER_DPM_SOLVER_MULTISTEP);
    g_assert_true(config.use_karras_sigmas && config.lower_order_final);
}

static void
test_trained_betas_replace_the_schedule(void)
{
    SdeSchedulerConfig config =
        parse_scheduler("{\"trained_betas\":[0.1,0.5,1],\"num_train_timesteps\":3}");

    g_assert_cmpint(config.beta_schedule, ==, SDE_BETAS_TRAINED);
    g_assert_cmpfloat(config.trained_betas[1], ==, 0.5);
    sde_scheduler_config_clear(&config);
    g_assert_null(config.trained_betas);
    sde_scheduler_config_clear(&config);
}

static void
test_schedulers_that_are_not_run_are_refused_by_name(void)
{
    static const struct {
        const char *key, *value;
    } not_run[] = {
        {"_class_name", "\"FlowMatchEulerDiscreteScheduler\""},
        {"_class_name", "\"ScoreSdeVeScheduler\""},
        {"beta_schedule", "\"exp\""},
        {"beta_schedule", "\"custom\""},
        {"prediction_type", "\"flow_prediction\""},
        {"timestep_spacing", "\"random\""},
        {"variance_type", "\"fixed\""},
        {"final_sigmas_type", "\"sigma_max\""},
        {"algorithm_type", "\"sde-dpmsolver++\""},
        {"algorithm_type", "\"dpmsolver\""},
        {"solver_type", "\"heun\""},
        {"solver_order", "3"},
        {"use_lu_lambdas", "true"},
        {"use_beta_sigmas", "true"},
        {"use_exponential_sigmas", "true"},
        {"use_flow_sigmas", "true"},
        {"use_dynamic_shifting", "true"},
        {"lambda_min_clipped", "-5.1"},
        {"sigma_min", "0.002"},
        {"sigma_max", "80"},
        {"interpolation_type", "\"log_linear\""},
        {"timestep_type", "\"continuous\""},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(not_run); i++) {
        assert_scheduler_refused(not_run[i].key, not_run[i].value,
                                 SDE_ERROR_UNSUPPORTED);
    }
}

static void
test_wrong_and_absurd_scheduler_values_are_refused(void)
{
    static const struct {
        const char *key, *value;
    } wrong[] = {
        {"num_train_timesteps", "0"},
        {"num_train_timesteps", "10001"},
        {"num_train_timesteps", "1000.0"},
        {"num_train_timesteps", "\"1000\""},
        {"num_train_timesteps", "1e3"},
        {"beta_start", "-0.1"},
        {"beta_end", "1.5"},
        {"beta_end", "1e999"},
        {"beta_end", "\"0.02\""},
        {"beta_schedule", "1"},
        {"clip_sample", "1"},
        {"clip_sample_range", "0"},
        {"clip_sample_range", "-1"},
        {"dynamic_thresholding_ratio", "2"},
        {"sample_max_value", "0"},
        {"steps_offset", "-1"},
        {"steps_offset", "1000"},
        {"solver_order", "0"},
        {"solver_order", "4"},
        {"original_inference_steps", "0"},
        {"timestep_scaling", "0"},
        {"eta", "2"},
        {"trained_betas", "[0.1]"},
        {"trained_betas", "0.1"},
        {"trained_betas", "[]"},
        {"_class_name", "1"},
        {"use_lu_lambdas", "1"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        assert_scheduler_refused(wrong[i].key, wrong[i].value, SDE_ERROR_FORMAT);
    }
}

static void
test_trained_betas_must_be_probabilities(void)
{
    static const char *const betas[] = {"-0.1", "1.1",   "\"0.1\"",
                                        "null", "[0.1]", "true"};

    for (size_t i = 0; i < G_N_ELEMENTS(betas); i++) {
        g_autofree char *json = g_strdup_printf(
            "{\"num_train_timesteps\":2,\"trained_betas\":[0.1,%s]}", betas[i]);
        g_autoptr(GError) error = NULL;
        SdeSchedulerConfig config;

        g_assert_false(sde_scheduler_config_parse(json, -1, &config, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/config/" name, function)
    ADD("unet/defaults", test_empty_unet_config_has_the_defaults_of_diffusers);
    ADD("unet/keys-are-read", test_unet_keys_are_read);
    ADD("unet/class-embeddings", test_class_embeddings_are_told_apart);
    ADD("unet/block-names", test_resnet_and_old_block_names_are_known);
    ADD("unet/missing-head-dim", test_missing_head_dim_is_null_for_the_first_diffusers);
    ADD("unet/unknown-keys", test_unknown_unet_keys_are_tolerated);
    ADD("unet/not-run", test_unets_that_are_not_run_are_refused_by_name);
    ADD("unet/text-conditioned", test_text_conditioned_unet_gets_a_clear_answer);
    ADD("unet/something-else", test_configs_of_something_else_are_refused);
    ADD("unet/wrong-types", test_wrong_types_in_a_unet_config_are_refused);
    ADD("unet/absurd-numbers", test_absurd_numbers_in_a_unet_config_are_refused);
    ADD("unet/contradictions", test_keys_that_contradict_each_other_are_refused);
    ADD("unet/too-many-levels", test_more_levels_than_a_network_may_have_are_refused);
    ADD("unet/time-embedding", test_time_embedding_needs_an_even_width);
    ADD("scheduler/defaults", test_each_scheduler_class_has_its_own_defaults);
    ADD("scheduler/keys-are-read", test_scheduler_keys_are_read);
    ADD("scheduler/dpm-solver", test_dpm_solver_config_as_diffusers_writes_it_is_read);
    ADD("scheduler/trained-betas", test_trained_betas_replace_the_schedule);
    ADD("scheduler/not-run", test_schedulers_that_are_not_run_are_refused_by_name);
    ADD("scheduler/wrong-values", test_wrong_and_absurd_scheduler_values_are_refused);
    ADD("scheduler/betas-in-range", test_trained_betas_must_be_probabilities);
#undef ADD
    return g_test_run();
}
