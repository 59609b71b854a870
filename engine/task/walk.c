/* Walks a picture from a noise level down to none.
 *
 * A level-map model gets an angle per pixel, the walk's angle times the pixel's level:
 * known pixels are at 0 and clean from the first step on, soft ones walk a shorter way
 * (TD-Paint 2024). Such a model can also begin with its mean, D at full noise, and walk
 * on from a lower level: what is near the known pixels is known quite well by then and
 * walks a shorter way. An ordinary model knows one angle: there D of the known pixels
 * is replaced by the picture (DDNM 2022, DiffPIR 2023), and soft pixels come free when
 * the walk has come down to their level (Differential Diffusion 2023). RePaint's jumps
 * walk short stretches several times, each time noised anew. DDIM inversion (Song et
 * al. 2021) starts from noise that, walked down, leads back to the picture.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/walk.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "sample/sampler.h"
#include "sample/schedule.h"
#include "task/blend.h"
#include "task/holes.h"
#include "task/mask.h"
#include "task/scale.h"

/* Pixels: so near to what is known the mean is right and stays; deeper down it says
 * less and less of detail. */
#define SURE_DEPTH 3
#define LOST_DEPTH 10
/* Pixels: in holes no deeper than this small windows see enough, and fewer pixels are
 * evaluated again and again when only the deep ones are left. */
#define SHALLOW_DEPTH 40
#define SHALLOW_SIDE  256
/* Of the steps, from the first on: where guidance decides what becomes of the picture.
 * Later it would only sharpen grain into specks (guidance in a limited interval,
 * Kynkäänniemi et al. 2024), for twice the work. */
#define GUIDED_SHARE  0.5
#define JUMP_FRACTION 25 /* a jump is this part of the steps (RePaint: 10 of 250) */

typedef struct {
    const SdeWalk *walk;
    SdeTask *task;
    SdeTiles *tiles;
    int width, height; /* of the padded area */
    size_t n_pixels;
    int n_steps;    /* that it takes */
    double *thetas; /* n_steps + 1 */
    float *x, *d, *noise, *now, *next;
    float *depth;  /* in the hole, pixels; NULL without mean_first */
    float deepest; /* of them */
    float *mean;   /* a first guess of D; NULL: not used, or nothing is known */
    int color_width, color_height;
    float *colors, *color_shift; /* coarse start or mean; its difference from D */
    SdeSamplerState *state;
    bool graded;    /* the model takes an angle per pixel */
    bool uses_mean; /* and what is known, continued over the rest */
    int step;       /* that it is at */
    int pass;       /* evaluations that were made */
    int draw;       /* how many noise fields were drawn */
} Run;

int
sde_walk_count_passes(const SdeWalk *walk)
{
    int n_steps = walk->sampling->n_steps;

    if (walk->thin) {
        return walk->thin_views;
    }
    return n_steps * MAX(walk->n_resample, 1) + (walk->inverts ? n_steps - 1 : 0) +
           (walk->mean_first ? walk->mean_views - 1 : 0);
}

static void
run_alloc(Run *run, SdeArena *arena)
{
    const SdeArea *area = run->walk->area;
    size_t n = sde_area_count_pixels(area);
    int cell = run->walk->color_cell > 0 ? run->walk->color_cell : SDE_WALK_COLOR_CELL;
    size_t coarse;

    run->width = area->padded_width;
    run->height = area->padded_height;
    run->n_pixels = n;
    run->color_width = sde_divide_up(run->width, cell);
    run->color_height = sde_divide_up(run->height, cell);
    coarse = 3 * (size_t) run->color_width * (size_t) run->color_height;
    run->d = sde_arena_alloc(arena, 3 * n);
    run->noise = sde_arena_alloc(arena, 3 * n);
    run->now = sde_arena_alloc(arena, n);
    run->next = sde_arena_alloc(arena, n);
    run->colors = sde_arena_alloc(arena, coarse);
    run->color_shift = sde_arena_alloc(arena, coarse);
    run->mean = run->uses_mean ? sde_arena_alloc(arena, 3 * n) : NULL;
    run->depth = run->walk->mean_first ? sde_arena_alloc(arena, n) : NULL;
}

