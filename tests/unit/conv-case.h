/* A convolution on random data beside the direct sum in double: for its test and for
 * tests/bench. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/conv.h"

#include "kernel-fixture.h"

/* Direct sums round like any float sum of this length; Winograd's transforms amplify
 * rounding (engine/kernels/variants/transform.c), measured 1e-6 to 2e-6 with tiles of
 * 4 × 4, 3e-6 to 5e-6 with tiles of 6 × 6. bfloat16 has 8 bits: measured 2.4e-3 and
 * 1.1e-2. */
#define DIRECT_ERROR        2e-6
#define WINOGRAD_ERROR      1e-5
#define BF16_DIRECT_ERROR   4e-3
#define BF16_WINOGRAD_ERROR 2e-2

typedef struct {
    SdeConv conv;
    SdeTensor x, x2, residual, y;
    bool has_x2, has_residual;
    float *weights, *bias, *shift; /* shift nullable */
    const SdeScaleShift *norm;     /* nullable */
    float *prepared, *prepared_bias, *zeros;
    float scale;
} ConvCase;

static inline void
clear_conv_case(ConvCase *c)
{
    clear_tensor(&c->x);
    clear_tensor(&c->x2);
    clear_tensor(&c->residual);
    clear_tensor(&c->y);
    g_free(c->weights);
    g_free(c->bias);
    g_free(c->shift);
    g_free(c->prepared);
    g_free(c->prepared_bias);
    g_free(c->zeros);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ConvCase, clear_conv_case)

/* x2 takes `split` of the input channels. */
static inline void
make_conv_case_as(ConvCase *c, const SdeConvShape *shape, int expected_side,
                  SdePrecision precision, int n, int h, int w, int split)
{
    const SdeConv conv = sde_conv_choose(shape, expected_side, precision);
    const size_t n_weights =
        (size_t) shape->cout * shape->cin * shape->side * shape->side;
    const int out_h = (h * shape->upsample + shape->stride - 1) / shape->stride;
    const int out_w = (w * shape->upsample + shape->stride - 1) / shape->stride;

    *c = (ConvCase) {.conv = conv, .has_x2 = split > 0};
    c->x = random_tensor(n, h, w, shape->cin - split, 1);
    c->x2 = random_tensor(n, h, w, MAX(split, 1), 2);
    c->residual = random_tensor(n, out_h, out_w, shape->cout, 3);
    c->y = (SdeTensor) {
        .n = n, .h = out_h, .w = out_w, .c = shape->cout, .summed = n == 1};
    c->y.data = random_floats(sde_tensor_size(&c->y), 4);
    c->weights = random_floats(n_weights, 5);
    c->bias = random_floats((size_t) shape->cout, 6);
    c->shift = random_floats((size_t) n * shape->cout, 7);
    c->prepared = g_new0(float, sde_conv_count_weights(&conv));
    c->prepared_bias = g_new0(float, sde_conv_count_bias(&conv));
    c->zeros = g_new0(float, shape->cin);
    c->conv.weights = c->prepared;
    c->conv.bias = c->prepared_bias;
    c->conv.zeros = c->zeros;
    c->has_residual = true;
    c->scale = 0.5f;
    sde_conv_prepare(&c->conv, c->weights, c->bias, shape->cout, 0);
}

static inline void
make_conv_case(ConvCase *c, const SdeConvShape *shape, int expected_side, int n, int h,
               int w, int split)
{
    make_conv_case_as(c, shape, expected_side, SDE_PRECISION_FLOAT, n, h, w, split);
}

static inline double
get_conv_error(const SdeConv *conv)
{
    if (conv->bf16) {
        return conv->winograd ? BF16_WINOGRAD_ERROR : BF16_DIRECT_ERROR;
    }
    return conv->winograd ? WINOGRAD_ERROR : DIRECT_ERROR;
}

static inline void
run_conv_case(SdeCompute *compute, void *data)
{
    ConvCase *c = data;
    const SdeConvInput input = {.x = &c->x,
                                .x2 = c->has_x2 ? &c->x2 : NULL,
                                .norm = c->norm,
                                .shift = c->shift,
                                .residual = c->has_residual ? &c->residual : NULL,
                                .scale = c->scale};

    sde_conv_run(compute, &c->conv, &input, &c->y);
}

/* Channel i of x and x2 side by side; zero outside the map. */
static inline double
get_conv_input(const ConvCase *c, int n, int y, int x, int i)
{
    const int up = c->conv.shape.upsample;
    const SdeTensor *t = i < c->x.c ? &c->x : &c->x2;

    if (y < 0 || x < 0 || y >= c->x.h * up || x >= c->x.w * up) {
        return 0;
    }
    i -= i < c->x.c ? 0 : c->x.c;
    return (double) t->data[(((size_t) n * t->h + y / up) * t->w + x / up) * t->c + i];
}

static inline double
get_conv_sum(const ConvCase *c, int n, int y, int x, int o)
{
    const SdeConvShape *s = &c->conv.shape;
    double sum = 0;

    for (int i = 0; i < s->cin; i++) {
        for (int ky = 0; ky < s->side; ky++) {
            for (int kx = 0; kx < s->side; kx++) {
                const size_t at =
                    (((size_t) o * s->cin + i) * s->side + ky) * s->side + kx;

                sum += (double) c->weights[at] *
                       get_conv_input(c, n, y * s->stride + ky - s->pad,
                                      x * s->stride + kx - s->pad, i);
            }
        }
    }
    return sum;
}

/* What output i must be. */
static inline double
expect_conv_output(const ConvCase *c, size_t i)
{
    const SdeTensor *t = &c->y;
    const int o = (int) (i % t->c);
    const int x = (int) (i / t->c % t->w);
    const int y = (int) (i / t->c / t->w % t->h);
    const int n = (int) (i / t->c / t->w / t->h);
    double sum = get_conv_sum(c, n, y, x, o) + (double) c->bias[o];

    sum += c->shift == NULL ? 0 : (double) c->shift[n * t->c + o];
    sum += c->has_residual ? (double) c->residual.data[i] : 0;
    return sum * (c->scale == 0.0f ? 1 : (double) c->scale);
}

static inline double *
compute_conv_reference(const ConvCase *c)
{
    const size_t count = sde_tensor_count(&c->y);
    double *want = g_new(double, count);

    for (size_t i = 0; i < count; i++) {
        want[i] = expect_conv_output(c, i);
    }
    return want;
}
