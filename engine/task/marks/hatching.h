/* Ink in parallel lines, the broader the darker, and graphite. Places are in pixels of
 * the picture at the size that it is painted in; drawn `zoom` times larger, lines get
 * no softer. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdint.h>

typedef struct {
    float angle;    /* radians, clockwise from the right */
    float period;   /* pixels from line to line */
    float broadest; /* share of the period that a line has at most */
    float wobble;   /* pixels, of the hand */
    float bend;     /* pixels by which lines are moved from black to white, so that they
                     * follow forms */
} SdeHatching;

/* -1..1: how the patch here is turned. */
float sde_hatching_turn(uint32_t seed, float x, float y);
/* 0..1, of lines that cover `share` of the paper; form is the picture's brightness, but
 * smooth. turn: radians, added to the angle. */
float sde_hatching_ink(const SdeHatching *hatching, uint32_t seed, float share,
                       float form, float turn, float x, float y, float zoom);
/* -1..1: the grain of strokes in one direction, `length` long. */
float sde_hatching_grain(float angle, float length, uint32_t seed, float x, float y);
