/* Schedulers with diffusers' semantics: what the golden cases cannot show. Refusals,
 * exact numbers of steps, failed calls that change nothing, and closed forms.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/scheduler.h"

#include <math.h>
#include <string.h>

#include "sde.h"

#define N_CLASSES (SDE_SCHEDULER_PNDM + 1)
#define ROUNDING  2e-6

static SdeSchedulerConfig
config_of(SdeSchedulerClass klass)
{
    SdeSchedulerConfig config;

    sde_scheduler_config_init(&config, klass);
    config.clip_sample = false;
    config.skip_prk_steps = true;
    return config;
}

static SdeScheduler *
new_scheduler(const SdeSchedulerConfig *config)
{
    GError *error = NULL;
    SdeScheduler *scheduler = sde_scheduler_new(config, &error);

    g_assert_no_error(error);
    return scheduler;
}

static SdeScheduler *
start(const SdeSchedulerConfig *config, int n_steps)
{
    SdeScheduler *scheduler = new_scheduler(config);
    SdeTimestepRequest request = {.n_steps = n_steps};
    GError *error = NULL;

    g_assert_true(sde_scheduler_set_timesteps(scheduler, &request, &error));
    g_assert_no_error(error);
    return scheduler;
}

static void
assert_unsupported(const SdeSchedulerConfig *config, const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeScheduler) scheduler = sde_scheduler_new(config, &error);

    g_assert_null(scheduler);
    g_assert_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, word));
}

static void
assert_request_refused(SdeScheduler *scheduler, const SdeTimestepRequest *request)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(sde_scheduler_set_timesteps(scheduler, request, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
}

/* ---- configurations -------------------------------------------------------------- */

static void
test_configurations_without_sense_are_refused(void)
{
    const SdeSchedulerClass by_alpha[] = {
        SDE_SCHEDULER_DDPM,    SDE_SCHEDULER_DDIM, SDE_SCHEDULER_DDIM_INVERSE,
        SDE_SCHEDULER_REPAINT, SDE_SCHEDULER_LCM,  SDE_SCHEDULER_PNDM};

    for (size_t i = 0; i < G_N_ELEMENTS(by_alpha); i++) {
        SdeSchedulerConfig config = config_of(by_alpha[i]);

        config.rescale_betas_zero_snr = true;
        config.prediction_type = SDE_PREDICTION_EPSILON;
        assert_unsupported(&config, "rescale_betas_zero_snr");
    }
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDIM_INVERSE);

    config.timestep_spacing = SDE_SPACING_LINSPACE;
    assert_unsupported(&config, "linspace");
    config = config_of(SDE_SCHEDULER_DDIM_INVERSE);
    config.prediction_type = SDE_PREDICTION_SAMPLE;
    config.set_alpha_to_one = true;
    assert_unsupported(&config, "set_alpha_to_one");
    config = config_of(SDE_SCHEDULER_DPM_SOLVER_MULTISTEP);
    config.solver_order = 3;
    assert_unsupported(&config, "solver_order 3");
    config = config_of(SDE_SCHEDULER_PNDM);
    config.skip_prk_steps = false;
    assert_unsupported(&config, "skip_prk_steps");
    config = config_of(SDE_SCHEDULER_PNDM);
    config.prediction_type = SDE_PREDICTION_SAMPLE;
    assert_unsupported(&config, "sample");
    config = config_of(SDE_SCHEDULER_REPAINT);
    config.prediction_type = SDE_PREDICTION_V;
    assert_unsupported(&config, "epsilon");
    config = config_of((SdeSchedulerClass) 77);
    assert_unsupported(&config, "77");
}

static void
test_a_schedule_that_ends_without_signal_is_refused_where_it_divides(void)
{
    double betas[] = {0.1, 0.5, 1.0};

    for (int klass = 0; klass < N_CLASSES; klass++) {
        SdeSchedulerConfig config = config_of((SdeSchedulerClass) klass);
        bool fine = klass == SDE_SCHEDULER_DDPM || klass == SDE_SCHEDULER_DDIM ||
                    klass == SDE_SCHEDULER_DDIM_INVERSE || klass == SDE_SCHEDULER_LCM;

        config.beta_schedule = SDE_BETAS_TRAINED;
        config.num_train_timesteps = 3;
        config.trained_betas = betas;
        assert_unsupported(&config, "without signal");
        config.prediction_type = SDE_PREDICTION_V;
        if (fine) {
            sde_scheduler_free(new_scheduler(&config));
        } else if (klass != SDE_SCHEDULER_REPAINT) { /* epsilon only */
            assert_unsupported(&config, "without signal");
        }
    }
}

