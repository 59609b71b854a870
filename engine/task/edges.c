/* Edges of brightness: the gradient of the slightly blurred luma, squashed to 0..1 and
 * blurred again, so that a line is spared with its sides.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/edges.h"

#include <glib.h>
#include <math.h>

#include "task/blend.h"

#define RADIUS    1     /* pixels, of the blurs */
#define PLAIN     2.0f  /* times the mean gradient is half an edge */
#define STRONGEST 0.75f /* share of its level that an edge is spared at most */

/* The length of the gradient, to `out`; its mean. */
static float
find_gradient(const float *luma, int width, int height, float *out)
{
    double sum = 0.0;

    for (int y = 0; y < height; y++) {
        const float *row = luma + (size_t) y * (size_t) width;
        const float *above = y > 0 ? row - width : row;
        const float *below = y + 1 < height ? row + width : row;

        for (int x = 0; x < width; x++) {
            float across = row[MIN(x + 1, width - 1)] - row[MAX(x - 1, 0)];
            float length = hypotf(across, below[x] - above[x]);

            out[(size_t) y * (size_t) width + (size_t) x] = length;
            sum += (double) length;
        }
    }
    return (float) (sum / ((double) width * (double) height));
}

void
sde_edges_protect(const float *picture, int width, int height, double keep,
                  float *levels, float *scratch)
{
    size_t n = (size_t) width * (size_t) height;
    float *luma = scratch, *edges = scratch + n, *rest = scratch + 2 * n;
    float plain, strongest = STRONGEST * (float) keep;

    for (size_t i = 0; i < n; i++) {
        luma[i] = sde_luma(picture + 3 * i);
    }
    sde_blend_blur(luma, width, height, RADIUS, rest);
    plain = PLAIN * find_gradient(luma, width, height, edges) + 1e-6f;
    for (size_t i = 0; i < n; i++) {
        float square = (edges[i] / plain) * (edges[i] / plain);

        edges[i] = square / (1.0f + square);
    }
    sde_blend_blur(edges, width, height, RADIUS, rest);
    for (size_t i = 0; i < n; i++) {
        levels[i] *= 1.0f - strongest * edges[i];
    }
}
