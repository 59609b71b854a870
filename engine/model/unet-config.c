/* unet/config.json of a UNet2DModel.
 *
 * The caps keep every later product of sizes far from overflow, and the rules that hold
 * between keys are checked here once, so that the network can rely on them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/config.h"

#include <string.h>

#include "model/config-read.h"
#include "sde.h"

#define MAX_CHANNELS    8192
#define MAX_LAYERS      64
#define MAX_SAMPLE_SIZE 4096
#define MAX_CLASSES     100000

static const SdeChoice down_blocks[] = {
    {"DownBlock2D", SDE_BLOCK_PLAIN},
    {"AttnDownBlock2D", SDE_BLOCK_ATTENTION},
    {"ResnetDownsampleBlock2D", SDE_BLOCK_RESNET},
};

static const SdeChoice up_blocks[] = {
    {"UpBlock2D", SDE_BLOCK_PLAIN},
    {"AttnUpBlock2D", SDE_BLOCK_ATTENTION},
    {"ResnetUpsampleBlock2D", SDE_BLOCK_RESNET},
};

static const SdeChoice activations[] = {
    {"silu", SDE_ACT_SILU}, {"swish", SDE_ACT_SILU}, {"gelu", SDE_ACT_GELU},
    {"relu", SDE_ACT_RELU}, {"mish", SDE_ACT_MISH},
};

static const SdeChoice samplings[] = {{"conv", 0}, {"resnet", 1}};
static const SdeChoice time_shifts[] = {{"default", 0}, {"scale_shift", 1}};
static const SdeChoice class_embeds[] = {
    {"timestep", SDE_CLASS_TIMESTEP},
    {"identity", SDE_CLASS_IDENTITY},
};

static void
init_unet(SdeUnetConfig *config)
{
    *config = (SdeUnetConfig) {
        .in_channels = 3,
        .out_channels = 3,
        .n_levels = 4,
        .block_out_channels = {224, 448, 672, 896},
        .down_block_types = {SDE_BLOCK_PLAIN, SDE_BLOCK_ATTENTION, SDE_BLOCK_ATTENTION,
                             SDE_BLOCK_ATTENTION},
        .up_block_types = {SDE_BLOCK_ATTENTION, SDE_BLOCK_ATTENTION,
                           SDE_BLOCK_ATTENTION, SDE_BLOCK_PLAIN},
        .layers_per_block = 2,
        .attention_head_dim = 8,
        .norm_num_groups = 32,
        .norm_eps = 1e-5,
        .act_fn = SDE_ACT_SILU,
        .downsample_padding = 1,
        .flip_sin_to_cos = true,
        .mid_block_scale_factor = 1,
        .has_mid_block = true,
        .add_attention = true,
    };
}

/* ---- lists --------------------------------------------------------------------------
 */

static bool
check_list_length(const char *key, JsonArray *list, GError **error)
{
    unsigned n = json_array_get_length(list);

    if (n < 1 || n > SDE_MAX_LEVELS) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s': expected 1 to %d entries, found %u", key, SDE_MAX_LEVELS, n);
        return false;
    }
    return true;
}

static bool
read_channels(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    const char *key = "block_out_channels";
    JsonArray *list = NULL;

    if (!sde_json_peek_array(object, key, &list, error)) {
        return false;
    }
    if (list == NULL) {
        return true;
    }
    if (!check_list_length(key, list, error)) {
        return false;
    }
    config->n_levels = (int) json_array_get_length(list);
    for (int i = 0; i < config->n_levels; i++) {
        JsonNode *node = json_array_get_element(list, (guint) i);
        gint64 channels = JSON_NODE_HOLDS_VALUE(node) &&
                                  json_node_get_value_type(node) == G_TYPE_INT64
                              ? json_node_get_int(node)
                              : 0;

        if (channels < 1 || channels > MAX_CHANNELS) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "'%s': entry %d is not a whole number from 1 to %d", key, i,
                        MAX_CHANNELS);
            return false;
        }
        config->block_out_channels[i] = (int) channels;
    }
    return true;
}

static bool
read_blocks(JsonObject *object, const char *key, const SdeChoice choices[3],
            SdeBlockType types[SDE_MAX_LEVELS], int *n_types, GError **error)
{
    JsonArray *list = NULL;

    if (!sde_json_peek_array(object, key, &list, error)) {
        return false;
    }
    if (list == NULL) {
        return true;
    }
    if (!check_list_length(key, list, error)) {
        return false;
    }
    *n_types = (int) json_array_get_length(list);
    for (int i = 0; i < *n_types; i++) {
        JsonNode *node = json_array_get_element(list, (guint) i);
        const char *word =
            JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
        int type = 0;

        if (word == NULL) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "'%s': entry %d is %s, expected a string", key, i,
                        sde_json_describe(node));
            return false;
        }
        if (g_str_has_prefix(word, "UNetRes")) { /* the name before diffusers 0.3 */
            word += strlen("UNetRes");
        }
        if (!sde_config_find_choice(key, word, choices, 3, &type, error)) {
            return false;
        }
        types[i] = (SdeBlockType) type;
    }
    return true;
}

