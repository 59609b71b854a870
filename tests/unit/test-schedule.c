/* Noise schedules: identities that hold for every schedule, published values, and the
 * way between timesteps and angles. SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/schedule.h"
#include "sde.h"

#define EXACT 1e-12 /* doubles, a few hundred operations */

static SdeSchedulerConfig
config_for(SdeBetaSchedule betas)
{
    SdeSchedulerConfig config;

    sde_scheduler_config_init(&config, SDE_SCHEDULER_DDPM);
    config.beta_schedule = betas;
    return config;
}

static SdeSchedule *
new_schedule(SdeBetaSchedule betas)
{
    SdeSchedulerConfig config = config_for(betas);
    GError *error = NULL;
    SdeSchedule *schedule = sde_schedule_new(&config, &error);

    g_assert_no_error(error);
    return schedule;
}

static void
assert_refused(const SdeSchedulerConfig *config)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeSchedule) schedule = sde_schedule_new(config, &error);

    g_assert_null(schedule);
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
}

static void
test_alphas_are_products_of_betas_and_fall(void)
{
    for (int kind = SDE_BETAS_LINEAR; kind < SDE_BETAS_TRAINED; kind++) {
        g_autoptr(SdeSchedule) schedule = new_schedule((SdeBetaSchedule) kind);
        double product = 1.0, previous = 1.0;

        g_assert_cmpint(schedule->n_train, ==, 1000);
        for (int t = 0; t < 1000; t++) {
            double alpha_bar = schedule->alphas_cumprod[t];

            product *= 1.0 - schedule->betas[t];
            g_assert_cmpfloat(fabs(alpha_bar - product), <=, EXACT);
            g_assert_cmpfloat(alpha_bar, <, previous);
            g_assert_cmpfloat(alpha_bar, >, 0.0);
            previous = alpha_bar;
        }
    }
}

static void
test_linear_betas_have_the_published_ends(void)
{
    g_autoptr(SdeSchedule) schedule = new_schedule(SDE_BETAS_LINEAR);

    g_assert_cmpfloat(fabs(schedule->betas[0] - 1e-4), <=, EXACT);
    g_assert_cmpfloat(fabs(schedule->betas[999] - 0.02), <=, EXACT);
    /* Ho et al. 2020: the signal left at T is about 4e-5 */
    g_assert_cmpfloat(fabs(schedule->alphas_cumprod[999] - 4.036e-5), <=, 1e-8);
}

static void
test_cosine_is_the_cosine_until_its_cap(void)
{
    g_autoptr(SdeSchedule) schedule = new_schedule(SDE_BETAS_SQUAREDCOS_CAP_V2);
    double start = cos(0.008 / 1.008 * G_PI_2);

    for (int t = 0; t < 990; t++) {
        double c = cos(((t + 1) / 1000.0 + 0.008) / 1.008 * G_PI_2) / start;

        g_assert_cmpfloat(fabs(schedule->alphas_cumprod[t] - c * c), <=, 1e-9);
    }
    g_assert_cmpfloat(schedule->betas[999], ==, 0.999);
}

static void
test_square_root_schedule_is_its_formula(void)
{
    g_autoptr(SdeSchedule) schedule = new_schedule(SDE_BETAS_SQRT);

    for (int t = 0; t < 1000; t++) {
        double want = 1.0 - sqrt(t / 1000.0 + 1e-4);

        g_assert_cmpfloat(fabs(schedule->alphas_cumprod[t] - want), <=, EXACT);
    }
}

static void
test_trained_betas_are_taken_as_they_are(void)
{
    double betas[] = {0.1, 0.2, 0.05};
    SdeSchedulerConfig config = config_for(SDE_BETAS_TRAINED);

    config.num_train_timesteps = 3;
    config.trained_betas = betas;
    g_autoptr(SdeSchedule) schedule = sde_schedule_new(&config, NULL);

    g_assert_cmpfloat(fabs(schedule->alphas_cumprod[2] - 0.9 * 0.8 * 0.95), <=, EXACT);
}

