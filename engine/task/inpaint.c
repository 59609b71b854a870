/* Inpainting: each hole, with its surroundings, is a picture of its own. What the hole
 * holds is replaced (by what the network expects, by a smooth continuation, by noise,
 * or not at all), noised to t0 and walked down, while the surroundings stay known. The
 * patches are pasted when the last of them is done. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/inpaint.h"

#include <string.h>

#include "base/rng.h"
#include "task/autoregression.h"
#include "task/blend.h"
#include "task/grain.h"
#include "task/holes.h"
#include "task/mask.h"
#include "task/noise-level.h"
#include "task/patches.h"
#include "task/walk.h"

/* Of the mean that a fill begins with; thin holes, which the picture itself refines,
 * gain hardly more from four than from two. */
#define MEAN_VIEWS 4
#define THIN_VIEWS 2

/* What all holes share. */
typedef struct {
    SdeTask *task;
    const SdeImage *source;
    const SdeMask *mask;
    const SdeInpaintParams *params;
    SdeNoise noise; /* of the photo around the holes; only with grain */
    GArray *works;  /* Work */
} Run;

/* A hole's work; `patch` is what it leaves until the end. */
typedef struct {
    SdeHole hole;
    SdeArea area; /* of the hole's crop */
    SdeWalk walk;
    SdeTiles *tiles;
    size_t area_bytes;
    double noise_gain;   /* times that the photo's noise is higher there */
    float *mask, *patch; /* of the bounds; patch × 3, -1..1 */
} Work;

static void
work_clear(gpointer data)
{
    Work *work = data;

    sde_tiles_free(work->tiles);
    g_free(work->mask);
    g_free(work->patch);
}

static size_t
count_pixels(SdeRect rect)
{
    return (size_t) rect.width * (size_t) rect.height;
}

/* ---- planning ---------------------------------------------------------------------
 */

static bool
fills_with_model(const Run *run)
{
    return run->params->fill == SDE_FILL_MODEL && run->task->denoiser->level_map;
}

static void
work_init(Work *work, const SdeHole *hole, const Run *run)
{
    const SdeInpaintParams *params = run->params;
    const SdeDenoiser *denoiser = run->task->denoiser;
    bool mean_first = fills_with_model(run);

    *work = (Work) {.hole = *hole};
    sde_area_init(&work->area, denoiser, hole->crop, params->sampling.max_side);
    work->walk = (SdeWalk) {.sampling = &params->sampling,
                            .mean_first = mean_first,
                            .mean_views = MEAN_VIEWS,
                            .thin_views = THIN_VIEWS,
                            .thin = hole->thin,
                            .n_resample = denoiser->level_map ? 1 : params->n_resample,
                            .classes = {.label = -1},
                            .guidance = 1.0,
                            .keep_colors = mean_first ? 1.0 : 0.0};
}

static SdeGrain
grain_of(const Work *work, const Run *run)
{
    return (SdeGrain) {.source = run->source,
                       .crop = work->hole.crop,
                       .mask = work->area.mask,
                       .bounds = work->hole.bounds,
                       .noise = &run->noise,
                       .gain = work->noise_gain,
                       .share = run->params->grain};
}

static bool
has_patches(const Work *work)
{
    return work->walk.mean_first && !work->hole.thin;
}

/* Filling, fits, patches, colour match and grain hold memory only while the walk holds
 * none; what they need above the walk's own is added to its plan. */
static size_t
plan_blend(const Work *work, const Run *run)
{
    const SdeInpaintParams *params = run->params;
    const SdeGrain grain = grain_of(work, run);
    int width = work->area.padded_width, height = work->area.padded_height;
    size_t blend = MAX(sde_blend_plan_fill_smooth(width, height),
                       sde_blend_plan_match_colors(width, height));
    size_t walk = sde_walk_plan(&work->walk, run->task->denoiser);

    if (params->grain > 0.0) {
        blend = MAX(blend, sde_grain_plan(&grain));
    }
    if (params->fill == SDE_FILL_MODEL) {
        blend = MAX(blend, sde_autoregression_plan(&work->area));
    }
    if (has_patches(work)) {
        blend = MAX(blend, sde_patches_plan(&work->area));
    }
    return blend > walk ? blend - walk : 0;
}

/* Works of all holes, their memory checked before the first begins. */
static bool
plan_all(Run *run, GArray *holes, GError **error)
{
    SdeTask *task = run->task;
    GArray *works = run->works;
    size_t kept = 0;

    for (guint i = 0; i < holes->len; i++) {
        Work work;

        work_init(&work, &g_array_index(holes, SdeHole, i), run);
        kept += count_pixels(work.hole.bounds) * 4 * sizeof(float);
        g_array_append_val(works, work);
    }
    task->n_passes = 0;
    for (guint i = 0; i < works->len; i++) {
        Work *work = &g_array_index(works, Work, i);

        work->walk.area = &work->area;
        work->tiles = sde_walk_fit(&work->walk, task, kept + plan_blend(work, run),
                                   &work->area_bytes, error);
        if (work->tiles == NULL) {
            return false;
        }
        task->n_passes += sde_walk_count_passes(&work->walk);
    }
    return true;
}

