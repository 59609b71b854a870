/* A model folder: finds its parts, and checks that they fit together.
 *
 * What people point at is often not quite a model: a file, a parent folder, a Stable
 * Diffusion pipeline, a checkpoint. Each gets an answer that says what to do.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bundle.h"

#include <string.h>

#include "base/json.h"
#include "sde.h"

#define MAX_PATCH_SIZE 16
#define MAX_CLASS_NAME 100 /* bytes */
#define MAX_GAIN       8.0
#define LEVEL_CHANNELS 1
#define COLOR_CHANNELS 3

static bool
has_file(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS) &&
           !g_file_test(path, G_FILE_TEST_IS_DIR);
}

static bool
has_folder(const char *folder, const char *name)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_IS_DIR);
}

/* ---- what is not a model folder
 * ------------------------------------------------------ */

static bool
check_is_folder(const char *path, GError **error)
{
    g_autofree char *name = g_filename_display_name(path);

    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        return true;
    }
    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                    "model folder '%s' does not exist", name);
        return false;
    }
    g_set_error(
        error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR,
        "'%s' is a single file; expected the folder that holds it together with "
        "its config.json",
        name);
    return false;
}

static bool
check_is_pixel_model(const char *folder, GError **error)
{
    static const char *const parts[] = {"vae", "vqvae", "text_encoder", "transformer",
                                        "image_encoder"};

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (has_folder(folder, parts[i])) {
            g_autofree char *name = g_filename_display_name(folder);

            g_set_error(
                error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                "'%s' has a '%s': latent and text-conditioned pipelines (Stable "
                "Diffusion and the like) are not supported yet, only "
                "unconditional and class-conditional pixel models (UNet2DModel)",
                name, parts[i]);
            return false;
        }
    }
    return true;
}

/* ---- finding the parts
 * --------------------------------------------------------------- */

/* The folder with the network's config.json. */
static char *
find_unet_folder(const char *folder, GError **error)
{
    g_autofree char *sub = g_build_filename(folder, "unet", NULL);
    g_autofree char *name = g_filename_display_name(folder);

    if (has_file(sub, "config.json")) {
        return g_steal_pointer(&sub);
    }
    if (has_file(folder, "config.json")) {
        return g_strdup(folder);
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "'%s' holds no model: neither 'unet/config.json' nor 'config.json' is "
                "there",
                name);
    return NULL;
}

/* A file with one of the endings that torch.save() gets, or NULL. */
static char *
find_pickle(const char *folder)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (sde_weights_is_pickle_name(name)) {
            return g_build_filename(folder, name, NULL);
        }
    }
    return NULL;
}

static SdeWeights *
open_weights(const char *folder, GError **error)
{
    static const char *const names[] = {
        "diffusion_pytorch_model.safetensors",
        "diffusion_pytorch_model.fp16.safetensors",
        "diffusion_pytorch_model.safetensors.index.json",
        "model.safetensors",
    };
    g_autofree char *pickle = NULL;
    g_autofree char *shown = g_filename_display_name(folder);

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (has_file(folder, names[i])) {
            g_autofree char *path = g_build_filename(folder, names[i], NULL);

            return sde_weights_open(path, error);
        }
    }
    pickle = find_pickle(folder);
    if (pickle != NULL) {
        return sde_weights_open(pickle, error); /* says how to convert it */
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "'%s' has a config.json but no weights: expected '%s'", shown,
                names[0]);
    return NULL;
}

/* A folder without it is none the worse. */
static bool
open_noise_weights(SdeBundle *bundle, GError **error)
{
    static const char name[] = "noise_level" G_DIR_SEPARATOR_S "model.safetensors";
    g_autofree char *path = g_build_filename(bundle->folder, name, NULL);

    if (!has_file(bundle->folder, name)) {
        return true;
    }
    bundle->noise_weights = sde_weights_open(path, error);
    return bundle->noise_weights != NULL;
}

/* Of styles/, which holds thumbnails too. */
static bool
load_tones(SdeBundle *bundle, GError **error)
{
    static const char name[] = "styles" G_DIR_SEPARATOR_S "tones.json";
    g_autofree char *path = g_build_filename(bundle->folder, name, NULL);

    if (!has_file(bundle->folder, name)) {
        return true;
    }
    if (bundle->class_names == NULL) { /* then the network may have more classes */
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s' is there, expected 'class_names' in model_index.json with it",
                    name);
        return false;
    }
    bundle->tones = sde_style_tones_load(path, bundle->class_names, error);
    return bundle->tones != NULL;
}

static bool
load_scheduler(const char *folder, SdeSchedulerConfig *config, GError **error)
{
    static const char *const names[] = {
        "scheduler" G_DIR_SEPARATOR_S "scheduler_config.json", "scheduler_config.json"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (has_file(folder, names[i])) {
            g_autofree char *path = g_build_filename(folder, names[i], NULL);

            return sde_scheduler_config_load(path, config, error);
        }
    }
    sde_scheduler_config_init(config, SDE_SCHEDULER_DDPM);
    return true;
}

