/* UNet2DModel forward (diffusers), channels last. */
#pragma once

#include "base/arena.h"
#include "base/parallel.h"
#include "base/tensor.h"
#include "model/config.h"
#include "model/weights.h"
#include "sde.h"

typedef struct _SdeUnet SdeUnet; /* fixed after new; shared by threads */

/* Takes every tensor it needs from `weights` (exact names and shapes; keeps its own
 * prepared copy, so `weights` may go). SDE_ERROR_FORMAT names a missing, extra or
 * misshapen tensor; SDE_ERROR_UNSUPPORTED an option that is not run. */
SdeUnet *sde_unet_new(const SdeUnetConfig *config, SdeWeights *weights,
                      SdePrecision precision, GError **error);
void sde_unet_free(SdeUnet *unet); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeUnet, sde_unet_free)

typedef struct {
    SdeTensor sample;          /* n × h × w × in_channels */
    const float *timesteps;    /* n, may be fractional */
    const float *class_labels; /* n, or NULL: 0; integers for a label embedding */
    /* n each, or NULL: for a label embedding, mix[i] (0..1) of the second class's row
     * and the rest of the first's */
    const float *second_labels, *mix;
    const float *class_vectors; /* SDE_CLASS_IDENTITY: n × embedding width, or NULL */
} SdeUnetInput;

/* h and w must be multiples of this (2^(down-samplings)). */
int sde_unet_get_size_multiple(const SdeUnet *unet);
/* Exact arena need of a forward (bytes) with this many threads, and its operations
 * (2 × multiply-adds, convolutions counted as direct). SIZE_MAX and infinity for more
 * than 2^26 pixels, which a forward refuses (SDE_ERROR_TOO_LARGE). */
size_t sde_unet_plan(const SdeUnet *unet, int n, int h, int w, int n_threads);
double sde_unet_count_flop(const SdeUnet *unet, int n, int h, int w);
/* Called with the output of each named submodule ("down_blocks.0", "conv_in", ...). */
typedef void (*SdeUnetTap)(const char *name, const SdeTensor *hidden, void *data);

/* out: n × h × w × out_channels, written only on success. Errors: cancelled,
 * SDE_ERROR_INPUT (sizes, class label out of range). `tap` is nullable. */
bool sde_unet_forward(const SdeUnet *unet, const SdeUnetInput *input, SdeTensor *out,
                      SdeArena *arena, SdePool *pool, GCancellable *cancellable,
                      SdeUnetTap tap, void *tap_data, GError **error);