/* ---- one hole ---------------------------------------------------------------------
 */

/* Noise of a picture's usual spread around mid grey, in the hole only. */
static void
fill_noise(const SdeArea *area, uint64_t seed)
{
    size_t pitch = 3 * (size_t) area->padded_width;
    g_autofree float *row = g_new(float, pitch);

    for (int y = 0; y < area->padded_height; y++) {
        float *start = area->start + (size_t) y * pitch;
        const float *levels = area->levels + (size_t) y * (size_t) area->padded_width;

        sde_rng_fill_normal(seed, SDE_STREAM_FILL, area->rect.x, area->rect.y + y,
                            area->padded_width, 1, 3, row, pitch);
        for (size_t i = 0; i < pitch; i++) {
            float value = CLAMP(0.5f * row[i], -1.0f, 1.0f);

            start[i] += levels[i / 3] * (value - start[i]);
        }
    }
}

/* Everything masked walks all the way, however softly: a graded rim around a hole
 * leaves noise in the rim. The mask's levels are for pasting. */
static void
harden_levels(const SdeArea *area)
{
    for (size_t i = 0; i < sde_area_count_pixels(area); i++) {
        area->levels[i] = area->levels[i] > 0.0f ? 1.0f : 0.0f;
    }
}

/* Soft pixels are surroundings up to half level: there the picture itself is the best
 * guess. `out` is free before the walk and holds the levels that count as hole. */
static bool
fill_hole(const SdeArea *area, SdeFill fill, uint64_t seed, GError **error)
{
    size_t n = sde_area_count_pixels(area);

    if (fill == SDE_FILL_NOISE) {
        fill_noise(area, seed);
    }
    if (fill != SDE_FILL_SMOOTH && fill != SDE_FILL_MODEL) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        area->out[i] = sde_clamp_unit(2.0f * area->levels[i] - 1.0f);
    }
    return sde_blend_fill_smooth(area->start, area->out, area->padded_width,
                                 area->padded_height, error);
}

/* Takes from the area what the hole needs at the end. */
static void
keep_patch(Work *work)
{
    SdeRect bounds = work->hole.bounds, crop = work->hole.crop;
    size_t width = (size_t) bounds.width, left = (size_t) (bounds.x - crop.x);
    g_autofree float *row = g_new(float, 3 * (size_t) crop.width);
    g_autofree float *scratch = g_new(float, 3 * (size_t) work->area.padded_width);

    work->mask = g_new(float, count_pixels(bounds));
    work->patch = g_new(float, 3 * count_pixels(bounds));
    for (int y = 0; y < bounds.height; y++) {
        int crop_y = bounds.y - crop.y + y;
        size_t at = (size_t) crop_y * (size_t) crop.width + left;

        sde_area_read_row(&work->area, work->area.out, crop_y, row, scratch);
        memcpy(work->patch + 3 * (size_t) y * width, row + 3 * left,
               3 * width * sizeof(float));
        memcpy(work->mask + (size_t) y * width, work->area.mask + at,
               width * sizeof(float));
    }
}

/* The walk, most of the work; what the picture itself says of thin holes; and texture
 * for where the walk ends in something soft. */
static bool
walk_and_continue(Work *work, const Run *run, const SdeSpan *span, GError **error)
{
    SdeTask *task = run->task;
    SdeSpan walk = sde_span_part(span, 0, 1), thin = sde_span_part(span, 8, 10),
            texture = sde_span_part(span, 9, 10);

    if (run->params->fill != SDE_FILL_MODEL) { /* the walk is all */
        return sde_walk_run(&work->walk, task, work->tiles, span, error);
    }
    walk.end = thin.begin;
    return sde_walk_run(&work->walk, task, work->tiles, &walk, error) &&
           sde_autoregression_refine(&work->area, task, &thin, error) &&
           (!has_patches(work) || sde_patches_fill(&work->area, task, &texture, error));
}

static bool
add_grain(Work *work, const Run *run, GError **error)
{
    const SdeGrain grain = grain_of(work, run);

    return run->params->grain <= 0.0 || run->noise.sigma <= 0.0 ||
           sde_grain_add(&grain, work->patch, run->task->seed, error);
}

static bool
work_run(Work *work, const Run *run, const SdeSpan *span, GError **error)
{
    const SdeInpaintParams *params = run->params;
    g_autoptr(SdeArena) arena = sde_arena_new(work->area_bytes, error);
    SdeArea *area = &work->area;

    if (arena == NULL) {
        return false;
    }
    sde_area_alloc(area, arena);
    sde_mask_read(run->mask, area->rect, area->mask);
    sde_mask_spread(area->mask, area->rect.width, area->rect.height, params->grow,
                    params->feather, area->out);
    sde_area_load_levels(area);
    sde_area_load_picture(area, run->source);
    if (!fill_hole(area, params->fill, run->task->seed, error)) {
        return false;
    }
    harden_levels(area);
    if (!walk_and_continue(work, run, span, error)) {
        return false;
    }
    if (params->match_colors &&
        !sde_blend_match_colors(area->out, area->levels, area->padded_width,
                                area->padded_height, error)) {
        return false;
    }
    keep_patch(work);
    return add_grain(work, run, error);
}

