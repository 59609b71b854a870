/* Before a photo is painted in a style it gets the style's tones: the network alone
 * adds strokes, but leaves a dark photo dark, whatever the paper of the style.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sample/denoiser.h"

/* The tones of the classes (the second in its share), and in *share how much of them is
 * known, 0..1; nothing at 0. */
SdeStyleTones sde_tones_of(const SdeDenoiser *denoiser, const SdeClasses *classes,
                           float *share);

/* Moves n pixels (n × 3, -1..1) by share × level of the way to these tones. Pixels of
 * level 0 are not looked at. */
void sde_tones_move(const SdeStyleTones *tones, float share, const float *levels,
                    size_t n, float *rgb);
