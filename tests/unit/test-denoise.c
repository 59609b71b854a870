/* Noise removal with denoisers in closed form.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/denoise.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fake-denoiser.h"
#include "near.h"
#include "task/noise-level.h"

/* A handful of float operations on values up to 2, and the blend of tiles. */
#define TOLERANCE 5e-6

typedef struct {
    SdeSchedule *schedule;
    FakeDenoiser fake;
    SdeTask task;
    SdeDenoiseParams params;
    SdeImage source, result;
} Fixture;

static void
set_picture(Fixture *fixture, int width, int height)
{
    g_free(fixture->source.pixels);
    g_free(fixture->result.pixels);
    fixture->source = test_picture_new(width, height, 5);
    fixture->result = test_picture_like(&fixture->source, -7.0f);
}

static void
set_up(Fixture *fixture, const void *level_map)
{
    fixture->schedule = fake_schedule_new();
    fake_init(&fixture->fake, fixture->schedule, level_map != NULL);
    fixture->task = fake_task(&fixture->fake);
    fixture->params = (SdeDenoiseParams) SDE_DENOISE_PARAMS_INIT;
    fixture->params.noise_level = 25.0;
    set_picture(fixture, 150, 110);
}

static void
tear_down(Fixture *fixture, const void *level_map)
{
    g_free(fixture->source.pixels);
    g_free(fixture->result.pixels);
    sde_schedule_free(fixture->schedule);
}

static void
run_well(Fixture *fixture, const SdeMask *mask)
{
    GError *error = NULL;

    sde_denoise_run(&fixture->task, &fixture->source, mask, &fixture->params,
                    &fixture->result, NULL, &error);
    g_assert_no_error(error);
}

/* The mean of a normal pixel given a noisy one: what full strength must return. */
static double
posterior_mean(const FakeDenoiser *fake, double value, double sigma)
{
    double v = (double) fake->deviation * (double) fake->deviation;
    double noise = 4.0 * sigma * sigma / 65025.0, mean = (double) fake->mean;
    double y = 2.0 * value - 1.0;

    return 0.5 * (mean + v / (v + noise) * (y - mean)) + 0.5;
}

static void
test_result_is_the_posterior_mean(Fixture *fixture, const void *level_map)
{
    const double sigmas[] = {1.0, 10.0, 50.0, 150.0};

    for (size_t i = 0; i < G_N_ELEMENTS(sigmas); i++) {
        fixture->params.noise_level = sigmas[i];
        run_well(fixture, NULL);
        for (int x = 0; x < 150; x++) {
            double value = (double) test_pixel(&fixture->source, x, 70)[1];

            assert_near((double) test_pixel(&fixture->result, x, 70)[1],
                        posterior_mean(&fixture->fake, value, sigmas[i]), TOLERANCE);
        }
    }
}

static void
test_one_evaluation_per_pixel(Fixture *fixture, const void *level_map)
{
    run_well(fixture, NULL);
    g_assert_cmpint(fixture->fake.n_calls, ==, 1);
    g_assert_cmpint((int) fixture->fake.n_pixels, ==, 152 * 112);
    g_assert_cmpint(fixture->task.n_passes, ==, 1);
    g_assert_cmpint(fixture->task.pass, ==, 1);
}

/* DDIM from the photo's noise on, for one normal pixel. */
static double
several_steps(const FakeDenoiser *fake, double value, double sigma, int n)
{
    const double last = 0.3;
    double y = value, d = 0.0;

    for (int i = 0; i < n; i++) {
        double share = n > 1 ? pow(last, (double) i / (n - 1)) : 1.0;

        y = i > 0 ? d + pow(last, 1.0 / (n - 1)) * (y - d) : y;
        d = posterior_mean(fake, y, share * sigma);
    }
    return d;
}

