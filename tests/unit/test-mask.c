/* Soft masks: spreading against brute force.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/mask.h"

#include <math.h>

#include "fake-denoiser.h"
#include "near.h"

/* One rounding of a square root and of a cosine. */
#define TOLERANCE 1e-5

static void
test_bounds_are_the_smallest_rectangle(void)
{
    SdeMask mask = test_mask_new(20, 10, (SdeRect) {3, 4, 5, 2});
    SdeRect bounds = sde_mask_find_bounds(&mask);

    g_assert_cmpint(bounds.x, ==, 3);
    g_assert_cmpint(bounds.y, ==, 4);
    g_assert_cmpint(bounds.width, ==, 5);
    g_assert_cmpint(bounds.height, ==, 2);
    g_free((float *) mask.levels);
}

static void
test_bounds_of_nothing_are_empty(void)
{
    SdeMask mask = test_mask_new(9, 9, (SdeRect) {0});

    g_assert_cmpint(sde_mask_find_bounds(&mask).width, ==, 0);
    g_free((float *) mask.levels);
}

static void
test_reading_clamps_and_no_mask_is_all(void)
{
    const float given[] = {-1.0f, 0.25f, 3.0f};
    SdeMask mask = {.levels = given, .width = 3, .height = 1, .stride = 3};
    float levels[3];

    sde_mask_read(&mask, (SdeRect) {0, 0, 3, 1}, levels);
    g_assert_cmpfloat(levels[0], ==, 0.0f);
    g_assert_cmpfloat(levels[1], ==, 0.25f);
    g_assert_cmpfloat(levels[2], ==, 1.0f);
    sde_mask_read(NULL, (SdeRect) {5, 7, 3, 1}, levels);
    g_assert_cmpfloat(levels[0] + levels[1] + levels[2], ==, 3.0f);
}

static double
distance_to_hole(const float *hole, int width, int height, int x, int y)
{
    double nearest = 1e9;

    for (int i = 0; i < height; i++) {
        for (int j = 0; j < width; j++) {
            if (hole[i * width + j] > 0.0f) {
                nearest = MIN(nearest, hypot(x - j, y - i));
            }
        }
    }
    return nearest;
}

static void
test_spread_follows_the_euclidean_distance(void)
{
    enum { WIDTH = 37, HEIGHT = 29, GROW = 4, FEATHER = 6 };
    float hole[WIDTH * HEIGHT] = {0}, levels[WIDTH * HEIGHT], scratch[WIDTH * HEIGHT];

    hole[10 * WIDTH + 12] = 1.0f;
    hole[11 * WIDTH + 13] = 1.0f;
    hole[28 * WIDTH + 36] = 1.0f;
    memcpy(levels, hole, sizeof(hole));
    sde_mask_spread(levels, WIDTH, HEIGHT, GROW, FEATHER, scratch);
    for (int y = 0; y < HEIGHT; y++) {
        for (int x = 0; x < WIDTH; x++) {
            double u = (distance_to_hole(hole, WIDTH, HEIGHT, x, y) - (double) GROW) /
                       (double) (FEATHER + 1);
            double expected = u <= 0.0   ? 1.0
                              : u >= 1.0 ? 0.0
                                         : 0.5 + 0.5 * cos(G_PI * u);

            assert_near((double) levels[y * WIDTH + x], expected, TOLERANCE);
        }
    }
}

static void
test_spread_of_nothing_and_by_nothing_changes_nothing(void)
{
    float levels[4] = {0.0f, 0.3f, 0.9f, 0.0f}, scratch[4], empty[4] = {0};

    sde_mask_spread(levels, 4, 1, 0, 0, scratch);
    g_assert_cmpfloat(levels[0], ==, 0.0f);
    g_assert_cmpfloat(levels[1], ==, 0.3f);
    sde_mask_spread(empty, 4, 1, 3, 3, scratch);
    g_assert_cmpfloat(empty[0] + empty[1] + empty[2] + empty[3], ==, 0.0f);
}

static void
test_spread_never_lowers_a_level(void)
{
    float levels[9] = {0.1f, 0.2f, 0.4f, 1.0f, 0.9f, 0.7f, 0.3f, 0.0f, 0.05f},
          before[9];
    float scratch[9];

    memcpy(before, levels, sizeof(levels));
    sde_mask_spread(levels, 9, 1, 0, 2, scratch);
    for (int i = 0; i < 9; i++) {
        g_assert_cmpfloat(levels[i], >=, before[i]);
    }
}

/* GIMP's selections have such edges; a soft rest in the hole would show what was there.
 */
static void
test_growing_leaves_no_soft_pixel_inside(void)
{
    float levels[9] = {0.0f, 0.6f, 1.0f, 1.0f, 0.8f, 0.0f, 0.0f, 0.0f, 0.0f};
    const float grown[9] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 0.0f, 0.0f};
    float scratch[9];

    sde_mask_spread(levels, 9, 1, 2, 0, scratch);
    for (int i = 0; i < 9; i++) {
        g_assert_cmpfloat(levels[i], ==, grown[i]);
    }
}

static void
test_growing_keeps_wide_soft_ramps(void)
{
    float levels[64], scratch[64];

    for (int i = 0; i < 64; i++) {
        levels[i] = (float) (63 - i) / 63.0f;
    }
    sde_mask_spread(levels, 64, 1, 3, 0, scratch);
    for (int i = 4; i < 64; i++) {
        bool near_half = i >= 32 && i < 35; /* grown there, from half height on */

        g_assert_cmpfloat(levels[i], ==, near_half ? 1.0f : (float) (63 - i) / 63.0f);
    }
}

static void
test_paste_weight_is_0_and_1_at_the_ends(void)
{
    for (int graded = 0; graded < 2; graded++) {
        g_assert_cmpfloat(sde_mask_paste_weight(0.0f, graded), ==, 0.0f);
        g_assert_cmpfloat(sde_mask_paste_weight(1.0f, graded), ==, 1.0f);
    }
    g_assert_cmpfloat(sde_mask_paste_weight(0.5f, false), ==, 0.5f);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mask/bounds", test_bounds_are_the_smallest_rectangle);
    g_test_add_func("/mask/bounds-of-nothing", test_bounds_of_nothing_are_empty);
    g_test_add_func("/mask/read", test_reading_clamps_and_no_mask_is_all);
    g_test_add_func("/mask/spread", test_spread_follows_the_euclidean_distance);
    g_test_add_func("/mask/spread-nothing",
                    test_spread_of_nothing_and_by_nothing_changes_nothing);
    g_test_add_func("/mask/spread-never-lowers", test_spread_never_lowers_a_level);
    g_test_add_func("/mask/grow-antialiased", test_growing_leaves_no_soft_pixel_inside);
    g_test_add_func("/mask/grow-ramp", test_growing_keeps_wide_soft_ramps);
    g_test_add_func("/mask/paste-weight", test_paste_weight_is_0_and_1_at_the_ends);
    return g_test_run();
}
