/* Making pictures smaller and larger. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/scale.h"

#include <math.h>

#include "near.h"

/* Sums of a few hundred products in float. */
#define TOLERANCE 2e-6

static void
test_fit_keeps_the_ratio_and_never_enlarges(void)
{
    int width, height;

    sde_scale_fit(4000, 3000, 1000, &width, &height);
    g_assert_cmpint(width, ==, 1000);
    g_assert_cmpint(height, ==, 750);
    sde_scale_fit(1, 5000, 100, &width, &height);
    g_assert_cmpint(width, ==, 1);
    g_assert_cmpint(height, ==, 100);
    sde_scale_fit(30, 20, 100, &width, &height);
    g_assert_cmpint(width, ==, 30);
    sde_scale_fit(30, 20, 0, &width, &height);
    g_assert_cmpint(height, ==, 20);
}

static void
test_down_keeps_the_mean(void)
{
    enum { WIDTH = 41, HEIGHT = 30, SMALL_WIDTH = 13, SMALL_HEIGHT = 7 };
    float in[HEIGHT * WIDTH * 2], out[SMALL_HEIGHT * SMALL_WIDTH * 2];
    double before = 0.0, after = 0.0;

    for (int i = 0; i < HEIGHT * WIDTH * 2; i++) {
        in[i] = i % 2 ? 3.0f : sinf((float) (i * i % 97));
        before += i % 2 ? 0.0 : (double) in[i];
    }
    sde_scale_down(in, WIDTH * 2, WIDTH, HEIGHT, 2, out, SMALL_WIDTH, SMALL_HEIGHT);
    for (int i = 0; i < SMALL_HEIGHT * SMALL_WIDTH; i++) {
        assert_near((double) out[2 * i + 1], 3.0, TOLERANCE);
        after += (double) out[2 * i];
    }
    assert_near(before / (WIDTH * HEIGHT), after / (SMALL_WIDTH * SMALL_HEIGHT),
                TOLERANCE);
}

static void
test_down_by_a_whole_number_is_a_block_mean(void)
{
    const float in[8] = {1, 3, 5, 7, 2, 4, 6, 8};
    float out[2];

    sde_scale_down(in, 4, 4, 2, 1, out, 2, 1);
    assert_near((double) out[0], 2.5, TOLERANCE);
    assert_near((double) out[1], 6.5, TOLERANCE);
}

static void
test_highest_loses_no_level(void)
{
    float in[7 * 5] = {0}, out[3 * 2];

    in[3 * 7 + 6] = 0.7f;
    sde_scale_down_highest(in, 7, 5, out, 3, 2);
    g_assert_cmpfloat(out[1 * 3 + 2], ==, 0.7f);
    g_assert_cmpfloat(out[0], ==, 0.0f);
}

static void
test_up_reproduces_a_ramp_and_a_constant(void)
{
    enum { SMALL = 9, LARGE = 27 };
    float in[SMALL * SMALL * 2], row[LARGE * 2], scratch[SMALL * 2];

    for (int i = 0; i < SMALL * SMALL; i++) {
        in[2 * i] = (float) (i % SMALL);
        in[2 * i + 1] = -4.0f;
    }
    for (int y = 0; y < LARGE; y++) {
        sde_scale_up_row(in, SMALL * 2, SMALL, SMALL, 2, LARGE, LARGE, y, row, scratch);
        for (int x = 0; x < LARGE; x++) {
            double at = (x + 0.5) / 3.0 - 0.5;

            assert_near((double) row[2 * x + 1], -4.0, 4 * TOLERANCE);
            if (at >= 1.0 &&
                at <= (double) SMALL - 2.0) { /* the ends repeat their last pixel */
                assert_near((double) row[2 * x], at, 4 * TOLERANCE);
            }
        }
    }
}

static void
test_up_to_the_same_size_is_a_copy(void)
{
    const float in[4] = {0.1f, 0.7f, -0.2f, 0.4f};
    float row[4], scratch[4];

    sde_scale_up_row(in, 4, 4, 1, 1, 4, 1, 0, row, scratch);
    g_assert_cmpmem(row, sizeof(row), in, sizeof(in));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scale/fit", test_fit_keeps_the_ratio_and_never_enlarges);
    g_test_add_func("/scale/down-mean", test_down_keeps_the_mean);
    g_test_add_func("/scale/down-blocks", test_down_by_a_whole_number_is_a_block_mean);
    g_test_add_func("/scale/highest", test_highest_loses_no_level);
    g_test_add_func("/scale/up", test_up_reproduces_a_ramp_and_a_constant);
    g_test_add_func("/scale/up-same", test_up_to_the_same_size_is_a_copy);
    return g_test_run();
}
