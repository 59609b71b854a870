/* Mixing pictures. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/blend.h"

#include <math.h>

#include "base/rng.h"
#include "fake-denoiser.h"
#include "near.h"

/* Weighted means over up to 2^10 pixels in float. */
#define MEAN_TOLERANCE 1e-4

enum { WIDTH = 75, HEIGHT = 53, N = WIDTH * HEIGHT };

static float *
constant_picture(float r, float g, float b)
{
    float *rgb = g_new(float, 3 * N);

    for (int i = 0; i < N; i++) {
        rgb[3 * i] = r;
        rgb[3 * i + 1] = g;
        rgb[3 * i + 2] = b;
    }
    return rgb;
}

static void
assert_color(const float *rgb, float r, float g, float b)
{
    assert_near((double) rgb[0], (double) r, MEAN_TOLERANCE);
    assert_near((double) rgb[1], (double) g, MEAN_TOLERANCE);
    assert_near((double) rgb[2], (double) b, MEAN_TOLERANCE);
}

static void
test_fill_continues_a_constant_and_keeps_what_is_known(void)
{
    g_autofree float *rgb = constant_picture(0.5f, -0.25f, 0.125f);
    SdeMask hole = test_mask_new(WIDTH, HEIGHT, (SdeRect) {10, 5, 40, 44});
    GError *error = NULL;

    for (int i = 0; i < N; i++) {
        if (hole.levels[i] > 0.0f) {
            rgb[3 * i] = 99.0f; /* must not leak */
        }
    }
    g_assert_true(sde_blend_fill_smooth(rgb, hole.levels, WIDTH, HEIGHT, &error));
    g_assert_no_error(error);
    for (int i = 0; i < N; i++) {
        assert_color(rgb + 3 * i, 0.5f, -0.25f, 0.125f);
        g_assert_true(hole.levels[i] > 0.0f || rgb[3 * i] == 0.5f);
    }
    g_free((float *) hole.levels);
}

static void
test_fill_stays_between_its_neighbours(void)
{
    g_autofree float *rgb = constant_picture(-1.0f, 0.0f, 0.0f);
    SdeMask hole = test_mask_new(WIDTH, HEIGHT, (SdeRect) {20, 0, 30, HEIGHT});
    GError *error = NULL;

    for (int i = 0; i < N; i++) {
        rgb[3 * i] = i % WIDTH < 35 ? -1.0f : 1.0f;
    }
    sde_blend_fill_smooth(rgb, hole.levels, WIDTH, HEIGHT, &error);
    g_assert_no_error(error);
    for (int x = 0; x < WIDTH; x++) {
        float value = rgb[3 * (26 * WIDTH + x)];

        g_assert_true(value >= -1.001f && value <= 1.001f);
    }
    g_assert_cmpfloat(rgb[3 * (26 * WIDTH + 21)], <, -0.4f);
    g_assert_cmpfloat(rgb[3 * (26 * WIDTH + 48)], >, 0.4f);
    g_free((float *) hole.levels);
}

static void
test_fill_of_everything_is_grey_and_of_nothing_changes_nothing(void)
{
    g_autofree float *rgb = constant_picture(0.9f, 0.8f, 0.7f);
    SdeMask all = test_mask_new(WIDTH, HEIGHT, (SdeRect) {0, 0, WIDTH, HEIGHT});
    SdeMask none = test_mask_new(WIDTH, HEIGHT, (SdeRect) {0});
    GError *error = NULL;

    sde_blend_fill_smooth(rgb, none.levels, WIDTH, HEIGHT, &error);
    g_assert_cmpfloat(rgb[0], ==, 0.9f);
    sde_blend_fill_smooth(rgb, all.levels, WIDTH, HEIGHT, &error);
    g_assert_no_error(error);
    for (int i = 0; i < N; i++) {
        assert_color(rgb + 3 * i, 0.0f, 0.0f, 0.0f);
    }
    g_free((float *) all.levels);
    g_free((float *) none.levels);
}

static void
test_fill_of_one_pixel(void)
{
    float rgb[3] = {0.4f, 0.5f, 0.6f}, level = 1.0f;
    GError *error = NULL;

    g_assert_true(sde_blend_fill_smooth(rgb, &level, 1, 1, &error));
    assert_color(rgb, 0.0f, 0.0f, 0.0f);
}

