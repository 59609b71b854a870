/* Inpainting with denoisers in closed form.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/inpaint.h"

#include <math.h>

#include "base/rng.h"
#include "fake-denoiser.h"
#include "near.h"
#include "task/mask.h"

/* The last step of a walk under a denoiser that always answers the same: float rounding
 * of D, its conversion to 0..1 and the blend of tiles. */
#define CONSTANT_TOLERANCE 1e-5
/* What few sweeps leave of a smooth filling's error, of a range of 0.09. */
#define FILLING_TOLERANCE 2e-3

/* Of the mean: one for each view. */
#define MEAN_CALLS 4
#define THIN_CALLS 2

typedef struct {
    SdeSchedule *schedule;
    FakeDenoiser fake;
    SdeTask task;
    SdeInpaintParams params;
    SdeImage source, result;
    SdeMask mask;
} Fixture;

static void
set_picture(Fixture *fixture, int width, int height, SdeRect hole)
{
    g_free(fixture->source.pixels);
    g_free(fixture->result.pixels);
    g_free((float *) fixture->mask.levels);
    fixture->source = test_picture_new(width, height, 3);
    fixture->result = test_picture_like(&fixture->source, -7.0f);
    fixture->mask = test_mask_new(width, height, hole);
}

static void
set_up(Fixture *fixture, const void *level_map)
{
    fixture->schedule = fake_schedule_new();
    fake_init(&fixture->fake, fixture->schedule, level_map != NULL);
    fixture->task = fake_task(&fixture->fake);
    fixture->params = (SdeInpaintParams) SDE_INPAINT_PARAMS_INIT;
    fixture->params.fill = SDE_FILL_SMOOTH;
    fixture->params.grain = 0.0; /* what is tested is D to the last digits */
    fixture->params.sampling.n_steps = 5;
    fixture->params.sampling.strength = 1.0;
    set_picture(fixture, 150, 110, (SdeRect) {60, 40, 25, 20});
}

static void
tear_down(Fixture *fixture, const void *level_map)
{
    g_free(fixture->source.pixels);
    g_free(fixture->result.pixels);
    g_free((float *) fixture->mask.levels);
    sde_schedule_free(fixture->schedule);
}

static bool
run(Fixture *fixture, GError **error)
{
    return sde_inpaint_run(&fixture->task, &fixture->source, &fixture->mask,
                           &fixture->params, &fixture->result, NULL, error);
}

static void
run_well(Fixture *fixture)
{
    GError *error = NULL;

    run(fixture, &error);
    g_assert_no_error(error);
}

static void
assert_outside_is_kept(Fixture *fixture, int spread)
{
    SdeRect hole = sde_mask_widen(sde_mask_find_bounds(&fixture->mask), spread,
                                  fixture->source.width, fixture->source.height);

    for (int y = 0; y < fixture->source.height; y++) {
        for (int x = 0; x < fixture->source.width; x++) {
            bool inside = x >= hole.x && x < hole.x + hole.width && y >= hole.y &&
                          y < hole.y + hole.height;

            if (!inside) {
                g_assert_true(
                    test_same_pixel(&fixture->source, &fixture->result, x, y));
            }
        }
    }
}

static void
test_outside_the_mask_every_bit_is_kept(Fixture *fixture, const void *level_map)
{
    fixture->source.pixels[0] = 17.0f; /* out of range, outside the hole: kept too */
    run_well(fixture);
    assert_outside_is_kept(fixture, 0);
    g_assert_false(test_same_pixel(&fixture->source, &fixture->result, 70, 50));
}

static void
test_outside_the_spread_mask_every_bit_is_kept(Fixture *fixture, const void *level_map)
{
    fixture->params.grow = 5;
    fixture->params.feather = 7;
    run_well(fixture);
    assert_outside_is_kept(fixture, 12);
    g_assert_false(test_same_pixel(&fixture->source, &fixture->result, 57, 50));
}

static void
test_strength_0_is_a_copy(Fixture *fixture, const void *level_map)
{
    fixture->params.sampling.strength = 0.0;
    run_well(fixture);
    assert_same_picture(&fixture->source, &fixture->result);
    g_assert_cmpint(fixture->fake.n_calls, ==, 0);
}

