/* Group normalisation with its activation in one pass over the map.
 * SPDX-License-Identifier: GPL-3.0-or-later */
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

/* y = f(norm(x, x2)), n × h × w × channels; y may be x when there is no x2. */
void sde_group_norm_run(SdeCompute *compute, const SdeNorm *weights,
                        const SdeNormInput *input, SdeTensor *y);
