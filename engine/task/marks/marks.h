/* The marks of a style: what the network painted is drawn as a brush, a needle or a
 * pencil would have done it. Colours are mixed at the size that the network works at;
 * strokes and lines are drawn at the picture's own, so that they stay sharp.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/marks/flow.h"
#include "task/marks/strip.h"
#include "task/tones.h"

/* Planes a pixel of `guide`: contours (marks/contours.h), Y' of 0..1, and the same
 * smooth. */
#define SDE_MARKS_GUIDES 3

typedef struct {
    SdeTechnique technique;
    float share; /* 0..1, of what the network painted that is drawn over */
    uint32_t seed;
    int width, height; /* of what is painted, */
    int x, y;          /* and where in the whole picture that begins */
    SdeFlow flow;
    float *guide;   /* × SDE_MARKS_GUIDES, for lines */
    float *scratch; /* × 5; strokes take their colours from it */
} SdeMarks;

/* Whether there are any, for which the guide is needed. */
bool sde_marks_have_lines(const SdeMarks *marks);
/* Sizes and planes; the arena may be dry. */
void sde_marks_alloc(SdeMarks *marks, int width, int height, SdeArena *arena);
/* Mixes the colours of rgb (width × height × 3, -1..1) and finds the guide, and what
 * strokes need later. */
void sde_marks_paint(const SdeMarks *marks, SdePool *pool, float *rgb);
/* Draws over a strip of what was painted; guide: of the strip's pixels. */
void sde_marks_draw(const SdeMarks *marks, const float *guide, const SdeStrip *strip);
