/* Native samplers on data whose exact denoiser is known: normal N(m, s^2) per pixel.
 * The probability flow then keeps (x - cos m) / sqrt(cos^2 s^2 + sin^2), so the end of
 * every deterministic walk is known; stochastic ones must keep the marginal. Every
 * method is also held against its scheduler of diffusers. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "sample/sampler.h"
#include "sample/scheduler.h"

#define MEAN     0.3
#define SPREAD   0.5
#define ROUNDING 2e-6 /* of a few float operations on values near 1 */

static const SdeSampler stochastic[] = {SDE_SAMPLER_DDPM, SDE_SAMPLER_EULER_ANCESTRAL,
                                        SDE_SAMPLER_LCM};

static SdeSamplerState *
new_state(SdeSampler sampler, double eta, size_t n_pixels)
{
    GError *error = NULL;
    SdeSamplerState *state = sde_sampler_state_new(sampler, eta, n_pixels, &error);

    g_assert_no_error(error);
    return state;
}

static void
fill_noise(uint32_t stream, size_t n_pixels, float *out)
{
    sde_rng_fill_normal(7, stream, 0, 0, (int) n_pixels, 1, 3, out, 3 * n_pixels);
}

static void
fill_flat(float *map, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) {
        map[i] = (float) value;
    }
}

/* E[x0 | x] for data N(mean, spread^2). */
static void
denoise_normal(const float *x, const float *theta, size_t n_pixels, double mean,
               double spread, float *d)
{
    for (size_t i = 0; i < n_pixels * 3; i++) {
        double c = cos((double) theta[i / 3]), s = sin((double) theta[i / 3]);
        double signal = c * spread * spread / (c * c * spread * spread + s * s);

        d[i] = (float) (mean + signal * ((double) x[i] - c * mean));
    }
}

static double
spread_at(double theta)
{
    return hypot(cos(theta) * SPREAD, sin(theta));
}

/* Angles evenly spaced in lambda = log(cos / sin). */
static double
theta_of_lambda(double lambda)
{
    return atan(exp(-lambda));
}

#define FIRST_LAMBDA -2.0
#define LAST_LAMBDA  0.5 /* a stretch on which the method's errors have one sign */

/* Error of a deterministic walk against the exact flow. */
static double
measure_error(SdeSampler sampler, int n_steps)
{
    g_autoptr(SdeSamplerState) state = new_state(sampler, 0.0, 1);
    double start = theta_of_lambda(FIRST_LAMBDA), end = theta_of_lambda(LAST_LAMBDA);
    double h = (LAST_LAMBDA - FIRST_LAMBDA) / n_steps;
    float x[3] = {1.1f, -0.7f, 0.4f}, d[3], now, next;
    double worst = 0.0;
    double exact[3];

    for (int c = 0; c < 3; c++) {
        exact[c] = cos(end) * MEAN + ((double) x[c] - cos(start) * MEAN) *
                                         spread_at(end) / spread_at(start);
    }
    for (int i = 0; i < n_steps; i++) {
        now = (float) theta_of_lambda(FIRST_LAMBDA + h * i);
        next = (float) theta_of_lambda(FIRST_LAMBDA + h * (i + 1));
        denoise_normal(x, &now, 1, MEAN, SPREAD, d);
        sde_sampler_step(state, x, d, &now, &next, NULL);
    }
    for (int c = 0; c < 3; c++) {
        worst = fmax(worst, fabs((double) x[c] - exact[c]));
    }
    return worst;
}

static void
assert_order(SdeSampler sampler, double order)
{
    double coarse = measure_error(sampler, 16), fine = measure_error(sampler, 32);
    double found = log2(coarse / fine);

    g_assert_cmpfloat(fabs(found - order), <, 0.2);
}

static void
test_deterministic_methods_converge_at_their_order(void)
{
    assert_order(SDE_SAMPLER_DDIM, 1.0);
    assert_order(SDE_SAMPLER_EULER, 1.0);
    assert_order(SDE_SAMPLER_DPMPP_2M, 2.0);
    g_assert_cmpfloat(measure_error(SDE_SAMPLER_DPMPP_2M, 16), <,
                      0.2 * measure_error(SDE_SAMPLER_DDIM, 16));
}

