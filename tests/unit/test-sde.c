/* The public interface with a whole model: what it refuses, and that threads do not
 * show. SPDX-License-Identifier: GPL-3.0-or-later */
#include "sde.h"

#include <math.h>
#include <string.h>

#include "tiny-model.h"

enum { WIDTH = 70, HEIGHT = 46, N = WIDTH * HEIGHT };

typedef struct {
    TempFolder *folder;
    SdeModel *model;
    float pixels[3 * N], result_pixels[3 * N], levels[N];
    SdeImage source, result;
    SdeMask mask;
    SdeRun run;
    /* progress */
    int n_reports, last_step, last_n_steps;
    double last_fraction, last_seconds;
    GCancellable *cancel_at_step_2;
} Fixture;

static void
note_progress(const SdeProgress *progress, void *data)
{
    Fixture *fixture = data;

    g_assert_cmpfloat(progress->fraction, >=, fixture->last_fraction);
    g_assert_cmpfloat(progress->fraction, <=, 1.0);
    g_assert_cmpint(progress->step, >=, MAX(fixture->last_step, 1));
    g_assert_cmpint(progress->step, <=, progress->n_steps);
    fixture->n_reports++;
    fixture->last_fraction = progress->fraction;
    fixture->last_step = progress->step;
    fixture->last_n_steps = progress->n_steps;
    fixture->last_seconds = progress->seconds_left;
    if (progress->step == 2 && fixture->cancel_at_step_2 != NULL) {
        g_cancellable_cancel(fixture->cancel_at_step_2);
    }
}

static void
set_up(Fixture *fixture, const void *data)
{
    GError *error = NULL;

    fixture->folder = temp_folder_new();
    tiny_model_write(fixture->folder);
    fixture->model = sde_model_load(fixture->folder, SDE_PRECISION_FLOAT, NULL, &error);
    g_assert_no_error(error);
    for (int i = 0; i < 3 * N; i++) {
        fixture->pixels[i] = 0.5f + 0.4f * sinf(0.01f * (float) (i % (7 * WIDTH)));
        fixture->result_pixels[i] = -7.0f;
    }
    for (int i = 0; i < N; i++) {
        int x = i % WIDTH, y = i / WIDTH;

        fixture->levels[i] = x > 20 && x < 40 && y > 10 && y < 30 ? 1.0f : 0.0f;
    }
    fixture->source = (SdeImage) {fixture->pixels, WIDTH, HEIGHT, 3 * WIDTH};
    fixture->result = (SdeImage) {fixture->result_pixels, WIDTH, HEIGHT, 3 * WIDTH};
    fixture->mask = (SdeMask) {fixture->levels, WIDTH, HEIGHT, WIDTH};
    fixture->run = (SdeRun) {.seed = 5, .n_threads = 1};
}

static void
tear_down(Fixture *fixture, const void *data)
{
    sde_model_unref(fixture->model);
    temp_folder_free(fixture->folder);
}

static SdeInpaintParams
inpaint_params(void)
{
    SdeInpaintParams params = SDE_INPAINT_PARAMS_INIT;

    params.sampling.n_steps = 3;
    return params;
}

static SdeRestyleParams
restyle_params(void)
{
    SdeRestyleParams params = SDE_RESTYLE_PARAMS_INIT;

    params.sampling.n_steps = 3;
    return params;
}

static SdeDenoiseParams
denoise_params(void)
{
    SdeDenoiseParams params = SDE_DENOISE_PARAMS_INIT;

    params.noise_level = 20.0;
    return params;
}

/* ---- models -----------------------------------------------------------------------
 */

static void
test_a_model_tells_what_it_is(Fixture *fixture, const void *data)
{
    SdeModelInfo info;

    sde_model_get_info(fixture->model, &info);
    g_assert_cmpstr(info.network, ==, "UNet2DModel");
    g_assert_cmpstr(info.dtype, ==, "F32");
    g_assert_cmpstr(info.prediction, ==, "v_prediction");
    g_assert_cmpint(info.n_timesteps, ==, 1000);
    g_assert_cmpint(info.patch_size, ==, 2);
    g_assert_cmpint(info.sample_size, ==, 64);
    g_assert_cmpint(info.size_multiple, ==, 4);
    g_assert_cmpint(info.n_styles, ==, 2);
    g_assert_cmpint(info.default_style, ==, 0);
    g_assert_cmpuint(info.n_parameters, >, 1000);
    g_assert_cmpint(sde_model_get_caps(fixture->model), ==,
                    SDE_CAP_INPAINT | SDE_CAP_DENOISE | SDE_CAP_RESTYLE |
                        SDE_CAP_STYLES | SDE_CAP_GUIDANCE | SDE_CAP_LEVEL_MAP);
}