static void
test_further_steps_see_less_of_the_noise(Fixture *fixture, const void *level_map)
{
    for (int n = 1; n <= 4; n++) {
        fixture->params.n_steps = n;
        fixture->params.noise_level = 40.0;
        run_well(fixture, NULL);
        g_assert_cmpint(fixture->task.n_passes, ==, n);
        g_assert_cmpint(fixture->task.pass, ==, n);
        for (int x = 0; x < 150; x++) {
            double value = (double) test_pixel(&fixture->source, x, 70)[1];

            assert_near((double) test_pixel(&fixture->result, x, 70)[1],
                        several_steps(&fixture->fake, value, 40.0, n), TOLERANCE);
        }
    }
}

static void
test_strength_0_and_level_0_are_copies(Fixture *fixture, const void *level_map)
{
    fixture->params.strength = 0.0;
    run_well(fixture, NULL);
    assert_same_picture(&fixture->source, &fixture->result);
    fixture->params.strength = 1.0;
    fixture->params.noise_level = 0.0;
    run_well(fixture, NULL);
    assert_same_picture(&fixture->source, &fixture->result);
    g_assert_cmpint(fixture->fake.n_calls, ==, 0);
}

static void
test_strength_takes_a_share_of_the_change(Fixture *fixture, const void *level_map)
{
    fixture->params.strength = 0.25;
    run_well(fixture, NULL);
    for (int x = 0; x < 150; x++) {
        double value = (double) test_pixel(&fixture->source, x, 9)[0];
        double full = posterior_mean(&fixture->fake, value, 25.0);

        assert_near((double) test_pixel(&fixture->result, x, 9)[0],
                    value + 0.25 * (full - value), TOLERANCE);
    }
}

static void
test_luminance_0_keeps_luma(Fixture *fixture, const void *level_map)
{
    fixture->params.luminance = 0.0;
    run_well(fixture, NULL);
    for (int x = 0; x < 150; x++) {
        assert_near((double) sde_luma(test_pixel(&fixture->result, x, 20)),
                    (double) sde_luma(test_pixel(&fixture->source, x, 20)), TOLERANCE);
    }
    g_assert_false(test_same_pixel(&fixture->source, &fixture->result, 30, 20));
}

static void
test_color_0_keeps_the_color_differences(Fixture *fixture, const void *level_map)
{
    fixture->params.color = 0.0;
    run_well(fixture, NULL);
    for (int x = 0; x < 150; x++) {
        const float *before = test_pixel(&fixture->source, x, 20);
        const float *after = test_pixel(&fixture->result, x, 20);

        assert_near((double) (after[0] - after[2]), (double) (before[0] - before[2]),
                    TOLERANCE);
    }
}

static void
test_outside_the_mask_every_bit_is_kept(Fixture *fixture, const void *level_map)
{
    SdeMask mask = test_mask_new(150, 110, (SdeRect) {30, 20, 40, 50});

    ((float *) mask.levels)[0] = 0.5f; /* a soft pixel far away */
    run_well(fixture, &mask);
    for (int y = 0; y < 110; y++) {
        for (int x = 0; x < 150; x++) {
            bool same = test_same_pixel(&fixture->source, &fixture->result, x, y);

            g_assert_true(same || mask.levels[y * 150 + x] > 0.0f);
        }
    }
    g_assert_false(test_same_pixel(&fixture->source, &fixture->result, 50, 40));
    double value = (double) test_pixel(&fixture->source, 0, 0)[0];

    assert_near((double) test_pixel(&fixture->result, 0, 0)[0],
                0.5 * (value + posterior_mean(&fixture->fake, value, 25.0)), TOLERANCE);
    g_free((float *) mask.levels);
}

