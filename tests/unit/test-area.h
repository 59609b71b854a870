/* An area without a picture behind it, for what works on areas alone.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/area.h"

static inline bool
test_lies_in(SdeRect rect, int x, int y)
{
    return x >= rect.x && x < rect.x + rect.width && y >= rect.y &&
           y < rect.y + rect.height;
}

/* A square of `side` pixels, padded; levels and out are 0. */
static inline SdeArea
test_area_new(int side, int padded)
{
    size_t n = (size_t) padded * (size_t) padded;

    return (SdeArea) {.rect = {0, 0, side, side},
                      .width = side,
                      .height = side,
                      .padded_width = padded,
                      .padded_height = padded,
                      .levels = g_new0(float, n),
                      .out = g_new0(float, 3 * n)};
}

static inline void
test_area_clear(SdeArea *area)
{
    g_free(area->levels);
    g_free(area->out);
}
