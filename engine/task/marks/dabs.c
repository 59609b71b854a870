/* Strokes lie on a jittered lattice and are painted one sixteenth of it after the
 * other, so that none needs to be remembered. Strips of the picture are painted side by
 * side; in each the strokes come in the same order. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/marks/dabs.h"

#include <math.h>
#include <string.h>

#include "task/marks/texture.h"

#define PERIOD        4 /* of the lattice: a sixteenth is each fourth cell each way */
#define LEAST         0.25f /* coherence: elsewhere strokes go as the hand goes */
#define HAND_ANGLE    0.6f
#define HAND_TURNS    1.2f  /* radians */
#define HAND_DISTANCE 60.0f /* pixels, over which it turns */
#define RAGGED        1.0f  /* pixels by which bristles are longer or shorter */

/* In which order, so that neighbours do not overlap as scales do. */
static const int order[PERIOD * PERIOD] = {0, 10, 5, 15, 2, 8,  7, 13,
                                           3, 9,  4, 14, 1, 11, 6, 12};

typedef struct {
    const SdeDabs *dabs;
    const SdeFlow *flow;
    const SdeDabLayer *layer;
    const float *rgb; /* that it takes its colours from, */
    int x, y;         /* and where in the whole picture that begins */
    uint32_t seed;
    const SdeStrip *strip;
} Job;

/* A stroke, in pixels of the whole picture as it was painted. */
typedef struct {
    float x, y, dx, dy;
    float half_length, radius;
    float phase;  /* of its bristles */
    float rgb[3]; /* 0..1 */
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
        angle =
            HAND_ANGLE + HAND_TURNS * sde_texture_at(job->seed, dab->x / HAND_DISTANCE,
                                                     dab->y / HAND_DISTANCE);
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
        dab->rgb[c] = 0.5f * dab->rgb[c] + 0.5f;
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

    dab->x = layer->spacing * ((float) i + 0.5f + random_at(job, 1, i, j));
    dab->y = layer->spacing * ((float) j + 0.5f + random_at(job, 2, i, j));
    x = CLAMP((int) dab->x - job->x, 0, flow->width - 1);
    y = CLAMP((int) dab->y - job->y, 0, flow->height - 1);
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

/* -1..1: how far a bristle reaches, and how dark it is. */
static float
find_hair(const Dab *dab, float across)
{
    return 0.6f * sinf(2.5f * across + dab->phase) +
           0.4f * sinf(6.1f * across + 2.0f * dab->phase);
}

static void
put(const float *colour, float shade, float cover, float *rgb)
{
    if (cover <= 0.0f) {
        return;
    }
    cover = MIN(cover, 1.0f);
    for (int c = 0; c < 3; c++) {
        rgb[c] += cover * (sde_clamp_unit(colour[c] + shade) - rgb[c]);
    }
}

/* How far from its middle a stroke may be seen. */
static float
find_reach(const SdeDabLayer *layer)
{
    return 0.5f * layer->length + RAGGED + 1.0f;
}

/* What of it lies in the strip. */
static void
paint_dab(const Job *job, const Dab *dab)
{
    const SdeStrip *strip = job->strip;
    float zoom = strip->zoom, reach = find_reach(job->layer);
    int left = MAX((int) (zoom * (dab->x - reach)) - strip->left, 0);
    int right = MIN((int) (zoom * (dab->x + reach)) + 2 - strip->left, strip->width);
    int top = MAX((int) (zoom * (dab->y - reach)) - strip->top, 0);
    int bottom = MIN((int) (zoom * (dab->y + reach)) + 2 - strip->top, strip->height);

    for (int y = top; y < bottom; y++) {
        float *to = strip->rgb + 3 * ((size_t) y * (size_t) strip->width);
        float v = sde_strip_y(strip, y) - dab->y;

        for (int x = left; x < right; x++) {
            float u = sde_strip_x(strip, x) - dab->x;
            float across = v * dab->dx - u * dab->dy, hair, along, inside;

            if (fabsf(across) > dab->radius + 1.0f) {
                continue;
            }
            hair = find_hair(dab, across);
            along = fabsf(u * dab->dx + v * dab->dy) - dab->half_length + RAGGED * hair;
            inside = dab->radius - hypotf(MAX(along, 0.0f), across);
            put(dab->rgb, job->dabs->bristles * hair, zoom * inside + 0.5f,
                to + 3 * (size_t) x);
        }
    }
}

/* Cells whose strokes may touch pixels from..to of the strip. */
static int
first_cell(const Job *job, int from)
{
    float at = (float) from / job->strip->zoom - find_reach(job->layer);

    return (int) floorf(at / job->layer->spacing) - 1;
}

static int
last_cell(const Job *job, int to)
{
    float at = (float) to / job->strip->zoom + find_reach(job->layer);

    return (int) floorf(at / job->layer->spacing) + 1;
}

/* The first cell from `from` on that is `rest` modulo PERIOD. */
static int
cell_of(int from, int rest)
{
    return from + (((rest - from) % PERIOD) + PERIOD) % PERIOD;
}

static void
paint_layer(const Job *job)
{
    const SdeStrip *strip = job->strip;
    int left = first_cell(job, strip->left);
    int right = last_cell(job, strip->left + strip->width);
    int above = first_cell(job, strip->top);
    int below = last_cell(job, strip->top + strip->height);

    for (int k = 0; k < PERIOD * PERIOD; k++) {
        int row = cell_of(above, order[k] / PERIOD);

        for (int j = row; j <= below; j += PERIOD) {
            for (int i = cell_of(left, order[k] % PERIOD); i <= right; i += PERIOD) {
                Dab dab;

                if (find_dab(job, i, j, &dab)) {
                    paint_dab(job, &dab);
                }
            }
        }
    }
}

void
sde_dabs_paint(const SdeDabs *dabs, const SdeFlow *flow, const float *rgb, int x, int y,
               uint32_t seed, const SdeStrip *strip)
{
    Job job = {.dabs = dabs, .flow = flow, .rgb = rgb, .x = x, .y = y, .strip = strip};

    for (size_t i = 0; i < G_N_ELEMENTS(dabs->layers); i++) {
        job.layer = &dabs->layers[i];
        job.seed = seed + 16 * (uint32_t) i;
        if (job.layer->spacing > 0.0f) {
            paint_layer(&job);
        }
    }
}
