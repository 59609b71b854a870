/* Restyling is SDEdit (Meng et al. 2022): give the picture the style's tones, noise it
 * to t0, walk down again under the style's class label, and hold the coarse colours. A
 * mask grades t0 per pixel where the model takes that, else it blends; in the same way
 * edges can be noised less than the rest. What is pasted is the change that the walk
 * made: with max_side the picture keeps its own fine detail, and where a style has no
 * tones, values outside 0..1 stay. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/restyle.h"

#include <string.h>

#include "task/blend.h"
#include "task/edges.h"
#include "task/mask.h"
#include "task/tones.h"
#include "task/walk.h"

/* Pixels around a part that is asked for alone, as it is painted: what lies farther off
 * hardly matters. */
#define PART_MARGIN 32
/* Between the seeds of passes: far from those that people choose. */
#define PASS_SEED UINT64_C(0x9E3779B97F4A7C15)
/* From this strength on the tones are the style's; at less, as much less so. */
#define FULL_TONES 0.3

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

/* Row y of the picture, of what is asked for. */
static void
paste_row(const SdeArea *area, const SdeToning *toning, bool graded, SdeRect asked,
          int y, const float *change, SdeImage *result)
{
    int left = asked.x - area->rect.x;
    size_t row = (size_t) (y - area->rect.y) * (size_t) area->rect.width;
    const float *mask = area->mask + row + (size_t) left;
    float *to = result->pixels + (size_t) y * result->stride + 3 * (size_t) asked.x;

    change += 3 * (size_t) left;
    for (int x = 0; x < asked.width; x++, change += 3, to += 3) {
        float weight = sde_mask_paste_weight(mask[x], graded);

        if (weight > 0.0f) {
            paste_pixel(toning, mask[x], weight, change, to);
        }
    }
}

static void
paste(const SdeArea *area, const SdeToning *toning, bool graded, SdeRect asked,
      SdeImage *result)
{
    g_autofree float *row = g_new(float, 3 * (size_t) area->rect.width);
    g_autofree float *scratch = g_new(float, 3 * (size_t) area->padded_width);

    keep_change(area);
    for (int y = asked.y; y < asked.y + asked.height; y++) {
        sde_area_read_row(area, area->out, y - area->rect.y, row, scratch);
        paste_row(area, toning, graded, asked, y, row, result);
    }
}

/* How far to move the picture's tones, to which ones. Where a style has tones the
 * picture's coarse colours are decided here, and the walk only holds them: what the
 * network does to them by itself is to make dark photos darker. */
static float
choose_tones(SdeWalk *walk, const SdeDenoiser *denoiser, const SdeRestyleParams *params,
             SdeStyleTones *tones)
{
    float known;

    *tones = sde_tones_of(denoiser, &walk->classes, &known);
    if (known <= 0.0f) {
        return 0.0f;
    }
    walk->keep_colors = 1.0;
    return known * (float) ((1.0 - params->keep_colors) *
                            MIN(params->sampling.strength / FULL_TONES, 1.0));
}

/* Levels, and the picture that the walk begins with; returns how its tones were moved.
 */
static SdeToning
load(const SdeArea *area, const SdeImage *source, const SdeStyleTones *tones,
     float share)
{
    size_t n = sde_area_count_pixels(area);
    SdeToning toning = {0};

    sde_area_load_levels(area);
    sde_area_load_picture(area, source);
    if (share > 0.0f) {
        toning = sde_tones_find(tones, share, area->levels, n, area->start);
    }
    for (size_t i = 0; share > 0.0f && i < n; i++) {
        if (area->levels[i] > 0.0f) {
            sde_tones_move(&toning, area->levels[i], area->start + 3 * i);
        }
    }
    return toning;
}

/* ---- the canvas -------------------------------------------------------------------
 */

/* The area, and what of it is painted: all, in the same planes, or a part beside it. */
typedef struct {
    SdeArea whole, painted;
    bool is_part;
} Canvas;

static void
canvas_init(Canvas *canvas, const SdeTask *task, SdeRect rect, SdeRect asked,
            int max_side)
{
    canvas->is_part = asked.width < rect.width || asked.height < rect.height;
    sde_area_init(&canvas->whole, task->denoiser, rect, max_side);
    canvas->painted = canvas->whole;
    if (canvas->is_part) {
        sde_area_init_part(&canvas->painted, &canvas->whole, task->denoiser, asked,
                           PART_MARGIN);
    }
}