static void
test_zero_terminal_snr_is_finite_where_sigma_must_be(void)
{
    const SdeSchedulerClass classes[] = {SDE_SCHEDULER_DPM_SOLVER_MULTISTEP,
                                         SDE_SCHEDULER_EULER,
                                         SDE_SCHEDULER_EULER_ANCESTRAL};

    for (size_t i = 0; i < G_N_ELEMENTS(classes); i++) {
        SdeSchedulerConfig config = config_of(classes[i]);

        config.rescale_betas_zero_snr = true;
        config.timestep_spacing = SDE_SPACING_TRAILING;
        g_autoptr(SdeScheduler) scheduler = start(&config, 5);

        /* alpha-bar 2^-24: sigma is 2^12 */
        g_assert_cmpfloat(fabs(sde_scheduler_peek_sigmas(scheduler)[0] - 4096.0), <,
                          0.1);
    }
}

/* ---- timesteps ------------------------------------------------------------------- */

static void
test_lists_have_exactly_the_steps_asked_for(void)
{
    for (int klass = 0; klass < N_CLASSES; klass++) {
        for (int spacing = SDE_SPACING_LEADING; spacing <= SDE_SPACING_TRAILING;
             spacing++) {
            for (int n = 2; n <= 50; n += 3) {
                SdeSchedulerConfig config = config_of((SdeSchedulerClass) klass);

                if (klass == SDE_SCHEDULER_DDIM_INVERSE &&
                    spacing == SDE_SPACING_LINSPACE) {
                    continue;
                }
                config.timestep_spacing = (SdeSpacing) spacing;
                g_autoptr(SdeScheduler) scheduler = new_scheduler(&config);
                SdeTimestepRequest request = {
                    .n_steps = n, .jump_length = 60}; /* RePaint: no jump fits */

                g_assert_true(sde_scheduler_set_timesteps(scheduler, &request, NULL));
                /* PLMS does its first step twice */
                g_assert_cmpint(sde_scheduler_get_n_timesteps(scheduler), ==,
                                klass == SDE_SCHEDULER_PNDM ? n + 1 : n);
            }
        }
    }
}

static void
test_every_count_of_steps_up_to_the_training_steps_works(void)
{
    for (int spacing = SDE_SPACING_LEADING; spacing <= SDE_SPACING_TRAILING;
         spacing++) {
        SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDIM);

        config.timestep_spacing = (SdeSpacing) spacing;
        for (int n = 1; n <= 1000; n++) {
            g_autoptr(SdeScheduler) scheduler = start(&config, n);

            g_assert_cmpint(sde_scheduler_get_n_timesteps(scheduler), ==, n);
            for (int i = 1; i < n; i++) {
                g_assert_cmpfloat(sde_scheduler_get_timestep(scheduler, i), <,
                                  sde_scheduler_get_timestep(scheduler, i - 1));
            }
        }
    }
}

static void
test_impossible_requests_are_refused_and_change_nothing(void)
{
    const SdeTimestepRequest requests[] = {
        {.n_steps = 0}, {.n_steps = -3}, {.n_steps = 1001}, {.n_steps = G_MAXINT}};

    for (int klass = 0; klass < N_CLASSES; klass++) {
        SdeSchedulerConfig config = config_of((SdeSchedulerClass) klass);
        g_autoptr(SdeScheduler) scheduler = start(&config, 4);
        int n = sde_scheduler_get_n_timesteps(scheduler);
        double first = sde_scheduler_get_timestep(scheduler, 0);

        for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
            assert_request_refused(scheduler, &requests[i]);
            g_assert_cmpint(sde_scheduler_get_n_timesteps(scheduler), ==, n);
            g_assert_cmpfloat(sde_scheduler_get_timestep(scheduler, 0), ==, first);
        }
    }
}

static void
test_an_offset_beyond_the_schedule_is_refused(void)
{
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDIM);

    config.steps_offset = 1;
    g_autoptr(SdeScheduler) scheduler = new_scheduler(&config);
    SdeTimestepRequest request = {.n_steps = 1000};

    assert_request_refused(scheduler, &request); /* would start at 1000 */
}