static void
test_styles_are_found_by_name(Fixture *fixture, const void *data)
{
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(sde_model_peek_style_name(fixture->model, 1), ==, "blue");
    g_assert_cmpint(sde_model_find_style(fixture->model, "Blue", &error), ==, 1);
    g_assert_no_error(error);
    g_assert_cmpint(sde_model_find_style(fixture->model, "none", &error), ==, -1);
    g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, "red, blue"));
}

static void
test_estimates_grow_with_the_size(Fixture *fixture, const void *data)
{
    g_autoptr(GError) error = NULL;
    size_t small, large;
    double few, many;

    g_assert_true(sde_model_estimate(fixture->model, 64, 64, &small, &few, &error));
    g_assert_true(sde_model_estimate(fixture->model, 640, 65, &large, &many, &error));
    g_assert_cmpuint(large, >, small);
    g_assert_cmpfloat(many, >, 10.0 * few);
    g_assert_false(sde_model_estimate(fixture->model, 0, 65, &large, &many, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
}

static void
test_a_folder_without_a_model_is_refused(Fixture *fixture, const void *data)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(sde_model_load("/nowhere/at/all", SDE_PRECISION_FLOAT, NULL, &error));
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "/nowhere/at/all"));
}

static void
test_loading_can_be_cancelled(Fixture *fixture, const void *data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;

    g_cancellable_cancel(cancellable);
    g_assert_null(
        sde_model_load(fixture->folder, SDE_PRECISION_FLOAT, cancellable, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_a_reference_keeps_the_model(Fixture *fixture, const void *data)
{
    SdeModel *other = sde_model_ref(fixture->model);

    g_clear_pointer(&fixture->model, sde_model_unref);
    g_assert_cmpstr(sde_model_peek_style_name(other, 0), ==, "red");
    sde_model_unref(other);
    sde_model_unref(NULL);
}

/* ---- what is refused --------------------------------------------------------------
 */

static void
assert_untouched(Fixture *fixture)
{
    for (int i = 0; i < 3 * N; i++) {
        g_assert_cmpfloat(fixture->result_pixels[i], ==, -7.0f);
    }
}

static void
assert_inpaint_fails(Fixture *fixture, const SdeInpaintParams *params, int code,
                     const char *word)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(sde_inpaint(fixture->model, &fixture->source, &fixture->mask, params,
                               &fixture->run, &fixture->result, &error));
    g_assert_error(error, SDE_ERROR, code);
    if (strstr(error->message, word) == NULL) {
        g_error("'%s' is not in '%s'", word, error->message);
    }
    assert_untouched(fixture);
}

#define ASSERT_INPAINT_NUMBER_FAILS(field, value, word)                \
    do {                                                               \
        SdeInpaintParams params = inpaint_params();                    \
        params.field = (value);                                        \
        assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT, word); \
    } while (0)

static void
test_numbers_out_of_range_are_named(Fixture *fixture, const void *data)
{
    ASSERT_INPAINT_NUMBER_FAILS(sampling.n_steps, 0, "number of steps is 0");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.n_steps, 1001, "expected 1 to 1000");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.strength, 1.5, "strength is 1.5");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.strength, (double) NAN, "strength is nan");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.sampler, SDE_N_SAMPLERS, "sampler is 6");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.eta, -0.1, "eta is -0.1");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.tile_size, -1, "tile size");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.tile_overlap, -1, "tile overlap");
    ASSERT_INPAINT_NUMBER_FAILS(sampling.max_side, -1, "largest side");
    ASSERT_INPAINT_NUMBER_FAILS(fill, (SdeFill) 4, "fill is 4");
    ASSERT_INPAINT_NUMBER_FAILS(context, -1, "context");
    ASSERT_INPAINT_NUMBER_FAILS(grow, 5000, "grow");
    ASSERT_INPAINT_NUMBER_FAILS(feather, -2, "feather");
    ASSERT_INPAINT_NUMBER_FAILS(n_resample, 0, "resampling");
    ASSERT_INPAINT_NUMBER_FAILS(grain, 1.1, "grain is 1.1");
}

