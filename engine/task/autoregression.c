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
#define N_AROUND   ((2 * RADIUS + 1) * (2 * RADIUS + 1) - 1)
#define N_TERMS    (N_AROUND + 3) /* and a constant for each channel */
#define N_LEAST    (2 * N_AROUND) /* known pixels, for a fit */
#define N_STRIP    63             /* equations of a row of candidates: 3 SIDE */
#define COLUMNS    32             /* terms and the value, and zeros */

#define NEARNESS     2.25f /* variance of the neighbours' weights, pixels squared */
#define GUESS_WEIGHT 0.3f  /* of a neighbour in a hole, when two places are compared */
#define MEAN_WEIGHT  0.09f /* of a difference in brightness, against one in shape */
#define SHARPNESS    0.2f  /* of the weights: a fall to 1 / e, over the mean distance */
#define LEAST_WEIGHT 0.003f
#define FLOOR        4e-6f   /* distance, of -1..1 squared, that says nothing */
#define RIDGE        2e-4f   /* of a neighbour's coefficient */
#define GUESS_RIDGE  1.2e-2f /* and that of one in a hole, more */
#define GAIN         0.9f    /* of the change: fits of some hundred values are unsure */

#define LANES  4
#define WIDE   ((SIDE + LANES - 1) / LANES * LANES) /* of a row of candidates */
#define BORDER (REACH + RADIUS + LANES)
#define BLOCK  16 /* pixels */
#define CHUNK  64 /* blocks, between looks at the span */

typedef float Lanes __attribute__((vector_size(LANES * 4)));
typedef float LanesMem __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

/* Equations of a row of candidates, one a channel: as rows of COLUMNS, panel by panel
 * as the micro-kernel takes them, and as columns, times the candidates' weights. */
typedef struct {
    int n;
    float panels[COLUMNS * N_STRIP], columns[N_TERMS + 1][N_STRIP];
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

static Lanes
read_lanes(const float *from)
{
    return *(const LanesMem *) (const void *) from;
}

/* Weighted variance of the neighbours' differences, and some of their mean, between
 * pixel p and LANES pixels from q on. Channels are added. */
static void
compare(const Refining *r, size_t p, const float *weights, size_t q, float *distances)
{
    Lanes total = {0}, squares = {0}, sums[3] = {{0}}, means = {0};

    for (int i = 0; i < N_AROUND; i++) {
        size_t from = p + (size_t) r->around[i], to = q + (size_t) r->around[i];
        Lanes weight = weights[i] * read_lanes(r->planes[3] + to);

        total += weight;
        for (int c = 0; c < 3; c++) {
            Lanes difference = r->planes[c][from] - read_lanes(r->planes[c] + to);

            sums[c] += weight * difference;
            squares += weight * difference * difference;
        }
    }
    for (int c = 0; c < 3; c++) {
        means += sums[c] / total * (sums[c] / total);
    }
    *(LanesMem *) (void *) distances = squares / total - (1.0f - MEAN_WEIGHT) * means;
}

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
    float own[N_AROUND], sum = 0.0f;
    int n = 0;

    for (int i = 0; i < N_AROUND; i++) {
        own[i] = r->nearness[i] * r->planes[3][p + (size_t) r->around[i]];
    }
    for (int y = 0; y < SIDE; y++) {
        size_t row = corner + (size_t) y * r->pitch;

        for (int x = 0; x < WIDE; x += LANES) {
            compare(r, p, own, row + (size_t) x, distances[y] + x);
        }
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
            bool known = is_known(r, corner + (size_t) y * r->pitch + (size_t) x);
            float weight = known ? expf(-distances[y][x] / scale) : 0.0f;

            distances[y][x] = weight >= LEAST_WEIGHT ? weight : 0.0f;
        }
    }
}

/* ---- the fit ----------------------------------------------------------------------
 */

