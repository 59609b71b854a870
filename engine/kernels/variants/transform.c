/* The transforms of Winograd's F(4×4,3×3) and F(6×6,3×3), Lavin and Gray 2015: of
 * weights, input and output. A transform along one line of a tile is written out; along
 * both, by columns and then by rows, it is the same code for both sizes.
 *
 * The points are 0, ±a, ±b, ±c, infinity. For 4×4, a = 1/sqrt(2) and b = sqrt(2):
 * against the usual 0, ±1, ±2 they halve the rounding error at the same cost (Barabasz
 * et al. 2018 study such choices). For 6×6 the usual 1/2, 1, 2 are as good as any.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#if defined(__AVX512BF16__)
#include <immintrin.h>
#endif
#include <stdbool.h>

#include "kernels/variants/levels.h"
#include "kernels/variants/vec.h"

#define A 0.70710678118654752f
#define B 1.41421356237309505f

#define MAX_SIDE 6
#define MAX_LINE 8 /* of a window */

typedef void (*Line)(const Vec *from, Vec *to);

/* The rows of G: powers 0..2 of the points, over the product of their distances from
 * the other points. Points come in pairs ±p, so a row is even + odd, its twin even -
 * odd. */
typedef struct {
    float even[2], odd;
} Pair;

static const Pair pairs4[2] = {
    {{-2.0f / 3, -1.0f / 3}, -2.0f / 3 * A},
    {{1.0f / 6, 1.0f / 3}, 1.0f / 6 * B},
};
static const Pair pairs6[3] = {
    {{32.0f / 45, 8.0f / 45}, 16.0f / 45},
    {{-2.0f / 9, -2.0f / 9}, -2.0f / 9},
    {{1.0f / 90, 2.0f / 45}, 1.0f / 45},
};

/* Input: the rows of B^T, coefficients of the product of (x - p) over all other points
 * p. Output: the rows of A^T, powers 0, 1, ... of the points. */

static inline __attribute__((always_inline)) void
input4(const Vec *d, Vec *out)
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

static inline __attribute__((always_inline)) void
output4(const Vec *m, Vec *out)
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

static inline __attribute__((always_inline)) void
input6(const Vec *d, Vec *out)
{
    const Vec a_even = d[6] - d[4] * 5.0f + d[2] * 4.0f;
    const Vec a_odd = (d[5] - d[3] * 5.0f + d[1] * 4.0f) * 0.5f;
    const Vec b_even = d[6] - d[4] * 4.25f + d[2];
    const Vec b_odd = d[5] - d[3] * 4.25f + d[1];
    const Vec c_even = d[6] - d[4] * 1.25f + d[2] * 0.25f;
    const Vec c_odd = (d[5] - d[3] * 1.25f + d[1] * 0.25f) * 2.0f;

    out[0] = d[6] - d[0] + (d[2] - d[4]) * 5.25f;
    out[1] = a_even + a_odd;
    out[2] = a_even - a_odd;
    out[3] = b_even + b_odd;
    out[4] = b_even - b_odd;
    out[5] = c_even + c_odd;
    out[6] = c_even - c_odd;
    out[7] = d[7] - d[1] + (d[3] - d[5]) * 5.25f;
}

static inline __attribute__((always_inline)) void
output6(const Vec *m, Vec *out)
{
    const Vec a_sum = m[1] + m[2];
    const Vec a_difference = (m[1] - m[2]) * 0.5f;
    const Vec b_sum = m[3] + m[4];
    const Vec b_difference = m[3] - m[4];
    const Vec c_sum = m[5] + m[6];
    const Vec c_difference = (m[5] - m[6]) * 2.0f;

    out[0] = m[0] + a_sum + b_sum + c_sum;
    out[1] = a_difference + b_difference + c_difference;
    out[2] = a_sum * 0.25f + b_sum + c_sum * 4.0f;
    out[3] = a_difference * 0.25f + b_difference + c_difference * 4.0f;
    out[4] = a_sum * 0.0625f + b_sum + c_sum * 16.0f;
    out[5] = a_difference * 0.0625f + b_difference + c_difference * 16.0f + m[7];
}

