/* Smooth random values, as a function of the place alone: the same whatever tile or
 * thread asks. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdint.h>

/* From 0 to 1 without a bend at either end, for t of 0..1. */
static inline float
sde_texture_ease(float t)
{
    return t * t * (3.0f - 2.0f * t);
}

/* 0..1, of a cell. */
float sde_texture_cell(uint32_t seed, int x, int y);
/* -1..1, alike within patches of about side 1 (cells around jittered points: Worley
 * 1996). */
float sde_texture_patch(uint32_t seed, float x, float y);
/* -1..1, smooth over cells of side 1 (value noise). */
float sde_texture_at(uint32_t seed, float x, float y);
/* -1..1: the tooth of paper, a few pixels fine, whose lattice is turned so that it is
 * not seen. */
float sde_texture_paper(uint32_t seed, float x, float y);
