/* RePaintScheduler of diffusers (Lugmayr et al. 2022): DDIM steps that put the noised
 * original back where the mask keeps it, on a list of timesteps that jumps back up
 * (sde_scheduler_is_undo) so that the fill and the kept part can grow together.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/scheduler-family.h"

#define DEFAULT_JUMP 10

static bool
check(const SdeSchedulerConfig *config, GError **error)
{
    if (config->prediction_type != SDE_PREDICTION_EPSILON) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "RePaintScheduler needs a model with prediction_type epsilon");
        return false;
    }
    return true;
}

static bool
set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    int n = request->n_steps;
    int length = request->jump_length > 0 ? request->jump_length : DEFAULT_JUMP;
    int samples = request->jump_n_sample > 0 ? request->jump_n_sample : DEFAULT_JUMP;
    g_autofree int *jumps_left = g_new0(int, n);

    scheduler->jump_stride = scheduler->schedule->n_train / n;
    for (int j = 0; j < n - length; j += length) {
        jumps_left[j] = samples - 1;
    }
    for (int t = n - 1; t >= 0; t--) {
        double scaled = (double) t * scheduler->jump_stride;

        g_array_append_val(scheduler->timesteps, scaled);
        if (jumps_left[t] > 0) {
            jumps_left[t]--;
            for (int i = 0; i < length; i++) {
                t++;
                scaled = (double) t * scheduler->jump_stride;
                g_array_append_val(scheduler->timesteps, scaled);
            }
        }
    }
    return true;
}

/* The known part is always noised. */
static bool
needs_noise(const SdeScheduler *scheduler, int index, double eta)
{
    return true;
}

static void
step_repaint(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
             float *x0)
{
    int t = sde_scheduler_timestep(scheduler, step->index);
    int previous = t - scheduler->jump_stride;
    double a = sde_scheduler_alpha_bar(scheduler, t);
    double a_prev = previous >= 0 ? sde_scheduler_alpha_bar(scheduler, previous) : 1.0;
    double variance = (1.0 - a_prev) / (1.0 - a) * (1.0 - a / a_prev);
    double deviation = step->eta * sqrt(fmax(variance, 0.0));
    double direction = sqrt(fmax(1.0 - a_prev - deviation * deviation, 0.0));
    double fresh = t > 0 ? deviation : 0.0;
    double keep = sqrt(a_prev), known_noise = sqrt(1.0 - a_prev);
    SdeMix mix = sde_scheduler_mix_at(scheduler, t);

    sde_scheduler_predict_x0(scheduler, &mix, step, x0);
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double noise = (double) step->noise[i], mask = (double) step->mask[i];
        double unknown = keep * (double) x0[i] +
                         direction * (double) step->model_output[i] + fresh * noise;
        double known = keep * (double) step->original[i] + known_noise * noise;

        prev_sample[i] = (float) (mask * known + (1.0 - mask) * unknown);
    }
}

const SdeSchedulerFamily sde_repaint_family = {
    .clips = true,
    .check = check,
    .set_timesteps = set_timesteps,
    .needs_noise = needs_noise,
    .step = step_repaint,
};