/* Of which only what is selected, too, is cleaned. */
static void
test_a_part_is_cleaned_as_in_the_whole(Fixture *fixture, const void *level_map)
{
    const SdeRect part = {300, 250, 50, 40};
    SdeMask mask = test_mask_new(500, 400, (SdeRect) {0, 0, 320, 400});
    SdeImage whole;

    set_picture(fixture, 500, 400);
    run_well(fixture, NULL);
    whole = fixture->result;
    fixture->result = test_picture_like(&fixture->source, -7.0f);
    fixture->task.part = &part;
    fixture->fake.n_pixels = 0;
    run_well(fixture, &mask);
    g_assert_cmpint((int) fixture->fake.n_pixels, <=, 160 * 180);
    for (int y = part.y; y < part.y + part.height; y++) {
        for (int x = part.x; x < part.x + part.width; x++) {
            g_assert_true(test_same_pixel(x < 320 ? &whole : &fixture->source,
                                          &fixture->result, x, y));
        }
    }
    g_free(whole.pixels);
    g_free((float *) mask.levels);
}

static void
test_a_part_outside_the_mask_is_a_copy(Fixture *fixture, const void *level_map)
{
    SdeMask mask = test_mask_new(150, 110, (SdeRect) {100, 80, 30, 20});
    const SdeRect part = {0, 0, 60, 60};

    fixture->task.part = &part;
    run_well(fixture, &mask);
    assert_same_picture(&fixture->source, &fixture->result);
    g_assert_cmpint(fixture->fake.n_calls, ==, 0);
    g_free((float *) mask.levels);
}

/* Surroundings of 64 pixels would begin at 37, 26; blocks of 8 do at 32, 24. */
static void
test_what_the_model_sees_begins_with_a_block(Fixture *fixture, const void *level_map)
{
    SdeMask mask = test_mask_new(260, 200, (SdeRect) {101, 90, 30, 20});
    double theta = atan(2.0 * 25.0 / 255.0);

    set_picture(fixture, 260, 200);
    fixture->params.tile_size = 512;
    run_well(fixture, &mask);
    assert_near((double) fixture->fake.last_x,
                cos(theta) *
                    (2.0 * (double) test_pixel(&fixture->source, 32, 24)[0] - 1.0),
                1e-4);
    g_free((float *) mask.levels);
}

static void
test_a_pointwise_result_does_not_depend_on_the_tiles(Fixture *fixture,
                                                     const void *level_map)
{
    SdeImage whole = fixture->result;
    const int sizes[] = {64, 72, 104};

    run_well(fixture, NULL);
    fixture->result = test_picture_like(&fixture->source, 0.0f);
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        fixture->params.tile_size = sizes[i];
        fixture->params.tile_overlap = 8;
        run_well(fixture, NULL);
        for (int y = 0; y < 110; y++) {
            for (int x = 0; x < 150; x++) {
                assert_near((double) test_pixel(&fixture->result, x, y)[2],
                            (double) test_pixel(&whole, x, y)[2], TOLERANCE);
            }
        }
    }
    g_free(whole.pixels);
}

/* A clean photo lies in 0..1. */
static double
clean_mean(const FakeDenoiser *fake, double value)
{
    return CLAMP(posterior_mean(fake, value, 25.0), 0.0, 1.0);
}

static void
test_values_out_of_range_keep_their_excess(Fixture *fixture, const void *level_map)
{
    float *pixel = fixture->source.pixels + 3 * 40;
    const double reach = 4.0 * 25.0 / 255.0; /* beyond, it is no noise */

    pixel[0] = 5.0f;
    pixel[1] = -0.5f;
    run_well(fixture, NULL);
    assert_near((double) fixture->result.pixels[3 * 40],
                4.0 - reach + clean_mean(&fixture->fake, 1.0 + reach), TOLERANCE);
    assert_near((double) fixture->result.pixels[3 * 40 + 1],
                -0.5 + reach + clean_mean(&fixture->fake, -reach), TOLERANCE);
}

static void
test_float_noise_beyond_the_range_goes(Fixture *fixture, const void *level_map)
{
    float *pixel = fixture->source.pixels + 3 * 40;

    pixel[0] = 1.2f;
    pixel[1] = -0.1f;
    run_well(fixture, NULL);
    assert_near((double) fixture->result.pixels[3 * 40],
                clean_mean(&fixture->fake, 1.2), TOLERANCE);
    assert_near((double) fixture->result.pixels[3 * 40 + 1],
                clean_mean(&fixture->fake, -0.1), TOLERANCE);
}