static size_t
run_plan(const SdeWalk *walk, const SdeDenoiser *denoiser)
{
    g_autoptr(SdeArena) arena = sde_arena_new_dry();
    Run run = {.walk = walk, .uses_mean = denoiser->uses_mean};

    run_alloc(&run, arena);
    return sde_arena_get_peak(arena);
}

size_t
sde_walk_plan(const SdeWalk *walk, const SdeDenoiser *denoiser)
{
    const SdeArea *area = walk->area;
    size_t sampler =
        sde_sampler_plan(walk->sampling->sampler, sde_area_count_pixels(area));
    size_t filling =
        denoiser->uses_mean
            ? sde_blend_plan_fill_smooth(area->padded_width, area->padded_height)
            : 0;

    return run_plan(walk, denoiser) + MAX(sampler, filling);
}

SdeTiles *
sde_walk_fit(const SdeWalk *walk, const SdeTask *task, size_t more, size_t *area_bytes,
             GError **error)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    const SdeSampling *sampling = walk->sampling;
    SdeArea area = *walk->area;
    size_t needed;

    sde_area_alloc(&area, dry);
    *area_bytes = sde_arena_get_peak(dry);
    needed = *area_bytes + more + sde_walk_plan(walk, task->denoiser);
    if (!sde_task_check_memory(task, needed, area.width, area.height,
                               "select a smaller part or set a maximum size", error)) {
        return NULL;
    }
    return sde_tiles_new(task->denoiser, area.padded_width, area.padded_height,
                         sampling->tile_size, sampling->tile_overlap,
                         task->memory_limit - needed, error);
}

/* ---- noise ------------------------------------------------------------------------
 */

static void
draw_row(size_t row, int thread, void *data)
{
    Run *run = data;
    SdeRect rect = run->walk->area->rect;
    size_t pitch = 3 * (size_t) run->width;
    uint32_t stream =
        run->draw == 0 ? SDE_STREAM_START : SDE_STREAM_STEP + (uint32_t) run->draw;

    sde_rng_fill_normal(run->task->seed, stream, rect.x, rect.y + (int) row, run->width,
                        1, 3, run->noise + row * pitch, pitch);
}

static void
draw_noise(Run *run)
{
    sde_parallel_for(run->task->pool, (size_t) run->height, NULL, draw_row, run);
    run->draw++;
}

/* ---- angles -----------------------------------------------------------------------
 */

/* How much of the walk's angle a pixel so deep in the hole has, after the mean. */
static float
share_at(float depth)
{
    return CLAMP((depth - SURE_DEPTH) / (LOST_DEPTH - SURE_DEPTH), 0.0f, 1.0f);
}

/* The angles of the walk at a step, 0..n_steps. */
static void
fill_angles(const Run *run, int step, float *angles)
{
    const float theta = (float) run->thetas[step];
    const float *levels = run->walk->area->levels;
    bool refines = run->depth != NULL && step > 0;

    for (size_t i = 0; i < run->n_pixels; i++) {
        float share = refines ? share_at(run->depth[i]) : 1.0f;

        angles[i] = theta * (run->graded ? levels[i] * share : 1.0f);
    }
}

static bool
is_thin(const Run *run)
{
    return run->deepest <= SDE_THIN_DEPTH;
}

/* After the mean the walk is as much shorter as the deepest pixel's way: a thin hole
 * has nothing left to refine. */
static void
find_depth(Run *run)
{
    int n_steps = run->walk->sampling->n_steps;

    run->n_steps = n_steps;
    if (run->depth == NULL) {
        return;
    }
    sde_mask_measure_depth(run->walk->area->levels, run->width, run->height,
                           run->depth);
    for (size_t i = 0; i < run->n_pixels; i++) {
        run->deepest = MAX(run->deepest, run->depth[i]);
    }
    if (run->walk->thin) {
        run->deepest = MIN(run->deepest, SDE_THIN_DEPTH);
    }
    run->n_steps = 1;
    if (!is_thin(run)) {
        run->n_steps += (int) ceilf(share_at(run->deepest) * (float) (n_steps - 1));
    }
}