/* For one point as data (D is the point) every method is exact in one step of any size:
 * x' must be N(cos' m, sin'^2). */
static void
assert_keeps_marginal(SdeSampler sampler, double eta, double from, double to)
{
    enum { N_PIXELS = 40000 };
    g_autoptr(SdeSamplerState) state = new_state(sampler, eta, N_PIXELS);
    g_autofree float *x = g_new(float, 3 * N_PIXELS), *d = g_new(float, 3 * N_PIXELS);
    g_autofree float *noise = g_new(float, 3 * N_PIXELS);
    g_autofree float *now = g_new(float, N_PIXELS), *next = g_new(float, N_PIXELS);
    double sum = 0.0, squares = 0.0, count = 3 * N_PIXELS;

    fill_noise(1, N_PIXELS, x);
    fill_noise(2, N_PIXELS, noise);
    fill_flat(now, N_PIXELS, from);
    fill_flat(next, N_PIXELS, to);
    fill_flat(d, 3 * (size_t) N_PIXELS, MEAN);
    for (size_t i = 0; i < 3 * N_PIXELS; i++) {
        x[i] = (float) (cos(from) * MEAN + sin(from) * (double) x[i]);
    }
    sde_sampler_step(state, x, d, now, next, noise);
    for (size_t i = 0; i < 3 * N_PIXELS; i++) {
        double z = ((double) x[i] - cos(to) * MEAN) / sin(to);

        sum += z;
        squares += z * z;
    }
    /* four standard deviations of the mean and of the variance */
    g_assert_cmpfloat(fabs(sum / count), <, 4.0 / sqrt(count));
    g_assert_cmpfloat(fabs(squares / count - 1.0), <, 4.0 * sqrt(2.0 / count));
}

static void
test_every_method_keeps_the_marginal_of_a_point(void)
{
    for (int sampler = 0; sampler < SDE_N_SAMPLERS; sampler++) {
        assert_keeps_marginal((SdeSampler) sampler, 0.0, 1.4, 0.9);
        assert_keeps_marginal((SdeSampler) sampler, 0.0, G_PI_2, 0.5);
        assert_keeps_marginal((SdeSampler) sampler, 0.0, 0.2, 0.01);
    }
    assert_keeps_marginal(SDE_SAMPLER_DDIM, 0.5, 1.4, 0.9);
    assert_keeps_marginal(SDE_SAMPLER_DDIM, 1.0, 1.4, 0.9);
}

/* ---- against the schedulers of diffusers ----------------------------------------- */

typedef struct {
    SdeSchedulerClass klass;
    SdeSampler sampler;
    double eta;
    bool variance_exploding;
} Pair;

/* Angle of entry i of the scheduler's list, 0 behind the last. */
static double
angle_of(const SdeScheduler *scheduler, int i)
{
    const double *sigmas = sde_scheduler_peek_sigmas(scheduler);

    if (sigmas != NULL) {
        return atan(sigmas[i]);
    }
    return i < sde_scheduler_get_n_timesteps(scheduler)
               ? sde_schedule_theta_at(sde_scheduler_peek_schedule(scheduler),
                                       sde_scheduler_get_timestep(scheduler, i))
               : 0.0;
}

static SdeScheduler *
new_reference(const Pair *pair, int n_steps)
{
    SdeSchedulerConfig config;
    SdeTimestepRequest request = {.n_steps = n_steps};
    GError *error = NULL;
    SdeScheduler *scheduler;

    sde_scheduler_config_init(&config, pair->klass);
    config.clip_sample = false;
    config.set_alpha_to_one = true;
    config.final_sigma_zero = true;
    config.prediction_type = SDE_PREDICTION_SAMPLE; /* the model output is D */
    config.timestep_scaling = 1e9; /* LCM without its boundary condition */
    scheduler = sde_scheduler_new(&config, &error);
    g_assert_no_error(error);
    sde_scheduler_set_timesteps(scheduler, &request, &error);
    g_assert_no_error(error);
    return scheduler;
}

