/* Restyling is SDEdit (Meng et al. 2022): give the picture the style's tones, noise it
 * to t0, walk down again under the style's class label, and hold the coarse colours. A
 * mask grades t0 per pixel where the model takes that, else it blends; in the same way
 * edges can be noised less than the rest. What is pasted is the change that the walk
 * made: with max_side the picture keeps its own fine detail, and where a style has no
 * tones, values outside 0..1 stay. A style with a technique is drawn over all that
 * (task/marks/). SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/restyle.h"

#include <string.h>

#include "task/blend.h"
#include "task/edges.h"
#include "task/mask.h"
#include "task/paste.h"
#include "task/walk.h"

/* Pixels around a part that is asked for alone, as it is painted: what lies farther off
 * hardly matters. */
#define PART_MARGIN  32
#define MARKS_MARGIN 64 /* where marks are drawn: lines are joined over some pixels */
/* Between the seeds of passes: far from those that people choose. */
#define PASS_SEED UINT64_C(0x9E3779B97F4A7C15)
/* Pixels: how coarse is what the walk holds, at little and at full strength. */
#define LEAST_CELL 4
#define MOST_CELL  12
/* From this strength on tones and marks are the style's; at less, as much less so. */
#define FULL_STYLE 0.3

/* At little strength the walk holds the drawing, too, at full strength only which
 * colour is where. */
static int
choose_cell(double strength)
{
    return MAX((int) (MOST_CELL * strength * strength + 0.5), LEAST_CELL);
}

/* How much of the style's tones and marks this strength brings, 0..1. */
static double
find_style_share(const SdeRestyleParams *params)
{
    return MIN(params->sampling.strength / FULL_STYLE, 1.0);
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
    walk->color_cell = choose_cell(params->sampling.strength);
    return known * (float) ((1.0 - params->keep_colors) * find_style_share(params));
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

/* No marks unless the style has a technique and there is something to draw. */
static SdeMarks
choose_marks(const SdeTask *task, const SdeClasses *classes,
             const SdeRestyleParams *params)
{
    SdeTechnique technique = sde_tones_technique_of(task->denoiser, classes);
    double share = params->marks * find_style_share(params);

    return (SdeMarks) {.technique = technique,
                       .share = technique != SDE_TECHNIQUE_NONE ? (float) share : 0.0f,
                       .seed = (uint32_t) task->seed};
}

/* ---- the canvas -------------------------------------------------------------------
 */

/* The area, and what of it is painted: all, in the same planes, or a part beside it. */
typedef struct {
    SdeArea whole, painted;
    bool is_part;
    SdeMarks marks; /* of what is painted */
    float *guide;   /* of the marks, of the whole */
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
                           canvas->marks.share > 0.0f ? MARKS_MARGIN : PART_MARGIN);
    }
}

/* What is there beside the planes of what is painted. */
static void
canvas_alloc_more(Canvas *canvas, SdeArena *arena)
{
    if (canvas->is_part) {
        sde_area_alloc(&canvas->whole, arena);
    } else {
        canvas->whole = canvas->painted;
    }
    if (canvas->marks.share <= 0.0f) {
        return;
    }
    sde_marks_alloc(&canvas->marks, canvas->painted.padded_width,
                    canvas->painted.padded_height, arena);
    canvas->guide = canvas->marks.guide;
    if (canvas->is_part) {
        canvas->marks.x = canvas->painted.rect.x - canvas->whole.rect.x;
        canvas->marks.y = canvas->painted.rect.y - canvas->whole.rect.y;
        canvas->guide =
            sde_arena_alloc(arena, 3 * sde_area_count_pixels(&canvas->whole));
    }
}

/* Its bytes. */
static size_t
canvas_plan(const Canvas *canvas)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    Canvas planned = *canvas;

    canvas_alloc_more(&planned, dry);
    return sde_arena_get_peak(dry);
}

static void
canvas_alloc(Canvas *canvas, SdeArena *arena)
{
    sde_area_alloc(&canvas->painted, arena);
    canvas_alloc_more(canvas, arena);
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

/* Draws the marks, and puts what was painted into the whole. */
static void
canvas_finish(const Canvas *canvas, SdePool *pool)
{
    const SdeArea *painted = &canvas->painted, *whole = &canvas->whole;

    if (canvas->marks.share > 0.0f) {
        sde_marks_paint(&canvas->marks, pool, painted->out);
    }
    if (canvas->is_part) {
        memcpy(whole->out, whole->start,
               3 * sde_area_count_pixels(whole) * sizeof(float));
        sde_area_return_part(painted, whole, painted->out, whole->out);
        if (sde_marks_have_lines(&canvas->marks)) {
            sde_area_return_part(painted, whole, canvas->marks.guide, canvas->guide);
        }
    }
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

static void
paste(const Canvas *canvas, const SdeTask *task, const SdeToning *toning, SdeRect asked,
      SdeImage *result)
{
    SdePaste job = {.area = &canvas->whole,
                    .toning = toning,
                    .marks = &canvas->marks,
                    .guide = canvas->guide,
                    .graded = task->denoiser->level_map,
                    .asked = asked,
                    .result = result};

    sde_paste_run(&job, task->pool);
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
    canvas.marks = choose_marks(task, &walk.classes, params);
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
    canvas_finish(&canvas, task->pool);
    sde_blend_copy(task->pool, source, result);
    paste(&canvas, task, &toning, asked, result);
    return true;
}
