/* Windows over a work area, their blend weights, and one evaluation of a denoiser over
 * all of them (see tiles.h for the idea).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/tiles.h"

#include <math.h>
#include <string.h>

#include "task/views.h"

#define MIN_SIDE 64 /* pixels: less than this gives a network nothing to look at */
/* Largest tile of a level-map model, chosen for its speed. */
#define LEVEL_MAP_SIDE 768
#define STRIP          16 /* rows of a window that a thread fetches at a time */

/* Windows along one axis. Window i has the share [ramp[i], ramp[i + 1] + width[i + 1])
 * of the axis, where ramp i is the crossing between windows i - 1 and i. */
typedef struct {
    int size;       /* of every window */
    int n;          /* windows */
    int *starts;    /* n */
    float *weights; /* n × size */
} Axis;

struct _SdeTiles {
    int width, height;
    Axis across, down;
    bool *selected; /* across.n × down.n */
};

int
sde_mirror_index(int i, int n)
{
    int period = 2 * (n - 1);

    if (period == 0) {
        return 0;
    }
    i %= period;
    i = i < 0 ? i + period : i;
    return i < n ? i : period - i;
}

int
sde_tiles_pad_side(const SdeDenoiser *denoiser, int size)
{
    return sde_round_up(MAX(size, MIN_SIDE), denoiser->size_multiple);
}

/* ---- windows ----------------------------------------------------------------------
 */

/* Equal windows, at most `largest` wide, that overlap by at least `overlap`. */
static int
fit_window(int length, int largest, int overlap, int multiple, int *n)
{
    if (length <= largest) {
        *n = 1;
        return length;
    }
    *n = sde_divide_up(length - overlap, largest - overlap);
    return MIN(sde_round_up(sde_divide_up(length + (*n - 1) * overlap, *n), multiple),
               largest);
}

/* Rising weight at pixel x of a crossing of `width` pixels that begins at `begin`. */
static float
rise(double x, double begin, double width)
{
    double u = (x + 0.5 - begin) / width;

    if (u <= 0.0) {
        return 0.0f;
    }
    return u >= 1.0 ? 1.0f : (float) (0.5 - 0.5 * cos(G_PI * u));
}

/* Crossings lie in the middle of an overlap and take half of it; they never touch each
 * other, so at most two windows share a pixel and their weights are w and 1 - w. */
static void
axis_fill_weights(Axis *axis)
{
    int closest = axis->size;

    for (int i = 1; i < axis->n; i++) {
        closest = MIN(closest, axis->starts[i] - axis->starts[i - 1]);
    }
    for (size_t i = 0; i < (size_t) axis->n * (size_t) axis->size; i++) {
        axis->weights[i] = 1.0f;
    }
    for (int i = 1; i < axis->n; i++) {
        float *left = axis->weights + (size_t) (i - 1) * (size_t) axis->size;
        float *right = axis->weights + (size_t) i * (size_t) axis->size;
        int shift = axis->starts[i] - axis->starts[i - 1];
        int shared = axis->size - shift;
        double width = MAX(MIN(shared / 2, closest), 1);
        double begin = 0.5 * (shared - width); /* from the right window's start */

        for (int x = 0; x < axis->size; x++) {
            right[x] *= rise(x, begin, width);
            left[x] *= 1.0f - rise(x - shift, begin, width);
        }
    }
}

static void
axis_init(Axis *axis, int length, int largest, int overlap, int multiple)
{
    axis->size = fit_window(length, largest, overlap, multiple, &axis->n);
    axis->starts = g_new(int, (size_t) axis->n);
    axis->weights = g_new(float, (size_t) axis->n *(size_t) axis->size);
    axis->starts[0] = 0;
    for (int i = 1; i < axis->n; i++) {
        /* On the network's own grid, so that neighbours see their common pixels alike.
         */
        int64_t start = (int64_t) (length - axis->size) * i / (axis->n - 1);

        axis->starts[i] = i == axis->n - 1 ? length - axis->size
                                           : (int) (start / multiple) * multiple;
    }
    axis_fill_weights(axis);
}

static SdeTiles *
tiles_new_of_size(const SdeDenoiser *denoiser, int width, int height, int tile_size,
                  int overlap)
{
    SdeTiles *tiles = g_new0(SdeTiles, 1);
    int multiple = denoiser->size_multiple;

    overlap = MIN(overlap > 0 ? overlap : denoiser->reach, tile_size / 2);
    tiles->width = width;
    tiles->height = height;
    axis_init(&tiles->across, width, tile_size, overlap, multiple);
    axis_init(&tiles->down, height, tile_size, overlap, multiple);
    tiles->selected = g_new(bool, (size_t) sde_tiles_get_count(tiles));
    for (int i = 0; i < sde_tiles_get_count(tiles); i++) {
        tiles->selected[i] = true;
    }
    return tiles;
}

/* Side of the largest tile worth trying. An ordinary model draws best at the size it
 * was trained at; a level-map model sees the known surroundings and takes any size. */
