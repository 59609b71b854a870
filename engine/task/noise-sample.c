/* Windows all over a photo go through the noise network. Each cell has a guess and says
 * how sure it is; the guesses of cells of like brightness are averaged by that, as a
 * camera's noise depends on brightness and little else: where the photo is smooth the
 * network is sure, in texture it is not. Few windows are enough for that.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-sample.h"

#include <math.h>

#include "task/mask.h"
#include "task/tiles.h"

#define WINDOW      256 /* pixels on a side, at most */
#define MAX_WINDOWS 36
#define CELLS       (WINDOW / SDE_NOISE_CELL)

#define SUREST 0.1 /* of the cells: what says how sure the network is */

typedef struct {
    const SdeNoiseNet *net;
    const SdeImage *source;
    const SdeMask *mask; /* nullable */
    SdeCompute compute;
    float *rgb, *levels; /* of a window */
    SdeNoiseGuess *guesses;
    /* of bins of brightness, by how sure the guesses are */
    double weight[SDE_NOISE_BINS], log_variance[SDE_NOISE_BINS], value[SDE_NOISE_BINS];
    GArray *spreads; /* float: log_spread of the cells */
    SdeNoiseOctaves *sums;
} Sample;

static bool
is_selected(const float *levels, int width)
{
    for (int i = 0; i < SDE_NOISE_CELL; i++) {
        for (int j = 0; j < SDE_NOISE_CELL; j++) {
            if (!(levels[(size_t) i * (size_t) width + (size_t) j] > 0.0f)) {
                return false;
            }
        }
    }
    return true;
}

/* Mean of a cell, 0..1. */
static double
find_brightness(const float *rgb, int width)
{
    double sum = 0.0;

    for (int i = 0; i < SDE_NOISE_CELL; i++) {
        for (int j = 0; j < 3 * SDE_NOISE_CELL; j++) {
            sum += (double) rgb[3 * (size_t) i * (size_t) width + (size_t) j];
        }
    }
    return 0.5 + 0.5 * sum / (3 * SDE_NOISE_CELL * SDE_NOISE_CELL);
}

static void
count_cell(Sample *sample, const SdeNoiseGuess *guess, double brightness)
{
    const int bin = CLAMP((int) (brightness * SDE_NOISE_BINS), 0, SDE_NOISE_BINS - 1);
    const double weight = exp(-(double) guess->log_spread);

    sample->sums->n[bin]++;
    g_array_append_val(sample->spreads, guess->log_spread);
    sample->weight[bin] += weight;
    sample->log_variance[bin] += weight * (double) guess->log_variance;
    sample->value[bin] += weight * brightness;
}

static void
ask_window(Sample *sample, SdeRect window)
{
    const int columns = window.width / SDE_NOISE_CELL;

    sde_mask_read(sample->mask, window, sample->levels);
    sde_tiles_crop(sample->source, window, window.width, window.height, sample->rgb);
    sde_noise_net_run(sample->net, &sample->compute, sample->rgb, window.width,
                      window.height, sample->guesses);
    for (int i = 0; i < columns * (window.height / SDE_NOISE_CELL); i++) {
        const size_t y = (size_t) (i / columns) * SDE_NOISE_CELL;
        const size_t x = (size_t) (i % columns) * SDE_NOISE_CELL;
        const size_t at = y * (size_t) window.width + x;

        if (is_selected(sample->levels + at, window.width)) {
            count_cell(sample, sample->guesses + i,
                       find_brightness(sample->rgb + 3 * at, window.width));
        }
    }
}

/* Windows lie evenly over a side. */
static int
find_start(int i, int n, int size, int window)
{
    return n > 1 ? (int) ((int64_t) i * (size - window) / (n - 1))
                 : (size - window) / 2;
}

static void
ask_windows(Sample *sample, SdeRect rect, int width, int height)
{
    const double share = sqrt((double) MAX_WINDOWS * WINDOW * WINDOW /
                              ((double) rect.width * rect.height));
    const double thinning = MIN(share, 1.0);
    const int columns = MAX((int) ceil(thinning * rect.width / WINDOW), 1);
    const int rows = MAX((int) ceil(thinning * rect.height / WINDOW), 1);

    for (int i = 0; i < rows * columns; i++) {
        const SdeRect window = {
            rect.x + find_start(i % columns, columns, rect.width, width),
            rect.y + find_start(i / columns, rows, rect.height, height), width, height};

        if (!g_cancellable_is_cancelled(sample->compute.cancellable)) {
            ask_window(sample, window);
        }
    }
}

/* True if any cell was counted. */
static bool
finish(const Sample *sample)
{
    bool found = false;

    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        const double weight = MAX(sample->weight[i], G_MINDOUBLE);

        sample->sums->value[i] = sample->value[i] / weight;
        sample->sums->variance[i] =
            MAX(exp(sample->log_variance[i] / weight) - SDE_NOISE_FLOOR, 0.0);
        found = found || sample->sums->n[i] > 0;
    }
    return found && !g_cancellable_is_cancelled(sample->compute.cancellable);
}

static int
compare_floats(gconstpointer a, gconstpointer b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return (x > y) - (x < y);
}

/* Mean log_spread of the surest cells. */
static double
find_surest(const Sample *sample)
{
    guint n = MAX((guint) (SUREST * sample->spreads->len), 1);
    double sum = 0.0;

    g_array_sort(sample->spreads, compare_floats);
    for (guint i = 0; i < n; i++) {
        sum += (double) g_array_index(sample->spreads, float, i);
    }
    return sum / n;
}

bool
sde_noise_sample(const SdeNoiseNet *net, const SdeImage *source, const SdeMask *mask,
                 SdePool *pool, GCancellable *cancellable, SdeNoiseOctaves *sums,
                 double *doubt)
{
    const SdeRect rect = sde_mask_find_crop(mask, NULL, source->width, source->height);
    const int width = MIN(rect.width, WINDOW) / SDE_NOISE_CELL * SDE_NOISE_CELL;
    const int height = MIN(rect.height, WINDOW) / SDE_NOISE_CELL * SDE_NOISE_CELL;
    const int n_threads = pool != NULL ? sde_pool_get_n_threads(pool) : 1;
    g_autoptr(SdeArena) arena = NULL;
    g_autofree float *rgb = g_new(float, 3 * WINDOW * WINDOW);
    g_autofree float *levels = g_new(float, WINDOW *WINDOW);
    g_autofree SdeNoiseGuess *guesses = g_new(SdeNoiseGuess, CELLS * CELLS);
    g_autoptr(GArray) spreads = g_array_new(FALSE, FALSE, sizeof(float));
    Sample sample = {.net = net,
                     .source = source,
                     .mask = mask,
                     .rgb = rgb,
                     .levels = levels,
                     .guesses = guesses,
                     .spreads = spreads,
                     .sums = sums};
    double deviation;

    *sums = (SdeNoiseOctaves) {0};
    if (width < SDE_NOISE_CELL || height < SDE_NOISE_CELL) {
        return false;
    }
    arena = sde_arena_new(sde_noise_net_plan(net, width, height, n_threads), NULL);
    if (arena == NULL) {
        return false;
    }
    sample.compute = (SdeCompute) {.arena = arena,
                                   .pool = pool,
                                   .n_threads = n_threads,
                                   .cancellable = cancellable};
    ask_windows(&sample, rect, width, height);
    if (!finish(&sample)) {
        return false;
    }
    deviation = sde_noise_octaves_deviation(sums);
    *doubt = find_surest(&sample) - 0.5 * log(deviation * deviation + SDE_NOISE_FLOOR);
    return true;
}
