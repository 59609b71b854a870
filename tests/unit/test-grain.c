/* Grain for a fill. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/grain.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fake-denoiser.h"
#include "near.h"
#include "task/noise-level.h"

enum { SIDE = 192, N = SIDE * SIDE };
#define SIGMA 10.0 /* of 0..255 */
/* The estimate is off by some per cent, and the fill has 3,600 pixels. */
#define LEVEL_TOLERANCE 0.12

typedef struct {
    SdeImage source;
    float *mask, *rgb;
    SdeGrain grain;
    SdeNoise noise;
} Fixture;

static bool
lies_in_hole(const Fixture *fixture, int x, int y)
{
    SdeRect hole = fixture->grain.bounds;

    return x >= hole.x + 2 && x < hole.x + hole.width - 2 && y >= hole.y + 2 &&
           y < hole.y + hole.height - 2;
}

/* Grey with noise; in the hole much more of it, which nobody may look at. */
static void
set_noise(Fixture *fixture, double sigma, bool blurred)
{
    g_autofree float *noise = g_new(float, 3 * N);

    sde_rng_fill_normal(3, 99, 0, 0, SIDE, SIDE, 3, noise, 3 * SIDE);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < N; i++) {
            int x = i % SIDE, y = i / SIDE;
            int left = x > 0 ? i - 1 : i, up = y > 0 ? i - SIDE : i;
            int corner = y > 0 ? left - SIDE : left;
            float mean = 0.5f * (noise[3 * i + c] + noise[3 * left + c] +
                                 noise[3 * up + c] + noise[3 * corner + c]);
            float value = (float) (sigma / 255.0) * (blurred ? mean : noise[3 * i + c]);

            fixture->source.pixels[3 * i + c] =
                0.5f + (lies_in_hole(fixture, x, y) ? 5.0f : 1.0f) * value;
        }
    }
}

static void
set_up(Fixture *fixture, const void *data)
{
    fixture->source = (SdeImage) {g_new(float, 3 * N), SIDE, SIDE, 3 * SIDE};
    fixture->mask = g_new(float, N);
    fixture->grain = (SdeGrain) {.source = &fixture->source,
                                 .crop = {0, 0, SIDE, SIDE},
                                 .mask = fixture->mask,
                                 .bounds = {60, 70, 64, 64},
                                 .noise = &fixture->noise,
                                 .gain = 1.0,
                                 .share = 1.0};
    fixture->rgb = g_new0(float, 3 * 64 * 64);
    for (int i = 0; i < N; i++) {
        fixture->mask[i] = lies_in_hole(fixture, i % SIDE, i / SIDE) ? 1.0f : 0.0f;
    }
    set_noise(fixture, SIGMA, false);
}

static void
tear_down(Fixture *fixture, const void *data)
{
    g_free(fixture->source.pixels);
    g_free(fixture->mask);
    g_free(fixture->rgb);
}

/* The deviation of the fill afterwards, of 0..255. */
static double
add(Fixture *fixture)
{
    double sum = 0.0, square = 0.0, n = 0.0;
    g_autofree float *known = g_new(float, N);
    GError *error = NULL;

    for (int i = 0; i < N; i++) {
        known[i] = 1.0f - fixture->mask[i];
    }
    sde_noise_level_estimate(&fixture->source, &(SdeMask) {known, SIDE, SIDE, SIDE},
                             NULL, NULL, NULL, &fixture->noise);
    g_assert_true(sde_grain_add(&fixture->grain, fixture->rgb, 4, &error));
    g_assert_no_error(error);
    for (int i = 0; i < 64 * 64; i++) {
        if (lies_in_hole(fixture, 60 + i % 64, 70 + i / 64)) {
            double value = 127.5 * (double) fixture->rgb[3 * i + 1];

            sum += value;
            square += value * value;
            n += 1.0;
        }
    }
    return sqrt(square / n - sum * sum / n / n);
}

