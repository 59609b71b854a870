/* Estimates the noise of a photo from the fine patterns of its smoothest blocks.
 *
 * Blocks are chosen by the power of their coarse patterns, and the fine patterns of the
 * chosen ones are measured (Ponomarenko et al. 2007; Colom, Buades 2013). For white
 * noise the two are independent, so that the choice does not bias the measurement, and
 * where the coarse patterns are weak, fine texture is rare. The median over the fine
 * patterns is not impressed by the odd one that has texture.
 *
 * The same at several brightnesses, with a straight line through the answers, is the
 * Poisson-Gaussian model; the same in cells of the picture says where the noise
 * differs; the same at half the size says whether the noise is white. Answers of parts
 * count only where they look white too: texture fades from pattern to finer pattern,
 * white noise does not. Noise that is not white is summed up octave by octave
 * (noise-octaves.c), and a network says what of it is texture (noise-sample.c).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-level.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "task/noise-blocks.h"
#include "task/noise-octaves.h"
#include "task/noise-sample.h"

#define SHARE      0.01 /* of the blocks: chosen as the smoothest */
#define MIN_CHOSEN 40   /* blocks, where there are four times as many */
#define MIN_PART   400  /* blocks in a bin of brightness or a cell that is asked */
#define CELL       128  /* pixels on a side, at least */
#define SAME_LEVEL 1.15 /* deviations of bins nearer to each other are one level */
#define SAME_GAIN  1.25 /* the same for cells */
#define MIN_GAIN   0.1
#define MAX_GAIN   10.0

/* What tells noise from texture, and white noise from other noise, on 40 photos with
 * and without noise: the power of fine patterns over that of the finest (white 1,
 * texture and correlated noise 1.1 to 6); the deviation at half the size over that at
 * full (white 0.5). */
#define WHITE_BAND  1.2
#define WHITE_SCALE 0.65

/* The network's doubt, less what statistics say for noise: what tells noise from
 * texture, on 250 middles and 80 whole training photos without noise, of which one in
 * twenty lies below the first and one in thirteen below the second, and on 40 with
 * noise of each of seven cameras. */
#define NOISE_DOUBT    (-2.55)
#define TEXTURE_DOUBT  (-2.25)
#define EVENNESS_WORTH 3.0

/* ---- questions --------------------------------------------------------------------
 */

typedef struct {
    float coarse, mean; /* as in the survey */
    int block, cell;    /* of the picture's grid */
} Ranked;

/* Blocks of one channel that say something, the smoothest first. */
typedef struct {
    const SdeNoiseSurvey *survey;
    int channel, n;
    Ranked *order;
} Ranking;

/* Which blocks are asked. */
typedef struct {
    float darkest, brightest;
    int cell; /* negative: all of the photo */
} Part;

typedef struct {
    double variance; /* negative: too few blocks */
    double fading;   /* power of fine patterns over that of the finest; white: 1 */
    double value;    /* mean of the chosen blocks */
    int n_chosen;
} Answer;

/* Equal ones in their order in the photo: qsort() alone promises none. */
static int
compare_ranked(const void *a, const void *b)
{
    const Ranked *x = a, *y = b;

    return x->coarse != y->coarse ? (x->coarse > y->coarse) - (x->coarse < y->coarse)
                                  : (x->block > y->block) - (x->block < y->block);
}

static int
count_cells(int side)
{
    return CLAMP(side / CELL, 1, SDE_NOISE_GRID);
}

static int
find_cell(const SdeNoiseSurvey *survey, int block)
{
    int width = survey->source->width, height = survey->source->height, x, y;
    int columns = count_cells(width), rows = count_cells(height);

    sde_noise_survey_place(survey, block, &x, &y);
    return (int) ((int64_t) y * rows / height) * columns +
           (int) ((int64_t) x * columns / width);
}

