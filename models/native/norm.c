/* Group norm with modulation and SiLU, and its gradients; a block is one sample.
 *
 * With u = (x - mean) / deviation, g = gain (1 + scale) and b = bias (1 + scale) +
 * shift: z = u g + b, y = silu(z). Backwards, dz = dy silu'(z); the sums of dz u and of
 * dz over the pixels are the gradients of g and b, and dx = (g dz - mean(g dz) - u
 * mean(g dz u)) / deviation, means over a group. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "train.h"

#define SDE_VARIANT train
#include "kernels/variants/vec.h"

#define MAX_CHANNELS 1024
#define RUN          256 /* pixels summed in float before they go into a double */

typedef struct {
    const SdeTrainNorm *shape;
    const float *x, *gain, *bias, *scale, *shift;
    float *y, *statistics;
    const float *dy;
    float *dx, *dg, *db; /* dg, db: n × channels */
} Norm;

static void
add_up(const float *sums, int channels, double *totals)
{
    for (int c = 0; c < channels; c++) {
        totals[c] += (double) sums[c];
    }
}

/* Sums over the pixels of x and of its square. */
static void
sum_channels(const float *x, int pixels, int channels, double *sum, double *square)
{
    float s[MAX_CHANNELS], q[MAX_CHANNELS];

    memset(sum, 0, (size_t) channels * sizeof(double));
    memset(square, 0, (size_t) channels * sizeof(double));
    for (int first = 0; first < pixels; first += RUN) {
        memset(s, 0, sizeof(s));
        memset(q, 0, sizeof(q));
        for (int i = first; i < MIN(first + RUN, pixels); i++) {
            const float *row = x + (size_t) i * channels;

            for (int c = 0; c < channels; c++) {
                s[c] += row[c];
                q[c] += row[c] * row[c];
            }
        }
        add_up(s, channels, sum);
        add_up(q, channels, square);
    }
}

static void
measure_groups(const SdeTrainNorm *shape, const double *sum, const double *square,
               float *statistics)
{
    const int width = shape->channels / shape->groups;
    const double count = (double) shape->pixels * width;

    for (int g = 0; g < shape->groups; g++) {
        double s = 0.0, q = 0.0;

        for (int c = g * width; c < (g + 1) * width; c++) {
            s += sum[c];
            q += square[c];
        }
        s /= count;
        statistics[2 * g] = (float) s;
        statistics[2 * g + 1] =
            (float) (1.0 / sqrt(MAX(q / count - s * s, 0.0) + (double) shape->eps));
    }
}

/* g and b of a sample's channels. */
static void
find_factors(const Norm *norm, int n, float *g, float *b)
{
    const int channels = norm->shape->channels;

    for (int c = 0; c < channels; c++) {
        const size_t at = (size_t) n * channels + c;
        const float by = norm->scale == NULL ? 1.0f : 1.0f + norm->scale[at];

        g[c] = norm->gain[c] * by;
        b[c] = norm->bias[c] * by + (norm->shift == NULL ? 0.0f : norm->shift[at]);
    }
}

/* Lanes of mean and 1 / deviation for each channel. */
static void
spread(const SdeTrainNorm *shape, const float *statistics, float *mean, float *rdev)
{
    const int width = shape->channels / shape->groups;

    for (int c = 0; c < shape->channels; c++) {
        mean[c] = statistics[2 * (c / width)];
        rdev[c] = statistics[2 * (c / width) + 1];
    }
}

static inline Vec
sigmoid(Vec x)
{
    return vec_splat(1.0f) / (vec_exp(-x) + 1.0f);
}

static void
forward_sample(size_t n, int thread, void *data)
{
    const Norm *norm = data;
    const SdeTrainNorm *shape = norm->shape;
    const int channels = shape->channels;
    const size_t at = n * (size_t) shape->pixels * channels;
    float *statistics = norm->statistics + n * 2 * shape->groups;
    double sum[MAX_CHANNELS], square[MAX_CHANNELS];
    float g[MAX_CHANNELS], b[MAX_CHANNELS], mean[MAX_CHANNELS], rdev[MAX_CHANNELS];

    sum_channels(norm->x + at, shape->pixels, channels, sum, square);
    measure_groups(shape, sum, square, statistics);
    find_factors(norm, (int) n, g, b);
    spread(shape, statistics, mean, rdev);
    for (int c = 0; c < channels; c++) {
        g[c] *= rdev[c];
        b[c] -= g[c] * mean[c];
    }
    for (int i = 0; i < shape->pixels; i++) {
        const float *x = norm->x + at + (size_t) i * channels;
        float *y = norm->y + at + (size_t) i * channels;

        for (int c = 0; c < channels; c += WIDTH) {
            const Vec z = vec_load(x + c) * vec_load(g + c) + vec_load(b + c);

            vec_store(y + c, z * sigmoid(z));
        }
    }
}

void
sde_train_norm(SdeTrain *train, const SdeTrainNorm *shape, const float *x,
               const float *gain, const float *bias, const float *scale,
               const float *shift, float *y, float *statistics)
{
    Norm norm = {.shape = shape,
                 .x = x,
                 .gain = gain,
                 .bias = bias,
                 .scale = scale,
                 .shift = shift,
                 .y = y,
                 .statistics = statistics};

    g_assert(shape->channels <= MAX_CHANNELS && shape->channels % WIDTH == 0);
    sde_compute_for(&train->compute, (size_t) shape->n, forward_sample, &norm);
}

