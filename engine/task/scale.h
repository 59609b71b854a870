/* Makes pictures smaller (mean over areas) and larger (Catmull-Rom), for work at a
 * limited size. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

/* Size that w × h has when its longer side is at most max_side (0: unlimited). */
void sde_scale_fit(int width, int height, int max_side, int *small_width,
                   int *small_height);
/* `channels` interleaved floats; rows of `in` are `stride` floats apart, `out` is
 * dense. Down: the mean over the area that each pixel covers. */
void sde_scale_down(const float *in, size_t stride, int width, int height, int channels,
                    float *out, int small_width, int small_height);
/* Down, one channel: the highest value that a pixel touches. */
void sde_scale_down_highest(const float *in, int width, int height, float *out,
                            int small_width, int small_height);
/* Up, cubic, with weights that sum to 1: row `y` of the enlarged picture.
 * scratch: small_width × channels floats. */
void sde_scale_up_row(const float *in, size_t stride, int small_width, int small_height,
                      int channels, int width, int height, int y, float *out,
                      float *scratch);
