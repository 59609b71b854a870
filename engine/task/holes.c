/* Cutting a mask into holes.
 *
 * The picture is looked at in cells. A rectangle of them is cut in two, and each half
 * again, wherever both halves with their surroundings have fewer pixels than the whole;
 * empty space goes away with every cut. Only what is deep is never cut: it is one
 * picture, and its parts would not fit together.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/holes.h"

#include <math.h>

#include "task/mask.h"

#define CELL         32 /* pixels; deep holes closer than this are one hole */
#define THIN_CONTEXT 32 /* pixels, around what is thin */
/* Pixels that could be looked at in the time that each hole takes besides. */
#define OVERHEAD (64 * 64)

enum { EMPTY, THIN, DEEP };

typedef struct {
    const SdeMask *mask;
    const SdeHoleParams *params;
    int width, height;    /* in cells */
    unsigned char *cells; /* EMPTY, THIN or DEEP */
    /* no cut between a cell and the one right of it, or below */
    bool *tied_right, *tied_down;
    GArray *pieces; /* Piece */
} Cutting;

static size_t
cell_index(const Cutting *cutting, int x, int y)
{
    return (size_t) y * (size_t) cutting->width + (size_t) x;
}

static SdeRect
to_pixels(SdeRect cells)
{
    return (SdeRect) {cells.x * CELL, cells.y * CELL, cells.width * CELL,
                      cells.height * CELL};
}

/* ---- cells ------------------------------------------------------------------------
 */

/* Pixels first to last of row y, and what is spread around them. */
static void
mark_run(Cutting *cutting, int first, int last, int y)
{
    int spread = cutting->params->spread;
    int right = MIN((last + spread) / CELL, cutting->width - 1);
    int bottom = MIN((y + spread) / CELL, cutting->height - 1);

    for (int i = MAX(y - spread, 0) / CELL; i <= bottom; i++) {
        for (int j = MAX(first - spread, 0) / CELL; j <= right; j++) {
            cutting->cells[cell_index(cutting, j, i)] = THIN;
        }
    }
}

static void
mark_cells(Cutting *cutting)
{
    const SdeMask *mask = cutting->mask;

    for (int y = 0; y < mask->height; y++) {
        const float *row = mask->levels + (size_t) y * mask->stride;

        for (int x = 0, first = 0; x < mask->width; x++) {
            bool begins = x == 0 || row[x - 1] <= 0.0f;
            bool ends = x == mask->width - 1 || row[x + 1] <= 0.0f;

            first = begins ? x : first;
            if (row[x] > 0.0f && ends) {
                mark_run(cutting, first, x, y);
            }
        }
    }
}

/* Is there a pixel in this cell that, spread, is deeper than what is thin? */
static bool
is_deep(const Cutting *cutting, int x, int y)
{
    const SdeMask *mask = cutting->mask;
    int limit = SDE_THIN_DEPTH - cutting->params->spread;
    SdeRect cell = sde_rect_intersect(to_pixels((SdeRect) {x, y, 1, 1}),
                                      (SdeRect) {0, 0, mask->width, mask->height});
    SdeRect around = sde_mask_widen(cell, limit + 1, mask->width, mask->height);
    size_t n = (size_t) around.width * (size_t) around.height;

    g_autofree float *levels = g_new(float, n);
    g_autofree float *depth = g_new(float, n);

    sde_mask_read(mask, around, levels);
    sde_mask_measure_depth(levels, around.width, around.height, depth);
    for (int i = 0; i < cell.height; i++) {
        const float *row =
            depth + (size_t) (cell.y - around.y + i) * (size_t) around.width;

        for (int j = 0; j < cell.width; j++) {
            if (row[cell.x - around.x + j] > (float) limit) {
                return true;
            }
        }
    }
    return false;
}

/* Where thin holes may not be cut everything counts as deep. */
static void
mark_deep(Cutting *cutting)
{
    bool all = !cutting->params->cuts_thin || cutting->params->spread >= SDE_THIN_DEPTH;

    for (int y = 0; y < cutting->height; y++) {
        for (int x = 0; x < cutting->width; x++) {
            unsigned char *cell = cutting->cells + cell_index(cutting, x, y);

            if (*cell != EMPTY && (all || is_deep(cutting, x, y))) {
                *cell = DEEP;
            }
        }
    }
}

/* ---- what must not be cut ---------------------------------------------------------
 */

static void
tie(Cutting *cutting, SdeRect box)
{
    for (int y = box.y; y < box.y + box.height; y++) {
        for (int x = box.x; x < box.x + box.width; x++) {
            size_t at = cell_index(cutting, x, y);

            cutting->tied_right[at] |= x + 1 < box.x + box.width;
            cutting->tied_down[at] |= y + 1 < box.y + box.height;
        }
    }
}

