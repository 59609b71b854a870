/* Contours as a pen draws them: differences of Gaussians across the flow, joined along
 * it (XDoG: Winnemöller, Kyprianidis and Olsen 2012).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/marks/flow.h"

typedef struct {
    float tone;      /* how much dark places are ink, too; 0: only lines are */
    float sharpness; /* how much lines are exaggerated */
    float paper;     /* what is darker after that is ink */
    float steepness; /* of the change between ink and paper */
} SdeContours;

/* out < 0 is ink, the more the blacker: sde_contours_ink(). luma (0..1) is one plane,
 * as is scratch. */
void sde_contours_find(const SdeContours *contours, const SdeFlow *flow, SdePool *pool,
                       const float *luma, float *scratch, float *out);
/* 0..1, of a value that was found; zoom: how many times larger it is drawn. */
float sde_contours_ink(float found, float zoom);
