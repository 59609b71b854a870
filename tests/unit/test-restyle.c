/* Restyling with denoisers in closed form.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/restyle.h"

#include <math.h>

#include "fake-denoiser.h"
#include "near.h"
#include "test-area.h"

/* The last step of a walk under a denoiser that always answers the same. */
#define CONSTANT_TOLERANCE 1e-5

typedef struct {
    SdeSchedule *schedule;
    FakeDenoiser fake;
    SdeTask task;
    SdeRestyleParams params;
    SdeImage source, result;
} Fixture;

static void
set_picture(Fixture *fixture, int width, int height)
{
    g_free(fixture->source.pixels);
    g_free(fixture->result.pixels);
    fixture->source = test_picture_new(width, height, 1);
    fixture->result = test_picture_like(&fixture->source, -7.0f);
}

static void
set_up(Fixture *fixture, const void *level_map)
{
    fixture->schedule = fake_schedule_new();
    fake_init(&fixture->fake, fixture->schedule, level_map != NULL);
    fixture->task = fake_task(&fixture->fake);
    fixture->params = (SdeRestyleParams) SDE_RESTYLE_PARAMS_INIT;
    fixture->params.sampling.n_steps = 4;
    set_picture(fixture, 90, 70);
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

    sde_restyle_run(&fixture->task, &fixture->source, mask, &fixture->params,
                    &fixture->result, NULL, &error);
    g_assert_no_error(error);
}

static void
test_strength_0_is_a_copy(Fixture *fixture, const void *level_map)
{
    fixture->params.sampling.strength = 0.0;
    run_well(fixture, NULL);
    assert_same_picture(&fixture->source, &fixture->result);
    g_assert_cmpint(fixture->fake.n_calls, ==, 0);
}

static void
test_steps_are_the_evaluations(Fixture *fixture, const void *level_map)
{
    fixture->params.sampling.n_steps = 7;
    fixture->params.sampling.strength = 0.3;
    run_well(fixture, NULL);
    g_assert_cmpint(fixture->fake.n_calls, ==, 7 * (level_map != NULL ? 1 : 4));
    g_assert_cmpint(fixture->task.pass, ==, 7);
    g_assert_cmpint(fixture->task.n_passes, ==, 7);
}

static void
test_the_walk_begins_at_t0(Fixture *fixture, const void *level_map)
{
    fixture->params.sampling.strength = 0.4;
    run_well(fixture, NULL);
    assert_near((double) fixture->fake.highest_theta,
                sde_schedule_theta_at(fixture->schedule, 399.0), 1e-6);
}

static void
test_class_reaches_the_model(Fixture *fixture, const void *level_map)
{
    fixture->params.style = 3;
    fixture->params.second_style = 5;
    fixture->params.mix = 0.25;
    run_well(fixture, NULL);
    g_assert_cmpint(fixture->fake.last.classes.label, ==, 3);
    g_assert_cmpint(fixture->fake.last.classes.second, ==, 5);
    g_assert_cmpfloat(fixture->fake.last.classes.mix, ==, 0.25f);
}

/* Not in the second half, where it would only sharpen grain. */
static void
test_guidance_reaches_the_first_steps(Fixture *fixture, const void *level_map)
{
    fixture->params.style = 3;
    fixture->params.guidance = 2.5;
    for (int n = 1; n <= 6; n++) {
        fixture->params.sampling.n_steps = n;
        fixture->fake.n_calls = fixture->fake.n_guided = 0;
        run_well(fixture, NULL);
        g_assert_cmpint(fixture->fake.n_calls, ==, n);
        g_assert_cmpint(fixture->fake.n_guided, ==, (n + 1) / 2);
    }
}

static void
test_the_picture_becomes_what_the_denoiser_says(Fixture *fixture, const void *level_map)
{
    fixture->fake.deviation = 0.0f;
    run_well(fixture, NULL);
    for (int y = 0; y < 70; y++) {
        for (int x = 0; x < 90; x++) {
            assert_near((double) test_pixel(&fixture->result, x, y)[0], 0.625,
                        CONSTANT_TOLERANCE);
        }
    }
}

static double
mean_change(const Fixture *fixture, int channel)
{
    double sum = 0.0;

    for (int y = 0; y < fixture->source.height; y++) {
        for (int x = 0; x < fixture->source.width; x++) {
            sum += (double) (test_pixel(&fixture->result, x, y)[channel] -
                             test_pixel(&fixture->source, x, y)[channel]);
        }
    }
    return sum / (fixture->source.width * fixture->source.height);
}

