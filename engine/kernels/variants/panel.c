/* The micro-kernel: a few rows of activations times one panel of weights.
 *
 * Every product of the engine with prepared weights ends here: 1×1 and direct 3×3
 * convolutions, linear layers, and the products of a Winograd tile. The sums of ROWS ×
 * PANEL stay in registers; weights are read once per ROWS rows, activations are
 * broadcast.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdbool.h>

#include "kernels/variants/fetch.h"
#include "kernels/variants/levels.h"
#include "kernels/variants/vec.h"

/* Products that are added in registers before they join the rest: rounding grows with
 * the length of a sum, and Winograd's transforms amplify it. 32 would take another
 * fifth off the error, and 3 % more time. */
#define PART 64

/* `n_rows` is a constant wherever these are inlined: the loops over rows vanish and the
 * sums become registers. */

static inline __attribute__((always_inline)) void
multiply_part(int n_rows, const float *const *a, int begin, int end,
              const float *weights, Fetch fetch, bool add, float *out, size_t stride)
{
    Vec sums[ROWS][VECTORS];

    for (int r = 0; r < n_rows; r++) {
        for (int v = 0; v < VECTORS; v++) {
            sums[r][v] = (Vec) {0};
        }
    }
    for (int k = begin; k < end; k++) {
        Vec w[VECTORS];

        for (int c = 0; c < PANEL; c += WIDTH) {
            w[c / WIDTH] = vec_load(weights + c);
        }
        weights += PANEL;
        fetch_step(&fetch);
        for (int r = 0; r < n_rows; r++) {
            const Vec x = vec_splat(a[r][k]);

            for (int v = 0; v < VECTORS; v++) {
                sums[r][v] += x * w[v];
            }
        }
    }
    for (int r = 0; r < n_rows; r++) {
        for (int c = 0; c < PANEL; c += WIDTH) {
            float *to = out + (size_t) r * stride + c;
            const Vec sum = sums[r][c / WIDTH];

            vec_store(to, add ? vec_load(to) + sum : sum);
        }
    }
}

static inline __attribute__((always_inline)) void
multiply_rows(int n_rows, const SdePanelInput *input, int first, const float *weights,
              Fetch fetch, float *out, size_t stride)
{
    bool add = false;

    for (int s = 0; s < input->n_segments; s++) {
        const float *const *rows = input->rows + (size_t) s * input->n_rows + first;
        const int depth = input->depths[s];
        const float *a[ROWS];

        for (int r = 0; r < n_rows; r++) {
            a[r] = rows[r];
        }
        for (int begin = 0; begin < depth; begin += PART) {
            const int rest = depth - begin;
            const int n = rest < PART ? rest : PART;

            multiply_part(n_rows, a, begin, begin + n, weights, fetch, add, out,
                          stride);
            weights += (size_t) n * PANEL;
            fetch_skip(&fetch, (size_t) n);
            add = true;
        }
    }
}

static void
multiply_some(int n_rows, const SdePanelInput *input, int first, const float *weights,
              Fetch fetch, float *out, size_t stride)
{
#define CASE(n)                                                      \
    case n:                                                          \
        multiply_rows(n, input, first, weights, fetch, out, stride); \
        break;
    switch (n_rows) {
        FOR_EACH_N_ROWS(CASE)
    default:
        __builtin_unreachable();
    }
#undef CASE
}

/* Rows are shared out evenly, 8 as 4 + 4 and not 6 + 2: small micro-tiles wait for
 * their own sums. */
void
LEVEL(multiply)(const SdePanelInput *input, const float *weights, float *out,
                size_t stride)
{
    const int n_tiles = (input->n_rows + ROWS - 1) / ROWS;
    int first = 0;
    size_t depth = 0;

    for (int i = 0; i < input->n_segments; i++) {
        depth += (size_t) input->depths[i];
    }

    Fetch fetch = fetch_plan(&input->ahead, (size_t) n_tiles * depth, weights);

    for (int i = 0; i < n_tiles; i++) {
        const int rest = input->n_rows - first;
        const int n_rows = (rest + n_tiles - i - 1) / (n_tiles - i);

        multiply_some(n_rows, input, first, weights, fetch,
                      out + (size_t) first * stride, stride);
        fetch_skip(&fetch, depth);
        first += n_rows;
    }
}

static void
write_partial_rows(const float *tile, int n_rows, int n_cols,
                   const SdeEpilogue *epilogue, float *out, size_t stride)
{
    for (int r = 0; r < n_rows; r++) {
        for (int c = 0; c < n_cols; c++) {
            const size_t at = (size_t) r * stride + (size_t) c;
            float sum = tile[r * PANEL + c] + epilogue->addend[c];

            if (epilogue->residual != NULL) {
                sum += epilogue->residual[at];
            }
            out[at] = sum * epilogue->scale;
            if (epilogue->sums != NULL) {
                epilogue->sums[c] += (double) out[at];
                epilogue->squares[c] += (double) out[at] * (double) out[at];
            }
        }
    }
}

void
LEVEL(write_tile)(const float *tile, int n_rows, int n_cols,
                  const SdeEpilogue *epilogue, float *out, size_t stride)
{
    if (n_cols < PANEL) {
        write_partial_rows(tile, n_rows, n_cols, epilogue, out, stride);
        return;
    }

    const Vec scale = vec_splat(epilogue->scale);
    Vec addend[VECTORS];
    VecSums total[VECTORS] = {0};

    for (int c = 0; c < PANEL; c += WIDTH) {
        addend[c / WIDTH] = vec_load(epilogue->addend + c);
    }
    for (int r = 0; r < n_rows; r++) {
        for (int c = 0; c < PANEL; c += WIDTH) {
            const size_t at = (size_t) r * stride + (size_t) c;
            VecSums *sums = &total[c / WIDTH];
            Vec sum = vec_load(tile + (size_t) r * PANEL + c) + addend[c / WIDTH];

            if (epilogue->residual != NULL) {
                sum += vec_load(epilogue->residual + at);
            }
            sum *= scale;
            vec_store(out + at, sum);
            if (r == 0) {
                sums->first = sum;
            }
            vec_sums_add(sums, sum);
        }
    }
    for (int c = 0; c < PANEL && epilogue->sums != NULL; c += WIDTH) {
        vec_sums_finish(&total[c / WIDTH], n_rows, epilogue->sums + c,
                        epilogue->squares + c);
    }
}