static void
compare_with_reference(const Pair *pair)
{
    enum { N_STEPS = 10 };
    g_autoptr(SdeScheduler) scheduler = new_reference(pair, N_STEPS);
    g_autoptr(SdeSamplerState) state = new_state(pair->sampler, pair->eta, 1);
    float x[3] = {0.9f, -0.4f, 1.3f}, reference[3], d[3], x0[3], noise[3];
    double scale = pair->variance_exploding ? 1.0 / cos(angle_of(scheduler, 0)) : 1.0;

    for (int c = 0; c < 3; c++) {
        reference[c] = (float) (scale * (double) x[c]);
    }
    for (int i = 0; i < N_STEPS; i++) {
        float now = (float) angle_of(scheduler, i);
        float next = (float) angle_of(scheduler, i + 1);
        SdeSchedulerStep step = {.index = i,
                                 .n_images = 1,
                                 .count = 3,
                                 .x = reference,
                                 .model_output = d,
                                 .noise = noise,
                                 .eta = pair->eta};

        fill_noise((uint32_t) i, 1, noise);
        denoise_normal(x, &now, 1, MEAN, SPREAD, d);
        sde_sampler_step(state, x, d, &now, &next, noise);
        g_assert_true(sde_scheduler_step(scheduler, &step, reference, x0, NULL));
        scale = pair->variance_exploding ? cos((double) next) : 1.0;
        for (int c = 0; c < 3; c++) {
            /* ten steps of float rounding, in a frame up to 15 times as large */
            g_assert_cmpfloat(fabs((double) x[c] - scale * (double) reference[c]), <=,
                              2e-5);
        }
    }
}

static void
test_native_steps_equal_the_schedulers_of_diffusers(void)
{
    const Pair pairs[] = {
        {SDE_SCHEDULER_DDIM, SDE_SAMPLER_DDIM, 0.0, false},
        {SDE_SCHEDULER_DDIM, SDE_SAMPLER_DDIM, 0.6, false},
        {SDE_SCHEDULER_DDIM, SDE_SAMPLER_DDPM, 1.0, false},
        {SDE_SCHEDULER_DDPM, SDE_SAMPLER_DDPM, 0.0, false},
        {SDE_SCHEDULER_DPM_SOLVER_MULTISTEP, SDE_SAMPLER_DPMPP_2M, 0.0, false},
        {SDE_SCHEDULER_EULER, SDE_SAMPLER_EULER, 0.0, true},
        {SDE_SCHEDULER_EULER_ANCESTRAL, SDE_SAMPLER_EULER_ANCESTRAL, 0.0, true},
        {SDE_SCHEDULER_LCM, SDE_SAMPLER_LCM, 0.0, false},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        compare_with_reference(&pairs[i]);
    }
}

/* ---- pixels each with their own angle -------------------------------------------- */

static void
test_pixels_whose_angle_stays_are_left_bit_for_bit(void)
{
    for (int sampler = 0; sampler < SDE_N_SAMPLERS; sampler++) {
        g_autoptr(SdeSamplerState) state = new_state((SdeSampler) sampler, 1.0, 3);
        float before[9], x[9], noise[9], d[9] = {0};
        const float now[3] = {0.0f, 0.8f, 1.2f}, next[3] = {0.0f, 0.8f, 0.7f};

        fill_noise(3, 3, before);
        fill_noise(4, 3, noise);
        memcpy(x, before, sizeof(x));
        for (int i = 0; i < 2; i++) { /* twice: 2M has a memory the second time */
            sde_sampler_step(state, x, d, now, next, noise);
            g_assert_cmpmem(x, 6 * sizeof(float), before, 6 * sizeof(float));
            g_assert_cmpfloat(x[6], !=, before[6]);
        }
    }
}

