/* Area means on the way down, Catmull-Rom cubics on the way up, both separable and with
 * weights that sum to 1. Pixel centres are at i + 0.5 on both sides.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/scale.h"

#include <math.h>
#include <string.h>

void
sde_scale_fit(int width, int height, int max_side, int *small_width, int *small_height)
{
    int side = MAX(width, height);

    *small_width = width;
    *small_height = height;
    if (max_side > 0 && side > max_side) {
        *small_width = MAX((int) lround((double) width * max_side / side), 1);
        *small_height = MAX((int) lround((double) height * max_side / side), 1);
    }
}

/* sums += weight * row, with the row's pixels gathered into `small` columns. */
static void
add_row(const float *row, int width, int channels, float weight, int small,
        double *sums)
{
    double ratio = (double) width / small;

    for (int x = 0; x < small; x++) {
        double begin = x * ratio, end = (x + 1) * ratio;
        int first = (int) begin, last = MIN((int) ceil(end), width);

        for (int i = first; i < last; i++) {
            double covered = MIN(end, i + 1.0) - MAX(begin, (double) i);

            for (int c = 0; c < channels; c++) {
                sums[x * channels + c] +=
                    covered * (double) weight * (double) row[(size_t) i * channels + c];
            }
        }
    }
}

void
sde_scale_down(const float *in, size_t stride, int width, int height, int channels,
               float *out, int small_width, int small_height)
{
    double ratio = (double) height / small_height;
    double area = ratio * ((double) width / small_width);
    size_t n = (size_t) small_width * (size_t) channels;
    g_autofree double *sums = g_new(double, n);

    for (int y = 0; y < small_height; y++) {
        double begin = y * ratio, end = (y + 1) * ratio;
        int last = MIN((int) ceil(end), height);

        memset(sums, 0, n * sizeof(double));
        for (int i = (int) begin; i < last; i++) {
            double covered = MIN(end, i + 1.0) - MAX(begin, (double) i);

            add_row(in + (size_t) i * stride, width, channels, (float) covered,
                    small_width, sums);
        }
        for (size_t i = 0; i < n; i++) {
            *out++ = (float) (sums[i] / area);
        }
    }
}

void
sde_scale_down_highest(const float *in, int width, int height, float *out,
                       int small_width, int small_height)
{
    memset(out, 0, (size_t) small_width * (size_t) small_height * sizeof(float));
    for (int y = 0; y < height; y++) {
        size_t row =
            (size_t) ((int64_t) y * small_height / height) * (size_t) small_width;

        for (int x = 0; x < width; x++) {
            float *to = out + row + (size_t) ((int64_t) x * small_width / width);

            *to = MAX(*to, in[(size_t) y * (size_t) width + (size_t) x]);
        }
    }
}

/* Catmull-Rom weights of the four pixels around `at`, the first being *first. */
static void
cubic_weights(double at, int *first, float weights[4])
{
    double base = floor(at);
    double u = at - base, u2 = u * u, u3 = u2 * u;

    *first = (int) base - 1;
    weights[0] = (float) (0.5 * (-u3 + 2.0 * u2 - u));
    weights[1] = (float) (0.5 * (3.0 * u3 - 5.0 * u2 + 2.0));
    weights[2] = (float) (0.5 * (-3.0 * u3 + 4.0 * u2 + u));
    weights[3] = (float) (0.5 * (u3 - u2));
}

void
sde_scale_up_row(const float *in, size_t stride, int small_width, int small_height,
                 int channels, int width, int height, int y, float *out, float *scratch)
{
    size_t pitch = (size_t) small_width * (size_t) channels;
    float weights[4];
    int first;

    cubic_weights((y + 0.5) * small_height / height - 0.5, &first, weights);
    memset(scratch, 0, pitch * sizeof(float));
    for (int k = 0; k < 4; k++) {
        const float *row = in + (size_t) CLAMP(first + k, 0, small_height - 1) * stride;

        for (size_t i = 0; i < pitch; i++) {
            scratch[i] += weights[k] * row[i];
        }
    }
    for (int x = 0; x < width; x++) {
        cubic_weights((x + 0.5) * small_width / width - 0.5, &first, weights);
        for (int c = 0; c < channels; c++) {
            float sum = 0.0f;

            for (int k = 0; k < 4; k++) {
                int column = CLAMP(first + k, 0, small_width - 1);

                sum += weights[k] * scratch[(size_t) column * channels + c];
            }
            out[(size_t) x * channels + c] = sum;
        }
    }
}
