/* Walks a picture from a noise level down to none: the loop that inpainting and
 * restyling share. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/area.h"
#include "task/tiles.h"

#define SDE_WALK_COLOR_CELL 16

typedef struct {
    const SdeArea *area; /* `start` is noised where `levels` is above 0; to `out` */
    const SdeSampling *sampling;
    bool mean_first; /* the first evaluation is at full noise, the rest refine its D;
                      * only with a level map */
    /* 1 to 4: of which that D is the mean, and in a thin hole; with mean_first */
    int mean_views, thin_views;
    bool thin;      /* only what is thin counts (task/holes.h), and that D is all */
    int n_resample; /* RePaint's r: each stretch is walked this many times */
    bool inverts;   /* starts from the noise that DDIM, walked upwards, finds in
                     * start, not from fresh noise; not with mean_first */
    SdeClasses classes;
    double guidance;    /* in the first half of the steps; 1: none */
    double keep_colors; /* 0..1: hold the coarse colours of start, or the mean's */
    int color_cell;     /* pixels, of what is coarse; 0: SDE_WALK_COLOR_CELL */
} SdeWalk;

/* Network passes that this walk makes. */
int sde_walk_count_passes(const SdeWalk *walk);
/* Bytes besides the area's and the tiles'. */
size_t sde_walk_plan(const SdeWalk *walk, const SdeDenoiser *denoiser);
/* Bytes of the area, and tiles for what then is left of the task's memory, where `more`
 * bytes are spoken for. NULL and SDE_ERROR_TOO_LARGE when it does not fit. */
SdeTiles *sde_walk_fit(const SdeWalk *walk, const SdeTask *task, size_t more,
                       size_t *area_bytes, GError **error);
/* Fills area->out, which equals start where the level is 0. */
bool sde_walk_run(const SdeWalk *walk, SdeTask *task, SdeTiles *tiles,
                  const SdeSpan *span, GError **error);
