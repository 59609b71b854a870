/* Noise estimates on synthetic photos whose noise is known.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-level.h"

#include <math.h>

#include "base/rng.h"
#include "fake-denoiser.h"
#include "near.h"

/* The promise: an estimate from a textured photo is within 15 % of white noise. */
#define WHITE_TOLERANCE 0.15
/* 8-bit units: less than the rounding of an 8-bit file is "none". */
#define CLEAN 0.3

enum { SIDE = 384 };

/* Half of it smooth, half full of stripes and speckles, dark to bright. */
static SdeImage
synthetic_photo(float texture)
{
    SdeImage image = test_picture_new(SIDE, SIDE, 0);
    g_autofree float *speckles = g_new(float, SIDE *SIDE);

    sde_rng_fill_normal(5, 9, 0, 0, SIDE, SIDE, 1, speckles, SIDE);
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            float *pixel = (float *) test_pixel(&image, x, y);
            float detail = x > SIDE / 2
                               ? sinf(0.9f * (float) x) * cosf(0.6f * (float) y) +
                                     speckles[y / 2 * SIDE + x / 2]
                               : 0.0f;

            for (int c = 0; c < 3; c++) {
                pixel[c] = 0.25f + 0.5f * (float) y / (float) SIDE + texture * detail;
            }
        }
    }
    return image;
}

/* sigma in 8-bit units, times sqrt(offset + slope brightness) */
static void
add_noise(SdeImage *image, float sigma, float offset, float slope)
{
    g_autofree float *noise = g_new(float, 3 * SIDE * SIDE);

    sde_rng_fill_normal(21, 1, 0, 0, SIDE, SIDE, 3, noise, 3 * SIDE);
    for (int i = 0; i < 3 * SIDE * SIDE; i++) {
        float gain = sqrtf(offset + slope * image->pixels[i]);

        image->pixels[i] += sigma / 255.0f * gain * noise[i];
    }
}

static void
test_white_noise_is_read_within_15_percent(void)
{
    const float sigmas[] = {2, 5, 10, 15, 25, 35, 50};

    for (size_t i = 0; i < G_N_ELEMENTS(sigmas); i++) {
        SdeImage image = synthetic_photo(0.08f);
        double sigma = (double) sigmas[i], found;

        add_noise(&image, sigmas[i], 1.0f, 0.0f);
        found = sde_estimate_noise(&image, NULL);
        g_test_message("sigma %g read as %g", sigma, found);
        assert_near(found, sigma, WHITE_TOLERANCE * sigma);
        g_free(image.pixels);
    }
}

static void
test_a_clean_photo_has_next_to_no_noise(void)
{
    SdeImage image = synthetic_photo(0.08f);

    g_assert_cmpfloat(sde_estimate_noise(&image, NULL), <, CLEAN);
    g_free(image.pixels);
}

static void
test_level_follows_brightness(void)
{
    SdeImage image = synthetic_photo(0.0f);
    SdeNoiseLevel level;
    double dark, bright;

    add_noise(&image, 20.0f, 0.1f, 1.0f);
    sde_noise_level_estimate(&image, NULL, NULL, &level);
    dark = sde_noise_level_at(&level, 0.3);
    bright = sde_noise_level_at(&level, 0.7);
    assert_near(dark, 20.0 * sqrt(0.4), 0.2 * dark);
    assert_near(bright, 20.0 * sqrt(0.8), 0.2 * bright);
    g_free(image.pixels);
}

static void
test_clipped_areas_do_not_count(void)
{
    SdeImage image = synthetic_photo(0.0f);
    double found;

    for (int i = 0; i < 3 * SIDE * SIDE / 2; i++) {
        image.pixels[i] = -0.5f; /* black as ink, also with its noise */
    }
    add_noise(&image, 15.0f, 1.0f, 0.0f);
    for (int i = 0; i < 3 * SIDE * SIDE; i++) {
        image.pixels[i] = sde_clamp_unit(image.pixels[i]);
    }
    found = sde_estimate_noise(&image, NULL);
    assert_near(found, 15.0, WHITE_TOLERANCE * 15.0);
    g_free(image.pixels);
}

static void
test_only_the_selection_counts(void)
{
    SdeImage image = synthetic_photo(0.0f);
    SdeImage clean = synthetic_photo(0.0f);
    SdeMask mask = test_mask_new(SIDE, SIDE, (SdeRect) {0, 0, SIDE, SIDE / 2});

    add_noise(&image, 30.0f, 1.0f, 0.0f);
    for (int y = 0; y < SIDE / 2; y++) {
        memcpy(image.pixels + (size_t) y * image.stride,
               clean.pixels + (size_t) y * clean.stride, 3 * SIDE * sizeof(float));
    }
    g_assert_cmpfloat(sde_estimate_noise(&image, &mask), <, CLEAN);
    g_free((float *) mask.levels);
    mask = test_mask_new(SIDE, SIDE, (SdeRect) {0, SIDE / 2, SIDE, SIDE / 2});
    g_assert_cmpfloat(sde_estimate_noise(&image, &mask), >, 25.0);
    g_free((float *) mask.levels);
    g_free(image.pixels);
    g_free(clean.pixels);
}

static void
test_tiny_pictures_have_an_estimate_that_is_a_number(void)
{
    const int sizes[][2] = {{1, 1}, {2, 300}, {7, 3}, {9, 9}, {17, 16}, {40, 33}};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        SdeImage image = test_picture_new(sizes[i][0], sizes[i][1], 1);
        double found = sde_estimate_noise(&image, NULL);

        g_assert_true(isfinite(found) && found >= 0.0 && found < 20.0);
        g_free(image.pixels);
    }
}

static void
test_threads_do_not_show(void)
{
    SdeImage image = synthetic_photo(0.05f);
    g_autoptr(SdePool) pool = sde_pool_new(3);
    SdeNoiseLevel one, three;

    add_noise(&image, 12.0f, 1.0f, 0.0f);
    sde_noise_level_estimate(&image, NULL, NULL, &one);
    sde_noise_level_estimate(&image, NULL, pool, &three);
    g_assert_cmpmem(&one, sizeof(one), &three, sizeof(three));
    g_free(image.pixels);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/noise-level/white", test_white_noise_is_read_within_15_percent);
    g_test_add_func("/noise-level/clean", test_a_clean_photo_has_next_to_no_noise);
    g_test_add_func("/noise-level/brightness", test_level_follows_brightness);
    g_test_add_func("/noise-level/clipped", test_clipped_areas_do_not_count);
    g_test_add_func("/noise-level/selection", test_only_the_selection_counts);
    g_test_add_func("/noise-level/tiny",
                    test_tiny_pictures_have_an_estimate_that_is_a_number);
    g_test_add_func("/noise-level/threads", test_threads_do_not_show);
    return g_test_run();
}
