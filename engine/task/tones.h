/* Before a photo is painted in a style it gets the style's tones: the network alone
 * adds strokes, but leaves a dark photo dark, whatever the paper of the style.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sample/denoiser.h"

/* The tones of the classes (the second in its share), and in *share how much of them is
 * known, 0..1; nothing at 0. */
SdeStyleTones sde_tones_of(const SdeDenoiser *denoiser, const SdeClasses *classes,
                           float *share);

#define SDE_TONES_BINS 64

/* By which marks the style that has the larger share is made. */
SdeTechnique sde_tones_technique_of(const SdeDenoiser *denoiser,
                                    const SdeClasses *classes);

/* How to move a photo's tones to those of a style. */
typedef struct {
    float share;                     /* of the way, 0..1 */
    float curve[SDE_TONES_BINS + 1]; /* Y' of 0, 1 / SDE_TONES_BINS, … */
    float gain;                      /* of chroma */
    float paper[3];                  /* R'G'B' less Y' */
} SdeToning;

/* For the n pixels (n × 3, -1..1) of a photo; those of level 0 do not count. */
SdeToning sde_tones_find(const SdeStyleTones *tones, float share, const float *levels,
                         size_t n, const float *rgb);
/* Moves a pixel, -1..1, by share × level of the way. */
void sde_tones_move(const SdeToning *toning, float level, float *rgb);
/* What the walk changed in a pixel: without colours where the style has none. */
void sde_tones_move_change(const SdeToning *toning, float level, float *rgb);
