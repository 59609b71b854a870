/* A small convolutional network that sees how noisy a photo is, place by place: for
 * every cell the normal distribution of the log of the noise's variance, as trained by
 * its likelihood (Nix, Weigend: Estimating the mean and variance of the target
 * probability distribution, 1994). models/sdedit_models/noise_net.py is its twin.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/compute.h"

struct _SdeWeights; /* model/weights.h */

#define SDE_NOISE_CELL 8 /* pixels on a side */
/* Part of every variance: 8-bit rounding hides what is weaker. */
#define SDE_NOISE_FLOOR 0.25

typedef struct _SdeNoiseNet SdeNoiseNet; /* fixed after new; shared by threads */

/* Copies what it needs. SDE_ERROR_FORMAT names a missing, extra or misshapen tensor. */
SdeNoiseNet *sde_noise_net_new(struct _SdeWeights *weights, GError **error);
void sde_noise_net_free(SdeNoiseNet *net); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeNoiseNet, sde_noise_net_free)

/* One cell. Variance is the mean over the channels, in 8-bit units squared. */
typedef struct {
    float log_variance;
    float log_spread; /* of the variance of log_variance */
} SdeNoiseGuess;

/* Bytes of the arena that a run at this size takes, with so many threads. */
size_t sde_noise_net_plan(const SdeNoiseNet *net, int width, int height, int n_threads);
/* rgb: height × width × 3 in -1..1, sides are multiples of SDE_NOISE_CELL;
 * guesses: one for every cell, by rows. Both are NULL over a dry arena; undefined once
 * cancelled. */
void sde_noise_net_run(const SdeNoiseNet *net, SdeCompute *compute, const float *rgb,
                       int width, int height, SdeNoiseGuess *guesses);
