/* Builds a U-Net from its configuration and weights: which layers there are, with how
 * many channels, and under what names their tensors are stored.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "nn/unet.h"

#include "base/pages.h"
#include "nn/unet-internal.h"
#include "sde.h"

/* A model that does not say its size sees the tiles that tasks cut, mostly large ones.
 */
#define UNKNOWN_SIDE 256

static SdePointwise
find_pointwise(SdeActivation activation)
{
    switch (activation) {
    case SDE_ACT_GELU:
        return SDE_POINTWISE_GELU;
    case SDE_ACT_RELU:
        return SDE_POINTWISE_RELU;
    case SDE_ACT_MISH:
        return SDE_POINTWISE_MISH;
    case SDE_ACT_SILU:
    default:
        return SDE_POINTWISE_SILU;
    }
}

static SdeBlockStyle
find_style(const SdeUnet *unet)
{
    const SdeUnetConfig *config = &unet->config;

    return (SdeBlockStyle) {
        .time_width = unet->embedding.width,
        .norm_groups = config->norm_num_groups,
        .norm_eps = (float) config->norm_eps,
        .f = unet->embedding.f,
        .scale_shift = config->scale_shift,
        .precision = unet->precision,
    };
}

/* ---- what the configuration must allow ---- */

static bool
check_channels(const SdeUnetConfig *config, int channels, bool attention,
               GError **error)
{
    if (channels % config->norm_num_groups != 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "%d channels cannot be normalised in %d groups", channels,
                    config->norm_num_groups);
        return false;
    }
    if (attention && config->attention_head_dim > channels) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "attention_head_dim %d is more than the block's %d channels",
                    config->attention_head_dim, channels);
        return false;
    }
    return true;
}

static bool
check_config(const SdeUnetConfig *config, GError **error)
{
    const int last = config->n_levels - 1;
    const int middle = config->block_out_channels[MAX(last, 0)];

    if (config->n_levels < 1 || config->n_levels > SDE_MAX_LEVELS ||
        config->norm_num_groups < 1 || config->layers_per_block < 1) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "%d levels of %d layers in %d groups make no network",
                    config->n_levels, config->layers_per_block,
                    config->norm_num_groups);
        return false;
    }
    for (int i = 0; i <= last; i++) {
        const bool attention = config->down_block_types[i] == SDE_BLOCK_ATTENTION ||
                               config->up_block_types[last - i] == SDE_BLOCK_ATTENTION;

        if (!check_channels(config, config->block_out_channels[i], attention, error)) {
            return false;
        }
    }
    if (config->attn_norm_num_groups > 0 &&
        middle % config->attn_norm_num_groups != 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "%d channels cannot be normalised in %d groups", middle,
                    config->attn_norm_num_groups);
        return false;
    }
    return !config->has_mid_block ||
           check_channels(config, middle, config->add_attention, error);
}

/* ---- structure ---- */

/* Side of the maps of a level, for choosing a convolution method. */
static int
find_side(const SdeUnetConfig *config, int level)
{
    return (config->sample_size > 0 ? config->sample_size : UNKNOWN_SIDE) >> level;
}

static SdeConv
choose_conv(const SdeUnet *unet, int cin, int cout, int stride, int pad, int upsample,
            int side)
{
    const SdeConvShape shape = {.cin = cin,
                                .cout = cout,
                                .side = 3,
                                .stride = stride,
                                .pad = pad,
                                .upsample = upsample};

    return sde_conv_choose(&shape, side, unet->precision);
}

static SdeSelfAttention
choose_attention(const SdeUnet *unet, int channels, int groups, float scale)
{
    const SdeBlockStyle style = find_style(unet);
    const int head_width = unet->config.attention_head_dim;

    return sde_self_attention_choose(
        &style, channels, head_width > 0 ? head_width : channels, groups, scale);
}

