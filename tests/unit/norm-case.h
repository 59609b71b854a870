/* A group norm on random data beside the same in double: for its test and for
 * tests/bench. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/norm.h"

#include "kernel-fixture.h"

/* Scale and shift are rounded to float once, then one multiply-add and an exponential
 * good to 2 ulp. */
#define NORM_ERROR 1e-6

typedef struct {
    SdeNorm norm;
    SdeTensor x, x2, y;
    bool has_x2, in_place;
    float *gain, *bias, *modulation; /* modulation nullable */
    SdePointwise f;
} NormCase;

static inline void
clear_norm_case(NormCase *c)
{
    clear_tensor(&c->x);
    clear_tensor(&c->x2);
    clear_tensor(&c->y);
    g_free(c->gain);
    g_free(c->bias);
    g_free(c->modulation);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(NormCase, clear_norm_case)

static inline void
make_norm_case(NormCase *c, int n, int h, int w, int channels, int groups, int split)
{
    *c = (NormCase) {.norm = {.channels = channels, .groups = groups, .eps = 1e-5f},
                     .has_x2 = split > 0,
                     .f = SDE_POINTWISE_SILU};
    c->x = random_tensor(n, h, w, channels - split, 1);
    c->x2 = random_tensor(n, h, w, MAX(split, 1), 2);
    c->y = random_tensor(n, h, w, channels, 3);
    c->gain = random_floats((size_t) channels, 4);
    c->bias = random_floats((size_t) channels, 5);
    c->modulation = random_floats((size_t) n * 2 * channels, 6);
    c->norm.gain = c->gain;
    c->norm.bias = c->bias;
}

static inline void
run_norm_case(SdeCompute *compute, void *data)
{
    NormCase *c = data;
    const SdeNormInput input = {.x = &c->x,
                                .x2 = c->has_x2 ? &c->x2 : NULL,
                                .modulation = c->modulation,
                                .f = c->f};

    sde_group_norm_run(compute, &c->norm, &input, c->in_place ? &c->x : &c->y);
}

static inline double
apply_in_double(SdePointwise f, double x)
{
    switch (f) {
    case SDE_POINTWISE_SILU:
        return x / (1 + exp(-x));
    case SDE_POINTWISE_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case SDE_POINTWISE_RELU:
        return MAX(x, 0);
    case SDE_POINTWISE_MISH:
        return x * tanh(log1p(exp(x)));
    case SDE_POINTWISE_NONE:
    default:
        return x;
    }
}

static inline double
get_norm_input(const NormCase *c, size_t pixel, int channel)
{
    return channel < c->x.c ? (double) c->x.data[pixel * c->x.c + channel]
                            : (double) c->x2.data[pixel * c->x2.c + channel - c->x.c];
}

static inline void
measure_norm_group(const NormCase *c, int n, int group, double *mean, double *deviation)
{
    const int width = c->norm.channels / c->norm.groups;
    const size_t pixels = (size_t) c->y.h * c->y.w;
    double sum = 0, square = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t p = 0; p < pixels; p++) {
            for (int i = 0; i < width; i++) {
                const double v =
                    get_norm_input(c, (size_t) n * pixels + p, group * width + i);

                sum += pass == 0 ? v : 0;
                square += pass == 1 ? (v - *mean) * (v - *mean) : 0;
            }
        }
        *mean = sum / (double) pixels / width;
    }
    *deviation = sqrt(square / (double) pixels / width + (double) c->norm.eps);
}

/* What output i must be, given its group's mean and deviation. */
static inline double
expect_norm_output(const NormCase *c, size_t i, double mean, double deviation)
{
    const int channels = c->y.c, channel = (int) (i % channels);
    const size_t pixel = i / channels, n = pixel / ((size_t) c->y.h * c->y.w);
    double v = (get_norm_input(c, pixel, channel) - mean) / deviation;

    v = v * (double) c->gain[channel] + (double) c->bias[channel];
    if (c->modulation != NULL) {
        const float *modulation = c->modulation + n * 2 * channels + channel;

        v = v * (1 + (double) modulation[0]) + (double) modulation[channels];
    }
    return apply_in_double(c->f, v);
}

static inline double *
compute_norm_reference(const NormCase *c)
{
    const SdeTensor *t = &c->y;
    const int width = t->c / c->norm.groups;
    const size_t sample = (size_t) t->h * t->w * t->c;
    double *want = g_new(double, sde_tensor_count(t));

    for (int n = 0; n < t->n; n++) {
        for (int group = 0; group < c->norm.groups; group++) {
            double mean = 0, deviation = 1;

            measure_norm_group(c, n, group, &mean, &deviation);
            for (size_t i = n * sample; i < (n + 1) * sample; i++) {
                if ((int) (i % t->c) / width == group) {
                    want[i] = expect_norm_output(c, i, mean, deviation);
                }
            }
        }
    }
    return want;
}