/* dz into dx, and the sums of dz u and dz. */
static void
undo_silu(const Norm *norm, size_t n, const float *mean, const float *rdev, double *dg,
          double *db)
{
    const int channels = norm->shape->channels, pixels = norm->shape->pixels;
    const size_t at = n * (size_t) pixels * channels;
    float g[MAX_CHANNELS], b[MAX_CHANNELS], sg[MAX_CHANNELS], sb[MAX_CHANNELS];

    find_factors(norm, (int) n, g, b);
    memset(dg, 0, (size_t) channels * sizeof(double));
    memset(db, 0, (size_t) channels * sizeof(double));
    for (int first = 0; first < pixels; first += RUN) {
        memset(sg, 0, sizeof(sg));
        memset(sb, 0, sizeof(sb));
        for (int i = first; i < MIN(first + RUN, pixels); i++) {
            const size_t row = at + (size_t) i * channels;

            for (int c = 0; c < channels; c += WIDTH) {
                const Vec u = (vec_load(norm->x + row + c) - vec_load(mean + c)) *
                              vec_load(rdev + c);
                const Vec z = u * vec_load(g + c) + vec_load(b + c);
                const Vec s = sigmoid(z);
                const Vec dz = vec_load(norm->dy + row + c) * s *
                               (vec_splat(1.0f) + z * (vec_splat(1.0f) - s));

                vec_store(norm->dx + row + c, dz);
                vec_store(sg + c, vec_load(sg + c) + dz * u);
                vec_store(sb + c, vec_load(sb + c) + dz);
            }
        }
        add_up(sg, channels, dg);
        add_up(sb, channels, db);
    }
}

/* dx = g rdev dz - low - u high, low and high the means over the group times rdev. */
static void
undo_norm(const Norm *norm, size_t n, const float *mean, const float *rdev,
          const double *dg, const double *db)
{
    const SdeTrainNorm *shape = norm->shape;
    const int channels = shape->channels, width = channels / shape->groups;
    const double count = (double) shape->pixels * width;
    const size_t at = n * (size_t) shape->pixels * channels;
    float g[MAX_CHANNELS], b[MAX_CHANNELS], high[MAX_CHANNELS];

    find_factors(norm, (int) n, g, b);
    for (int first = 0; first < channels; first += width) {
        double by_g = 0.0, by_b = 0.0;

        for (int c = first; c < first + width; c++) {
            by_g += dg[c] * (double) g[c] / count;
            by_b += db[c] * (double) g[c] / count;
        }
        for (int c = first; c < first + width; c++) { /* dx = g dz + b + high x */
            g[c] *= rdev[c];
            high[c] = -(float) by_g * rdev[c] * rdev[c];
            b[c] = -(float) by_b * rdev[c] - mean[c] * high[c];
        }
    }
    for (int i = 0; i < shape->pixels; i++) {
        const size_t row = at + (size_t) i * channels;

        for (int c = 0; c < channels; c += WIDTH) {
            vec_store(norm->dx + row + c,
                      vec_load(norm->dx + row + c) * vec_load(g + c) +
                          vec_load(norm->x + row + c) * vec_load(high + c) +
                          vec_load(b + c));
        }
    }
}

static void
backward_sample(size_t n, int thread, void *data)
{
    const Norm *norm = data;
    const int channels = norm->shape->channels;
    double dg[MAX_CHANNELS], db[MAX_CHANNELS];
    float mean[MAX_CHANNELS], rdev[MAX_CHANNELS];

    spread(norm->shape, norm->statistics + n * 2 * norm->shape->groups, mean, rdev);
    undo_silu(norm, n, mean, rdev, dg, db);
    undo_norm(norm, n, mean, rdev, dg, db);
    for (int c = 0; c < channels; c++) {
        norm->dg[n * channels + c] = (float) dg[c];
        norm->db[n * channels + c] = (float) db[c];
    }
}

/* From g and b to what they were made of. */
static void
share_out(const Norm *norm, float *dgain, float *dbias, float *dscale, float *dshift)
{
    const int channels = norm->shape->channels;

    memset(dgain, 0, (size_t) channels * sizeof(float));
    memset(dbias, 0, (size_t) channels * sizeof(float));
    for (int n = 0; n < norm->shape->n; n++) {
        for (int c = 0; c < channels; c++) {
            const size_t at = (size_t) n * channels + c;
            const float by = norm->scale == NULL ? 1.0f : 1.0f + norm->scale[at];

            dgain[c] += norm->dg[at] * by;
            dbias[c] += norm->db[at] * by;
            if (norm->scale != NULL) {
                dscale[at] =
                    norm->dg[at] * norm->gain[c] + norm->db[at] * norm->bias[c];
                dshift[at] = norm->db[at];
            }
        }
    }
}

void
sde_train_norm_backward(SdeTrain *train, const SdeTrainNorm *shape, const float *x,
                        const float *gain, const float *bias, const float *scale,
                        const float *shift, const float *statistics, const float *dy,
                        float *dx, float *dgain, float *dbias, float *dscale,
                        float *dshift)
{
    const size_t count = (size_t) shape->n * shape->channels;
    Norm norm = {.shape = shape,
                 .x = x,
                 .gain = gain,
                 .bias = bias,
                 .scale = scale,
                 .shift = shift,
                 .statistics = (float *) statistics,
                 .dy = dy,
                 .dx = dx};

    sde_train_reserve(train, 2 * count);
    norm.dg = sde_train_take(train, count);
    norm.db = sde_train_take(train, count);
    sde_compute_for(&train->compute, (size_t) shape->n, backward_sample, &norm);
    share_out(&norm, dgain, dbias, dscale, dshift);
}
