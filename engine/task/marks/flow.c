/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/marks/flow.h"

#include <math.h>
#include <string.h>

#include "task/blend.h"

#define TENSOR_RADIUS 3     /* pixels, of the blurs */
#define LEAST_TRACE   1e-9f /* of the tensor: even areas have no direction */

void
sde_flow_alloc(SdeFlow *flow, int width, int height, SdeArena *arena)
{
    size_t n = (size_t) width * (size_t) height;

    flow->width = width;
    flow->height = height;
    flow->along = sde_arena_alloc(arena, 2 * n);
    flow->coherence = sde_arena_alloc(arena, n);
    flow->energy = sde_arena_alloc(arena, n);
}

/* ---- the tensor -------------------------------------------------------------------
 */

/* Products of the gradient, by Scharr's filter, to three planes. */
static void
find_products(const SdeFlow *flow, const float *luma, float *xx, float *xy, float *yy)
{
    int width = flow->width, height = flow->height;

    for (int y = 0; y < height; y++) {
        const float *row = luma + (size_t) y * (size_t) width;
        const float *above = y > 0 ? row - width : row;
        const float *below = y + 1 < height ? row + width : row;
        size_t at = (size_t) y * (size_t) width;

        for (int x = 0; x < width; x++, at++) {
            int l = MAX(x - 1, 0), r = MIN(x + 1, width - 1);
            float across = 3.0f * (above[r] - above[l] + below[r] - below[l]) +
                           10.0f * (row[r] - row[l]);
            float down = 3.0f * (below[l] - above[l] + below[r] - above[r]) +
                         10.0f * (below[x] - above[x]);

            across /= 32.0f;
            down /= 32.0f;
            xx[at] = across * across;
            xy[at] = across * down;
            yy[at] = down * down;
        }
    }
}

void
sde_flow_find(const SdeFlow *flow, const float *luma, float *scratch)
{
    size_t n = (size_t) flow->width * (size_t) flow->height;
    float *xx = scratch, *xy = xx + n, *yy = xy + n, *rest = yy + n;

    find_products(flow, luma, xx, xy, yy);
    sde_blend_blur(xx, flow->width, flow->height, TENSOR_RADIUS, rest);
    sde_blend_blur(xy, flow->width, flow->height, TENSOR_RADIUS, rest);
    sde_blend_blur(yy, flow->width, flow->height, TENSOR_RADIUS, rest);
    for (size_t i = 0; i < n; i++) {
        float trace = xx[i] + yy[i], difference = xx[i] - yy[i];
        float spread = sqrtf(difference * difference + 4.0f * xy[i] * xy[i]);
        float steepest = 0.5f * atan2f(2.0f * xy[i], difference);

        flow->along[2 * i] = -sinf(steepest);
        flow->along[2 * i + 1] = cosf(steepest);
        flow->coherence[i] = spread / (trace + LEAST_TRACE);
        flow->energy[i] = sqrtf(MAX(trace, 0.0f));
    }
}

/* ---- means along it ---------------------------------------------------------------
 */

/* Bilinear, of a place inside or near the picture. */
static void
sample(const SdeFlow *flow, const float *in, int channels, float x, float y, float *out)
{
    float u = CLAMP(x, 0.0f, (float) (flow->width - 1));
    float v = CLAMP(y, 0.0f, (float) (flow->height - 1));
    int left = (int) u, top = (int) v;
    size_t n = (size_t) channels, pitch = (size_t) flow->width * n;
    size_t right = left + 1 < flow->width ? n : 0;
    size_t down = top + 1 < flow->height ? pitch : 0;
    const float *at = in + (size_t) top * pitch + (size_t) left * n;

    u -= (float) left;
    v -= (float) top;
    for (size_t c = 0; c < n; c++, at++) {
        float above = at[0] + u * (at[right] - at[0]);
        float below = at[down] + u * (at[down + right] - at[down]);

        out[c] = above + v * (below - above);
    }
}

typedef struct {
    const SdeFlow *flow;
    const SdeFlowMean *mean;
    const float *in;
    int channels;
    float *out;
    float weights[SDE_FLOW_REACH + 1]; /* of a Gaussian */
} Average;

static size_t
nearest(const SdeFlow *flow, float x, float y)
{
    int i = CLAMP((int) (x + 0.5f), 0, flow->width - 1);
    int j = CLAMP((int) (y + 0.5f), 0, flow->height - 1);

    return (size_t) j * (size_t) flow->width + (size_t) i;
}

/* Adds what lies to one side of a pixel. */
static void
add_side(const Average *job, int x, int y, float sense, const float *own, float *sum,
         float *total)
{
    const SdeFlow *flow = job->flow;
    const float *along = flow->along + 2 * nearest(flow, (float) x, (float) y);
    float dx = sense * along[0], dy = sense * along[1], u = (float) x, v = (float) y;
    float falloff =
        job->mean->range > 0.0f ? -0.5f / (job->mean->range * job->mean->range) : 0.0f;

    if (job->mean->across) {
        float turned = dx;

        dx = -dy;
        dy = turned;
    }
    for (int i = 1; i <= job->mean->reach; i++) {
        float value[3], weight = job->weights[i], square = 0.0f;

        u += dx;
        v += dy;
        sample(flow, job->in, job->channels, u, v, value);
        for (int c = 0; c < job->channels; c++) {
            square += (value[c] - own[c]) * (value[c] - own[c]);
        }
        weight *= falloff < 0.0f ? expf(falloff * square) : 1.0f;
        for (int c = 0; c < job->channels; c++) {
            sum[c] += weight * value[c];
        }
        *total += weight;
        if (!job->mean->across) {
            const float *next = flow->along + 2 * nearest(flow, u, v);
            float same = next[0] * dx + next[1] * dy < 0.0f ? -1.0f : 1.0f;

            dx = same * next[0];
            dy = same * next[1];
        }
    }
}

static void
average_row(size_t y, int thread, void *data)
{
    const Average *job = data;
    size_t n = (size_t) job->channels, first = y * (size_t) job->flow->width * n;

    for (int x = 0; x < job->flow->width; x++) {
        const float *own = job->in + first + (size_t) x * n;
        float sum[3], total = 1.0f;

        memcpy(sum, own, n * sizeof(float));
        add_side(job, x, (int) y, 1.0f, own, sum, &total);
        add_side(job, x, (int) y, -1.0f, own, sum, &total);
        for (size_t c = 0; c < n; c++) {
            job->out[first + (size_t) x * n + c] = sum[c] / total;
        }
    }
}

void
sde_flow_average(const SdeFlow *flow, SdePool *pool, const SdeFlowMean *mean,
                 const float *in, int channels, float *out)
{
    Average job = {
        .flow = flow, .mean = mean, .in = in, .channels = channels, .out = out};
    float deviation = 0.5f * (float) mean->reach;

    for (int i = 0; i <= mean->reach; i++) {
        float z = (float) i / deviation;

        job.weights[i] = expf(-0.5f * z * z);
    }
    sde_parallel_for(pool, (size_t) flow->height, NULL, average_row, &job);
}
