/* Sums correlated noise up over the octaves of its spectrum.
 *
 * Demosaicing, JPEG and resizing leave little in the fine patterns that tell white
 * noise from texture, and most in the coarse ones. So each octave is measured for
 * itself: at full size the patterns that half the size does not show, at half the size
 * those that a quarter does not show, and so on. The blocks are chosen by their still
 * coarser patterns, which do not say how strong the noise of a block happens to be in
 * the measured ones; and within bins of brightness, or the smoothest would be those
 * with the least noise.
 *
 * Texture is not rare in coarse patterns. But its power differs from block to block,
 * and in all patterns together, where noise is the same in all blocks, and each pattern
 * varies for itself.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/noise-octaves.h"

#include <math.h>
#include <stdlib.h>

#define SHARE        0.01 /* of a bin's blocks: measured as the smoothest */
#define MIN_MEASURED 40   /* blocks, where there are four times as many */
#define MIN_BIN      400  /* blocks of a bin that is asked, at full size */
#define COMPARED     0.1  /* of a bin's blocks, the smoothest: should be alike */
#define WHITE_FALL   0.25 /* of power from octave to octave: means of 2 × 2 pixels */

/* Unevenness is the variance of the power of blocks over its squared mean; togetherness
 * that variance over what it were if no pattern knew of the others. In 13 photos of
 * 512 × 512, camera noise has 0.1 to 0.5 and 1.2 to 2.1, photos without noise have 0.6
 * to 4 and 2.5 to 5.6. */
#define EVEN         0.2
#define UNEVEN       0.8
#define INDEPENDENT  2.1
#define ALL_TOGETHER 2.8

typedef struct {
    float broad, octave; /* as in the survey */
    int block;
} Candidate;

typedef struct {
    int n;        /* blocks of the bin; 0: too few */
    double value; /* their mean, 0..1 */
    double power; /* mean of the octave's patterns in the smoothest ones */
} Octave;

/* Sums over bins and channels, weighted by blocks. */
typedef struct {
    double n, unevenness, togetherness;
} Likeness;

/* Equal ones in their order in the photo: qsort() alone promises none. */
static int
compare_candidates(const void *a, const void *b)
{
    const Candidate *x = a, *y = b;

    return x->broad != y->broad ? (x->broad > y->broad) - (x->broad < y->broad)
                                : (x->block > y->block) - (x->block < y->block);
}

static int
find_bin(float value)
{
    return CLAMP((int) (value * SDE_NOISE_BINS), 0, SDE_NOISE_BINS - 1);
}

/* The blocks of a bin, the smoothest first. Returns their number. */
static int
sort_bin(const SdeNoiseSurvey *survey, int channel, int bin, Candidate *candidates)
{
    int n = 0;

    for (int i = 0; i < survey->n; i++) {
        const SdeNoiseBlock *block = survey->blocks[channel] + i;

        if (block->coarse >= 0.0f && find_bin(block->mean) == bin) {
            candidates[n++] = (Candidate) {block->broad, block->octave, i};
        }
    }
    qsort(candidates, (size_t) n, sizeof(Candidate), compare_candidates);
    return n;
}

/* Sorted candidates of a bin, n of them. */
static Octave
measure_octave(const SdeNoiseSurvey *survey, int channel, const Candidate *candidates,
               int n)
{
    int n_measured =
        MAX((int) (SHARE * n), MIN(n / 4 + 1, MIN_MEASURED / survey->scale));
    Octave octave = {0};

    if (n < MIN_BIN / (survey->scale * survey->scale)) {
        return octave;
    }
    for (int i = 0; i < n_measured; i++) {
        octave.power += (double) candidates[i].octave / n_measured;
    }
    for (int i = 0; i < n; i++) {
        int block = candidates[i].block;

        octave.value += (double) survey->blocks[channel][block].mean / n;
    }
    octave.n = n;
    return octave;
}

