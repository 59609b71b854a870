/* Strokes lie on a jittered lattice and are painted one sixteenth of it after the
 * other, so that none needs to be remembered. Strips of the picture are painted side by
 * side; in each the strokes come in the same order. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/marks/dabs.h"

#include <math.h>
#include <string.h>

#include "task/marks/texture.h"

#define STRIP         32 /* rows */
#define PERIOD        4  /* of the lattice: a sixteenth is each fourth cell each way */
#define LEAST         0.25f /* coherence: elsewhere strokes go as the hand goes */
#define HAND_ANGLE    0.6f
#define HAND_TURNS    1.2f  /* radians */
#define HAND_DISTANCE 60.0f /* pixels, over which it turns */

/* In which order, so that neighbours do not overlap as scales do. */
static const int order[PERIOD * PERIOD] = {0, 10, 5, 15, 2, 8,  7, 13,
                                           3, 9,  4, 14, 1, 11, 6, 12};

typedef struct {
    const SdeDabs *dabs;
    const SdeFlow *flow;
    const SdeDabLayer *layer;
    int x, y; /* where the picture begins */
    uint32_t seed;
    const float *rgb;
    float *out;
} Job;

/* A stroke, in pixels of the picture. */
typedef struct {
    float x, y, dx, dy;
    float half_length, radius;
    float phase; /* of its bristles */
    float rgb[3];
} Dab;

static float
random_at(const Job *job, uint32_t what, int i, int j)
{
    return sde_texture_cell(job->seed + what, i, j) - 0.5f;
}

static void
choose_direction(const Job *job, int i, int j, size_t at, Dab *dab)
{
    const float *along = job->flow->along + 2 * at;
    float angle = atan2f(along[1], along[0]);

    if (job->flow->coherence[at] < LEAST) {
        angle = HAND_ANGLE +
                HAND_TURNS * sde_texture_at(job->seed,
                                            (dab->x + (float) job->x) / HAND_DISTANCE,
                                            (dab->y + (float) job->y) / HAND_DISTANCE);
    }
    angle += 2.0f * job->dabs->turn * random_at(job, 3, i, j);
    dab->dx = cosf(angle);
    dab->dy = sinf(angle);
}

/* The mean of 3 × 3 pixels, a little off. */
static void
choose_colour(const Job *job, int i, int j, int x, int y, Dab *dab)
{
    const SdeFlow *flow = job->flow;
    float light = 2.0f * job->dabs->light * random_at(job, 4, i, j), luma;

    memset(dab->rgb, 0, sizeof dab->rgb);
    for (int v = y - 1; v <= y + 1; v++) {
        for (int u = x - 1; u <= x + 1; u++) {
            size_t at = (size_t) CLAMP(v, 0, flow->height - 1) * (size_t) flow->width +
                        (size_t) CLAMP(u, 0, flow->width - 1);

            for (size_t c = 0; c < 3; c++) {
                dab->rgb[c] += job->rgb[3 * at + c] / 9.0f;
            }
        }
    }
    luma = sde_luma(dab->rgb);
    for (uint32_t c = 0; c < 3; c++) {
        float tint = 2.0f * job->dabs->tint * random_at(job, 5 + c, i, j);

        dab->rgb[c] = luma + job->dabs->chroma * (dab->rgb[c] - luma) + tint + light;
    }
}

/* The stroke of a cell of the lattice; false where the layer has none. */
static bool
find_dab(const Job *job, int i, int j, Dab *dab)
{
    const SdeDabLayer *layer = job->layer;
    const SdeFlow *flow = job->flow;
    int x, y;
    size_t at;

    dab->x =
        layer->spacing * ((float) i + 0.5f + random_at(job, 1, i, j)) - (float) job->x;
    dab->y =
        layer->spacing * ((float) j + 0.5f + random_at(job, 2, i, j)) - (float) job->y;
    x = CLAMP((int) dab->x, 0, flow->width - 1);
    y = CLAMP((int) dab->y, 0, flow->height - 1);
    at = (size_t) y * (size_t) flow->width + (size_t) x;
    if (flow->energy[at] < layer->least_energy) {
        return false;
    }
    dab->radius = 0.5f * layer->width;
    dab->half_length = 0.5f * layer->length - dab->radius;
    dab->phase = 6.0f * random_at(job, 8, i, j);
    choose_direction(job, i, j, at, dab);
    choose_colour(job, i, j, x, y, dab);
    return true;
}

