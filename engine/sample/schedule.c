/* Noise schedules: betas as diffusers builds them, their cumulative products, and the
 * VP angle theta of a (possibly fractional) timestep. Tables are kept in double: the
 * float32 tables of the reference differ from these by its own rounding only.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/schedule.h"

#include <math.h>

#include "sde.h"

#define MAX_BETA          0.999 /* where alpha-bar transforms are capped (Nichol & Dhariwal) */
#define SQRT_OFFSET       1e-4 /* s of the square-root schedule (Li et al. 2022) */
#define SIGMOID_HALF_SPAN 6.0

typedef double (*AlphaBar)(double u);

static double
alpha_bar_cosine(double u)
{
    double c = cos((u + 0.008) / 1.008 * G_PI_2);

    return c * c;
}

static double
alpha_bar_laplace(double u)
{
    double lambda =
        -0.5 * copysign(1.0, 0.5 - u) * log(1.0 - 2.0 * fabs(0.5 - u) + 1e-6);
    double snr = exp(lambda);

    return sqrt(snr / (1.0 + snr));
}

static void
fill_betas_for_alpha_bar(double *betas, int n, AlphaBar alpha_bar)
{
    for (int i = 0; i < n; i++) {
        double now = alpha_bar((double) i / n), next = alpha_bar((double) (i + 1) / n);

        betas[i] = fmin(1.0 - next / now, MAX_BETA);
    }
}

/* i-th of n evenly spaced values from a to b. */
static double
lerp_at(double a, double b, int i, int n)
{
    return n > 1 ? a + (b - a) * i / (n - 1) : a;
}

static void
fill_betas_sqrt(double *betas, int n)
{
    double previous = 1.0;

    for (int i = 0; i < n; i++) {
        double alpha_bar = 1.0 - sqrt((double) i / n + SQRT_OFFSET);

        betas[i] = fmin(1.0 - alpha_bar / previous, MAX_BETA);
        previous = alpha_bar;
    }
}

static void
fill_betas(const SdeSchedulerConfig *config, double *betas)
{
    int n = config->num_train_timesteps;
    double start = config->beta_start, end = config->beta_end;

    switch (config->beta_schedule) {
    case SDE_BETAS_LINEAR:
        for (int i = 0; i < n; i++) {
            betas[i] = lerp_at(start, end, i, n);
        }
        break;
    case SDE_BETAS_SCALED_LINEAR:
        for (int i = 0; i < n; i++) {
            double root = lerp_at(sqrt(start), sqrt(end), i, n);

            betas[i] = root * root;
        }
        break;
    case SDE_BETAS_SIGMOID:
        for (int i = 0; i < n; i++) {
            double u = lerp_at(-SIGMOID_HALF_SPAN, SIGMOID_HALF_SPAN, i, n);

            betas[i] = (end - start) / (1.0 + exp(-u)) + start;
        }
        break;
    case SDE_BETAS_SQUAREDCOS_CAP_V2:
        fill_betas_for_alpha_bar(betas, n, alpha_bar_cosine);
        break;
    case SDE_BETAS_LAPLACE:
        fill_betas_for_alpha_bar(betas, n, alpha_bar_laplace);
        break;
    case SDE_BETAS_SQRT:
        fill_betas_sqrt(betas, n);
        break;
    case SDE_BETAS_TRAINED:
        for (int i = 0; i < n; i++) {
            betas[i] = config->trained_betas[i];
        }
        break;
    }
}

/* Shifts and stretches sqrt(alphas_cumprod) so that the last is exactly 0 and the first
 * stays (Lin et al. 2023, algorithm 1). */
static void
rescale_zero_terminal_snr(double *betas, int n)
{
    g_autofree double *root = g_new(double, n);
    double product = 1.0, previous = 1.0;

    g_assert(n >= 1);
    for (int i = 0; i < n; i++) {
        product *= 1.0 - betas[i];
        root[i] = sqrt(product);
    }
    double first = root[0], last = root[n - 1];

    for (int i = 0; i < n; i++) {
        double moved = (root[i] - last) * first / (first - last);
        double alpha_bar = moved * moved;

        betas[i] = 1.0 - alpha_bar / previous;
        previous = alpha_bar;
    }
}

