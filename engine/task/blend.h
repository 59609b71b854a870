/* Mixing pictures: hole filling, colour match, pasting, and the shares of a change.
 * Work pictures are dense, width × height × 3, -1..1.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

/* result = source. */
void sde_blend_copy(SdePool *pool, const SdeImage *source, SdeImage *result);

/* Replaces every pixel by a smooth continuation of the pixels around, in the measure of
 * its level: 0 stays bit for bit, 1 is all continuation (push-pull, Gortler et al.
 * 1996). Without any known pixel: mid grey. */
bool sde_blend_fill_smooth(float *rgb, const float *levels, int width, int height,
                           GError **error);
size_t sde_blend_plan_fill_smooth(int width, int height); /* bytes */

/* Shifts what is inside the hole so that its rim has the colour of the pixels outside
 * next to it; the shift varies smoothly along the rim. Levels above 0 are inside. */
bool sde_blend_match_colors(float *rgb, const float *levels, int width, int height,
                            GError **error);
size_t sde_blend_plan_match_colors(int width, int height); /* bytes */

/* rgb += weight * (fill - rgb), exact at both ends; rgb 0..1, fill -1..1. */
void sde_blend_paste_pixel(float *rgb, const float *fill, float weight);

/* change (in place) = its luma times `luminance` and the rest times `color`. */
void sde_blend_share(float *change, double luminance, double color);

/* The fine part of a plane: what a blur of a few pixels takes away. In place.
 * scratch: 2 × width × height floats. */
void sde_blend_band_pass(float *plane, int width, int height, float *scratch);
/* Three box blurs of this radius. scratch: width × height floats. */
void sde_blend_blur(float *plane, int width, int height, int radius, float *scratch);
