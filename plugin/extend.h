/* Colors for pixels that have none. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>

/* Gives wholly transparent pixels the smooth continuation of the colors around them, so
 * that the model never sees what happens to be stored under alpha 0. Colors of all
 * other pixels stay. rgb is height × width × 3, alpha height × width. False: out of
 * memory. */
bool sde_extend_colors(float *rgb, const float *alpha, int width, int height);