static void
test_steps_are_the_evaluations(Fixture *fixture, const void *level_map)
{
    for (int n = 1; n <= 7; n++) {
        fixture->params.sampling.n_steps = n;
        fixture->fake.n_calls = 0;
        run_well(fixture);
        g_assert_cmpint(fixture->fake.n_calls, ==, n); /* the crop fits one tile */
        g_assert_cmpint(fixture->task.pass, ==, n);
        g_assert_cmpint(fixture->task.n_passes, ==, n);
        fixture->task.pass = 0;
    }
}

static void
test_resampling_multiplies_the_evaluations(Fixture *fixture, const void *level_map)
{
    fixture->fake.base.sample_size = 256;
    fixture->params.n_resample = 3;
    run_well(fixture);
    g_assert_cmpint(fixture->fake.n_calls, ==, 15);
    g_assert_cmpint(fixture->task.n_passes, ==, 15);
    assert_outside_is_kept(fixture, 0);
}

/* A denoiser that is sure of the answer is believed, whatever the sampler. */
static void
test_the_hole_becomes_what_the_denoiser_says(Fixture *fixture, const void *level_map)
{
    fixture->fake.deviation = 0.0f;
    fixture->fake.mean = 0.3f;
    for (int sampler = 0; sampler < SDE_N_SAMPLERS; sampler++) {
        fixture->params.sampling.sampler = (SdeSampler) sampler;
        run_well(fixture);
        for (int y = 40; y < 60; y++) {
            for (int x = 60; x < 85; x++) {
                assert_near((double) test_pixel(&fixture->result, x, y)[1], 0.65,
                            CONSTANT_TOLERANCE);
            }
        }
        assert_outside_is_kept(fixture, 0);
    }
}

/* Gaussian data: after a walk from pure noise the hole has the data's own spread. */
static void
test_the_hole_has_the_spread_of_the_data(Fixture *fixture, const void *level_map)
{
    double sum = 0.0, square = 0.0, n = 0.0;

    set_picture(fixture, 256, 256, (SdeRect) {40, 40, 180, 180});
    fixture->fake.mean = 0.0f;
    fixture->fake.deviation = 0.2f; /* five deviations from the clipping at 1 */
    fixture->fake.base.sample_size = 256;
    fixture->params.sampling.n_steps = 60;
    run_well(fixture);
    for (int y = 40; y < 220; y++) {
        for (int x = 40; x < 220; x++) {
            double value = 2.0 * (double) test_pixel(&fixture->result, x, y)[0] - 1.0;

            sum += value;
            square += value * value;
            n += 1.0;
        }
    }
    assert_near(sum / n, 0.0, 0.005); /* 4 standard errors */
    /* 60 steps of DDIM lose some 4 % */
    assert_near(sqrt(square / n), 0.2, 0.012);
}

static void
test_known_pixels_are_at_level_0(Fixture *fixture, const void *level_map)
{
    run_well(fixture);
    g_assert_cmpfloat(fixture->fake.lowest_theta, ==, 0.0f);
    g_assert_cmpfloat(fixture->fake.highest_theta, >, 1.5f);
    /* the first pixel of the crop is known: clean in every evaluation */
    assert_near((double) fixture->fake.last_x,
                2.0 * (double) test_pixel(&fixture->source, 0, 0)[0] - 1.0, 1e-6);
}

static void
test_a_pointwise_result_does_not_depend_on_the_tiles(Fixture *fixture,
                                                     const void *level_map)
{
    SdeImage whole = fixture->result;

    run_well(fixture);
    fixture->result = test_picture_like(&fixture->source, 0.0f);
    fixture->params.sampling.tile_size = 64;
    fixture->fake.n_calls = 0;
    run_well(fixture);
    g_assert_cmpint(fixture->fake.n_calls, >, 5);
    for (int y = 40; y < 60; y++) {
        for (int x = 60; x < 85; x++) {
            assert_near((double) test_pixel(&fixture->result, x, y)[2],
                        (double) test_pixel(&whole, x, y)[2], 1e-4);
        }
    }
    g_free(whole.pixels);
}

