/* UNet2DModel's forward pass.
 *
 * Skip connections lie on the arena as on a stack: the way down pushes them, the way up
 * releases each with the resnet that consumed it. Planning is the same pass over a dry
 * arena. SPDX-License-Identifier: GPL-3.0-or-later */
#include "nn/unet.h"

#include <math.h>
#include <string.h>

#include "nn/unet-internal.h"
#include "sde.h"

#define MAX_PIXELS (1 << 26) /* of all samples: kernels index pixels with int */

typedef struct {
    SdeTensor tensor;
    size_t mark; /* of the arena before it */
} Skip;

typedef struct {
    SdeForward base;
    const SdeUnet *unet;
    Skip *skips;
    int n_skips;
    SdeTensor hidden;
} Pass;

int
sde_unet_get_size_multiple(const SdeUnet *unet)
{
    return 1 << (unet->config.n_levels - 1);
}

/* A map that the way up will need again. */
static SdeTensor
push_skip(Pass *pass, int n, int h, int w, int c)
{
    Skip *skip = &pass->skips[pass->n_skips++];

    skip->mark = sde_arena_mark(pass->base.compute.arena);
    skip->tensor = sde_compute_alloc_summed(&pass->base.compute, n, h, w, c);
    return skip->tensor;
}

static void
run_conv_in(Pass *pass, const SdeTensor *sample)
{
    SdeCompute *compute = &pass->base.compute;
    const SdeUnetConfig *config = &pass->unet->config;
    SdeTensor y =
        push_skip(pass, sample->n, sample->h, sample->w, config->block_out_channels[0]);
    const size_t mark = sde_arena_mark(compute->arena);
    SdeTensor x = *sample;

    if (config->center_input_sample) {
        x = sde_compute_alloc(compute, sample->n, sample->h, sample->w, sample->c);
        for (size_t i = 0; x.data != NULL && i < sde_tensor_count(&x); i++) {
            x.data[i] = 2.0f * sample->data[i] - 1.0f;
        }
    }
    sde_conv_run(compute, &pass->unet->conv_in, &(SdeConvInput) {.x = &x}, &y);
    sde_arena_release(compute->arena, mark);
    sde_forward_tap(&pass->base, &y, "conv_in");
    pass->hidden = y;
}

/* A resnet and the attention behind it, if any. False: cancelled. */
static bool
run_layer(Pass *pass, const SdeUnetBlock *block, int i, const SdeTensor *skip,
          const char *name, SdeTensor *y)
{
    SdeForward *forward = &pass->base;

    sde_resnet_run(forward, &block->resnets[i], &pass->hidden, skip, y);
    sde_forward_tap(forward, y, "%s.resnets.%d", name, i);
    if (i < block->n_attentions) {
        sde_self_attention_run(forward, &block->attentions[i], y);
        sde_forward_tap(forward, y, "%s.attentions.%d", name, i);
    }
    pass->hidden = *y;
    return !sde_forward_is_cancelled(forward);
}

static bool
run_down(Pass *pass, int level)
{
    const SdeUnetBlock *block = &pass->unet->down[level];
    const int c = pass->unet->config.block_out_channels[level];
    g_autofree char *name = g_strdup_printf("down_blocks.%d", level);
    const SdeTensor *hidden = &pass->hidden;

    for (int i = 0; i < block->n_resnets; i++) {
        SdeTensor y = push_skip(pass, hidden->n, hidden->h, hidden->w, c);

        if (!run_layer(pass, block, i, NULL, name, &y)) {
            return false;
        }
    }
    if (block->resampler.kind != SDE_RESAMPLER_NONE) {
        SdeTensor y = push_skip(pass, hidden->n, hidden->h / 2, hidden->w / 2, c);

        sde_resampler_run(&pass->base, &block->resampler, hidden, &y);
        sde_forward_tap(&pass->base, &y, "%s.downsamplers.0", name);
        pass->hidden = y;
    }
    sde_forward_tap(&pass->base, hidden, "%s", name);
    return true;
}

/* hidden becomes y, at the mark, and nothing else stays above it. */
static void
keep_only(Pass *pass, size_t mark, const SdeTensor *y)
{
    pass->hidden = *y;
    pass->hidden.data =
        sde_arena_keep(pass->base.compute.arena, mark, y->data, sde_tensor_size(y));
}