static void
test_a_smooth_fill_gets_the_level_around(Fixture *fixture, const void *data)
{
    assert_near(add(fixture), SIGMA, LEVEL_TOLERANCE * SIGMA);
}

static void
test_grain_that_is_there_counts(Fixture *fixture, const void *data)
{
    sde_rng_fill_normal(8, 98, 0, 0, 64, 64, 3, fixture->rgb, 3 * 64);
    for (int i = 0; i < 3 * 64 * 64; i++) {
        fixture->rgb[i] *= (float) (SIGMA / 127.5);
    }
    assert_near(add(fixture), SIGMA, 1.5 * LEVEL_TOLERANCE * SIGMA);
}

static void
test_half_the_share_is_half_the_grain(Fixture *fixture, const void *data)
{
    fixture->grain.share = 0.5;
    assert_near(add(fixture), SIGMA / 2, LEVEL_TOLERANCE * SIGMA / 2);
}

static void
test_correlated_grain_is_of_its_level_and_smoother(Fixture *fixture, const void *data)
{
    double steps = 0.0, deviation;

    set_noise(fixture, SIGMA, true);
    deviation = add(fixture);
    assert_near(deviation, SIGMA, 0.35 * SIGMA); /* the estimate is a rougher one */
    for (int i = 10 * 64; i < 50 * 64; i++) {
        double step =
            127.5 * (double) (fixture->rgb[3 * i + 4] - fixture->rgb[3 * i + 1]);

        steps += step * step / (40.0 * 64.0);
    }
    g_assert_cmpfloat(steps, <, 1.2 * deviation * deviation); /* white: twice that */
}

static void
test_a_clean_photo_gets_none(Fixture *fixture, const void *data)
{
    set_noise(fixture, 0.0, false);
    g_assert_cmpfloat(add(fixture), ==, 0.0);
}

/* The estimate sees noise of 2 or so in them. */
static void
test_slow_waves_get_hardly_any(Fixture *fixture, const void *data)
{
    for (int i = 0; i < N; i++) {
        float wave = sinf(0.11f * (float) (i % SIDE) + 0.07f * (float) (i / SIDE));

        for (int c = 0; c < 3; c++) {
            fixture->source.pixels[3 * i + c] = 0.5f + 0.4f * wave;
        }
    }
    g_assert_cmpfloat(add(fixture), <, 0.3);
}

static void
test_what_is_not_masked_stays(Fixture *fixture, const void *data)
{
    add(fixture);
    for (int i = 0; i < 64 * 64; i++) {
        if (!lies_in_hole(fixture, 60 + i % 64, 70 + i / 64)) {
            g_assert_cmpfloat(fixture->rgb[3 * i], ==, 0.0f);
        }
    }
}

/* The estimate is of the whole photo; here there is half as much noise, or twice. */
static void
test_no_more_than_is_around(Fixture *fixture, const void *data)
{
    fixture->grain.gain = 0.5;
    assert_near(add(fixture), SIGMA / 2, LEVEL_TOLERANCE * SIGMA / 2);
    memset(fixture->rgb, 0, 3 * 64 * 64 * sizeof(float));
    fixture->grain.gain = 2.0;
    assert_near(add(fixture), SIGMA, LEVEL_TOLERANCE * SIGMA);
}

#define ADD(name, func) \
    g_test_add("/grain/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("level", test_a_smooth_fill_gets_the_level_around);
    ADD("there", test_grain_that_is_there_counts);
    ADD("share", test_half_the_share_is_half_the_grain);
    ADD("correlated", test_correlated_grain_is_of_its_level_and_smoother);
    ADD("clean", test_a_clean_photo_gets_none);
    ADD("waves", test_slow_waves_get_hardly_any);
    ADD("mask", test_what_is_not_masked_stays);
    ADD("gain", test_no_more_than_is_around);
    return g_test_run();
}