/* The windows to walk with: the caller's, or smaller ones, which are handed over. */
static bool
choose_tiles(Run *run, SdeTiles **smaller, GError **error)
{
    const SdeSampling *sampling = run->walk->sampling;
    const SdeDenoiser *denoiser = run->task->denoiser;

    if (run->depth == NULL || run->deepest > SHALLOW_DEPTH || sampling->tile_size > 0) {
        return true;
    }
    *smaller = sde_tiles_new(denoiser, run->width, run->height, SHALLOW_SIDE,
                             sampling->tile_overlap,
                             sde_tiles_plan(run->tiles, denoiser), error);
    run->tiles = *smaller;
    return *smaller != NULL;
}

static void
fill_thetas(const Run *run, double *thetas)
{
    const SdeSampling *sampling = run->walk->sampling;
    const SdeSchedule *schedule = run->task->denoiser->schedule;
    int n_steps = run->n_steps;

    if (run->walk->mean_first) {
        sde_schedule_fill_thetas(schedule, 1.0, 1, thetas); /* full noise, and none */
        thetas++;
        n_steps--;
    }
    if (n_steps > 0) {
        sde_schedule_fill_thetas(schedule, sampling->strength, n_steps, thetas);
    }
}

/* x of the walk's first angle. Where the angle is 0 x is the picture itself. */
static void
start_walk(Run *run)
{
    const float *start = run->walk->area->start;

    draw_noise(run);
    fill_angles(run, 0, run->now);
    for (size_t i = 0; i < run->n_pixels; i++) {
        float keep = cosf(run->now[i]), fresh = sinf(run->now[i]);

        for (size_t c = 3 * i; c < 3 * i + 3; c++) {
            run->x[c] = keep * start[c] + fresh * run->noise[c];
        }
    }
}

/* The network's first guess of what is not known: the rest, continued. What is filled
 * is binary, as the network learnt it: theta is 0, or it is not. `now` is free yet. */
static bool
find_mean(Run *run, GError **error)
{
    const SdeArea *area = run->walk->area;
    size_t n_known = 0;

    if (run->mean == NULL) {
        return true;
    }
    for (size_t i = 0; i < run->n_pixels; i++) {
        run->now[i] = area->levels[i] > 0.0f ? 1.0f : 0.0f;
        n_known += area->levels[i] <= 0.0f;
    }
    if (n_known == 0) {
        run->mean = NULL;
        return true;
    }
    memcpy(run->mean, area->start, 3 * run->n_pixels * sizeof(float));
    return sde_blend_fill_smooth(run->mean, run->now, run->width, run->height, error);
}

/* ---- D and what is done to it -----------------------------------------------------
 */

static void
fetch_strip(SdeRect strip, float *x, float *theta, float *mean, void *data)
{
    const Run *run = data;
    size_t width = (size_t) strip.width;

    for (int y = 0; y < strip.height; y++) {
        size_t from = (size_t) (strip.y + y) * (size_t) run->width + (size_t) strip.x;
        size_t to = (size_t) y * width;

        memcpy(x + 3 * to, run->x + 3 * from, 3 * width * sizeof(float));
        if (theta != NULL) {
            memcpy(theta + to, run->now + from, width * sizeof(float));
        }
        if (mean != NULL) {
            memcpy(mean + 3 * to, run->mean + 3 * from, 3 * width * sizeof(float));
        }
    }
}

