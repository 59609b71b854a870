/* Surveys a photo for the noise estimate. A block is kept as five numbers; the few
 * that are chosen later are transformed again, which costs less than to keep all
 * patterns. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-blocks.h"

#include <math.h>
#include <string.h>

#define SIDE SDE_BLOCK_SIDE
#define MAX_BLOCKS                                                    \
    40000 /* spread evenly over larger photos; fewer at coarse scales \
           */
#define MOST_CLIPPED                                                \
    0.15 /* of a block's samples: beyond, what is left says nothing \
          */

/* The orthonormal DCT, one pattern a row. */
static void
fill_dct(float *dct, float *transposed)
{
    for (int k = 0; k < SIDE; k++) {
        double norm = sqrt((k == 0 ? 1.0 : 2.0) / SIDE);

        for (int x = 0; x < SIDE; x++) {
            double wave = cos(G_PI * (2 * x + 1) * k / (2.0 * SIDE));

            dct[k * SIDE + x] = transposed[x * SIDE + k] = (float) (norm * wave);
        }
    }
}

/* powers = (dct · block · dct')², element by element */
static void
transform(const SdeNoiseSurvey *survey, const float *block, float *powers)
{
    const float *dct = survey->dct, *transposed = survey->transposed;
    float half[SDE_N_PATTERNS] = {0};

    for (int k = 0; k < SIDE; k++) {
        for (int y = 0; y < SIDE; y++) {
            for (int x = 0; x < SIDE; x++) {
                half[k * SIDE + x] += dct[k * SIDE + y] * block[y * SIDE + x];
            }
        }
    }
    for (int k = 0; k < SIDE; k++) {
        float row[SIDE] = {0};

        for (int x = 0; x < SIDE; x++) {
            for (int l = 0; l < SIDE; l++) {
                row[l] += half[k * SIDE + x] * transposed[x * SIDE + l];
            }
        }
        for (int l = 0; l < SIDE; l++) {
            powers[k * SIDE + l] = row[l] * row[l];
        }
    }
}

/* Means of scale × scale pixels, 8-bit units. Returns how many samples are clipped. */
static int
read_block(const SdeNoiseSurvey *survey, int i, int channel, float *block)
{
    int scale = survey->scale, clipped = 0;
    size_t x = (size_t) (i % survey->across) * (size_t) (survey->step * scale);
    size_t y = (size_t) (i / survey->across) * (size_t) (survey->step * scale);
    const SdeImage *source = survey->source;
    float share = 255.0f / (float) (scale * scale);

    memset(block, 0, SDE_N_PATTERNS * sizeof(float));
    for (int row = 0; row < SIDE * scale; row++) {
        const float *in = source->pixels + (y + (size_t) row) * source->stride + 3 * x +
                          (size_t) channel;
        float *out = block + (size_t) (row / scale) * SIDE;

        for (int column = 0; column < SIDE; column++) {
            float sum = 0.0f;

            for (int part = 0; part < scale; part++, in += 3) {
                clipped += *in < 0.5f / 255.0f || *in > 254.5f / 255.0f;
                sum += *in;
            }
            out[column] += share * sum;
        }
    }
    return clipped;
}

static bool
is_selected(const SdeNoiseSurvey *survey, int i)
{
    const SdeMask *mask = survey->mask;
    int scale = survey->scale;
    size_t x = (size_t) (i % survey->across) * (size_t) (survey->step * scale);
    size_t y = (size_t) (i / survey->across) * (size_t) (survey->step * scale);

    for (int row = 0; mask != NULL && row < SIDE * scale; row++) {
        const float *level = mask->levels + (y + (size_t) row) * mask->stride + x;

        for (int column = 0; column < SIDE * scale; column++) {
            if (!(level[column] > 0.0f)) {
                return false;
            }
        }
    }
    return true;
}