/* The box of all cells of `todo` that hang together with `start`, corners included;
 * takes them out. */
static SdeRect
take_component(const Cutting *cutting, int start, bool *todo, GArray *stack)
{
    int left = start % cutting->width, right = left;
    int top = start / cutting->width, bottom = top;

    g_array_append_val(stack, start);
    todo[start] = false;
    while (stack->len > 0) {
        int cell = g_array_index(stack, int, stack->len - 1);
        int x = cell % cutting->width, y = cell / cutting->width;

        g_array_set_size(stack, stack->len - 1);
        left = MIN(left, x);
        right = MAX(right, x);
        top = MIN(top, y);
        bottom = MAX(bottom, y);
        for (int i = MAX(y - 1, 0); i <= MIN(y + 1, cutting->height - 1); i++) {
            for (int j = MAX(x - 1, 0); j <= MIN(x + 1, cutting->width - 1); j++) {
                int next = (int) cell_index(cutting, j, i);

                if (todo[next]) {
                    todo[next] = false;
                    g_array_append_val(stack, next);
                }
            }
        }
    }
    return (SdeRect) {left, top, right - left + 1, bottom - top + 1};
}

static bool
touches_deep(const Cutting *cutting, int x, int y)
{
    for (int i = MAX(y - 1, 0); i <= MIN(y + 1, cutting->height - 1); i++) {
        for (int j = MAX(x - 1, 0); j <= MIN(x + 1, cutting->width - 1); j++) {
            if (cutting->cells[cell_index(cutting, j, i)] == DEEP) {
                return true;
            }
        }
    }
    return false;
}

/* What is deep and the masked cells beside it stay together. */
static void
tie_deep(Cutting *cutting)
{
    int n = cutting->width * cutting->height;
    g_autofree bool *todo = g_new0(bool, (size_t) n);
    g_autoptr(GArray) stack = g_array_new(FALSE, FALSE, sizeof(int));

    for (int i = 0; i < n; i++) {
        todo[i] = cutting->cells[i] != EMPTY &&
                  touches_deep(cutting, i % cutting->width, i / cutting->width);
    }
    for (int i = 0; i < n; i++) {
        if (todo[i]) {
            tie(cutting, take_component(cutting, i, todo, stack));
        }
    }
}

/* ---- pieces -----------------------------------------------------------------------
 */

/* Cells of a rectangle that hold something, and whether any of it is deep. */
typedef struct {
    SdeRect box; /* width 0: nothing */
    bool deep;
} Piece;

static Piece
find_piece(const Cutting *cutting, SdeRect rect)
{
    int left = G_MAXINT, right = -1, top = G_MAXINT, bottom = -1;
    bool deep = false;

    for (int y = rect.y; y < rect.y + rect.height; y++) {
        for (int x = rect.x; x < rect.x + rect.width; x++) {
            unsigned char cell = cutting->cells[cell_index(cutting, x, y)];

            if (cell != EMPTY) {
                left = MIN(left, x);
                right = MAX(right, x);
                top = MIN(top, y);
                bottom = y;
                deep |= cell == DEEP;
            }
        }
    }
    if (right < 0) {
        return (Piece) {0};
    }
    return (Piece) {{left, top, right - left + 1, bottom - top + 1}, deep};
}

static SdeRect
find_crop(const Cutting *cutting, SdeRect bounds, bool deep)
{
    const SdeHoleParams *params = cutting->params;
    int side = MAX(bounds.width, bounds.height);
    int margin = deep ? MAX(SDE_MIN_CONTEXT, side / 2) : THIN_CONTEXT;

    margin = params->context > 0 ? params->context : margin;
    return sde_mask_widen(bounds, MAX(margin, params->spread), cutting->mask->width,
                          cutting->mask->height);
}

/* Pixels that are looked at for its sake. */
static double
find_cost(const Cutting *cutting, Piece piece)
{
    SdeRect crop = find_crop(cutting, to_pixels(piece.box), piece.deep);

    return piece.box.width == 0 ? 0.0 : (double) crop.width * crop.height + OVERHEAD;
}

/* ---- cutting ----------------------------------------------------------------------
 */

typedef struct {
    SdeRect first, second;
    double cost; /* of both, if they are not cut further; HUGE_VAL: there is no cut */
} Cut;