static void
test_only_ddpm_takes_a_falling_list(void)
{
    const int falling[] = {900, 500, 0}, equal[] = {900, 900, 0}, rising[] = {1, 2};
    const int too_high[] = {1000, 0}, negative[] = {5, -1};
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDPM);
    SdeSchedulerConfig other = config_of(SDE_SCHEDULER_DDIM);
    g_autoptr(SdeScheduler) ddpm = new_scheduler(&config);
    g_autoptr(SdeScheduler) ddim = new_scheduler(&other);
    SdeTimestepRequest request = {.timesteps = falling, .n_timesteps = 3};

    g_assert_true(sde_scheduler_set_timesteps(ddpm, &request, NULL));
    g_assert_cmpfloat(sde_scheduler_get_timestep(ddpm, 1), ==, 500.0);
    assert_request_refused(ddim, &request);
    request = (SdeTimestepRequest) {.timesteps = equal, .n_timesteps = 3};
    assert_request_refused(ddpm, &request);
    request = (SdeTimestepRequest) {.timesteps = rising, .n_timesteps = 2};
    assert_request_refused(ddpm, &request);
    request = (SdeTimestepRequest) {.timesteps = too_high, .n_timesteps = 2};
    assert_request_refused(ddpm, &request);
    request = (SdeTimestepRequest) {.timesteps = negative, .n_timesteps = 2};
    assert_request_refused(ddpm, &request);
}

static void
test_lcm_has_no_more_steps_than_it_was_distilled_on(void)
{
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_LCM);

    config.original_inference_steps = 50;
    g_autoptr(SdeScheduler) scheduler = new_scheduler(&config);
    SdeTimestepRequest request = {.n_steps = 51};

    assert_request_refused(scheduler, &request);
    request = (SdeTimestepRequest) {.n_steps = 11, .strength = 0.2};
    assert_request_refused(scheduler, &request);
    request.n_steps = 10;
    g_assert_true(sde_scheduler_set_timesteps(scheduler, &request, NULL));
    g_assert_cmpfloat(sde_scheduler_get_timestep(scheduler, 0), ==, 199.0);
}

/* c_skip = 0.25 / (s^2 + 0.25), c_out = s / sqrt(s^2 + 0.25) with s = scaling t: at s =
 * 0 the input is the result, at s = 0.5 the weights are 1/2 and sqrt(1/2). */
static void
test_lcm_blends_input_and_prediction_at_its_boundary(void)
{
    const double scalings[] = {0.0, 0.5 / 199.0};
    const double skips[] = {1.0, 0.5}, outs[] = {0.0, sqrt(0.5)};

    for (int k = 0; k < 2; k++) {
        SdeSchedulerConfig config = config_of(SDE_SCHEDULER_LCM);
        SdeTimestepRequest request = {.n_steps = 1, .strength = 0.2};
        const float x[1] = {0.5f}, output[1] = {-0.25f};
        float out[1], x0[1];

        config.prediction_type = SDE_PREDICTION_SAMPLE;
        config.timestep_scaling = scalings[k];
        g_autoptr(SdeScheduler) scheduler = new_scheduler(&config);
        SdeSchedulerStep step = {
            .n_images = 1, .count = 1, .x = x, .model_output = output};

        g_assert_true(sde_scheduler_set_timesteps(scheduler, &request, NULL));
        g_assert_true(sde_scheduler_step(scheduler, &step, out, x0, NULL));
        g_assert_cmpfloat(fabs((double) out[0] - (0.5 * skips[k] - 0.25 * outs[k])), <=,
                          ROUNDING);
    }
}

/* Lugmayr et al. 2022: a jump of length j, r samples, after every j steps */
static void
test_repaint_walks_every_stretch_as_often_as_asked(void)
{
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_REPAINT);
    g_autoptr(SdeScheduler) scheduler = new_scheduler(&config);
    SdeTimestepRequest request = {.n_steps = 20, .jump_length = 5, .jump_n_sample = 3};
    int n_up = 0, n_down = 0;

    g_assert_true(sde_scheduler_set_timesteps(scheduler, &request, NULL));
    for (int i = 0; i < sde_scheduler_get_n_timesteps(scheduler); i++) {
        if (sde_scheduler_is_undo(scheduler, i)) {
            n_up++;
        } else {
            n_down++;
        }
    }
    g_assert_cmpint(n_up, ==, 3 * 2 * 5);
    g_assert_cmpint(n_down, ==, 20 + n_up);
    g_assert_cmpint(sde_scheduler_get_undo_draws(scheduler), ==, 50);
}

