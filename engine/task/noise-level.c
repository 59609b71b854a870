/* Estimates the noise of a photo from its smooth blocks.
 *
 * Three variances are measured in each block: of the finest checker pattern (Immerkaer
 * 1996), of first differences, and around a fitted plane. White noise gives the same
 * number three times; texture gives the first one least. Blocks where the first two
 * agree are noise or as fine as noise: their median is the first answer. Noise is a
 * floor, so the smoothest blocks' whole variance is the second; it also serves where
 * the noise is correlated (camera, JPEG, resizing) and no block looks white. The lower
 * answer counts. A straight line through the answers at several brightnesses is the
 * Poisson-Gaussian model.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-level.h"

#include <math.h>

#define SIDE         16    /* of a block, pixels */
#define MAX_BLOCKS   30000 /* spread evenly over larger photos */
#define MIN_BLOCKS   8     /* fewer give no estimate */
#define AGREEMENT    1.3   /* first differences over checker pattern: "white" below */
#define SMOOTH_SHARE 0.02  /* of all blocks: taken for pure noise */
#define SMOOTH_BIAS  1.1   /* the smoothest of many equal blocks lie below their mean */
#define MOST_CLIPPED 0.5   /* of a block's samples, per channel */
#define N_BINS       6     /* of brightness */

typedef struct {
    float checker, difference, plane; /* variances, 8-bit units squared */
    float brightness;                 /* 0..1 */
    int n_channels;                   /* that are not clipped; 0: says nothing */
} Block;

typedef struct {
    const SdeImage *source;
    const SdeMask *mask;
    int side, across, step, n; /* blocks in a row; every step-th of them is looked at */
    Block *blocks;
} Survey;

/* Share of a channel's samples at the ends of the range. */
static double
clipped_share(const float *pixels, size_t stride, int side)
{
    int clipped = 0;

    for (int y = 0; y < side; y++) {
        const float *row = pixels + (size_t) y * stride;

        for (int x = 0; x < side; x++) {
            float value = row[3 * (size_t) x];

            clipped += value < 0.5f / 255.0f || value > 254.5f / 255.0f;
        }
    }
    return (double) clipped / (side * side);
}

/* What clipping leaves of the variance of a normal variable, by the share of samples
 * that it cuts off. */
static double
variance_left(double share)
{
    static const double shares[] = {0.0, 0.02, 0.1, 0.25, MOST_CLIPPED};
    static const double left[] = {1.0, 0.965, 0.837, 0.627, 0.341};
    int i = 0;

    while (i < 3 && share > shares[i + 1]) {
        i++;
    }
    return left[i] +
           (left[i + 1] - left[i]) * (share - shares[i]) / (shares[i + 1] - shares[i]);
}

/* Variance around the plane that fits best, and the mean. */
static double
plane_variance(const float *pixels, size_t stride, int side, double *mean)
{
    double sum = 0.0, square = 0.0, by_x = 0.0, by_y = 0.0;
    double middle = 0.5 * (side - 1), n = (double) side * side;
    double spread = n * (side * side - 1.0) / 12.0; /* sum of (x - middle)^2 */

    for (int y = 0; y < side; y++) {
        const float *row = pixels + (size_t) y * stride;

        for (int x = 0; x < side; x++) {
            double v = (double) row[3 * (size_t) x];

            sum += v;
            square += v * v;
            by_x += v * (x - middle);
            by_y += v * (y - middle);
        }
    }
    *mean = sum / n;
    return MAX(square - sum * sum / n - (by_x * by_x + by_y * by_y) / spread, 0.0) /
           (n - 3.0);
}

static void
fine_variances(const float *pixels, size_t stride, int side, double *checker,
               double *difference)
{
    double n = (double) (side - 2) * (side - 2);

    *checker = *difference = 0.0;
    for (int y = 0; y + 2 < side; y++) {
        const float *a = pixels + (size_t) y * stride, *b = a + stride, *c = b + stride;

        for (int x = 0; x + 2 < side; x++) {
            size_t at = 3 * (size_t) x;
            const float *p = a + at, *q = b + at, *r = c + at;
            float corners = p[0] + p[6] + r[0] + r[6];
            float sides = p[3] + q[0] + q[6] + r[3];
            float pattern = corners - 2.0f * sides + 4.0f * q[3];
            float dx = q[3] - q[0], dy = q[3] - p[3];

            *checker += (double) (pattern * pattern);
            *difference += (double) (dx * dx + dy * dy);
        }
    }
    *checker /= 36.0 * n; /* the pattern's weights squared */
    *difference /= 4.0 * n;
}

