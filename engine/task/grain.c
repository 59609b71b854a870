/* The network's mean has no grain, and in a noisy photo that shows. So the fill gets
 * noise of the level that the photo has for its colours, less what is there already:
 * patches bring the photo's own. Noise is seen through a filter that is blind to planes
 * and nearly to edges (Immerkaer 1996). Noise that is correlated from pixel to pixel is
 * imitated by a blur of 3 x 3. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/grain.h"

#include <math.h>

#include "base/rng.h"
#include "task/blend.h"
#include "task/noise-level.h"
#include "task/tiles.h"

#define AROUND      3       /* pixels, of three box blurs: where grain is measured */
#define MOST        2.0f    /* deviations: more than this is an edge */
#define MEAN_OF_ABS 1.2533f /* a normal's deviation by its mean absolute value */
#define UNIT        (2.0f / 255.0f) /* of -1..1 in an 8-bit unit */
#define TINY        1e-3f

typedef struct {
    const SdeGrain *grain;
    double share;                     /* of the level that is added */
    int width, height;                /* of the bounds */
    float *noise;                     /* 3 a pixel, one pixel more all around */
    float *detail, *weight, *scratch; /* of the bounds */
} Grain;

static void
grain_alloc(Grain *self, SdeArena *arena)
{
    const SdeGrain *grain = self->grain;
    size_t width = (size_t) grain->bounds.width, height = (size_t) grain->bounds.height;
    size_t n = width * height;

    self->width = grain->bounds.width;
    self->height = grain->bounds.height;
    self->noise = sde_arena_alloc(arena, 3 * (width + 2) * (height + 2));
    self->detail = sde_arena_alloc(arena, n);
    self->weight = sde_arena_alloc(arena, n);
    self->scratch = sde_arena_alloc(arena, n);
}

size_t
sde_grain_plan(const SdeGrain *grain)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    Grain self = {.grain = grain};

    grain_alloc(&self, dry);
    return sde_arena_get_peak(dry);
}

/* Level of the mask at a pixel of the bounds. */
static float
mask_at(const Grain *self, int x, int y)
{
    const SdeGrain *grain = self->grain;
    int row = grain->bounds.y - grain->crop.y + y,
        column = grain->bounds.x - grain->crop.x + x;

    return grain->mask[(size_t) row * (size_t) grain->crop.width + (size_t) column];
}

/* The photo's noise where it has this colour (-1..1), a deviation. */
static float
level_at(const Grain *self, float value, int channel)
{
    const SdeGrain *grain = self->grain;
    double unit = (double) sde_clamp_unit(0.5f * value + 0.5f);

    return UNIT * (float) (grain->gain *
                           sde_noise_level_of_channel(grain->noise, channel, unit));
}

/* A picture: rows `stride` floats apart, scale * rgb + shift is -1..1. */
typedef struct {
    const float *rgb;
    int width, height;
    size_t stride;
    float scale, shift;
} View;

/* The finest detail at a pixel, by what the photo's noise would have. What blurred
 * noise leaves of the filter's answer is a sixth. */
static float
measure_detail(const Grain *self, const View *view, int x, int y)
{
    static const float taps[3] = {1.0f, -2.0f, 1.0f};
    const float *here = view->rgb + (size_t) y * view->stride + 3 * (size_t) x;
    float sum = 0.0f, usual = TINY * UNIT;

    for (int c = 0; c < 3; c++) {
        float answer = 0.0f;

        for (int k = 0; k < 9; k++) {
            size_t row = (size_t) sde_mirror_index(y + k / 3 - 1, view->height);
            size_t column = (size_t) sde_mirror_index(x + k % 3 - 1, view->width);

            answer += taps[k / 3] * taps[k % 3] *
                      view->rgb[row * view->stride + 3 * column + (size_t) c];
        }
        sum += view->scale * fabsf(answer) / 6.0f;
        usual += level_at(self, view->scale * here[c] + view->shift, c);
    }
    return MIN((self->grain->noise->is_correlated ? 6.0f : 1.0f) * MEAN_OF_ABS * sum /
                   usual,
               MOST);
}

