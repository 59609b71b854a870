/* Grain for a fill, as strong as the photo's. SPDX-License-Identifier: GPL-3.0-or-later
 */
#pragma once

#include "task/task.h"

typedef struct {
    const SdeImage *source;
    SdeRect crop;          /* of the source, the hole and its surroundings */
    const float *mask;     /* of the crop, levels 0..1; only 0 is looked at as known */
    SdeRect bounds;        /* of the hole, in the source and inside of the crop */
    const SdeNoise *noise; /* of the photo */
    double gain;           /* times that it is higher here */
    double share;          /* 0..1 of the photo's grain */
} SdeGrain;

/* Bytes that sde_grain_add() needs. */
size_t sde_grain_plan(const SdeGrain *grain);
/* rgb: of the bounds, dense, -1..1. Adds, where the mask is above 0, what rgb lacks of
 * the photo's noise, and never more than is seen around. SDE_ERROR_TOO_LARGE when the
 * system has not got the memory. */
bool sde_grain_add(const SdeGrain *grain, float *rgb, uint64_t seed, GError **error);
