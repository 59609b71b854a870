/* Estimates the noise of a photo from its smooth blocks.
 *
 * Three variances are measured in each block: of the finest checker pattern (Immerkaer
 * 1996), of first differences, and around a fitted plane. White noise gives the same
 * number three times; texture gives the first one least. Blocks where the first two
 * agree are noise and little else. Where there are hardly any, the noise is correlated
 * (camera, JPEG, resizing) or the photo is clean: then the smoothest blocks decide, by
 * their whole variance. A straight line through the blocks' variances over their
 * brightness is the Poisson-Gaussian model.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-level.h"

#include <math.h>

#define SIDE         16    /* of a block, pixels */
#define MAX_BLOCKS   30000 /* spread evenly over larger photos */
#define MIN_BLOCKS   8     /* fewer give no estimate */
#define AGREEMENT    1.3   /* first differences over checker pattern: "white" below */
#define SMOOTH_SHARE 0.03  /* of all blocks: taken for pure correlated noise */
#define N_BINS       6     /* of brightness */

typedef struct {
    float checker, difference, plane; /* variances, 8-bit units squared */
    float brightness;                 /* 0..1 */
    bool usable;                      /* not clipped, not outside the mask */
} Block;

typedef struct {
    const SdeImage *source;
    const SdeMask *mask;
    int side, across, step, n; /* blocks in a row; every step-th of them is looked at */
    Block *blocks;
} Survey;

/* Sums over one channel of a block that are enough for the three variances. */
static void
add_channel(const float *pixels, size_t stride, int side, Block *block)
{
    double checker = 0.0, difference = 0.0, sum = 0.0, square = 0.0, by_x = 0.0,
           by_y = 0.0;
    double middle = 0.5 * (side - 1), n = (double) side * side;
    double spread = n * (side * side - 1.0) / 12.0; /* sum of (x - middle)^2 */

    for (int y = 0; y < side; y++) {
        const float *row = pixels + (size_t) y * stride;

        for (int x = 0; x < side; x++) {
            double v = 255.0 * (double) row[3 * x];

            sum += v;
            square += v * v;
            by_x += v * (x - middle);
            by_y += v * (y - middle);
        }
    }
    for (int y = 0; y + 2 < side; y++) {
        const float *a = pixels + (size_t) y * stride, *b = a + stride, *c = b + stride;

        for (int x = 0; x + 2 < side; x++) {
            const float *p = a + 3 * x, *q = b + 3 * x, *r = c + 3 * x;
            float corners = p[0] + p[6] + r[0] + r[6];
            float sides = p[3] + q[0] + q[6] + r[3];
            float pattern = corners - 2.0f * sides + 4.0f * q[3];
            float dx = q[3] - q[0], dy = q[3] - p[3];

            checker += (double) (pattern * pattern);
            difference += (double) (dx * dx + dy * dy);
        }
    }
    double inner = (double) (side - 2) * (side - 2);
    double around = square - sum * sum / n - (by_x * by_x + by_y * by_y) / spread;

    block->checker += (float) (checker * 65025.0 / (36.0 * inner * 3.0));
    block->difference += (float) (difference * 65025.0 / (4.0 * inner * 3.0));
    block->plane += (float) (MAX(around, 0.0) / ((n - 3.0) * 3.0));
    block->brightness += (float) (sum / (n * 255.0 * 3.0));
}

/* Clipping cuts the noise off; a few cut pixels do no harm. */
static bool
is_clipped(const float *pixels, size_t stride, int side)
{
    int clipped = 0;

    for (int y = 0; y < side; y++) {
        const float *row = pixels + (size_t) y * stride;

        for (int x = 0; x < 3 * side; x++) {
            clipped += row[x] < 0.5f / 255.0f || row[x] > 254.5f / 255.0f;
        }
    }
    return clipped > 3 * side * side / 50;
}

static bool
is_selected(const SdeMask *mask, int x, int y, int side)
{
    for (int i = 0; mask != NULL && i < side; i++) {
        const float *row = mask->levels + (size_t) (y + i) * mask->stride + (size_t) x;

        for (int j = 0; j < side; j++) {
            if (row[j] <= 0.0f) {
                return false;
            }
        }
    }
    return true;
}

static void
measure_block(size_t index, int thread, void *data)
{
    Survey *survey = data;
    Block *block = survey->blocks + index;
    int place = (int) index * survey->step;
    int x = place % survey->across * survey->side;
    int y = place / survey->across * survey->side;
    const SdeImage *source = survey->source;
    const float *pixels = source->pixels + (size_t) y * source->stride + 3 * (size_t) x;

    *block = (Block) {0};
    block->usable = is_selected(survey->mask, x, y, survey->side) &&
                    !is_clipped(pixels, source->stride, survey->side);
    for (int c = 0; block->usable && c < 3; c++) {
        add_channel(pixels + c, source->stride, survey->side, block);
    }
}

/* ---- from blocks to a level -------------------------------------------------------
 */

static int
compare_floats(gconstpointer a, gconstpointer b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return (x > y) - (x < y);
}