/* Bytes beyond those of what is painted. */
static size_t
canvas_plan(const Canvas *canvas)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    SdeArea whole = canvas->whole;

    if (canvas->is_part) {
        sde_area_alloc(&whole, dry);
    }
    return sde_arena_get_peak(dry);
}

static void
canvas_alloc(Canvas *canvas, SdeArena *arena)
{
    sde_area_alloc(&canvas->painted, arena);
    if (canvas->is_part) {
        sde_area_alloc(&canvas->whole, arena);
    } else {
        canvas->whole = canvas->painted;
    }
}

/* What the walk begins with; how its tones were moved. */
static SdeToning
canvas_load(const Canvas *canvas, const SdeImage *source, const SdeMask *mask,
            const SdeStyleTones *tones, float share, double keep_structure)
{
    const SdeArea *whole = &canvas->whole;
    SdeToning toning;

    sde_mask_read(mask, whole->rect, whole->mask);
    toning = load(whole, source, tones, share);
    if (keep_structure > 0.0) {
        sde_edges_protect(whole->start, whole->padded_width, whole->padded_height,
                          keep_structure, whole->levels, whole->out);
    }
    if (canvas->is_part) {
        sde_area_load_part(&canvas->painted, whole);
    }
    return toning;
}

/* ---- the run ----------------------------------------------------------------------
 */

/* Each pass starts from what the one before made, with noise of its own. */
static bool
paint(const SdeWalk *walk, SdeTask *task, SdeTiles *tiles, int n_passes,
      const SdeSpan *span, GError **error)
{
    const SdeArea *area = walk->area;
    const uint64_t seed = task->seed;
    bool ok = true;

    task->n_passes = n_passes * sde_walk_count_passes(walk);
    for (int i = 0; ok && i < n_passes; i++) {
        SdeSpan part = sde_span_part(span, i, n_passes);

        if (i > 0) {
            memcpy(area->start, area->out,
                   3 * sde_area_count_pixels(area) * sizeof(float));
        }
        task->seed = seed + (uint64_t) i * PASS_SEED;
        ok = sde_walk_run(walk, task, tiles, &part, error);
    }
    task->seed = seed;
    return ok;
}

bool
sde_restyle_run(SdeTask *task, const SdeImage *source, const SdeMask *mask,
                const SdeRestyleParams *params, SdeImage *result, const SdeSpan *span,
                GError **error)
{
    g_autoptr(SdeTiles) tiles = NULL;
    g_autoptr(SdeArena) arena = NULL;
    Canvas canvas;
    SdeRect rect = sde_mask_find_crop(mask, NULL, source->width, source->height);
    SdeRect asked = task->part != NULL ? sde_rect_intersect(rect, *task->part) : rect;
    SdeStyleTones tones;
    SdeToning toning;
    float share;
    SdeWalk walk = {.area = &canvas.painted,
                    .sampling = &params->sampling,
                    .n_resample = 1,
                    .inverts = params->invert,
                    .classes = {.label = params->style,
                                .second = params->second_style,
                                .mix = (float) params->mix},
                    .guidance = params->guidance,
                    .keep_colors = params->keep_colors};
    size_t bytes, more;

    if (params->sampling.strength <= 0.0 || asked.width == 0) { /* no change */
        sde_blend_copy(task->pool, source, result);
        return true;
    }
    share = choose_tones(&walk, task->denoiser, params, &tones);
    canvas_init(&canvas, task, rect, asked, params->sampling.max_side);
    more = canvas_plan(&canvas);
    tiles = sde_walk_fit(&walk, task, more, &bytes, error);
    if (tiles == NULL || (arena = sde_arena_new(bytes + more, error)) == NULL) {
        return false;
    }
    canvas_alloc(&canvas, arena);
    toning = canvas_load(&canvas, source, mask, &tones, share, params->keep_structure);
    if (!paint(&walk, task, tiles, params->n_passes, span, error)) {
        return false;
    }
    if (params->n_passes > 1) { /* start is what the last pass began with */
        toning = load(&canvas.whole, source, &tones, share);
    }
    if (canvas.is_part) {
        sde_area_return_part(&canvas.painted, &canvas.whole);
    }
    sde_blend_copy(task->pool, source, result);
    paste(&canvas.whole, &toning, task->denoiser->level_map, asked, result);
    return true;
}
