/* DDPMScheduler of diffusers (Ho et al. 2020; learned variances: Nichol & Dhariwal
 * 2021). The previous timestep is the next of the list; noise is added while t > 0.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/scheduler-family.h"

#define MIN_VARIANCE 1e-20

static bool
take_list(SdeScheduler *scheduler, const SdeTimestepRequest *request, GError **error)
{
    for (int i = 0; i < request->n_timesteps; i++) {
        double t = request->timesteps[i];

        if (i > 0 && request->timesteps[i] >= request->timesteps[i - 1]) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                        "timesteps must fall: %d is followed by %d",
                        request->timesteps[i - 1], request->timesteps[i]);
            return false;
        }
        g_array_append_val(scheduler->timesteps, t);
    }
    return true;
}

static bool
set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    if (request->timesteps != NULL) {
        return take_list(scheduler, request, error);
    }
    sde_scheduler_append_spaced(scheduler, request->n_steps);
    sde_scheduler_round_timesteps(scheduler);
    return true;
}

static bool
needs_noise(const SdeScheduler *scheduler, int index, double eta)
{
    return sde_scheduler_timestep(scheduler, index) > 0;
}

/* Standard deviation of the new noise. `predicted` is the model's second half at this
 * element; beta is 1 - a / a_prev, posterior its beta-tilde. */
static double
deviation_of(SdeVariance type, double beta, double posterior, double predicted)
{
    double part;

    switch (type) {
    case SDE_VARIANCE_FIXED_SMALL:
    case SDE_VARIANCE_FIXED_SMALL_LOG:
        return sqrt(posterior);
    case SDE_VARIANCE_FIXED_LARGE:
    case SDE_VARIANCE_FIXED_LARGE_LOG: /* as meant: the reference takes sqrt(log beta)
                                        */
        return sqrt(beta);
    case SDE_VARIANCE_LEARNED:
        return sqrt(predicted);
    case SDE_VARIANCE_LEARNED_RANGE:
        part = (predicted + 1.0) / 2.0;
        return exp(0.5 * (part * log(beta) + (1.0 - part) * log(posterior)));
    }
    return 0.0;
}

static void
step_ddpm(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
          float *x0)
{
    int t = sde_scheduler_timestep(scheduler, step->index);
    bool last = step->index + 1 == (int) scheduler->timesteps->len;
    double a = sde_scheduler_alpha_bar(scheduler, t);
    double a_prev =
        last ? 1.0
             : sde_scheduler_alpha_bar(
                   scheduler, sde_scheduler_timestep(scheduler, step->index + 1));
    double alpha = a / a_prev, beta = 1.0 - alpha;
    double posterior = fmax((1.0 - a_prev) / (1.0 - a) * beta, MIN_VARIANCE);
    double weight_x0 = sqrt(a_prev) * beta / (1.0 - a);
    double weight_x = sqrt(alpha) * (1.0 - a_prev) / (1.0 - a);
    SdeMix mix = sde_scheduler_mix_at(scheduler, t);

    sde_scheduler_predict_x0(scheduler, &mix, step, x0);
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double sum = weight_x0 * (double) x0[i] + weight_x * (double) step->x[i];

        if (t > 0) {
            double predicted =
                step->variance != NULL ? (double) step->variance[i] : 0.0;

            sum += deviation_of(scheduler->config.variance_type, beta, posterior,
                                predicted) *
                   (double) step->noise[i];
        }
        prev_sample[i] = (float) sum;
    }
}

const SdeSchedulerFamily sde_ddpm_family = {
    .clips = true,
    .thresholds = true,
    .set_timesteps = set_timesteps,
    .needs_noise = needs_noise,
    .step = step_ddpm,
};
