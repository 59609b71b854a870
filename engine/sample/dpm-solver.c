/* DPMSolverMultistepScheduler of diffusers: DPM-Solver++ of order 1 and 2 (midpoint),
 * Lu et al. 2022. x is variance preserving; lambda = -log sigma is the clock.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "sample/scheduler-family.h"

#define FEW_STEPS 15 /* lower_order_final counts below this many steps */

static bool
check(const SdeSchedulerConfig *config, GError **error)
{
    if (config->solver_order < 1 || config->solver_order > 2) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "DPMSolverMultistepScheduler has solver_order %d, expected 1 or 2",
                    config->solver_order);
        return false;
    }
    return true;
}

static bool
set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    const SdeSchedulerConfig *config = &scheduler->config;
    int n_train = scheduler->schedule->n_train;
    double final =
        config->final_sigma_zero ? 0.0 : sde_scheduler_sigma_of(scheduler, 0);

    if (config->timestep_spacing == SDE_SPACING_TRAILING) {
        sde_scheduler_append_spaced(scheduler, request->n_steps);
    } else { /* one point more, of which the last (t = 0) is the end of the last step */
        sde_scheduler_append_spaced(scheduler, request->n_steps + 1);
        g_array_set_size(scheduler->timesteps, (guint) request->n_steps);
    }
    sde_scheduler_round_timesteps(scheduler);
    if (config->use_karras_sigmas) {
        sde_scheduler_fill_karras(scheduler, sde_scheduler_sigma_of(scheduler, 0),
                                  sde_scheduler_sigma_of(scheduler, n_train - 1),
                                  final);
        /* the reference leaves the cosine schedule's unrounded, then cuts to integers
         */
        if (config->beta_schedule != SDE_BETAS_SQUAREDCOS_CAP_V2) {
            sde_scheduler_round_timesteps(scheduler);
        }
        for (guint i = 0; i < scheduler->timesteps->len; i++) {
            double *t = &g_array_index(scheduler->timesteps, double, i);

            *t = floor(*t);
        }
    } else {
        sde_scheduler_fill_sigmas(scheduler, final);
    }
    return true;
}

static SdeMix
mix_at(const SdeScheduler *scheduler, int index)
{
    return sde_scheduler_mix_from_sigma(scheduler->sigmas[index], 1.0);
}

static bool
is_first_order(const SdeScheduler *scheduler, int index)
{
    const SdeSchedulerConfig *config = &scheduler->config;
    int n = (int) scheduler->timesteps->len;
    bool last = index == n - 1;
    bool lower = config->euler_at_final ||
                 (config->lower_order_final && n < FEW_STEPS) ||
                 config->final_sigma_zero;

    return config->solver_order == 1 || scheduler->n_history < 2 || (last && lower);
}

static void
step_dpm(SdeScheduler *scheduler, const SdeSchedulerStep *step, float *prev_sample,
         float *x0)
{
    size_t total = step->n_images * step->count;
    int i_now = step->index;
    SdeMix mix = mix_at(scheduler, i_now), next = mix_at(scheduler, i_now + 1);

    sde_scheduler_predict_x0(scheduler, &mix, step, x0);
    sde_scheduler_remember(scheduler, x0, total, 2);

    /* expm1(-h) with h = lambda' - lambda, and exp(-h) = sigma' / sigma */
    double ratio = scheduler->sigmas[i_now + 1] / scheduler->sigmas[i_now];
    double weight_x = next.noise / mix.noise, weight_d = -next.signal * (ratio - 1.0);
    double slope = 0.0;
    const float *previous = NULL;

    if (!is_first_order(scheduler, i_now)) {
        double h = -log(ratio);
        double h_last = log(scheduler->sigmas[i_now - 1] / scheduler->sigmas[i_now]);

        slope = 0.5 * weight_d * h / h_last;
        previous = sde_scheduler_recall(scheduler, 2);
    }
    for (size_t i = 0; i < total; i++) {
        double d = (double) x0[i];
        double sum = weight_x * (double) step->x[i] + weight_d * d;

        if (previous != NULL) {
            sum += slope * (d - (double) previous[i]);
        }
        prev_sample[i] = (float) sum;
    }
}

const SdeSchedulerFamily sde_dpm_solver_family = {
    .thresholds = true,
    .has_sigmas = true,
    .check = check,
    .set_timesteps = set_timesteps,
    .step = step_dpm,
    .mix = mix_at,
};