/* ---- steps ----------------------------------------------------------------------- */

static const float SAMPLE[4] = {0.5f, -0.25f, 1.5f, 0.0f};
static const float OUTPUT[4] = {0.2f, 0.1f, -0.4f, 0.8f};
static const float NOISE[4] = {-1.0f, 0.3f, 0.7f, -0.2f};

static SdeSchedulerStep
step_of(int index)
{
    return (SdeSchedulerStep) {.index = index,
                               .n_images = 1,
                               .count = 4,
                               .x = SAMPLE,
                               .model_output = OUTPUT,
                               .variance = OUTPUT,
                               .noise = NOISE,
                               .original = SAMPLE,
                               .mask = OUTPUT};
}

static void
assert_step_refused(SdeScheduler *scheduler, const SdeSchedulerStep *step)
{
    g_autoptr(GError) error = NULL;
    float out[4] = {7, 7, 7, 7}, x0[4] = {8, 8, 8, 8};

    g_assert_false(sde_scheduler_step(scheduler, step, out, x0, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
    for (int i = 0; i < 4; i++) {
        g_assert_cmpfloat(out[i], ==, 7.0f);
        g_assert_cmpfloat(x0[i], ==, 8.0f);
    }
}

static void
test_steps_without_what_they_need_are_refused(void)
{
    for (int klass = 0; klass < N_CLASSES; klass++) {
        SdeSchedulerConfig config = config_of((SdeSchedulerClass) klass);
        g_autoptr(SdeScheduler) scheduler = start(&config, 4);
        SdeSchedulerStep step = step_of(0);

        step.index = -1;
        assert_step_refused(scheduler, &step);
        step.index = sde_scheduler_get_n_timesteps(scheduler);
        assert_step_refused(scheduler, &step);
        step = step_of(0);
        step.eta = 1.5;
        assert_step_refused(scheduler, &step);
        step.eta = (double) NAN;
        assert_step_refused(scheduler, &step);
        step = step_of(0);
        step.noise = NULL;
        step.eta = 1.0;
        if (sde_scheduler_needs_noise(scheduler, 0, 1.0)) {
            assert_step_refused(scheduler, &step);
        }
    }
    SdeSchedulerConfig learned = config_of(SDE_SCHEDULER_DDPM);

    learned.variance_type = SDE_VARIANCE_LEARNED_RANGE;
    g_autoptr(SdeScheduler) ddpm = start(&learned, 4);
    SdeSchedulerStep step = step_of(0);

    step.variance = NULL;
    assert_step_refused(ddpm, &step);
    SdeSchedulerConfig repaint_config = config_of(SDE_SCHEDULER_REPAINT);
    g_autoptr(SdeScheduler) repaint = start(&repaint_config, 4);

    step = step_of(0);
    step.mask = NULL;
    assert_step_refused(repaint, &step);
}

static void
test_a_step_in_place_equals_one_that_is_not(void)
{
    for (int klass = 0; klass < N_CLASSES; klass++) {
        SdeSchedulerConfig config = config_of((SdeSchedulerClass) klass);
        g_autoptr(SdeScheduler) first = start(&config, 4);
        g_autoptr(SdeScheduler) second = start(&config, 4);
        float apart[4], place[4], x0[4], from[4];

        memcpy(place, SAMPLE, sizeof(place));
        memcpy(apart, SAMPLE, sizeof(apart));
        for (int i = 0; i < sde_scheduler_get_n_timesteps(first); i++) {
            SdeSchedulerStep step = step_of(i);

            memcpy(from, apart, sizeof(from));
            step.x = from;
            g_assert_true(sde_scheduler_step(first, &step, apart, x0, NULL));
            step.x = place;
            g_assert_true(sde_scheduler_step(second, &step, place, x0, NULL));
            g_assert_cmpmem(apart, sizeof(apart), place, sizeof(place));
        }
    }
}

/* A new run forgets the outputs of the one before. */
static void
test_runs_on_one_scheduler_are_independent(void)
{
    for (int klass = 0; klass < N_CLASSES; klass++) {
        SdeSchedulerConfig config = config_of((SdeSchedulerClass) klass);
        g_autoptr(SdeScheduler) scheduler = new_scheduler(&config);
        SdeTimestepRequest request = {.n_steps = 5};
        float results[2][4], x0[4];

        for (int round = 0; round < 2; round++) {
            float x[4];

            memcpy(x, SAMPLE, sizeof(x));
            g_assert_true(sde_scheduler_set_timesteps(scheduler, &request, NULL));
            for (int i = 0; i < 4; i++) {
                SdeSchedulerStep step = step_of(i);

                step.x = x;
                g_assert_true(sde_scheduler_step(scheduler, &step, x, x0, NULL));
            }
            memcpy(results[round], x, sizeof(x));
        }
        g_assert_cmpmem(results[0], sizeof(x0), results[1], sizeof(x0));
    }
}

/* For a constant epsilon the flow is a straight line: up and down again is the start.
 */
static void
test_inversion_and_ddim_undo_each_other_on_straight_lines(void)
{
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDIM_INVERSE);
    SdeSchedulerConfig back = config_of(SDE_SCHEDULER_DDIM);

    config.set_alpha_to_one = back.set_alpha_to_one = true;
    g_autoptr(SdeScheduler) up = start(&config, 10);
    g_autoptr(SdeScheduler) down = start(&back, 10);
    float x[4], x0[4];

    memcpy(x, SAMPLE, sizeof(x));
    for (int k = 0; k < 20; k++) {
        SdeSchedulerStep step = step_of(k % 10);

        step.x = x;
        g_assert_true(sde_scheduler_step(k < 10 ? up : down, &step, x, x0, NULL));
    }
    for (int i = 0; i < 4; i++) { /* sigma reaches 150: rounding is that much larger */
        g_assert_cmpfloat(fabs((double) x[i] - (double) SAMPLE[i]), <=, 100 * ROUNDING);
    }
}

static void
test_thresholding_divides_by_the_quantile_of_each_image(void)
{
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDIM);
    float output[10], x0[10], out[10];

    config.prediction_type = SDE_PREDICTION_SAMPLE;
    config.thresholding = true;
    config.dynamic_thresholding_ratio = 0.5;
    config.sample_max_value = 10.0;
    g_autoptr(SdeScheduler) scheduler = start(&config, 10);
    /* magnitudes 1..5, median 3; and a second image that is not above 1 */
    const float first[5] = {-4.0f, 1.0f, 5.0f, -2.0f, 3.0f};

    for (int i = 0; i < 5; i++) {
        output[i] = first[i];
        output[5 + i] = 0.1f * first[i];
    }
    SdeSchedulerStep step = {
        .n_images = 2, .count = 5, .x = output, .model_output = output};

    g_assert_true(sde_scheduler_step(scheduler, &step, out, x0, NULL));
    for (int i = 0; i < 5; i++) {
        double want = CLAMP((double) first[i], -3.0, 3.0) / 3.0;

        g_assert_cmpfloat(fabs((double) x0[i] - want), <=, ROUNDING);
        g_assert_cmpfloat(x0[5 + i], ==, output[5 + i]);
    }
}