static bool
run_middle(Pass *pass)
{
    const SdeUnetBlock *block = &pass->unet->middle;
    SdeCompute *compute = &pass->base.compute;
    const size_t mark = sde_arena_mark(compute->arena);
    const SdeTensor shape = pass->hidden;

    for (int i = 0; i < block->n_resnets; i++) {
        SdeTensor y =
            sde_compute_alloc_summed(compute, shape.n, shape.h, shape.w, shape.c);

        if (!run_layer(pass, block, i, NULL, "mid_block", &y)) {
            return false;
        }
        keep_only(pass, mark, &y);
    }
    if (block->n_resnets > 0) {
        sde_forward_tap(&pass->base, &pass->hidden, "mid_block");
    }
    return true;
}

static bool
run_up(Pass *pass, int index)
{
    const SdeUnetBlock *block = &pass->unet->up[index];
    SdeCompute *compute = &pass->base.compute;
    const int level = pass->unet->config.n_levels - 1 - index;
    const int c = pass->unet->config.block_out_channels[level];
    g_autofree char *name = g_strdup_printf("up_blocks.%d", index);
    const SdeTensor *hidden = &pass->hidden;

    for (int i = 0; i < block->n_resnets; i++) {
        const Skip *skip = &pass->skips[--pass->n_skips];
        SdeTensor y =
            sde_compute_alloc_summed(compute, hidden->n, hidden->h, hidden->w, c);

        if (!run_layer(pass, block, i, &skip->tensor, name, &y)) {
            return false;
        }
        keep_only(pass, skip->mark, &y);
    }
    if (block->resampler.kind != SDE_RESAMPLER_NONE) {
        /* The small map stays below until the next skip goes: cheaper than a move. */
        SdeTensor y = sde_compute_alloc_summed(compute, hidden->n, hidden->h * 2,
                                               hidden->w * 2, c);

        sde_resampler_run(&pass->base, &block->resampler, hidden, &y);
        sde_forward_tap(&pass->base, &y, "%s.upsamplers.0", name);
        pass->hidden = y;
    }
    sde_forward_tap(&pass->base, hidden, "%s", name);
    return true;
}

/* The norm alone is no step of this pass: it is computed only for who asks, whom a dry
 * run cannot know. */
static void
tap_norm_out(Pass *pass)
{
    SdeCompute *compute = &pass->base.compute;
    const SdeTensor *x = &pass->hidden;
    const size_t mark = sde_arena_mark(compute->arena);

    if (pass->base.tap == NULL && !sde_compute_is_dry(compute)) {
        return;
    }

    SdeTensor y = sde_compute_alloc(compute, x->n, x->h, x->w, x->c);

    sde_group_norm_run(compute, &pass->unet->norm_out, &(SdeNormInput) {.x = x}, &y);
    sde_forward_tap(&pass->base, &y, "conv_norm_out");
    sde_arena_release(compute->arena, mark);
}

static void
run_conv_out(Pass *pass, SdeTensor *out)
{
    SdeCompute *compute = &pass->base.compute;
    const SdeTensor *x = &pass->hidden;
    SdeTensor y =
        sde_compute_alloc(compute, x->n, x->h, x->w, pass->unet->config.out_channels);

    tap_norm_out(pass);

    const SdeScaleShift norm =
        sde_group_norm_measure(compute, &pass->unet->norm_out,
                               &(SdeNormInput) {.x = x, .f = SDE_POINTWISE_SILU});

    sde_conv_run(compute, &pass->unet->conv_out,
                 &(SdeConvInput) {.x = x, .norm = &norm}, &y);
    sde_forward_tap(&pass->base, &y, "conv_out");
    if (out != NULL && !sde_forward_is_cancelled(&pass->base)) {
        memcpy(out->data, y.data, sde_tensor_count(&y) * sizeof(float));
    }
}

