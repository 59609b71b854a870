/* Estimates the noise of a photo. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

/* Where mask is given only around what it selects. Pictures smaller than one block have
 * no estimate: sigma 0; neither has a cancelled call. `net` is asked about noise that
 * is not white; NULL: statistics alone. */
void sde_noise_level_estimate(const SdeImage *source, const SdeMask *mask,
                              const SdeNoiseNet *net, SdePool *pool,
                              GCancellable *cancellable, SdeNoise *level);
/* The same level everywhere. */
void sde_noise_level_init(SdeNoise *level, double sigma);
/* At least so much everywhere, before gains. */
void sde_noise_level_raise(SdeNoise *level, double sigma);
/* Of one channel where gains are 1. */
double sde_noise_level_of_channel(const SdeNoise *level, int channel, double value);
/* Times that the level is higher at a pixel. */
double sde_noise_level_gain_at(const SdeNoise *level, int x, int y);
/* Of a pixel: root mean square over its channels, times the gain there. */
double sde_noise_level_at(const SdeNoise *level, int x, int y, const float rgb[3]);
/* What no pixel exceeds. */
double sde_noise_level_highest(const SdeNoise *level);
bool sde_noise_level_is_uniform(const SdeNoise *level);
