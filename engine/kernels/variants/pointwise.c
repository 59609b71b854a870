/* Loops over single values: normalisation with its activation, sums, softmax.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "kernels/variants/levels.h"
#include "kernels/variants/vec.h"

/* Below -87 the denominator stops growing, so x must stop too: the result is 0 but for
 * 2e-36. Above it is x to the last bit long before. */
static inline Vec
silu(Vec x)
{
    x = vec_clamp(x, -87.0f, INFINITY);
    return x / (vec_exp_inside(-vec_clamp(x, -INFINITY, 87.0f)) + 1.0f);
}

static inline Vec
gelu(Vec x)
{
    for (int i = 0; i < WIDTH; i++) {
        x[i] = 0.5f * x[i] * (1.0f + erff(x[i] * 0.70710678118654752f));
    }
    return x;
}

/* x tanh(ln(1 + e^x)), and tanh(ln u) = (u^2 - 1) / (u^2 + 1). Above 20 it is x to the
 * last bit. */
static inline Vec
mish(Vec x)
{
    x = vec_clamp(x, -87.0f, INFINITY); /* where e^x stops falling, as in silu() */

    const Vec e = vec_exp(vec_clamp(x, -87.0f, 20.0f));
    const Vec n = e * (e + 2.0f);

    return x * (n / (n + 2.0f));
}

static inline __attribute__((always_inline)) Vec
apply(SdePointwise f, Vec x)
{
    switch (f) {
    case SDE_POINTWISE_SILU:
        return silu(x);
    case SDE_POINTWISE_GELU:
        return gelu(x);
    case SDE_POINTWISE_RELU:
        return vec_clamp(x, 0.0f, INFINITY);
    case SDE_POINTWISE_MISH:
        return mish(x);
    case SDE_POINTWISE_NONE:
    default:
        return x;
    }
}

/* `f` is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void
scale_shift_with(SdePointwise f, const float *x, size_t pixels, int channels,
                 const float *scale, const float *shift, float *y, size_t y_stride)
{
    const int whole = channels - channels % WIDTH;
    const size_t rest = (size_t) (channels - whole) * sizeof(float);

    for (size_t i = 0; i < pixels; i++) {
        const float *from = x + i * (size_t) channels;
        float *to = y + i * y_stride;

        for (int c = 0; c < whole; c += WIDTH) {
            const Vec v =
                vec_load(from + c) * vec_load(scale + c) + vec_load(shift + c);

            vec_store(to + c, apply(f, v));
        }
        if (rest != 0) {
            Vec v = {0}, by = {0}, plus = {0};

            memcpy(&v, from + whole, rest);
            memcpy(&by, scale + whole, rest);
            memcpy(&plus, shift + whole, rest);
            v = apply(f, v * by + plus);
            memcpy(to + whole, &v, rest);
        }
    }
}

void
LEVEL(scale_shift)(const float *x, size_t pixels, int channels, const float *scale,
                   const float *shift, SdePointwise f, float *y, size_t y_stride)
{
#define CASE(which)                                                              \
    case which:                                                                  \
        scale_shift_with(which, x, pixels, channels, scale, shift, y, y_stride); \
        break
    switch (f) {
        CASE(SDE_POINTWISE_NONE);
        CASE(SDE_POINTWISE_SILU);
        CASE(SDE_POINTWISE_GELU);
        CASE(SDE_POINTWISE_RELU);
        CASE(SDE_POINTWISE_MISH);
    }
#undef CASE
}

/* Channel by channel in strips of one vector, so that the sums stay in registers. */
void
LEVEL(channel_sums)(const float *x, size_t pixels, int channels, double *sums,
                    double *squares)
{
    int c = 0;

    for (; c + WIDTH <= channels; c += WIDTH) {
        double sum[WIDTH] = {0}, square[WIDTH] = {0};

        for (size_t i = 0; i < pixels; i++) {
            const float *from = x + i * (size_t) channels + c;

            for (int j = 0; j < WIDTH; j++) {
                const double value = (double) from[j];

                sum[j] += value;
                square[j] += value * value;
            }
        }
        memcpy(sums + c, sum, sizeof(sum));
        memcpy(squares + c, square, sizeof(square));
    }
    for (; c < channels; c++) {
        double sum = 0, square = 0;

        for (size_t i = 0; i < pixels; i++) {
            const double value = (double) x[i * (size_t) channels + (size_t) c];

            sum += value;
            square += value * value;
        }
        sums[c] = sum;
        squares[c] = square;
    }
}

float
LEVEL(softmax_block)(float *scores, int n, float scale, float *max, float *sum)
{
    Vec top = vec_splat(*max), total = {0};
    float highest = *max, added = 0.0f;

    for (int c = 0; c < n; c += WIDTH) {
        const Vec s = vec_load(scores + c) * scale;

        for (int i = 0; i < WIDTH; i++) {
            top[i] = s[i] > top[i] ? s[i] : top[i];
        }
    }
    for (int i = 0; i < WIDTH; i++) {
        highest = top[i] > highest ? top[i] : highest;
    }
    for (int c = 0; c < n; c += WIDTH) {
        const Vec e = vec_exp(vec_load(scores + c) * scale - highest);

        vec_store(scores + c, e);
        total += e;
    }
    for (int i = 0; i < WIDTH; i++) {
        added += total[i];
    }

    const float factor = expf(*max - highest);

    *sum = *sum * factor + added;
    *max = highest;
    return factor;
}