/* How alike the smooth blocks of a bin are, of n. */
static void
compare_blocks(const SdeNoiseSurvey *survey, int channel, const Candidate *candidates,
               int n, Likeness *likeness)
{
    int n_compared = MAX((int) (COMPARED * n), 1);
    g_autofree int *chosen = g_new(int, (size_t) n_compared);
    double powers[SDE_N_PATTERNS], variances[SDE_N_PATTERNS];
    double mean = 0.0, square = 0.0, apart = 0.0, variance;

    for (int i = 0; i < n_compared; i++) {
        double power = SDE_N_OCTAVE * (double) candidates[i].octave;

        chosen[i] = candidates[i].block;
        mean += power / n_compared;
        square += power * power / n_compared;
    }
    sde_noise_survey_measure(survey, channel, chosen, n_compared, powers, variances);
    for (int k = 0; k < SDE_N_PATTERNS; k++) {
        apart += sde_noise_is_octave(k) ? variances[k] : 0.0;
    }
    variance = MAX(square - mean * mean, 0.0);
    likeness->n += n;
    likeness->unevenness += n * variance / MAX(mean * mean, 1e-9);
    likeness->togetherness += n * variance / MAX(apart, 1e-9);
}

/* Power of the coarser octave over that of the finer, of the bins that know both. */
static double
find_fall(const Octave finer[SDE_NOISE_BINS], const Octave coarser[SDE_NOISE_BINS])
{
    double above = 0.0, below = 0.0;

    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        if (finer[i].n > 0 && coarser[i].n > 0) {
            above += finer[i].n * coarser[i].power;
            below += finer[i].n * finer[i].power;
        }
    }
    return below > 0.0 ? above / below : WHITE_FALL;
}

/* Of 64 patterns 48 are in the octave of full size, 12 in the next, which the mean of
 * 2 × 2 pixels leaves a quarter of, and 4 in all others, taken for as strong as the
 * finest of them. Few bins have blocks enough at a quarter of the size, so what is
 * below full size is assumed to be in proportion at every brightness. */
static double
find_total(Octave octaves[SDE_NOISE_SCALES][SDE_NOISE_BINS])
{
    double half = find_fall(octaves[0], octaves[1]);
    double quarter = half * find_fall(octaves[1], octaves[2]);

    return (48.0 + 12.0 * 4.0 * half + 4.0 * 16.0 * quarter) / 64.0;
}

static void
sum_channel(const SdeNoiseSurvey surveys[SDE_NOISE_SCALES], int channel,
            SdeNoiseOctaves *sum, Likeness *likeness)
{
    Octave octaves[SDE_NOISE_SCALES][SDE_NOISE_BINS];
    double total;

    for (int s = 0; s < SDE_NOISE_SCALES; s++) {
        g_autofree Candidate *candidates = g_new(Candidate, (size_t) surveys[s].n + 1);

        for (int i = 0; i < SDE_NOISE_BINS; i++) {
            int n = sort_bin(surveys + s, channel, i, candidates);

            octaves[s][i] = measure_octave(surveys + s, channel, candidates, n);
            if (s == 0 && octaves[s][i].n > 0) {
                compare_blocks(surveys, channel, candidates, n, likeness);
            }
        }
    }
    total = find_total(octaves);
    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        sum->n[i] = octaves[0][i].n;
        sum->value[i] = octaves[0][i].value;
        sum->variance[i] = total * octaves[0][i].power;
    }
}

double
sde_noise_octaves_deviation(const SdeNoiseOctaves *sums)
{
    double sum = 0.0;
    int n = 0;

    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        sum += sums->n[i] * sums->variance[i];
        n += sums->n[i];
    }
    return sqrt(sum / n);
}

double
sde_noise_place_between(double value, double noise, double texture)
{
    return CLAMP((texture - value) / (texture - noise), 0.0, 1.0);
}

double
sde_noise_octaves_sum(const SdeNoiseSurvey surveys[SDE_NOISE_SCALES],
                      const bool asked[3], SdeNoiseOctaves sums[3])
{
    Likeness likeness = {0};

    for (int c = 0; c < 3; c++) {
        if (asked[c]) {
            sum_channel(surveys, c, sums + c, &likeness);
        }
    }
    if (!(likeness.n > 0.0)) {
        return 0.0;
    }
    return sde_noise_place_between(likeness.unevenness / likeness.n, EVEN, UNEVEN) *
           sde_noise_place_between(likeness.togetherness / likeness.n, INDEPENDENT,
                                   ALL_TOGETHER);
}