static void
test_any_size_works(Fixture *fixture, const void *level_map)
{
    const int sizes[][2] = {{1, 1}, {7, 3}, {2, 200}, {65, 64}, {129, 31}};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        int width = sizes[i][0], height = sizes[i][1];

        set_picture(fixture, width, height,
                    (SdeRect) {0, 0, (width + 1) / 2, (height + 1) / 2});
        fixture->params.match_colors = i % 2 == 0;
        run_well(fixture);
        assert_outside_is_kept(fixture, 0);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                float value = test_pixel(&fixture->result, x, y)[0];

                g_assert_true(value >= 0.0f && value <= 1.0f);
            }
        }
    }
}

static void
test_far_holes_are_both_filled(Fixture *fixture, const void *level_map)
{
    set_picture(fixture, 700, 80, (SdeRect) {10, 10, 12, 12});
    for (int i = 0; i < 12; i++) {
        ((float *) fixture->mask.levels)[40 * 700 + 650 + i] = 1.0f;
    }
    fixture->fake.deviation = 0.0f;
    run_well(fixture);
    g_assert_cmpint(fixture->task.n_passes, ==, 10);
    assert_near((double) test_pixel(&fixture->result, 655, 40)[0], 0.625,
                CONSTANT_TOLERANCE);
    assert_near((double) test_pixel(&fixture->result, 15, 15)[0], 0.625,
                CONSTANT_TOLERANCE);
    g_assert_true(test_same_pixel(&fixture->source, &fixture->result, 400, 40));
}

static void
test_only_holes_in_the_part_are_filled(Fixture *fixture, const void *level_map)
{
    const SdeRect part = {640, 35, 30, 10};

    set_picture(fixture, 700, 80, (SdeRect) {10, 10, 12, 12});
    for (int i = 0; i < 12; i++) {
        ((float *) fixture->mask.levels)[40 * 700 + 650 + i] = 1.0f;
    }
    fixture->fake.deviation = 0.0f;
    fixture->task.part = &part;
    run_well(fixture);
    g_assert_cmpint(fixture->task.n_passes, ==, 5);
    assert_near((double) test_pixel(&fixture->result, 655, 40)[0], 0.625,
                CONSTANT_TOLERANCE);
    g_assert_true(test_same_pixel(&fixture->source, &fixture->result, 15, 15));
}

static void
test_a_smaller_working_size_fills_the_hole_and_keeps_the_rest(Fixture *fixture,
                                                              const void *level_map)
{
    fixture->params.sampling.max_side = 70;
    fixture->fake.deviation = 0.0f;
    run_well(fixture);
    assert_outside_is_kept(fixture, 0);
    assert_near((double) test_pixel(&fixture->result, 70, 50)[0], 0.625,
                CONSTANT_TOLERANCE);
    g_assert_cmpint((int) fixture->fake.n_pixels, <=, 5 * 72 * 72);
}

static void
test_seeds_and_fills_make_a_difference(Fixture *fixture, const void *level_map)
{
    float values[4];

    fixture->params.sampling.strength = 0.6;
    for (int i = 0; i < 4; i++) {
        fixture->task.seed = i == 1 ? 8 : 7;
        fixture->params.fill = i == 2   ? SDE_FILL_NOISE
                               : i == 3 ? SDE_FILL_ORIGINAL
                                        : SDE_FILL_SMOOTH;
        run_well(fixture);
        values[i] = test_pixel(&fixture->result, 70, 50)[0];
        for (int k = 0; k < i; k++) {
            g_assert_cmpfloat(values[i], !=, values[k]);
        }
    }
}

/* ---- failures ---------------------------------------------------------------------
 */

static void
assert_untouched(Fixture *fixture)
{
    for (int x = 0; x < fixture->result.width; x++) {
        g_assert_cmpfloat(test_pixel(&fixture->result, x, 50)[0], ==, -7.0f);
    }
}

/* One evaluation at full noise gives the mean, whatever the strength. Around this hole
 * there is no patch that could give it texture. */
