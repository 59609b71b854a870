/* Estimates the noise of a photo. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

/* Noise in 8-bit units (0..255). */
typedef struct {
    double sigma; /* root mean square over the picture; 0: none seen */
    /* Poisson-Gaussian: variance = slope * brightness + offset, brightness 0..1, held
     * between lowest^2 and highest^2. */
    double slope, offset;
    double lowest, highest;
} SdeNoiseLevel;

/* Where mask is given only around what it selects. Pictures smaller than one block have
 * no estimate: sigma 0. */
void sde_noise_level_estimate(const SdeImage *source, const SdeMask *mask,
                              SdePool *pool, SdeNoiseLevel *level);
/* The same level everywhere. */
void sde_noise_level_init(SdeNoiseLevel *level, double sigma);
double sde_noise_level_at(const SdeNoiseLevel *level, double brightness);
