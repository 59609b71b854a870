/* A picture in up to four views: as it is, mirrored left to right, turned by half, and
 * mirrored top to bottom. A network answers each a little differently; the mean of its
 * answers, each mirrored back, is nearer to the truth than any (geometric
 * self-ensemble; Timofte, Rothe, Van Gool 2016, "Seven ways to improve example-based
 * single image super resolution"). SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/parallel.h"

#define SDE_MAX_VIEWS 4

/* Between two views of a picture (height × width × n_channels), in place; `from` and
 * `to` 0..3, 0: as it is. The way back is the same with both swapped. */
void sde_view_change(SdePool *pool, float *pixels, int width, int height,
                     int n_channels, int from, int to);
