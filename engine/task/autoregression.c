/* Every pixel of a thin hole as a linear function of its neighbours. The coefficients
 * are fitted to known pixels around, each of which weighs as much as its neighbours
 * look like this pixel's: nonlocal autoregression (Dong et al. 2013), after the
 * soft-decision interpolation of Zhang and Wu (2008). So edges, stripes and grain go on
 * as they do elsewhere in this picture, which no network has to have learnt.
 *
 * Neighbours in the hole are guesses, and a ridge holds their coefficients down. The
 * second round has the first one's better guesses. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/autoregression.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "task/holes.h"
#include "task/mask.h"
#include "task/tiles.h"
#include "task/walk.h"

#define N_ROUNDS 2
/* Pixels: nearer to what is deep it is a part of that, as are the corners of a box. */
#define DEEP_REACH (2 * SDE_THIN_DEPTH)
#define REACH      10 /* pixels each way, of the known ones that are looked at */
#define SIDE       (2 * REACH + 1)
#define RADIUS     2 /* of the neighbours, in a square */
#define WINDOW     (2 * RADIUS + 1)
#define N_AROUND   (WINDOW * WINDOW - 1)
#define N_TERMS    (N_AROUND + 3) /* and a constant for each channel */
#define N_LEAST    (2 * N_AROUND) /* known pixels, for a fit */

#define NEARNESS     2.25f /* variance of the neighbours' weights, pixels squared */
#define GUESS_WEIGHT 0.3f  /* of a neighbour in a hole, when two places are compared */
#define MEAN_WEIGHT  0.09f /* of a difference in brightness, against one in shape */
#define SHARPNESS    0.2f  /* of the weights: a fall to 1 / e, over the mean distance */
#define FARTHEST     5.8f  /* of these falls: what weighs less is left out */
#define FLOOR        4e-6f /* distance, of -1..1 squared, that says nothing */
#define RIDGE        2e-4f /* of a neighbour's coefficient */
#define GUESS_RIDGE  1.2e-2f /* and that of one in a hole, more */
#define GAIN         0.9f    /* of the change: fits of some hundred values are unsure */

/* Places of a row, rounded up for the kernel; no plane ends before they do. */
#define WIDE   ((SIDE + SDE_MAX_WIDTH - 1) / SDE_MAX_WIDTH * SDE_MAX_WIDTH)
#define BORDER (WIDE - REACH + RADIUS)
#define BLOCK  16 /* pixels */
#define CHUNK  64 /* blocks, between looks at the span */

/* An equation is a window of pixels, row by row, and the constants: the pixel in the
 * middle of the window is what the others are to say. */
#define MIDDLE     (N_AROUND / 2)
#define STRIP_ROWS 3 /* of places, whose equations stay in the nearest cache */
G_STATIC_ASSERT(N_TERMS + 1 <= SDE_FIT_TERMS);

typedef struct {
    int n;
    float rows[3 * STRIP_ROWS * SIDE][SDE_FIT_TERMS], weights[3 * STRIP_ROWS * SIDE];
} Strip;

typedef struct {
    const SdeArea *area;
    size_t pitch;     /* of the planes, which have a mirrored border */
    float *planes[4]; /* red, green, blue; 1 where known, else GUESS_WEIGHT */
    float *depth, *levels;
    int *targets; /* indices of thin pixels */
    size_t n_targets;
    ptrdiff_t around[N_AROUND];
    float nearness[N_AROUND];
    size_t first_block;
} Refining;

/* ---- memory -----------------------------------------------------------------------
 */

static void
refining_alloc(Refining *r, SdeArena *arena)
{
    size_t n = sde_area_count_pixels(r->area);
    size_t border = 2 * (size_t) BORDER;

    r->pitch = (size_t) r->area->padded_width + border;
    for (int i = 0; i < 4; i++) {
        r->planes[i] = sde_arena_alloc(
            arena, r->pitch * ((size_t) r->area->padded_height + border));
    }
    r->depth = sde_arena_alloc(arena, n);
    r->levels = sde_arena_alloc(arena, n);
    r->targets = (int *) sde_arena_alloc(arena, n);
}

size_t
sde_autoregression_plan(const SdeArea *area)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    Refining refining = {.area = area};

    refining_alloc(&refining, dry);
    return sde_arena_get_peak(dry);
}

/* ---- what is thin -----------------------------------------------------------------
 */

static void
find_targets(Refining *r)
{
    const SdeArea *area = r->area;
    int width = area->padded_width, height = area->padded_height;

    sde_mask_measure_depth(area->levels, width, height, r->depth);
    for (size_t i = 0; i < sde_area_count_pixels(area); i++) {
        r->levels[i] = r->depth[i] <= SDE_THIN_DEPTH ? 1.0f : 0.0f;
    }
    /* now of everything that is not deep: how far from that */
    sde_mask_measure_depth(r->levels, width, height, r->levels);
    for (int y = 0; y < area->height; y++) {
        for (int x = 0; x < area->width; x++) {
            int at = y * width + x;

            if (r->depth[at] > 0.0f && r->levels[at] > DEEP_REACH) {
                r->targets[r->n_targets++] = at;
            }
        }
    }
}