static bool
read_levels(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    int n_down = 4, n_up = 4; /* the defaults' */

    if (!read_channels(object, config, error) ||
        !read_blocks(object, "down_block_types", down_blocks, config->down_block_types,
                     &n_down, error) ||
        !read_blocks(object, "up_block_types", up_blocks, config->up_block_types, &n_up,
                     error)) {
        return false;
    }
    if (n_down != config->n_levels || n_up != config->n_levels) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "expected lists of one length, found %d 'block_out_channels', %d "
                    "'down_block_types' and %d 'up_block_types'",
                    config->n_levels, n_down, n_up);
        return false;
    }
    return true;
}

/* ---- single keys --------------------------------------------------------------------
 */

/* A number, or [height, width], of which the smaller counts. */
static bool
read_sample_size(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    const char *key = "sample_size";
    JsonNode *node = json_object_get_member(object, key);

    if (node == NULL || !JSON_NODE_HOLDS_ARRAY(node)) {
        return sde_json_get_int(object, key, 1, MAX_SAMPLE_SIZE, &config->sample_size,
                                error);
    }

    JsonArray *list = json_node_get_array(node);
    int sizes[2] = {0, 0};

    for (unsigned i = 0; i < 2 && json_array_get_length(list) == 2; i++) {
        JsonNode *size = json_array_get_element(list, i);

        if (JSON_NODE_HOLDS_VALUE(size) &&
            json_node_get_value_type(size) == G_TYPE_INT64) {
            sizes[i] = (int) CLAMP(json_node_get_int(size), 0, MAX_SAMPLE_SIZE + 1);
        }
    }
    if (MIN(sizes[0], sizes[1]) < 1 || MAX(sizes[0], sizes[1]) > MAX_SAMPLE_SIZE) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s': expected one or two whole numbers from 1 to %d", key,
                    MAX_SAMPLE_SIZE);
        return false;
    }
    config->sample_size = MIN(sizes[0], sizes[1]);
    return true;
}

/* Missing means 8, null means one head of all channels; but the copies of the first
 * diffusers models (0.0.x) lack the key and mean null. */
static bool
read_head_dim(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    const char *key = "attention_head_dim";
    const char *version = NULL;

    if (!sde_json_peek_string(object, "_diffusers_version", &version, error)) {
        return false;
    }
    if (json_object_has_member(object, key)
            ? !sde_json_has(object, key)
            : version != NULL && g_str_has_prefix(version, "0.0.")) {
        config->attention_head_dim = 0;
    }
    return sde_json_get_int(object, key, 1, MAX_CHANNELS, &config->attention_head_dim,
                            error);
}

static bool
read_numbers(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    const struct {
        const char *key;
        int min, max;
        int *value;
    } numbers[] = {
        {"in_channels", 1, MAX_CHANNELS, &config->in_channels},
        {"out_channels", 1, MAX_CHANNELS, &config->out_channels},
        {"layers_per_block", 1, MAX_LAYERS, &config->layers_per_block},
        {"norm_num_groups", 1, MAX_CHANNELS, &config->norm_num_groups},
        {"attn_norm_num_groups", 1, MAX_CHANNELS, &config->attn_norm_num_groups},
        {"downsample_padding", 0, 1, &config->downsample_padding},
        {"num_class_embeds", 1, MAX_CLASSES, &config->num_class_embeds},
        {"time_embedding_dim", 1, 4 * MAX_CHANNELS, &config->time_embedding_dim},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!sde_json_get_int(object, numbers[i].key, numbers[i].min, numbers[i].max,
                              numbers[i].value, error)) {
            return false;
        }
    }
    if (json_object_has_member(object, "norm_num_groups") &&
        !sde_json_has(object, "norm_num_groups")) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "'norm_num_groups': null is not supported");
        return false;
    }
    return sde_json_get_double(object, "norm_eps", 1e-12, 1, &config->norm_eps,
                               error) &&
           sde_json_get_double(object, "freq_shift", -1, 1, &config->freq_shift,
                               error) &&
           sde_json_get_double(object, "mid_block_scale_factor", 1e-6, 1e6,
                               &config->mid_block_scale_factor, error) &&
           read_sample_size(object, config, error) &&
           read_head_dim(object, config, error);
}

