/* A plate over holes. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/plate.h"

#include <math.h>
#include <string.h>

#include "fake-denoiser.h"
#include "near.h"
#include "task/blend.h"

enum { WIDTH = 61, HEIGHT = 47, N = WIDTH * HEIGHT };

/* A bowl in -1..1: no soap film over a slit in it has its curvature. */
static float
bowl(int x, int y)
{
    float u = (float) x / (WIDTH - 1), v = (float) y / (HEIGHT - 1);

    return 3.0f * (u - 0.5f) * (u - 0.5f) + (v - 0.5f) * (v - 0.5f);
}

static void
set_picture(float *rgb)
{
    for (int i = 0; i < 3 * N; i++) {
        rgb[i] = bowl(i / 3 % WIDTH, i / 3 / WIDTH) * (1.0f - 0.3f * (float) (i % 3));
    }
}

static double
measure_error(const float *rgb, const SdeMask *hole)
{
    double sum = 0.0;

    for (int i = 0; i < 3 * N; i++) {
        double difference =
            (double) rgb[i] -
            (double) bowl(i / 3 % WIDTH, i / 3 / WIDTH) * (1.0 - 0.3 * (i % 3));

        sum += hole->levels[i / 3] > 0.0f ? difference * difference : 0.0;
    }
    return sqrt(sum);
}

/* Straight over the slit, which is what a film does across a narrow one. */
static void
bridge(float *rgb, SdeRect slit)
{
    for (int y = slit.y; y < slit.y + slit.height; y++) {
        for (int x = slit.x; x < slit.x + slit.width; x++) {
            float share = (float) (x - slit.x + 1) / (float) (slit.width + 1);

            for (int c = 0; c < 3; c++) {
                const float *row = rgb + 3 * y * WIDTH + c;
                float left = row[3 * (slit.x - 1)],
                      right = row[3 * (slit.x + slit.width)];

                rgb[3 * (y * WIDTH + x) + c] = left + share * (right - left);
            }
        }
    }
}

static void
test_slopes_go_on_through_a_slit(void)
{
    SdeRect slit = {6, 5, 4, 36};
    SdeMask hole = test_mask_new(WIDTH, HEIGHT, slit);
    g_autofree float *rgb = g_new(float, 3 * N);
    double film, plate;
    GError *error = NULL;

    set_picture(rgb);
    bridge(rgb, slit);
    film = measure_error(rgb, &hole);
    g_assert_true(sde_plate_bend(rgb, hole.levels, WIDTH, HEIGHT, &error));
    g_assert_no_error(error);
    plate = measure_error(rgb, &hole);
    g_assert_cmpfloat(film, >, 0.05);
    g_assert_cmpfloat(plate, <, film / 2);
    g_free((float *) hole.levels);
}

static void
test_what_is_known_stays_bit_for_bit(void)
{
    SdeMask hole = test_mask_new(WIDTH, HEIGHT, (SdeRect) {50, 30, 11, 17});
    g_autofree float *rgb = g_new(float, 3 * N), *before = g_new(float, 3 * N);

    set_picture(rgb);
    memcpy(before, rgb, 3 * N * sizeof(float));
    g_assert_true(sde_plate_bend(rgb, hole.levels, WIDTH, HEIGHT, NULL));
    for (int i = 0; i < 3 * N; i++) {
        g_assert_true(hole.levels[i / 3] > 0.0f || rgb[i] == before[i]);
        g_assert_true(isfinite(rgb[i]) && fabsf(rgb[i]) <= 1.0f);
    }
    g_free((float *) hole.levels);
}

/* Converged at once, without a hole, with nothing but a hole, of one pixel. */
static void
test_nothing_to_do_is_done(void)
{
    g_autofree float *rgb = g_new0(float, 3 * N);
    SdeMask none = test_mask_new(WIDTH, HEIGHT, (SdeRect) {0, 0, 0, 0});
    SdeMask all = test_mask_new(WIDTH, HEIGHT, (SdeRect) {0, 0, WIDTH, HEIGHT});
    float dot[3] = {0.5f, 0.25f, -0.75f}, level = 1.0f;

    g_assert_true(sde_plate_bend(rgb, none.levels, WIDTH, HEIGHT, NULL));
    g_assert_true(sde_plate_bend(rgb, all.levels, WIDTH, HEIGHT, NULL));
    for (int i = 0; i < 3 * N; i++) {
        g_assert_cmpfloat(rgb[i], ==, 0.0f);
    }
    g_assert_true(sde_plate_bend(dot, &level, 1, 1, NULL));
    g_assert_cmpfloat(dot[2], ==, -0.75f);
    g_free((float *) none.levels);
    g_free((float *) all.levels);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plate/slit", test_slopes_go_on_through_a_slit);
    g_test_add_func("/plate/known", test_what_is_known_stays_bit_for_bit);
    g_test_add_func("/plate/nothing", test_nothing_to_do_is_done);
    return g_test_run();
}