static void
test_a_pixel_does_not_depend_on_its_neighbours(void)
{
    const float thetas[4][3] = {
        {1.5f, 0.9f, 1.5f}, {1.1f, 0.9f, 1.0f}, {0.6f, 0.6f, 0.0f}, {0.0f, 0.0f, 0.0f}};

    for (int sampler = 0; sampler < SDE_N_SAMPLERS; sampler++) {
        g_autoptr(SdeSamplerState) all = new_state((SdeSampler) sampler, 0.7, 3);
        float x[9], d[9], noise[9];

        fill_noise(5, 3, x);
        for (int p = 0; p < 3; p++) {
            g_autoptr(SdeSamplerState) one = new_state((SdeSampler) sampler, 0.7, 1);
            float alone[3];

            memcpy(alone, x + 3 * p, sizeof(alone));
            for (int i = 0; i < 3; i++) {
                fill_noise(6 + (uint32_t) i, 3, noise);
                denoise_normal(alone, &thetas[i][p], 1, MEAN, SPREAD, d);
                sde_sampler_step(one, alone, d, &thetas[i][p], &thetas[i + 1][p],
                                 noise + 3 * p);
            }
            float together[9];
            g_autoptr(SdeSamplerState) fresh = new_state((SdeSampler) sampler, 0.7, 3);

            memcpy(together, x, sizeof(together));
            for (int i = 0; i < 3; i++) {
                fill_noise(6 + (uint32_t) i, 3, noise);
                denoise_normal(together, thetas[i], 3, MEAN, SPREAD, d);
                sde_sampler_step(fresh, together, d, thetas[i], thetas[i + 1], noise);
            }
            g_assert_cmpmem(alone, sizeof(alone), together + 3 * p, sizeof(alone));
        }
    }
}

static void
test_the_last_step_ends_in_d(void)
{
    for (int sampler = 0; sampler < SDE_N_SAMPLERS; sampler++) {
        g_autoptr(SdeSamplerState) state = new_state((SdeSampler) sampler, 1.0, 1);
        float x[3] = {2.0f, -1.0f, 0.1f}, noise[3] = {1.0f, 1.0f, 1.0f};
        const float d[3] = {0.25f, -0.5f, 0.75f}, earlier[3] = {9.0f, 9.0f, 9.0f};
        const float start = 1.3f, now = 0.4f, end = 0.0f;

        sde_sampler_step(state, x, earlier, &start, &now, noise);
        sde_sampler_step(state, x, d, &now, &end, noise);
        for (int c = 0; c < 3; c++) {
            g_assert_cmpfloat(x[c], ==, d[c]);
        }
    }
}

static void
test_pure_noise_is_a_legal_start(void)
{
    /* the float nearest to pi/2 lies above pi/2 */
    const float thetas[4] = {(float) G_PI_2, 1.2f, 0.5f, 0.0f};

    for (int sampler = 0; sampler < SDE_N_SAMPLERS; sampler++) {
        g_autoptr(SdeSamplerState) state = new_state((SdeSampler) sampler, 1.0, 1);
        float x[3] = {2.5f, -1.5f, 0.1f}, noise[3] = {1.0f, -1.0f, 0.5f}, d[3];

        for (int i = 0; i < 3; i++) {
            denoise_normal(x, &thetas[i], 1, MEAN, SPREAD, d);
            sde_sampler_step(state, x, d, &thetas[i], &thetas[i + 1], noise);
            for (int c = 0; c < 3; c++) {
                g_assert_true(isfinite(x[c]) && fabsf(x[c]) < 5.0f);
            }
        }
    }
}

/* The noise in x is x minus the edited D: an edit moves x' by the whole new direction.
 */
static void
test_noise_is_worked_out_from_the_edited_d(void)
{
    const double now = 1.1, next = 0.6;
    const float now_f = (float) now, next_f = (float) next;
    const float edited[3] = {0.1f, 0.2f, -0.9f};
    const SdeSampler methods[] = {SDE_SAMPLER_DDIM, SDE_SAMPLER_EULER,
                                  SDE_SAMPLER_DPMPP_2M};

    for (size_t k = 0; k < G_N_ELEMENTS(methods); k++) {
        g_autoptr(SdeSamplerState) state = new_state(methods[k], 0.0, 1);
        float x[3] = {0.7f, -0.3f, 0.5f};
        double want[3];

        for (int c = 0; c < 3; c++) {
            double epsilon = ((double) x[c] - cos(now) * (double) edited[c]) / sin(now);

            want[c] = cos(next) * (double) edited[c] + sin(next) * epsilon;
        }
        sde_sampler_step(state, x, edited, &now_f, &next_f, NULL);
        for (int c = 0; c < 3; c++) {
            g_assert_cmpfloat(fabs((double) x[c] - want[c]), <=, ROUNDING);
        }
    }
}

/* ---- the way up ------------------------------------------------------------------ */