/* The neighbours and the value of q, less the value of p, in one channel. */
static void
write_equation(const Refining *r, size_t p, size_t q, int channel, float *row)
{
    const float *plane = r->planes[channel];

    for (int i = 0; i < N_AROUND; i++) {
        row[i] = plane[q + (size_t) r->around[i]] - plane[p];
    }
    for (int c = 0; c < 3; c++) {
        row[N_AROUND + c] = c == channel ? 1.0f : 0.0f;
    }
    row[N_TERMS] = plane[q] - plane[p];
}

static void
add_equation(Strip *strip, const float *row, float weight)
{
    size_t panel = (size_t) sde_kernels_get()->panel;

    for (size_t i = 0; i < COLUMNS; i += panel) {
        memcpy(strip->panels + i * N_STRIP + (size_t) strip->n * panel, row + i,
               panel * sizeof(float));
    }
    for (int i = 0; i <= N_TERMS; i++) {
        strip->columns[i][strip->n] = weight * row[i];
    }
    strip->n++;
}

G_STATIC_ASSERT(N_STRIP == 3 * SIDE && COLUMNS > N_TERMS);

static void
gather_strip(const Refining *r, size_t p, size_t first, const float *weights,
             Strip *strip)
{
    float row[COLUMNS] = {0};

    strip->n = 0;
    for (int x = 0; x < SIDE; x++) {
        for (int c = 0; weights[x] > 0.0f && c < 3; c++) {
            write_equation(r, p, first + (size_t) x, c, row);
            add_equation(strip, row, weights[x]);
        }
    }
}

/* Adds to sums[i][j], j <= i, the weighted products of columns i and j. */
static void
add_products(const Strip *strip, float sums[][COLUMNS])
{
    const SdeKernels *kernels = sde_kernels_get();
    const float *rows[N_TERMS + 1];
    float products[N_TERMS + 1][COLUMNS];

    for (int i = 0; i <= N_TERMS; i++) {
        rows[i] = strip->columns[i];
    }
    for (int i = 0; i < COLUMNS; i += kernels->panel) {
        const SdePanelInput input = {rows + i, &strip->n, N_TERMS + 1 - i, 1, NULL};

        kernels->multiply(&input, strip->panels + (size_t) i * N_STRIP, products[i] + i,
                          COLUMNS);
    }
    for (int i = 0; i <= N_TERMS; i++) {
        for (int j = 0; j <= i; j++) {
            sums[i][j] += products[i][j];
        }
    }
}

static void
add_up(const Refining *r, size_t p, size_t corner, float weights[][WIDE],
       float sums[][COLUMNS])
{
    Strip strip;

    for (int y = 0; y < SIDE; y++) {
        gather_strip(r, p, corner + (size_t) y * r->pitch, weights[y], &strip);
        if (strip.n > 0) {
            add_products(&strip, sums);
        }
    }
}

/* Cholesky: the lower triangle of the first N_TERMS rows becomes its factor, and the
 * row after them, which is the right side, the solution. False: not positive. */
static bool
solve(float a[][COLUMNS])
{
    float *x = a[N_TERMS];

    for (int j = 0; j < N_TERMS; j++) {
        for (int i = j; i <= N_TERMS; i++) { /* the right side goes along */
            for (int k = 0; k < j; k++) {
                a[i][j] -= a[i][k] * a[j][k];
            }
            if (i == j && !(a[j][j] > 0.0f)) {
                return false;
            }
            a[i][j] = i == j ? sqrtf(a[j][j]) : a[i][j] / a[j][j];
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
add_ridge(const Refining *r, size_t p, float sums[][COLUMNS])
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
    float weights[SIDE][WIDE], sums[N_TERMS + 1][COLUMNS] = {{0}}, mean;
    const float *x = sums[N_TERMS];

    if (measure_candidates(r, p, corner, weights, &mean) < N_LEAST) {
        return;
    }
    weigh_candidates(r, corner, mean, weights);
    add_up(r, p, corner, weights, sums);
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
