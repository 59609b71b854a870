/* x0 = D(x, levels): a network with its preconditioning and guidance behind one
 * function.
 *
 * Levels are VP angles: x = cos(theta) x0 + sin(theta) epsilon, cos^2(theta) =
 * alphas_cumprod(t), 0 <= theta <= pi/2; x0 is RGB in -1..1. A level-map network takes
 * a theta per pixel; an ordinary one has a single t, and every pixel must have the same
 * theta. Tasks only see this interface, so tests put closed-form denoisers behind it.
 */
#pragma once

#include "base/parallel.h"
#include "base/span.h"
#include "model/style-tones.h"
#include "sample/schedule.h"

typedef struct _SdeDenoiser SdeDenoiser;
struct _SdeUnet;   /* nn/unet.h */
struct _SdeBundle; /* model/bundle.h */

/* Two classes mix as their embeddings do. */
typedef struct {
    int label;  /* -1: the model's default */
    int second; /* counts where mix is above 0 */
    float mix;  /* 0..1: share of the second */
} SdeClasses;

typedef struct {
    int width, height;  /* multiples of size_multiple */
    const float *x;     /* height × width × 3 */
    const float *theta; /* height × width, or NULL: theta_max everywhere */
    const float *mean;  /* nullable: height × width × 3, a first guess of x0 */
    float theta_max;    /* largest theta of the whole picture (also of other tiles) */
    SdeClasses classes;
    double guidance; /* 1: none, else D = none + guidance (class - none) */
} SdeDenoiserInput;

struct _SdeDenoiser {
    bool level_map; /* takes theta per pixel */
    bool uses_mean; /* gains by a mean where some theta are 0: their continuation */
    /* By depth in a hole, from 1 pixel on: how much of D's difference to the mean to
     * take, as measured for the model. Lent; n 0: all of it. */
    const float *filling_gain;
    int n_filling_gain;
    int size_multiple; /* of width and height, in picture pixels */
    int sample_size;   /* the side it was trained at, in picture pixels */
    int reach; /* pixels: how far a tile's border disturbs its inside (overlap) */
    int n_classes, none_class; /* 0 and -1 when there are none */
    /* Of the n_classes; lent; NULL when the model has none. */
    const SdeStyleTones *tones;
    const SdeSchedule *schedule;
    /* Bytes of working memory for one call at this size. */
    size_t (*plan)(const SdeDenoiser *self, int width, int height);
    /* x0: height × width × 3, not clipped, written only on success. */
    bool (*run)(SdeDenoiser *self, const SdeDenoiserInput *input, float *x0,
                const SdeSpan *span, GError **error);
    void (*free)(SdeDenoiser *self);
};

/* One denoiser serves one run: it holds the working memory, at most memory_limit bytes
 * (0: no limit), for the largest size asked so far; a tile that needs more is
 * SDE_ERROR_TOO_LARGE. It borrows unet,
 * bundle, schedule and pool (NULL: this thread). SDE_ERROR_UNSUPPORTED when the network
 * is not one from RGB (and level map) to RGB. */
SdeDenoiser *sde_denoiser_new_unet(const struct _SdeUnet *unet,
                                   const struct _SdeBundle *bundle,
                                   const SdeSchedule *schedule, SdePool *pool,
                                   size_t memory_limit, GError **error);
void sde_denoiser_free(SdeDenoiser *denoiser); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeDenoiser, sde_denoiser_free)
