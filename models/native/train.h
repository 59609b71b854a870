/* Layers with their gradients, for training on a CPU: what PyTorch is slow at.
 *
 * sdedit_models/native.py calls these through ctypes from its autograd functions. All
 * maps are n × h × w × c floats, channels last and densely packed; weights lie as
 * PyTorch stores them. Convolutions have side 1 or 3, pad side / 2 and stride 1 or 2
 * (stride 2 only with side 3 and even sizes). Nothing is checked here: the Python side
 * knows its shapes. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/compute.h"

/* One trainer's threads and scratch memory. Not to be used by two threads at once. */
typedef struct {
    SdeCompute compute;
    size_t arena_size; /* bytes */
    float *scratch;
    size_t n_scratch, n_used; /* floats */
} SdeTrain;

typedef struct {
    int n, h, w; /* of the input */
    int cin, cout, side, stride;
} SdeTrainConv;

typedef struct {
    int n, pixels, channels, groups;
    float eps;
} SdeTrainNorm;

SdeTrain *sde_train_new(int n_threads);

/* y = conv(x) + bias */
void sde_train_conv(SdeTrain *train, const SdeTrainConv *shape, const float *x,
                    const float *weights, const float *bias, float *y);
/* From dy: dx (nullable), dweights and dbias, which are overwritten. */
void sde_train_conv_backward(SdeTrain *train, const SdeTrainConv *shape, const float *x,
                             const float *weights, const float *dy, float *dx,
                             float *dweights, float *dbias);

/* y = silu(z), z = norm(x) * gain * (1 + scale) + bias * (1 + scale) + shift. scale and
 * shift, n × channels, are nullable together. statistics: n × groups × (mean, 1 /
 * deviation), kept for the way back. */
void sde_train_norm(SdeTrain *train, const SdeTrainNorm *shape, const float *x,
                    const float *gain, const float *bias, const float *scale,
                    const float *shift, float *y, float *statistics);
/* dx; dgain and dbias (channels); dscale and dshift (n × channels, null with scale). */
void sde_train_norm_backward(SdeTrain *train, const SdeTrainNorm *shape, const float *x,
                             const float *gain, const float *bias, const float *scale,
                             const float *shift, const float *statistics,
                             const float *dy, float *dx, float *dgain, float *dbias,
                             float *dscale, float *dshift);

/* Scratch for one call of the above: taken piece by piece, given back as a whole. */
float *sde_train_take(SdeTrain *train, size_t n_floats);
void sde_train_reserve(SdeTrain *train, size_t n_floats);
