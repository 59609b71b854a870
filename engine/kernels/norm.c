/* Group normalisation. The sums of a map come with it from the convolution that wrote
 * it, or are taken in double over fixed blocks of pixels and added in block order: no
 * cancellation to speak of, and the same bits from any thread count.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/norm.h"

#include <math.h>
#include <string.h>

#define BLOCK_FLOATS                                                \
    16384 /* of x in a block: 64 KiB, a second-level cache's eighth \
           */

/* Pixels of each sample in blocks. */
typedef struct {
    size_t pixels, block_pixels, blocks_per_sample;
} Cut;

static Cut
cut_pixels(const SdeTensor *x, size_t channels)
{
    const size_t pixels = (size_t) x->h * (size_t) x->w;
    const size_t block_pixels = MAX(BLOCK_FLOATS / channels, 1);

    return (Cut) {pixels, block_pixels, (pixels + block_pixels - 1) / block_pixels};
}

/* Pixels of a block, counted through all samples. */
typedef struct {
    size_t first, count;
} Range;

static Range
find_range(const Cut *cut, size_t block)
{
    const size_t first = block % cut->blocks_per_sample * cut->block_pixels;

    return (Range) {block / cut->blocks_per_sample * cut->pixels + first,
                    MIN(cut->block_pixels, cut->pixels - first)};
}

/* ---- statistics ------------------------------------------------------------------ */

typedef struct {
    const SdeNorm *norm;
    const SdeNormInput *input;
    Cut cut;
    double *sums;   /* per sample and block: sums of a part, then of squares */
    double *totals; /* per sample: channels sums, channels sums of squares */
} Norm;

typedef struct {
    const Norm *norm;
    const SdeTensor *part;
} PartSums;

static void
sum_block(size_t block, int thread, void *data)
{
    const PartSums *part_sums = data;
    const Norm *norm = part_sums->norm;
    const SdeTensor *part = part_sums->part;
    const Range range = find_range(&norm->cut, block);
    double *sums = norm->sums + block * 2 * (size_t) part->c;

    sde_kernels_get()->channel_sums(part->data + range.first * (size_t) part->c,
                                    range.count, part->c, sums, sums + part->c);
}

/* The totals of one part's channels, from its blocks' sums. */
static void
add_blocks(const Norm *norm, const SdeTensor *part, int sample, double *totals)
{
    const size_t blocks = norm->cut.blocks_per_sample;
    const int channels = norm->norm->channels;

    for (int c = 0; c < part->c; c++) {
        totals[c] = totals[channels + c] = 0;
    }
    for (size_t b = 0; b < blocks; b++) {
        const double *sums =
            norm->sums + ((size_t) sample * blocks + b) * 2 * (size_t) part->c;

        for (int c = 0; c < part->c; c++) {
            totals[c] += sums[c];
            totals[channels + c] += sums[part->c + c];
        }
    }
}

/* The totals of a part, whose channels are `first` and on of all. */
static void
sum_part(SdeCompute *compute, const Norm *norm, const SdeTensor *part, int first)
{
    const size_t channels = (size_t) norm->norm->channels;
    const size_t size = (size_t) part->c * sizeof(double);
    PartSums part_sums = {norm, part};

    if (part->summed) {
        const double *sums = sde_tensor_peek_sums(part);

        memcpy(norm->totals + first, sums, size);
        memcpy(norm->totals + channels + first, sums + part->c, size);
        return;
    }
    sde_compute_for(compute, norm->cut.blocks_per_sample * (size_t) part->n, sum_block,
                    &part_sums);
    for (int n = 0; n < part->n; n++) {
        add_blocks(norm, part, n, norm->totals + (size_t) n * 2 * channels + first);
    }
}

/* A group's mean and 1 / standard deviation. */
static void
measure_group(const Norm *norm, int sample, int group, double *mean, double *rdeviation)
{
    const int channels = norm->norm->channels;
    const int width = channels / norm->norm->groups;
    const double count = (double) norm->cut.pixels * width;
    const double *totals = norm->totals + (size_t) sample * 2 * (size_t) channels;
    double sum = 0, square = 0;

    for (int c = group * width; c < (group + 1) * width; c++) {
        sum += totals[c];
        square += totals[channels + c];
    }
    *mean = sum / count;
    *rdeviation =
        1.0 / sqrt(MAX(square / count - *mean * *mean, 0.0) + (double) norm->norm->eps);
}

