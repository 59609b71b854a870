/* What a fit of a pixel to places that look alike needs: how alike they are, and the
 * products of its equations. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/variants/levels.h"
#include "kernels/variants/vec.h"

/* Rows of a tile of the products, whose sums stay in registers; at least as many as the
 * additions that a CPU has under way. */
#if WIDTH == 16
#define TILE 16
#else
#define TILE 8
#endif

void
LEVEL(patch_distances)(const SdePatch *patch, size_t q, int n, float *distances)
{
    for (int x = 0; x < n; x += WIDTH) {
        Vec total = {0}, squares = {0}, sums[3] = {{0}}, means = {0};

        for (int i = 0; i < patch->n_around; i++) {
            const size_t to = q + (size_t) x + (size_t) patch->around[i];
            const Vec weight = patch->weights[i] * vec_load(patch->trust + to);

            total += weight;
            for (int c = 0; c < 3; c++) {
                const Vec difference =
                    patch->values[c][i] - vec_load(patch->planes[c] + to);
                const Vec weighted = weight * difference;

                sums[c] += weighted;
                squares += weighted * difference;
            }
        }
        for (int c = 0; c < 3; c++) {
            means += sums[c] / total * (sums[c] / total);
        }
        vec_store(distances + x, squares / total - patch->mean_gain * means);
    }
}

static inline __attribute__((always_inline)) void
add_tile(const float *rows, const float *weights, int n, int row, int column,
         float *sums)
{
    Vec tile[TILE];

#pragma GCC unroll 16
    for (int i = 0; i < TILE; i++) {
        tile[i] = vec_load(sums + (size_t) (row + i) * SDE_FIT_TERMS + column);
    }
    for (int k = 0; k < n; k++, rows += SDE_FIT_TERMS) {
        const Vec weighted = vec_load(rows + column) * weights[k];

#pragma GCC unroll 16
        for (int i = 0; i < TILE; i++) {
            tile[i] += weighted * rows[row + i];
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < TILE; i++) {
        vec_store(sums + (size_t) (row + i) * SDE_FIT_TERMS + column, tile[i]);
    }
}

void
LEVEL(add_products)(const float *rows, const float *weights, int n, float *sums)
{
    for (int column = 0; column < SDE_FIT_TERMS; column += WIDTH) {
        for (int row = column / TILE * TILE; row < SDE_FIT_TERMS; row += TILE) {
            add_tile(rows, weights, n, row, column, sums);
        }
    }
}