/* out is NULL in a dry run. False: cancelled. */
static bool
run_pass(Pass *pass, const SdeUnetInput *input, SdeTensor *out)
{
    const SdeUnet *unet = pass->unet;
    const int n_levels = unet->config.n_levels;
    const int n_skips = n_levels * (unet->config.layers_per_block + 1) + 1;
    g_autofree Skip *skips = g_new(Skip, n_skips);

    pass->skips = skips;
    sde_embedding_run(&pass->base, &unet->embedding, input, input->sample.n);
    run_conv_in(pass, &input->sample);
    for (int i = 0; i < n_levels; i++) {
        if (!run_down(pass, i)) {
            return false;
        }
    }
    if (!run_middle(pass)) {
        return false;
    }
    for (int i = 0; i < n_levels; i++) {
        if (!run_up(pass, i)) {
            return false;
        }
    }
    run_conv_out(pass, out);
    return !sde_forward_is_cancelled(&pass->base);
}

static SdeCompute
run_dry(const SdeUnet *unet, int n, int h, int w, int n_threads, size_t *peak)
{
    g_autoptr(SdeArena) arena = sde_arena_new_dry();
    Pass pass = {.base = {.compute = {.arena = arena, .n_threads = n_threads}},
                 .unet = unet};
    const SdeUnetInput input = {.sample = {NULL, n, h, w, unet->config.in_channels}};

    run_pass(&pass, &input, NULL);
    *peak = sde_arena_get_peak(arena);
    return pass.base.compute;
}

static bool
is_small_enough(int n, int h, int w)
{
    return (size_t) n * (size_t) h <= MAX_PIXELS / (size_t) MAX(w, 1);
}

size_t
sde_unet_plan(const SdeUnet *unet, int n, int h, int w, int n_threads)
{
    size_t peak = 0;

    if (!is_small_enough(n, h, w)) {
        return SIZE_MAX;
    }
    run_dry(unet, n, h, w, n_threads, &peak);
    return peak;
}

double
sde_unet_count_flop(const SdeUnet *unet, int n, int h, int w)
{
    size_t peak = 0;

    if (!is_small_enough(n, h, w)) {
        return HUGE_VAL;
    }
    return run_dry(unet, n, h, w, 1, &peak).flop;
}

static bool
check_input(const SdeUnet *unet, const SdeUnetInput *input, const SdeTensor *out,
            GError **error)
{
    const SdeTensor *x = &input->sample;
    const int multiple = sde_unet_get_size_multiple(unet);

    if (x->n < 1 || x->h < multiple || x->w < multiple || x->h % multiple != 0 ||
        x->w % multiple != 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "%d maps of %d × %d, expected multiples of %d", x->n, x->w, x->h,
                    multiple);
        return false;
    }
    if (!is_small_enough(x->n, x->h, x->w)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "%d maps of %d × %d, expected at most %d pixels", x->n, x->w, x->h,
                    MAX_PIXELS);
        return false;
    }
    if (x->c != unet->config.in_channels || out->c != unet->config.out_channels) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "%d channels in and %d out, expected %d and %d", x->c, out->c,
                    unet->config.in_channels, unet->config.out_channels);
        return false;
    }
    if (out->n != x->n || out->h != x->h || out->w != x->w) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "the result has %d maps of %d × %d, expected %d of %d × %d", out->n,
                    out->w, out->h, x->n, x->w, x->h);
        return false;
    }
    return sde_embedding_check_input(&unet->embedding, input, error);
}

bool
sde_unet_forward(const SdeUnet *unet, const SdeUnetInput *input, SdeTensor *out,
                 SdeArena *arena, SdePool *pool, GCancellable *cancellable,
                 SdeUnetTap tap, void *tap_data, GError **error)
{
    if (!check_input(unet, input, out, error) ||
        g_cancellable_set_error_if_cancelled(cancellable, error)) {
        return false;
    }

    const size_t mark = sde_arena_mark(arena);
    Pass pass = {
        .base =
            {
                .compute = {.arena = arena,
                            .pool = pool,
                            .n_threads =
                                pool == NULL ? 1 : sde_pool_get_n_threads(pool),
                            .cancellable = cancellable},
                .tap = tap,
                .tap_data = tap_data,
            },
        .unet = unet,
    };
    const bool done = run_pass(&pass, input, out);

    sde_arena_release(arena, mark);
    return done || !g_cancellable_set_error_if_cancelled(cancellable, error);
}
