/* Mixing pictures: hole filling, colour match, pasting, and the shares of a change.
 *
 * Filling and colour match are the same idea: values with weights, some of them 0, are
 * averaged into ever coarser levels until every place has a weight (pull), and the gaps
 * are filled from the coarser level on the way back (push). Some sweeps towards the
 * Laplace equation at each level make the filling as smooth as a soap film.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/blend.h"

#include <math.h>
#include <string.h>

#include "task/plate.h"

#define N_VALUES    4 /* per pixel of a pyramid: three weighted colours and a weight */
#define RIM         6 /* pixels: what counts as next to the rim of a hole */
#define MAX_PYRAMID 32
#define N_SWEEPS    4 /* of Gauss and Seidel's method at each level */

/* ---- push-pull --------------------------------------------------------------------
 */

typedef struct {
    int n; /* levels; 0 is the picture's size */
    int widths[MAX_PYRAMID], heights[MAX_PYRAMID];
    float *values[MAX_PYRAMID]; /* N_VALUES a pixel */
    bool *gaps;                 /* of the level at hand: pixels without any weight */
    SdeArena *arena;
} Pyramid;

static void
pyramid_alloc(Pyramid *pyramid, int width, int height)
{
    pyramid->n = 0;
    pyramid->gaps = (bool *) sde_arena_alloc(
        pyramid->arena, ((size_t) width * (size_t) height * sizeof(bool) + 3) / 4);
    for (;;) {
        size_t pixels = (size_t) width * (size_t) height;
        int i = pyramid->n++;

        pyramid->widths[i] = width;
        pyramid->heights[i] = height;
        pyramid->values[i] = sde_arena_alloc(pyramid->arena, pixels * N_VALUES);
        if (width == 1 && height == 1) {
            return;
        }
        width = sde_divide_up(width, 2);
        height = sde_divide_up(height, 2);
    }
}

static size_t
pyramid_plan(int width, int height)
{
    g_autoptr(SdeArena) arena = sde_arena_new_dry();
    Pyramid pyramid = {.arena = arena};

    pyramid_alloc(&pyramid, width, height);
    return sde_arena_get_peak(arena);
}

static bool
pyramid_init(Pyramid *pyramid, int width, int height, GError **error)
{
    pyramid->arena = sde_arena_new(pyramid_plan(width, height), error);
    if (pyramid->arena == NULL) {
        return false;
    }
    pyramid_alloc(pyramid, width, height);
    return true;
}

/* Means of 2 × 2; a weight saturates at 1, so that one sure pixel fills its cell. */
static void
pull(const Pyramid *pyramid, int to)
{
    int width = pyramid->widths[to - 1], height = pyramid->heights[to - 1];
    const float *in = pyramid->values[to - 1];
    float *out = pyramid->values[to];

    for (int y = 0; y < pyramid->heights[to]; y++) {
        for (int x = 0; x < pyramid->widths[to]; x++, out += N_VALUES) {
            float sums[N_VALUES] = {0};

            for (int k = 0; k < 4; k++) {
                int i = 2 * y + k / 2, j = 2 * x + k % 2;

                for (int c = 0; i < height && j < width && c < N_VALUES; c++) {
                    sums[c] +=
                        in[((size_t) i * (size_t) width + (size_t) j) * N_VALUES +
                           (size_t) c];
                }
            }
            float scale = sums[3] > 1.0f ? 1.0f / sums[3] : 1.0f;

            for (int c = 0; c < N_VALUES; c++) {
                out[c] = sums[c] * scale;
            }
        }
    }
}

/* Adds what is missing to full weight from the coarser level, bilinearly. */
static void
push(const Pyramid *pyramid, int to)
{
    int width = pyramid->widths[to], coarse_width = pyramid->widths[to + 1];
    int coarse_height = pyramid->heights[to + 1];
    const float *coarse = pyramid->values[to + 1];
    float *out = pyramid->values[to];

    for (int y = 0; y < pyramid->heights[to]; y++) {
        int near_y = y / 2,
            far_y = CLAMP(near_y + (y % 2 ? 1 : -1), 0, coarse_height - 1);

        for (int x = 0; x < width; x++, out += N_VALUES) {
            int near_x = x / 2,
                far_x = CLAMP(near_x + (x % 2 ? 1 : -1), 0, coarse_width - 1);
            float missing = 1.0f - out[3];

            if (missing <= 0.0f) {
                continue;
            }
            const size_t places[4] = {
                (size_t) near_y * (size_t) coarse_width + (size_t) near_x,
                (size_t) near_y * (size_t) coarse_width + (size_t) far_x,
                (size_t) far_y * (size_t) coarse_width + (size_t) near_x,
                (size_t) far_y * (size_t) coarse_width + (size_t) far_x};
            const float shares[4] = {0.5625f, 0.1875f, 0.1875f, 0.0625f};

            for (int k = 0; k < 4; k++) {
                for (int c = 0; c < N_VALUES; c++) {
                    out[c] += missing * shares[k] * coarse[places[k] * N_VALUES + c];
                }
            }
        }
    }
}