static bool
check_config(const SdeSchedulerConfig *config, GError **error)
{
    if (config->num_train_timesteps < 1 || config->num_train_timesteps > 10000) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "num_train_timesteps is %d, expected 1 to 10000",
                    config->num_train_timesteps);
        return false;
    }
    if (config->beta_schedule == SDE_BETAS_TRAINED && config->trained_betas == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "beta_schedule is trained, but trained_betas is missing");
        return false;
    }
    if (config->rescale_betas_zero_snr && config->num_train_timesteps < 2) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "rescale_betas_zero_snr needs at least 2 timesteps, found %d",
                    config->num_train_timesteps);
        return false;
    }
    return true;
}

static bool
check_betas(const double *betas, int n, GError **error)
{
    for (int i = 0; i < n; i++) {
        if (!(betas[i] >= 0.0 && betas[i] <= 1.0)) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "beta of timestep %d is %g, expected 0 to 1", i, betas[i]);
            return false;
        }
    }
    return true;
}

SdeSchedule *
sde_schedule_new(const SdeSchedulerConfig *config, GError **error)
{
    g_autoptr(SdeSchedule) schedule = NULL;
    int n = config->num_train_timesteps;
    double product = 1.0;

    if (!check_config(config, error)) {
        return NULL;
    }
    schedule = g_new0(SdeSchedule, 1);
    schedule->n_train = n;
    schedule->betas = g_new(double, n);
    schedule->alphas_cumprod = g_new(double, n);
    fill_betas(config, schedule->betas);
    if (!check_betas(schedule->betas, n, error)) {
        return NULL;
    }
    if (config->rescale_betas_zero_snr) {
        rescale_zero_terminal_snr(schedule->betas, n);
        /* constant betas (all 0) have nothing to stretch */
        if (!check_betas(schedule->betas, n, error)) {
            return NULL;
        }
    }
    for (int i = 0; i < n; i++) {
        product *= 1.0 - schedule->betas[i];
        schedule->alphas_cumprod[i] = product;
    }
    return g_steal_pointer(&schedule);
}

void
sde_schedule_free(SdeSchedule *schedule)
{
    if (schedule == NULL) {
        return;
    }
    g_free(schedule->betas);
    g_free(schedule->alphas_cumprod);
    g_free(schedule);
}

/* theta of an integer timestep -1..T-1. atan2 keeps small angles exact where acos of
 * almost 1 would not. */
static double
theta_of(const SdeSchedule *schedule, int t)
{
    double alpha_bar = t < 0 ? 1.0 : schedule->alphas_cumprod[t];

    return atan2(sqrt(1.0 - alpha_bar), sqrt(alpha_bar));
}

double
sde_schedule_theta_at(const SdeSchedule *schedule, double t)
{
    double clamped = CLAMP(t, -1.0, schedule->n_train - 1.0);
    int below = (int) floor(clamped);
    double part = clamped - below;
    double theta = theta_of(schedule, below);

    if (part > 0.0) {
        theta += part * (theta_of(schedule, below + 1) - theta);
    }
    return theta;
}

double
sde_schedule_t_at(const SdeSchedule *schedule, double theta)
{
    int low = -1, high = schedule->n_train - 1;

    if (!(theta > 0.0)) {
        return -1.0;
    }
    if (theta >= theta_of(schedule, high)) {
        return high;
    }
    while (high - low > 1) { /* theta_of(low) <= theta < theta_of(high) */
        int middle = low + (high - low) / 2;

        if (theta_of(schedule, middle) <= theta) {
            low = middle;
        } else {
            high = middle;
        }
    }
    double from = theta_of(schedule, low), to = theta_of(schedule, high);

    return low + (theta - from) / (to - from);
}

void
sde_schedule_fill_thetas(const SdeSchedule *schedule, double strength, int n_steps,
                         double *thetas)
{
    g_assert(n_steps >= 1 && strength > 0.0 && strength <= 1.0);

    for (int i = 0; i < n_steps; i++) {
        double left = (double) (n_steps - i) / n_steps;

        thetas[i] =
            sde_schedule_theta_at(schedule, strength * schedule->n_train * left - 1.0);
    }
    thetas[n_steps] = 0.0;
}
