/* Y' goes along a rising curve to the style's distribution, which is histogram
 * matching; but a tone that fills the picture counts no more than CLIP times its even
 * part of the histogram, as in CLAHE (Zuiderveld 1994), or a plain sky would be torn
 * into all shades. Chroma gets the style's deviation (Reinhard et al. 2001) and the
 * tint of its paper; hues stay, so that a red gate is red in every style.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/tones.h"

#include <math.h>
#include <string.h>

#include "task/task.h"

#define N_BINS   SDE_TONES_BINS
#define CLIP     2.0
#define N_ROUNDS 20 /* of cutting the histogram */
/* Of chroma: a photo of little colour is not made gaudy. */
#define MAX_GAIN       1.5f
#define LEAST_VARIANCE 1e-6 /* of chroma */

/* Of R'G'B' in 0..1. */
typedef struct {
    double luma[N_BINS];    /* share of each bin */
    double chroma_variance; /* mean over the channels less Y' */
} Statistics;

/* ---- the style's ------------------------------------------------------------------
 */

static void
add_share(const SdeStyleTones *tones, float share, SdeStyleTones *sum)
{
    for (int i = 0; i < SDE_N_TONES; i++) {
        sum->luma[i] += share * tones->luma[i];
    }
    for (int c = 0; c < 3; c++) {
        sum->chroma_mean[c] += share * tones->chroma_mean[c];
    }
    sum->chroma_deviation += share * tones->chroma_deviation;
}

SdeStyleTones
sde_tones_of(const SdeDenoiser *denoiser, const SdeClasses *classes, float *share)
{
    const int labels[2] = {classes->label, classes->second};
    const float shares[2] = {1.0f - classes->mix, classes->mix};
    SdeStyleTones sum = {.known = true}, mean = sum;

    *share = 0.0f;
    for (int i = 0; i < 2 && denoiser->tones != NULL; i++) {
        if (shares[i] > 0.0f && labels[i] >= 0 && denoiser->tones[labels[i]].known) {
            add_share(&denoiser->tones[labels[i]], shares[i], &sum);
            *share += shares[i];
        }
    }
    if (*share > 0.0f) {
        add_share(&sum, 1.0f / *share, &mean);
    }
    return mean;
}

SdeTechnique
sde_tones_technique_of(const SdeDenoiser *denoiser, const SdeClasses *classes)
{
    int label = classes->mix > 0.5f ? classes->second : classes->label;

    return denoiser->tones != NULL && label >= 0 ? denoiser->tones[label].technique
                                                 : SDE_TECHNIQUE_NONE;
}

/* ---- the photo's ------------------------------------------------------------------
 */

/* From -1..1 to 0..1. */
static float
shift_range(float value)
{
    return 0.5f * value + 0.5f;
}

static Statistics
measure(const float *rgb, const float *levels, size_t n)
{
    Statistics photo = {0};
    double sum = 0.0, means[3] = {0};

    for (size_t i = 0; i < n; i++) {
        float luma = shift_range(sde_luma(rgb + 3 * i));

        if (levels[i] <= 0.0f) {
            continue;
        }
        sum += 1.0;
        photo.luma[MIN((int) (sde_clamp_unit(luma) * N_BINS), N_BINS - 1)] += 1.0;
        for (size_t c = 0; c < 3; c++) {
            double chroma = (double) (shift_range(rgb[3 * i + c]) - luma);

            means[c] += chroma;
            photo.chroma_variance += chroma * chroma / 3.0;
        }
    }
    sum = MAX(sum, 1.0);
    for (int i = 0; i < N_BINS; i++) {
        photo.luma[i] /= sum;
    }
    photo.chroma_variance /= sum;
    for (int c = 0; c < 3; c++) {
        photo.chroma_variance -= means[c] / sum * (means[c] / sum) / 3.0;
    }
    return photo;
}

/* ---- from one to the other --------------------------------------------------------
 */

/* What is cut off is given to all bins alike, and some of it cut again. */
static void
cut_histogram(double *shares)
{
    for (int round = 0; round < N_ROUNDS; round++) {
        double cut = 0.0;

        for (int i = 0; i < N_BINS; i++) {
            double more = MAX(shares[i] - CLIP / N_BINS, 0.0);

            shares[i] -= more;
            cut += more;
        }
        for (int i = 0; i < N_BINS; i++) {
            shares[i] += cut / N_BINS;
        }
    }
}

/* Of a rank 0..1, between the quantiles. */
static float
tone_at(const SdeStyleTones *tones, double rank)
{
    double at = CLAMP(rank * SDE_N_TONES - 0.5, 0.0, SDE_N_TONES - 1.0);
    int i = MIN((int) at, SDE_N_TONES - 2);

    return tones->luma[i] + (float) (at - i) * (tones->luma[i + 1] - tones->luma[i]);
}

static void
find_curve(Statistics *photo, const SdeStyleTones *tones, float *curve)
{
    double rank = 0.0;

    cut_histogram(photo->luma);
    for (int i = 0; i <= N_BINS; i++) {
        curve[i] = tone_at(tones, rank);
        rank += i < N_BINS ? photo->luma[i] : 0.0;
    }
}

static float
find_gain(const Statistics *photo, const SdeStyleTones *tones)
{
    double deviation = sqrt(MAX(photo->chroma_variance, LEAST_VARIANCE));

    return MIN(tones->chroma_deviation / (float) deviation, MAX_GAIN);
}

SdeToning
sde_tones_find(const SdeStyleTones *tones, float share, const float *levels, size_t n,
               const float *rgb)
{
    Statistics photo = measure(rgb, levels, n);
    SdeToning toning = {.share = share, .gain = find_gain(&photo, tones)};

    memcpy(toning.paper, tones->chroma_mean, sizeof toning.paper);
    find_curve(&photo, tones, toning.curve);
    return toning;
}

void
sde_tones_move(const SdeToning *toning, float level, float *rgb)
{
    float luma = shift_range(sde_luma(rgb)), at = sde_clamp_unit(luma) * N_BINS;
    int i = MIN((int) at, N_BINS - 1);
    const float *curve = toning->curve;
    float y = curve[i] + (at - (float) i) * (curve[i + 1] - curve[i]);

    for (int c = 0; c < 3; c++) {
        float chroma = toning->gain * (shift_range(rgb[c]) - luma);
        float to = 2.0f * (y + chroma + toning->paper[c]) - 1.0f;

        rgb[c] += toning->share * level * (CLAMP(to, -1.0f, 1.0f) - rgb[c]);
    }
}

void
sde_tones_move_change(const SdeToning *toning, float level, float *rgb)
{
    float luma = sde_luma(rgb), grey = toning->share * level;

    for (int c = 0; toning->gain <= 0.0f && c < 3; c++) {
        rgb[c] += grey * (luma - rgb[c]);
    }
}
