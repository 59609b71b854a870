/* Soft masks as dense planes of levels 0..1; 1 = repaint, 0 = keep.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

/* Pixels of surroundings that a network sees at least. */
#define SDE_MIN_CONTEXT 64

/* Smallest rectangle that holds every level above 0; width 0 when there is none. */
SdeRect sde_mask_find_bounds(const SdeMask *mask);
/* Rectangle widened by `margin` on every side, inside a width × height picture. */
SdeRect sde_mask_widen(SdeRect rect, int margin, int width, int height);

/* What a task looks at that is asked for `part` (nullable) of what the mask (NULL: all
 * of width × height) selects: both and some surroundings. Width 0: nothing. */
SdeRect sde_mask_find_crop(const SdeMask *mask, const SdeRect *part, int width,
                           int height);

/* levels: dense, of the rect; clamped to 0..1. Mask NULL: 1. */
void sde_mask_read(const SdeMask *mask, SdeRect rect, float *levels);
/* Grows what is masked by `grow` pixels all around and lets it fall off to 0 over
 * `feather` pixels more. Never lowers a level. scratch: width × height floats. */
void sde_mask_spread(float *levels, int width, int height, int grow, int feather,
                     float *scratch);

/* depth: pixels from each masked pixel to the nearest one of level 0 (huge where there
 * is none), 0 outside the mask; width × height like levels. */
void sde_mask_measure_depth(const float *levels, int width, int height, float *depth);

/* How much of the fill shows: the walk has already melted soft levels into the picture
 * where the model takes graded ones, so only the faint end needs a blend. */
float sde_mask_paste_weight(float level, bool graded);