/* cin[i] of each resnet; all have cout. */
static void
choose_block(const SdeUnet *unet, SdeUnetBlock *block, const int *cin, int n, int cout,
             int side, bool attention)
{
    const SdeBlockStyle style = find_style(unet);

    block->n_resnets = n;
    block->resnets = g_new0(SdeResnet, n);
    for (int i = 0; i < n; i++) {
        block->resnets[i] =
            sde_resnet_choose(&style, cin[i], cout, side, SDE_RESIZE_NONE, 1.0f);
    }
    if (!attention) {
        return;
    }
    block->n_attentions = n;
    block->attentions = g_new0(SdeSelfAttention, n);
    for (int i = 0; i < n; i++) {
        block->attentions[i] = choose_attention(unet, cout, style.norm_groups, 1.0f);
    }
}

/* DownBlock2D and UpBlock2D always resample by a convolution, the ResnetDownsample and
 * ResnetUpsample blocks always by a resnet, the attention blocks as the key says. */
static void
choose_resampler(const SdeUnet *unet, SdeUnetBlock *block, SdeBlockType type,
                 bool key_says_resnet, bool up, int channels, int side)
{
    const SdeBlockStyle style = find_style(unet);
    SdeResampler *resampler = &block->resampler;

    if (type == SDE_BLOCK_RESNET || (type == SDE_BLOCK_ATTENTION && key_says_resnet)) {
        resampler->kind = SDE_RESAMPLER_RESNET;
        resampler->resnet =
            sde_resnet_choose(&style, channels, channels, side,
                              up ? SDE_RESIZE_DOUBLE : SDE_RESIZE_HALVE, 1.0f);
        return;
    }
    resampler->kind = SDE_RESAMPLER_CONV;
    resampler->conv = up ? choose_conv(unet, channels, channels, 1, 1, 2, side)
                         : choose_conv(unet, channels, channels, 2,
                                       unet->config.downsample_padding, 1, side);
}

static void
choose_middle(SdeUnet *unet, int channels, int side)
{
    const SdeUnetConfig *config = &unet->config;
    const SdeBlockStyle style = find_style(unet);
    const float scale = (float) (1.0 / config->mid_block_scale_factor);
    SdeUnetBlock *middle = &unet->middle;
    int groups = config->attn_norm_num_groups;

    if (groups == 0 && !config->scale_shift) {
        groups = config->norm_num_groups;
    }
    middle->n_resnets = 2;
    middle->resnets = g_new0(SdeResnet, 2);
    for (int i = 0; i < 2; i++) {
        middle->resnets[i] =
            sde_resnet_choose(&style, channels, channels, side, SDE_RESIZE_NONE, scale);
    }
    if (config->add_attention) {
        middle->n_attentions = 1;
        middle->attentions = g_new0(SdeSelfAttention, 1);
        middle->attentions[0] = choose_attention(unet, channels, groups, scale);
    }
}

/* Walks the network as the forward pass does, with a stack of the skips' channels. */
static void
choose_blocks(SdeUnet *unet)
{
    const SdeUnetConfig *config = &unet->config;
    const int layers = config->layers_per_block;
    const int last = config->n_levels - 1;
    const int *channels = config->block_out_channels;
    g_autofree int *cin = g_new(int, layers + 1);
    g_autofree int *skips = g_new(int, config->n_levels *(layers + 1) + 1);
    int c = channels[0];
    int n_skips = 0;

    skips[n_skips++] = c;
    for (int i = 0; i <= last; i++) {
        for (int j = 0; j < layers; j++) {
            cin[j] = j == 0 ? c : channels[i];
            skips[n_skips++] = channels[i];
        }
        c = channels[i];
        choose_block(unet, &unet->down[i], cin, layers, c, find_side(config, i),
                     config->down_block_types[i] == SDE_BLOCK_ATTENTION);
        if (i < last) {
            choose_resampler(unet, &unet->down[i], config->down_block_types[i],
                             config->downsample_resnet, false, c,
                             find_side(config, i + 1));
            skips[n_skips++] = c;
        }
    }
    if (config->has_mid_block) {
        choose_middle(unet, c, find_side(config, last));
    }
    for (int i = 0; i <= last; i++) {
        const int level = last - i;

        for (int j = 0; j <= layers; j++) {
            cin[j] = (j == 0 ? c : channels[level]) + skips[--n_skips];
        }
        c = channels[level];
        choose_block(unet, &unet->up[i], cin, layers + 1, c, find_side(config, level),
                     config->up_block_types[i] == SDE_BLOCK_ATTENTION);
        if (i < last) {
            choose_resampler(unet, &unet->up[i], config->up_block_types[i],
                             config->upsample_resnet, true, c,
                             find_side(config, level - 1));
        }
    }
}