static void
ranking_init(Ranking *ranking, const SdeNoiseSurvey *survey, int channel)
{
    const SdeNoiseBlock *blocks = survey->blocks[channel];

    *ranking = (Ranking) {.survey = survey, .channel = channel};
    ranking->order = g_new(Ranked, (size_t) survey->n + 1);
    for (int i = 0; i < survey->n; i++) {
        if (blocks[i].coarse >= 0.0f) {
            ranking->order[ranking->n++] =
                (Ranked) {blocks[i].coarse, blocks[i].mean, i, find_cell(survey, i)};
        }
    }
    qsort(ranking->order, (size_t) ranking->n, sizeof(Ranked), compare_ranked);
}

static bool
is_in(const Ranked *ranked, const Part *part)
{
    return ranked->mean >= part->darkest && ranked->mean < part->brightest &&
           (part->cell < 0 || part->cell == ranked->cell);
}

/* What clipping leaves of the variance of a normal variable, by the share of samples
 * that it cuts off. */
static double
variance_left(double share)
{
    static const double shares[] = {0.0, 0.02, 0.1, 0.25};
    static const double left[] = {1.0, 0.965, 0.837, 0.627};
    int i = 0;

    while (i < 2 && share > shares[i + 1]) {
        i++;
    }
    return left[i] +
           (left[i + 1] - left[i]) * (share - shares[i]) / (shares[i + 1] - shares[i]);
}

static int
compare_doubles(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;

    return (x > y) - (x < y);
}

/* Median of the powers of patterns with row + column in first..last. */
static double
median_power(const double powers[SDE_N_PATTERNS], int first, int last)
{
    double values[SDE_N_PATTERNS];
    size_t n = 0;

    for (int k = 0; k < SDE_N_PATTERNS; k++) {
        int rank = k / SDE_BLOCK_SIDE + k % SDE_BLOCK_SIDE;

        if (rank >= first && rank <= last) {
            values[n++] = powers[k];
        }
    }
    qsort(values, n, sizeof(double), compare_doubles);
    return 0.5 * (values[(n - 1) / 2] + values[n / 2]);
}

static Answer
measure(const Ranking *ranking, const int *chosen, int n)
{
    const SdeNoiseBlock *blocks = ranking->survey->blocks[ranking->channel];
    double powers[SDE_N_PATTERNS], clipped = 0.0;
    Answer answer = {.n_chosen = n};

    sde_noise_survey_measure(ranking->survey, ranking->channel, chosen, n, powers,
                             NULL);
    for (int i = 0; i < n; i++) {
        clipped += (double) blocks[chosen[i]].clipped / n;
        answer.value += (double) blocks[chosen[i]].mean / n;
    }
    answer.variance =
        median_power(powers, SDE_PATTERN_FINE, 14) / variance_left(clipped);
    answer.fading =
        median_power(powers, 8, 10) / MAX(median_power(powers, 11, 14), 1e-9);
    return answer;
}

/* The noise of the blocks of a part, if there are at least so many. */
static Answer
ask(const Ranking *ranking, const Part *part, int at_least)
{
    g_autofree int *chosen = NULL;
    int n = 0, n_chosen = 0;

    for (int i = 0; i < ranking->n; i++) {
        n += is_in(ranking->order + i, part);
    }
    if (n < at_least) {
        return (Answer) {.variance = -1.0};
    }
    n = MAX((int) (SHARE * n), MIN(n / 4 + 1, MIN_CHOSEN));
    chosen = g_new(int, (size_t) n);
    for (int i = 0; n_chosen < n; i++) {
        if (is_in(ranking->order + i, part)) {
            chosen[n_chosen++] = ranking->order[i].block;
        }
    }
    return measure(ranking, chosen, n);
}

static const Part everything = {
    .darkest = -G_MAXFLOAT, .brightest = G_MAXFLOAT, .cell = -1};

/* ---- levels -----------------------------------------------------------------------
 */