/* ---- model_index.json: what diffusers has no key for
 * --------------------------------- */

/* The object is ours, so an unknown key is something that a later version means. */
static bool
check_known_keys(JsonObject *object, GError **error)
{
    static const char *const known[] = {
        "patch_size",    "level_map",     "posterior_input",
        "class_names",   "default_class", "none_class",
        "restyle_class", "filling_gain",  NULL};
    g_autoptr(GList) keys = json_object_get_members(object);

    for (GList *l = keys; l != NULL; l = l->next) {
        if (!g_strv_contains(known, l->data)) {
            g_autofree char *shown = sde_json_excerpt(l->data);

            g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                        "the key '%s' is unknown to this version", shown);
            return false;
        }
    }
    return true;
}

static bool
is_class_name(const char *name)
{
    return name != NULL && name[0] != '\0' && strlen(name) <= MAX_CLASS_NAME;
}

static bool
read_class_names(JsonObject *object, SdeBundle *bundle, GError **error)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    JsonArray *list = NULL;

    if (!sde_json_peek_array(object, "class_names", &list, error)) {
        return false;
    }
    if (list == NULL) {
        return true;
    }
    for (unsigned i = 0; i < json_array_get_length(list); i++) {
        JsonNode *node = json_array_get_element(list, i);
        const char *name =
            JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;

        if (!is_class_name(name) || !g_hash_table_add(seen, (gpointer) name)) {
            g_set_error(
                error, SDE_ERROR, SDE_ERROR_FORMAT,
                "'class_names': entry %u is not a string of 1 to %d bytes that no "
                "other entry has",
                i, MAX_CLASS_NAME);
            return false;
        }

        g_autofree char *clean = sde_json_excerpt(name);

        g_strv_builder_add(builder, clean);
    }
    bundle->class_names = g_strv_builder_end(builder);
    return true;
}

static bool
read_filling_gain(JsonObject *object, SdeBundle *bundle, GError **error)
{
    double gains[SDE_MAX_FILLING_GAIN];
    JsonArray *list = NULL;
    unsigned n;

    if (!sde_json_peek_array(object, "filling_gain", &list, error)) {
        return false;
    }
    n = list != NULL ? json_array_get_length(list) : 0;
    if (n > SDE_MAX_FILLING_GAIN) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'filling_gain': expected at most %d numbers, found %u",
                    SDE_MAX_FILLING_GAIN, n);
        return false;
    }
    if (n > 0 &&
        !sde_json_read_numbers(list, "filling_gain", 0.0, MAX_GAIN, gains, error)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        bundle->filling_gain[i] = (float) gains[i];
    }
    bundle->n_filling_gain = (int) n;
    return true;
}

static bool
read_sdedit(JsonObject *object, SdeBundle *bundle, GError **error)
{
    return check_known_keys(object, error) &&
           sde_json_get_int(object, "patch_size", 1, MAX_PATCH_SIZE,
                            &bundle->patch_size, error) &&
           sde_json_get_bool(object, "level_map", &bundle->level_map, error) &&
           sde_json_get_bool(object, "posterior_input", &bundle->posterior_input,
                             error) &&
           sde_json_get_int(object, "none_class", 0, G_MAXINT, &bundle->none_class,
                            error) &&
           sde_json_get_int(object, "default_class", 0, G_MAXINT,
                            &bundle->default_class, error) &&
           sde_json_get_int(object, "restyle_class", 0, G_MAXINT,
                            &bundle->restyle_class, error) &&
           read_filling_gain(object, bundle, error) &&
           read_class_names(object, bundle, error);
}

static bool
load_index(SdeBundle *bundle, GError **error)
{
    g_autofree char *path = g_build_filename(bundle->folder, "model_index.json", NULL);
    g_autofree char *name = g_filename_display_name(path);
    g_autoptr(JsonNode) root = NULL;
    JsonObject *sdedit = NULL;

    if (!has_file(bundle->folder, "model_index.json")) {
        return true;
    }
    root = sde_json_load(path, error);
    if (root == NULL) {
        return false;
    }
    if (!sde_json_peek_object(json_node_get_object(root), "sdedit", &sdedit, error) ||
        (sdedit != NULL && !read_sdedit(sdedit, bundle, error))) {
        g_prefix_error(error, "'%s': ", name);
        return false;
    }
    return true;
}

/* ---- do the parts fit?
 * --------------------------------------------------------------- */

