/* Puts what was painted back into the picture: the change that the walk made, the tones
 * of the style, and its marks. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/area.h"
#include "task/marks/marks.h"

typedef struct {
    const SdeArea *area;     /* `out` becomes the change from `start` */
    const SdeToning *toning; /* share 0: none */
    const SdeMarks *marks;   /* share 0: none */
    const float *guide;      /* of the marks, of the area */
    bool graded;             /* the walk took soft levels */
    SdeRect asked;           /* of the picture; in the area */
    SdeImage *result;        /* holds the picture as it was */
} SdePaste;

void sde_paste_run(const SdePaste *paste, SdePool *pool);