static void
test_renoise_from_clean_is_the_forward_process(void)
{
    g_autoptr(SdeSamplerState) state = new_state(SDE_SAMPLER_DDIM, 0.0, 2);
    float x[6] = {0.5f, -0.5f, 0.25f, 0.1f, 0.2f, 0.3f}, noise[6], before[6];
    const float now[2] = {0.0f, 0.0f}, next[2] = {0.9f, 0.0f};

    fill_noise(9, 2, noise);
    memcpy(before, x, sizeof(x));
    sde_sampler_renoise(state, x, now, next, noise);
    for (int c = 0; c < 3; c++) {
        double want = cos(0.9) * (double) before[c] + sin(0.9) * (double) noise[c];

        g_assert_cmpfloat(fabs((double) x[c] - want), <=, ROUNDING);
    }
    g_assert_cmpmem(x + 3, 3 * sizeof(float), before + 3, 3 * sizeof(float));
}

/* var' = ratio^2 var + 1 - ratio^2 with var = sin^2 gives sin'^2 */
static void
test_renoise_reaches_the_variance_of_the_higher_level(void)
{
    enum { N_PIXELS = 40000 };
    g_autoptr(SdeSamplerState) state = new_state(SDE_SAMPLER_DDIM, 0.0, N_PIXELS);
    g_autofree float *x = g_new(float, 3 * N_PIXELS);
    g_autofree float *noise = g_new(float, 3 * N_PIXELS);
    g_autofree float *now = g_new(float, N_PIXELS), *next = g_new(float, N_PIXELS);
    double squares = 0.0, count = 3 * N_PIXELS;

    fill_noise(10, N_PIXELS, x);
    fill_noise(11, N_PIXELS, noise);
    fill_flat(now, N_PIXELS, 0.4);
    fill_flat(next, N_PIXELS, 1.0);
    for (size_t i = 0; i < 3 * N_PIXELS; i++) {
        x[i] *= sinf(0.4f);
    }
    sde_sampler_renoise(state, x, now, next, noise);
    for (size_t i = 0; i < 3 * N_PIXELS; i++) {
        squares += (double) x[i] * (double) x[i];
    }
    g_assert_cmpfloat(fabs(squares / count / (sin(1.0) * sin(1.0)) - 1.0), <,
                      4.0 * sqrt(2.0 / count));
}

static void
test_renoise_forgets_the_last_d(void)
{
    g_autoptr(SdeSamplerState) jumped = new_state(SDE_SAMPLER_DPMPP_2M, 0.0, 1);
    g_autoptr(SdeSamplerState) fresh = new_state(SDE_SAMPLER_DPMPP_2M, 0.0, 1);
    const float high = 1.2f, low = 0.6f, again = 0.9f, end = 0.3f;
    const float odd[3] = {5.0f, 5.0f, 5.0f}, d[3] = {0.1f, 0.2f, 0.3f};
    float x[3] = {1.0f, 0.5f, -0.5f}, y[3], noise[3] = {0.3f, -0.2f, 0.1f};

    sde_sampler_step(jumped, x, odd, &high, &low, NULL);
    sde_sampler_renoise(jumped, x, &low, &again, noise);
    memcpy(y, x, sizeof(x));
    sde_sampler_step(jumped, x, d, &again, &end, NULL);
    sde_sampler_step(fresh, y, d, &again, &end, NULL);
    g_assert_cmpmem(x, sizeof(x), y, sizeof(y));
}

/* ---- names, needs, refusals ------------------------------------------------------ */

static void
test_names_lead_back_to_their_samplers(void)
{
    for (int i = 0; i < SDE_N_SAMPLERS; i++) {
        SdeSampler found = SDE_N_SAMPLERS;

        g_assert_true(
            sde_sampler_from_name(sde_sampler_get_name((SdeSampler) i), &found, NULL));
        g_assert_cmpint((int) found, ==, i);
    }
}