static bool
check_channels(const SdeBundle *bundle, GError **error)
{
    int area = bundle->patch_size * bundle->patch_size;
    int in = area * (COLOR_CHANNELS + (bundle->level_map ? LEVEL_CHANNELS : 0));
    int out = area * COLOR_CHANNELS;

    if (bundle->unet.in_channels != in) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "the network takes %d channels; an RGB model%s with patch size %d "
                    "takes %d",
                    bundle->unet.in_channels,
                    bundle->level_map ? " with a level map" : "", bundle->patch_size,
                    in);
        return false;
    }
    /* Twice as many: a learned variance follows the prediction. */
    if (bundle->unet.out_channels != out && bundle->unet.out_channels != 2 * out) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "the network gives %d channels, expected %d, or %d with a learned "
                    "variance",
                    bundle->unet.out_channels, out, 2 * out);
        return false;
    }
    return true;
}

static bool
check_input(const SdeBundle *bundle, GError **error)
{
    if (bundle->posterior_input && !bundle->level_map) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'posterior_input' is true, expected 'level_map' with it");
        return false;
    }
    return true;
}

/* `label` is one of the network's classes and not the one that means "no class"; -1:
 * not given. */
static bool
check_class(const char *key, int label, int n_classes, int none_class, GError **error)
{
    if (label >= n_classes) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s' %d is not one of the network's %d classes", key, label,
                    n_classes);
        return false;
    }
    if (label >= 0 && label == none_class) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "'%s' %d is also 'none_class'",
                    key, label);
        return false;
    }
    return true;
}

static bool
check_classes(const SdeBundle *bundle, GError **error)
{
    int n_classes =
        bundle->unet.class_embed == SDE_CLASS_LABEL ? bundle->unet.num_class_embeds : 0;
    int n_names = bundle->class_names != NULL ? (int) g_strv_length(bundle->class_names)
                                              : n_classes;

    if (n_names != n_classes) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'class_names' has %d names for the network's %d classes", n_names,
                    n_classes);
        return false;
    }
    return check_class("none_class", bundle->none_class, n_classes, -1, error) &&
           check_class("default_class", bundle->default_class, n_classes,
                       bundle->none_class, error) &&
           check_class("restyle_class", bundle->restyle_class, n_classes,
                       bundle->none_class, error);
}

static bool
check_parts(const SdeBundle *bundle, GError **error)
{
    if (check_input(bundle, error) && check_channels(bundle, error) &&
        check_classes(bundle, error)) {
        return true;
    }

    g_autofree char *name = g_filename_display_name(bundle->folder);

    g_prefix_error(error, "model '%s': ", name);
    return false;
}

/* ---- the folder
 * ---------------------------------------------------------------------- */

static bool
load_parts(SdeBundle *bundle, GError **error)
{
    g_autofree char *unet_folder = NULL;
    g_autofree char *config_path = NULL;

    if (!check_is_pixel_model(bundle->folder, error)) {
        return false;
    }
    unet_folder = find_unet_folder(bundle->folder, error);
    if (unet_folder == NULL) {
        return false;
    }
    config_path = g_build_filename(unet_folder, "config.json", NULL);
    if (!sde_unet_config_load(config_path, &bundle->unet, error) ||
        !load_index(bundle, error) ||
        !load_scheduler(bundle->folder, &bundle->scheduler, error) ||
        !check_parts(bundle, error) || !load_tones(bundle, error)) {
        return false;
    }
    bundle->weights = open_weights(unet_folder, error);
    return bundle->weights != NULL && open_noise_weights(bundle, error);
}

bool
sde_bundle_open_unet(const char *folder, SdeUnetConfig *config, SdeWeights **weights,
                     GError **error)
{
    g_autofree char *unet_folder = find_unet_folder(folder, error);

    if (unet_folder == NULL) {
        return false;
    }

    g_autofree char *path = g_build_filename(unet_folder, "config.json", NULL);

    if (!sde_unet_config_load(path, config, error)) {
        return false;
    }
    *weights = open_weights(unet_folder, error);
    return *weights != NULL;
}

SdeBundle *
sde_bundle_load(const char *folder, GError **error)
{
    g_autoptr(SdeBundle) bundle = NULL;

    if (!check_is_folder(folder, error)) {
        return NULL;
    }
    bundle = g_new0(SdeBundle, 1);
    bundle->folder = g_canonicalize_filename(folder, NULL);
    bundle->name = g_path_get_basename(bundle->folder);
    bundle->patch_size = 1;
    bundle->none_class = -1;
    bundle->default_class = bundle->restyle_class = -1;
    if (!load_parts(bundle, error)) {
        return NULL;
    }
    return g_steal_pointer(&bundle);
}

void
sde_bundle_free(SdeBundle *bundle)
{
    if (bundle == NULL) {
        return;
    }
    sde_weights_free(bundle->weights);
    sde_weights_free(bundle->noise_weights);
    sde_scheduler_config_clear(&bundle->scheduler);
    g_strfreev(bundle->class_names);
    g_free(bundle->tones);
    g_free(bundle->name);
    g_free(bundle->folder);
    g_free(bundle);
}
