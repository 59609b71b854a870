/* The part of a picture that a task works on, as the model sees it: cropped, made
 * smaller if asked, -1..1, and padded by mirroring to sizes that the network takes; and
 * the way back. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

typedef struct {
    SdeRect rect;      /* of the picture; its corner is where its noise begins */
    int width, height; /* of the crop, after it was made smaller */
    int padded_width, padded_height;
    float *mask;        /* of the rect, at the picture's size: levels 0..1 */
    float *levels;      /* the same, of the padded area */
    float *start, *out; /* padded × 3: before and after the walk */
} SdeArea;

/* Sizes only. max_side 0: work at the picture's own size. */
void sde_area_init(SdeArea *area, const SdeDenoiser *denoiser, SdeRect rect,
                   int max_side);
/* width × height of the padded area. */
size_t sde_area_count_pixels(const SdeArea *area);

/* Its four planes; the arena may be dry. */
void sde_area_alloc(SdeArea *area, SdeArena *arena);

/* start = the picture; levels = the mask. */
void sde_area_load_picture(const SdeArea *area, const SdeImage *source);
void sde_area_load_levels(const SdeArea *area);
/* A part of an area as an area of its own, for what walks: sizes, then its levels and
 * start from the whole's, in the end a plane (× 3) of the whole from its own. It holds
 * `shown`, of the picture, and `margin` pixels (of the area) around that, and begins on
 * the grid of the network. */
void sde_area_init_part(SdeArea *part, const SdeArea *whole,
                        const SdeDenoiser *denoiser, SdeRect shown, int margin);
void sde_area_load_part(const SdeArea *part, const SdeArea *whole);
void sde_area_return_part(const SdeArea *part, const SdeArea *whole, const float *from,
                          float *to);
/* Row y of the rect (width × 3), at the picture's size. work: padded × 3. scratch:
 * padded_width × 3 floats. */
void sde_area_read_row(const SdeArea *area, const float *work, int y, float *out,
                       float *scratch);
