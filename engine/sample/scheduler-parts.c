/* What the scheduler families are built from: timestep spacings, tables of sigmas, and
 * the prediction of x0 with clipping and dynamic thresholding (Saharia et al. 2022).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/scheduler-family.h"

#include <math.h>
#include <stdlib.h>

#define KARRAS_RHO 7.0

/* ---- timestep lists -------------------------------------------------------------- */

void
sde_scheduler_append_spaced(SdeScheduler *scheduler, int n_points)
{
    int n_train = scheduler->schedule->n_train;
    int stride = n_train / n_points;

    for (int i = 0; i < n_points; i++) {
        int left = n_points - 1 - i;
        double t = 0.0;

        switch (scheduler->config.timestep_spacing) {
        case SDE_SPACING_LEADING:
            t = (double) left * stride + scheduler->config.steps_offset;
            break;
        case SDE_SPACING_LINSPACE:
            t = n_points > 1 ? (n_train - 1.0) * left / (n_points - 1) : 0.0;
            break;
        case SDE_SPACING_TRAILING: /* rint: halves to even, as numpy */
            t = rint(n_train - i * ((double) n_train / n_points)) - 1.0;
            break;
        }
        g_array_append_val(scheduler->timesteps, t);
    }
}

void
sde_scheduler_round_timesteps(SdeScheduler *scheduler)
{
    for (guint i = 0; i < scheduler->timesteps->len; i++) {
        double *t = &g_array_index(scheduler->timesteps, double, i);

        *t = rint(*t);
    }
}

/* ---- tables ---------------------------------------------------------------------- */

double
sde_scheduler_alpha_bar(const SdeScheduler *scheduler, int t)
{
    if (t < 0) {
        return scheduler->config.set_alpha_to_one
                   ? 1.0
                   : scheduler->schedule->alphas_cumprod[0];
    }
    g_assert(t < scheduler->schedule->n_train);
    return scheduler->schedule->alphas_cumprod[t];
}

SdeMix
sde_scheduler_mix_at(const SdeScheduler *scheduler, int t)
{
    double alpha_bar = sde_scheduler_alpha_bar(scheduler, t);

    return (SdeMix) {sqrt(alpha_bar), sqrt(1.0 - alpha_bar), 1.0};
}

SdeMix
sde_scheduler_mix_from_sigma(double sigma, double x_scale)
{
    double signal = 1.0 / sqrt(sigma * sigma + 1.0);

    return (SdeMix) {signal, sigma * signal, x_scale};
}

double
sde_scheduler_sigma_of(const SdeScheduler *scheduler, int t)
{
    double alpha_bar = scheduler->schedule->alphas_cumprod[t];

    return sqrt((1.0 - alpha_bar) / alpha_bar);
}

void
sde_scheduler_fill_sigmas(SdeScheduler *scheduler, double final_sigma)
{
    guint n = scheduler->timesteps->len;

    g_assert(scheduler->sigmas == NULL);

    scheduler->sigmas = g_new(double, n + 1);
    for (guint i = 0; i < n; i++) {
        double t = g_array_index(scheduler->timesteps, double, i);
        int below = (int) CLAMP(floor(t), 0.0, scheduler->schedule->n_train - 1.0);
        double sigma = sde_scheduler_sigma_of(scheduler, below);

        if (t > below && below + 1 < scheduler->schedule->n_train) {
            sigma +=
                (t - below) * (sde_scheduler_sigma_of(scheduler, below + 1) - sigma);
        }
        scheduler->sigmas[i] = sigma;
    }
    scheduler->sigmas[n] = final_sigma;
}

/* Timestep with that sigma, linear in log sigma between the integers. */
static double
sigma_to_t(const SdeScheduler *scheduler, double sigma)
{
    double log_sigma = log(fmax(sigma, 1e-10));
    int low = 0, high = scheduler->schedule->n_train - 1;

    if (high == 0) {
        return 0.0;
    }
    while (high - low > 1) {
        int middle = low + (high - low) / 2;

        if (log(sde_scheduler_sigma_of(scheduler, middle)) <= log_sigma) {
            low = middle;
        } else {
            high = middle;
        }
    }
    double below = log(sde_scheduler_sigma_of(scheduler, low));
    double above = log(sde_scheduler_sigma_of(scheduler, high));

    return low + CLAMP((log_sigma - below) / (above - below), 0.0, 1.0);
}

