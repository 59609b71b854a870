/* Noise removal is one evaluation: at the angle that matches the photo's noise, D is
 * the mean of all clean photos that could have become this one (MMSE). The level is
 * given, or estimated; then it follows colour and place where the model takes a level
 * per pixel. Further evaluations each look at the picture with less of its own noise
 * (DDIM without fresh noise) and find detail that the mean has lost.
 *
 * A clean photo lies in 0..1, and noise takes its float values some deviations beyond.
 * The model sees them as far as that, and the change it makes is added to the picture
 * itself: brighter lights stay as much brighter. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/denoise.h"

#include <math.h>
#include <string.h>

#include "sample/schedule.h"
#include "task/blend.h"
#include "task/mask.h"
#include "task/noise-level.h"
#include "task/tiles.h"

/* Pixels: a pixel is noisy, so its colour is the mean of 5 × 5. */
#define LEVEL_RADIUS 2
#define LEVEL_SIDE   (2 * LEVEL_RADIUS + 1)
#define NOISE_REACH  4.0 /* deviations: beyond, a value out of range is no noise */
/* Of noise that pixels share the model, which mostly learnt white noise, leaves some.
 */
#define CORRELATED_GAIN 1.3
/* Deviation, in 8-bit units, that is taken even from what may be fine texture: of 40
 * whole photos without noise 39 stay above 50 dB with it. */
#define HARMLESS   0.8
#define LAST_SHARE 0.3 /* of the noise, which the last of several evaluations sees */

typedef struct {
    const SdeTask *task;
    const SdeImage *source;
    const SdeDenoiseParams *params;
    SdeRect rect;                    /* of the picture */
    int padded_width, padded_height; /* of the work area */
    SdeNoise level;
    bool per_pixel;      /* angle follows brightness and place */
    double lowest_theta; /* that the model knows */
    float reach;         /* of noise, beyond 0..1 */
    double gain;         /* of the level, that the model is told */
    double share;        /* of the noise that is left */
    float *d;            /* padded × 3 */
    /* padded × 3, -1..1: the photo with that share of its noise; NULL: one evaluation
     */
    float *y;
    float *levels;          /* padded; NULL: the whole picture */
    float *grain, *scratch; /* rect; NULL without keep_grain */
} Run;

/* An ordinary model has no level below that of its first timestep. */
static double
theta_of_sigma(const Run *run, double sigma)
{
    return MAX(atan(2.0 * run->gain * run->share * sigma / 255.0), run->lowest_theta);
}

/* ---- what a tile sees -------------------------------------------------------------
 */

/* Row y of the work area: the first pixel of what it mirrors. */
static const float *
source_row(const Run *run, int y)
{
    int row = run->rect.y + sde_mirror_index(y, run->rect.height);

    return run->source->pixels + (size_t) row * run->source->stride +
           3 * (size_t) run->rect.x;
}

static const float *
source_pixel(const Run *run, int x, int y)
{
    return source_row(run, y) + 3 * (size_t) sde_mirror_index(x, run->rect.width);
}

/* The colours, 0..1, of LEVEL_SIDE rows around y, added up; from LEVEL_RADIUS before
 * the strip to as far behind it. */
static void
sum_columns(const Run *run, SdeRect strip, int y, float *sums)
{
    const float *rows[LEVEL_SIDE];

    for (int i = 0; i < LEVEL_SIDE; i++) {
        rows[i] = source_row(run, y + i - LEVEL_RADIUS);
    }
    for (int x = -LEVEL_RADIUS; x < strip.width + LEVEL_RADIUS; x++, sums += 3) {
        size_t at = 3 * (size_t) sde_mirror_index(strip.x + x, run->rect.width);

        sums[0] = sums[1] = sums[2] = 0.0f;
        for (int i = 0; i < LEVEL_SIDE; i++) {
            for (size_t c = 0; c < 3; c++) {
                sums[c] += sde_clamp_unit(rows[i][at + c]);
            }
        }
    }
}

/* Mean of the colours around a pixel; sums: the first of its LEVEL_SIDE columns. */
static void
average_color(const float *sums, float mean[3])
{
    for (int c = 0; c < 3; c++) {
        mean[c] = 0.0f;
        for (int i = 0; i < LEVEL_SIDE; i++) {
            mean[c] += sums[3 * i + c];
        }
        mean[c] /= LEVEL_SIDE * LEVEL_SIDE;
    }
}