static const float *
near_value(const Pyramid *pyramid, int level, int y, int x)
{
    size_t row = (size_t) CLAMP(y, 0, pyramid->heights[level] - 1);
    size_t column = (size_t) CLAMP(x, 0, pyramid->widths[level] - 1);

    return pyramid->values[level] +
           (row * (size_t) pyramid->widths[level] + column) * N_VALUES;
}

/* Each gap becomes the mean of its four neighbours, first on the black fields of a
 * chess board, then on the white ones: a field's neighbours have the other colour. */
static void
relax(const Pyramid *pyramid, int level)
{
    int width = pyramid->widths[level], height = pyramid->heights[level];

    for (int pass = 0; pass < 2 * N_SWEEPS; pass++) {
        for (int y = 0; y < height; y++) {
            for (int x = (y + pass) % 2; x < width; x += 2) {
                size_t at = (size_t) y * (size_t) width + (size_t) x;
                float *value = pyramid->values[level] + at * N_VALUES;
                const float *left = near_value(pyramid, level, y, x - 1);
                const float *right = near_value(pyramid, level, y, x + 1);
                const float *above = near_value(pyramid, level, y - 1, x);
                const float *below = near_value(pyramid, level, y + 1, x);

                for (int c = 0; pyramid->gaps[at] && c < 3; c++) {
                    value[c] = 0.25f * (left[c] + right[c] + above[c] + below[c]);
                }
            }
        }
    }
}

static void
find_gaps(const Pyramid *pyramid, int level)
{
    size_t n = (size_t) pyramid->widths[level] * (size_t) pyramid->heights[level];

    for (size_t i = 0; i < n; i++) {
        pyramid->gaps[i] = pyramid->values[level][i * N_VALUES + 3] <= 0.0f;
    }
}

/* Level 0 holds weighted values; afterwards values of full weight everywhere (zeros
 * when there was no weight at all). */
static void
pyramid_complete(const Pyramid *pyramid)
{
    float *top;

    for (int i = 1; i < pyramid->n; i++) {
        pull(pyramid, i);
    }
    top = pyramid->values[pyramid->n - 1];
    for (int c = 0; top[3] > 0.0f && c < N_VALUES; c++) {
        top[c] /= c < 3 ? top[3] : 1.0f;
    }
    top[3] = 1.0f;
    for (int i = pyramid->n - 2; i >= 0; i--) {
        find_gaps(pyramid, i);
        push(pyramid, i);
        relax(pyramid, i);
    }
}

size_t
sde_blend_plan_fill_smooth(int width, int height)
{
    return MAX(pyramid_plan(width, height), sde_plate_plan(width, height));
}

bool
sde_blend_fill_smooth(float *rgb, const float *levels, int width, int height,
                      GError **error)
{
    size_t n = (size_t) width * (size_t) height;
    Pyramid pyramid = {0};

    if (!pyramid_init(&pyramid, width, height, error)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        float *value = pyramid.values[0] + i * N_VALUES;
        float weight = 1.0f - levels[i];

        for (size_t c = 0; c < 3; c++) {
            value[c] = weight * rgb[3 * i + c];
        }
        value[3] = weight;
    }
    pyramid_complete(&pyramid);
    for (size_t i = 0; i < n; i++) {
        const float *value = pyramid.values[0] + i * N_VALUES;

        for (size_t c = 0; levels[i] > 0.0f && c < 3; c++) {
            rgb[3 * i + c] += levels[i] * (value[c] - rgb[3 * i + c]);
        }
    }
    sde_arena_free(pyramid.arena);
    return sde_plate_bend(rgb, levels, width, height, error);
}

/* ---- colour match -----------------------------------------------------------------
 */

typedef struct {
    double inside[3], outside[3];
    int n_inside, n_outside;
} Rim;

static void
rim_look(Rim *rim, const float *rgb, const float *levels, int width, int height, int x,
         int y)
{
    *rim = (Rim) {0};
    for (int i = MAX(y - RIM, 0); i <= MIN(y + RIM, height - 1); i++) {
        for (int j = MAX(x - RIM, 0); j <= MIN(x + RIM, width - 1); j++) {
            size_t at = (size_t) i * (size_t) width + (size_t) j;
            bool inside = levels[at] > 0.0f;

            rim->n_inside += inside;
            rim->n_outside += !inside;
            for (size_t c = 0; c < 3; c++) {
                (inside ? rim->inside : rim->outside)[c] += (double) rgb[3 * at + c];
            }
        }
    }
}

