/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/marks/contours.h"

#include <math.h>

/* Pixels: the Gaussians reach twice their deviations, which are 1 and 2. */
#define NARROW 2
#define WIDE   4
#define JOIN   8

void
sde_contours_find(const SdeContours *contours, const SdeFlow *flow, SdePool *pool,
                  const float *luma, float *scratch, float *out)
{
    const SdeFlowMean narrow = {.across = true, .reach = NARROW};
    const SdeFlowMean wide = {.across = true, .reach = WIDE};
    const SdeFlowMean join = {.reach = JOIN};
    size_t n = (size_t) flow->width * (size_t) flow->height;

    sde_flow_average(flow, pool, &narrow, luma, 1, scratch);
    sde_flow_average(flow, pool, &wide, luma, 1, out);
    for (size_t i = 0; i < n; i++) {
        scratch[i] =
            contours->tone * scratch[i] + contours->sharpness * (scratch[i] - out[i]);
    }
    sde_flow_average(flow, pool, &join, scratch, 1, out);
    for (size_t i = 0; i < n; i++) {
        out[i] = contours->steepness * (out[i] - contours->paper);
    }
}

float
sde_contours_ink(float found, float zoom)
{
    return found < 0.0f ? -tanhf(zoom * found) : 0.0f;
}