static bool
read_switches(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    int down = 0, up = 0, shift = 0;

    if (!sde_json_get_bool(object, "center_input_sample", &config->center_input_sample,
                           error) ||
        !sde_json_get_bool(object, "flip_sin_to_cos", &config->flip_sin_to_cos,
                           error) ||
        !sde_json_get_bool(object, "add_attention", &config->add_attention, error) ||
        !sde_config_get_choice(object, "downsample_type", samplings, 2, &down, error) ||
        !sde_config_get_choice(object, "upsample_type", samplings, 2, &up, error) ||
        !sde_config_get_choice(object, "resnet_time_scale_shift", time_shifts, 2,
                               &shift, error)) {
        return false;
    }
    config->downsample_resnet = down != 0;
    config->upsample_resnet = up != 0;
    config->scale_shift = shift != 0;
    return true;
}

static bool
read_words(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    int act = (int) config->act_fn;
    int class_embed =
        config->num_class_embeds > 0 ? (int) SDE_CLASS_LABEL : (int) SDE_CLASS_NONE;

    if (!sde_config_require_word(object, "time_embedding_type", "positional", error) ||
        !sde_config_require_word(object, "mid_block_type", "UNetMidBlock2D", error) ||
        !sde_config_get_choice(object, "act_fn", activations, G_N_ELEMENTS(activations),
                               &act, error) ||
        !sde_config_get_choice(object, "class_embed_type", class_embeds,
                               G_N_ELEMENTS(class_embeds), &class_embed, error)) {
        return false;
    }
    config->act_fn = (SdeActivation) act;
    config->class_embed = (SdeClassEmbed) class_embed;
    config->has_mid_block = !json_object_has_member(object, "mid_block_type") ||
                            sde_json_has(object, "mid_block_type");
    return true;
}

/* ---- rules between keys -------------------------------------------------------------
 */

static bool
check_divides(const char *key, int part, int channels, GError **error)
{
    if (part > 0 && channels % part != 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s': %d does not divide the %d channels of a block", key, part,
                    channels);
        return false;
    }
    return true;
}

static bool
check_together(const SdeUnetConfig *config, GError **error)
{
    int last = config->n_levels - 1;
    bool mid_attention = config->has_mid_block && config->add_attention;

    for (int i = 0; i <= last; i++) {
        int channels = config->block_out_channels[i];
        bool attention = config->down_block_types[i] == SDE_BLOCK_ATTENTION ||
                         config->up_block_types[last - i] == SDE_BLOCK_ATTENTION ||
                         (i == last && mid_attention);

        if (!check_divides("norm_num_groups", config->norm_num_groups, channels,
                           error)) {
            return false;
        }
        if (attention && !check_divides("attention_head_dim",
                                        config->attention_head_dim, channels, error)) {
            return false;
        }
    }
    if (config->block_out_channels[0] % 2 != 0 ||
        config->block_out_channels[0] / 2.0 - config->freq_shift < 0.5) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'block_out_channels': %d channels at the top level cannot hold a "
                    "time embedding; expected an even number, 4 or more",
                    config->block_out_channels[0]);
        return false;
    }
    return !mid_attention ||
           check_divides("attn_norm_num_groups", config->attn_norm_num_groups,
                         config->block_out_channels[last], error);
}

static bool
check_class_name(JsonObject *object, GError **error)
{
    const char *name = NULL;

    if (!sde_json_peek_string(object, "_class_name", &name, error)) {
        return false;
    }
    /* The first diffusers wrote no class; but neither do CLIP's and other configs. */
    if (name == NULL && !sde_json_has(object, "block_out_channels")) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "neither '_class_name' nor 'block_out_channels' is there: not the "
                    "config of a UNet2DModel");
        return false;
    }
    if (g_strcmp0(name, "UNet2DConditionModel") == 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "'_class_name': this is a UNet2DConditionModel; text-conditioned "
                    "models (Stable Diffusion and the like) are not supported yet");
        return false;
    }
    return sde_config_require_word(object, "_class_name", "UNet2DModel", error);
}

static bool
read_unet(JsonObject *object, SdeUnetConfig *config, GError **error)
{
    init_unet(config);
    return check_class_name(object, error) && read_levels(object, config, error) &&
           read_numbers(object, config, error) &&
           read_switches(object, config, error) && read_words(object, config, error) &&
           check_together(config, error);
}

bool
sde_unet_config_parse(const char *json, gssize length, SdeUnetConfig *config,
                      GError **error)
{
    size_t size = length < 0 ? strlen(json) : (size_t) length;
    g_autoptr(JsonNode) root = sde_json_parse(json, size, error);
    SdeUnetConfig read;

    if (root == NULL || !read_unet(json_node_get_object(root), &read, error)) {
        return false;
    }
    *config = read;
    return true;
}

bool
sde_unet_config_load(const char *path, SdeUnetConfig *config, GError **error)
{
    g_autoptr(JsonNode) root = sde_json_load(path, error);
    SdeUnetConfig read;

    if (root == NULL) {
        return false;
    }
    if (!read_unet(json_node_get_object(root), &read, error)) {
        g_autofree char *name = g_filename_display_name(path);

        g_prefix_error(error, "'%s': ", name);
        return false;
    }
    *config = read;
    return true;
}