static void
load_planes(const Refining *r)
{
    const SdeArea *area = r->area;

    for (int y = -BORDER; y < area->padded_height + BORDER; y++) {
        size_t row = (size_t) sde_mirror_index(y, area->padded_height) *
                     (size_t) area->padded_width;
        size_t to = (size_t) (y + BORDER) * r->pitch;

        for (int x = -BORDER; x < area->padded_width + BORDER; x++, to++) {
            size_t from = row + (size_t) sde_mirror_index(x, area->padded_width);

            for (int c = 0; c < 3; c++) {
                r->planes[c][to] = area->out[3 * from + (size_t) c];
            }
            r->planes[3][to] = area->levels[from] > 0.0f ? GUESS_WEIGHT : 1.0f;
        }
    }
}

static void
list_around(Refining *r)
{
    int n = 0;

    for (int y = -RADIUS; y <= RADIUS; y++) {
        for (int x = -RADIUS; x <= RADIUS; x++) {
            if (x != 0 || y != 0) {
                r->around[n] = y * (ptrdiff_t) r->pitch + x;
                r->nearness[n++] = expf(-0.5f * (float) (x * x + y * y) / NEARNESS);
            }
        }
    }
}

/* ---- how alike two places are -----------------------------------------------------
 */

static bool
is_known(const Refining *r, size_t at)
{
    return r->planes[3][at] == 1.0f;
}

/* Distances from p of SIDE rows of WIDE pixels from `corner` on; how many of them are
 * known, and the mean distance of these. */
static int
measure_candidates(const Refining *r, size_t p, size_t corner, float distances[][WIDE],
                   float *mean)
{
    float weights[N_AROUND], values[3][N_AROUND], sum = 0.0f;
    const SdePatch patch = {.planes = {r->planes[0], r->planes[1], r->planes[2]},
                            .trust = r->planes[3],
                            .around = r->around,
                            .n_around = N_AROUND,
                            .weights = weights,
                            .values = {values[0], values[1], values[2]},
                            .mean_gain = 1.0f - MEAN_WEIGHT};
    int n = 0;

    for (int i = 0; i < N_AROUND; i++) {
        size_t at = p + (size_t) r->around[i];

        weights[i] = r->nearness[i] * r->planes[3][at];
        for (int c = 0; c < 3; c++) {
            values[c][i] = r->planes[c][at];
        }
    }
    for (int y = 0; y < SIDE; y++) {
        size_t row = corner + (size_t) y * r->pitch;

        sde_kernels_get()->patch_distances(&patch, row, WIDE, distances[y]);
        for (int x = 0; x < SIDE; x++) {
            if (is_known(r, row + (size_t) x)) {
                sum += distances[y][x];
                n++;
            }
        }
    }
    *mean = sum / (float) MAX(n, 1);
    return n;
}

/* Distances become weights, 0 of what does not count. */
static void
weigh_candidates(const Refining *r, size_t corner, float mean, float distances[][WIDE])
{
    float scale = SHARPNESS * mean + FLOOR;

    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            float falls = distances[y][x] / scale;
            bool counts = falls < FARTHEST &&
                          is_known(r, corner + (size_t) y * r->pitch + (size_t) x);

            distances[y][x] = counts ? expf(-falls) : 0.0f;
        }
    }
}

/* ---- the fit ----------------------------------------------------------------------
 */

/* A place's window, less the value of p, in one channel. */
static void
add_equation(const Refining *r, size_t p, size_t q, int channel, float weight,
             Strip *strip)
{
    const float *corner = r->planes[channel] + q - RADIUS * r->pitch - RADIUS;
    float *row = strip->rows[strip->n], base = r->planes[channel][p];

    for (size_t i = 0; i < WINDOW; i++) {
        const float *from = corner + i * r->pitch;
        float *to = row + WINDOW * i;

        for (int j = 0; j < WINDOW - 1; j++) { /* four, which go at once */
            to[j] = from[j] - base;
        }
        to[WINDOW - 1] = from[WINDOW - 1] - base;
    }
    for (int c = 0; c < 3; c++) {
        row[N_AROUND + 1 + c] = c == channel ? 1.0f : 0.0f;
    }
    strip->weights[strip->n++] = weight;
}

/* Weighted products of the terms, as the kernel adds them. */
static void
add_up(const Refining *r, size_t p, size_t corner, float weights[][WIDE],
       float products[][SDE_FIT_TERMS])
{
    Strip strip = {0};

    for (size_t y = 0; y < SIDE; y++) {
        for (size_t x = 0; x < SIDE; x++) {
            for (int c = 0; weights[y][x] > 0.0f && c < 3; c++) {
                add_equation(r, p, corner + y * r->pitch + x, c, weights[y][x], &strip);
            }
        }
        if (y % STRIP_ROWS == STRIP_ROWS - 1) {
            sde_kernels_get()->add_products(strip.rows[0], strip.weights, strip.n,
                                            products[0]);
            strip.n = 0;
        }
    }
}
G_STATIC_ASSERT(SIDE % STRIP_ROWS == 0);

