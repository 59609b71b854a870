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

typedef struct {
    const SdeKernels *kernels;
    const SdeNorm *norm;
    const SdeNormInput *input;
    SdeTensor *y;
    size_t pixels, block_pixels, blocks_per_sample;
    double *sums;         /* per sample and block: sums of a part, then of squares */
    double *totals;       /* per sample: channels sums, channels sums of squares */
    float *scale, *shift; /* n × channels */
} Norm;

typedef struct {
    int sample;
    size_t first, count; /* pixels */
} Range;

static Range
find_range(const Norm *norm, size_t block)
{
    const size_t i = block % norm->blocks_per_sample;
    const size_t first = i * norm->block_pixels;

    return (Range) {(int) (block / norm->blocks_per_sample), first,
                    MIN(norm->block_pixels, norm->pixels - first)};
}

static const float *
find_pixels(const Norm *norm, const SdeTensor *x, const Range *range)
{
    return x->data + ((size_t) range->sample * norm->pixels + range->first) * x->c;
}

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
    const Range range = find_range(norm, block);
    double *sums = norm->sums + block * 2 * (size_t) part->c;

    norm->kernels->channel_sums(find_pixels(norm, part, &range), range.count, part->c,
                                sums, sums + part->c);
}

/* The totals of one part's channels, from its blocks' sums. */
static void
add_blocks(const Norm *norm, const SdeTensor *part, int sample, double *totals)
{
    const size_t blocks = norm->blocks_per_sample;
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
    sde_compute_for(compute, norm->blocks_per_sample * (size_t) part->n, sum_block,
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
    const double count = (double) norm->pixels * width;
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
find_scales(const Norm *norm)
{
    const SdeNorm *weights = norm->norm;
    const int channels = weights->channels;

    for (int n = 0; n < norm->y->n; n++) {
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
            norm->scale[at + c] = (float) scale;
            norm->shift[at + c] = (float) shift;
        }
    }
}

static void
apply_block(size_t block, int thread, void *data)
{
    const Norm *norm = data;
    const SdeTensor *parts[2] = {norm->input->x, norm->input->x2};
    const Range range = find_range(norm, block);
    const size_t channels = (size_t) norm->norm->channels;
    size_t c = 0;

    for (int i = 0; i < 2 && parts[i] != NULL; i++) {
        const size_t at = (size_t) range.sample * channels + c;
        float *y = norm->y->data +
                   ((size_t) range.sample * norm->pixels + range.first) * channels + c;

        norm->kernels->scale_shift(find_pixels(norm, parts[i], &range), range.count,
                                   parts[i]->c, norm->scale + at, norm->shift + at,
                                   norm->input->f, y, channels);
        c += (size_t) parts[i]->c;
    }
}

void
sde_group_norm_run(SdeCompute *compute, const SdeNorm *weights,
                   const SdeNormInput *input, SdeTensor *y)
{
    const size_t mark = sde_arena_mark(compute->arena);
    const size_t channels = (size_t) weights->channels;
    const int c2 = input->x2 == NULL ? 0 : input->x2->c;
    Norm norm = {.kernels = sde_kernels_get(), .norm = weights, .input = input, .y = y};

    g_assert(input->x->c + c2 == weights->channels && y->c == weights->channels);
    g_assert(weights->channels % weights->groups == 0);
    norm.pixels = (size_t) y->h * (size_t) y->w;
    norm.block_pixels = MAX(BLOCK_FLOATS / channels, 1);
    norm.blocks_per_sample = (norm.pixels + norm.block_pixels - 1) / norm.block_pixels;

    const size_t n_blocks = norm.blocks_per_sample * (size_t) y->n;

    norm.sums =
        sde_compute_alloc_bytes(compute, n_blocks * 2 * channels * sizeof(double));
    norm.totals =
        sde_compute_alloc_bytes(compute, (size_t) y->n * 2 * channels * sizeof(double));
    norm.scale = sde_arena_alloc(compute->arena, (size_t) y->n * channels);
    norm.shift = sde_arena_alloc(compute->arena, (size_t) y->n * channels);
    if (!sde_compute_is_dry(compute)) {
        sum_part(compute, &norm, input->x, 0);
        if (input->x2 != NULL) {
            sum_part(compute, &norm, input->x2, input->x->c);
        }
        find_scales(&norm);
        sde_compute_for(compute, n_blocks, apply_block, &norm);
    }
    sde_arena_release(compute->arena, mark);
}