static void
set_channel(SdeNoise *level, int c, double sigma)
{
    level->slope[c] = 0.0;
    level->offset[c] = sigma * sigma;
    level->lowest[c] = level->highest[c] = sigma;
}

void
sde_noise_level_raise(SdeNoise *level, double sigma)
{
    for (int c = 0; c < 3; c++) {
        level->lowest[c] = MAX(level->lowest[c], sigma);
        level->highest[c] = MAX(level->highest[c], sigma);
    }
    level->sigma = MAX(level->sigma, sigma);
}

void
sde_noise_level_init(SdeNoise *level, double sigma)
{
    *level = (SdeNoise) {.sigma = sigma,
                         .columns = 1,
                         .rows = 1,
                         .width = 1,
                         .height = 1,
                         .gains = {1.0},
                         .lowest_gain = 1.0,
                         .highest_gain = 1.0};
    for (int c = 0; c < 3; c++) {
        set_channel(level, c, sigma);
    }
}

static double
variance_of_channel(const SdeNoise *level, int channel, double value)
{
    double variance =
        level->slope[channel] * CLAMP(value, 0.0, 1.0) + level->offset[channel];
    double lowest = level->lowest[channel], highest = level->highest[channel];

    return CLAMP(variance, lowest * lowest, highest * highest);
}

double
sde_noise_level_of_channel(const SdeNoise *level, int channel, double value)
{
    return sqrt(variance_of_channel(level, channel, value));
}

/* Between the middles of the cells, bilinearly. */
static double
interpolate_gain(const SdeNoise *level, int x, int y)
{
    double u = (x + 0.5) * level->columns / level->width - 0.5;
    double v = (y + 0.5) * level->rows / level->height - 0.5;
    double column = CLAMP(u, 0.0, level->columns - 1.0);
    double row = CLAMP(v, 0.0, level->rows - 1.0);
    int left = MIN((int) column, MAX(level->columns - 2, 0));
    int top = MIN((int) row, MAX(level->rows - 2, 0));
    int right = MIN(left + 1, level->columns - 1);
    int bottom = MIN(top + 1, level->rows - 1);
    const double *above = level->gains + (size_t) top * (size_t) level->columns;
    const double *below = level->gains + (size_t) bottom * (size_t) level->columns;

    column -= left;
    row -= top;
    return (1.0 - row) * (above[left] + column * (above[right] - above[left])) +
           row * (below[left] + column * (below[right] - below[left]));
}

double
sde_noise_level_gain_at(const SdeNoise *level, int x, int y)
{
    return level->highest_gain > level->lowest_gain ? interpolate_gain(level, x, y)
                                                    : level->highest_gain;
}

double
sde_noise_level_at(const SdeNoise *level, int x, int y, const float rgb[3])
{
    double sum = 0.0;

    for (int c = 0; c < 3; c++) {
        sum += variance_of_channel(level, c, (double) rgb[c]);
    }
    return sqrt(sum / 3.0) * sde_noise_level_gain_at(level, x, y);
}

double
sde_noise_level_highest(const SdeNoise *level)
{
    double sum = 0.0;

    for (int c = 0; c < 3; c++) {
        sum += level->highest[c] * level->highest[c];
    }
    return sqrt(sum / 3.0) * level->highest_gain;
}

bool
sde_noise_level_is_uniform(const SdeNoise *level)
{
    bool uniform = level->highest_gain <= level->lowest_gain;

    for (int c = 0; c < 3; c++) {
        uniform = uniform && level->highest[c] <= level->lowest[c];
    }
    return uniform;
}

/* ---- noise by brightness ----------------------------------------------------------
 */

typedef struct {
    double n, x, y, xx, xy;
    double lowest, highest; /* variance */
} Line;

static void
line_add(Line *line, double weight, double x, double y)
{
    line->lowest = line->n > 0.0 ? MIN(line->lowest, y) : y;
    line->highest = MAX(line->highest, y);
    line->n += weight;
    line->x += weight * x;
    line->y += weight * y;
    line->xx += weight * x * x;
    line->xy += weight * x * y;
}

