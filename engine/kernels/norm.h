/* Group normalisation with its activation. Once the statistics are known, that is y =
 * f(x * scale + shift) with numbers for each channel: in one pass over the map, or on
 * the way into a convolution. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/compute.h"
#include "kernels/kernels.h"

typedef struct {
    int channels, groups;
    float eps;
    float *gain, *bias; /* channels each */
} SdeNorm;

typedef struct {
    const SdeTensor *x;
    const SdeTensor *x2;     /* nullable: further channels, as if concatenated */
    const float *modulation; /* nullable: n × (scale[c], shift[c]); the normalised map
                              * is multiplied by 1 + scale and shift is added */
    SdePointwise f;
} SdeNormInput;

typedef struct {
    float *scale, *shift; /* n × channels */
    SdePointwise f;
} SdeScaleShift;

/* From the statistics of x and x2. The arrays stay on top of the arena. */
SdeScaleShift sde_group_norm_measure(SdeCompute *compute, const SdeNorm *weights,
                                     const SdeNormInput *input);
/* y = f(x * scale + shift), x and x2 concatenated; y may be x when there is no x2. */
void sde_scale_shift_run(SdeCompute *compute, const SdeScaleShift *norm,
                         const SdeTensor *x, const SdeTensor *x2, SdeTensor *y);
/* The same for `count` pixels from `first` on, of one sample; samples follow each
 * other. y: count × channels. */
void sde_scale_shift_pixels(const SdeScaleShift *norm, const SdeTensor *x,
                            const SdeTensor *x2, size_t first, size_t count, float *y);
/* Both: y = f(norm(x, x2)), n × h × w × channels. */
void sde_group_norm_run(SdeCompute *compute, const SdeNorm *weights,
                        const SdeNormInput *input, SdeTensor *y);
