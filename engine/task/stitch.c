/* A screened Poisson's equation for what is added: its Laplacian, less a tension times
 * itself, is the divergence of the steps. It is solved from coarse to fine, each grid
 * beginning with what the coarser one found, by Gauss and Seidel's method in the order
 * of a chess board: white fields depend on black ones alone, so rows can be shared
 * among threads. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/stitch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define RGB        3
#define MAX_GRIDS  12
#define LEAST_SIDE 4  /* of a grid worth having */
#define N_SWEEPS   12 /* on the finest grid; twice as many on each coarser one */
#define OVER       1.7f
#define SMALL_GRID 16384 /* pixels; fewer are done before another thread wakes */
/* Pixels^-2: some 20 pixels from all steps a shift ends. Without it those of a piece
 * that is repeated add up to another colour at the far side of a hole. */
#define TENSION 2e-3f
/* Of -1..1: a greater step is an edge between two things. */
#define SMALL_STEP 0.3f

typedef struct {
    int width, height;
    float *shift;         /* × RGB: what is added */
    float *steps;         /* × RGB: minus the divergence of the steps */
    unsigned char *moves; /* 1 where a pixel may be changed */
    float tension;        /* how much a shift is drawn to zero */
} Grid;

typedef struct {
    Grid grids[MAX_GRIDS];
    int n_grids;
    const Grid *grid; /* at hand */
    int color;        /* of the chess board */
} Solver;

static float *
color_at(float *values, int pixel)
{
    return values + RGB * (size_t) pixel;
}

static size_t
count(const Grid *grid)
{
    return (size_t) grid->width * (size_t) grid->height;
}

static void
solver_alloc(Solver *solver, int width, int height, SdeArena *arena)
{
    float tension = TENSION;

    solver->n_grids = 0;
    while (solver->n_grids < MAX_GRIDS &&
           (solver->n_grids == 0 || MIN(width, height) >= LEAST_SIDE)) {
        Grid *grid = &solver->grids[solver->n_grids++];

        grid->width = width;
        grid->height = height;
        grid->tension = tension;
        tension *= 4.0f; /* a pixel of the next grid stands for four */
        grid->shift = sde_arena_alloc(arena, RGB * count(grid));
        grid->steps = sde_arena_alloc(arena, RGB * count(grid));
        grid->moves = (unsigned char *) sde_arena_alloc(arena, (count(grid) + 3) / 4);
        width = sde_divide_up(width, 2);
        height = sde_divide_up(height, 2);
    }
}

size_t
sde_stitch_plan(int width, int height)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    Solver solver;

    solver_alloc(&solver, width, height, dry);
    return sde_arena_get_peak(dry);
}

/* ---- the steps --------------------------------------------------------------------
 */

static const float *
value_of(const SdeStitch *stitch, int pixel)
{
    return stitch->values + (size_t) pixel * (size_t) stitch->n_values;
}

/* Takes into a range what a known pixel and its neighbour, `way` pixels to the right or
 * down of it or -way to the left or up, differ by; false: the neighbour is not known.
 */
static bool
widen_range(const SdeStitch *stitch, int pixel, int way, float low[RGB],
            float high[RGB])
{
    int neighbour = pixel + way;
    bool same_row = pixel / stitch->width == neighbour / stitch->width;

    if (neighbour < 0 || neighbour >= stitch->width * stitch->height ||
        (abs(way) == 1 && !same_row) || stitch->sources[neighbour] != neighbour) {
        return false;
    }
    for (int c = 0; c < RGB; c++) {
        float slope = value_of(stitch, neighbour)[c] - value_of(stitch, pixel)[c];

        slope = way < 0 ? -slope : slope;
        low[c] = MIN(low[c], slope);
        high[c] = MAX(high[c], slope);
    }
    return true;
}

/* The part of the step from a pixel to its neighbour to the right or below that lies
 * outside of what their sources have there; none where they have no such neighbours. */
static void
find_step(const SdeStitch *stitch, int pixel, int way, float step[RGB])
{
    int from = stitch->sources[pixel], to = stitch->sources[pixel + way];
    float low[RGB] = {G_MAXFLOAT, G_MAXFLOAT, G_MAXFLOAT};
    float high[RGB] = {-G_MAXFLOAT, -G_MAXFLOAT, -G_MAXFLOAT};
    float size = 0.0f;

    memset(step, 0, RGB * sizeof(float));
    if (to - from == way) {
        return;
    }

    bool ahead = widen_range(stitch, from, way, low, high);
    bool behind = widen_range(stitch, to, -way, low, high);

    for (int c = 0; c < RGB && (ahead || behind); c++) {
        float jump = value_of(stitch, pixel + way)[c] - value_of(stitch, pixel)[c];

        step[c] = jump - CLAMP(jump, low[c], high[c]);
        size = MAX(size, fabsf(step[c]));
    }
    for (int c = 0; c < RGB; c++) {
        step[c] *= expf(-(size * size) / (SMALL_STEP * SMALL_STEP));
    }
}

static void
add_step(const SdeStitch *stitch, const Grid *grid, int pixel, int way)
{
    float *one = color_at(grid->steps, pixel),
          *other = color_at(grid->steps, pixel + way);
    float step[RGB];

    if (!grid->moves[pixel] && !grid->moves[pixel + way]) {
        return;
    }
    find_step(stitch, pixel, way, step);
    for (int c = 0; c < RGB; c++) {
        one[c] += step[c];
        other[c] -= step[c];
    }
}