static void
test_the_model_fills_with_its_mean(Fixture *fixture, const void *level_map)
{
    set_picture(fixture, 150, 110, (SdeRect) {3, 3, 144, 104});
    fixture->params.fill = SDE_FILL_MODEL;
    fixture->params.sampling.strength = 0.1;
    fixture->params.sampling.n_steps = 1;
    run_well(fixture);
    g_assert_cmpint(fixture->fake.n_calls, ==, MEAN_CALLS);
    g_assert_cmpint(fixture->task.pass, ==, MEAN_CALLS);
    g_assert_cmpint(fixture->task.n_passes, ==, MEAN_CALLS);
    g_assert_cmpfloat(fixture->fake.highest_theta, >, 1.5f);
    for (int y = 3; y < 107; y++) {
        for (int x = 3; x < 147; x++) {
            /* the schedule ends with a trace of signal, x of the last angle with it */
            assert_near((double) test_pixel(&fixture->result, x, y)[0], 0.625, 0.01);
        }
    }
    assert_outside_is_kept(fixture, 0);
}

/* The mean's difference to the filling is taken as the model says for the depth. Half
 * of the views begin with what the others found, and add the difference once more. */
static void
test_the_mean_is_weighed_by_depth(Fixture *fixture, const void *level_map)
{
    const float gain[] = {0.0f, 0.5f, 1.0f};

    /* around this hole there are no patches */
    set_picture(fixture, 150, 110, (SdeRect) {3, 3, 144, 104});
    for (size_t i = 0; i < fixture->source.stride * 110; i++) {
        fixture->source.pixels[i] = 0.5f;
    }
    fixture->fake.base.uses_mean = true;
    fixture->fake.offset = 0.25f;    /* of -1..1 */
    fixture->fake.deviation = 0.01f; /* it hardly looks at x */
    fixture->fake.base.filling_gain = gain;
    fixture->fake.base.n_filling_gain = 3;
    fixture->params.fill = SDE_FILL_MODEL;
    fixture->params.sampling.n_steps = 1;
    run_well(fixture);
    for (int depth = 1; depth < 5; depth++) {
        double share = (double) gain[MIN(depth, 3) - 1];

        assert_near((double) test_pixel(&fixture->result, 2 + depth, 50)[0],
                    0.5 + share * 1.5 * 0.125, 0.003);
    }
}

/* After the mean the walk begins at t0, in full only deep in the hole. */
static void
test_depth_grades_what_follows_the_mean(Fixture *fixture, const void *level_map)
{
    double theta = sde_schedule_theta_at(fixture->schedule, 499.0);

    set_picture(fixture, 150, 110, (SdeRect) {40, 30, 50, 50});
    fixture->params.fill = SDE_FILL_MODEL;
    fixture->params.sampling.strength = 0.5;
    fixture->params.sampling.n_steps = 2;
    run_well(fixture);
    g_assert_cmpint(fixture->fake.n_calls, ==, MEAN_CALLS + 1);
    assert_near((double) fixture->fake.most_theta, theta, 1e-3);
    assert_near((double) fixture->fake.least_theta, theta / 7.0, 1e-3); /* 4 deep */
}

static void
test_a_thin_hole_is_done_with_its_mean(Fixture *fixture, const void *level_map)
{
    set_picture(fixture, 150, 110, (SdeRect) {40, 30, 70, 6});
    for (size_t i = 0; i < fixture->source.stride * 110; i++) {
        fixture->source.pixels[i] = 0.625f; /* so that both say the same */
    }
    fixture->params.fill = SDE_FILL_MODEL;
    fixture->params.sampling.n_steps = 4;
    run_well(fixture);
    g_assert_cmpint(fixture->fake.n_calls, ==, THIN_CALLS);
    assert_near((double) test_pixel(&fixture->result, 60, 33)[0], 0.625, 0.01);
    assert_outside_is_kept(fixture, 0);
}

/* A scratch through the whole picture, and a spot on it: only what is around the spot
 * is looked at again and again. */
static void
test_only_deep_places_are_walked(Fixture *fixture, const void *level_map)
{
    const int n_steps = 10, side = 24;
    int n_pixels;

    set_picture(fixture, 1200, 200, (SdeRect) {0, 100, 1200, 4});
    for (int y = 90; y < 90 + side; y++) {
        for (int x = 60; x < 60 + side; x++) {
            ((float *) fixture->mask.levels)[y * 1200 + x] = 1.0f;
        }
    }
    fixture->params.fill = SDE_FILL_MODEL;
    fixture->params.sampling.n_steps = n_steps;
    run_well(fixture);
    n_pixels = (int) fixture->fake.n_pixels;
    g_assert_cmpint(n_pixels, >, (MEAN_CALLS + n_steps / 2) * 150 * 150);
    g_assert_cmpint(n_pixels, <, (MEAN_CALLS + n_steps) * 256 * 200);
    g_assert_cmpint(fixture->task.pass, >, MEAN_CALLS + n_steps / 2);
    g_assert_cmpint(fixture->task.pass, <=, fixture->task.n_passes);
    assert_outside_is_kept(fixture, 0);
}

