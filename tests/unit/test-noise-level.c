/* Noise estimates on synthetic photos whose noise is known.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-level.h"

#include <math.h>

#include "base/rng.h"
#include "fake-denoiser.h"
#include "near.h"

/* The promise: an estimate from a textured photo is within 10 % of white noise. */
#define WHITE_TOLERANCE 0.10
/* Correlated noise is summed up from three scales, each with an error of its own. */
#define CORRELATED_TOLERANCE 0.15
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

static double
estimate(const SdeImage *image, const SdeMask *mask)
{
    GError *error = NULL;
    SdeNoise noise;

    sde_estimate_noise(NULL, image, mask, NULL, &noise, &error);
    g_assert_no_error(error);
    return noise.sigma;
}

static void
test_white_noise_is_read_within_10_percent(void)
{
    const float sigmas[] = {2, 5, 10, 15, 25, 35, 50};

    for (size_t i = 0; i < G_N_ELEMENTS(sigmas); i++) {
        SdeImage image = synthetic_photo(0.08f);
        double sigma = (double) sigmas[i], found;

        add_noise(&image, sigmas[i], 1.0f, 0.0f);
        found = estimate(&image, NULL);
        g_test_message("sigma %g read as %g", sigma, found);
        assert_near(found, sigma, WHITE_TOLERANCE * sigma);
        g_free(image.pixels);
    }
}

static void
test_a_clean_photo_has_next_to_no_noise(void)
{
    SdeImage image = synthetic_photo(0.08f);

    g_assert_cmpfloat(estimate(&image, NULL), <, CLEAN);
    g_free(image.pixels);
}

static void
test_level_follows_brightness(void)
{
    SdeImage image = synthetic_photo(0.0f);
    SdeNoise level;
    double dark, bright;

    add_noise(&image, 20.0f, 0.1f, 1.0f);
    sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &level);
    dark = sde_noise_level_at(&level, 0, 0, (float[]) {0.3f, 0.3f, 0.3f});
    bright = sde_noise_level_at(&level, 0, 0, (float[]) {0.7f, 0.7f, 0.7f});
    assert_near(dark, 20.0 * sqrt(0.4), 0.1 * dark);
    assert_near(bright, 20.0 * sqrt(0.8), 0.1 * bright);
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
    found = estimate(&image, NULL);
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
    g_assert_cmpfloat(estimate(&image, &mask), <, CLEAN);
    g_free((float *) mask.levels);
    mask = test_mask_new(SIDE, SIDE, (SdeRect) {0, SIDE / 2, SIDE, SIDE / 2});
    g_assert_cmpfloat(estimate(&image, &mask), >, 25.0);
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
        double found = estimate(&image, NULL);

        g_assert_true(isfinite(found) && found >= 0.0 && found < 20.0);
        g_free(image.pixels);
    }
}

static void
test_threads_do_not_show(void)
{
    SdeImage image = synthetic_photo(0.05f);
    g_autoptr(SdePool) pool = sde_pool_new(3);
    SdeNoise one, three;

    add_noise(&image, 12.0f, 1.0f, 0.0f);
    sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &one);
    sde_noise_level_estimate(&image, NULL, NULL, pool, NULL, &three);
    g_assert_cmpmem(&one, sizeof(one), &three, sizeof(three));
    g_free(image.pixels);
}

static void
test_channels_are_told_apart(void)
{
    SdeImage image = synthetic_photo(0.05f), clean = synthetic_photo(0.05f);
    SdeNoise level;

    add_noise(&image, 20.0f, 1.0f, 0.0f);
    for (int i = 0; i < SIDE * SIDE; i++) { /* red gets a quarter of the noise */
        image.pixels[3 * i] =
            clean.pixels[3 * i] + 0.25f * (image.pixels[3 * i] - clean.pixels[3 * i]);
    }
    sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &level);
    assert_near(sde_noise_level_of_channel(&level, 0, 0.5), 5.0, 0.5);
    assert_near(sde_noise_level_of_channel(&level, 1, 0.5), 20.0, 2.0);
    assert_near(sde_noise_level_of_channel(&level, 2, 0.5), 20.0, 2.0);
    g_free(image.pixels);
    g_free(clean.pixels);
}

/* Means of 2 × 2 white pixels, brought back to sigma in 8-bit units, times sqrt(offset
 * + slope brightness). */