static void
test_kept_color_keeps_the_means(Fixture *fixture, const void *level_map)
{
    double free_change, held_change;

    fixture->fake.mean = 0.9f;
    fixture->fake.deviation = 0.1f;
    fixture->params.sampling.n_steps = 12;
    run_well(fixture, NULL);
    free_change = mean_change(fixture, 1);
    fixture->params.keep_colors = 1.0;
    run_well(fixture, NULL);
    held_change = mean_change(fixture, 1);
    g_assert_cmpfloat(free_change, >, 0.2);
    g_assert_cmpfloat(fabs(held_change), <, 0.1 * free_change);
}

/* Light paper: the result has it, though the denoiser knows only darkness; but not
 * where the picture's own colours are to be kept. */
static void
test_a_style_with_tones_has_them(Fixture *fixture, const void *level_map)
{
    SdeStyleTones tones = {.known = true};
    double toned, kept;

    for (int i = 0; i < SDE_N_TONES; i++) {
        tones.luma[i] = 0.8f;
    }
    fixture->fake.base.tones = &tones;
    fixture->fake.mean = -0.9f;
    fixture->params.style = 0;
    run_well(fixture, NULL);
    toned = mean_change(fixture, 1);
    fixture->params.sampling.strength = 0.1; /* a third of them */
    run_well(fixture, NULL);
    assert_near(mean_change(fixture, 1), toned / 3.0, 0.02);
    fixture->params.keep_colors = 1.0;
    run_well(fixture, NULL);
    kept = mean_change(fixture, 1);
    assert_near(toned, 0.3, 0.03);
    assert_near(kept, 0.0, 0.02);
}

/* Tones that are the picture's own, nearly, and a technique. */
static void
set_technique(Fixture *fixture, SdeStyleTones *tones, SdeTechnique technique)
{
    *tones = (SdeStyleTones) {
        .known = true, .chroma_deviation = 0.1f, .technique = technique};
    for (int i = 0; i < SDE_N_TONES; i++) {
        tones->luma[i] = ((float) i + 0.5f) / SDE_N_TONES;
    }
    fixture->fake.base.tones = tones;
    fixture->params.style = 0;
}

/* Ink on paper, as far as there are marks, and nothing of it without them. */
static void
test_marks_are_drawn(Fixture *fixture, const void *level_map)
{
    SdeStyleTones tones;
    int n_ink[3] = {0};

    set_technique(fixture, &tones, SDE_TECHNIQUE_ENGRAVING);
    for (int k = 0; k < 3; k++) {
        fixture->params.marks = 0.5 * k;
        run_well(fixture, NULL);
        for (int i = 0; i < 70 * 90; i++) {
            const float *pixel = test_pixel(&fixture->result, i % 90, i / 90);

            n_ink[k] += fabsf(pixel[0] - 0.09f) + fabsf(pixel[2] - 0.09f) < 0.01f;
        }
    }
    g_assert_cmpint(n_ink[0], <, 20);
    g_assert_cmpint(n_ink[2], >, 500);
    g_assert_cmpint(n_ink[1], <, n_ink[2] / 2);
}

/* The mask, parts and threads hold with marks, too, at a smaller size as well. */
static void
test_marks_stay_where_they_belong(Fixture *fixture, const void *level_map)
{
    SdeMask mask = test_mask_new(400, 300, (SdeRect) {60, 50, 200, 150});
    const SdeRect part = {100, 80, 60, 40};
    g_autoptr(SdePool) pool = sde_pool_new(3);
    SdeStyleTones tones;

    set_picture(fixture, 400, 300);
    for (int k = SDE_TECHNIQUE_OIL; k < SDE_N_TECHNIQUES; k++) {
        SdeImage whole;

        set_technique(fixture, &tones, (SdeTechnique) k);
        fixture->params.sampling.max_side = k % 2 ? 0 : 100;
        fixture->task.part = NULL;
        fixture->task.pool = NULL;
        run_well(fixture, &mask);
        whole = fixture->result;
        fixture->result = test_picture_like(&fixture->source, -7.0f);
        for (int i = 0; i < 400 * 300; i++) {
            int x = i % 400, y = i / 400;

            if (mask.levels[i] <= 0.0f) {
                g_assert_true(test_same_pixel(&fixture->source, &whole, x, y));
            }
        }
        fixture->task.pool = pool;
        run_well(fixture, &mask);
        assert_same_picture(&whole, &fixture->result);
        fixture->task.part = &part;
        run_well(fixture, &mask);
        for (int y = 80; y < 120; y++) {
            for (int x = 100; x < 160; x++) {
                assert_near((double) test_pixel(&fixture->result, x, y)[1],
                            (double) test_pixel(&whole, x, y)[1], 0.02);
            }
        }
        g_free(whole.pixels);
    }
    g_free((float *) mask.levels);
}