/* The middle of a large hole has the texture of what is around, whatever the network's
 * has; what it copies is the same with any number of threads. */
static void
test_a_deep_hole_has_the_texture_around(Fixture *fixture, const void *level_map)
{
    g_autoptr(SdePool) pool = sde_pool_new(3);
    g_autofree float *once = NULL;
    double square = 0.0;

    set_picture(fixture, 150, 110, (SdeRect) {40, 30, 50, 50});
    for (int i = 0; i < 150 * 110; i++) {
        float stripe = i % 150 % 4 < 2 ? 0.4f : 0.6f;
        float *rgb = fixture->source.pixels +
                     (size_t) (i / 150) * fixture->source.stride + 3 * (i % 150);

        rgb[0] = rgb[1] = rgb[2] = stripe;
    }
    fixture->params.fill = SDE_FILL_MODEL;
    fixture->fake.mean = 0.0f;
    fixture->fake.deviation = 0.0f;
    run_well(fixture);
    for (int x = 56; x < 72; x++) {
        double value = (double) test_pixel(&fixture->result, x, 55)[0] - 0.5;

        square += value * value / 16.0;
    }
    assert_near(sqrt(square), 0.1, 0.03);
    assert_outside_is_kept(fixture, 0);
    once =
        g_memdup2(fixture->result.pixels, fixture->result.stride * 110 * sizeof(float));
    fixture->task.pool = pool;
    run_well(fixture);
    g_assert_cmpmem(once, fixture->result.stride * 110 * sizeof(float),
                    fixture->result.pixels,
                    fixture->result.stride * 110 * sizeof(float));
    fixture->task.pool = NULL;
}

static void
test_a_fill_has_the_grain_around(Fixture *fixture, const void *level_map)
{
    double square[2] = {0.0};

    set_picture(fixture, 192, 192, (SdeRect) {80, 80, 8, 60});
    for (int y = 0; y < 192; y++) {
        float *row = fixture->source.pixels + (size_t) y * fixture->source.stride;

        sde_rng_fill_normal(1, 77, 0, y, 192, 1, 3, row, 3 * 192);
        for (int i = 0; i < 3 * 192; i++) {
            row[i] = 0.625f + 0.04f * row[i];
        }
    }
    fixture->params.fill = SDE_FILL_MODEL;
    fixture->fake.deviation = 0.0f;
    for (int i = 0; i < 2; i++) {
        fixture->params.grain = i;
        run_well(fixture);
        assert_outside_is_kept(fixture, 0);
        for (int y = 82; y < 138; y++) {
            double value = (double) test_pixel(&fixture->result, 83, y)[1] - 0.625;

            square[i] += value * value / 56.0;
        }
    }
    g_assert_cmpfloat(sqrt(square[0]), <, 0.0025); /* a fit to noise is hardly any */
    assert_near(sqrt(square[1]), 0.04, 0.012);     /* 56 pixels */
}

/* A denoiser that believes its first guess alone returns it, and what continues a ramp
 * is the ramp; in one tile or in many. */
