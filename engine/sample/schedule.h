/* Betas, alphas_cumprod, angles and timestep lists (algorithms: DDPM, Ho et al. 2020;
 * cosine, Nichol & Dhariwal 2021; Lin et al. 2023 for zero terminal SNR). */
#pragma once

#include "model/config.h"

typedef struct {
    int n_train;            /* T */
    double *betas;          /* T */
    double *alphas_cumprod; /* T */
} SdeSchedule;

SdeSchedule *sde_schedule_new(const SdeSchedulerConfig *config, GError **error);
void sde_schedule_free(SdeSchedule *schedule); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeSchedule, sde_schedule_free)

/* theta(t) = acos(sqrt(alphas_cumprod(t))), piecewise linear in t between the integers,
 * with theta(-1) = 0; and its inverse, t in -1..T-1 (clamped). */
double sde_schedule_theta_at(const SdeSchedule *schedule, double t);
double sde_schedule_t_at(const SdeSchedule *schedule, double theta);
/* Angles of a few-step run in x0 form: n_steps + 1 values from theta(strength * T - 1)
 * down to 0, spaced evenly in t (trailing). n_steps >= 1, 0 < strength <= 1. */
void sde_schedule_fill_thetas(const SdeSchedule *schedule, double strength, int n_steps,
                              double *thetas);