/* `side` and `line` are constants wherever these are inlined. */

/* Row `row` of G. */
static void
find_row(int side, const Pair *pairs, float first, int row, float *g)
{
    g[0] = row == 0 ? first : 0.0f;
    g[1] = 0.0f;
    g[2] = row == side + 1 ? 1.0f : 0.0f;
    if (row > 0 && row <= side) {
        const Pair *pair = &pairs[(row - 1) / 2];

        g[0] = pair->even[0];
        g[1] = row % 2 == 1 ? pair->odd : -pair->odd;
        g[2] = pair->even[1];
    }
}

static inline __attribute__((always_inline)) void
transform_weights(int side, const Pair *pairs, float first, const float *windows,
                  int cin, int row, float *u, size_t step)
{
    float g[3];

    find_row(side, pairs, first, row, g);
    for (int i = 0; i < cin; i++, windows += (size_t) 9 * PANEL, u += PANEL) {
        for (int c = 0; c < PANEL; c += WIDTH) {
            Vec d[3];

            for (int x = 0; x < 3; x++) {
                const float *w = windows + (size_t) x * PANEL + c;

                d[x] = vec_load(w) * g[0] + vec_load(w + (size_t) 3 * PANEL) * g[1] +
                       vec_load(w + (size_t) 6 * PANEL) * g[2];
            }
            vec_store(u + c, d[0] * first);
            for (int j = 0; j < side / 2; j++) {
                const Vec even = d[0] * pairs[j].even[0] + d[2] * pairs[j].even[1];
                const Vec odd = d[1] * pairs[j].odd;

                vec_store(u + (size_t) (2 * j + 1) * step + c, even + odd);
                vec_store(u + (size_t) (2 * j + 2) * step + c, even - odd);
            }
            vec_store(u + (size_t) (side + 1) * step + c, d[2]);
        }
    }
}

/* A vector of V at `at`, counted in floats or in bfloat16. */
static inline __attribute__((always_inline)) void
store_input(void *v, size_t at, Vec x, bool bf16)
{
#if defined(__AVX512BF16__)
    if (bf16) {
        const __m256bh rounded = _mm512_cvtneps_pbh((__m512) x);

        memcpy((SdeBf16 *) v + at, &rounded, sizeof rounded);
        return;
    }
#endif
    vec_store((float *) v + at, x);
}

static inline __attribute__((always_inline)) void
transform_input(int side, Line line, const float *const *pixels, int channels,
                bool bf16, void *v, size_t step)
{
    const int n = side + 2;

    for (int c = 0; c < channels; c += WIDTH) {
        Vec columns[MAX_LINE][MAX_LINE]; /* [x][row of B^T] */

        for (int x = 0; x < n; x++) {
            Vec d[MAX_LINE];

            for (int y = 0; y < n; y++) {
                d[y] = vec_load(pixels[y * n + x] + c);
            }
            line(d, columns[x]);
        }
        for (int i = 0; i < n; i++) {
            Vec d[MAX_LINE], out[MAX_LINE];

            for (int x = 0; x < n; x++) {
                d[x] = columns[x][i];
            }
            line(d, out);
            for (int j = 0; j < n; j++) {
                store_input(v, (size_t) (i * n + j) * step + (size_t) c, out[j], bf16);
            }
        }
    }
}