static void
choose_ends(SdeUnet *unet)
{
    const SdeUnetConfig *config = &unet->config;
    const int c = config->block_out_channels[0];
    const int side = find_side(config, 0);

    unet->conv_in = choose_conv(unet, config->in_channels, c, 1, 1, 1, side);
    unet->conv_out = choose_conv(unet, c, config->out_channels, 1, 1, 1, side);
    unet->norm_out = (SdeNorm) {.channels = c,
                                .groups = config->norm_num_groups,
                                .eps = (float) config->norm_eps};
}

/* ---- weights ---- */

static bool
load_block(SdeParams *params, SdeUnetBlock *block, const char *name,
           const char *resampler, GError **error)
{
    g_autofree char *resampler_name = g_strdup_printf("%s.%s.0", name, resampler);

    for (int i = 0; i < block->n_resnets; i++) {
        g_autofree char *full = g_strdup_printf("%s.resnets.%d", name, i);

        if (!sde_resnet_load(params, full, &block->resnets[i], error)) {
            return false;
        }
    }
    for (int i = 0; i < block->n_attentions; i++) {
        g_autofree char *full = g_strdup_printf("%s.attentions.%d", name, i);

        if (!sde_self_attention_load(params, full, &block->attentions[i], error)) {
            return false;
        }
    }
    return sde_resampler_load(params, resampler_name, &block->resampler, error);
}

static bool
load_weights(SdeUnet *unet, SdeParams *params, GError **error)
{
    const int n_levels = unet->config.n_levels;

    for (int i = 0; i < n_levels; i++) {
        g_autofree char *down = g_strdup_printf("down_blocks.%d", i);
        g_autofree char *up = g_strdup_printf("up_blocks.%d", i);

        if (!load_block(params, &unet->down[i], down, "downsamplers", error) ||
            !load_block(params, &unet->up[i], up, "upsamplers", error)) {
            return false;
        }
    }
    return load_block(params, &unet->middle, "mid_block", "", error) &&
           sde_embedding_load(params, &unet->embedding, error) &&
           sde_params_load_conv(params, "conv_in", &unet->conv_in, error) &&
           sde_params_load_norm(params, "conv_norm_out", &unet->norm_out, error) &&
           sde_params_load_conv(params, "conv_out", &unet->conv_out, error);
}

SdeUnet *
sde_unet_new(const SdeUnetConfig *config, SdeWeights *weights, SdePrecision precision,
             GError **error)
{
    if (!check_config(config, error)) {
        return NULL;
    }

    g_autoptr(SdeUnet) unet = g_new0(SdeUnet, 1);
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    SdeParams params = {weights, dry};

    unet->config = *config;
    unet->precision = precision;
    unet->embedding = sde_embedding_choose(config, find_pointwise(config->act_fn));
    choose_blocks(unet);
    choose_ends(unet);
    if (!load_weights(unet, &params, error)) {
        return NULL;
    }
    unet->store = sde_arena_new(sde_arena_get_peak(dry), error);
    params.arena = unet->store;
    if (unet->store == NULL || !load_weights(unet, &params, error) ||
        !sde_weights_check_all_read(weights, error)) {
        return NULL;
    }
    sde_pages_trim(); /* of tensors that are prepared now: tens of megabytes */
    return g_steal_pointer(&unet);
}

static void
clear_block(SdeUnetBlock *block)
{
    g_free(block->resnets);
    g_free(block->attentions);
}

void
sde_unet_free(SdeUnet *unet)
{
    if (unet == NULL) {
        return;
    }
    for (int i = 0; i < unet->config.n_levels; i++) {
        clear_block(&unet->down[i]);
        clear_block(&unet->up[i]);
    }
    clear_block(&unet->middle);
    sde_arena_free(unet->store);
    g_free(unet);
}