/* Before column (or row) `at` of the rectangle. */
static Cut
cut_at(const Cutting *cutting, SdeRect rect, bool across, int at)
{
    Cut cut = {rect, rect, HUGE_VAL};

    if (across) {
        cut.first.width = at;
        cut.second.x += at;
        cut.second.width -= at;
    } else {
        cut.first.height = at;
        cut.second.y += at;
        cut.second.height -= at;
    }
    for (int i = 0; i < (across ? rect.height : rect.width); i++) {
        size_t before = across ? cell_index(cutting, cut.second.x - 1, rect.y + i)
                               : cell_index(cutting, rect.x + i, cut.second.y - 1);

        if (across ? cutting->tied_right[before] : cutting->tied_down[before]) {
            return cut;
        }
    }
    cut.cost = find_cost(cutting, find_piece(cutting, cut.first)) +
               find_cost(cutting, find_piece(cutting, cut.second));
    return cut;
}

/* The best of the cuts that leave each side `least` of the rectangle's length. */
static Cut
find_cut(const Cutting *cutting, SdeRect rect, double least)
{
    Cut best = {rect, rect, HUGE_VAL};

    for (int axis = 0; axis < 2; axis++) {
        bool across = axis == 0;
        int length = across ? rect.width : rect.height;
        int margin = MAX((int) (least * length), 1);

        for (int at = margin; at <= length - margin; at++) {
            Cut cut = cut_at(cutting, rect, across, at);

            best = cut.cost < best.cost ? cut : best;
        }
    }
    return best;
}

/* Adds what is masked in the rectangle as the pieces that cost least; returns what they
 * cost. Halves of about the same size keep the number of looks down. */
static double
cut_up(Cutting *cutting, SdeRect rect)
{
    Piece whole = find_piece(cutting, rect);
    double cost = find_cost(cutting, whole), parts = HUGE_VAL;
    guint n_before = cutting->pieces->len;
    Cut cut;

    if (whole.box.width == 0) {
        return 0.0;
    }
    cut = find_cut(cutting, whole.box, 0.25);
    if (cut.cost == HUGE_VAL) {
        cut = find_cut(cutting, whole.box, 0.0);
    }
    if (cut.cost < HUGE_VAL) {
        parts = cut_up(cutting, cut.first) + cut_up(cutting, cut.second);
    }
    if (parts < cost) {
        return parts;
    }
    g_array_set_size(cutting->pieces, n_before);
    g_array_append_val(cutting->pieces, whole);
    return cost;
}

/* ---- holes ------------------------------------------------------------------------
 */

/* The exact rectangle of what is masked, spread, inside a piece. */
static SdeRect
find_bounds(const Cutting *cutting, SdeRect piece)
{
    const SdeMask *mask = cutting->mask;
    int spread = cutting->params->spread;
    SdeRect cells = to_pixels(piece);
    SdeRect around = sde_mask_widen(cells, spread, mask->width, mask->height);
    SdeMask part = {.levels = mask->levels + (size_t) around.y * mask->stride +
                              (size_t) around.x,
                    .width = around.width,
                    .height = around.height,
                    .stride = mask->stride};
    SdeRect bounds = sde_mask_find_bounds(&part);

    bounds.x += around.x;
    bounds.y += around.y;
    return sde_rect_intersect(sde_mask_widen(bounds, spread, mask->width, mask->height),
                              cells);
}

static GArray *
list_holes(const Cutting *cutting)
{
    GArray *holes = g_array_new(FALSE, FALSE, sizeof(SdeHole));

    for (guint i = 0; i < cutting->pieces->len; i++) {
        Piece piece = g_array_index(cutting->pieces, Piece, i);
        SdeHole hole = {.bounds = find_bounds(cutting, piece.box), .thin = !piece.deep};

        hole.crop = find_crop(cutting, hole.bounds, piece.deep);
        g_array_append_val(holes, hole);
    }
    return holes;
}

GArray *
sde_holes_find(const SdeMask *mask, const SdeHoleParams *params)
{
    int width = sde_divide_up(mask->width, CELL);
    int height = sde_divide_up(mask->height, CELL);
    size_t n = (size_t) width * (size_t) height;
    g_autofree unsigned char *cells = g_new0(unsigned char, n);
    g_autofree bool *tied_right = g_new0(bool, n), *tied_down = g_new0(bool, n);
    g_autoptr(GArray) pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    Cutting cutting = {.mask = mask,
                       .params = params,
                       .width = width,
                       .height = height,
                       .cells = cells,
                       .tied_right = tied_right,
                       .tied_down = tied_down,
                       .pieces = pieces};

    mark_cells(&cutting);
    mark_deep(&cutting);
    tie_deep(&cutting);
    cut_up(&cutting, (SdeRect) {0, 0, width, height});
    return list_holes(&cutting);
}