static int
largest_side(const SdeDenoiser *denoiser)
{
    int side = denoiser->level_map ? MAX(LEVEL_MAP_SIDE, denoiser->sample_size)
                                   : denoiser->sample_size;

    return sde_round_up(MAX(side, denoiser->size_multiple), denoiser->size_multiple);
}

SdeTiles *
sde_tiles_new(const SdeDenoiser *denoiser, int width, int height, int tile_size,
              int overlap, size_t memory, GError **error)
{
    int multiple = denoiser->size_multiple;
    int side =
        tile_size > 0 ? sde_round_up(tile_size, multiple) : largest_side(denoiser);
    int smallest = tile_size > 0 ? side : MIN(sde_round_up(MIN_SIDE, multiple), side);
    size_t bytes;

    g_assert(width % multiple == 0 && height % multiple == 0);
    for (;;) {
        g_autoptr(SdeTiles) tiles =
            tiles_new_of_size(denoiser, width, height, side, overlap);

        bytes = sde_tiles_plan(tiles, denoiser);
        if (bytes <= memory) {
            return g_steal_pointer(&tiles);
        }
        if (side <= smallest) {
            break;
        }
        side = MAX(sde_round_up(side * 3 / 4, multiple), smallest);
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                "the network needs %" G_GSIZE_FORMAT
                " MiB of memory for tiles of %d pixels, %" G_GSIZE_FORMAT
                " MiB are left; raise the memory limit%s",
                (bytes >> 20) + 1, side, memory >> 20,
                tile_size > 0 ? " or choose smaller tiles" : "");
    return NULL;
}

void
sde_tiles_free(SdeTiles *tiles)
{
    if (tiles == NULL) {
        return;
    }
    g_free(tiles->across.starts);
    g_free(tiles->across.weights);
    g_free(tiles->down.starts);
    g_free(tiles->down.weights);
    g_free(tiles->selected);
    g_free(tiles);
}

int
sde_tiles_get_count(const SdeTiles *tiles)
{
    return tiles->across.n * tiles->down.n;
}

SdeRect
sde_tiles_get_window(const SdeTiles *tiles, int i)
{
    return (SdeRect) {.x = tiles->across.starts[i % tiles->across.n],
                      .y = tiles->down.starts[i / tiles->across.n],
                      .width = tiles->across.size,
                      .height = tiles->down.size};
}

float
sde_tiles_get_weight(const SdeTiles *tiles, int i, int x, int y)
{
    size_t column = (size_t) (i % tiles->across.n),
           row = (size_t) (i / tiles->across.n);

    return tiles->across.weights[column * (size_t) tiles->across.size + (size_t) x] *
           tiles->down.weights[row * (size_t) tiles->down.size + (size_t) y];
}

static size_t
window_pixels(const SdeTiles *tiles)
{
    return (size_t) tiles->across.size * (size_t) tiles->down.size;
}

size_t
sde_tiles_plan(const SdeTiles *tiles, const SdeDenoiser *denoiser)
{
    size_t own = window_pixels(tiles) * (3 + 1 + 3 + 3) * sizeof(float);

    return own + denoiser->plan(denoiser, tiles->across.size, tiles->down.size);
}

static bool
any_level(const float *levels, size_t pitch, SdeRect window)
{
    for (int y = 0; y < window.height; y++) {
        const float *row = levels + (size_t) (window.y + y) * pitch + (size_t) window.x;

        for (int x = 0; x < window.width; x++) {
            if (row[x] > 0.0f) {
                return true;
            }
        }
    }
    return false;
}

void
sde_tiles_select(SdeTiles *tiles, const float *levels)
{
    for (int i = 0; i < sde_tiles_get_count(tiles); i++) {
        tiles->selected[i] =
            any_level(levels, (size_t) tiles->width, sde_tiles_get_window(tiles, i));
    }
}

/* ---- one evaluation ---------------------------------------------------------------
 */

typedef struct {
    float *x, *theta, *mean, *d; /* of one window */
} Buffers;

static void
buffers_clear(Buffers *buffers)
{
    g_free(buffers->x);
    g_free(buffers->theta);
    g_free(buffers->mean);
    g_free(buffers->d);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Buffers, buffers_clear)

typedef struct {
    const SdeTilesInput *input;
    SdeRect window;
    const Buffers *buffers;
} Fetching;

static void
fetch_strip(size_t i, int thread, void *data)
{
    const Fetching *fetching = data;
    const Buffers *buffers = fetching->buffers;
    SdeRect window = fetching->window;
    int y = (int) i * STRIP;
    SdeRect strip = {window.x, window.y + y, window.width,
                     MIN(STRIP, window.height - y)};
    size_t at = (size_t) y * (size_t) window.width;

    fetching->input->fetch(
        strip, buffers->x + 3 * at, buffers->theta != NULL ? buffers->theta + at : NULL,
        buffers->mean != NULL ? buffers->mean + 3 * at : NULL, fetching->input->data);
}

static void
fetch_window(const SdeTilesInput *input, SdePool *pool, SdeRect window,
             const Buffers *buffers)
{
    sde_parallel_for(pool, (size_t) sde_divide_up(window.height, STRIP), NULL,
                     fetch_strip, &(Fetching) {input, window, buffers});
}