/* A bright half beside a dark one; what changes at the rim, and what farther away. */
static void
test_kept_structure_keeps_edges(Fixture *fixture, const void *level_map)
{
    double at_edge[2] = {0}, away[2] = {0};

    for (int y = 0; y < 70; y++) {
        for (int x = 0; x < 90; x++) {
            for (int c = 0; c < 3; c++) {
                ((float *) test_pixel(&fixture->source, x, y))[c] =
                    x < 45 ? 0.1f : 0.9f;
            }
        }
    }
    fixture->fake.deviation = 0.2f;
    for (int keep = 0; keep < 2; keep++) {
        fixture->params.keep_structure = keep;
        run_well(fixture, NULL);
        for (int y = 0; y < 70; y++) {
            for (int k = 0; k < 4; k++) {
                int x = k < 2 ? 44 + k : 10 + 60 * (k - 2);
                double change = (double) (test_pixel(&fixture->result, x, y)[0] -
                                          test_pixel(&fixture->source, x, y)[0]);

                *(k < 2 ? &at_edge[keep] : &away[keep]) += fabs(change);
            }
        }
    }
    g_assert_cmpfloat(at_edge[1], <, 0.6 * at_edge[0]);
    assert_near(away[1], away[0], 0.05 * away[0]);
}

static void
test_passes_go_on_from_the_last_result(Fixture *fixture, const void *level_map)
{
    double once, twice;

    fixture->fake.mean = 0.9f;
    run_well(fixture, NULL);
    once = mean_change(fixture, 1);
    g_assert_cmpint(fixture->fake.n_calls, ==, 4);
    fixture->params.n_passes = 2;
    run_well(fixture, NULL);
    twice = mean_change(fixture, 1);
    g_assert_cmpint(fixture->fake.n_calls, ==, 4 + 8);
    g_assert_cmpint(fixture->task.n_passes, ==, 8);
    g_assert_cmpuint(fixture->task.seed, ==, 7);
    g_assert_cmpfloat(twice, >, 1.2 * once);
}

/* The denoiser that found the noise leads back to the picture. */
static void
test_inversion_leads_back(Fixture *fixture, const void *level_map)
{
    double worst = 0.0;

    fixture->params.sampling.n_steps = 200;
    fixture->params.sampling.strength = 0.8;
    fixture->params.invert = true;
    run_well(fixture, NULL);
    g_assert_cmpint(fixture->fake.n_calls, ==, (200 + 199) * (level_map ? 1 : 4));
    g_assert_cmpint(fixture->task.n_passes, ==, 200 + 199);
    for (int y = 0; y < 70; y++) {
        for (int x = 0; x < 90; x++) {
            double change = (double) (test_pixel(&fixture->result, x, y)[1] -
                                      test_pixel(&fixture->source, x, y)[1]);

            worst = MAX(worst, fabs(change));
        }
    }
    g_assert_cmpfloat(worst, <, 0.02);
    fixture->params.invert = false;
    run_well(fixture, NULL);
    g_assert_cmpfloat(fabs((double) (test_pixel(&fixture->result, 9, 9)[1] -
                                     test_pixel(&fixture->source, 9, 9)[1])),
                      >, 0.02);
}

static void
test_outside_the_mask_every_bit_is_kept(Fixture *fixture, const void *level_map)
{
    SdeMask mask = test_mask_new(90, 70, (SdeRect) {20, 20, 30, 30});

    run_well(fixture, &mask);
    for (int y = 0; y < 70; y++) {
        for (int x = 0; x < 90; x++) {
            bool same = test_same_pixel(&fixture->source, &fixture->result, x, y);

            g_assert_true(same == (mask.levels[y * 90 + x] <= 0.0f));
        }
    }
    g_free((float *) mask.levels);
}

/* A soft pixel walks a shorter way under a level-map model, is blended under another.
 */
static void
test_a_soft_mask_changes_less(Fixture *fixture, const void *level_map)
{
    SdeMask mask = test_mask_new(90, 70, (SdeRect) {0, 0, 90, 70});
    double hard, soft;

    fixture->fake.mean = 0.9f;
    run_well(fixture, &mask);
    hard = mean_change(fixture, 0);
    for (int i = 0; i < 90 * 70; i++) {
        ((float *) mask.levels)[i] = 0.4f;
    }
    fixture->fake.highest_theta = 0.0f;
    run_well(fixture, &mask);
    soft = mean_change(fixture, 0);
    g_assert_cmpfloat(soft, >, 0.0);
    g_assert_cmpfloat(soft, <, 0.6 * hard);
    g_free((float *) mask.levels);
}