/* The level of the pixel that (x, y) of the work area mirrors. */
static void
fill_theta(const Run *run, SdeRect strip, float *theta)
{
    g_autofree float *sums =
        g_new(float, 3 * ((size_t) strip.width + 2 * (size_t) LEVEL_RADIUS));

    for (int y = strip.y; y < strip.y + strip.height; y++) {
        int row = run->rect.y + sde_mirror_index(y, run->rect.height);

        sum_columns(run, strip, y, sums);
        for (int x = 0; x < strip.width; x++) {
            int column = run->rect.x + sde_mirror_index(strip.x + x, run->rect.width);
            float mean[3];

            average_color(sums + 3 * (size_t) x, mean);
            *theta++ = (float) theta_of_sigma(
                run, sde_noise_level_at(&run->level, column, row, mean));
        }
    }
}

/* What the model sees of a value, 0..1 without noise. */
static float
seen_value(const Run *run, float value)
{
    return CLAMP(value, -run->reach, 1.0f + run->reach);
}

/* Pixel (x, y) of the work area in the photo itself, -1..1. */
static void
read_photo(const Run *run, int x, int y, float out[3])
{
    const float *pixel = source_pixel(run, x, y);

    for (int c = 0; c < 3; c++) {
        out[c] = 2.0f * seen_value(run, pixel[c]) - 1.0f;
    }
}

static size_t
area_index(const Run *run, int x, int y)
{
    return 3 * ((size_t) y * (size_t) run->padded_width + (size_t) x);
}

/* x = cos(theta) y: the photo y = x0 + n, with tan(theta) the deviation of n. */
static void
fetch_strip(SdeRect strip, float *x, float *theta, float *mean, void *data)
{
    const Run *run = data;
    float uniform = (float) cos(theta_of_sigma(run, run->level.sigma));

    if (theta != NULL) {
        fill_theta(run, strip, theta);
    }
    for (int i = 0; i < strip.height; i++) {
        for (int j = 0; j < strip.width; j++, x += 3) {
            float keep = theta != NULL ? cosf(*theta++) : uniform;

            if (run->y != NULL) {
                memcpy(x, run->y + area_index(run, strip.x + j, strip.y + i),
                       3 * sizeof(float));
            } else {
                read_photo(run, strip.x + j, strip.y + i, x);
            }
            for (int c = 0; c < 3; c++) {
                x[c] *= keep;
            }
        }
    }
}

/* ---- several evaluations ----------------------------------------------------------
 */

static void
load_row(size_t y, int thread, void *data)
{
    const Run *run = data;

    for (int x = 0; x < run->padded_width; x++) {
        read_photo(run, x, (int) y, run->y + area_index(run, x, (int) y));
    }
}

typedef struct {
    const Run *run;
    float kept;
} Taking;

/* y = d + (what is kept of) the noise y - d. Where nothing is selected there is no D.
 */
static void
take_noise_of_row(size_t row, int thread, void *data)
{
    const Taking *taking = data;
    const Run *run = taking->run;
    size_t width = (size_t) run->padded_width;

    for (size_t i = row * width; i < (row + 1) * width; i++) {
        for (size_t c = 3 * i; c < 3 * i + 3; c++) {
            if (run->levels == NULL || run->levels[i] > 0.0f) {
                run->y[c] = run->d[c] + taking->kept * (run->y[c] - run->d[c]);
            }
        }
    }
}

/* ---- the result -------------------------------------------------------------------
 */

/* What the model takes away from pixel (x, y) of the rect, in the picture's units. */
static void
read_change(const Run *run, int x, int y, float change[3])
{
    size_t at = area_index(run, x, y);
    const float *pixel = source_pixel(run, x, y);

    for (int c = 0; c < 3; c++) {
        float d = 0.5f * run->d[at + (size_t) c] + 0.5f;

        change[c] = sde_clamp_unit(d) - seen_value(run, pixel[c]);
    }
    sde_blend_share(change, run->params->luminance, run->params->color);
}

/* The luma of what is taken away. */
static void
find_grain_of_row(size_t y, int thread, void *data)
{
    const Run *run = data;
    size_t width = (size_t) run->rect.width;

    for (int x = 0; x < run->rect.width; x++) {
        float change[3];

        read_change(run, x, (int) y, change);
        run->grain[y * width + (size_t) x] = sde_luma(change);
    }
}

