/* LCMScheduler of diffusers (Luo et al. 2023): a consistency model's boundary condition
 * around the prediction, then fresh noise to the next timestep.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/scheduler-family.h"

#define SIGMA_DATA 0.5

/* The timesteps a consistency model was distilled on, thinned evenly. */
static bool
set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    int n = request->n_steps, original = scheduler->config.original_inference_steps;
    double strength = request->strength > 0.0 ? request->strength : 1.0;
    int n_grid = (int) (original * strength);
    int stride = original > 0 ? scheduler->schedule->n_train / original : 0;

    if (n > n_grid || stride < 1) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "%d steps asked for, expected at most %d: "
                    "original_inference_steps is %d of %d, strength %g",
                    n, n_grid, original, scheduler->schedule->n_train, strength);
        return false;
    }
    for (int i = 0; i < n; i++) {
        int from_top = (int) ((int64_t) i * n_grid / n);
        double t = (double) (n_grid - from_top) * stride - 1.0;

        g_array_append_val(scheduler->timesteps, t);
    }
    return true;
}

static bool
is_last(const SdeScheduler *scheduler, int index)
{
    return index + 1 == (int) scheduler->timesteps->len;
}

static bool
needs_noise(const SdeScheduler *scheduler, int index, double eta)
{
    return !is_last(scheduler, index);
}

static void
step_lcm(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
         float *x0)
{
    int t = sde_scheduler_timestep(scheduler, step->index);
    bool last = is_last(scheduler, step->index);
    double scaled = t * scheduler->config.timestep_scaling;
    double total = scaled * scaled + SIGMA_DATA * SIGMA_DATA;
    double skip = SIGMA_DATA * SIGMA_DATA / total, out = scaled / sqrt(total);
    SdeMix mix = sde_scheduler_mix_at(scheduler, t), next = {.signal = 1.0};

    if (!last) {
        next = sde_scheduler_mix_at(scheduler,
                                    sde_scheduler_timestep(scheduler, step->index + 1));
    }
    sde_scheduler_predict_x0(scheduler, &mix, step, x0);
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double clean = out * (double) x0[i] + skip * (double) step->x[i];

        x0[i] = (float) clean;
        prev_sample[i] = (float) (next.signal * clean +
                                  (last ? 0.0 : next.noise * (double) step->noise[i]));
    }
}

const SdeSchedulerFamily sde_lcm_family = {
    .clips = true,
    .thresholds = true,
    .set_timesteps = set_timesteps,
    .needs_noise = needs_noise,
    .step = step_lcm,
};
