/* DDIMScheduler and DDIMInverseScheduler of diffusers (Song et al. 2021). The previous
 * timestep is t - T / N even where that is not the next of the list, and epsilon stays
 * the model's own after x0 was clipped, unless the step asks otherwise.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/scheduler-family.h"

static bool
set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    sde_scheduler_append_spaced(scheduler, request->n_steps);
    sde_scheduler_round_timesteps(scheduler);
    return true;
}

static int
stride_of(const SdeScheduler *scheduler)
{
    return scheduler->schedule->n_train / scheduler->n_steps;
}

static bool
needs_noise(const SdeScheduler *scheduler, int index, double eta)
{
    return eta > 0.0;
}

static void
step_down(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
          float *x0)
{
    int t = sde_scheduler_timestep(scheduler, step->index);
    int previous = t - stride_of(scheduler);
    double a = sde_scheduler_alpha_bar(scheduler, t);
    double a_prev = sde_scheduler_alpha_bar(scheduler, previous);
    SdeMix mix = sde_scheduler_mix_at(scheduler, t);
    double variance = (1.0 - a_prev) / (1.0 - a) * (1.0 - a / a_prev);
    double deviation = step->eta * sqrt(fmax(variance, 0.0));
    double keep = sqrt(a_prev);
    double direction = sqrt(fmax(1.0 - a_prev - deviation * deviation, 0.0));

    sde_scheduler_predict_x0(scheduler, &mix, step, x0);
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double x = (double) step->x[i], clean = (double) x0[i];
        double epsilon = step->use_clipped_output
                             ? (x - mix.signal * clean) / mix.noise
                             : sde_scheduler_epsilon(scheduler, &mix, x,
                                                     (double) step->model_output[i]);
        double sum = keep * clean + direction * epsilon;

        if (deviation > 0.0) {
            sum += deviation * (double) step->noise[i];
        }
        prev_sample[i] = (float) sum;
    }
}

const SdeSchedulerFamily sde_ddim_family = {
    .clips = true,
    .thresholds = true,
    .set_timesteps = set_timesteps,
    .needs_noise = needs_noise,
    .step = step_down,
};

/* ---- inversion: the same ordinary differential equation, walked up --------------- */

static bool
check_inverse(const SdeSchedulerConfig *config, GError **error)
{
    if (config->timestep_spacing == SDE_SPACING_LINSPACE) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "DDIMInverseScheduler has no timestep_spacing linspace; expected "
                    "leading or trailing");
        return false;
    }
    if (config->prediction_type == SDE_PREDICTION_SAMPLE && config->set_alpha_to_one) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "DDIMInverseScheduler with prediction_type sample and "
                    "set_alpha_to_one divides by zero at its first step");
        return false;
    }
    return true;
}

static bool
set_ascending_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
                        GError **error)
{
    double *t;
    guint n;

    set_timesteps(scheduler, request, error);
    t = &g_array_index(scheduler->timesteps, double, 0);
    n = scheduler->timesteps->len;
    for (guint i = 0; i < n / 2; i++) {
        double swap = t[i];

        t[i] = t[n - 1 - i];
        t[n - 1 - i] = swap;
    }
    return true;
}

static void
step_up(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
        float *x0)
{
    int target = sde_scheduler_timestep(scheduler, step->index);
    int t = MIN(target - stride_of(scheduler), scheduler->schedule->n_train - 1);
    SdeMix mix = sde_scheduler_mix_at(scheduler, t);
    SdeMix next = sde_scheduler_mix_at(scheduler, target);

    sde_scheduler_predict_x0(scheduler, &mix, step, x0);
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double epsilon = sde_scheduler_epsilon(scheduler, &mix, (double) step->x[i],
                                               (double) step->model_output[i]);

        prev_sample[i] = (float) (next.signal * (double) x0[i] + next.noise * epsilon);
    }
}

const SdeSchedulerFamily sde_ddim_inverse_family = {
    .clips = true,
    .check = check_inverse,
    .set_timesteps = set_ascending_timesteps,
    .step = step_up,
};