/* Stays as it was where there is one level, or one brightness. */
static void
line_finish(const Line *line, int channel, SdeNoise *level)
{
    double spread = line->n * line->xx - line->x * line->x;

    if (sqrt(line->highest) < SAME_LEVEL * sqrt(line->lowest) ||
        !(spread > 1e-6 * line->n * line->n)) {
        return;
    }
    level->slope[channel] = (line->n * line->xy - line->x * line->y) / spread;
    level->offset[channel] = (line->y - level->slope[channel] * line->x) / line->n;
    level->lowest[channel] = sqrt(line->lowest);
    level->highest[channel] = sqrt(line->highest);
}

/* A bin without white blocks is textured everywhere and says too much. */
static void
fit_white(const Ranking *ranking, SdeNoise *level)
{
    Line line = {0};

    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        Part part = {.darkest = (float) i / SDE_NOISE_BINS,
                     .brightest = (float) (i + 1) / SDE_NOISE_BINS,
                     .cell = -1};
        Answer answer = ask(ranking, &part, MIN_PART);

        if (answer.variance > 0.0 && answer.fading < WHITE_BAND) {
            line_add(&line, answer.n_chosen / (answer.variance * answer.variance),
                     answer.value, answer.variance);
        }
    }
    line_finish(&line, ranking->channel, level);
}

/* Every cell or block counts the same: the line is a rough one, and must be right on
 * average. */
static void
fit_bins(const SdeNoiseOctaves *sum, int channel, SdeNoise *level)
{
    Line line = {0};
    double mean = 0.0;
    int n = 0;

    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        if (sum->n[i] > 0) {
            line_add(&line, sum->n[i], sum->value[i], sum->variance[i]);
            mean += sum->n[i] * sum->variance[i];
            n += sum->n[i];
        }
    }
    if (n > 0) {
        set_channel(level, channel, sqrt(mean / n));
        line_finish(&line, channel, level);
    }
}

/* Between what the finest patterns show and what all of the noise is said to be. */
static void
fit_octaves(const SdeNoiseOctaves *sum, double evenness, int channel, SdeNoise *level)
{
    double finest = MAX(level->offset[channel], 1e-3);
    SdeNoiseOctaves between = *sum;

    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        double excess = MAX(sum->variance[i] / finest, 1.0);

        between.variance[i] = finest * pow(excess, evenness);
    }
    fit_bins(&between, channel, level);
}

/* Mean variance of a channel over the photo, as the line says. */
static double
expected_variance(const Ranking *ranking, const SdeNoise *level)
{
    double sum = 0.0;

    for (int i = 0; i < ranking->n; i++) {
        double value = (double) ranking->order[i].mean;
        double sigma = sde_noise_level_of_channel(level, ranking->channel, value);

        sum += sigma * sigma;
    }
    return ranking->n > 0 ? sum / ranking->n : 0.0;
}

/* ---- noise by place ---------------------------------------------------------------
 */

/* Gain of a cell, or 0 where it does not say. */
static double
ask_cell(const Ranking rankings[3], const SdeNoise *level, const Part *cell)
{
    double sum = 0.0;
    int n = 0;

    for (int c = 0; c < 3; c++) {
        Answer answer = ask(rankings + c, cell, MIN_PART);
        double sigma = sde_noise_level_of_channel(level, c, answer.value);

        if (answer.variance >= 0.0 && answer.fading < WHITE_BAND) {
            sum += answer.variance / MAX(sigma * sigma, 1e-3);
            n++;
        }
    }
    return n < 3 ? 0.0 : CLAMP(sqrt(sum / n), MIN_GAIN, MAX_GAIN);
}

/* Cells that do not say take the mean of their neighbours, outwards from those that do.
 */
