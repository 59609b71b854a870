/* A thin plate under tension over the holes of a picture: (L L + TENSION L) x = 0,
 * where L is the Laplacian. Unlike a soap film (L x = 0) it continues slopes, which in
 * thin holes is worth more than 1 dB; in wide ones it would overshoot. A few steps of
 * conjugate gradients from the film serve both: thin holes arrive, wide ones change
 * along their rims. Splines in tension: Smith and Wessel 1990. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "task/plate.h"

#include <string.h>

#include "base/arena.h"

#define N_STEPS 16
#define TENSION 0.25f
#define RGB     3
#define TINY    1e-12 /* against division by nothing, when it has converged */

typedef struct {
    int width, height;
    int first, last; /* rows with a hole in them */
    const float *levels;
    float *once, *image, *rest, *way; /* L way; A way; what is left; search direction */
} Plate;

static void
plate_alloc(Plate *plate, SdeArena *arena)
{
    size_t n = RGB * (size_t) plate->width * (size_t) plate->height;

    plate->once = sde_arena_alloc(arena, n);
    plate->image = sde_arena_alloc(arena, n);
    plate->rest = sde_arena_alloc(arena, n);
    plate->way = sde_arena_alloc(arena, n);
}

size_t
sde_plate_plan(int width, int height)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    Plate plate = {.width = width, .height = height};

    plate_alloc(&plate, dry);
    return sde_arena_get_peak(dry);
}

static bool
is_hole(const Plate *plate, int y, int x)
{
    return plate->levels[(size_t) y * (size_t) plate->width + (size_t) x] >= 1.0f;
}

static void
find_rows(Plate *plate)
{
    plate->first = plate->height;
    plate->last = -1;
    for (int y = 0; y < plate->height; y++) {
        for (int x = 0; x < plate->width; x++) {
            if (is_hole(plate, y, x)) {
                plate->first = MIN(plate->first, y);
                plate->last = y;
            }
        }
    }
}

/* L x of a row: four times each value less its neighbours, mirrored at the border. */
static void
laplace_row(const Plate *plate, const float *x, int y, float *out)
{
    const size_t pitch = RGB * (size_t) plate->width;
    const float *row = x + (size_t) y * pitch;
    const float *above = x + (size_t) MAX(y - 1, 0) * pitch;
    const float *below = x + (size_t) MIN(y + 1, plate->height - 1) * pitch;

    for (size_t i = 0; i < pitch; i++) {
        float left = row[i < RGB ? i : i - RGB];
        float right = row[i + RGB < pitch ? i + RGB : i];

        out[i] = 4.0f * row[i] - above[i] - below[i] - left - right;
    }
}

/* image = (L L + TENSION L) x in the holes, 0 elsewhere; of the holes' rows. */
static void
apply(const Plate *plate, const float *x)
{
    const size_t pitch = RGB * (size_t) plate->width;

    for (int y = MAX(plate->first - 1, 0); y <= MIN(plate->last + 1, plate->height - 1);
         y++) {
        laplace_row(plate, x, y, plate->once + (size_t) y * pitch);
    }
    for (int y = plate->first; y <= plate->last; y++) {
        float *image = plate->image + (size_t) y * pitch;
        const float *once = plate->once + (size_t) y * pitch;

        laplace_row(plate, plate->once, y, image);
        for (size_t i = 0; i < pitch; i++) {
            image[i] = is_hole(plate, y, (int) (i / RGB)) ? image[i] + TENSION * once[i]
                                                          : 0.0f;
        }
    }
}

/* The first value of the holes' rows, and how many there are. */
static size_t
find_span(const Plate *plate, size_t *count)
{
    const size_t pitch = RGB * (size_t) plate->width;

    *count = (size_t) (plate->last - plate->first + 1) * pitch;
    return (size_t) plate->first * pitch;
}

static void
dot(const Plate *plate, const float *a, const float *b, double sums[RGB])
{
    size_t count, first = find_span(plate, &count);

    memset(sums, 0, RGB * sizeof(double));
    for (size_t i = first; i < first + count; i += RGB) {
        for (size_t c = 0; c < RGB; c++) {
            sums[c] += (double) a[i + c] * (double) b[i + c];
        }
    }
}

/* y += factor x, each channel with its own factor. */
static void
add(const Plate *plate, const double factors[RGB], const float *x, float *y)
{
    size_t count, first = find_span(plate, &count);

    for (size_t i = first; i < first + count; i += RGB) {
        for (size_t c = 0; c < RGB; c++) {
            y[i + c] += (float) factors[c] * x[i + c];
        }
    }
}

/* One step of conjugate gradients; `size` is the square of rest. */
static void
step(Plate *plate, float *rgb, double size[RGB])
{
    size_t count, first = find_span(plate, &count);
    double length[RGB], back[RGB], grown[RGB];

    apply(plate, plate->way);
    dot(plate, plate->way, plate->image, length);
    for (int c = 0; c < RGB; c++) {
        length[c] = size[c] / (length[c] + TINY);
        back[c] = -length[c];
    }
    add(plate, length, plate->way, rgb);
    add(plate, back, plate->image, plate->rest);
    dot(plate, plate->rest, plate->rest, grown);
    for (size_t i = first; i < first + count; i++) {
        int c = (int) (i % RGB);

        plate->way[i] =
            plate->rest[i] + (float) (grown[c] / (size[c] + TINY)) * plate->way[i];
    }
    memcpy(size, grown, sizeof(grown));
}

static void
bend(Plate *plate, float *rgb)
{
    size_t count, first = find_span(plate, &count);
    size_t n = RGB * (size_t) plate->width * (size_t) plate->height;
    double size[RGB];

    memset(plate->way, 0, n * sizeof(float)); /* known pixels do not move */
    apply(plate, rgb);
    for (size_t i = first; i < first + count; i++) {
        plate->rest[i] = plate->way[i] = -plate->image[i];
    }
    dot(plate, plate->rest, plate->rest, size);
    for (int i = 0; i < N_STEPS; i++) {
        step(plate, rgb, size);
    }
}

static void
clamp(const Plate *plate, float *rgb)
{
    for (int y = plate->first; y <= plate->last; y++) {
        float *row = rgb + RGB * (size_t) y * (size_t) plate->width;

        for (int x = 0; x < plate->width; x++) {
            for (int c = 0; is_hole(plate, y, x) && c < RGB; c++) {
                row[RGB * x + c] = CLAMP(row[RGB * x + c], -1.0f, 1.0f);
            }
        }
    }
}

bool
sde_plate_bend(float *rgb, const float *levels, int width, int height, GError **error)
{
    Plate plate = {.width = width, .height = height, .levels = levels};
    g_autoptr(SdeArena) arena = NULL;

    find_rows(&plate);
    if (plate.last < 0) {
        return true;
    }
    arena = sde_arena_new(sde_plate_plan(width, height), error);
    if (arena == NULL) {
        return false;
    }
    plate_alloc(&plate, arena);
    bend(&plate, rgb);
    clamp(&plate, rgb);
    return true;
}