/* D of x at the angles now: a pass of the walk, whose span this is, for each view. */
static bool
evaluate_views(Run *run, SdeClasses classes, double guidance, int first_view,
               int n_views, const SdeSpan *span, GError **error)
{
    int n_passes = sde_walk_count_passes(run->walk);
    SdeSpan part = sde_span_part(span, run->pass, n_passes);
    SdeTilesInput input = {.fetch = fetch_strip,
                           .data = run,
                           .has_theta = run->graded,
                           .has_mean = run->mean != NULL,
                           .theta_max = (float) run->thetas[run->step],
                           .classes = classes,
                           .guidance = guidance,
                           .first_view = first_view,
                           .n_views = n_views};

    run->task->pass += n_views;
    if (!sde_span_step(span, run->pass, n_passes, error)) {
        return false;
    }
    run->pass += n_views;
    part.end = sde_span_part(span, run->pass - 1, n_passes).end;
    /* only windows with something left to walk: at angle 0 x stays as it is */
    sde_tiles_select(run->tiles, run->graded ? run->now : run->walk->area->levels);
    return sde_tiles_denoise(run->tiles, run->task, &input, run->d, &part, error);
}

static bool
evaluate(Run *run, SdeClasses classes, double guidance, const SdeSpan *span,
         GError **error)
{
    return evaluate_views(run, classes, guidance, 0, 1, span, error);
}

/* The coarse colours that D shall keep. */
static void
note_colors(Run *run, const float *rgb)
{
    if (run->walk->keep_colors > 0.0) {
        sde_scale_down(rgb, 3 * (size_t) run->width, run->width, run->height, 3,
                       run->colors, run->color_width, run->color_height);
    }
}

/* D += keep (noted colours - low-pass of D), as in ILVR (Choi et al. 2021). To the end
 * of the walk: then the result holds the colours too. A first evaluation that gives the
 * mean gives the colours, which far from the rim the noise would change. */
static void
hold_colors(Run *run)
{
    int width = run->color_width, height = run->color_height;
    size_t n = 3 * (size_t) width * (size_t) height;
    float keep = (float) run->walk->keep_colors;

    if (keep <= 0.0f) {
        return;
    }
    for (size_t i = 0; run->graded && i < run->n_pixels; i++) {
        if (run->now[i] <= 0.0f) { /* no window need have been there */
            memcpy(run->d + 3 * i, run->x + 3 * i, 3 * sizeof(float));
        }
    }
    if (run->walk->mean_first && run->step == 0) {
        note_colors(run, run->d);
        return;
    }
    g_autofree float *row = g_new(float, 3 * (size_t) run->width);
    g_autofree float *scratch = g_new(float, 3 * (size_t) width);

    sde_scale_down(run->d, 3 * (size_t) run->width, run->width, run->height, 3,
                   run->color_shift, width, height);
    for (size_t i = 0; i < n; i++) {
        run->color_shift[i] = keep * (run->colors[i] - run->color_shift[i]);
    }
    for (int y = 0; y < run->height; y++) {
        float *d = run->d + 3 * (size_t) y * (size_t) run->width;

        sde_scale_up_row(run->color_shift, 3 * (size_t) width, width, height, 3,
                         run->width, run->height, y, row, scratch);
        for (size_t i = 0; i < 3 * (size_t) run->width; i++) {
            d[i] += row[i];
        }
    }
}

/* The gain at this depth (in pixels, from 1 on), between the model's numbers. */
static float
gain_at(const SdeDenoiser *denoiser, float depth)
{
    float at = CLAMP(depth - 1.0f, 0.0f, (float) (denoiser->n_filling_gain - 1));
    int i = (int) at, next = MIN(i + 1, denoiser->n_filling_gain - 1);
    const float *gain = denoiser->filling_gain;

    return gain[i] + (at - (float) i) * (gain[next] - gain[i]);
}

/* Near the rim the filling is nearly right, and what the network adds is taken with the
 * weight that was measured. */