typedef struct {
    const Run *run;
    SdeImage *result; /* the source so far */
} Writing;

static void
write_row(size_t y, int thread, void *data)
{
    const Writing *writing = data;
    const Run *run = writing->run;
    SdeImage *result = writing->result;
    float strength = (float) run->params->strength;
    float keep = (float) run->params->keep_grain;
    float *to = result->pixels + ((size_t) run->rect.y + y) * result->stride +
                3 * (size_t) run->rect.x;
    const float *levels =
        run->levels == NULL ? NULL : run->levels + y * (size_t) run->padded_width;

    for (int x = 0; x < run->rect.width; x++, to += 3) {
        size_t at = y * (size_t) run->rect.width + (size_t) x;
        float grain = run->grain != NULL ? keep * run->grain[at] : 0.0f;
        float weight = levels == NULL ? strength : strength * levels[x];
        float change[3];

        read_change(run, x, (int) y, change);
        for (int c = 0; weight > 0.0f && c < 3; c++) {
            to[c] += weight * (change[c] - grain);
        }
    }
}

static void
write_result(const Run *run, SdeImage *result)
{
    Writing writing = {run, result};

    if (run->grain != NULL) { /* the fine luma of what is taken away comes back */
        sde_parallel_for(run->task->pool, (size_t) run->rect.height, NULL,
                         find_grain_of_row, (void *) run);
        sde_blend_band_pass(run->grain, run->rect.width, run->rect.height,
                            run->scratch);
    }
    sde_parallel_for(run->task->pool, (size_t) run->rect.height, NULL, write_row,
                     &writing);
}

/* ---- the run ----------------------------------------------------------------------
 */

static size_t
count_pixels(const Run *run)
{
    return (size_t) run->padded_width * (size_t) run->padded_height;
}

static void
run_alloc(Run *run, bool masked, SdeArena *arena)
{
    size_t inside = (size_t) run->rect.width * (size_t) run->rect.height;

    run->d = sde_arena_alloc(arena, 3 * count_pixels(run));
    run->y =
        run->params->n_steps > 1 ? sde_arena_alloc(arena, 3 * count_pixels(run)) : NULL;
    run->levels = masked ? sde_arena_alloc(arena, count_pixels(run)) : NULL;
    if (run->params->keep_grain > 0.0) {
        run->grain = sde_arena_alloc(arena, inside);
        run->scratch = sde_arena_alloc(arena, 2 * inside);
    }
}

static SdeTiles *
plan(Run *run, bool masked, size_t *bytes, GError **error)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    const SdeTask *task = run->task;

    run_alloc(run, masked, dry);
    *bytes = sde_arena_get_peak(dry);
    if (!sde_task_check_memory(task, *bytes, run->rect.width, run->rect.height,
                               "select a smaller part", error)) {
        return NULL;
    }
    return sde_tiles_new(task->denoiser, run->padded_width, run->padded_height,
                         run->params->tile_size, run->params->tile_overlap,
                         task->memory_limit - *bytes, error);
}

static void
load_levels(Run *run, const SdeMask *mask)
{
    memset(run->levels, 0, count_pixels(run) * sizeof(float));
    for (int y = 0; y < run->rect.height; y++) {
        SdeRect row = {run->rect.x, run->rect.y + y, run->rect.width, 1};

        sde_mask_read(mask, row, run->levels + (size_t) y * (size_t) run->padded_width);
    }
}

/* D of what is left of the noise. */
static bool
evaluate_once(Run *run, SdeTiles *tiles, SdeTask *task, const SdeSpan *span,
              GError **error)
{
    double sigma =
        run->per_pixel ? sde_noise_level_highest(&run->level) : run->level.sigma;
    SdeTilesInput input = {.fetch = fetch_strip,
                           .data = run,
                           .has_theta = run->per_pixel,
                           .theta_max = (float) theta_of_sigma(run, sigma),
                           .classes = {.label = -1},
                           .guidance = 1.0,
                           .n_views = run->params->n_views};

    return sde_tiles_denoise(tiles, task, &input, run->d, span, error);
}