static void
assert_denoise_fails(Fixture *fixture, const SdeDenoiseParams *params, const char *word)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(sde_denoise(fixture->model, &fixture->source, NULL, params,
                               &fixture->run, &fixture->result, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, word));
    assert_untouched(fixture);
}

#define ASSERT_DENOISE_NUMBER_FAILS(field, value, word) \
    do {                                                \
        SdeDenoiseParams params = denoise_params();     \
        params.field = (value);                         \
        assert_denoise_fails(fixture, &params, word);   \
    } while (0)

static void
test_denoise_numbers_out_of_range_are_named(Fixture *fixture, const void *data)
{
    ASSERT_DENOISE_NUMBER_FAILS(noise_level, 256.0, "noise level is 256");
    ASSERT_DENOISE_NUMBER_FAILS(noise_level, (double) NAN, "noise level is nan");
    ASSERT_DENOISE_NUMBER_FAILS(strength, -0.5, "strength");
    ASSERT_DENOISE_NUMBER_FAILS(luminance, 2.0, "luminance");
    ASSERT_DENOISE_NUMBER_FAILS(color, 2.0, "color");
    ASSERT_DENOISE_NUMBER_FAILS(n_views, 3, "number of views is 3, expected 1, 2 or 4");
    ASSERT_DENOISE_NUMBER_FAILS(keep_grain, -1.0, "grain");
}

static void
test_noise_of_another_picture_is_refused(Fixture *fixture, const void *data)
{
    SdeNoise known = {.sigma = 5.0, .columns = 2, .rows = 2, .width = 9, .height = 8};
    SdeDenoiseParams params = denoise_params();

    params.noise_level = -1.0;
    params.known = &known;
    assert_denoise_fails(fixture, &params, "of a picture of 9 x 8 pixels, this one");
    known.columns = 9;
    assert_denoise_fails(fixture, &params, "columns is 9");
    known.sigma = -1.0;
    assert_denoise_fails(fixture, &params, "known noise is -1");
}

static void
assert_restyle_fails(Fixture *fixture, const SdeRestyleParams *params, const char *word)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(sde_restyle(fixture->model, &fixture->source, NULL, params,
                               &fixture->run, &fixture->result, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
    g_assert_nonnull(strstr(error->message, word));
    assert_untouched(fixture);
}

static void
test_restyle_numbers_out_of_range_are_named(Fixture *fixture, const void *data)
{
    SdeRestyleParams params = restyle_params();

    params.style = 2; /* "none" is no style */
    assert_restyle_fails(fixture, &params, "style 2");
    params = restyle_params();
    params.guidance = -1.0;
    assert_restyle_fails(fixture, &params, "guidance");
    params = restyle_params();
    params.keep_colors = 1.1;
    assert_restyle_fails(fixture, &params, "color to keep");
}

static void
test_bad_runs_are_refused(Fixture *fixture, const void *data)
{
    SdeInpaintParams params = inpaint_params();

    fixture->run.n_threads = -1;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT, "number of threads is -1");
    fixture->run.n_threads = 257;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT, "expected 0 to 256");
}

static void
test_parts_outside_the_picture_are_refused(Fixture *fixture, const void *data)
{
    const SdeRect parts[] = {
        {-1, 0, 9, 9}, {0, 40, 9, 7}, {69, 0, 2, 9}, {0, 0, 0, 9}, {2, 2, G_MAXINT, 1}};
    SdeInpaintParams params = inpaint_params();

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        fixture->run.part = &parts[i];
        assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT,
                             "is asked for, the picture has 70 × 46");
    }
}

static void
test_pictures_that_make_no_sense_are_refused(Fixture *fixture, const void *data)
{
    SdeInpaintParams params = inpaint_params();

    fixture->pixels[3 * (2 * WIDTH + 5) + 1] = NAN;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_NUMERIC, "pixel 5, 2");
    fixture->pixels[3 * (2 * WIDTH + 5) + 1] = INFINITY;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_NUMERIC, "pixel 5, 2");
    fixture->pixels[3 * (2 * WIDTH + 5) + 1] = 0.0f;
    fixture->source.width = 0;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT, "0 × 46");
    fixture->source.width = 300000;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_TOO_LARGE, "262144");
    fixture->source.width = WIDTH;
    fixture->result.height = HEIGHT - 1;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT, "the result has 70 × 45");
}