static void
add_noise(SdeImage *image, float dark, float bright)
{
    g_autofree float *row = g_new(float, 3 * (size_t) image->width);

    for (int y = 0; y < image->height; y++) {
        float *pixels = image->pixels + (size_t) y * image->stride;

        sde_rng_fill_normal(3, 3, 0, y, image->width, 1, 3, row,
                            3 * (size_t) image->width);
        for (int x = 0; x < 3 * image->width; x++) {
            float light = 0.3f + 0.4f * (float) y / (float) image->height;

            pixels[x] = light + (dark + (bright - dark) * light) / 255.0f * row[x];
        }
    }
}

static void
test_an_estimate_follows_brightness(Fixture *fixture, const void *level_map)
{
    set_picture(fixture, 400, 400);
    add_noise(&fixture->source, 5.0f, 45.0f);
    fixture->params.noise_level = -1.0;
    run_well(fixture, NULL);
    g_assert_nonnull(fixture->fake.last.theta);
    /* light 0.3 has sigma 17, light 0.7 has 33 */
    g_assert_cmpfloat(fixture->fake.lowest_theta, <, atanf(2.0f * 22.0f / 255.0f));
    g_assert_cmpfloat(fixture->fake.highest_theta, >, atanf(2.0f * 28.0f / 255.0f));
}

/* A soft sky above, hard stripes below, in 8 bits. */
static void
paint_clean_photo(SdeImage *image)
{
    for (int y = 0; y < image->height; y++) {
        for (int x = 0; x < image->width; x++) {
            float *pixel = (float *) test_pixel(image, x, y);
            bool stripe = y > image->height / 2 && (x / 3 + y / 5) % 2 == 1;
            float light =
                stripe ? 0.8f : 0.3f + 0.3f * (float) x / (float) image->width;

            for (int c = 0; c < 3; c++) {
                pixel[c] = roundf(255.0f * (light + 0.02f * (float) c)) / 255.0f;
            }
        }
    }
}

static void
test_a_clean_photo_comes_back(Fixture *fixture, const void *level_map)
{
    SdeNoise noise = {.sigma = -1.0};
    double error = 0.0;

    set_picture(fixture, 400, 300);
    paint_clean_photo(&fixture->source);
    fixture->params.noise_level = -1.0;
    fixture->params.used = &noise;
    run_well(fixture, NULL);
    for (int y = 0; y < 300; y++) {
        for (int x = 0; x < 400; x++) {
            double change = (double) (test_pixel(&fixture->result, x, y)[1] -
                                      test_pixel(&fixture->source, x, y)[1]);

            error += change * change / (400 * 300);
        }
    }
    g_assert_cmpfloat(noise.sigma, <, 0.5);
    g_assert_cmpfloat(error, <, 1e-5); /* 50 dB */
}

static void
test_the_level_that_was_used_is_told(Fixture *fixture, const void *level_map)
{
    SdeNoise noise = {.sigma = -1.0}, alone;
    GError *error = NULL;

    fixture->params.used = &noise;
    run_well(fixture, NULL); /* given */
    assert_near(noise.sigma, 25.0, 0.0);
    set_picture(fixture, 400, 400);
    add_noise(&fixture->source, 20.0f, 20.0f);
    fixture->params.noise_level = -1.0;
    run_well(fixture, NULL);
    sde_estimate_noise(NULL, &fixture->source, NULL, NULL, &alone, &error);
    g_assert_no_error(error);
    assert_near(noise.sigma, alone.sigma, 0.0);
    assert_near(noise.sigma, 20.0, 2.0);
}