static void
test_clipping_keeps_x0_in_its_range(void)
{
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDPM);
    float x0[4], out[4];

    config.clip_sample = true;
    config.clip_sample_range = 0.3;
    g_autoptr(SdeScheduler) scheduler = start(&config, 10);
    SdeSchedulerStep step = step_of(0);

    g_assert_true(sde_scheduler_step(scheduler, &step, out, x0, NULL));
    for (int i = 0; i < 4; i++) {
        g_assert_cmpfloat(fabsf(x0[i]), <=, 0.3f);
    }
}

static void
test_every_variance_type_gives_finite_steps(void)
{
    for (int type = SDE_VARIANCE_FIXED_SMALL; type <= SDE_VARIANCE_LEARNED_RANGE;
         type++) {
        SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDPM);
        const float variance[4] = {0.0f, 0.5f, 1.0f, 0.2f};
        float x[4], x0[4];

        config.variance_type = (SdeVariance) type;
        config.prediction_type = SDE_PREDICTION_V;
        g_autoptr(SdeScheduler) scheduler = start(&config, 10);

        memcpy(x, SAMPLE, sizeof(x));
        for (int i = 0; i < 10; i++) {
            SdeSchedulerStep step = step_of(i);

            step.x = x;
            step.variance = variance;
            g_assert_true(sde_scheduler_step(scheduler, &step, x, x0, NULL));
            for (int k = 0; k < 4; k++) {
                g_assert_true(isfinite(x[k]));
            }
        }
    }
}

/* ---- mixing ---------------------------------------------------------------------- */

