/* Residual, attention and resampling blocks, as diffusers defines them.
 *
 * Every run function allocates its intermediates on top of the arena, after its output,
 * and releases them: the order of allocations is the memory plan.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "nn/blocks.h"

#include "kernels/attention.h"
#include "kernels/resample.h"

/* ---- ResnetBlock2D ---- */

static SdeConv
choose_conv3(const SdeBlockStyle *style, int cin, int cout, int upsample, int side)
{
    const SdeConvShape shape = {.cin = cin,
                                .cout = cout,
                                .side = 3,
                                .stride = 1,
                                .pad = 1,
                                .upsample = upsample};

    return sde_conv_choose(&shape, side, style->precision);
}

static SdeNorm
choose_norm(const SdeBlockStyle *style, int channels, int groups)
{
    return (SdeNorm) {.channels = channels, .groups = groups, .eps = style->norm_eps};
}

/* `side`: of the output maps. */
SdeResnet
sde_resnet_choose(const SdeBlockStyle *style, int cin, int cout, int side,
                  SdeResize resize, float scale)
{
    const int n_time = style->scale_shift ? 2 * cout : cout;

    return (SdeResnet) {
        .norm1 = choose_norm(style, cin, style->norm_groups),
        .norm2 = choose_norm(style, cout, style->norm_groups),
        .conv1 =
            choose_conv3(style, cin, cout, resize == SDE_RESIZE_DOUBLE ? 2 : 1, side),
        .conv2 = choose_conv3(style, cout, cout, 1, side),
        .time_proj =
            sde_params_choose_linear(style->time_width, n_time, SDE_PRECISION_FLOAT),
        .shortcut = sde_params_choose_linear(cin, cout, style->precision),
        .has_shortcut = cin != cout,
        .scale_shift = style->scale_shift,
        .resize = resize,
        .f = style->f,
        .scale = scale,
    };
}

typedef bool (*ConvLoader)(SdeParams *params, const char *name, SdeConv *conv,
                           GError **error);

static bool
load_linear(SdeParams *params, const char *name, SdeConv *conv, GError **error)
{
    return sde_params_load_linear(params, &name, 1, conv, error);
}

static bool
load_sub_conv(SdeParams *params, const char *name, const char *part, ConvLoader load,
              SdeConv *conv, GError **error)
{
    g_autofree char *full = g_strconcat(name, ".", part, NULL);

    return load(params, full, conv, error);
}

static bool
load_sub_norm(SdeParams *params, const char *name, const char *part, SdeNorm *norm,
              GError **error)
{
    g_autofree char *full = g_strconcat(name, ".", part, NULL);

    return sde_params_load_norm(params, full, norm, error);
}

bool
sde_resnet_load(SdeParams *params, const char *name, SdeResnet *resnet, GError **error)
{
    return load_sub_norm(params, name, "norm1", &resnet->norm1, error) &&
           load_sub_conv(params, name, "conv1", sde_params_load_conv, &resnet->conv1,
                         error) &&
           load_sub_conv(params, name, "time_emb_proj", load_linear, &resnet->time_proj,
                         error) &&
           load_sub_norm(params, name, "norm2", &resnet->norm2, error) &&
           load_sub_conv(params, name, "conv2", sde_params_load_conv, &resnet->conv2,
                         error) &&
           (!resnet->has_shortcut ||
            load_sub_conv(params, name, "conv_shortcut", load_linear, &resnet->shortcut,
                          error));
}

/* h = conv1(f(norm1(x))), at the output's size, plus the time where it is added. */
static void
run_first_half(SdeForward *forward, const SdeResnet *resnet, const SdeTensor *x,
               const SdeTensor *x2, const float *time, SdeTensor *h)
{
    SdeCompute *compute = &forward->compute;
    const size_t mark = sde_arena_mark(compute->arena);
    const SdeScaleShift norm = sde_group_norm_measure(
        compute, &resnet->norm1, &(SdeNormInput) {.x = x, .x2 = x2, .f = resnet->f});
    const float *shift = resnet->scale_shift ? NULL : time;

    if (resnet->resize == SDE_RESIZE_HALVE) {
        SdeTensor halved =
            sde_compute_alloc(compute, h->n, h->h, h->w, resnet->norm1.channels);
        SdeTensor a =
            sde_compute_alloc(compute, x->n, x->h, x->w, resnet->norm1.channels);

        sde_scale_shift_run(compute, &norm, x, x2, &a);
        sde_halve_run(compute, &a, &halved);
        sde_conv_run(compute, &resnet->conv1,
                     &(SdeConvInput) {.x = &halved, .shift = shift}, h);
    } else {
        sde_conv_run(compute, &resnet->conv1,
                     &(SdeConvInput) {.x = x, .x2 = x2, .norm = &norm, .shift = shift},
                     h);
    }
    sde_arena_release(compute->arena, mark);
}

/* What the second convolution's result is added to: x where it can stay, else y. */
static const SdeTensor *
run_shortcut(SdeForward *forward, const SdeResnet *resnet, const SdeTensor *x,
             const SdeTensor *x2, SdeTensor *y)
{
    SdeCompute *compute = &forward->compute;

    if (resnet->resize == SDE_RESIZE_HALVE) {
        sde_halve_run(compute, x, y);
    } else if (resnet->resize == SDE_RESIZE_DOUBLE) {
        sde_double_run(compute, x, y);
    } else if (resnet->has_shortcut) {
        sde_conv_run(compute, &resnet->shortcut, &(SdeConvInput) {.x = x, .x2 = x2}, y);
    } else if (x2 != NULL) {
        sde_concatenate_run(compute, x, x2, y);
    } else {
        return x;
    }
    return y;
}