static void
weigh_mean(Run *run, const float *filling)
{
    const SdeDenoiser *denoiser = run->task->denoiser;

    for (size_t i = 0; i < run->n_pixels && denoiser->n_filling_gain > 0; i++) {
        float gain = run->depth[i] > 0.0f ? gain_at(denoiser, run->depth[i]) : 1.0f;

        for (size_t c = 3 * i; c < 3 * i + 3; c++) {
            run->d[c] = filling[c] + gain * (run->d[c] - filling[c]);
        }
    }
}

/* From now on D is the first guess of what is not known. */
static void
guess_from_d(Run *run)
{
    for (size_t i = 0; i < run->n_pixels; i++) {
        if (run->now[i] > 0.0f) {
            memcpy(run->mean + 3 * i, run->d + 3 * i, 3 * sizeof(float));
        }
    }
}

/* The mean that the walk begins with, in two rounds: half of the views begin with the
 * smooth filling, the others with what the first ones found. All count alike. The noise
 * is in x, and its memory free until the next is drawn. */
static bool
evaluate_mean(Run *run, const SdeSpan *span, GError **error)
{
    const SdeWalk *walk = run->walk;
    int n_views = is_thin(run) ? walk->thin_views : walk->mean_views;
    int n_first = run->mean != NULL ? n_views / 2 : 0;
    float share = (float) n_first / (float) n_views;
    float *filling = run->noise;

    if (run->mean != NULL) {
        memcpy(filling, run->mean, 3 * run->n_pixels * sizeof(float));
    }
    if (n_first > 0) {
        if (!evaluate_views(run, walk->classes, walk->guidance, 0, n_first, span,
                            error)) {
            return false;
        }
        guess_from_d(run);
    }
    if (!evaluate_views(run, walk->classes, walk->guidance, n_first, n_views - n_first,
                        span, error)) {
        return false;
    }
    for (size_t i = 0; n_first > 0 && i < 3 * run->n_pixels; i++) {
        run->d[i] += share * (run->mean[i] - run->d[i]);
    }
    if (run->mean != NULL) {
        weigh_mean(run, filling);
        guess_from_d(run);
    }
    return true;
}

/* Pictures lie in -1..1, and what is known is known. */
static void
project(Run *run)
{
    const SdeArea *area = run->walk->area;
    float reached = (float) (run->thetas[run->step] / run->thetas[0]);

    for (size_t i = 0; i < run->n_pixels; i++) {
        float level = area->levels[i];
        bool known = run->graded ? level <= 0.0f : level < reached;

        for (size_t c = 3 * i; c < 3 * i + 3; c++) {
            run->d[c] = known ? area->start[c] : CLAMP(run->d[c], -1.0f, 1.0f);
        }
    }
}

/* ---- inversion --------------------------------------------------------------------
 */

/* x and D at angles now; x at the higher angles next has the same epsilon. */
static void
step_up(Run *run)
{
    for (size_t i = 0; i < run->n_pixels; i++) {
        float noise = sinf(run->now[i]), keep = cosf(run->now[i]);
        float fresh = sinf(run->next[i]), remain = cosf(run->next[i]);

        for (size_t c = 3 * i; noise > 0.0f && c < 3 * i + 3; c++) {
            float epsilon = (run->x[c] - keep * run->d[c]) / noise;

            run->x[c] = remain * run->d[c] + fresh * epsilon;
        }
    }
}

/* From the picture at the lowest angle up to the highest, as the model's default class
 * sees it: one evaluation before each step. */
static bool
climb(Run *run, const SdeSpan *span, GError **error)
{
    const float *start = run->walk->area->start;
    const SdeClasses plain = {.label = -1};
    int lowest = run->n_steps - 1;

    fill_angles(run, lowest, run->now);
    for (size_t i = 0; i < 3 * run->n_pixels; i++) {
        run->x[i] = cosf(run->now[i / 3]) * start[i];
    }
    for (run->step = lowest; run->step > 0; run->step--) {
        float *now = run->now;

        if (!evaluate(run, plain, 1.0, span, error)) {
            return false;
        }
        fill_angles(run, run->step - 1, run->next);
        step_up(run);
        run->now = run->next;
        run->next = now;
    }
    return true;
}

