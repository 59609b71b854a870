/* Schedulers with the semantics of diffusers (0.3x-0.40), quirks included: the
 * reference mode behind the golden cases. The tasks use sampler.h. Arrays are flat
 * floats in any layout; an image is `count` of them, and only thresholding looks at
 * whole images.
 *
 *     sde_scheduler_set_timesteps(scheduler, &(SdeTimestepRequest) {.n_steps = 20},
 * error) for (int i = 0; i < sde_scheduler_get_n_timesteps(scheduler); i++) {
 *         sde_scheduler_scale_model_input(scheduler, i, x, n, input);
 *         ... model_output at sde_scheduler_get_timestep(scheduler, i) ...
 *         sde_scheduler_step(scheduler, &step, x, x0, error);
 *     }
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "model/config.h"
#include "sample/schedule.h"

typedef struct _SdeScheduler SdeScheduler;

/* SDE_ERROR_UNSUPPORTED names a combination that has no meaning or is not run (epsilon
 * prediction with zero terminal SNR, third-order DPM-Solver, PNDM's Runge-Kutta start).
 */
SdeScheduler *sde_scheduler_new(const SdeSchedulerConfig *config, GError **error);
void sde_scheduler_free(SdeScheduler *scheduler); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeScheduler, sde_scheduler_free)

typedef struct {
    int n_steps;
    const int *timesteps; /* DDPM: this list instead of a spacing; NULL: none */
    int n_timesteps;
    double strength;                /* LCM: part of its original steps; 0: all */
    int jump_length, jump_n_sample; /* RePaint; 0: 10, as diffusers */
} SdeTimestepRequest;

/* Starts a run. SDE_ERROR_INPUT: more steps than the model was trained with, ... */
bool sde_scheduler_set_timesteps(SdeScheduler *scheduler,
                                 const SdeTimestepRequest *request, GError **error);
int sde_scheduler_get_n_timesteps(const SdeScheduler *scheduler);
double sde_scheduler_get_timestep(const SdeScheduler *scheduler, int index);
/* Of the list and the final one (n + 1 values); NULL for schedulers without sigmas. */
const double *sde_scheduler_peek_sigmas(const SdeScheduler *scheduler);
const SdeSchedule *sde_scheduler_peek_schedule(const SdeScheduler *scheduler);
double sde_scheduler_get_init_noise_sigma(const SdeScheduler *scheduler);

/* RePaint: is entry `index` of the timestep list a way back up (undo) rather than a
 * step, and how many draws of noise does one undo take? Always false and 0 elsewhere.
 */
bool sde_scheduler_is_undo(const SdeScheduler *scheduler, int index);
int sde_scheduler_get_undo_draws(const SdeScheduler *scheduler);
/* Draw `draw` (0..draws-1) of the undo at `index`, in place. */
void sde_scheduler_undo(const SdeScheduler *scheduler, int index, int draw, float *x,
                        const float *noise, size_t count);

typedef struct {
    int index;              /* into the timestep list */
    size_t n_images, count; /* images and floats of one image */
    const float *x;         /* n_images × count, as all the arrays */
    const float *model_output;
    const float *variance; /* DDPM learned and learned_range: the model's second half */
    const float *noise;    /* where sde_scheduler_needs_noise() */
    double eta;            /* DDIM and RePaint, 0..1 */
    bool use_clipped_output;      /* DDIM: work epsilon out again after clipping */
    const float *original, *mask; /* RePaint: mask 1 keeps the original */
} SdeSchedulerStep;

bool sde_scheduler_needs_noise(const SdeScheduler *scheduler, int index, double eta);
/* prev_sample may be step->x; x0 (pred_original_sample) is an array of its own. Steps
 * of DPM-Solver++ and PNDM come in order. SDE_ERROR_INPUT: eta, missing arrays. */
bool sde_scheduler_step(SdeScheduler *scheduler, const SdeSchedulerStep *step,
                        float *prev_sample, float *x0, GError **error);
void sde_scheduler_scale_model_input(const SdeScheduler *scheduler, int index,
                                     const float *x, size_t count, float *out);

/* out = signal x0 + noise epsilon as the scheduler mixes them at timestep t, and the
 * v target. SDE_ERROR_INPUT when t is not a timestep of the schedule (or of the list,
 * for schedulers with sigmas). */
bool sde_scheduler_add_noise(const SdeScheduler *scheduler, double t, const float *x0,
                             const float *noise, size_t count, float *out,
                             GError **error);
bool sde_scheduler_get_velocity(const SdeScheduler *scheduler, double t,
                                const float *x0, const float *noise, size_t count,
                                float *out, GError **error);
