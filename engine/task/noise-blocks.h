/* Blocks of 8 × 8 pixels all over a photo, and the powers of their patterns (DCT): what
 * the noise estimate looks at. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

#define SDE_BLOCK_SIDE 8 /* pixels of the photo at its scale */
#define SDE_N_PATTERNS 64
#define SDE_PATTERN_FINE \
    10 /* row + column of a pattern: from here on texture is rare */

/* Half the size shows a quarter of the patterns; the others are this size's octave. */
#define SDE_N_OCTAVE 48

static inline bool
sde_noise_is_octave(int pattern)
{
    return MAX(pattern / SDE_BLOCK_SIDE, pattern % SDE_BLOCK_SIDE) >=
           SDE_BLOCK_SIDE / 2;
}

/* One channel of a block. */
typedef struct {
    float mean;   /* 0..1 */
    float coarse; /* power of the coarse patterns; negative: the block says nothing */
    float broad;  /* power of the patterns that half the size shows, without the mean */
    float octave; /* mean power of the octave's patterns */
    float clipped; /* share of the samples at the ends of the range */
} SdeNoiseBlock;

typedef struct {
    const SdeImage *source;
    const SdeMask *mask; /* nullable */
    int scale;           /* 2: of the photo at half its size, and so on */
    int step;            /* from block to block, pixels at that scale */
    int across, n;
    SdeNoiseBlock *blocks[3]; /* n of each channel */
    float dct[SDE_N_PATTERNS], transposed[SDE_N_PATTERNS];
} SdeNoiseSurvey;

/* n is 0 where the photo is smaller than one block. */
void sde_noise_survey_init(SdeNoiseSurvey *survey, const SdeImage *source,
                           const SdeMask *mask, int scale, SdePool *pool,
                           GCancellable *cancellable);
void sde_noise_survey_clear(SdeNoiseSurvey *survey);
/* Middle of a block in the photo. */
void sde_noise_survey_place(const SdeNoiseSurvey *survey, int i, int *x, int *y);
/* Mean power of every pattern over the chosen blocks, 8-bit units squared, and
 * (nullable) how it varies among them. */
void sde_noise_survey_measure(const SdeNoiseSurvey *survey, int channel,
                              const int *chosen, int n, double powers[SDE_N_PATTERNS],
                              double *variances);
