/* Halving, doubling and concatenation. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/resample.h"

#include "kernel-fixture.h"

static SdeCompute
make_compute(SdeArena *arena)
{
    return (SdeCompute) {.arena = arena, .n_threads = 1};
}

static float
get(const SdeTensor *t, int n, int y, int x, int c)
{
    return t->data[(((size_t) n * t->h + y) * t->w + x) * t->c + c];
}

static void
test_halving_takes_means_of_four(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeArena) arena = sde_arena_new(64, &error);
    SdeCompute compute = make_compute(arena);
    g_auto(SdeTensor) x = random_tensor(2, 6, 4, 3, 1);
    g_auto(SdeTensor) y = random_tensor(2, 3, 2, 3, 2);

    sde_halve_run(&compute, &x, &y);
    for (int i = 0; i < 2 * 3 * 2 * 3; i++) {
        const int c = i % 3, px = i / 3 % 2, py = i / 6 % 3, n = i / 18;
        const float sum =
            get(&x, n, 2 * py, 2 * px, c) + get(&x, n, 2 * py, 2 * px + 1, c) +
            get(&x, n, 2 * py + 1, 2 * px, c) + get(&x, n, 2 * py + 1, 2 * px + 1, c);

        g_assert_true(fabsf(get(&y, n, py, px, c) - sum / 4) < 1e-6f);
    }
}

static void
test_doubling_repeats_each_pixel_four_times(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeArena) arena = sde_arena_new(64, &error);
    SdeCompute compute = make_compute(arena);
    g_auto(SdeTensor) x = random_tensor(2, 3, 2, 5, 1);
    g_auto(SdeTensor) y = random_tensor(2, 6, 4, 5, 2);

    sde_double_run(&compute, &x, &y);
    for (int i = 0; i < 2 * 6 * 4 * 5; i++) {
        const int c = i % 5, px = i / 5 % 4, py = i / 20 % 6, n = i / 120;

        g_assert_cmpfloat(get(&y, n, py, px, c), ==, get(&x, n, py / 2, px / 2, c));
    }
}

static void
test_concatenation_keeps_every_channel(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeArena) arena = sde_arena_new(64, &error);
    SdeCompute compute = make_compute(arena);
    g_auto(SdeTensor) a = random_tensor(2, 3, 4, 5, 1);
    g_auto(SdeTensor) b = random_tensor(2, 3, 4, 2, 2);
    g_auto(SdeTensor) y = random_tensor(2, 3, 4, 7, 3);

    sde_concatenate_run(&compute, &a, &b, &y);
    for (int i = 0; i < 2 * 3 * 4; i++) {
        g_assert_cmpmem(y.data + i * 7, 5 * sizeof(float), a.data + i * 5,
                        5 * sizeof(float));
        g_assert_cmpmem(y.data + i * 7 + 5, 2 * sizeof(float), b.data + i * 2,
                        2 * sizeof(float));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resample/halving_takes_means_of_four",
                    test_halving_takes_means_of_four);
    g_test_add_func("/resample/doubling_repeats_each_pixel_four_times",
                    test_doubling_repeats_each_pixel_four_times);
    g_test_add_func("/resample/concatenation_keeps_every_channel",
                    test_concatenation_keeps_every_channel);
    return g_test_run();
}
