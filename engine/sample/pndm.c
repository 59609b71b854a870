/* PNDMScheduler of diffusers without the Runge-Kutta start (Liu et al. 2022: PLMS):
 * linear multistep on epsilon. The second timestep comes twice: its first visit is a
 * trial, then the first step is done again with the mean of both outputs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/scheduler-family.h"

static bool
check(const SdeSchedulerConfig *config, GError **error)
{
    if (!config->skip_prk_steps) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "PNDMScheduler has skip_prk_steps false, expected true");
        return false;
    }
    if (config->prediction_type == SDE_PREDICTION_SAMPLE) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "PNDMScheduler has prediction_type sample, expected epsilon or "
                    "v_prediction");
        return false;
    }
    return true;
}

static bool
set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    if (request->n_steps < 2) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "PNDMScheduler needs at least 2 steps, found %d", request->n_steps);
        return false;
    }
    sde_scheduler_append_spaced(scheduler, request->n_steps);
    sde_scheduler_round_timesteps(scheduler);
    double second = g_array_index(scheduler->timesteps, double, 1);

    g_array_insert_val(scheduler->timesteps, 1, second);
    return true;
}

/* Adams-Bashforth over the outputs so far, newest first. */
static double
extrapolate(const SdeScheduler *scheduler, size_t i)
{
    static const double weights[SDE_MAX_HISTORY][SDE_MAX_HISTORY] = {
        {1.0},
        {3.0 / 2.0, -1.0 / 2.0},
        {23.0 / 12.0, -16.0 / 12.0, 5.0 / 12.0},
        {55.0 / 24.0, -59.0 / 24.0, 37.0 / 24.0, -9.0 / 24.0},
    };
    int n = scheduler->n_history;
    double sum = 0.0;

    for (int age = 1; age <= n; age++) {
        sum +=
            weights[n - 1][age - 1] * (double) sde_scheduler_recall(scheduler, age)[i];
    }
    return sum;
}

static void
step_plms(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
          float *x0)
{
    size_t total = step->n_images * step->count;
    bool again = scheduler->n_calls == 1;
    int stride = scheduler->schedule->n_train / scheduler->n_steps;
    int entry = sde_scheduler_timestep(scheduler, step->index);
    int t = again ? entry + stride : entry, previous = t - stride;
    double a = sde_scheduler_alpha_bar(scheduler, t);
    double a_prev = sde_scheduler_alpha_bar(scheduler, previous);
    double weight_x = sqrt(a_prev / a);
    double weight_e = -(a_prev - a) / (a * sqrt(1.0 - a_prev) +
                                       sqrt(a * (1.0 - a) * a_prev)); /* equation 11 */
    SdeMix mix = sde_scheduler_mix_at(scheduler, t);

    if (!again) {
        sde_scheduler_remember(scheduler, step->model_output, total, SDE_MAX_HISTORY);
    }
    if (scheduler->n_calls == 0) {
        scheduler->kept_sample = g_memdup2(step->x, total * sizeof(float));
    }
    scheduler->n_calls++;
    for (size_t i = 0; i < total; i++) {
        double x = again ? (double) scheduler->kept_sample[i] : (double) step->x[i];
        double blended = extrapolate(scheduler, i);

        if (again) {
            blended = 0.5 * (blended + (double) step->model_output[i]);
        }
        double epsilon = sde_scheduler_epsilon(scheduler, &mix, x, blended);

        x0[i] = (float) ((x - mix.noise * epsilon) / mix.signal);
        prev_sample[i] = (float) (weight_x * x + weight_e * epsilon);
    }
}

const SdeSchedulerFamily sde_pndm_family = {
    .check = check,
    .set_timesteps = set_timesteps,
    .step = step_plms,
};