static void
add_correlated_noise(SdeImage *image, float sigma, float offset, float slope)
{
    g_autofree float *noise = g_new(float, 3 * (SIDE + 1) * (SIDE + 1));
    size_t pitch = 3 * (SIDE + 1);

    sde_rng_fill_normal(22, 1, 0, 0, SIDE + 1, SIDE + 1, 3, noise, pitch);
    for (size_t y = 0; y < SIDE; y++) {
        for (size_t x = 0; x < 3 * (size_t) SIDE; x++) {
            const float *at = noise + y * pitch + x;
            float *value = image->pixels + y * image->stride + x;

            *value += sigma / 510.0f * sqrtf(offset + slope * *value) *
                      (at[0] + at[3] + at[pitch] + at[pitch + 3]);
        }
    }
}

static void
test_correlated_noise_is_known_and_not_taken_for_little(void)
{
    const float sigmas[] = {12, 30};

    for (size_t i = 0; i < G_N_ELEMENTS(sigmas); i++) {
        SdeImage image = synthetic_photo(0.05f);
        double sigma = (double) sigmas[i];
        SdeNoise level;

        add_correlated_noise(&image, sigmas[i], 1.0f, 0.0f);
        sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &level);
        g_test_message("correlated, sigma %g read as %g", sigma, level.sigma);
        g_assert_true(level.is_correlated);
        assert_near(level.sigma, sigma, CORRELATED_TOLERANCE * sigma);
        g_free(image.pixels);
    }
}

/* The smoothest blocks are those of the brightness with the least noise. */
static void
test_correlated_noise_follows_brightness(void)
{
    SdeImage image = synthetic_photo(0.0f);
    SdeNoise level;
    double dark, bright;

    add_correlated_noise(&image, 20.0f, 1.0f, -0.9f);
    sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &level);
    g_assert_true(level.is_correlated);
    dark = sde_noise_level_of_channel(&level, 0, 0.35);
    bright = sde_noise_level_of_channel(&level, 0, 0.65);
    assert_near(dark, 20.0 * sqrt(0.685), CORRELATED_TOLERANCE * dark);
    assert_near(bright, 20.0 * sqrt(0.415), CORRELATED_TOLERANCE * bright);
    assert_near(level.sigma, 20.0 * sqrt(0.55), CORRELATED_TOLERANCE * level.sigma);
    g_free(image.pixels);
}

/* As fur has it: everywhere, but more in one place than in another. */
static void
test_texture_everywhere_is_not_taken_for_noise(void)
{
    SdeImage image = synthetic_photo(0.0f), even = synthetic_photo(0.0f);
    enum { PATCH = 24, N_PATCHES = SIDE / PATCH };
    float strength[N_PATCHES * N_PATCHES];
    SdeNoise level;

    sde_rng_fill_normal(8, 2, 0, 0, N_PATCHES, N_PATCHES, 1, strength, N_PATCHES);
    add_correlated_noise(&image, 12.0f, 1.0f, 0.0f);
    for (int i = 0; i < 3 * SIDE * SIDE; i++) {
        int x = i / 3 % SIDE / PATCH, y = i / 3 / SIDE / PATCH;
        float texture = image.pixels[i] - even.pixels[i];

        image.pixels[i] =
            even.pixels[i] + expf(0.5f * strength[y * N_PATCHES + x]) * texture;
    }
    sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &level);
    g_test_message("texture of 15 read as noise of %g", level.sigma);
    g_assert_cmpfloat(level.sigma, <, 5.0);
    g_free(image.pixels);
    g_free(even.pixels);
}

static void
test_white_noise_is_called_white(void)
{
    const float sigmas[] = {2, 10, 50};

    for (size_t i = 0; i < G_N_ELEMENTS(sigmas); i++) {
        SdeImage image = synthetic_photo(0.08f);
        SdeNoise level;

        add_noise(&image, sigmas[i], 1.0f, 0.0f);
        sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &level);
        g_assert_false(level.is_correlated);
        assert_near(level.lowest_gain, 1.0, 0.0);
        assert_near(level.highest_gain, 1.0, 0.0);
        g_free(image.pixels);
    }
}