static float
quantile(GArray *values, double share)
{
    g_array_sort(values, compare_floats);
    return g_array_index(values, float,
                         MIN((guint) (share * values->len), values->len - 1));
}

static bool
is_white(const Block *block)
{
    return block->usable &&
           (double) block->difference < AGREEMENT * (double) block->checker;
}

/* What a block says about the noise; negative: nothing. */
static float
block_variance(const Block *block, bool white)
{
    if (white) {
        return is_white(block) ? block->checker : -1.0f;
    }
    return block->usable ? block->plane : -1.0f;
}

/* The noise's variance among the blocks with a brightness in low..high; negative: too
 * few blocks. The median of white blocks is all noise; of others only the smoothest
 * are, and the smoothest of n equal blocks lie a little below their mean. */
static double
pool_variance(const Survey *survey, bool white, double low, double high, guint least)
{
    g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(float));

    for (int i = 0; i < survey->n; i++) {
        const Block *block = survey->blocks + i;
        float variance = block_variance(block, white);
        double brightness = (double) block->brightness;

        if (variance >= 0.0f && brightness >= low && brightness < high) {
            g_array_append_val(values, variance);
        }
    }
    if (values->len < least) {
        return -1.0;
    }
    return (double) (white ? quantile(values, 0.5) : quantile(values, SMOOTH_SHARE)) *
           (white ? 1.0 : 1.1);
}

static int
count_blocks(const Survey *survey, bool white)
{
    int n = 0;

    for (int i = 0; i < survey->n; i++) {
        n += white ? is_white(survey->blocks + i) : survey->blocks[i].usable;
    }
    return n;
}

/* Straight line through the bins' variances. A bin in which everything is textured says
 * too much: none may say more than four times the whole. */
static void
fit_line(const Survey *survey, bool white, double whole, SdeNoiseLevel *level)
{
    double n = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, sxy = 0.0;

    for (int i = 0; i < N_BINS; i++) {
        double low = (double) i / N_BINS, high = (i + 1.0) / N_BINS;
        double variance = pool_variance(survey, white, low, high, 5 * MIN_BLOCKS);
        double x = 0.5 * (low + high);

        if (variance < 0.0) {
            continue;
        }
        variance = CLAMP(variance, 0.25 * whole, 4.0 * whole);
        n += 1.0;
        sx += x;
        sy += variance;
        sxx += x * x;
        sxy += x * variance;
        level->lowest = MIN(level->lowest, sqrt(variance));
        level->highest = MAX(level->highest, sqrt(variance));
    }
    if (n < 2.0) {
        return;
    }
    level->slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    level->offset = (sy - level->slope * sx) / n;
}

/* Root mean square of the level over the blocks' brightness. */
static double
average_level(const Survey *survey, const SdeNoiseLevel *level)
{
    double sum = 0.0, n = 0.0;

    for (int i = 0; i < survey->n; i++) {
        if (survey->blocks[i].usable) {
            double sigma =
                sde_noise_level_at(level, (double) survey->blocks[i].brightness);

            sum += sigma * sigma;
            n += 1.0;
        }
    }
    return n > 0.0 ? sqrt(sum / n) : level->sigma;
}

void
sde_noise_level_init(SdeNoiseLevel *level, double sigma)
{
    *level = (SdeNoiseLevel) {
        .sigma = sigma, .offset = sigma * sigma, .lowest = sigma, .highest = sigma};
}

double
sde_noise_level_at(const SdeNoiseLevel *level, double brightness)
{
    double variance = level->slope * CLAMP(brightness, 0.0, 1.0) + level->offset;

    return CLAMP(sqrt(MAX(variance, 0.0)), level->lowest, level->highest);
}

static void
judge(const Survey *survey, SdeNoiseLevel *level)
{
    bool white = count_blocks(survey, true) >= MAX(MIN_BLOCKS, survey->n / 100);
    double whole = pool_variance(survey, white, -G_MAXDOUBLE, G_MAXDOUBLE, 1);

    if (whole <= 0.0) {
        return;
    }
    sde_noise_level_init(level, sqrt(whole));
    fit_line(survey, white, whole, level);
    level->sigma = average_level(survey, level);
}

void
sde_noise_level_estimate(const SdeImage *source, const SdeMask *mask, SdePool *pool,
                         SdeNoiseLevel *level)
{
    int side = MIN(SIDE, MIN(source->width, source->height) / 2);
    Survey survey = {.source = source, .mask = mask, .side = side};
    int64_t all;

    sde_noise_level_init(level, 0.0);
    if (side < 4) {
        return;
    }
    survey.across = source->width / side;
    all = (int64_t) survey.across * (source->height / side);
    survey.step = (int) (all / MAX_BLOCKS + 1);
    survey.n = (int) (all / survey.step);
    survey.blocks = g_new(Block, (size_t) survey.n);
    sde_parallel_for(pool, (size_t) survey.n, NULL, measure_block, &survey);
    if (count_blocks(&survey, false) >= MIN(MIN_BLOCKS, survey.n)) {
        judge(&survey, level);
    }
    g_free(survey.blocks);
}