/* A block without any power is an even area that somebody painted, not a photo. */
static SdeNoiseBlock
judge_block(const SdeNoiseSurvey *survey, int i, int channel)
{
    float block[SDE_N_PATTERNS], powers[SDE_N_PATTERNS];
    float coarse = 0.0f, broad = 0.0f, all = 0.0f;
    int n_samples = SDE_N_PATTERNS * survey->scale * survey->scale;
    SdeNoiseBlock judged;

    judged.clipped = (float) read_block(survey, i, channel, block) / (float) n_samples;
    transform(survey, block, powers);
    for (int k = 1; k < SDE_N_PATTERNS; k++) {
        coarse += k / SIDE + k % SIDE < SDE_PATTERN_FINE ? powers[k] : 0.0f;
        broad += sde_noise_is_octave(k) ? 0.0f : powers[k];
        all += powers[k];
    }
    judged.broad = broad;
    judged.octave = (all - broad) / SDE_N_OCTAVE;
    judged.mean = sqrtf(powers[0]) / (255.0f * SIDE);
    judged.coarse =
        all > 1e-3f && judged.clipped <= (float) MOST_CLIPPED ? coarse : -1.0f;
    return judged;
}

static void
survey_row(size_t row, int thread, void *data)
{
    SdeNoiseSurvey *survey = data;

    for (int i = (int) row * survey->across; i < ((int) row + 1) * survey->across;
         i++) {
        bool selected = is_selected(survey, i);

        for (int c = 0; c < 3; c++) {
            survey->blocks[c][i] = selected ? judge_block(survey, i, c)
                                            : (SdeNoiseBlock) {.coarse = -1.0f};
        }
    }
}

void
sde_noise_survey_init(SdeNoiseSurvey *survey, const SdeImage *source,
                      const SdeMask *mask, int scale, SdePool *pool,
                      GCancellable *cancellable)
{
    int columns = source->width / scale - SIDE + 1;
    int rows = source->height / scale - SIDE + 1;
    double wanted = (double) MAX_BLOCKS / scale;

    *survey = (SdeNoiseSurvey) {.source = source, .mask = mask, .scale = scale};
    if (columns < 1 || rows < 1) {
        return;
    }
    fill_dct(survey->dct, survey->transposed);
    /* Odd, so that blocks fall on every phase of a JPEG's grid. */
    survey->step = (int) ceil(sqrt((double) columns * rows / wanted)) | 1;
    survey->across = sde_divide_up(columns, survey->step);
    rows = sde_divide_up(rows, survey->step);
    survey->n = survey->across * rows;
    for (int c = 0; c < 3; c++) {
        survey->blocks[c] = g_new0(SdeNoiseBlock, (size_t) survey->n);
    }
    sde_parallel_for(pool, (size_t) rows, cancellable, survey_row, survey);
}

void
sde_noise_survey_clear(SdeNoiseSurvey *survey)
{
    for (int c = 0; c < 3; c++) {
        g_clear_pointer(&survey->blocks[c], g_free);
    }
}

void
sde_noise_survey_place(const SdeNoiseSurvey *survey, int i, int *x, int *y)
{
    *x = (i % survey->across * survey->step + SIDE / 2) * survey->scale;
    *y = (i / survey->across * survey->step + SIDE / 2) * survey->scale;
}

void
sde_noise_survey_measure(const SdeNoiseSurvey *survey, int channel, const int *chosen,
                         int n, double powers[SDE_N_PATTERNS], double *variances)
{
    float block[SDE_N_PATTERNS], one[SDE_N_PATTERNS];
    double squares[SDE_N_PATTERNS] = {0.0};

    memset(powers, 0, SDE_N_PATTERNS * sizeof(double));
    for (int i = 0; i < n; i++) {
        read_block(survey, chosen[i], channel, block);
        transform(survey, block, one);
        for (int k = 0; k < SDE_N_PATTERNS; k++) {
            powers[k] += (double) one[k] / n;
            squares[k] += (double) one[k] * (double) one[k] / n;
        }
    }
    for (int k = 0; variances != NULL && k < SDE_N_PATTERNS; k++) {
        variances[k] = MAX(squares[k] - powers[k] * powers[k], 0.0);
    }
}
