/* Soft masks: reading, growing and feathering.
 *
 * Growing and feathering are one step: a level is a function of the exact Euclidean
 * distance to what is masked (distance transform of Felzenszwalb and Huttenlocher
 * 2012), so rims are round and do not depend on the direction. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/mask.h"

#include <math.h>
#include <string.h>

#define FAR 1e12f

SdeRect
sde_mask_find_bounds(const SdeMask *mask)
{
    int left = mask->width, right = -1, top = mask->height, bottom = -1;

    for (int y = 0; y < mask->height; y++) {
        const float *row = mask->levels + (size_t) y * mask->stride;

        for (int x = 0; x < mask->width; x++) {
            if (row[x] > 0.0f) {
                left = MIN(left, x);
                right = MAX(right, x);
                top = MIN(top, y);
                bottom = y;
            }
        }
    }
    if (right < 0) {
        return (SdeRect) {0};
    }
    return (SdeRect) {left, top, right - left + 1, bottom - top + 1};
}

SdeRect
sde_mask_widen(SdeRect rect, int margin, int width, int height)
{
    int left = MAX(rect.x - margin, 0), top = MAX(rect.y - margin, 0);
    int right = MIN(rect.x + rect.width + margin, width);
    int bottom = MIN(rect.y + rect.height + margin, height);

    return (SdeRect) {left, top, right - left, bottom - top};
}

SdeRect
sde_mask_find_crop(const SdeMask *mask, const SdeRect *part, int width, int height)
{
    SdeRect rect = {.width = width, .height = height};

    if (mask != NULL) {
        rect = sde_mask_find_bounds(mask);
    }
    if (part != NULL) {
        rect = sde_rect_intersect(rect, *part);
    }
    return rect.width > 0 ? sde_mask_widen(rect, SDE_MIN_CONTEXT, width, height) : rect;
}

void
sde_mask_read(const SdeMask *mask, SdeRect rect, float *levels)
{
    for (int y = 0; y < rect.height; y++) {
        for (int x = 0; x < rect.width; x++) {
            *levels++ =
                mask == NULL
                    ? 1.0f
                    : sde_clamp_unit(mask->levels[(size_t) (rect.y + y) * mask->stride +
                                                  (size_t) (rect.x + x)]);
        }
    }
}

/* Lower envelope of the parabolas f[q] + (x - q)^2, read at x = 0..n-1. `apex` and
 * `from` are scratch for n and n + 1 values. */
static void
transform_line(const float *f, int n, float *out, int *apex, float *from)
{
    int k = -1;

    for (int q = 0; q < n; q++) {
        float meet = -FAR;

        while (k >= 0) {
            int p = apex[k];
            double above = (double) f[q] - (double) f[p] + (double) (q - p) * (q + p);

            meet = (float) (above / (2.0 * (q - p)));
            if (meet > from[k]) {
                break;
            }
            k--;
            meet = -FAR;
        }
        k++;
        apex[k] = q;
        from[k] = meet;
    }
    from[k + 1] = FAR;
    k = 0;
    for (int x = 0; x < n; x++) {
        /* The FAR at the end stops it, which the analyzer cannot see.
         * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
        while (from[k + 1] < (float) x) {
            k++;
        }
        out[x] = f[apex[k]] + (float) (x - apex[k]) * (float) (x - apex[k]);
    }
}

/* plane: 0 at the set's pixels, FAR elsewhere; becomes the squared distance to it. */
static void
transform_plane(float *plane, int width, int height)
{
    size_t n = (size_t) MAX(width, height);
    g_autofree float *line = g_new(float, n);
    g_autofree float *out = g_new(float, n);
    g_autofree float *from = g_new(float, n + 1);
    g_autofree int *apex = g_new(int, n);

    for (int x = 0; x < width; x++) {
        for (int y = 0; y < height; y++) {
            line[y] = plane[(size_t) y * (size_t) width + (size_t) x];
        }
        transform_line(line, height, out, apex, from);
        for (int y = 0; y < height; y++) {
            plane[(size_t) y * (size_t) width + (size_t) x] = out[y];
        }
    }
    for (int y = 0; y < height; y++) {
        float *row = plane + (size_t) y * (size_t) width;

        transform_line(row, width, out, apex, from);
        memcpy(row, out, (size_t) width * sizeof(float));
    }
}

/* Squared distances to the pixels of at least this level. */
static void
measure_distances(const float *levels, float level, int width, int height,
                  float *distances)
{
    size_t n = (size_t) width * (size_t) height;

    for (size_t i = 0; i < n; i++) {
        distances[i] = levels[i] >= level ? 0.0f : FAR;
    }
    transform_plane(distances, width, height);
}

void
sde_mask_measure_depth(const float *levels, int width, int height, float *depth)
{
    size_t n = (size_t) width * (size_t) height;

    for (size_t i = 0; i < n; i++) {
        depth[i] = levels[i] <= 0.0f ? 0.0f : FAR;
    }
    transform_plane(depth, width, height);
    for (size_t i = 0; i < n; i++) {
        depth[i] = sqrtf(depth[i]);
    }
}

/* 1 up to `grow`, then a raised cosine that reaches 0 one pixel after the feather. */
static float
spread_level(float distance, int grow, int feather)
{
    float u = (distance - (float) grow) / (float) (feather + 1);

    if (u <= 0.0f) {
        return 1.0f;
    }
    if (u >= 1.0f || feather == 0) {
        return 0.0f;
    }
    return 0.5f + 0.5f * cosf((float) G_PI * u);
}

void
sde_mask_spread(float *levels, int width, int height, int grow, int feather,
                float *scratch)
{
    size_t n = (size_t) width * (size_t) height;
    float highest = 0.0f;

    if (grow <= 0 && feather <= 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        highest = MAX(highest, levels[i]);
    }
    if (highest <= 0.0f) {
        return;
    }
    /* What is near the full hole becomes full: an antialiased edge may hold what the
     * hole is to remove. Wide soft ramps keep their levels but for those few pixels. */
    if (grow > 0) {
        measure_distances(levels, highest, width, height, scratch);
        for (size_t i = 0; i < n; i++) {
            if (levels[i] >= 0.5f * highest &&
                scratch[i] <= (float) grow * (float) grow) {
                levels[i] = highest;
            }
        }
    }
    /* A soft rim that is left counts as hole from half its height on. */
    measure_distances(levels, 0.5f * highest, width, height, scratch);
    for (size_t i = 0; i < n; i++) {
        if (scratch[i] > 0.0f) {
            float level = highest * spread_level(sqrtf(scratch[i]), grow, feather);

            levels[i] = MAX(levels[i], level);
        }
    }
}

float
sde_mask_paste_weight(float level, bool graded)
{
    return graded ? MIN(4.0f * level, 1.0f) : level;
}
