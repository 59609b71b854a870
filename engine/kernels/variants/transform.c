/* Input and output transforms of Winograd's F(4×4,3×3), Lavin and Gray 2015.
 *
 * With the points 0, ±a, ±b, infinity; a = 1/sqrt(2), b = sqrt(2). Against the usual
 * 0, ±1, ±2 they halve the rounding error at the same cost (Barabasz et al. 2018 study
 * such choices). The matching weight transform stands in kernels/winograd.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/variants/levels.h"
#include "kernels/variants/vec.h"

#define A 0.70710678118654752f
#define B 1.41421356237309505f

/* The rows of B^T: the coefficients of the product of (x - p) over all other points p.
 */
static inline void
transform_input(const Vec d[6], Vec out[6])
{
    const Vec a_even = d[4] - d[2] * 2.0f;
    const Vec a_odd = (d[3] - d[1] * 2.0f) * A;
    const Vec b_even = d[4] - d[2] * 0.5f;
    const Vec b_odd = (d[3] - d[1] * 0.5f) * B;

    out[0] = d[0] - d[2] * 2.5f + d[4];
    out[1] = a_even + a_odd;
    out[2] = a_even - a_odd;
    out[3] = b_even + b_odd;
    out[4] = b_even - b_odd;
    out[5] = d[1] - d[3] * 2.5f + d[5];
}

/* The rows of A^T: powers 0..3 of the points. */
static inline void
transform_output(const Vec m[6], Vec out[4])
{
    const Vec a_sum = m[1] + m[2];
    const Vec a_difference = (m[1] - m[2]) * A;
    const Vec b_sum = m[3] + m[4];
    const Vec b_difference = (m[3] - m[4]) * B;

    out[0] = m[0] + a_sum + b_sum;
    out[1] = a_difference + b_difference;
    out[2] = a_sum * 0.5f + b_sum * 2.0f;
    out[3] = a_difference * 0.5f + b_difference * 2.0f + m[5];
}

void
LEVEL(winograd_input)(const float *const pixels[36], int channels, float *v,
                      size_t step)
{
    for (int c = 0; c < channels; c += WIDTH) {
        Vec columns[6][6]; /* [x][row of B^T] */

        for (int x = 0; x < 6; x++) {
            Vec d[6];

            for (int y = 0; y < 6; y++) {
                d[y] = vec_load(pixels[y * 6 + x] + c);
            }
            transform_input(d, columns[x]);
        }
        for (int i = 0; i < 6; i++) {
            Vec d[6], out[6];

            for (int x = 0; x < 6; x++) {
                d[x] = columns[x][i];
            }
            transform_input(d, out);
            for (int j = 0; j < 6; j++) {
                vec_store(v + (size_t) (i * 6 + j) * step + c, out[j]);
            }
        }
    }
}

void
LEVEL(winograd_output)(const float *m, size_t step, float *tile)
{
    for (int c = 0; c < PANEL; c += WIDTH) {
        Vec columns[6][4]; /* [x][row of A^T] */

        for (int x = 0; x < 6; x++) {
            Vec products[6];

            for (int y = 0; y < 6; y++) {
                products[y] = vec_load(m + (size_t) (y * 6 + x) * step + c);
            }
            transform_output(products, columns[x]);
        }
        for (int i = 0; i < 4; i++) {
            Vec products[6], out[4];

            for (int x = 0; x < 6; x++) {
                products[x] = columns[x][i];
            }
            transform_output(products, out);
            for (int j = 0; j < 4; j++) {
                vec_store(tile + (size_t) (i * 4 + j) * PANEL + c, out[j]);
            }
        }
    }
}