/* Is a masked pixel one of the outermost? */
static bool
is_rim(const float *levels, int width, int height, int x, int y)
{
    const float *at = levels + (size_t) y * (size_t) width + (size_t) x;

    return *at > 0.0f &&
           ((x > 0 && at[-1] <= 0.0f) || (x + 1 < width && at[1] <= 0.0f) ||
            (y > 0 && at[-width] <= 0.0f) || (y + 1 < height && at[width] <= 0.0f));
}

/* The shift that each rim pixel asks for, with weight 1; nothing elsewhere. */
static void
collect_shifts(const float *rgb, const float *levels, int width, int height,
               float *values)
{
    memset(values, 0, (size_t) width * (size_t) height * N_VALUES * sizeof(float));
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, values += N_VALUES) {
            Rim rim;

            if (!is_rim(levels, width, height, x, y)) {
                continue;
            }
            rim_look(&rim, rgb, levels, width, height, x, y);
            for (size_t c = 0; c < 3; c++) {
                values[c] = (float) (rim.outside[c] / rim.n_outside -
                                     rim.inside[c] / rim.n_inside);
            }
            values[3] = 1.0f;
        }
    }
}

size_t
sde_blend_plan_match_colors(int width, int height)
{
    return pyramid_plan(width, height);
}

bool
sde_blend_match_colors(float *rgb, const float *levels, int width, int height,
                       GError **error)
{
    size_t n = (size_t) width * (size_t) height;
    Pyramid pyramid = {0};

    if (!pyramid_init(&pyramid, width, height, error)) {
        return false;
    }
    collect_shifts(rgb, levels, width, height, pyramid.values[0]);
    pyramid_complete(&pyramid);
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; levels[i] > 0.0f && c < 3; c++) {
            float shifted = rgb[3 * i + c] + pyramid.values[0][i * N_VALUES + c];

            rgb[3 * i + c] = CLAMP(shifted, -1.0f, 1.0f);
        }
    }
    sde_arena_free(pyramid.arena);
    return true;
}

/* ---- pixels and planes ------------------------------------------------------------
 */

typedef struct {
    const SdeImage *source;
    SdeImage *result;
} Copy;

static void
copy_row(size_t y, int thread, void *data)
{
    const Copy *copy = data;

    memcpy(copy->result->pixels + y * copy->result->stride,
           copy->source->pixels + y * copy->source->stride,
           3 * (size_t) copy->source->width * sizeof(float));
}

void
sde_blend_copy(SdePool *pool, const SdeImage *source, SdeImage *result)
{
    Copy copy = {source, result};

    sde_parallel_for(pool, (size_t) source->height, NULL, copy_row, &copy);
}

void
sde_blend_paste_pixel(float *rgb, const float *fill, float weight)
{
    for (int c = 0; weight > 0.0f && c < 3; c++) {
        float value = 0.5f * fill[c] + 0.5f;

        rgb[c] = weight >= 1.0f ? value : rgb[c] + weight * (value - rgb[c]);
    }
}

void
sde_blend_share(float *change, double luminance, double color)
{
    float luma = sde_luma(change);

    for (int c = 0; c < 3; c++) {
        change[c] = (float) luminance * luma + (float) color * (change[c] - luma);
    }
}

/* Running mean of 2 radius + 1 values; the window is clipped at the ends. */
static void
blur_line(const float *in, size_t step, int n, int radius, float *out, size_t out_step)
{
    double sum = 0.0;
    int first = 0, last = -1;

    for (int i = 0; i < n; i++) {
        while (last < MIN(i + radius, n - 1)) {
            sum += (double) in[(size_t) ++last * step];
        }
        while (first < i - radius) {
            sum -= (double) in[(size_t) first++ * step];
        }
        out[(size_t) i * out_step] = (float) (sum / (last - first + 1));
    }
}

void
sde_blend_blur(float *plane, int width, int height, int radius, float *scratch)
{
    size_t pitch = (size_t) width;

    for (int pass = 0; pass < 3; pass++) {
        for (int y = 0; y < height; y++) {
            blur_line(plane + (size_t) y * pitch, 1, width, radius,
                      scratch + (size_t) y * pitch, 1);
        }
        for (int x = 0; x < width; x++) {
            blur_line(scratch + x, pitch, height, radius, plane + x, pitch);
        }
    }
}

void
sde_blend_band_pass(float *plane, int width, int height, float *scratch)
{
    size_t n = (size_t) width * (size_t) height;
    float *coarse = scratch + n;

    memcpy(coarse, plane, n * sizeof(float));
    sde_blend_blur(coarse, width, height, 4, scratch);
    for (size_t i = 0; i < n; i++) {
        plane[i] -= coarse[i];
    }
}
