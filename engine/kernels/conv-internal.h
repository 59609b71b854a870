/* What conv.c and winograd.c share. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/conv.h"
#include "kernels/kernels.h"

/* A convolution under way. */
typedef struct {
    const SdeKernels *kernels;
    const SdeConv *conv;
    const SdeConvInput *input;
    SdeTensor *y;
    const float *addends; /* n × whole panels: bias + shift */
    float scale;
    int n_panels;
    double *sums; /* of each block: whole panels of sums and of squares; NULL: none */
} SdeConvJob;

/* A power of two rules out that thread counts decide: enough blocks for 16 threads. */
#define SDE_CONV_MIN_BLOCKS 32

static inline int
sde_conv_count_panels(const SdeKernels *kernels, int cout)
{
    return (cout + kernels->panel - 1) / kernels->panel;
}

static inline int
sde_conv_count_channels(const SdeConvJob *job, int panel)
{
    const int width = job->kernels->panel;

    return MIN(width, job->conv->shape.cout - panel * width);
}

/* Where a panel's first channel of a pixel lies in y, and in the residual. */
static inline size_t
sde_conv_find_output(const SdeConvJob *job, int panel, size_t pixel)
{
    return pixel * (size_t) job->conv->shape.cout +
           (size_t) panel * job->kernels->panel;
}

static inline double *
sde_conv_find_sums(const SdeConvJob *job, size_t block)
{
    return job->sums + block * 2 * (size_t) job->n_panels * job->kernels->panel;
}

/* For a panel of a pixel of sample n in a block. */
static inline SdeEpilogue
sde_conv_find_epilogue(const SdeConvJob *job, size_t block, int panel, int n,
                       size_t pixel)
{
    const SdeTensor *residual = job->input->residual;
    const size_t first = (size_t) panel * job->kernels->panel;
    const size_t width = (size_t) job->n_panels * job->kernels->panel;
    double *sums = job->sums == NULL ? NULL : sde_conv_find_sums(job, block) + first;

    return (SdeEpilogue) {
        .addend = job->addends + (size_t) n * width + first,
        .residual = residual == NULL
                        ? NULL
                        : residual->data + sde_conv_find_output(job, panel, pixel),
        .sums = sums,
        .squares = sums == NULL ? NULL : sums + width,
        .scale = job->scale,
    };
}

/* Where y is summed, blocks of pixels take their own sums, which are added in order:
 * the same bits from any number of threads. */
void sde_conv_alloc_sums(SdeCompute *compute, SdeConvJob *job, size_t n_blocks);
void sde_conv_clear_sums(const SdeConvJob *job, size_t block, int panel);
void sde_conv_add_sums(const SdeConvJob *job, size_t n_blocks);

/* Does it normalise its input block by block? */
bool sde_winograd_takes_norm(const SdeConvJob *job);
size_t sde_winograd_count_weights(const SdeConv *conv);
void sde_winograd_prepare(SdeConv *conv, const float *weights);
void sde_winograd_run(SdeCompute *compute, SdeConvJob *job);
