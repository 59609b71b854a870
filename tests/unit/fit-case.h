/* The kernels of nonlocal fits on random data beside the same in double: for their test
 * and for tests/bench. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernel-fixture.h"

/* Sums of some hundred products, relative to the largest of them. */
#define FIT_ERROR 2e-6

enum { FIT_PITCH = 96, FIT_ROWS = 40, FIT_AROUND = 24 };

typedef struct {
    float *pixels; /* three planes and their trust */
    ptrdiff_t around[FIT_AROUND];
    float weights[FIT_AROUND], values[3][FIT_AROUND];
    SdePatch patch;
    int n;        /* equations, or places */
    int n_padded; /* places, as many as the kernel wants */
    size_t place; /* the first of these */
    float *rows, *row_weights, *distances;
    float products[SDE_FIT_TERMS][SDE_FIT_TERMS];
} FitCase;

static inline void
clear_fit_case(FitCase *c)
{
    g_free(c->pixels);
    g_free(c->rows);
    g_free(c->row_weights);
    g_free(c->distances);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FitCase, clear_fit_case)

/* Its pointers point into it: it stays where it is. */
static inline void
make_fit_case(FitCase *c, int n)
{
    const size_t size = (size_t) FIT_PITCH * FIT_ROWS;

    *c = (FitCase) {.n = n, .place = 5 * FIT_PITCH + 7};
    c->n_padded = (n + SDE_MAX_WIDTH - 1) / SDE_MAX_WIDTH * SDE_MAX_WIDTH;
    c->pixels = random_floats(4 * size, 1);
    c->rows = random_floats((size_t) MAX(n, 1) * SDE_FIT_TERMS, 2);
    c->row_weights = random_floats((size_t) MAX(n, 1), 3);
    c->distances = g_new(float, (size_t) MAX(c->n_padded, 1));
    fill_random(c->weights, FIT_AROUND, 4);
    fill_random(c->values[0], 3 * FIT_AROUND, 5);
    fill_random(c->products[0], SDE_FIT_TERMS * SDE_FIT_TERMS, 6);
    for (int i = 0, k = 0; i < 25; i++) {
        if (i != 12) {
            c->weights[k] = fabsf(c->weights[k]) + 0.1f;
            c->around[k++] = (i / 5 - 2) * FIT_PITCH + i % 5 - 2;
        }
    }
    for (size_t i = 0; i < size; i++) {
        c->pixels[3 * size + i] = i % 3 == 0 ? 0.3f : 1.0f;
    }
    c->patch =
        (SdePatch) {.planes = {c->pixels, c->pixels + size, c->pixels + 2 * size},
                    .trust = c->pixels + 3 * size,
                    .around = c->around,
                    .n_around = FIT_AROUND,
                    .weights = c->weights,
                    .values = {c->values[0], c->values[1], c->values[2]},
                    .mean_gain = 0.9f};
}

static inline void
run_distances(SdeCompute *compute, void *data)
{
    FitCase *c = data;

    if (!sde_arena_is_dry(compute->arena)) {
        sde_kernels_get()->patch_distances(&c->patch, c->place, c->n_padded,
                                           c->distances);
    }
}

static inline void
run_products(SdeCompute *compute, void *data)
{
    FitCase *c = data;

    if (!sde_arena_is_dry(compute->arena)) {
        sde_kernels_get()->add_products(c->rows, c->row_weights, c->n, c->products[0]);
    }
}

static inline double
expect_distance(const FitCase *c, int place)
{
    double total = 0, squares = 0, sums[3] = {0}, means = 0;

    for (int i = 0; i < FIT_AROUND; i++) {
        const size_t at = c->place + (size_t) place + (size_t) c->around[i];
        const double weight = (double) c->weights[i] * (double) c->patch.trust[at];

        total += weight;
        for (int k = 0; k < 3; k++) {
            const double difference =
                (double) c->values[k][i] - (double) c->patch.planes[k][at];

            sums[k] += weight * difference;
            squares += weight * difference * difference;
        }
    }
    for (int k = 0; k < 3; k++) {
        means += sums[k] / total * (sums[k] / total);
    }
    return squares / total - (double) c->patch.mean_gain * means;
}

/* What is added to products[i][j]. */
static inline double
expect_product(const FitCase *c, int i, int j)
{
    double sum = 0;

    for (int k = 0; k < c->n; k++) {
        const float *row = c->rows + (size_t) k * SDE_FIT_TERMS;

        sum += (double) c->row_weights[k] * (double) row[i] * (double) row[j];
    }
    return sum;
}