/* What of it lies in the rows top..bottom - 1. */
static void
paint_dab(const Job *job, const Dab *dab, int top, int bottom)
{
    float reach = dab->half_length + dab->radius + 1.0f;
    int left = MAX((int) (dab->x - reach), 0);
    int right = MIN((int) (dab->x + reach) + 2, job->flow->width);

    top = MAX((int) (dab->y - reach), top);
    bottom = MIN((int) (dab->y + reach) + 2, bottom);
    for (int y = top; y < bottom; y++) {
        float *to = job->out + 3 * ((size_t) y * (size_t) job->flow->width);

        for (int x = left; x < right; x++) {
            float u = (float) x - dab->x, v = (float) y - dab->y;
            float along = fabsf(u * dab->dx + v * dab->dy) - dab->half_length;
            float across = v * dab->dx - u * dab->dy;
            float cover = dab->radius + 0.5f - hypotf(MAX(along, 0.0f), across);
            float shade;

            if (cover <= 0.0f) {
                continue;
            }
            cover = MIN(cover, 1.0f);
            shade = job->dabs->bristles * sinf(2.5f * across + dab->phase);
            for (size_t c = 0; c < 3; c++) {
                float *value = to + 3 * (size_t) x + c;

                *value += cover * (CLAMP(dab->rgb[c] + shade, -1.0f, 1.0f) - *value);
            }
        }
    }
}

/* Cells whose strokes may touch pixels from..to. */
static int
first_cell(const Job *job, int from)
{
    return (int) floorf(((float) from - job->layer->length) / job->layer->spacing) - 1;
}

static int
last_cell(const Job *job, int to)
{
    return (int) floorf(((float) to + job->layer->length) / job->layer->spacing) + 1;
}

/* The first cell from `from` on that is `rest` modulo PERIOD. */
static int
cell_of(int from, int rest)
{
    return from + (((rest - from) % PERIOD) + PERIOD) % PERIOD;
}

static void
paint_strip(size_t strip, int thread, void *data)
{
    const Job *job = data;
    int top = (int) strip * STRIP, bottom = MIN(top + STRIP, job->flow->height);
    int left = first_cell(job, job->x);
    int right = last_cell(job, job->x + job->flow->width);
    int above = first_cell(job, job->y + top), below = last_cell(job, job->y + bottom);

    for (int k = 0; k < PERIOD * PERIOD; k++) {
        int row = cell_of(above, order[k] / PERIOD);

        for (int j = row; j <= below; j += PERIOD) {
            for (int i = cell_of(left, order[k] % PERIOD); i <= right; i += PERIOD) {
                Dab dab;

                if (find_dab(job, i, j, &dab)) {
                    paint_dab(job, &dab, top, bottom);
                }
            }
        }
    }
}

void
sde_dabs_paint(const SdeDabs *dabs, const SdeFlow *flow, SdePool *pool, int x, int y,
               uint32_t seed, const float *rgb, float *out)
{
    Job job = {.dabs = dabs, .flow = flow, .x = x, .y = y, .rgb = rgb, .out = out};

    for (size_t i = 0; i < G_N_ELEMENTS(dabs->layers); i++) {
        job.layer = &dabs->layers[i];
        job.seed = seed + 16 * (uint32_t) i;
        if (job.layer->spacing > 0.0f) {
            sde_parallel_for(pool, (size_t) sde_divide_up(flow->height, STRIP), NULL,
                             paint_strip, &job);
        }
    }
}