static void
test_zero_terminal_snr_ends_in_pure_noise_and_keeps_the_start(void)
{
    g_autoptr(SdeSchedule) plain = new_schedule(SDE_BETAS_SCALED_LINEAR);
    SdeSchedulerConfig config = config_for(SDE_BETAS_SCALED_LINEAR);

    config.rescale_betas_zero_snr = true;
    g_autoptr(SdeSchedule) schedule = sde_schedule_new(&config, NULL);

    g_assert_cmpfloat(schedule->alphas_cumprod[999], ==, 0.0);
    g_assert_cmpfloat(fabs(schedule->alphas_cumprod[0] - plain->alphas_cumprod[0]), <=,
                      EXACT);
    g_assert_cmpfloat(fabs(sde_schedule_theta_at(schedule, 999) - G_PI_2), <=, EXACT);
}

static void
test_theta_has_the_cosine_of_the_signal(void)
{
    g_autoptr(SdeSchedule) schedule = new_schedule(SDE_BETAS_LINEAR);

    for (int t = 0; t < 1000; t++) {
        double c = cos(sde_schedule_theta_at(schedule, t));

        g_assert_cmpfloat(fabs(c * c - schedule->alphas_cumprod[t]), <=, EXACT);
    }
    g_assert_cmpfloat(sde_schedule_theta_at(schedule, -1.0), ==, 0.0);
    g_assert_cmpfloat(sde_schedule_theta_at(schedule, -7.0), ==, 0.0);
    g_assert_cmpfloat(sde_schedule_theta_at(schedule, 5000.0), ==,
                      sde_schedule_theta_at(schedule, 999.0));
}

static void
test_timestep_and_theta_are_inverse(void)
{
    for (int kind = SDE_BETAS_LINEAR; kind < SDE_BETAS_TRAINED; kind++) {
        g_autoptr(SdeSchedule) schedule = new_schedule((SdeBetaSchedule) kind);

        for (double t = -1.0; t <= 999.0; t += 0.37) {
            double back =
                sde_schedule_t_at(schedule, sde_schedule_theta_at(schedule, t));

            /* laplace is almost flat at its ends: an angle says little about t there */
            g_assert_cmpfloat(fabs(back - t), <=, 1e-6);
        }
    }
}

static void
test_timestep_of_impossible_angles_is_clamped(void)
{
    g_autoptr(SdeSchedule) schedule = new_schedule(SDE_BETAS_LINEAR);

    g_assert_cmpfloat(sde_schedule_t_at(schedule, 0.0), ==, -1.0);
    g_assert_cmpfloat(sde_schedule_t_at(schedule, -0.5), ==, -1.0);
    g_assert_cmpfloat(sde_schedule_t_at(schedule, (double) NAN), ==, -1.0);
    g_assert_cmpfloat(sde_schedule_t_at(schedule, G_PI_2), ==, 999.0);
    g_assert_cmpfloat(sde_schedule_t_at(schedule, 3.0), ==, 999.0);
}

static void
test_equal_betas_of_zero_do_not_divide_by_zero(void)
{
    double betas[] = {0.0, 0.0, 0.5, 0.0};
    SdeSchedulerConfig config = config_for(SDE_BETAS_TRAINED);

    config.num_train_timesteps = 4;
    config.trained_betas = betas;
    g_autoptr(SdeSchedule) schedule = sde_schedule_new(&config, NULL);

    for (double theta = 0.0; theta < 1.5; theta += 0.01) {
        double t = sde_schedule_t_at(schedule, theta);

        g_assert_true(t >= -1.0 && t <= 3.0);
    }
}