static void
load_finest(const SdeStitch *stitch, const Grid *grid)
{
    memset(grid->steps, 0, RGB * count(grid) * sizeof(float));
    for (int i = 0; i < (int) count(grid); i++) {
        grid->moves[i] = stitch->sources[i] != i;
    }
    for (int y = 0; y < grid->height; y++) {
        for (int x = 0; x < grid->width; x++) {
            int at = y * grid->width + x;

            if (x + 1 < grid->width) {
                add_step(stitch, grid, at, 1);
            }
            if (y + 1 < grid->height) {
                add_step(stitch, grid, at, grid->width);
            }
        }
    }
}

/* The four pixels of the next grid that are nearest to pixel (x, y), and their shares.
 */
static void
find_parents(const Grid *coarse, int x, int y, int parents[4])
{
    for (int k = 0; k < 4; k++) {
        int j = x / 2 + k % 2 * (x % 2 == 1 ? 1 : -1);
        int i = y / 2 + k / 2 * (y % 2 == 1 ? 1 : -1);

        parents[k] = CLAMP(i, 0, coarse->height - 1) * coarse->width +
                     CLAMP(j, 0, coarse->width - 1);
    }
}

static const float shares[4] = {9.0f / 16, 3.0f / 16, 3.0f / 16, 1.0f / 16};

/* Of 2 × 2 pixels; one that stays makes all stay. Steps are shared out as shifts are
 * gathered: if each pixel's went to one alone, those in every other row would count
 * double, or not at all. */
static void
load_coarser(const Grid *fine, const Grid *grid)
{
    memset(grid->steps, 0, RGB * count(grid) * sizeof(float));
    memset(grid->moves, 1, count(grid));
    for (int y = 0; y < fine->height; y++) {
        for (int x = 0; x < fine->width; x++) {
            int from = y * fine->width + x, parents[4];

            find_parents(grid, x, y, parents);
            grid->moves[parents[0]] &= fine->moves[from];
            for (int k = 0; k < 4; k++) {
                for (int c = 0; c < RGB; c++) {
                    color_at(grid->steps, parents[k])[c] +=
                        shares[k] * color_at(fine->steps, from)[c];
                }
            }
        }
    }
}

/* ---- solving ----------------------------------------------------------------------
 */

static void
relax_row(size_t row, int thread, void *data)
{
    const Solver *solver = data;
    const Grid *grid = solver->grid;
    int width = grid->width, y = (int) row;

    for (int x = (y + solver->color) % 2; x < width; x += 2) {
        int at = y * width + x, n = 0;
        float sum[RGB];

        if (!grid->moves[at]) {
            continue;
        }
        memcpy(sum, color_at(grid->steps, at), sizeof(sum));
        for (int k = 0; k < 4; k++) {
            int j = x + (k == 0) - (k == 1), i = y + (k == 2) - (k == 3);

            if (j < 0 || i < 0 || j >= width || i >= grid->height) {
                continue;
            }
            for (int c = 0; c < RGB; c++) {
                sum[c] += color_at(grid->shift, i * width + j)[c];
            }
            n++;
        }
        for (int c = 0; c < RGB; c++) {
            float *shift = color_at(grid->shift, at) + c;

            *shift += OVER * (sum[c] / ((float) n + grid->tension) - *shift);
        }
    }
}

static void
relax(Solver *solver, int index, SdePool *pool)
{
    const Grid *grid = &solver->grids[index];

    solver->grid = grid;
    pool = count(grid) < SMALL_GRID ? NULL : pool;
    for (int i = 0; i < 2 * (N_SWEEPS << index); i++) {
        solver->color = i % 2;
        sde_parallel_for(pool, (size_t) grid->height, NULL, relax_row, solver);
    }
}

static void
begin_with(const Grid *coarse, const Grid *grid)
{
    memset(grid->shift, 0, RGB * count(grid) * sizeof(float));
    for (int y = 0; y < grid->height; y++) {
        for (int x = 0; x < grid->width; x++) {
            int at = y * grid->width + x, parents[4];

            find_parents(coarse, x, y, parents);
            for (int k = 0; grid->moves[at] && k < 4; k++) {
                for (int c = 0; c < RGB; c++) {
                    color_at(grid->shift, at)[c] +=
                        shares[k] * color_at(coarse->shift, parents[k])[c];
                }
            }
        }
    }
}

bool
sde_stitch_run(const SdeStitch *stitch, SdePool *pool, GError **error)
{
    g_autoptr(SdeArena) arena =
        sde_arena_new(sde_stitch_plan(stitch->width, stitch->height), error);
    const Grid *coarsest;
    Solver solver;

    if (arena == NULL) {
        return false;
    }
    solver_alloc(&solver, stitch->width, stitch->height, arena);
    load_finest(stitch, &solver.grids[0]);
    for (int i = 1; i < solver.n_grids; i++) {
        load_coarser(&solver.grids[i - 1], &solver.grids[i]);
    }
    coarsest = &solver.grids[solver.n_grids - 1];
    memset(coarsest->shift, 0, RGB * count(coarsest) * sizeof(float));
    relax(&solver, solver.n_grids - 1, pool);
    for (int i = solver.n_grids - 2; i >= 0; i--) {
        begin_with(&solver.grids[i + 1], &solver.grids[i]);
        relax(&solver, i, pool);
    }
    for (size_t i = 0; i < count(&solver.grids[0]); i++) {
        for (size_t c = 0; c < RGB; c++) {
            stitch->values[i * (size_t) stitch->n_values + c] +=
                solver.grids[0].shift[RGB * i + c];
        }
    }
    return true;
}
