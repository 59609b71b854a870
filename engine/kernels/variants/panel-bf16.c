/* The micro-kernel over bfloat16: as panel.c, two products of each lane at a time,
 * summed in float (AVX512-BF16's VDPBF16PS). Levels without that have none of this.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/variants/fetch.h"
#include "kernels/variants/levels.h"
#include "kernels/variants/vec.h"

#if defined(__AVX512BF16__)

#include <immintrin.h>
#include <string.h>

#define PAIRS ((size_t) 2 * PANEL) /* values of a step: two of each column */

/* Two values of a row that follow each other. */
static inline int
load_pair(const SdeBf16 *p)
{
    int pair;

    memcpy(&pair, p, sizeof pair);
    return pair;
}

static inline __attribute__((always_inline)) void
multiply_rows(int n_rows, const SdeBf16Input *input, const SdeBf16 *rows,
              const SdeBf16 *weights, Fetch fetch, float *out, size_t stride)
{
    __m512 sums[ROWS][VECTORS];
    const SdeBf16 *a[ROWS];

    for (int r = 0; r < n_rows; r++) {
        a[r] = rows + (size_t) r * input->stride;
        for (int v = 0; v < VECTORS; v++) {
            sums[r][v] = _mm512_setzero_ps();
        }
    }
    for (int k = 0; k < input->depth; k += 2) {
        __m512bh w[VECTORS];

        for (int v = 0; v < VECTORS; v++) {
            w[v] = (__m512bh) _mm512_loadu_si512(weights + (size_t) 2 * WIDTH * v);
        }
        weights += PAIRS;
        fetch_step(&fetch);
        for (int r = 0; r < n_rows; r++) {
            const __m512bh x = (__m512bh) _mm512_set1_epi32(load_pair(a[r] + k));

            for (int v = 0; v < VECTORS; v++) {
                sums[r][v] = _mm512_dpbf16_ps(sums[r][v], w[v], x);
            }
        }
    }
    for (int r = 0; r < n_rows; r++) {
        for (int v = 0; v < VECTORS; v++) {
            _mm512_storeu_ps(out + (size_t) r * stride + (size_t) v * WIDTH,
                             sums[r][v]);
        }
    }
}

static void
multiply_some(int n_rows, const SdeBf16Input *input, const SdeBf16 *rows,
              const SdeBf16 *weights, Fetch fetch, float *out, size_t stride)
{
#define CASE(n)                                                     \
    case n:                                                         \
        multiply_rows(n, input, rows, weights, fetch, out, stride); \
        break;
    switch (n_rows) {
        FOR_EACH_N_ROWS(CASE)
    default:
        __builtin_unreachable();
    }
#undef CASE
}

/* Rows are shared out evenly, as in panel.c. */
void
LEVEL(multiply_bf16)(const SdeBf16Input *input, const void *weights, float *out,
                     size_t stride)
{
    const int n_tiles = (input->n_rows + ROWS - 1) / ROWS;
    const size_t steps = (size_t) input->depth / 2; /* of a micro-tile */
    Fetch fetch = fetch_plan(&input->ahead, (size_t) n_tiles * steps, weights);
    int first = 0;

    for (int i = 0; i < n_tiles; i++) {
        const int rest = input->n_rows - first;
        const int n_rows = (rest + n_tiles - i - 1) / (n_tiles - i);

        multiply_some(n_rows, input, input->rows + (size_t) first * input->stride,
                      weights, fetch, out + (size_t) first * stride, stride);
        fetch_skip(&fetch, steps);
        first += n_rows;
    }
}

void
LEVEL(to_bf16)(const float *x, int n, SdeBf16 *y)
{
    const int whole = n - n % (2 * WIDTH);

    for (int i = 0; i < whole; i += 2 * WIDTH) {
        const __m512bh pair = _mm512_cvtne2ps_pbh((__m512) vec_load(x + i + WIDTH),
                                                  (__m512) vec_load(x + i));

        memcpy(y + i, &pair, sizeof pair);
    }
    for (int i = whole; i < n; i++) {
        y[i] = sde_round_bf16(x[i]);
    }
}

#endif