/* algorithms.md 3.2: timestep whose sigma is that of a photo's noise in 8-bit units */
static void
test_photo_noise_has_the_published_timesteps(void)
{
    g_autoptr(SdeSchedule) linear = new_schedule(SDE_BETAS_LINEAR);
    g_autoptr(SdeSchedule) cosine = new_schedule(SDE_BETAS_SQUAREDCOS_CAP_V2);
    const double sigmas[] = {10, 15, 25, 50, 100};
    const double want_linear[] = {20, 32, 56, 114, 214};
    const double want_cosine[] = {42, 67, 116, 231, 418};

    for (int i = 0; i < 5; i++) {
        double theta = atan(2.0 * sigmas[i] / 255.0);

        g_assert_cmpfloat(fabs(sde_schedule_t_at(linear, theta) - want_linear[i]), <=,
                          1.0);
        g_assert_cmpfloat(fabs(sde_schedule_t_at(cosine, theta) - want_cosine[i]), <=,
                          1.0);
    }
}

static void
test_few_step_angles_fall_from_strength_to_zero(void)
{
    g_autoptr(SdeSchedule) schedule = new_schedule(SDE_BETAS_SQUAREDCOS_CAP_V2);
    const double strengths[] = {1.0, 0.4, 0.001};

    for (int k = 0; k < 3; k++) {
        for (int n = 1; n <= 12; n++) {
            double thetas[13];

            sde_schedule_fill_thetas(schedule, strengths[k], n, thetas);
            g_assert_cmpfloat(
                fabs(thetas[0] -
                     sde_schedule_theta_at(schedule, strengths[k] * 1000.0 - 1.0)),
                <=, EXACT);
            g_assert_cmpfloat(thetas[n], ==, 0.0);
            for (int i = 0; i < n; i++) {
                g_assert_cmpfloat(thetas[i + 1], <, thetas[i]);
            }
        }
    }
}

static void
test_schedules_without_sense_are_refused(void)
{
    double betas[] = {0.1, 1.5};
    double zeros[] = {0.0, 0.0};
    SdeSchedulerConfig config = config_for(SDE_BETAS_TRAINED);

    assert_refused(&config); /* no betas */
    config.num_train_timesteps = 2;
    config.trained_betas = betas;
    assert_refused(&config); /* beta above 1 */
    betas[1] = -0.1;
    assert_refused(&config);
    betas[1] = (double) NAN;
    assert_refused(&config);
    config.trained_betas = zeros;
    config.rescale_betas_zero_snr = true;
    assert_refused(&config); /* nothing to stretch */

    config = config_for(SDE_BETAS_LINEAR);
    config.num_train_timesteps = 0;
    assert_refused(&config);
    config.num_train_timesteps = 10001;
    assert_refused(&config);
    config.num_train_timesteps = 1;
    config.rescale_betas_zero_snr = true;
    assert_refused(&config);
    config = config_for(SDE_BETAS_LINEAR);
    config.beta_end = 2.0;
    assert_refused(&config);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/schedule/products", test_alphas_are_products_of_betas_and_fall);
    g_test_add_func("/schedule/linear", test_linear_betas_have_the_published_ends);
    g_test_add_func("/schedule/cosine", test_cosine_is_the_cosine_until_its_cap);
    g_test_add_func("/schedule/sqrt", test_square_root_schedule_is_its_formula);
    g_test_add_func("/schedule/trained", test_trained_betas_are_taken_as_they_are);
    g_test_add_func("/schedule/zero-snr",
                    test_zero_terminal_snr_ends_in_pure_noise_and_keeps_the_start);
    g_test_add_func("/schedule/theta", test_theta_has_the_cosine_of_the_signal);
    g_test_add_func("/schedule/inverse", test_timestep_and_theta_are_inverse);
    g_test_add_func("/schedule/clamped", test_timestep_of_impossible_angles_is_clamped);
    g_test_add_func("/schedule/flat", test_equal_betas_of_zero_do_not_divide_by_zero);
    g_test_add_func("/schedule/photo-noise",
                    test_photo_noise_has_the_published_timesteps);
    g_test_add_func("/schedule/few-steps",
                    test_few_step_angles_fall_from_strength_to_zero);
    g_test_add_func("/schedule/refused", test_schedules_without_sense_are_refused);
    return g_test_run();
}