static void
test_match_takes_a_wrong_tint_out(void)
{
    g_autofree float *rgb = constant_picture(0.1f, 0.2f, 0.3f);
    SdeMask hole = test_mask_new(WIDTH, HEIGHT, (SdeRect) {12, 9, 31, 22});
    GError *error = NULL;

    for (int i = 0; i < N; i++) {
        rgb[3 * i] += hole.levels[i] > 0.0f ? 0.2f : 0.0f;
        rgb[3 * i + 2] -= hole.levels[i] > 0.0f ? 0.1f : 0.0f;
    }
    g_assert_true(sde_blend_match_colors(rgb, hole.levels, WIDTH, HEIGHT, &error));
    for (int i = 0; i < N; i++) {
        assert_color(rgb + 3 * i, 0.1f, 0.2f, 0.3f);
    }
    g_free((float *) hole.levels);
}

static void
test_match_of_a_fill_without_surroundings_changes_nothing(void)
{
    g_autofree float *rgb = constant_picture(0.1f, 0.2f, 0.3f);
    SdeMask all = test_mask_new(WIDTH, HEIGHT, (SdeRect) {0, 0, WIDTH, HEIGHT});
    GError *error = NULL;

    sde_blend_match_colors(rgb, all.levels, WIDTH, HEIGHT, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(rgb[30], ==, 0.1f);
    g_free((float *) all.levels);
}

static void
test_paste_is_exact_at_both_ends(void)
{
    const float fill[3] = {1.0f, -1.0f, 0.5f};
    float rgb[3] = {0.1f, 1.7f, -0.3f};

    sde_blend_paste_pixel(rgb, fill, 0.0f);
    g_assert_cmpfloat(rgb[1], ==, 1.7f);
    sde_blend_paste_pixel(rgb, fill, 0.5f);
    assert_near((double) rgb[0], 0.55, 1e-6);
    sde_blend_paste_pixel(rgb, fill, 1.0f);
    g_assert_cmpfloat(rgb[0], ==, 1.0f);
    g_assert_cmpfloat(rgb[1], ==, 0.0f);
    g_assert_cmpfloat(rgb[2], ==, 0.75f);
}

static void
test_shares_split_luma_from_color(void)
{
    float both[3] = {0.3f, -0.1f, 0.2f}, luma[3] = {0.3f, -0.1f, 0.2f};
    float color[3] = {0.3f, -0.1f, 0.2f};

    sde_blend_share(both, 1.0, 1.0);
    assert_near((double) both[1], -0.1, 1e-7);
    sde_blend_share(luma, 1.0, 0.0);
    g_assert_cmpfloat(luma[0], ==, luma[2]);
    sde_blend_share(color, 0.0, 1.0);
    assert_near((double) sde_luma(color), 0.0, 1e-7);
}

static void
test_band_pass_keeps_grain_and_drops_the_ground(void)
{
    g_autofree float *plane = g_new(float, N);
    g_autofree float *scratch = g_new(float, 2 * N);
    double sum = 0.0, power = 0.0;

    sde_rng_fill_normal(1, 1, 0, 0, WIDTH, HEIGHT, 1, plane, WIDTH);
    for (int i = 0; i < N; i++) {
        plane[i] += 50.0f + 0.1f * (float) (i % WIDTH);
    }
    sde_blend_band_pass(plane, WIDTH, HEIGHT, scratch);
    for (int i = 0; i < N; i++) {
        sum += (double) plane[i];
        power += (double) plane[i] * (double) plane[i];
    }
    g_assert_cmpfloat(fabs(sum / (double) N), <, 0.1);
    assert_near(sqrt(power / (double) N), 1.0, 0.1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/blend/fill-constant",
                    test_fill_continues_a_constant_and_keeps_what_is_known);
    g_test_add_func("/blend/fill-between", test_fill_stays_between_its_neighbours);
    g_test_add_func("/blend/fill-all-or-nothing",
                    test_fill_of_everything_is_grey_and_of_nothing_changes_nothing);
    g_test_add_func("/blend/fill-one-pixel", test_fill_of_one_pixel);
    g_test_add_func("/blend/match", test_match_takes_a_wrong_tint_out);
    g_test_add_func("/blend/match-alone",
                    test_match_of_a_fill_without_surroundings_changes_nothing);
    g_test_add_func("/blend/paste", test_paste_is_exact_at_both_ends);
    g_test_add_func("/blend/share", test_shares_split_luma_from_color);
    g_test_add_func("/blend/band-pass",
                    test_band_pass_keeps_grain_and_drops_the_ground);
    return g_test_run();
}