static void
test_noise_may_differ_from_place_to_place(void)
{
    SdeImage image = synthetic_photo(0.0f), weak = synthetic_photo(0.0f);
    SdeNoise level;
    const float grey[3] = {0.5f, 0.5f, 0.5f};

    add_noise(&image, 24.0f, 1.0f, 0.0f);
    add_noise(&weak, 8.0f, 1.0f, 0.0f);
    for (int y = 0; y < SIDE; y++) { /* the left third is quiet */
        memcpy(image.pixels + (size_t) y * image.stride,
               weak.pixels + (size_t) y * weak.stride, SIDE * sizeof(float));
    }
    sde_noise_level_estimate(&image, NULL, NULL, NULL, NULL, &level);
    assert_near(sde_noise_level_at(&level, 20, SIDE / 2, grey), 8.0, 1.2);
    assert_near(sde_noise_level_at(&level, SIDE - 20, SIDE / 2, grey), 24.0, 3.0);
    g_assert_cmpfloat(sde_noise_level_highest(&level), >=,
                      sde_noise_level_at(&level, SIDE - 1, SIDE - 1, grey));
    g_free(image.pixels);
    g_free(weak.pixels);
}

static void
test_a_picture_without_evidence_has_no_noise(void)
{
    const float values[] = {0.0f, 0.4f, 1.0f, -3.0f, 7.0f};

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        SdeImage image = test_picture_new(64, 48, 0);

        for (int j = 0; j < 3 * 64 * 48; j++) {
            image.pixels[j] = values[i];
        }
        g_assert_cmpfloat(estimate(&image, NULL), ==, 0.0);
        g_free(image.pixels);
    }
}

static void
test_an_even_border_does_not_hide_the_noise(void)
{
    SdeImage image = synthetic_photo(0.0f);

    add_noise(&image, 15.0f, 1.0f, 0.0f);
    for (int i = 0; i < 3 * SIDE * SIDE / 4; i++) {
        image.pixels[i] = 0.9f;
    }
    assert_near(estimate(&image, NULL), 15.0, WHITE_TOLERANCE * 15.0);
    g_free(image.pixels);
}

static void
test_what_is_not_a_number_is_refused(void)
{
    SdeImage image = synthetic_photo(0.0f);
    SdeNoise noise = {.sigma = -7.0};
    g_autoptr(GError) error = NULL;

    image.pixels[3 * 1000] = NAN;
    g_assert_false(sde_estimate_noise(NULL, &image, NULL, NULL, &noise, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_NUMERIC);
    g_assert_cmpfloat(noise.sigma, ==, -7.0);
    g_free(image.pixels);
}

static void
test_a_cancelled_estimate_says_so(void)
{
    SdeImage image = synthetic_photo(0.0f);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SdeRun run = {.cancellable = cancellable};
    SdeNoise noise = {.sigma = -7.0};
    g_autoptr(GError) error = NULL;

    g_cancellable_cancel(cancellable);
    g_assert_false(sde_estimate_noise(NULL, &image, NULL, &run, &noise, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpfloat(noise.sigma, ==, -7.0);
    g_free(image.pixels);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/noise-level/white", test_white_noise_is_read_within_10_percent);
    g_test_add_func("/noise-level/clean", test_a_clean_photo_has_next_to_no_noise);
    g_test_add_func("/noise-level/brightness", test_level_follows_brightness);
    g_test_add_func("/noise-level/clipped", test_clipped_areas_do_not_count);
    g_test_add_func("/noise-level/selection", test_only_the_selection_counts);
    g_test_add_func("/noise-level/tiny",
                    test_tiny_pictures_have_an_estimate_that_is_a_number);
    g_test_add_func("/noise-level/threads", test_threads_do_not_show);
    g_test_add_func("/noise-level/channels", test_channels_are_told_apart);
    g_test_add_func("/noise-level/correlated",
                    test_correlated_noise_is_known_and_not_taken_for_little);
    g_test_add_func("/noise-level/correlated-brightness",
                    test_correlated_noise_follows_brightness);
    g_test_add_func("/noise-level/texture",
                    test_texture_everywhere_is_not_taken_for_noise);
    g_test_add_func("/noise-level/called-white", test_white_noise_is_called_white);
    g_test_add_func("/noise-level/place", test_noise_may_differ_from_place_to_place);
    g_test_add_func("/noise-level/constant",
                    test_a_picture_without_evidence_has_no_noise);
    g_test_add_func("/noise-level/border", test_an_even_border_does_not_hide_the_noise);
    g_test_add_func("/noise-level/nan", test_what_is_not_a_number_is_refused);
    g_test_add_func("/noise-level/cancelled", test_a_cancelled_estimate_says_so);
    return g_test_run();
}
