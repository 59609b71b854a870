/* The hash is Wellons' "lowbias32" (2018). SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/marks/texture.h"

#include <math.h>

static uint32_t
mix(uint32_t x)
{
    x ^= x >> 16;
    x *= UINT32_C(0x7FEB352D);
    x ^= x >> 15;
    x *= UINT32_C(0x846CA68B);
    x ^= x >> 16;
    return x;
}

float
sde_texture_cell(uint32_t seed, int x, int y)
{
    uint32_t bits = mix(seed ^ mix((uint32_t) x ^ mix((uint32_t) y)));

    return (float) (bits >> 8) * 0x1p-24f;
}

float
sde_texture_at(uint32_t seed, float x, float y)
{
    float left = floorf(x), top = floorf(y), u = sde_texture_ease(x - left),
          v = sde_texture_ease(y - top);
    int i = (int) left, j = (int) top;
    float above = sde_texture_cell(seed, i, j),
          below = sde_texture_cell(seed, i, j + 1);

    above += u * (sde_texture_cell(seed, i + 1, j) - above);
    below += u * (sde_texture_cell(seed, i + 1, j + 1) - below);
    return 2.0f * (above + v * (below - above)) - 1.0f;
}

float
sde_texture_patch(uint32_t seed, float x, float y)
{
    int left = (int) floorf(x), top = (int) floorf(y), i = left, j = top;
    float nearest = 1e9f;

    for (int v = top - 1; v <= top + 1; v++) {
        for (int u = left - 1; u <= left + 1; u++) {
            float dx = (float) u + sde_texture_cell(seed, u, v) - x;
            float dy = (float) v + sde_texture_cell(seed + 1, u, v) - y;
            float square = dx * dx + dy * dy;

            if (square < nearest) {
                nearest = square;
                i = u;
                j = v;
            }
        }
    }
    return 2.0f * sde_texture_cell(seed + 2, i, j) - 1.0f;
}

float
sde_texture_paper(uint32_t seed, float x, float y)
{
    return sde_texture_at(seed, 0.5f * x + 0.3f * y, 0.5f * y - 0.3f * x);
}