void
sde_scheduler_fill_karras(SdeScheduler *scheduler, double sigma_min, double sigma_max,
                          double final_sigma)
{
    guint n = scheduler->timesteps->len;
    double from = pow(sigma_max, 1.0 / KARRAS_RHO);
    double to = pow(sigma_min, 1.0 / KARRAS_RHO);

    g_free(scheduler->sigmas);
    scheduler->sigmas = g_new(double, n + 1);
    for (guint i = 0; i < n; i++) {
        double part = n > 1 ? (double) i / (n - 1) : 0.0;
        double sigma = pow(from + part * (to - from), KARRAS_RHO);

        scheduler->sigmas[i] = sigma;
        g_array_index(scheduler->timesteps, double, i) = sigma_to_t(scheduler, sigma);
    }
    scheduler->sigmas[n] = final_sigma;
}

/* ---- x0 -------------------------------------------------------------------------- */

static int
compare_floats(const void *a, const void *b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return (x > y) - (x < y);
}

/* Quantile with linear interpolation between the two ranks next to it. */
static double
quantile_of_magnitude(const float *values, size_t count, double ratio)
{
    g_autofree float *sorted = g_new(float, count);
    double rank = ratio * (double) (count - 1);
    size_t below = (size_t) rank;

    for (size_t i = 0; i < count; i++) {
        sorted[i] = fabsf(values[i]);
    }
    qsort(sorted, count, sizeof(float), compare_floats);
    double low = (double) sorted[below];

    return below + 1 < count
               ? low + (rank - (double) below) * ((double) sorted[below + 1] - low)
               : low;
}

static void
limit_x0(const SdeScheduler *scheduler, float *x0, size_t n_images, size_t count)
{
    const SdeSchedulerConfig *config = &scheduler->config;
    double range = config->clip_sample_range;

    if (scheduler->family->thresholds && config->thresholding) {
        for (size_t n = 0; n < n_images; n++) {
            float *image = x0 + n * count;
            double s =
                quantile_of_magnitude(image, count, config->dynamic_thresholding_ratio);

            s = fmin(fmax(s, 1.0), config->sample_max_value);
            for (size_t i = 0; i < count; i++) {
                image[i] = (float) (CLAMP((double) image[i], -s, s) / s);
            }
        }
    } else if (scheduler->family->clips && config->clip_sample) {
        for (size_t i = 0; i < n_images * count; i++) {
            x0[i] = (float) CLAMP((double) x0[i], -range, range);
        }
    }
}

void
sde_scheduler_predict_x0(const SdeScheduler *scheduler, const SdeMix *mix,
                         const SdeSchedulerStep *step, float *x0)
{
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double x = (double) step->x[i] / mix->x_scale;
        double out = (double) step->model_output[i];

        switch (scheduler->config.prediction_type) {
        case SDE_PREDICTION_EPSILON:
            out = (x - mix->noise * out) / mix->signal;
            break;
        case SDE_PREDICTION_V:
            out = mix->signal * x - mix->noise * out;
            break;
        case SDE_PREDICTION_SAMPLE:
            break;
        }
        x0[i] = (float) out;
    }
    limit_x0(scheduler, x0, step->n_images, step->count);
}

double
sde_scheduler_epsilon(const SdeScheduler *scheduler, const SdeMix *mix, double x,
                      double model_output)
{
    x /= mix->x_scale;
    switch (scheduler->config.prediction_type) {
    case SDE_PREDICTION_V:
        return mix->signal * model_output + mix->noise * x;
    case SDE_PREDICTION_SAMPLE:
        return (x - mix->signal * model_output) / mix->noise;
    case SDE_PREDICTION_EPSILON:
        break;
    }
    return model_output;
}