/* Adds a channel; block_finish() makes means of the sums. */
static void
add_channel(const float *pixels, size_t stride, int side, Block *block)
{
    double share = clipped_share(pixels, stride, side);
    double scale = 65025.0 / variance_left(MIN(share, MOST_CLIPPED));
    double checker, difference, mean;
    double plane = plane_variance(pixels, stride, side, &mean);

    block->brightness += (float) (mean / 3.0);
    if (share > MOST_CLIPPED) {
        return;
    }
    fine_variances(pixels, stride, side, &checker, &difference);
    block->checker += (float) (scale * checker);
    block->difference += (float) (scale * difference);
    block->plane += (float) (scale * plane);
    block->n_channels++;
}

static void
block_finish(Block *block)
{
    float n = (float) MAX(block->n_channels, 1);

    block->checker /= n;
    block->difference /= n;
    block->plane /= n;
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
    if (!is_selected(survey->mask, x, y, survey->side)) {
        return;
    }
    for (int c = 0; c < 3; c++) {
        add_channel(pixels + c, source->stride, survey->side, block);
    }
    block_finish(block);
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
    return (double) block->difference < AGREEMENT * (double) block->checker;
}

typedef struct {
    double variance; /* negative: too few blocks */
    int n_noise;     /* blocks that are about as smooth as that */
    int n;           /* blocks looked at */
} Answer;

/* The noise among the blocks with a brightness in low..high. */
static Answer
ask(const Survey *survey, double low, double high)
{
    g_autoptr(GArray) white = g_array_new(FALSE, FALSE, sizeof(float));
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(float));
    Answer answer = {.variance = -1.0};

    for (int i = 0; i < survey->n; i++) {
        const Block *block = survey->blocks + i;
        double brightness = (double) block->brightness;

        if (block->n_channels == 0 || brightness < low || brightness >= high) {
            continue;
        }
        g_array_append_val(all, block->plane);
        if (is_white(block)) {
            g_array_append_val(white, block->checker);
        }
    }
    answer.n = (int) all->len;
    if (all->len == 0) {
        return answer;
    }
    answer.variance = SMOOTH_BIAS * (double) quantile(all, SMOOTH_SHARE);
    if (white->len >= MIN_BLOCKS) {
        answer.variance = MIN(answer.variance, (double) quantile(white, 0.5));
    }
    while (answer.n_noise < answer.n &&
           (double) g_array_index(all, float, answer.n_noise) < 2.0 * answer.variance) {
        answer.n_noise++;
    }
    return answer;
}

/* Straight line through the answers at several brightnesses. One counts only where many
 * blocks agree with it: elsewhere everything is textured and it says too much. */
static void
fit_line(const Survey *survey, double whole, SdeNoiseLevel *level)
{
    double n = 0.0, sx = 0.0, sy = 0.0, sxx = 0.0, sxy = 0.0;

    for (int i = 0; i < N_BINS; i++) {
        double low = (double) i / N_BINS, high = (i + 1.0) / N_BINS;
        double x = 0.5 * (low + high), variance, weight;
        Answer answer = ask(survey, low, high);

        if (answer.n_noise < MAX(2 * MIN_BLOCKS, answer.n / 4)) {
            continue;
        }
        variance = CLAMP(answer.variance, 0.4 * whole, 2.5 * whole);
        weight = sqrt((double) answer.n_noise);
        n += weight;
        sx += weight * x;
        sy += weight * variance;
        sxx += weight * x * x;
        sxy += weight * x * variance;
        level->lowest = MIN(level->lowest, sqrt(variance));
        level->highest = MAX(level->highest, sqrt(variance));
    }
    if (n * sxx - sx * sx > 1e-9 * n * n) { /* more than one brightness */
        level->slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
        level->offset = (sy - level->slope * sx) / n;
    }
}

/* Root mean square of the level over the blocks' brightness. */
static double
average_level(const Survey *survey, const SdeNoiseLevel *level)
{
    double sum = 0.0, n = 0.0;

    for (int i = 0; i < survey->n; i++) {
        if (survey->blocks[i].n_channels > 0) {
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
    Answer whole = ask(survey, -G_MAXDOUBLE, G_MAXDOUBLE);

    if (whole.n < MIN(MIN_BLOCKS, survey->n) || whole.variance <= 0.0) {
        return;
    }
    sde_noise_level_init(level, sqrt(whole.variance));
    fit_line(survey, whole.variance, level);
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
    judge(&survey, level);
    g_free(survey.blocks);
}