void
sde_resnet_run(SdeForward *forward, const SdeResnet *resnet, const SdeTensor *x,
               const SdeTensor *x2, SdeTensor *y)
{
    SdeCompute *compute = &forward->compute;
    const size_t mark = sde_arena_mark(compute->arena);
    const int n_time = resnet->time_proj.shape.cout;
    SdeTensor time = sde_compute_alloc(compute, 1, 1, forward->time.w, n_time);
    SdeTensor h = sde_compute_alloc_summed(compute, y->n, y->h, y->w, y->c);
    SdeNormInput second = {.x = &h, .f = resnet->f};

    sde_conv_run(compute, &resnet->time_proj, &(SdeConvInput) {.x = &forward->time},
                 &time);
    run_first_half(forward, resnet, x, x2, time.data, &h);
    second.modulation = resnet->scale_shift ? time.data : NULL;

    const SdeScaleShift norm = sde_group_norm_measure(compute, &resnet->norm2, &second);
    const SdeTensor *residual = run_shortcut(forward, resnet, x, x2, y);

    sde_conv_run(
        compute, &resnet->conv2,
        &(SdeConvInput) {
            .x = &h, .norm = &norm, .residual = residual, .scale = resnet->scale},
        y);
    sde_arena_release(compute->arena, mark);
}

/* ---- Attention ---- */

SdeSelfAttention
sde_self_attention_choose(const SdeBlockStyle *style, int channels, int head_width,
                          int groups, float scale)
{
    const int heads = channels / head_width;
    const int inner = heads * head_width;

    return (SdeSelfAttention) {
        .has_norm = groups > 0,
        .norm = choose_norm(style, channels, groups),
        .qkv = sde_params_choose_linear(channels, 3 * inner, style->precision),
        .out = sde_params_choose_linear(inner, channels, style->precision),
        .heads = heads,
        .bf16 = style->precision != SDE_PRECISION_FLOAT,
        .scale = scale,
    };
}

bool
sde_self_attention_load(SdeParams *params, const char *name,
                        SdeSelfAttention *attention, GError **error)
{
    /* Before diffusers 0.15 the four layers had other names. */
    static const char *const new_names[4] = {"to_q", "to_k", "to_v", "to_out.0"};
    static const char *const old_names[4] = {"query", "key", "value", "proj_attn"};
    g_autofree char *probe = g_strconcat(name, ".query.weight", NULL);
    const char *const *names =
        sde_weights_has(params->weights, probe) ? old_names : new_names;
    g_autofree char *q = g_strconcat(name, ".", names[0], NULL);
    g_autofree char *k = g_strconcat(name, ".", names[1], NULL);
    g_autofree char *v = g_strconcat(name, ".", names[2], NULL);
    g_autofree char *out = g_strconcat(name, ".", names[3], NULL);
    const char *const qkv[3] = {q, k, v};

    return (!attention->has_norm ||
            load_sub_norm(params, name, "group_norm", &attention->norm, error)) &&
           sde_params_load_linear(params, qkv, 3, &attention->qkv, error) &&
           load_linear(params, out, &attention->out, error);
}

void
sde_self_attention_run(SdeForward *forward, const SdeSelfAttention *attention,
                       SdeTensor *x)
{
    SdeCompute *compute = &forward->compute;
    const size_t mark = sde_arena_mark(compute->arena);
    const int inner = attention->out.shape.cin;
    SdeTensor qkv = sde_compute_alloc(compute, x->n, x->h, x->w, 3 * inner);
    const size_t mark_norm = sde_arena_mark(compute->arena);
    SdeTensor tokens = *x;

    if (attention->has_norm) {
        tokens = sde_compute_alloc(compute, x->n, x->h, x->w, x->c);
        sde_group_norm_run(compute, &attention->norm, &(SdeNormInput) {.x = x},
                           &tokens);
    }
    sde_conv_run(compute, &attention->qkv, &(SdeConvInput) {.x = &tokens}, &qkv);
    sde_arena_release(compute->arena, mark_norm);

    SdeTensor mixed = sde_compute_alloc(compute, x->n, x->h, x->w, inner);

    sde_attention_run(compute, &qkv, attention->heads, attention->bf16, &mixed);
    sde_conv_run(
        compute, &attention->out,
        &(SdeConvInput) {.x = &mixed, .residual = x, .scale = attention->scale}, x);
    sde_arena_release(compute->arena, mark);
}

/* ---- Downsample2D, Upsample2D ---- */

bool
sde_resampler_load(SdeParams *params, const char *name, SdeResampler *resampler,
                   GError **error)
{
    switch (resampler->kind) {
    case SDE_RESAMPLER_CONV:
        return load_sub_conv(params, name, "conv", sde_params_load_conv,
                             &resampler->conv, error);
    case SDE_RESAMPLER_RESNET:
        return sde_resnet_load(params, name, &resampler->resnet, error);
    case SDE_RESAMPLER_NONE:
    default:
        return true;
    }
}

void
sde_resampler_run(SdeForward *forward, const SdeResampler *resampler,
                  const SdeTensor *x, SdeTensor *y)
{
    if (resampler->kind == SDE_RESAMPLER_RESNET) {
        sde_resnet_run(forward, &resampler->resnet, x, NULL, y);
    } else {
        sde_conv_run(&forward->compute, &resampler->conv, &(SdeConvInput) {.x = x}, y);
    }
}
