/* What the three tasks share: the run they belong to and rectangles of a picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/arena.h"
#include "base/parallel.h"
#include "base/span.h"
#include "sample/denoiser.h"
#include "sample/noise-net.h"
#include "sde.h"

/* One run. The task counts its network passes over a picture here while it works, so
 * that whoever reports progress can tell "step of n_steps" truthfully. */
typedef struct {
    SdeDenoiser *denoiser;
    const SdeNoiseNet *noise_net; /* nullable */
    SdePool *pool;                /* nullable */
    uint64_t seed;
    size_t memory_limit; /* bytes, for everything the task and its denoiser hold */
    const SdeRect *part; /* nullable: the pixels that are asked for */
    int pass, n_passes;
} SdeTask;

/* Independent noise fields of one seed. */
enum {
    SDE_STREAM_START = 0,   /* the noise that a walk starts from */
    SDE_STREAM_FILL = 1,    /* contents of a hole with SDE_FILL_NOISE */
    SDE_STREAM_PATCHES = 2, /* where to look for patches */
    SDE_STREAM_GRAIN = 3,   /* noise that a fill gets to match the photo's */
    SDE_STREAM_STEP = 16    /* and up: fresh noise of each step */
};

/* a = ceil(a / b) and the next multiple, for sizes that were checked before. */
static inline int
sde_divide_up(int a, int b)
{
    return (a + b - 1) / b;
}

static inline int
sde_round_up(int a, int b)
{
    return sde_divide_up(a, b) * b;
}

/* Rec. 601 luma, the Y' of JPEG's Y'CbCr. */
static inline float
sde_luma(const float *rgb)
{
    return 0.299f * rgb[0] + 0.587f * rgb[1] + 0.114f * rgb[2];
}

static inline float
sde_clamp_unit(float value)
{
    return value < 0.0f ? 0.0f : value > 1.0f ? 1.0f : value;
}

/* The smallest that holds both. */
SdeRect sde_rect_unite(SdeRect a, SdeRect b);
/* What both have in common; empty (width and height 0): nothing. */
SdeRect sde_rect_intersect(SdeRect a, SdeRect b);

/* Outcome of planning: false and SDE_ERROR_TOO_LARGE, with the numbers and `advice`. */
bool sde_task_check_memory(const SdeTask *task, size_t bytes, int width, int height,
                           const char *advice, GError **error);
