/* What a family of schedulers implements, and the parts they share. Only the families
 * (ddim.c, ddpm.c, ...) and scheduler.c include this.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sample/scheduler.h"
#include "sde.h"

#define SDE_MAX_HISTORY 4 /* model outputs that a multistep method remembers */

/* How x was mixed: x / x_scale = signal x0 + noise epsilon with signal^2 + noise^2 = 1.
 */
typedef struct {
    double signal, noise, x_scale;
} SdeMix;

typedef struct {
    bool clips, thresholds; /* honours clip_sample, thresholding */
    bool has_sigmas;        /* x lives in sigma units; fills scheduler->sigmas */
    /* Refuses configurations without a meaning; nullable. */
    bool (*check)(const SdeSchedulerConfig *config, GError **error);
    /* Fills scheduler->timesteps (and sigmas). */
    bool (*set_timesteps)(SdeScheduler *scheduler, const SdeTimestepRequest *request,
                          GError **error);
    bool (*needs_noise)(const SdeScheduler *scheduler, int index, double eta);
    /* prev_sample may be step->x: every element is read before it is written. */
    void (*step)(SdeScheduler *scheduler, const SdeSchedulerStep *step,
                 float *prev_sample, float *x0);
    /* How x is mixed at entry `index`; where has_sigmas. */
    SdeMix (*mix)(const SdeScheduler *scheduler, int index);
} SdeSchedulerFamily;

extern const SdeSchedulerFamily sde_ddim_family, sde_ddim_inverse_family,
    sde_ddpm_family, sde_dpm_solver_family, sde_euler_family,
    sde_euler_ancestral_family, sde_lcm_family, sde_pndm_family, sde_repaint_family;

struct _SdeScheduler {
    const SdeSchedulerFamily *family;
    SdeSchedulerConfig config; /* without trained_betas: the schedule has them */
    SdeSchedule *schedule;
    int n_steps;       /* as asked for; RePaint and PNDM have longer lists */
    GArray *timesteps; /* double */
    double *sigmas;    /* n_timesteps + 1, or NULL */
    int jump_stride;   /* RePaint: training steps between two entries */
    /* multistep methods, newest output last */
    float *history[SDE_MAX_HISTORY];
    float *kept_sample;
    int n_history, n_calls;
    size_t history_count;
};

/* By alphas_cumprod of integer t; t < 0: the value that stands before the first. */
double sde_scheduler_alpha_bar(const SdeScheduler *scheduler, int t);
int sde_scheduler_timestep(const SdeScheduler *scheduler, int index);
SdeMix sde_scheduler_mix_at(const SdeScheduler *scheduler, int t);
SdeMix sde_scheduler_mix_from_sigma(double sigma, double x_scale);
/* x0 by the prediction type, clipped or thresholded as the configuration says. */
void sde_scheduler_predict_x0(const SdeScheduler *scheduler, const SdeMix *mix,
                              const SdeSchedulerStep *step, float *x0);
/* The model's own epsilon, whatever happened to x0 since. */
double sde_scheduler_epsilon(const SdeScheduler *scheduler, const SdeMix *mix, double x,
                             double model_output);

/* n_points entries of the spacing, descending; linspace values are not rounded. */
void sde_scheduler_append_spaced(SdeScheduler *scheduler, int n_points);
void sde_scheduler_round_timesteps(SdeScheduler *scheduler);
/* Sigmas by linear interpolation at the timesteps, then the final one. */
void sde_scheduler_fill_sigmas(SdeScheduler *scheduler, double final_sigma);
/* Replaces sigmas and timesteps by the ramp of Karras et al. 2022 between the two. */
void sde_scheduler_fill_karras(SdeScheduler *scheduler, double sigma_min,
                               double sigma_max, double final_sigma);
double sde_scheduler_sigma_of(const SdeScheduler *scheduler, int t);

/* Remembers a copy of `output`, dropping the oldest beyond `keep`. */
void sde_scheduler_remember(SdeScheduler *scheduler, const float *output, size_t count,
                            int keep);
/* 1: the newest. */
const float *sde_scheduler_recall(const SdeScheduler *scheduler, int age);
