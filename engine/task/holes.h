/* A mask cut into holes that are filled one after the other, each with its own
 * surroundings: what a fill costs goes by what is masked, not by the picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

/* Pixels: a hole that is no deeper is thin. What fills it comes from near by: it is
 * done with the mean, and may be cut anywhere. */
#define SDE_THIN_DEPTH 6

typedef struct {
    int spread;     /* pixels around the mask that belong to it: grow + feather */
    int context;    /* pixels of surroundings; 0: from each hole's size */
    bool cuts_thin; /* thin holes may be cut, and need less around them */
} SdeHoleParams;

typedef struct {
    SdeRect bounds; /* of the hole; no two of a list overlap */
    SdeRect crop;   /* with surroundings, in which other holes may be */
    bool thin;      /* all of it */
} SdeHole;

/* SdeHole, from the upper left on, which hold all that is masked, cut so that there is
 * least to look at; empty for an empty mask. */
GArray *sde_holes_find(const SdeMask *mask, const SdeHoleParams *params);
