/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/paste.h"

#include <string.h>

#include "task/mask.h"

#define ROWS 32 /* that one thread pastes at a time */

/* A row of the area at the picture's size, and room for making it larger. */
typedef struct {
    float *change, *start, *guide, *scratch;
} Row;

/* out = the change from start, in the picture's units. */
static void
keep_change(const SdeArea *area)
{
    size_t n = 3 * sde_area_count_pixels(area);

    for (size_t i = 0; i < n; i++) {
        area->out[i] = 0.5f * (area->out[i] - area->start[i]);
    }
}

/* The picture, at its own size, gets the style's tones, too. */
static void
paste_pixel(const SdeToning *toning, float level, float weight, const float *change,
            float *to)
{
    float moved[3], added[3];

    memcpy(added, change, sizeof added);
    if (toning->share > 0.0f) {
        for (int c = 0; c < 3; c++) {
            moved[c] = 2.0f * to[c] - 1.0f;
        }
        sde_tones_move(toning, level, moved);
        for (int c = 0; c < 3; c++) {
            to[c] = 0.5f * moved[c] + 0.5f;
        }
        sde_tones_move_change(toning, level, added);
    }
    for (int c = 0; c < 3; c++) {
        to[c] += weight * added[c];
    }
}

static void
read_row(const SdePaste *paste, int y, const Row *row)
{
    const SdeArea *area = paste->area;

    sde_area_read_row(area, area->out, y, row->change, row->scratch);
    if (paste->marks->share > 0.0f) {
        sde_area_read_row(area, area->start, y, row->start, row->scratch);
    }
    if (sde_marks_have_lines(paste->marks)) {
        sde_area_read_row(area, paste->guide, y, row->guide, row->scratch);
    }
}

/* Where row y of the picture, of what is asked for, has its mask and its pixels. */
static const float *
find_row(const SdePaste *paste, int y, float **pixels)
{
    const SdeArea *area = paste->area;
    size_t row = (size_t) (y - area->rect.y) * (size_t) area->rect.width;

    *pixels = paste->result->pixels + (size_t) y * paste->result->stride +
              3 * (size_t) paste->asked.x;
    return area->mask + row + (size_t) (paste->asked.x - area->rect.x);
}

static void
paste_row(const SdePaste *paste, const float *change, int y)
{
    float *to;
    const float *mask = find_row(paste, y, &to);

    for (int x = 0; x < paste->asked.width; x++, change += 3, to += 3) {
        float weight = sde_mask_paste_weight(mask[x], paste->graded);

        if (weight > 0.0f) {
            paste_pixel(paste->toning, mask[x], weight, change, to);
        }
    }
}

/* Row y of the strip becomes what was painted: start and change. */
static void
load_strip_row(const SdeStrip *strip, int y, const float *start, const float *change)
{
    size_t n = 3 * (size_t) strip->width;
    float *rgb = strip->rgb + (size_t) y * n;

    for (size_t i = 0; i < n; i++) {
        rgb[i] = 0.5f * start[i] + 0.5f + change[i];
    }
}

static void
blend_strip(const SdePaste *paste, const SdeStrip *strip)
{
    const float *drawn = strip->rgb;

    for (int y = 0; y < strip->height; y++) {
        float *to;
        const float *mask = find_row(paste, paste->area->rect.y + strip->top + y, &to);

        for (int x = 0; x < strip->width; x++, drawn += 3, to += 3) {
            float share = paste->marks->share * mask[x];

            for (int c = 0; share > 0.0f && c < 3; c++) {
                to[c] += share * (drawn[c] - to[c]);
            }
        }
    }
}

static void
paste_rows(size_t block, int thread, void *data)
{
    const SdePaste *paste = data;
    const SdeArea *area = paste->area;
    const bool draws = paste->marks->share > 0.0f;
    size_t whole = 3 * (size_t) area->rect.width, n = 3 * (size_t) paste->asked.width;
    size_t left = (size_t) (paste->asked.x - area->rect.x);
    int top = (int) block * ROWS, height = MIN(ROWS, paste->asked.height - top);
    g_autofree float *room = g_new(float, 3 * whole + 3 * (size_t) area->padded_width);
    g_autofree float *drawing = draws ? g_new(float, n *(size_t) height) : NULL;
    g_autofree float *guide =
        sde_marks_have_lines(paste->marks) ? g_new(float, n *(size_t) height) : NULL;
    Row row = {room, room + whole, room + 2 * whole, room + 3 * whole};
    SdeStrip strip = {.left = (int) left,
                      .top = paste->asked.y - area->rect.y + top,
                      .width = paste->asked.width,
                      .height = height,
                      .zoom = (float) area->rect.width / (float) area->width,
                      .rgb = drawing};

    for (int y = 0; y < height; y++) {
        read_row(paste, strip.top + y, &row);
        paste_row(paste, row.change + 3 * left, paste->asked.y + top + y);
        if (draws) {
            load_strip_row(&strip, y, row.start + 3 * left, row.change + 3 * left);
        }
        if (guide != NULL) {
            memcpy(guide + (size_t) y * n, row.guide + 3 * left, n * sizeof(float));
        }
    }
    if (draws) {
        sde_marks_draw(paste->marks, guide, &strip);
        blend_strip(paste, &strip);
    }
}

void
sde_paste_run(const SdePaste *paste, SdePool *pool)
{
    keep_change(paste->area);
    sde_parallel_for(pool, (size_t) sde_divide_up(paste->asked.height, ROWS), NULL,
                     paste_rows, (void *) paste);
}
