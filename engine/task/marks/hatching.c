/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/marks/hatching.h"

#include <math.h>

#include "task/marks/texture.h"
#include "task/task.h"

#define PATCH    40.0f /* pixels */
#define HAND     18.0f /* pixels over which lines wobble */
#define SOFTNESS 0.5f  /* pixels, of a line's edge */
#define GRAIN    1.3f  /* pixels: width of a stroke of graphite */

static float
step_smoothly(float low, float high, float x)
{
    return sde_texture_ease(sde_clamp_unit((x - low) / (high - low)));
}

float
sde_hatching_turn(uint32_t seed, float x, float y)
{
    return sde_texture_patch(seed, x / PATCH, y / PATCH);
}

float
sde_hatching_ink(const SdeHatching *hatching, uint32_t seed, float share, float form,
                 float turn, float x, float y, float zoom)
{
    float angle = hatching->angle + turn;
    float soft = SOFTNESS / (zoom * 0.5f * hatching->period), at, off, ink;

    if (share <= 0.0f) {
        return 0.0f;
    }
    at = y * cosf(angle) - x * sinf(angle) + hatching->bend * form +
         hatching->wobble * sde_texture_at(seed, x / HAND, y / HAND);
    at /= hatching->period;
    off =
        2.0f * fabsf(at - floorf(at) - 0.5f); /* 0 in the middle of a line, 1 between */
    ink = step_smoothly(-soft, soft, share - off);
    /* The softness of an edge is no line, nor a gap. */
    ink *= MIN(share / soft, 1.0f);
    return 1.0f - (1.0f - ink) * MIN((1.0f - share) / soft, 1.0f);
}

float
sde_hatching_grain(float angle, float length, uint32_t seed, float x, float y)
{
    float c = cosf(angle), s = sinf(angle);

    return sde_texture_at(seed, (x * c + y * s) / length, (y * c - x * s) / GRAIN);
}