static void
fill_gaps(SdeNoise *level)
{
    for (int pass = 0; pass < 2 * SDE_NOISE_GRID; pass++) {
        double before[SDE_NOISE_GRID * SDE_NOISE_GRID];

        memcpy(before, level->gains, sizeof(before));
        for (int i = 0; i < level->columns * level->rows; i++) {
            double sum = 0.0;
            int n = 0;

            for (int j = 0; before[i] <= 0.0 && j < level->columns * level->rows; j++) {
                bool near = ABS(i % level->columns - j % level->columns) <= 1 &&
                            ABS(i / level->columns - j / level->columns) <= 1;

                if (near && before[j] > 0.0) {
                    sum += before[j];
                    n++;
                }
            }
            level->gains[i] = n > 0 ? sum / n : before[i];
        }
    }
}

static void
drop_gains(SdeNoise *level)
{
    level->columns = level->rows = 1;
    level->gains[0] = level->lowest_gain = level->highest_gain = 1.0;
}

/* Root mean square 1. Returns what the variance of the lines must be multiplied by. */
static double
normalize_gains(SdeNoise *level)
{
    int n = level->columns * level->rows;
    double square = 0.0;

    for (int i = 0; i < n; i++) {
        square += level->gains[i] * level->gains[i] / n;
    }
    level->lowest_gain = G_MAXDOUBLE;
    level->highest_gain = 0.0;
    for (int i = 0; i < n; i++) {
        level->gains[i] /= sqrt(square);
        level->lowest_gain = MIN(level->lowest_gain, level->gains[i]);
        level->highest_gain = MAX(level->highest_gain, level->gains[i]);
    }
    return square;
}

static double
find_gains(const Ranking rankings[3], SdeNoise *level)
{
    const SdeImage *source = rankings->survey->source;
    double lowest = G_MAXDOUBLE, highest = 0.0;

    level->width = source->width;
    level->height = source->height;
    level->columns = count_cells(source->width);
    level->rows = count_cells(source->height);
    for (int i = 0; i < level->columns * level->rows; i++) {
        Part cell = everything;

        cell.cell = i;
        level->gains[i] = ask_cell(rankings, level, &cell);
        if (level->gains[i] > 0.0) {
            lowest = MIN(lowest, level->gains[i]);
            highest = MAX(highest, level->gains[i]);
        }
    }
    if (highest < SAME_GAIN * lowest) {
        drop_gains(level);
        return 1.0;
    }
    fill_gaps(level);
    return normalize_gains(level);
}

/* ---- correlation ------------------------------------------------------------------
 */

/* Texture, too, is stronger in coarse patterns and at half the size. */
static bool
may_be_correlated(const Answer *whole, const SdeNoiseSurvey *half, int channel)
{
    Ranking ranking;
    Answer coarse;

    if (whole->variance <= 0.0 || whole->fading < WHITE_BAND) {
        return false;
    }
    ranking_init(&ranking, half, channel);
    coarse = ask(&ranking, &everything, MIN_CHOSEN);
    g_free(ranking.order);
    return coarse.variance > WHITE_SCALE * WHITE_SCALE * whole->variance;
}

/* ---- the estimate -----------------------------------------------------------------
 */

static void
scale_channel(SdeNoise *level, int c, double gain)
{
    level->slope[c] *= gain;
    level->offset[c] *= gain;
    level->lowest[c] *= sqrt(gain);
    level->highest[c] *= sqrt(gain);
}

/* What one estimate works with. */
typedef struct {
    const SdeImage *source;
    const SdeMask *mask;
    const SdeNoiseNet *net; /* nullable */
    SdePool *pool;
    GCancellable *cancellable;
    SdeNoiseSurvey surveys[SDE_NOISE_SCALES];
    Ranking rankings[3];
} Estimate;

/* The sum of octaves, where there is one, has texture in it, never too little noise;
 * the network tells the two apart better, but may take fur for noise: the lesser of
 * both. */