/* The place of term i in an equation; that of the value comes last. */
static int
find_term(int i)
{
    if (i == N_TERMS) {
        return MIDDLE;
    }
    return i < MIDDLE ? i : i + 1;
}

/* The lower triangle, and below it the right side. */
static void
arrange(float products[][SDE_FIT_TERMS], float a[][N_TERMS + 1])
{
    for (int i = 0; i <= N_TERMS; i++) {
        for (int j = 0; j <= i; j++) {
            int one = find_term(i), other = find_term(j);

            a[i][j] = products[MAX(one, other)][MIN(one, other)];
        }
    }
}

/* Cholesky: the lower triangle of the first N_TERMS rows becomes its factor, and the
 * row after them, which is the right side, the solution. False: not positive. */
static bool
solve(float a[][N_TERMS + 1])
{
    float *x = a[N_TERMS], column[N_TERMS + 1];

    for (int j = 0; j < N_TERMS; j++) {
        if (!(a[j][j] > 0.0f)) {
            return false;
        }
        a[j][j] = sqrtf(a[j][j]);
        for (int i = j + 1; i <= N_TERMS; i++) { /* the right side goes along */
            column[i] = a[i][j] /= a[j][j];
            for (int k = j + 1; k <= i; k++) {
                a[i][k] -= column[i] * column[k];
            }
        }
    }
    for (int i = N_TERMS - 1; i >= 0; i--) {
        for (int k = i + 1; k < N_TERMS; k++) {
            x[i] -= a[k][i] * x[k];
        }
        x[i] /= a[i][i];
    }
    return true;
}

static void
add_ridge(const Refining *r, size_t p, float sums[][N_TERMS + 1])
{
    float total = 0.0f; /* of the weights */

    for (int i = N_AROUND; i < N_TERMS; i++) {
        total += sums[i][i] / 3.0f;
    }
    for (int i = 0; i < N_AROUND; i++) {
        bool known = is_known(r, p + (size_t) r->around[i]);

        sums[i][i] += total * (known ? RIDGE : RIDGE + GUESS_RIDGE);
    }
}

/* Changes a pixel, which stays where too little is known around it. */
static void
refine_pixel(const Refining *r, size_t p, float *rgb)
{
    size_t corner = p - REACH * r->pitch - REACH;
    float weights[SIDE][WIDE], products[SDE_FIT_TERMS][SDE_FIT_TERMS] = {{0}}, mean;
    float sums[N_TERMS + 1][N_TERMS + 1];
    const float *x = sums[N_TERMS];

    if (measure_candidates(r, p, corner, weights, &mean) < N_LEAST) {
        return;
    }
    weigh_candidates(r, corner, mean, weights);
    add_up(r, p, corner, weights, products);
    arrange(products, sums);
    add_ridge(r, p, sums);
    if (!solve(sums)) {
        return;
    }
    for (int c = 0; c < 3; c++) {
        const float *plane = r->planes[c];
        float change = x[N_AROUND + c];

        for (int i = 0; i < N_AROUND; i++) {
            change += x[i] * (plane[p + (size_t) r->around[i]] - plane[p]);
        }
        rgb[c] = CLAMP(plane[p] + GAIN * change, -1.0f, 1.0f);
    }
}

/* ---- all of them ------------------------------------------------------------------
 */

static void
refine_block(size_t block, int thread, void *data)
{
    const Refining *r = data;
    size_t first = (r->first_block + block) * BLOCK;

    (void) thread;
    for (size_t i = first; i < MIN(first + BLOCK, r->n_targets); i++) {
        size_t at = (size_t) r->targets[i];
        size_t y = at / (size_t) r->area->padded_width;
        size_t x = at % (size_t) r->area->padded_width;

        refine_pixel(r, (y + BORDER) * r->pitch + x + BORDER, r->area->out + 3 * at);
    }
}

static bool
refine_all(Refining *r, SdeTask *task, const SdeSpan *span, GError **error)
{
    size_t n_blocks = (r->n_targets + BLOCK - 1) / BLOCK;

    load_planes(r);
    for (size_t i = 0; i < n_blocks; i += CHUNK) {
        if (!sde_span_step(span, (int) (i / CHUNK), (int) (n_blocks / CHUNK) + 1,
                           error)) {
            return false;
        }
        r->first_block = i;
        sde_parallel_for(task->pool, MIN(CHUNK, n_blocks - i), NULL, refine_block, r);
    }
    return true;
}

bool
sde_autoregression_refine(const SdeArea *area, SdeTask *task, const SdeSpan *span,
                          GError **error)
{
    Refining refining = {.area = area};
    g_autoptr(SdeArena) arena = sde_arena_new(sde_autoregression_plan(area), error);

    if (arena == NULL) {
        return false;
    }
    refining_alloc(&refining, arena);
    find_targets(&refining);
    list_around(&refining);
    for (int i = 0; i < N_ROUNDS && refining.n_targets > 0; i++) {
        SdeSpan part = sde_span_part(span, i, N_ROUNDS);

        if (!refine_all(&refining, task, &part, error)) {
            return false;
        }
    }
    return true;
}