static void
test_masks_that_make_no_sense_are_refused(Fixture *fixture, const void *data)
{
    SdeInpaintParams params = inpaint_params();

    fixture->mask.width = WIDTH - 1;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT, "the mask has 69 × 46");
    fixture->mask.width = WIDTH;
    fixture->levels[3] = NAN;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_NUMERIC,
                         "the mask is not a number");
    memset(fixture->levels, 0, sizeof(fixture->levels));
    assert_inpaint_fails(fixture, &params, SDE_ERROR_INPUT, "empty");
}

static void
test_too_little_memory_is_refused_with_numbers(Fixture *fixture, const void *data)
{
    SdeInpaintParams params = inpaint_params();

    fixture->run.memory_limit = 50000;
    assert_inpaint_fails(fixture, &params, SDE_ERROR_TOO_LARGE, "MiB");
}

static void
test_null_arguments_are_the_callers_fault(Fixture *fixture, const void *data)
{
    SdeInpaintParams params = inpaint_params();

    if (g_test_subprocess()) {
        sde_inpaint(fixture->model, &fixture->source, NULL, &params, NULL,
                    &fixture->result, NULL);
        return;
    }
    if (g_getenv("MESON_EXE_WRAPPER") != NULL) {
        g_test_skip("a program of another CPU cannot start itself");
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*mask != NULL*");
}

/* ---- runs -------------------------------------------------------------------------
 */

typedef bool (*Task)(Fixture *fixture, GError **error);

static bool
run_inpaint(Fixture *fixture, GError **error)
{
    SdeInpaintParams params = inpaint_params();

    params.match_colors = true;
    params.feather = 3;
    return sde_inpaint(fixture->model, &fixture->source, &fixture->mask, &params,
                       &fixture->run, &fixture->result, error);
}

static bool
run_denoise(Fixture *fixture, GError **error)
{
    SdeDenoiseParams params = denoise_params();

    params.tile_size = 32;
    return sde_denoise(fixture->model, &fixture->source, NULL, &params, &fixture->run,
                       &fixture->result, error);
}

static bool
run_restyle(Fixture *fixture, GError **error)
{
    SdeRestyleParams params = restyle_params();

    params.style = 1;
    params.guidance = 2.0;
    params.sampling.sampler = SDE_SAMPLER_DDPM;
    params.sampling.tile_size = 48;
    return sde_restyle(fixture->model, &fixture->source, NULL, &params, &fixture->run,
                       &fixture->result, error);
}

static const Task tasks[] = {run_inpaint, run_denoise, run_restyle};

static void
test_threads_do_not_show(Fixture *fixture, const void *data)
{
    const int counts[] = {1, 2, 3, 7};
    g_autofree float *first = g_new(float, 3 * N);

    for (size_t k = 0; k < G_N_ELEMENTS(tasks); k++) {
        for (size_t i = 0; i < G_N_ELEMENTS(counts); i++) {
            GError *error = NULL;

            fixture->run.n_threads = counts[i];
            g_assert_true(tasks[k](fixture, &error));
            g_assert_no_error(error);
            if (i == 0) {
                memcpy(first, fixture->result_pixels, sizeof(fixture->result_pixels));
            }
            g_assert_cmpmem(first, sizeof(fixture->result_pixels),
                            fixture->result_pixels, sizeof(fixture->result_pixels));
        }
    }
}

/* Scratch memory grows with the threads, but the tiles must not shrink for it. */
static void
test_threads_do_not_show_when_memory_is_tight(Fixture *fixture, const void *data)
{
    g_autofree float *first = g_new(float, 3 * N);
    int n_fitting = 0;

    for (size_t limit = (size_t) 1 << 19; limit < (size_t) 1 << 23;
         limit += limit / 8) {
        bool fits;

        fixture->run.memory_limit = limit;
        fixture->run.n_threads = 1;
        fits = run_inpaint(fixture, NULL);
        memcpy(first, fixture->result_pixels, sizeof(fixture->result_pixels));
        fixture->run.n_threads = 7;
        g_assert_true(fits == run_inpaint(fixture, NULL));
        g_assert_cmpmem(first, sizeof(fixture->result_pixels), fixture->result_pixels,
                        sizeof(fixture->result_pixels));
        n_fitting += fits;
    }
    g_assert_cmpint(n_fitting, >, 3);
    g_assert_cmpint(n_fitting, <, 20);
}

static void
test_seeds_make_a_difference(Fixture *fixture, const void *data)
{
    float before;

    g_assert_true(run_restyle(fixture, NULL));
    before = fixture->result_pixels[100];
    fixture->run.seed = 6;
    g_assert_true(run_restyle(fixture, NULL));
    g_assert_cmpfloat(fixture->result_pixels[100], !=, before);
}

static void
test_progress_only_grows_and_ends_at_1(Fixture *fixture, const void *data)
{
    fixture->run.progress = note_progress;
    fixture->run.user_data = fixture;
    for (size_t k = 0; k < G_N_ELEMENTS(tasks); k++) {
        /* of 3 steps, the first of inpainting has four views */
        int n_steps = tasks[k] == run_denoise ? 1 : tasks[k] == run_inpaint ? 6 : 3;

        fixture->n_reports = fixture->last_step = 0;
        fixture->last_fraction = 0.0;
        g_assert_true(tasks[k](fixture, NULL));
        g_assert_cmpfloat(fixture->last_fraction, ==, 1.0);
        g_assert_cmpint(fixture->last_n_steps, ==, n_steps);
        g_assert_cmpint(fixture->last_step, ==, fixture->last_n_steps);
        g_assert_cmpint(fixture->n_reports, >=, 3);
    }
}

static void
test_cancel_leaves_the_result_untouched(Fixture *fixture, const void *data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;

    fixture->run.progress = note_progress;
    fixture->run.user_data = fixture;
    fixture->run.cancellable = cancellable;
    fixture->cancel_at_step_2 = cancellable;
    g_assert_false(run_restyle(fixture, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    assert_untouched(fixture);
}

static void *
run_in_thread(void *data)
{
    return GINT_TO_POINTER(run_restyle(data, NULL));
}

static void
test_one_model_serves_several_threads(Fixture *fixture, const void *data)
{
    g_autofree Fixture *other = g_memdup2(fixture, sizeof(*fixture));
    GThread *thread;

    other->source.pixels = other->pixels;
    other->result.pixels = other->result_pixels;
    thread = g_thread_new("other", run_in_thread, other);
    g_assert_true(run_restyle(fixture, NULL));
    g_assert_true(GPOINTER_TO_INT(g_thread_join(thread)));
    g_assert_cmpmem(other->result_pixels, sizeof(other->result_pixels),
                    fixture->result_pixels, sizeof(fixture->result_pixels));
}

/* More steps for more quality; level maps need no resampling. */
static void
test_quality_chooses_the_steps(Fixture *fixture, const void *data)
{
    SdeInpaintParams params = SDE_INPAINT_PARAMS_INIT;
    int before = 0;

    for (int quality = SDE_QUALITY_FAST; quality <= SDE_QUALITY_BEST; quality++) {
        params.n_resample = 7;
        sde_model_set_quality(fixture->model, (SdeQuality) quality, &params);
        g_assert_cmpint(params.sampling.n_steps, >, before);
        g_assert_cmpint(params.n_resample, ==, 1);
        before = params.sampling.n_steps;
    }
}

#define ADD(name, func) g_test_add("/sde/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("info", test_a_model_tells_what_it_is);
    ADD("styles", test_styles_are_found_by_name);
    ADD("estimate", test_estimates_grow_with_the_size);
    ADD("no-model", test_a_folder_without_a_model_is_refused);
    ADD("cancelled-load", test_loading_can_be_cancelled);
    ADD("references", test_a_reference_keeps_the_model);
    ADD("numbers/inpaint", test_numbers_out_of_range_are_named);
    ADD("numbers/denoise", test_denoise_numbers_out_of_range_are_named);
    ADD("known-noise", test_noise_of_another_picture_is_refused);
    ADD("numbers/restyle", test_restyle_numbers_out_of_range_are_named);
    ADD("runs", test_bad_runs_are_refused);
    ADD("parts", test_parts_outside_the_picture_are_refused);
    ADD("pictures", test_pictures_that_make_no_sense_are_refused);
    ADD("masks", test_masks_that_make_no_sense_are_refused);
    ADD("memory", test_too_little_memory_is_refused_with_numbers);
    ADD("null", test_null_arguments_are_the_callers_fault);
    ADD("threads", test_threads_do_not_show);
    ADD("tight-threads", test_threads_do_not_show_when_memory_is_tight);
    ADD("seeds", test_seeds_make_a_difference);
    ADD("progress", test_progress_only_grows_and_ends_at_1);
    ADD("cancel", test_cancel_leaves_the_result_untouched);
    ADD("quality", test_quality_chooses_the_steps);
    ADD("shared", test_one_model_serves_several_threads);
    return g_test_run();
}