static void
find_scales(const Norm *norm, const SdeScaleShift *to)
{
    const SdeNorm *weights = norm->norm;
    const int channels = weights->channels;

    for (int n = 0; n < norm->input->x->n; n++) {
        const float *modulation = norm->input->modulation;
        const size_t at = (size_t) n * channels;
        double mean = 0, rdeviation = 0;

        for (int c = 0; c < channels; c++) {
            if (c % (channels / weights->groups) == 0) {
                measure_group(norm, n, c / (channels / weights->groups), &mean,
                              &rdeviation);
            }

            double scale = (double) weights->gain[c] * rdeviation;
            double shift = (double) weights->bias[c] - mean * scale;

            if (modulation != NULL) {
                const double by = 1.0 + (double) modulation[2 * at + c];

                scale *= by;
                shift = shift * by + (double) modulation[2 * at + channels + c];
            }
            to->scale[at + c] = (float) scale;
            to->shift[at + c] = (float) shift;
        }
    }
}

SdeScaleShift
sde_group_norm_measure(SdeCompute *compute, const SdeNorm *weights,
                       const SdeNormInput *input)
{
    const SdeTensor *x = input->x;
    const size_t channels = (size_t) weights->channels, n = (size_t) x->n;
    const int c2 = input->x2 == NULL ? 0 : input->x2->c;
    const SdeScaleShift result = {sde_arena_alloc(compute->arena, n * channels),
                                  sde_arena_alloc(compute->arena, n * channels),
                                  input->f};
    const size_t mark = sde_arena_mark(compute->arena);
    Norm norm = {.norm = weights, .input = input, .cut = cut_pixels(x, channels)};
    const size_t n_blocks = norm.cut.blocks_per_sample * n;

    g_assert(x->c + c2 == weights->channels);
    g_assert(weights->channels % weights->groups == 0);
    norm.sums =
        sde_compute_alloc_bytes(compute, n_blocks * 2 * channels * sizeof(double));
    norm.totals = sde_compute_alloc_bytes(compute, n * 2 * channels * sizeof(double));
    if (!sde_compute_is_dry(compute)) {
        sum_part(compute, &norm, x, 0);
        if (input->x2 != NULL) {
            sum_part(compute, &norm, input->x2, x->c);
        }
        find_scales(&norm, &result);
    }
    sde_arena_release(compute->arena, mark);
    return result;
}

/* ---- the pass -------------------------------------------------------------------- */

void
sde_scale_shift_pixels(const SdeScaleShift *norm, const SdeTensor *x,
                       const SdeTensor *x2, size_t first, size_t count, float *y)
{
    const SdeTensor *parts[2] = {x, x2};
    const size_t channels = (size_t) x->c + (x2 == NULL ? 0 : (size_t) x2->c);
    size_t at = first / ((size_t) x->h * (size_t) x->w) * channels;

    for (int i = 0; i < 2 && parts[i] != NULL; i++) {
        const size_t c = (size_t) parts[i]->c;

        sde_kernels_get()->scale_shift(parts[i]->data + first * c, count, parts[i]->c,
                                       norm->scale + at, norm->shift + at, norm->f, y,
                                       channels);
        at += c;
        y += c;
    }
}

typedef struct {
    const SdeScaleShift *norm;
    const SdeTensor *x, *x2;
    SdeTensor *y;
    Cut cut;
} Pass;

static void
apply_block(size_t block, int thread, void *data)
{
    const Pass *pass = data;
    const Range range = find_range(&pass->cut, block);

    sde_scale_shift_pixels(pass->norm, pass->x, pass->x2, range.first, range.count,
                           pass->y->data + range.first * (size_t) pass->y->c);
}

void
sde_scale_shift_run(SdeCompute *compute, const SdeScaleShift *norm, const SdeTensor *x,
                    const SdeTensor *x2, SdeTensor *y)
{
    Pass pass = {norm, x, x2, y, cut_pixels(x, (size_t) y->c)};

    g_assert(y->c == x->c + (x2 == NULL ? 0 : x2->c));
    if (!sde_compute_is_dry(compute)) {
        sde_compute_for(compute, pass.cut.blocks_per_sample * (size_t) y->n,
                        apply_block, &pass);
    }
}

void
sde_group_norm_run(SdeCompute *compute, const SdeNorm *weights,
                   const SdeNormInput *input, SdeTensor *y)
{
    const size_t mark = sde_arena_mark(compute->arena);
    const SdeScaleShift norm = sde_group_norm_measure(compute, weights, input);

    sde_scale_shift_run(compute, &norm, input->x, input->x2, y);
    sde_arena_release(compute->arena, mark);
}