static void
test_known_noise_is_not_estimated_again(Fixture *fixture, const void *level_map)
{
    SdeNoise noise, used;
    size_t n;
    g_autofree float *estimated = NULL;

    set_picture(fixture, 400, 400);
    add_noise(&fixture->source, 20.0f, 20.0f);
    fixture->params.noise_level = -1.0;
    fixture->params.used = &noise;
    run_well(fixture, NULL);
    n = fixture->result.stride * 400;
    estimated = g_new(float, n);
    memcpy(estimated, fixture->result.pixels, n * sizeof(float));
    fixture->params.known = &noise;
    fixture->params.used = &used;
    run_well(fixture, NULL);
    g_assert_cmpmem(estimated, n * sizeof(float), fixture->result.pixels,
                    n * sizeof(float));
    noise.sigma = 0.0; /* known to be clean */
    run_well(fixture, NULL);
    g_assert_cmpmem(test_pixel(&fixture->source, 0, 70), 1200 * sizeof(float),
                    test_pixel(&fixture->result, 0, 70), 1200 * sizeof(float));
    g_assert_cmpfloat(used.sigma, ==, 0.0);
}

static void
test_what_is_doubtful_goes_as_far_as_that_is_harmless(Fixture *fixture,
                                                      const void *level_map)
{
    const struct {
        double sigma, doubtful, used;
    } cases[] = {{0.0, 0.0, 0.0},
                 {0.3, 0.0, 0.3},
                 {0.3, 0.5, 0.5},
                 {0.3, 8.0, 0.8},
                 {7.0, 8.0, 7.0}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        SdeNoise known, used;

        sde_noise_level_init(&known, cases[i].sigma);
        known.doubtful = cases[i].doubtful;
        fixture->params.noise_level = -1.0;
        fixture->params.known = &known;
        fixture->params.used = &used;
        run_well(fixture, NULL);
        assert_near(used.sigma, cases[i].used, 0.0);
        g_assert_true(sde_noise_level_is_uniform(&used));
        assert_near(sde_noise_level_highest(&used), cases[i].used, 1e-9);
    }
}

static void
test_an_ordinary_model_gets_one_level_that_it_knows(Fixture *fixture,
                                                    const void *level_map)
{
    fixture->params.noise_level = 0.01; /* below the first timestep */
    run_well(fixture, NULL);
    g_assert_null(fixture->fake.last.theta);
    assert_near((double) fixture->fake.last.theta_max,
                sde_schedule_theta_at(fixture->schedule, 0.0), 1e-6);
}

static void
test_kept_grain_is_fine_luma(Fixture *fixture, const void *level_map)
{
    SdeImage smooth = fixture->result;
    double before = 0.0, after = 0.0;

    add_noise(&fixture->source, 20.0f, 20.0f);
    run_well(fixture, NULL);
    fixture->result = test_picture_like(&fixture->source, 0.0f);
    fixture->params.keep_grain = 1.0;
    run_well(fixture, NULL);
    for (int x = 1; x < 150; x++) {
        double kept = (double) (sde_luma(test_pixel(&fixture->result, x, 50)) -
                                sde_luma(test_pixel(&fixture->result, x - 1, 50)));
        double gone = (double) (sde_luma(test_pixel(&smooth, x, 50)) -
                                sde_luma(test_pixel(&smooth, x - 1, 50)));

        before += gone * gone;
        after += kept * kept;
    }
    g_assert_cmpfloat(after, >, 1.02 * before);
    g_free(smooth.pixels);
}

static void
test_any_size_works(Fixture *fixture, const void *level_map)
{
    const int sizes[][2] = {{1, 1}, {7, 3}, {2, 200}, {65, 64}, {129, 31}};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        set_picture(fixture, sizes[i][0], sizes[i][1]);
        fixture->params.noise_level = i % 2 ? -1.0 : 12.0;
        fixture->params.keep_grain = 0.5;
        run_well(fixture, NULL);
        for (int y = 0; y < sizes[i][1]; y++) {
            float value = test_pixel(&fixture->result, sizes[i][0] - 1, y)[0];

            g_assert_true(value > -0.1f && value < 1.1f);
        }
    }
}

/* ---- failures ---------------------------------------------------------------------
 */

