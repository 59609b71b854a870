/* The part of a picture that a task works on (see area.h).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/area.h"

#include <string.h>

#include "task/scale.h"
#include "task/tiles.h"

void
sde_area_init(SdeArea *area, const SdeDenoiser *denoiser, SdeRect rect, int max_side)
{
    area->rect = rect;
    sde_scale_fit(rect.width, rect.height, max_side, &area->width, &area->height);
    area->padded_width = sde_tiles_pad_side(denoiser, area->width);
    area->padded_height = sde_tiles_pad_side(denoiser, area->height);
}

size_t
sde_area_count_pixels(const SdeArea *area)
{
    return (size_t) area->padded_width * (size_t) area->padded_height;
}

void
sde_area_alloc(SdeArea *area, SdeArena *arena)
{
    size_t n = sde_area_count_pixels(area);

    area->mask =
        sde_arena_alloc(arena, (size_t) area->rect.width * (size_t) area->rect.height);
    area->levels = sde_arena_alloc(arena, n);
    area->start = sde_arena_alloc(arena, 3 * n);
    area->out = sde_arena_alloc(arena, 3 * n);
}

static bool
is_smaller(const SdeArea *area)
{
    return area->width != area->rect.width || area->height != area->rect.height;
}

/* Spreads a dense width × height plane to the padded pitch and mirrors it into the
 * padding. Works backwards, as the rows move apart inside the same memory. */
static void
pad_plane(const SdeArea *area, int channels, float *plane)
{
    size_t n = (size_t) channels;
    size_t dense = (size_t) area->width * n, pitch = (size_t) area->padded_width * n;

    for (int y = area->height - 1; y >= 0; y--) {
        float *row = plane + (size_t) y * pitch;

        memmove(row, plane + (size_t) y * dense, dense * sizeof(float));
    }
    for (int y = 0; y < area->padded_height; y++) {
        float *row = plane + (size_t) y * pitch;

        if (y >= area->height) {
            int from = sde_mirror_index(y, area->height);

            memcpy(row, plane + (size_t) from * pitch, pitch * sizeof(float));
            continue;
        }
        for (int x = area->width; x < area->padded_width; x++) {
            size_t from = (size_t) sde_mirror_index(x, area->width);

            memcpy(row + (size_t) x * n, row + from * n, n * sizeof(float));
        }
    }
}

void
sde_area_load_picture(const SdeArea *area, const SdeImage *source)
{
    float *out = area->start;
    SdeRect rect = area->rect;
    const float *corner =
        source->pixels + (size_t) rect.y * source->stride + 3 * (size_t) rect.x;
    size_t n = 3 * (size_t) area->width * (size_t) area->height;

    if (!is_smaller(area)) {
        sde_tiles_crop(source, rect, area->padded_width, area->padded_height, out);
        return;
    }
    sde_scale_down(corner, source->stride, rect.width, rect.height, 3, out, area->width,
                   area->height);
    for (size_t i = 0; i < n; i++) {
        out[i] = 2.0f * sde_clamp_unit(out[i]) - 1.0f;
    }
    pad_plane(area, 3, out);
}

void
sde_area_load_levels(const SdeArea *area)
{
    float *out = area->levels;

    if (is_smaller(area)) {
        sde_scale_down_highest(area->mask, area->rect.width, area->rect.height, out,
                               area->width, area->height);
    } else {
        memcpy(out, area->mask,
               (size_t) area->width * (size_t) area->height * sizeof(float));
    }
    pad_plane(area, 1, out);
}

/* Where a part lies in its whole, along one side. */
static void
fit_part(int whole, int left, int right, const SdeDenoiser *denoiser, int *start,
         int *size)
{
    int begin = MAX(left, 0) / denoiser->size_multiple * denoiser->size_multiple;

    *size = MIN(sde_tiles_pad_side(denoiser, right - begin), whole);
    *start = MIN(begin, whole - *size);
}

void
sde_area_init_part(SdeArea *part, const SdeArea *whole, const SdeDenoiser *denoiser,
                   SdeRect shown, int margin)
{
    double across = (double) whole->width / whole->rect.width;
    double down = (double) whole->height / whole->rect.height;
    int left = (int) (across * (shown.x - whole->rect.x)) - margin;
    int top = (int) (down * (shown.y - whole->rect.y)) - margin;
    int width = (int) (across * shown.width) + 1 + 2 * margin;
    int height = (int) (down * shown.height) + 1 + 2 * margin;
    SdeRect *rect = &part->rect;

    fit_part(whole->padded_width, left, left + width, denoiser, &rect->x, &rect->width);
    fit_part(whole->padded_height, top, top + height, denoiser, &rect->y,
             &rect->height);
    part->width = part->padded_width = rect->width;
    part->height = part->padded_height = rect->height;
    rect->x += whole->rect.x;
    rect->y += whole->rect.y;
}

/* Index of the pixel of the whole that row y of the part begins with. */
static size_t
part_row(const SdeArea *part, const SdeArea *whole, int y)
{
    return (size_t) (part->rect.y - whole->rect.y + y) * (size_t) whole->padded_width +
           (size_t) (part->rect.x - whole->rect.x);
}

void
sde_area_load_part(const SdeArea *part, const SdeArea *whole)
{
    size_t width = (size_t) part->padded_width;

    for (int y = 0; y < part->padded_height; y++) {
        size_t from = part_row(part, whole, y), to = (size_t) y * width;

        memcpy(part->levels + to, whole->levels + from, width * sizeof(float));
        memcpy(part->start + 3 * to, whole->start + 3 * from,
               3 * width * sizeof(float));
    }
}

void
sde_area_return_part(const SdeArea *part, const SdeArea *whole, const float *from,
                     float *to)
{
    size_t width = (size_t) part->padded_width;

    for (int y = 0; y < part->padded_height; y++) {
        memcpy(to + 3 * part_row(part, whole, y), from + 3 * (size_t) y * width,
               3 * width * sizeof(float));
    }
}

void
sde_area_read_row(const SdeArea *area, const float *work, int y, float *out,
                  float *scratch)
{
    size_t pitch = 3 * (size_t) area->padded_width;

    if (is_smaller(area)) {
        sde_scale_up_row(work, pitch, area->width, area->height, 3, area->rect.width,
                         area->rect.height, y, out, scratch);
        return;
    }
    memcpy(out, work + (size_t) y * pitch,
           3 * (size_t) area->rect.width * sizeof(float));
}