static void
test_a_pointwise_result_does_not_depend_on_the_tiles(Fixture *fixture,
                                                     const void *level_map)
{
    SdeImage whole = fixture->result;

    fixture->params.sampling.sampler = SDE_SAMPLER_EULER_ANCESTRAL;
    run_well(fixture, NULL);
    fixture->result = test_picture_like(&fixture->source, 0.0f);
    fixture->params.sampling.tile_size = 40;
    run_well(fixture, NULL);
    for (int y = 0; y < 70; y++) {
        for (int x = 0; x < 90; x++) {
            assert_near((double) test_pixel(&fixture->result, x, y)[2],
                        (double) test_pixel(&whole, x, y)[2], 1e-4);
        }
    }
    g_free(whole.pixels);
}

/* The change comes up from the smaller size; the picture's fine detail stays. */
static void
test_a_smaller_working_size_keeps_fine_detail(Fixture *fixture, const void *level_map)
{
    set_picture(fixture, 256, 256);
    for (int y = 0; y < 256; y++) {
        for (int x = 0; x < 256; x++) {
            float *pixel = (float *) test_pixel(&fixture->source, x, y);

            pixel[0] = 0.5f + ((x + y) % 2 ? 0.2f : -0.2f);
        }
    }
    fixture->params.sampling.max_side = 128;
    fixture->fake.deviation = 0.0f;
    run_well(fixture, NULL);
    g_assert_cmpint((int) fixture->fake.n_pixels, ==, 4 * 128 * 128);
    for (int x = 1; x < 256; x++) {
        double step = (double) (test_pixel(&fixture->result, x, 9)[0] -
                                test_pixel(&fixture->result, x - 1, 9)[0]);

        assert_near(fabs(step), 0.4, 1e-4);
    }
}

/* Inside the part the result is the whole's, outside of it the source. */
static void
assert_part_of(const SdeImage *whole, const Fixture *fixture, SdeRect part)
{
    for (int y = 0; y < whole->height; y++) {
        for (int x = 0; x < whole->width; x++) {
            bool inside = test_lies_in(part, x, y);

            if (!inside) {
                g_assert_true(
                    test_same_pixel(&fixture->source, &fixture->result, x, y));
            }
            for (int c = 0; inside && c < 3; c++) { /* tiles may differ */
                assert_near((double) test_pixel(&fixture->result, x, y)[c],
                            (double) test_pixel(whole, x, y)[c], 1e-5);
            }
        }
    }
}

static void
test_a_part_is_painted_as_in_the_whole(Fixture *fixture, const void *level_map)
{
    const SdeRect parts[] = {
        {100, 130, 40, 30}, {0, 0, 9, 300}, {399, 299, 1, 1}, {0, 0, 400, 300}};

    fixture->params.n_passes = 2;
    fixture->params.keep_structure = 0.5;
    for (int max_side = 0; max_side <= 200; max_side += 200) {
        SdeImage whole;

        set_picture(fixture, 400, 300);
        fixture->params.sampling.max_side = max_side;
        fixture->task.part = NULL;
        run_well(fixture, NULL);
        whole = fixture->result;
        fixture->result = test_picture_like(&fixture->source, -7.0f);
        for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
            fixture->task.part = &parts[i];
            fixture->fake.n_pixels = 0;
            run_well(fixture, NULL);
            assert_part_of(&whole, fixture, parts[i]);
            if (i == 0 && level_map != NULL) { /* 8 times it and 32 pixels around */
                g_assert_cmpint((int) fixture->fake.n_pixels, <=, 8 * 120 * 112);
            }
        }
        g_free(whole.pixels);
    }
}

static void
test_a_part_outside_the_mask_is_a_copy(Fixture *fixture, const void *level_map)
{
    SdeMask mask = test_mask_new(400, 300, (SdeRect) {300, 200, 30, 30});
    const SdeRect part = {20, 20, 60, 60};

    set_picture(fixture, 400, 300);
    fixture->task.part = &part;
    run_well(fixture, &mask);
    assert_same_picture(&fixture->source, &fixture->result);
    g_assert_cmpint(fixture->fake.n_calls, ==, 0);
    g_free((float *) mask.levels);
}