static void
test_too_little_memory_is_refused_before_work(Fixture *fixture, const void *level_map)
{
    const size_t limits[] = {1000, 300000, 600000};
    g_autoptr(GError) error = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        fixture->task.memory_limit = limits[i];
        g_assert_false(sde_denoise_run(&fixture->task, &fixture->source, NULL,
                                       &fixture->params, &fixture->result, NULL,
                                       &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
        g_clear_error(&error);
        g_assert_cmpint(fixture->fake.n_calls, ==, 0);
        g_assert_cmpfloat(fixture->result.pixels[0], ==, -7.0f);
    }
}

static void
test_a_large_photo_fits_in_tiles(Fixture *fixture, const void *level_map)
{
    set_picture(fixture, 1200, 900);
    fixture->task.memory_limit = (size_t) 48
                                 << 20; /* 36 MB for D, the rest for tiles */
    run_well(fixture, NULL);
    g_assert_cmpint(fixture->fake.n_calls, >, 4);
}

static void
test_cancel_leaves_the_result_untouched(Fixture *fixture, const void *level_map)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SdeSpan span = {.end = 1.0, .cancellable = cancellable};
    g_autoptr(GError) error = NULL;

    fixture->fake.cancel_at_call_2 = cancellable;
    fixture->params.tile_size = 64;
    g_assert_false(sde_denoise_run(&fixture->task, &fixture->source, NULL,
                                   &fixture->params, &fixture->result, &span, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpint(fixture->fake.n_calls, ==, 2);
    g_assert_cmpfloat(fixture->result.pixels[0], ==, -7.0f);
}

#define ADD(name, level_map, func) \
    g_test_add("/denoise/" name, Fixture, level_map, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    const char *yes = "level map";

    g_test_init(&argc, &argv, NULL);
    ADD("posterior-mean/level-map", yes, test_result_is_the_posterior_mean);
    ADD("posterior-mean/ordinary", NULL, test_result_is_the_posterior_mean);
    ADD("evaluations", yes, test_one_evaluation_per_pixel);
    ADD("steps/level-map", yes, test_further_steps_see_less_of_the_noise);
    ADD("steps/ordinary", NULL, test_further_steps_see_less_of_the_noise);
    ADD("copies", yes, test_strength_0_and_level_0_are_copies);
    ADD("strength", yes, test_strength_takes_a_share_of_the_change);
    ADD("luminance", yes, test_luminance_0_keeps_luma);
    ADD("color", yes, test_color_0_keeps_the_color_differences);
    ADD("mask", yes, test_outside_the_mask_every_bit_is_kept);
    ADD("part", yes, test_a_part_is_cleaned_as_in_the_whole);
    ADD("part/unmasked", yes, test_a_part_outside_the_mask_is_a_copy);
    ADD("blocks", yes, test_what_the_model_sees_begins_with_a_block);
    ADD("tiles", yes, test_a_pointwise_result_does_not_depend_on_the_tiles);
    ADD("float-noise", yes, test_float_noise_beyond_the_range_goes);
    ADD("excess", yes, test_values_out_of_range_keep_their_excess);
    ADD("brightness", yes, test_an_estimate_follows_brightness);
    ADD("clean", yes, test_a_clean_photo_comes_back);
    ADD("used", yes, test_the_level_that_was_used_is_told);
    ADD("known", yes, test_known_noise_is_not_estimated_again);
    ADD("doubtful", yes, test_what_is_doubtful_goes_as_far_as_that_is_harmless);
    ADD("ordinary", NULL, test_an_ordinary_model_gets_one_level_that_it_knows);
    ADD("grain", yes, test_kept_grain_is_fine_luma);
    ADD("sizes/level-map", yes, test_any_size_works);
    ADD("sizes/ordinary", NULL, test_any_size_works);
    ADD("memory", yes, test_too_little_memory_is_refused_before_work);
    ADD("large", yes, test_a_large_photo_fits_in_tiles);
    ADD("cancel", yes, test_cancel_leaves_the_result_untouched);
    return g_test_run();
}
