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
} SdeConvJob;

/* A power of two rules out that thread counts decide: enough blocks for 16 threads. */
#define SDE_CONV_MIN_BLOCKS 32

static inline int
sde_conv_count_panels(const SdeKernels *kernels, int cout)
{
    return (cout + kernels->panel - 1) / kernels->panel;
}

/* Writes tile[n_pixels][panel] to y, at a pixel of sample n and its right neighbours.
 */
static inline void
sde_conv_write(const SdeConvJob *job, const float *tile, int n_pixels, int panel, int n,
               size_t pixel)
{
    const int width = job->kernels->panel;
    const int cout = job->conv->shape.cout;
    const int first = panel * width;
    const size_t at = pixel * (size_t) cout + (size_t) first;
    const SdeTensor *residual = job->input->residual;
    const SdeEpilogue epilogue = {
        .addend = job->addends + (size_t) n * job->n_panels * width + first,
        .residual = residual == NULL ? NULL : residual->data + at,
        .scale = job->scale,
    };

    job->kernels->write_tile(tile, n_pixels, MIN(width, cout - first), &epilogue,
                             job->y->data + at, (size_t) cout);
}

size_t sde_winograd_count_weights(const SdeConv *conv);
void sde_winograd_prepare(SdeConv *conv, const float *weights);
void sde_winograd_run(SdeCompute *compute, const SdeConvJob *job);
