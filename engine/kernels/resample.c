/* Row by row; one output row is a block. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/resample.h"

#include <string.h>

typedef struct {
    const SdeTensor *x, *x2;
    SdeTensor *y;
} Resample;

/* Row `y` of all rows of all samples. */
static float *
find_row(const SdeTensor *t, size_t y)
{
    return t->data + y * (size_t) t->w * (size_t) t->c;
}

/* Maps have an even height, so samples need no care: row y comes from 2y and 2y + 1. */
static void
halve_row(size_t row, int thread, void *data)
{
    const Resample *r = data;
    const float *upper = find_row(r->x, 2 * row);
    const float *lower = find_row(r->x, 2 * row + 1);
    const size_t channels = (size_t) r->y->c;
    float *y = find_row(r->y, row);

    for (size_t x = 0; x < (size_t) r->y->w; x++) {
        const size_t left = 2 * x * channels;

        for (size_t c = 0; c < channels; c++) {
            const size_t right = left + channels + c;

            y[x * channels + c] = 0.25f * (upper[left + c] + upper[right] +
                                           lower[left + c] + lower[right]);
        }
    }
}

static void
double_row(size_t row, int thread, void *data)
{
    const Resample *r = data;
    const float *from = find_row(r->x, row / 2);
    const size_t channels = (size_t) r->y->c;
    float *y = find_row(r->y, row);

    for (size_t x = 0; x < (size_t) r->y->w; x++) {
        memcpy(y + x * channels, from + x / 2 * channels, channels * sizeof(float));
    }
}

static void
concatenate_row(size_t row, int thread, void *data)
{
    const Resample *r = data;
    const SdeTensor *parts[2] = {r->x, r->x2};
    float *y = find_row(r->y, row);

    for (int i = 0; i < 2 && parts[i] != NULL; i++) {
        const size_t channels = (size_t) parts[i]->c;
        const float *from = find_row(parts[i], row);

        for (size_t x = 0; x < (size_t) r->y->w; x++) {
            memcpy(y + x * (size_t) r->y->c, from + x * channels,
                   channels * sizeof(float));
        }
        y += channels;
    }
}

static void
run_rows(SdeCompute *compute, Resample *r, SdeBlockFunc func)
{
    if (!sde_compute_is_dry(compute)) {
        sde_compute_for(compute, (size_t) r->y->n * (size_t) r->y->h, func, r);
    }
}

void
sde_halve_run(SdeCompute *compute, const SdeTensor *x, SdeTensor *y)
{
    g_assert(x->h == 2 * y->h && x->w == 2 * y->w && x->c == y->c && x->n == y->n);
    run_rows(compute, &(Resample) {x, NULL, y}, halve_row);
}

void
sde_double_run(SdeCompute *compute, const SdeTensor *x, SdeTensor *y)
{
    g_assert(y->h == 2 * x->h && y->w == 2 * x->w && x->c == y->c && x->n == y->n);
    run_rows(compute, &(Resample) {x, NULL, y}, double_row);
}

void
sde_concatenate_run(SdeCompute *compute, const SdeTensor *x, const SdeTensor *x2,
                    SdeTensor *y)
{
    g_assert(y->c == x->c + (x2 == NULL ? 0 : x2->c));
    run_rows(compute, &(Resample) {x, x2, y}, concatenate_row);
}
