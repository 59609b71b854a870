/* Paints a picture again in short straight strokes along its flow, coarse ones first
 * and finer ones where it has detail (Litwinowicz 1997; Hertzmann 1998).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/marks/flow.h"
#include "task/marks/strip.h"

typedef struct {
    float length, width, spacing; /* pixels; spacing 0: no such layer */
    float least_energy;           /* of the flow: elsewhere there are none */
} SdeDabLayer;

typedef struct {
    SdeDabLayer layers[3];
    float chroma; /* times the picture's */
    /* How far strokes differ: in each colour, in brightness (of 2), in radians. */
    float tint, light, turn;
    float bristles; /* how far brightness changes across a stroke */
} SdeDabs;

/* Paints over a strip of the drawing. rgb (0..1 is -1..1 there) and flow begin at x, y
 * of the whole picture, in the pixels that it was painted in. */
void sde_dabs_paint(const SdeDabs *dabs, const SdeFlow *flow, const float *rgb, int x,
                    int y, uint32_t seed, const SdeStrip *strip);
