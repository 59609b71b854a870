/* How strong correlated noise is: the sum of what each octave of patterns has of it, by
 * brightness. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/noise-blocks.h"

#define SDE_NOISE_SCALES 3 /* surveys: full size, a half, a quarter */
#define SDE_NOISE_BINS   8 /* of brightness */

/* One channel. */
typedef struct {
    int n[SDE_NOISE_BINS];           /* blocks; 0: too few to say */
    double value[SDE_NOISE_BINS];    /* mean of the blocks, 0..1 */
    double variance[SDE_NOISE_BINS]; /* of the noise, if it is noise */
} SdeNoiseOctaves;

/* The channels that are asked. Returns 1 where they look like noise, that is, alike in
 * all smooth blocks, 0 where they look like texture. */
double sde_noise_octaves_sum(const SdeNoiseSurvey surveys[SDE_NOISE_SCALES],
                             const bool asked[3], SdeNoiseOctaves sums[3]);
/* Of all blocks; some must be counted. */
double sde_noise_octaves_deviation(const SdeNoiseOctaves *sums);
/* 1 at `noise` and beyond, 0 at `texture` and beyond. */
double sde_noise_place_between(double value, double noise, double texture);
