/* EulerDiscreteScheduler and EulerAncestralDiscreteScheduler of diffusers (Karras et
 * al. 2022, algorithm 2 without churn; k-diffusion). x is variance exploding: x0 +
 * sigma e. SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/scheduler-family.h"

static bool
set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    const SdeSchedulerConfig *config = &scheduler->config;
    bool to_zero =
        config->klass == SDE_SCHEDULER_EULER_ANCESTRAL || config->final_sigma_zero;
    double final = to_zero ? 0.0 : sde_scheduler_sigma_of(scheduler, 0);

    sde_scheduler_append_spaced(scheduler, request->n_steps); /* linspace: fractions */
    sde_scheduler_fill_sigmas(scheduler, final);
    if (config->klass == SDE_SCHEDULER_EULER && config->use_karras_sigmas) {
        sde_scheduler_fill_karras(scheduler, scheduler->sigmas[request->n_steps - 1],
                                  scheduler->sigmas[0], final);
    }
    return true;
}

static SdeMix
mix_at(const SdeScheduler *scheduler, int index)
{
    double sigma = scheduler->sigmas[index];

    return sde_scheduler_mix_from_sigma(sigma, sqrt(sigma * sigma + 1.0));
}

/* Along dx / dsigma = (x - x0) / sigma to sigma_down, then fresh noise. */
static void
step_to(SdeScheduler *scheduler, const SdeSchedulerStep *step, double sigma_down,
        double fresh, float *prev_sample, float *x0)
{
    SdeMix mix = mix_at(scheduler, step->index);
    double ratio = sigma_down / scheduler->sigmas[step->index];

    sde_scheduler_predict_x0(scheduler, &mix, step, x0);
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double clean = (double) x0[i];
        double sum = clean + ratio * ((double) step->x[i] - clean);

        if (fresh > 0.0) {
            sum += fresh * (double) step->noise[i];
        }
        prev_sample[i] = (float) sum;
    }
}

static void
step_euler(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
           float *x0)
{
    step_to(scheduler, step, scheduler->sigmas[step->index + 1], 0.0, prev_sample, x0);
}

const SdeSchedulerFamily sde_euler_family = {
    .has_sigmas = true,
    .set_timesteps = set_timesteps,
    .step = step_euler,
    .mix = mix_at,
};

static bool
needs_noise(const SdeScheduler *scheduler, int index, double eta)
{
    return true;
}

static void
step_ancestral(SdeScheduler *scheduler, const SdeSchedulerStep *step,
               float *prev_sample, float *x0)
{
    double from = scheduler->sigmas[step->index];
    double to = scheduler->sigmas[step->index + 1];
    double up = to * sqrt(fmax(from * from - to * to, 0.0)) / from;
    double down = to * to / from; /* sqrt(to^2 - up^2) */

    step_to(scheduler, step, down, up, prev_sample, x0);
}

const SdeSchedulerFamily sde_euler_ancestral_family = {
    .has_sigmas = true,
    .set_timesteps = set_timesteps,
    .needs_noise = needs_noise,
    .step = step_ancestral,
    .mix = mix_at,
};