static bool
evaluate(Run *run, SdeTask *task, SdeTiles *tiles, const SdeSpan *span, GError **error)
{
    int n = run->params->n_steps, n_views = run->params->n_views;
    double kept = n > 1 ? pow(LAST_SHARE, 1.0 / (n - 1)) : 1.0;

    if (run->levels != NULL) {
        sde_tiles_select(tiles, run->levels);
    }
    if (run->y != NULL) {
        sde_parallel_for(task->pool, (size_t) run->padded_height, NULL, load_row, run);
    }
    task->n_passes = n * n_views;
    for (int i = 0; i < n; i++) {
        SdeSpan part = sde_span_part(span, i, n);

        task->pass = (i + 1) * n_views;
        if (i > 0) {
            sde_parallel_for(task->pool, (size_t) run->padded_height, NULL,
                             take_noise_of_row, &(Taking) {run, (float) kept});
            run->share *= kept;
        }
        if (!evaluate_once(run, tiles, task, &part, error)) {
            return false;
        }
    }
    return true;
}

static bool
find_level(Run *run, const SdeMask *mask, const SdeSpan *span, GError **error)
{
    const SdeDenoiser *denoiser = run->task->denoiser;
    GCancellable *cancellable = span != NULL ? span->cancellable : NULL;

    if (run->params->noise_level >= 0.0) {
        sde_noise_level_init(&run->level, run->params->noise_level);
    } else if (run->params->known != NULL) {
        run->level = *run->params->known;
    } else {
        sde_noise_level_estimate(run->source, mask, run->task->noise_net,
                                 run->task->pool, cancellable, &run->level);
    }
    sde_noise_level_raise(&run->level, MIN(run->level.doubtful, HARMLESS));
    if ((run->level.is_correlated || run->level.doubtful > 0.0) &&
        run->task->noise_net != NULL) {
        run->gain = CORRELATED_GAIN; /* statistics alone say too much already */
    }
    run->per_pixel = denoiser->level_map && !sde_noise_level_is_uniform(&run->level);
    run->reach = (float) (NOISE_REACH / 255.0 * sde_noise_level_highest(&run->level));
    run->lowest_theta =
        denoiser->level_map ? 0.0 : sde_schedule_theta_at(denoiser->schedule, 0.0);
    return !g_cancellable_set_error_if_cancelled(cancellable, error);
}

static void
finish(const Run *run, SdeImage *result)
{
    sde_blend_copy(run->task->pool, run->source, result);
    if (run->d != NULL) {
        write_result(run, result);
    }
    if (run->params->used != NULL) {
        *run->params->used = run->level;
    }
}

/* What is selected and around it, from where a block of the file begins: the network
 * has learnt files, their blocks and mosaics from there on. Where those begin in the
 * layer nobody knows, but mostly it is at its corner. */
static SdeRect
find_rect(const SdeTask *task, const SdeMask *mask, const SdeImage *source)
{
    SdeRect rect = sde_mask_find_crop(mask, task->part, source->width, source->height);
    int left = rect.x % SDE_FILE_BLOCK, top = rect.y % SDE_FILE_BLOCK;

    return (SdeRect) {rect.x - left, rect.y - top, rect.width + left,
                      rect.height + top};
}

bool
sde_denoise_run(SdeTask *task, const SdeImage *source, const SdeMask *mask,
                const SdeDenoiseParams *params, SdeImage *result, const SdeSpan *span,
                GError **error)
{
    Run run = {
        .task = task, .source = source, .params = params, .gain = 1.0, .share = 1.0};
    g_autoptr(SdeTiles) tiles = NULL;
    g_autoptr(SdeArena) arena = NULL;
    size_t bytes;

    run.rect = find_rect(task, mask, source);
    run.padded_width = sde_tiles_pad_side(task->denoiser, run.rect.width);
    run.padded_height = sde_tiles_pad_side(task->denoiser, run.rect.height);
    if (!find_level(&run, mask, span, error)) {
        return false;
    }
    if (params->strength <= 0.0 || run.level.sigma <= 0.0 || run.rect.width == 0) {
        /* nothing to take away */
        finish(&run, result);
        return true;
    }
    tiles = plan(&run, mask != NULL, &bytes, error);
    if (tiles == NULL || (arena = sde_arena_new(bytes, error)) == NULL) {
        return false;
    }
    run_alloc(&run, mask != NULL, arena);
    if (mask != NULL) {
        load_levels(&run, mask);
    }
    if (!evaluate(&run, task, tiles, span, error)) {
        return false;
    }
    finish(&run, result);
    return true;
}