static void
test_the_first_guess_continues_what_is_known(Fixture *fixture, const void *level_map)
{
    const int tile_sizes[] = {0, 32};

    fixture->fake.base.uses_mean = true;
    fixture->fake.deviation = 0.0f;
    fixture->params.sampling.strength = 0.5;
    for (int y = 0; y < fixture->source.height; y++) {
        for (int x = 0; x < fixture->source.width; x++) {
            float *pixel = (float *) test_pixel(&fixture->source, x, y);

            pixel[0] = pixel[1] = pixel[2] = 0.2f + 0.002f * (float) (x + y);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(tile_sizes); i++) {
        fixture->params.sampling.tile_size = tile_sizes[i];
        run_well(fixture);
        for (int y = 40; y < 60; y++) {
            for (int x = 60; x < 85; x++) {
                assert_near((double) test_pixel(&fixture->result, x, y)[1],
                            0.2 + 0.002 * (x + y), FILLING_TOLERANCE);
            }
        }
    }
}

static void
test_too_little_memory_is_refused_before_work(Fixture *fixture, const void *level_map)
{
    const size_t limits[] = {1000, 600000, 3000000};
    g_autoptr(GError) error = NULL;

    set_picture(fixture, 600, 400, (SdeRect) {100, 100, 300, 200});
    fixture->params.sampling.tile_size = 256;
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        fixture->task.memory_limit = limits[i];
        g_assert_false(run(fixture, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
        g_assert_nonnull(strstr(error->message, "MiB"));
        g_clear_error(&error);
        g_assert_cmpint(fixture->fake.n_calls, ==, 0);
        assert_untouched(fixture);
    }
}

static void
test_cancel_leaves_the_result_untouched(Fixture *fixture, const void *level_map)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SdeSpan span = {.end = 1.0, .cancellable = cancellable};
    g_autoptr(GError) error = NULL;

    fixture->fake.cancel_at_call_2 = cancellable;
    g_assert_false(sde_inpaint_run(&fixture->task, &fixture->source, &fixture->mask,
                                   &fixture->params, &fixture->result, &span, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpint(fixture->fake.n_calls, ==, 2);
    assert_untouched(fixture);
}

#define ADD(name, level_map, func) \
    g_test_add("/inpaint/" name, Fixture, level_map, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    const char *yes = "level map";

    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < 2; i++) {
        const char *map = i == 0 ? yes : NULL;
        const char *kind = i == 0 ? "level-map" : "ordinary";
        g_autofree char *outside = g_strconcat("/inpaint/outside/", kind, NULL);
        g_autofree char *spread = g_strconcat("/inpaint/spread/", kind, NULL);
        g_autofree char *hole = g_strconcat("/inpaint/hole/", kind, NULL);
        g_autofree char *sizes = g_strconcat("/inpaint/sizes/", kind, NULL);
        g_autofree char *data = g_strconcat("/inpaint/gaussian/", kind, NULL);

        g_test_add(outside, Fixture, map, set_up,
                   test_outside_the_mask_every_bit_is_kept, tear_down);
        g_test_add(spread, Fixture, map, set_up,
                   test_outside_the_spread_mask_every_bit_is_kept, tear_down);
        g_test_add(hole, Fixture, map, set_up,
                   test_the_hole_becomes_what_the_denoiser_says, tear_down);
        g_test_add(sizes, Fixture, map, set_up, test_any_size_works, tear_down);
        g_test_add(data, Fixture, map, set_up, test_the_hole_has_the_spread_of_the_data,
                   tear_down);
    }
    ADD("strength-0", yes, test_strength_0_is_a_copy);
    ADD("evaluations", yes, test_steps_are_the_evaluations);
    ADD("resampling", NULL, test_resampling_multiplies_the_evaluations);
    ADD("known", yes, test_known_pixels_are_at_level_0);
    ADD("mean", yes, test_the_model_fills_with_its_mean);
    ADD("gain", yes, test_the_mean_is_weighed_by_depth);
    ADD("depth", yes, test_depth_grades_what_follows_the_mean);
    ADD("thin", yes, test_a_thin_hole_is_done_with_its_mean);
    ADD("grain", yes, test_a_fill_has_the_grain_around);
    ADD("texture", yes, test_a_deep_hole_has_the_texture_around);
    ADD("deep-places", yes, test_only_deep_places_are_walked);
    ADD("first-guess", yes, test_the_first_guess_continues_what_is_known);
    ADD("tiles", yes, test_a_pointwise_result_does_not_depend_on_the_tiles);
    ADD("far-holes", yes, test_far_holes_are_both_filled);
    ADD("part", yes, test_only_holes_in_the_part_are_filled);
    ADD("max-side", yes, test_a_smaller_working_size_fills_the_hole_and_keeps_the_rest);
    ADD("seeds", yes, test_seeds_and_fills_make_a_difference);
    ADD("memory", yes, test_too_little_memory_is_refused_before_work);
    ADD("cancel", yes, test_cancel_leaves_the_result_untouched);
    return g_test_run();
}
