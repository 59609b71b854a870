/* Makes pieces that were copied from many places meet without a step.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

typedef struct {
    int width, height;
    int n_values;       /* of a pixel, of which the first three are its colour, -1..1 */
    float *values;      /* width × height × n_values */
    const int *sources; /* for each pixel the one that it was copied from, by index;
                         * itself: it is known and stays bit for bit */
} SdeStitch;

/* Bytes that sde_stitch_run() needs. */
size_t sde_stitch_plan(int width, int height);
/* Adds to the copied pixels what varies as little as possible and yet takes away the
 * steps between neighbours that neither of their sources has (gradient-domain
 * stitching, Perez et al. 2003; Agarwala et al. 2004). Great steps stay: they are
 * edges. */
bool sde_stitch_run(const SdeStitch *stitch, SdePool *pool, GError **error);