static void
assert_last_column_is_sound(const Fixture *fixture)
{
    for (int y = 0; y < fixture->result.height; y++) {
        float value = test_pixel(&fixture->result, fixture->result.width - 1, y)[0];

        g_assert_true(value > -0.5f && value < 1.5f);
    }
}

static void
test_any_size_works(Fixture *fixture, const void *level_map)
{
    const int sizes[][2] = {{1, 1}, {7, 3}, {2, 200}, {65, 64}, {129, 31}};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        set_picture(fixture, sizes[i][0], sizes[i][1]);
        fixture->params.keep_colors = i % 2 ? 0.7 : 0.0;
        fixture->params.sampling.max_side = i == 4 ? 50 : 0;
        run_well(fixture, NULL);
        assert_last_column_is_sound(fixture);
    }
}

static void
test_marks_take_any_size(Fixture *fixture, const void *level_map)
{
    const int sizes[][2] = {{1, 1}, {7, 3}, {2, 200}, {129, 31}};

    for (int k = SDE_TECHNIQUE_OIL; k < SDE_N_TECHNIQUES; k++) {
        for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
            SdeStyleTones tones;

            set_picture(fixture, sizes[i][0], sizes[i][1]);
            set_technique(fixture, &tones, (SdeTechnique) k);
            fixture->params.sampling.max_side = i == 3 ? 50 : 0;
            run_well(fixture, NULL);
            assert_last_column_is_sound(fixture);
        }
    }
}

static void
test_failures_leave_the_result_untouched(Fixture *fixture, const void *level_map)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SdeSpan span = {.end = 1.0, .cancellable = cancellable};
    g_autoptr(GError) error = NULL;

    fixture->fake.cancel_at_call_2 = cancellable;
    g_assert_false(sde_restyle_run(&fixture->task, &fixture->source, NULL,
                                   &fixture->params, &fixture->result, &span, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
    fixture->task.memory_limit = 100000;
    g_assert_false(sde_restyle_run(&fixture->task, &fixture->source, NULL,
                                   &fixture->params, &fixture->result, NULL, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
    g_assert_cmpfloat(fixture->result.pixels[0], ==, -7.0f);
}

#define ADD(name, level_map, func) \
    g_test_add("/restyle/" name, Fixture, level_map, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    const char *yes = "level map";

    g_test_init(&argc, &argv, NULL);
    ADD("strength-0", yes, test_strength_0_is_a_copy);
    ADD("evaluations/level-map", yes, test_steps_are_the_evaluations);
    ADD("evaluations/ordinary", NULL, test_steps_are_the_evaluations);
    ADD("t0", yes, test_the_walk_begins_at_t0);
    ADD("class", yes, test_class_reaches_the_model);
    ADD("guidance", yes, test_guidance_reaches_the_first_steps);
    ADD("constant/level-map", yes, test_the_picture_becomes_what_the_denoiser_says);
    ADD("constant/ordinary", NULL, test_the_picture_becomes_what_the_denoiser_says);
    ADD("keep-colors", yes, test_kept_color_keeps_the_means);
    ADD("tones", yes, test_a_style_with_tones_has_them);
    ADD("marks", yes, test_marks_are_drawn);
    ADD("marks/place", yes, test_marks_stay_where_they_belong);
    ADD("keep-structure", yes, test_kept_structure_keeps_edges);
    ADD("passes", yes, test_passes_go_on_from_the_last_result);
    ADD("inversion/level-map", yes, test_inversion_leads_back);
    ADD("inversion/ordinary", NULL, test_inversion_leads_back);
    ADD("mask/level-map", yes, test_outside_the_mask_every_bit_is_kept);
    ADD("mask/ordinary", NULL, test_outside_the_mask_every_bit_is_kept);
    ADD("soft/level-map", yes, test_a_soft_mask_changes_less);
    ADD("soft/ordinary", NULL, test_a_soft_mask_changes_less);
    ADD("tiles", yes, test_a_pointwise_result_does_not_depend_on_the_tiles);
    ADD("max-side", yes, test_a_smaller_working_size_keeps_fine_detail);
    ADD("part/level-map", yes, test_a_part_is_painted_as_in_the_whole);
    ADD("part/ordinary", NULL, test_a_part_is_painted_as_in_the_whole);
    ADD("part/unmasked", yes, test_a_part_outside_the_mask_is_a_copy);
    ADD("sizes/level-map", yes, test_any_size_works);
    ADD("sizes/ordinary", NULL, test_any_size_works);
    ADD("sizes/marks", yes, test_marks_take_any_size);
    ADD("failures", yes, test_failures_leave_the_result_untouched);
    return g_test_run();
}
