/* What the kernels' tests share: random tensors, a launcher's surroundings, and errors
 * against a reference in double. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/compute.h"
#include "kernels/kernels.h"

/* The mean square of the difference against that of the reference: what rounding does
 * to a typical value, whatever the scale. NaN anywhere gives NaN. */
static inline double
relative_rms(const float *found, const double *want, size_t count)
{
    double difference = 0, size = 0;

    for (size_t i = 0; i < count; i++) {
        difference += ((double) found[i] - want[i]) * ((double) found[i] - want[i]);
        size += want[i] * want[i];
    }
    return sqrt(difference / MAX(size, 1e-300));
}

static inline void
fill_random(float *data, size_t count, uint32_t stream)
{
    sde_rng_fill_normal(1, stream, 0, 0, (int) count, 1, 1, data, count);
}

static inline float *
random_floats(size_t count, uint32_t stream)
{
    float *data = g_new(float, count);

    fill_random(data, count, stream);
    return data;
}

static inline SdeTensor
random_tensor(int n, int h, int w, int c, uint32_t stream)
{
    SdeTensor tensor = {.n = n, .h = h, .w = w, .c = c};

    tensor.data = g_new(float, sde_tensor_count(&tensor));
    fill_random(tensor.data, sde_tensor_count(&tensor), stream);
    return tensor;
}

static inline void
clear_tensor(SdeTensor *tensor)
{
    g_clear_pointer(&tensor->data, g_free);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SdeTensor, clear_tensor)

/* A launcher under test: runs once dry for the plan, then really, with that much memory
 * and no more. */
typedef void (*Launch)(SdeCompute *compute, void *data);

static inline void
launch(Launch func, void *data, int n_threads)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    g_autoptr(SdePool) pool = sde_pool_new(n_threads);
    g_autoptr(GError) error = NULL;
    SdeCompute compute = {.arena = dry, .n_threads = n_threads};

    func(&compute, data);
    g_assert_cmpuint(sde_arena_mark(dry), ==, 0);

    g_autoptr(SdeArena) arena = sde_arena_new(sde_arena_get_peak(dry), &error);

    g_assert_no_error(error);
    compute.arena = arena;
    compute.pool = pool;
    func(&compute, data);
    g_assert_cmpuint(sde_arena_get_peak(arena), ==, sde_arena_get_peak(dry));
    g_assert_cmpuint(sde_arena_mark(arena), ==, 0);
}

/* Runs with 1, 2, 3 and 7 threads; the result must have the same bits each time. */
static inline void
launch_with_all_threads(Launch func, void *data, SdeTensor *y)
{
    const int threads[] = {2, 3, 7};
    const size_t size = sde_tensor_count(y) * sizeof(float);
    const size_t sums_at = sde_tensor_find_sums(y);
    const size_t whole_size = sde_tensor_size(y) * sizeof(float);

    launch(func, data, 1);

    g_autofree float *first = g_memdup2(y->data, whole_size);

    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        memset(y->data, 0xff, whole_size);
        launch(func, data, threads[i]);
        g_assert_cmpmem(y->data, size, first, size);
        if (y->summed) {
            const size_t sums_size = whole_size - sums_at * sizeof(float);

            g_assert_cmpmem(y->data + sums_at, sums_size, first + sums_at, sums_size);
        }
    }
}

/* Each of these tests runs once per CPU level (SDE_KERNELS); a level that this machine
 * cannot run says so instead of testing another one. */
static inline int
run_tests_of_level(void)
{
    const char *level = g_getenv("SDE_KERNELS");

    if (level != NULL && sde_kernels_find(level) == NULL) {
        printf("1..0 # SKIP no %s kernels here\n", level);
        return 0;
    }
    if (level != NULL) {
        g_assert_cmpstr(sde_kernels_get()->name, ==, level);
    }
    return g_test_run();
}