typedef struct {
    const SdeTiles *tiles;
    int i; /* of the window */
    float share;
    const float *from;
    float *d;
} Adding;

static void
add_row(size_t y, int thread, void *data)
{
    const Adding *adding = data;
    const SdeTiles *tiles = adding->tiles;
    SdeRect window = sde_tiles_get_window(tiles, adding->i);
    const float *in = adding->from + 3 * y * (size_t) window.width;
    float *out = adding->d + 3 * (((size_t) window.y + y) * (size_t) tiles->width +
                                  (size_t) window.x);

    for (int x = 0; x < window.width; x++) {
        float weight =
            adding->share * sde_tiles_get_weight(tiles, adding->i, x, (int) y);

        for (int c = 0; c < 3; c++) {
            out[3 * x + c] += weight * in[3 * x + c];
        }
    }
}

static void
show_view(SdePool *pool, const Buffers *buffers, SdeRect window, int from, int to)
{
    int width = window.width, height = window.height;

    sde_view_change(pool, buffers->x, width, height, 3, from, to);
    if (buffers->theta != NULL) {
        sde_view_change(pool, buffers->theta, width, height, 1, from, to);
    }
    if (buffers->mean != NULL) {
        sde_view_change(pool, buffers->mean, width, height, 3, from, to);
    }
}

static bool
denoise_window(const SdeTiles *tiles, SdeTask *task, const SdeTilesInput *input, int i,
               const Buffers *buffers, float *d, const SdeSpan *span, GError **error)
{
    SdeRect window = sde_tiles_get_window(tiles, i);
    int n_views = input->n_views, shown = 0;
    SdeDenoiserInput tile = {.width = window.width,
                             .height = window.height,
                             .x = buffers->x,
                             .theta = buffers->theta,
                             .mean = buffers->mean,
                             .theta_max = input->theta_max,
                             .classes = input->classes,
                             .guidance = input->guidance};

    fetch_window(input, task->pool, window, buffers);
    for (int i_view = 0; i_view < n_views; i_view++) {
        SdeSpan part = sde_span_part(span, i_view, n_views);
        int view = input->first_view + i_view;

        show_view(task->pool, buffers, window, shown, view);
        shown = view;
        if (!sde_span_step(span, i_view, n_views, error) ||
            !task->denoiser->run(task->denoiser, &tile, buffers->d, &part, error)) {
            return false;
        }
        sde_view_change(task->pool, buffers->d, window.width, window.height, 3, view,
                        0);
        sde_parallel_for(task->pool, (size_t) window.height, NULL, add_row,
                         &(Adding) {tiles, i, 1.0f / (float) n_views, buffers->d, d});
    }
    return true;
}

typedef struct {
    const SdeTiles *tiles;
    float *d;
} Clearing;

static void
clear_row(size_t y, int thread, void *data)
{
    const Clearing *clearing = data;
    size_t pitch = 3 * (size_t) clearing->tiles->width;

    memset(clearing->d + y * pitch, 0, pitch * sizeof(float));
}

bool
sde_tiles_denoise(const SdeTiles *tiles, SdeTask *task, const SdeTilesInput *input,
                  float *d, const SdeSpan *span, GError **error)
{
    size_t n = window_pixels(tiles);
    g_auto(Buffers) buffers = {.x = g_new(float, n * 3),
                               .theta = input->has_theta ? g_new(float, n) : NULL,
                               .mean = input->has_mean ? g_new(float, n * 3) : NULL,
                               .d = g_new(float, n * 3)};
    int n_selected = 0, done = 0;

    for (int i = 0; i < sde_tiles_get_count(tiles); i++) {
        n_selected += tiles->selected[i];
    }
    g_assert(input->n_views >= 1 && input->first_view >= 0 &&
             input->first_view + input->n_views <= SDE_MAX_VIEWS);
    sde_parallel_for(task->pool, (size_t) tiles->height, NULL, clear_row,
                     &(Clearing) {tiles, d});
    for (int i = 0; i < sde_tiles_get_count(tiles); i++) {
        if (tiles->selected[i]) {
            SdeSpan part = sde_span_part(span, done, n_selected);

            if (!sde_span_step(span, done, n_selected, error) ||
                !denoise_window(tiles, task, input, i, &buffers, d, &part, error)) {
                return false;
            }
            done++;
        }
    }
    return true;
}

void
sde_tiles_crop(const SdeImage *source, SdeRect rect, int width, int height, float *out)
{
    for (int y = 0; y < height; y++) {
        int row = rect.y + sde_mirror_index(y, rect.height);
        const float *in = source->pixels + (size_t) row * source->stride;

        for (int x = 0; x < width; x++) {
            const float *pixel =
                in + 3 * (size_t) (rect.x + sde_mirror_index(x, rect.width));

            for (int c = 0; c < 3; c++) {
                *out++ = 2.0f * sde_clamp_unit(pixel[c]) - 1.0f;
            }
        }
    }
}
