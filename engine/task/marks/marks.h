/* The marks of a style: what the network painted is drawn as a brush, a needle or a
 * pencil would have done it. Strokes and flat colours are painted at the size that the
 * network works at; lines are drawn at the picture's own, so that they stay sharp.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/marks/flow.h"
#include "task/tones.h"

/* Planes a pixel of `guide`: contours (marks/contours.h), Y' of 0..1, and the same
 * smooth. */
#define SDE_MARKS_GUIDES 3

typedef struct {
    SdeTechnique technique;
    float share; /* 0..1, of what the network painted that is drawn over */
    uint32_t seed;
    int width, height; /* of what is painted */
    SdeFlow flow;
    float *guide;   /* × SDE_MARKS_GUIDES */
    float *scratch; /* × 6 */
} SdeMarks;

/* Sizes and planes; the arena may be dry. */
void sde_marks_alloc(SdeMarks *marks, int width, int height, SdeArena *arena);
/* Repaints rgb (width × height × 3, -1..1) and finds the guide. x, y: where in the
 * whole picture it begins. */
void sde_marks_paint(const SdeMarks *marks, SdePool *pool, int x, int y, float *rgb);
/* Draws at a pixel, 0..1, that has this guide. x, y: in the whole picture, in pixels of
 * the size that it was painted in; zoom: how many times larger it is drawn. */
void sde_marks_draw(const SdeMarks *marks, const float *guide, float x, float y,
                    float zoom, float *rgb);