static void
test_mixing_needs_a_timestep_that_exists(void)
{
    const double wrong[] = {-1.0, 1000.0, 0.5, (double) NAN, 1e300};

    for (int klass = 0; klass < N_CLASSES; klass++) {
        SdeSchedulerConfig config = config_of((SdeSchedulerClass) klass);
        g_autoptr(SdeScheduler) scheduler = start(&config, 7);

        for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
            g_autoptr(GError) error = NULL, other = NULL;
            float out[4] = {7, 7, 7, 7};

            g_assert_false(sde_scheduler_add_noise(scheduler, wrong[i], SAMPLE, NOISE,
                                                   4, out, &error));
            g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
            g_assert_false(sde_scheduler_get_velocity(scheduler, wrong[i], SAMPLE,
                                                      NOISE, 4, out, &other));
            g_assert_error(other, SDE_ERROR, SDE_ERROR_INPUT);
            g_assert_cmpfloat(out[0], ==, 7.0f);
        }
    }
}

/* x = s x0 + n e and v = s e - n x0 turn back into x0 = s x - n v. */
static void
test_velocity_and_noisy_picture_give_the_picture_back(void)
{
    SdeSchedulerConfig config = config_of(SDE_SCHEDULER_DDIM);

    config.prediction_type = SDE_PREDICTION_V;
    g_autoptr(SdeScheduler) scheduler = start(&config, 10);

    for (int i = 0; i < 10; i++) {
        double t = sde_scheduler_get_timestep(scheduler, i);
        float x[4], v[4], x0[4], out[4];

        g_assert_true(sde_scheduler_add_noise(scheduler, t, SAMPLE, NOISE, 4, x, NULL));
        g_assert_true(
            sde_scheduler_get_velocity(scheduler, t, SAMPLE, NOISE, 4, v, NULL));
        SdeSchedulerStep step = {
            .index = i, .n_images = 1, .count = 4, .x = x, .model_output = v};

        g_assert_true(sde_scheduler_step(scheduler, &step, out, x0, NULL));
        for (int k = 0; k < 4; k++) {
            g_assert_cmpfloat(fabs((double) x0[k] - (double) SAMPLE[k]), <=, ROUNDING);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scheduler/unsupported",
                    test_configurations_without_sense_are_refused);
    g_test_add_func(
        "/scheduler/no-signal",
        test_a_schedule_that_ends_without_signal_is_refused_where_it_divides);
    g_test_add_func("/scheduler/zero-snr",
                    test_zero_terminal_snr_is_finite_where_sigma_must_be);
    g_test_add_func("/scheduler/counts", test_lists_have_exactly_the_steps_asked_for);
    g_test_add_func("/scheduler/all-counts",
                    test_every_count_of_steps_up_to_the_training_steps_works);
    g_test_add_func("/scheduler/requests",
                    test_impossible_requests_are_refused_and_change_nothing);
    g_test_add_func("/scheduler/offset", test_an_offset_beyond_the_schedule_is_refused);
    g_test_add_func("/scheduler/own-list", test_only_ddpm_takes_a_falling_list);
    g_test_add_func("/scheduler/lcm",
                    test_lcm_has_no_more_steps_than_it_was_distilled_on);
    g_test_add_func("/scheduler/lcm-boundary",
                    test_lcm_blends_input_and_prediction_at_its_boundary);
    g_test_add_func("/scheduler/repaint",
                    test_repaint_walks_every_stretch_as_often_as_asked);
    g_test_add_func("/scheduler/missing",
                    test_steps_without_what_they_need_are_refused);
    g_test_add_func("/scheduler/in-place", test_a_step_in_place_equals_one_that_is_not);
    g_test_add_func("/scheduler/reuse", test_runs_on_one_scheduler_are_independent);
    g_test_add_func("/scheduler/inversion",
                    test_inversion_and_ddim_undo_each_other_on_straight_lines);
    g_test_add_func("/scheduler/threshold",
                    test_thresholding_divides_by_the_quantile_of_each_image);
    g_test_add_func("/scheduler/clip", test_clipping_keeps_x0_in_its_range);
    g_test_add_func("/scheduler/variance", test_every_variance_type_gives_finite_steps);
    g_test_add_func("/scheduler/mixing", test_mixing_needs_a_timestep_that_exists);
    g_test_add_func("/scheduler/velocity",
                    test_velocity_and_noisy_picture_give_the_picture_back);
    return g_test_run();
}
