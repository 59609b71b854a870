/* Some rows of a drawing. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

typedef struct {
    int left, top, width, height; /* of the whole picture, at the size it is drawn in */
    float zoom; /* how many times larger that is than it was painted */
    float *rgb; /* width × height × 3, 0..1 */
} SdeStrip;

/* Where the middle of a pixel lies in the whole picture, as that was painted. */
static inline float
sde_strip_x(const SdeStrip *strip, int x)
{
    return ((float) (strip->left + x) + 0.5f) / strip->zoom;
}

static inline float
sde_strip_y(const SdeStrip *strip, int y)
{
    return ((float) (strip->top + y) + 0.5f) / strip->zoom;
}
