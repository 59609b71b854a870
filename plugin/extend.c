/* Push-pull: colors are averaged into ever smaller pictures, weighted by how much is
 * known, and each unknown pixel takes its color from the next smaller picture. Rounds
 * of halving end at 1 × 1, so every gap is closed whatever its size.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "extend.h"

#include <glib.h>

/* Half the size, rounded up; color and weight of a pixel from up to 2 × 2 below it. */
static void
pull(const float *rgb, const float *weight, int width, int height, float *half_rgb,
     float *half_weight)
{
    int half_width = (width + 1) / 2;

    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            size_t from = (size_t) y * (size_t) width + (size_t) x;
            size_t to = (size_t) (y / 2) * (size_t) half_width + (size_t) (x / 2);

            for (size_t c = 0; c < 3; c++) {
                half_rgb[3 * to + c] += weight[from] * rgb[3 * from + c];
            }
            half_weight[to] += weight[from];
        }
    }
}

static void
normalize(float *rgb, float *weight, size_t n_pixels)
{
    for (size_t i = 0; i < n_pixels; i++) {
        if (weight[i] > 0) {
            for (size_t c = 0; c < 3; c++) {
                rgb[3 * i + c] /= weight[i];
            }
            weight[i] = MIN(weight[i], 1.0f);
        }
    }
}

static void
push(float *rgb, const float *weight, int width, int height, const float *half_rgb)
{
    int half_width = (width + 1) / 2;

    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            size_t to = (size_t) y * (size_t) width + (size_t) x;
            size_t from = (size_t) (y / 2) * (size_t) half_width + (size_t) (x / 2);

            for (size_t c = 0; c < 3 && weight[to] <= 0; c++) {
                rgb[3 * to + c] = half_rgb[3 * from + c];
            }
        }
    }
}

bool
sde_extend_colors(float *rgb, const float *alpha, int width, int height)
{
    size_t half_width = ((size_t) width + 1) / 2;
    size_t n_half = half_width * (((size_t) height + 1) / 2);
    g_autofree float *half_rgb = NULL;
    g_autofree float *half_weight = NULL;

    if (width == 1 && height == 1) {
        return true;
    }
    half_rgb = g_try_new0(float, 3 * n_half);
    half_weight = g_try_new0(float, n_half);
    if (half_rgb == NULL || half_weight == NULL) {
        return false;
    }
    pull(rgb, alpha, width, height, half_rgb, half_weight);
    normalize(half_rgb, half_weight, n_half);
    if (!sde_extend_colors(half_rgb, half_weight, (int) half_width, (height + 1) / 2)) {
        return false;
    }
    push(rgb, alpha, width, height, half_rgb);
    return true;
}