/* ---- the loop ---------------------------------------------------------------------
 */

static double
guidance_of_step(const Run *run)
{
    return run->step < GUIDED_SHARE * run->n_steps ? run->walk->guidance : 1.0;
}

static bool
take_step(Run *run, const SdeSpan *span, GError **error)
{
    const SdeSampling *sampling = run->walk->sampling;
    bool needs_noise = sde_sampler_needs_noise(sampling->sampler, sampling->eta);
    float *now = run->now;

    if (run->walk->mean_first && run->step == 0) {
        if (!evaluate_mean(run, span, error)) {
            return false;
        }
    } else if (!evaluate(run, run->walk->classes, guidance_of_step(run), span, error)) {
        return false;
    }
    hold_colors(run);
    project(run);
    fill_angles(run, run->step + 1, run->next);
    if (needs_noise) {
        draw_noise(run);
    }
    sde_sampler_step(run->state, run->x, run->d, now, run->next,
                     needs_noise ? run->noise : NULL);
    run->now = run->next;
    run->next = now;
    run->step++;
    return true;
}

static void
jump_back(Run *run, int to)
{
    float *now = run->now;

    fill_angles(run, to, run->next);
    draw_noise(run);
    sde_sampler_renoise(run->state, run->x, now, run->next, run->noise);
    run->now = run->next;
    run->next = now;
    run->step = to;
}

/* Each stretch of `jump` steps is walked n_resample times: n_steps × n_resample
 * evaluations, fewer for thin holes that begin with their mean. */
static bool
walk_all(Run *run, const SdeSpan *span, GError **error)
{
    int n_steps = run->n_steps;
    int n_resample = MAX(run->walk->n_resample, 1);
    int jump = n_resample > 1 ? MAX(n_steps / JUMP_FRACTION, 1) : n_steps;

    for (int begin = 0; begin < n_steps; begin += jump) {
        int end = MIN(begin + jump, n_steps);

        for (int round = 0; round < n_resample; round++) {
            if (round > 0) {
                jump_back(run, begin);
            }
            while (run->step < end) {
                if (!take_step(run, span, error)) {
                    return false;
                }
            }
        }
    }
    return true;
}

/* An ordinary model at the end of its walk has every pixel at D; known ones exactly. */
static bool
run_walk(Run *run, const SdeSpan *span, GError **error)
{
    const SdeWalk *walk = run->walk;
    const SdeSampling *sampling = walk->sampling;
    g_autofree double *thetas = g_new(double, (size_t) sampling->n_steps + 1);
    g_autoptr(SdeTiles) smaller = NULL;

    find_depth(run);
    fill_thetas(run, thetas);
    run->thetas = thetas;
    if (!walk->mean_first) {
        note_colors(run, walk->area->start);
    }
    if (!choose_tiles(run, &smaller, error)) {
        return false;
    }
    if (!walk->inverts) {
        start_walk(run);
    } else if (!climb(run, span, error)) {
        return false;
    }
    return walk_all(run, span, error);
}

bool
sde_walk_run(const SdeWalk *walk, SdeTask *task, SdeTiles *tiles, const SdeSpan *span,
             GError **error)
{
    Run run = {.walk = walk,
               .task = task,
               .tiles = tiles,
               .x = walk->area->out,
               .graded = task->denoiser->level_map,
               .uses_mean = task->denoiser->uses_mean};
    g_autoptr(SdeArena) arena = NULL;
    g_autoptr(SdeSamplerState) state = NULL;

    arena = sde_arena_new(run_plan(walk, task->denoiser), error);
    if (arena == NULL) {
        return false;
    }
    run_alloc(&run, arena);
    if (!find_mean(&run, error)) {
        return false;
    }
    state = sde_sampler_state_new(walk->sampling->sampler, walk->sampling->eta,
                                  run.n_pixels, error);
    if (state == NULL) {
        return false;
    }
    run.state = state;
    return run_walk(&run, span, error);
}
