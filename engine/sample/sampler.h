/* One step of each native sampler in x0 form, over a picture whose pixels each have
 * their own VP angle (denoiser.h). Every method is a linear combination x' = kx x + kd
 * D + kp D_previous + kn noise whose weights depend on the pixel's angles now and next.
 * A pixel whose angle stays (known pixels: 0 and 0) is left bit for bit. The noise in x
 * is always worked out from x and D, so D may be edited (projected, clipped) before a
 * step.
 *
 *     for (int i = 0; i < n_steps; i++) {
 *         ... D from x at angles now ...                      one evaluation per step
 *         sde_sampler_step(state, x, d, now, next, noise);    next: 0 after the last
 *     }
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sde.h"

typedef struct _SdeSamplerState SdeSamplerState;

/* Does a step of this method add fresh noise? `eta` counts for DDIM only. */
bool sde_sampler_needs_noise(SdeSampler sampler, double eta);
/* Bytes that a state for a picture of n_pixels holds (DPM-Solver++ keeps the last D).
 */
size_t sde_sampler_plan(SdeSampler sampler, size_t n_pixels);

/* SDE_ERROR_INPUT: no such sampler; eta (DDIM only) not in 0..1. */
SdeSamplerState *sde_sampler_state_new(SdeSampler sampler, double eta, size_t n_pixels,
                                       GError **error);
void sde_sampler_state_free(SdeSamplerState *state); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeSamplerState, sde_sampler_state_free)

/* x, d, noise: n_pixels × 3; angles: n_pixels, 0 <= next <= now <= pi/2. `noise` may be
 * NULL when sde_sampler_needs_noise() says so. x changes in place. */
void sde_sampler_step(SdeSamplerState *state, float *x, const float *d,
                      const float *theta_now, const float *theta_next,
                      const float *noise);
/* The way back up: from angles now to angles next >= now (0 to theta: q(x_t | x0);
 * RePaint's jumps). Forgets the last D. */
void sde_sampler_renoise(SdeSamplerState *state, float *x, const float *theta_now,
                         const float *theta_next, const float *noise);
