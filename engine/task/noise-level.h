/* Estimates the noise of a photo. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

#define SDE_NOISE_GRID 8 /* cells of the picture on a side, at most */

/* Noise in 8-bit units (0..255). */
typedef struct {
    double sigma; /* root mean square over picture and channels; 0: none seen */
    /* Poisson-Gaussian, per channel: variance = slope * value + offset, value 0..1,
     * held between lowest^2 and highest^2. */
    double slope[3], offset[3], lowest[3], highest[3];
    bool is_correlated; /* from pixel to pixel, as after demosaicing, JPEG, resizing */
    /* Times that the deviation differs from place to place: in the middles of cells. */
    int columns, rows, width, height;
    double gains[SDE_NOISE_GRID * SDE_NOISE_GRID];
    double lowest_gain, highest_gain;
} SdeNoiseLevel;

/* Where mask is given only around what it selects. Pictures smaller than one block have
 * no estimate: sigma 0; neither has a cancelled call. `net` is asked about noise that
 * is not white; NULL: statistics alone. */
void sde_noise_level_estimate(const SdeImage *source, const SdeMask *mask,
                              const SdeNoiseNet *net, SdePool *pool,
                              GCancellable *cancellable, SdeNoiseLevel *level);
/* The same level everywhere. */
void sde_noise_level_init(SdeNoiseLevel *level, double sigma);
/* Of one channel where gains are 1. */
double sde_noise_level_of_channel(const SdeNoiseLevel *level, int channel,
                                  double value);
/* Of a pixel: root mean square over its channels, times the gain there. */
double sde_noise_level_at(const SdeNoiseLevel *level, int x, int y, const float rgb[3]);
/* What no pixel exceeds. */
double sde_noise_level_highest(const SdeNoiseLevel *level);
bool sde_noise_level_is_uniform(const SdeNoiseLevel *level);
/* For people. */
void sde_noise_level_describe(const SdeNoiseLevel *level, SdeNoise *noise);
