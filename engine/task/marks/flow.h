/* The flow of a picture: at each pixel the direction along which it changes least, as a
 * brush would go, from its smoothed structure tensor (Kyprianidis and Kang 2011, "Image
 * and Video Abstraction by Coherence-Enhancing Filtering").
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

typedef struct {
    int width, height;
    float *along;     /* 2 a pixel: a unit vector, of either sense */
    float *coherence; /* 0, no direction, to 1, one alone */
    float *energy;    /* gradient a pixel, root mean square around */
} SdeFlow;

/* Its planes; the arena may be dry. */
void sde_flow_alloc(SdeFlow *flow, int width, int height, SdeArena *arena);
/* scratch: 4 × width × height floats. */
void sde_flow_find(const SdeFlow *flow, const float *luma, float *scratch);

/* How to average. */
typedef struct {
    bool across; /* the flow, and not along it */
    int reach;   /* pixels each way, at most SDE_FLOW_REACH; a Gaussian of half that */
    float range; /* above 0: values as far off count less (a bilateral filter) */
} SdeFlowMean;
#define SDE_FLOW_REACH 16

/* out = means of `in` (width × height × channels, at most 3). */
void sde_flow_average(const SdeFlow *flow, SdePool *pool, const SdeFlowMean *mean,
                      const float *in, int channels, float *out);