/* One vector of channels of a whole tile. */
static inline __attribute__((always_inline)) void
transform_output(int side, Line line, const float *m, size_t step,
                 const SdeEpilogue *epilogue, float *out, size_t row_stride,
                 size_t stride)
{
    const int n = side + 2;
    const Vec addend = vec_load(epilogue->addend);
    Vec columns[MAX_LINE][MAX_SIDE]; /* [x][row of A^T] */
    VecSums total = {0};

    for (int x = 0; x < n; x++) {
        Vec products[MAX_LINE];

        for (int y = 0; y < n; y++) {
            products[y] = vec_load(m + (size_t) (y * n + x) * step);
        }
        line(products, columns[x]);
    }
    for (int i = 0; i < side; i++) {
        Vec products[MAX_LINE], sums[MAX_SIDE];

        for (int x = 0; x < n; x++) {
            products[x] = columns[x][i];
        }
        line(products, sums);
        for (int j = 0; j < side; j++) {
            const size_t at = (size_t) i * row_stride + (size_t) j * stride;
            Vec sum = sums[j] + addend;

            if (epilogue->residual != NULL) {
                sum += vec_load(epilogue->residual + at);
            }
            sum *= epilogue->scale;
            vec_store(out + at, sum);
            if (i + j == 0) {
                total.first = sum;
            }
            vec_sums_add(&total, sum);
        }
    }
    if (epilogue->sums != NULL) {
        vec_sums_finish(&total, side * side, epilogue->sums, epilogue->squares);
    }
}

/* For what lies some channels on, `at` floats further in the output. */
static inline SdeEpilogue
move_epilogue(const SdeEpilogue *epilogue, int channels, size_t at)
{
    const bool summed = epilogue->sums != NULL;

    return (SdeEpilogue) {
        .addend = epilogue->addend + channels,
        .residual = epilogue->residual == NULL ? NULL : epilogue->residual + at,
        .sums = summed ? epilogue->sums + channels : NULL,
        .squares = summed ? epilogue->squares + channels : NULL,
        .scale = epilogue->scale,
    };
}

/* What lies over the edge of the map, or of the channels, is computed and left out. */
static inline __attribute__((always_inline)) void
write_output(int side, Line line, const float *m, size_t step,
             const SdeEpilogue *epilogue, const SdeTarget *target)
{
    if (target->rows == side && target->cols == side && target->channels == PANEL) {
        for (int c = 0; c < PANEL; c += WIDTH) {
            const SdeEpilogue part = move_epilogue(epilogue, c, (size_t) c);

            transform_output(side, line, m + c, step, &part, target->out + c,
                             target->row_stride, target->stride);
        }
        return;
    }

    static const float zeros[PANEL];
    const SdeEpilogue nothing = {.addend = zeros, .scale = 1.0f};
    float tile[MAX_SIDE * MAX_SIDE * PANEL];

    for (int c = 0; c < PANEL; c += WIDTH) {
        transform_output(side, line, m + c, step, &nothing, tile + c,
                         (size_t) side * PANEL, PANEL);
    }
    for (int i = 0; i < target->rows; i++) {
        const size_t at = (size_t) i * target->row_stride;
        const SdeEpilogue row = move_epilogue(epilogue, 0, at);

        LEVEL(write_tile)(tile + (size_t) (i * side) * PANEL, target->cols,
                          target->channels, &row, target->out + at, target->stride);
    }
}

void
LEVEL(winograd4_weights)(const float *windows, int cin, int row, float *u, size_t step)
{
    transform_weights(4, pairs4, 1.0f, windows, cin, row, u, step);
}

void
LEVEL(winograd4_input)(const float *const *pixels, int channels, float *v, size_t step)
{
    transform_input(4, input4, pixels, channels, false, v, step);
}

#if defined(__AVX512BF16__)
void
LEVEL(winograd4_input_bf16)(const float *const *pixels, int channels, SdeBf16 *v,
                            size_t step)
{
    transform_input(4, input4, pixels, channels, true, v, step);
}
#endif

void
LEVEL(winograd4_output)(const float *m, size_t step, const SdeEpilogue *epilogue,
                        const SdeTarget *target)
{
    write_output(4, output4, m, step, epilogue, target);
}

void
LEVEL(winograd6_weights)(const float *windows, int cin, int row, float *u, size_t step)
{
    transform_weights(6, pairs6, -1.0f, windows, cin, row, u, step);
}

void
LEVEL(winograd6_input)(const float *const *pixels, int channels, float *v, size_t step)
{
    transform_input(6, input6, pixels, channels, false, v, step);
}

void
LEVEL(winograd6_output)(const float *m, size_t step, const SdeEpilogue *epilogue,
                        const SdeTarget *target)
{
    write_output(6, output6, m, step, epilogue, target);
}