static void
test_an_unknown_name_is_refused_with_the_known_ones(void)
{
    const char *const names[] = {"", "DDIM", "ddim ", "heun", "dpmpp_2m"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        SdeSampler sampler = SDE_SAMPLER_LCM;

        g_assert_false(sde_sampler_from_name(names[i], &sampler, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
        g_assert_nonnull(strstr(error->message, "euler-ancestral"));
        g_assert_cmpint(sampler, ==, SDE_SAMPLER_LCM);
    }
}

/* Two runs with different noise differ exactly when the method says it needs noise. */
static void
test_noise_matters_where_it_is_needed(void)
{
    for (int sampler = 0; sampler < SDE_N_SAMPLERS; sampler++) {
        for (int e = 0; e < 2; e++) {
            float x[3] = {0.5f, 0.6f, 0.7f}, y[3] = {0.5f, 0.6f, 0.7f};
            const float d[3] = {0.1f, 0.1f, 0.1f}, now = 1.0f, next = 0.5f;
            const float quiet[3] = {0.0f, 0.0f, 0.0f}, loud[3] = {1.0f, 1.0f, 1.0f};
            g_autoptr(SdeSamplerState) first = new_state((SdeSampler) sampler, e, 1);
            g_autoptr(SdeSamplerState) second = new_state((SdeSampler) sampler, e, 1);
            bool needed = sde_sampler_needs_noise((SdeSampler) sampler, e);

            sde_sampler_step(first, x, d, &now, &next, quiet);
            sde_sampler_step(second, y, d, &now, &next, loud);
            g_assert_cmpint(x[0] != y[0], ==, needed);
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(stochastic); i++) {
        g_assert_true(sde_sampler_needs_noise(stochastic[i], 0.0));
    }
    g_assert_false(sde_sampler_needs_noise(SDE_SAMPLER_DDIM, 0.0));
}

static void
test_eta_outside_its_range_is_refused(void)
{
    const double etas[] = {-0.01, 1.01, 1e9, (double) NAN, (double) INFINITY};

    for (size_t i = 0; i < G_N_ELEMENTS(etas); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(SdeSamplerState) state =
            sde_sampler_state_new(SDE_SAMPLER_DDIM, etas[i], 1, &error);

        g_assert_null(state);
        g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
    }
}

static void
test_a_sampler_that_does_not_exist_is_refused(void)
{
    const int numbers[] = {-1, SDE_N_SAMPLERS, 99};

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(SdeSamplerState) state =
            sde_sampler_state_new((SdeSampler) numbers[i], 0.0, 1, &error);

        g_assert_null(state);
        g_assert_error(error, SDE_ERROR, SDE_ERROR_INPUT);
    }
}

static void
test_only_multistep_methods_hold_memory(void)
{
    for (int i = 0; i < SDE_N_SAMPLERS; i++) {
        size_t bytes = sde_sampler_plan((SdeSampler) i, 100);

        g_assert_cmpuint(bytes, ==, i == SDE_SAMPLER_DPMPP_2M ? 1600 : 0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sampler/order",
                    test_deterministic_methods_converge_at_their_order);
    g_test_add_func("/sampler/marginal",
                    test_every_method_keeps_the_marginal_of_a_point);
    g_test_add_func("/sampler/reference",
                    test_native_steps_equal_the_schedulers_of_diffusers);
    g_test_add_func("/sampler/known",
                    test_pixels_whose_angle_stays_are_left_bit_for_bit);
    g_test_add_func("/sampler/independent",
                    test_a_pixel_does_not_depend_on_its_neighbours);
    g_test_add_func("/sampler/last", test_the_last_step_ends_in_d);
    g_test_add_func("/sampler/pure-noise", test_pure_noise_is_a_legal_start);
    g_test_add_func("/sampler/edited", test_noise_is_worked_out_from_the_edited_d);
    g_test_add_func("/sampler/forward", test_renoise_from_clean_is_the_forward_process);
    g_test_add_func("/sampler/renoise-variance",
                    test_renoise_reaches_the_variance_of_the_higher_level);
    g_test_add_func("/sampler/renoise-forgets", test_renoise_forgets_the_last_d);
    g_test_add_func("/sampler/names", test_names_lead_back_to_their_samplers);
    g_test_add_func("/sampler/unknown-name",
                    test_an_unknown_name_is_refused_with_the_known_ones);
    g_test_add_func("/sampler/needs-noise", test_noise_matters_where_it_is_needed);
    g_test_add_func("/sampler/eta", test_eta_outside_its_range_is_refused);
    g_test_add_func("/sampler/number", test_a_sampler_that_does_not_exist_is_refused);
    g_test_add_func("/sampler/memory", test_only_multistep_methods_hold_memory);
    return g_test_run();
}