/* ---- all holes --------------------------------------------------------------------
 */

static void
paste(const Work *work, SdeImage *result)
{
    SdeRect bounds = work->hole.bounds;
    const float *fill = work->patch, *level = work->mask;

    for (int y = 0; y < bounds.height; y++) {
        float *to = result->pixels + (size_t) (bounds.y + y) * result->stride +
                    3 * (size_t) bounds.x;

        for (int x = 0; x < bounds.width; x++, to += 3, fill += 3, level++) {
            sde_blend_paste_pixel(to, fill, *level);
        }
    }
}

/* Evaluated pixels, about. */
static double
find_cost(const Work *work)
{
    return (double) sde_area_count_pixels(&work->area) *
           sde_walk_count_passes(&work->walk);
}

/* Parts of the span go by what each hole costs. */
static bool
run_all(const Run *run, const SdeSpan *span, GError **error)
{
    double all = 0.0, done = 0.0;

    for (guint i = 0; i < run->works->len; i++) {
        all += find_cost(&g_array_index(run->works, Work, i));
    }
    for (guint i = 0; i < run->works->len; i++) {
        Work *work = &g_array_index(run->works, Work, i);
        SdeSpan part = sde_span_part(span, 0, 1);
        double length = part.end - part.begin;

        part.end = part.begin + length * (done + find_cost(work)) / all;
        part.begin += length * done / all;
        if (!work_run(work, run, &part, error)) {
            return false;
        }
        done += find_cost(work);
    }
    return true;
}

/* Holes of which something is asked for. */
static GArray *
find_holes(const Run *run)
{
    const SdeHoleParams params = {.spread = run->params->grow + run->params->feather,
                                  .context = run->params->context,
                                  .cuts_thin = fills_with_model(run)};
    const SdeRect *part = run->task->part;
    GArray *holes = sde_holes_find(run->mask, &params);

    for (guint i = holes->len; part != NULL && i-- > 0;) {
        SdeRect bounds = g_array_index(holes, SdeHole, i).bounds;

        if (sde_rect_intersect(bounds, *part).width == 0) {
            g_array_remove_index(holes, i);
        }
    }
    return holes;
}

static SdeRect
find_surroundings(const GArray *works)
{
    SdeRect all = g_array_index(works, Work, 0).hole.crop;

    for (guint i = 1; i < works->len; i++) {
        all = sde_rect_unite(all, g_array_index(works, Work, i).hole.crop);
    }
    return all;
}

/* One estimate serves all holes: it needs more to look at than is around a speck. */
static bool
find_noise(Run *run, const SdeSpan *span, GError **error)
{
    GCancellable *cancellable = span != NULL ? span->cancellable : NULL;
    SdeRect rect = find_surroundings(run->works);
    size_t n = count_pixels(rect);
    g_autofree float *known = sde_image_try_alloc(n);
    SdeImage around = *run->source;

    if (known == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "there is no memory for a mask of %d × %d pixels", rect.width,
                    rect.height);
        return false;
    }
    sde_mask_read(run->mask, rect, known);
    for (size_t i = 0; i < n; i++) {
        known[i] = known[i] <= 0.0f ? 1.0f : 0.0f;
    }
    around.pixels += (size_t) rect.y * around.stride + 3 * (size_t) rect.x;
    around.width = rect.width;
    around.height = rect.height;
    sde_noise_level_estimate(
        &around, &(SdeMask) {known, rect.width, rect.height, (size_t) rect.width}, NULL,
        run->task->pool, cancellable, &run->noise);
    for (guint i = 0; i < run->works->len; i++) {
        Work *work = &g_array_index(run->works, Work, i);
        SdeRect hole = work->hole.bounds;

        work->noise_gain =
            sde_noise_level_gain_at(&run->noise, hole.x + hole.width / 2 - rect.x,
                                    hole.y + hole.height / 2 - rect.y);
    }
    return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

bool
sde_inpaint_run(SdeTask *task, const SdeImage *source, const SdeMask *mask,
                const SdeInpaintParams *params, SdeImage *result, const SdeSpan *span,
                GError **error)
{
    g_autoptr(GArray) works = g_array_new(FALSE, FALSE, sizeof(Work));
    Run run = {
        .task = task, .source = source, .mask = mask, .params = params, .works = works};
    g_autoptr(GArray) holes = find_holes(&run);

    g_array_set_clear_func(works, work_clear);
    if (params->sampling.strength <= 0.0) { /* no noise, no change */
        sde_blend_copy(task->pool, source, result);
        return true;
    }
    if (!plan_all(&run, holes, error) ||
        (params->grain > 0.0 && works->len > 0 && !find_noise(&run, span, error)) ||
        !run_all(&run, span, error)) {
        return false;
    }
    sde_blend_copy(task->pool, source, result);
    for (guint i = 0; i < works->len; i++) {
        paste(&g_array_index(works, Work, i), result);
    }
    return true;
}