/* The estimate may take slow waves for noise, and this filter takes texture for it: so
 * the lesser of the two is believed. */
static void
measure_around(Grain *self)
{
    const SdeImage *source = self->grain->source;
    SdeRect crop = self->grain->crop;
    const float *mask = self->grain->mask;
    const View view = {source->pixels + (size_t) crop.y * source->stride +
                           3 * (size_t) crop.x,
                       crop.width,
                       crop.height,
                       source->stride,
                       2.0f,
                       -1.0f};
    double sum = 0.0, n = 0.0;

    for (int y = 0; y < crop.height; y++) {
        for (int x = 0; x < crop.width; x++) {
            if (mask[(size_t) y * (size_t) crop.width + (size_t) x] <= 0.0f) {
                sum += (double) measure_detail(self, &view, x, y);
                n += 1.0;
            }
        }
    }
    self->share = self->grain->share * MIN(sum / MAX(n, 1.0), 1.0);
}

/* detail = how much of the photo's noise is in the fill already. */
static void
measure_fill(Grain *self, const float *rgb)
{
    const View view = {rgb,  self->width, self->height, 3 * (size_t) self->width,
                       1.0f, 0.0f};

    for (int y = 0; y < self->height; y++) {
        for (int x = 0; x < self->width; x++) {
            size_t at = (size_t) y * (size_t) self->width + (size_t) x;

            self->weight[at] = mask_at(self, x, y) > 0.0f ? 1.0f : 0.0f;
            self->detail[at] = self->weight[at] * measure_detail(self, &view, x, y);
        }
    }
    sde_blend_blur(self->detail, self->width, self->height, AROUND, self->scratch);
    sde_blend_blur(self->weight, self->width, self->height, AROUND, self->scratch);
}

/* Noise of deviation 1 at a pixel of the bounds. */
static float
noise_at(const Grain *self, int x, int y, int channel)
{
    static const float taps[3] = {1.0f, 2.0f, 1.0f};
    size_t pitch = 3 * ((size_t) self->width + 2);
    const float *corner =
        self->noise + (size_t) y * pitch + 3 * (size_t) x + (size_t) channel;
    float sum = 0.0f;

    if (!self->grain->noise->is_correlated) {
        return corner[pitch + 3];
    }
    for (size_t k = 0; k < 9; k++) {
        sum += taps[k / 3] * taps[k % 3] * corner[k / 3 * pitch + 3 * (k % 3)];
    }
    return sum / 6.0f; /* the taps' squares sum to 36 */
}

static void
add(const Grain *self, float *rgb)
{
    for (int y = 0; y < self->height; y++) {
        for (int x = 0; x < self->width; x++) {
            size_t at = (size_t) y * (size_t) self->width + (size_t) x;
            float there = self->detail[at] / MAX(self->weight[at], TINY);
            float lack = sqrtf(MAX(1.0f - there * there, 0.0f)), *pixel = rgb + 3 * at;
            float share = (float) self->share * lack;

            for (int c = 0; c < 3 && mask_at(self, x, y) > 0.0f; c++) {
                float value = pixel[c] + share * level_at(self, pixel[c], c) *
                                             noise_at(self, x, y, c);

                pixel[c] = CLAMP(value, -1.0f, 1.0f);
            }
        }
    }
}

bool
sde_grain_add(const SdeGrain *grain, float *rgb, uint64_t seed, GError **error)
{
    Grain self = {.grain = grain};
    g_autoptr(SdeArena) arena = sde_arena_new(sde_grain_plan(grain), error);
    SdeRect bounds = grain->bounds;

    if (arena == NULL) {
        return false;
    }
    grain_alloc(&self, arena);
    sde_rng_fill_normal(seed, SDE_STREAM_GRAIN, bounds.x - 1, bounds.y - 1,
                        bounds.width + 2, bounds.height + 2, 3, self.noise,
                        3 * ((size_t) bounds.width + 2));
    measure_around(&self);
    measure_fill(&self, rgb);
    add(&self, rgb);
    return true;
}