static void
take_sampled(const SdeNoiseOctaves *sampled, bool is_summed, SdeNoiseOctaves *sum)
{
    SdeNoiseOctaves lesser = *sampled;

    for (int i = 0; is_summed && i < SDE_NOISE_BINS; i++) {
        if (sum->n[i] > 0) {
            lesser.variance[i] = MIN(lesser.variance[i], sum->variance[i]);
        }
    }
    *sum = lesser;
}

/* Of what is not white. How likely it is noise, the network and statistics tell
 * together: in a photo full of things their smooth blocks may differ, and fur is alike
 * everywhere. False: it is texture. */
static bool
judge_correlated(const Estimate *estimate, const bool correlated[3], SdeNoise *level)
{
    SdeNoiseOctaves sums[3], sampled;
    double evenness = sde_noise_octaves_sum(estimate->surveys, correlated, sums);
    double trust = evenness, doubt = 0.0;
    bool asked =
        estimate->net != NULL &&
        sde_noise_sample(estimate->net, estimate->source, estimate->mask,
                         estimate->pool, estimate->cancellable, &sampled, &doubt);

    if (asked) {
        trust = sde_noise_place_between(doubt - EVENNESS_WORTH * evenness, NOISE_DOUBT,
                                        TEXTURE_DOUBT);
        level->doubtful = sde_noise_octaves_deviation(&sampled);
    }
    for (int c = 0; c < 3; c++) {
        if (asked) {
            take_sampled(&sampled, correlated[c], sums + c);
        }
        if (trust > 0.0 && (asked || correlated[c])) {
            fit_octaves(sums + c, trust, c, level);
        } else if (level->offset[c] > 0.0) {
            fit_white(estimate->rankings + c, level);
        }
    }
    return trust > 0.0;
}

static void
judge(const Estimate *estimate, SdeNoise *level)
{
    bool correlated[3] = {false};
    double gain = 1.0, sum = 0.0;
    int n = 0;

    for (int c = 0; c < 3; c++) {
        Answer whole = ask(estimate->rankings + c, &everything, 1);

        set_channel(level, c, sqrt(MAX(whole.variance, 0.0)));
        correlated[c] = may_be_correlated(&whole, estimate->surveys + 1, c);
        n += whole.variance > 0.0;
    }
    if (correlated[0] || correlated[1] || correlated[2]) {
        level->is_correlated = judge_correlated(estimate, correlated, level);
    } else {
        for (int c = 0; c < 3; c++) {
            if (level->offset[c] > 0.0) {
                fit_white(estimate->rankings + c, level);
            }
        }
    }
    if (!level->is_correlated && n == 3) {
        gain = find_gains(estimate->rankings, level);
    }
    for (int c = 0; c < 3; c++) {
        scale_channel(level, c, gain);
        sum += expected_variance(estimate->rankings + c, level);
    }
    level->sigma = n > 0 ? sqrt(sum / n) : 0.0;
}

void
sde_noise_level_estimate(const SdeImage *source, const SdeMask *mask,
                         const SdeNoiseNet *net, SdePool *pool,
                         GCancellable *cancellable, SdeNoise *level)
{
    Estimate estimate = {.source = source,
                         .mask = mask,
                         .net = net,
                         .pool = pool,
                         .cancellable = cancellable};

    sde_noise_level_init(level, 0.0);
    for (int i = 0; i < SDE_NOISE_SCALES; i++) {
        sde_noise_survey_init(estimate.surveys + i, source, mask, 1 << i, pool,
                              cancellable);
    }
    for (int c = 0; c < 3; c++) {
        ranking_init(estimate.rankings + c, estimate.surveys, c);
    }
    if (!g_cancellable_is_cancelled(cancellable)) {
        judge(&estimate, level);
    }
    for (int c = 0; c < 3; c++) {
        g_free(estimate.rankings[c].order);
    }
    for (int i = 0; i < SDE_NOISE_SCALES; i++) {
        sde_noise_survey_clear(estimate.surveys + i);
    }
}
