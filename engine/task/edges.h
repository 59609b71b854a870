/* Where a picture has edges, so that restyling can leave them more of what they were.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/* levels (width × height, 0..1) *= 1 - up to `keep` (0..1) where the picture (× 3,
 * -1..1) changes in brightness, against how much it changes on average. No edge is
 * spared altogether: it is to be painted too. scratch: width × height × 3 floats. */
void sde_edges_protect(const float *picture, int width, int height, double keep,
                       float *levels, float *scratch);
