/* A model folder: its parts and what it can do. Flat (config.json beside the weights)
 * or in sub-folders (unet/, scheduler/); model_index.json is optional for a lone UNet.
 */
#pragma once

#include "model/config.h"
#include "model/style-tones.h"
#include "model/weights.h"

#define SDE_MAX_FILLING_GAIN 64

typedef struct _SdeBundle {
    char *folder, *name;
    SdeUnetConfig unet;
    SdeSchedulerConfig scheduler; /* DDPM defaults when the folder has none */
    SdeWeights *weights;
    /* Of sample/noise-net.h; NULL when the folder has none. */
    SdeWeights *noise_weights;
    /* The "sdedit" object of model_index.json (models/README.md): */
    int patch_size; /* 1 when absent */
    bool level_map;
    bool posterior_input; /* the network sees E[x0 | x], see sample/denoiser.c */
    /* Entry i: for pixels i + 1 deep in a hole, how much of D's difference to the
     * filling to take; the last one for all that are deeper. Empty when absent. */
    float filling_gain[SDE_MAX_FILLING_GAIN];
    int n_filling_gain;
    GStrv class_names;             /* NULL when absent; includes the "none" class */
    SdeStyleTones *tones;          /* of each class; NULL when the folder has none */
    int none_class, default_class; /* -1: none */
    int restyle_class;             /* the default for restyling */
} SdeBundle;

SdeBundle *sde_bundle_load(const char *folder, GError **error);
void sde_bundle_free(SdeBundle *bundle); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeBundle, sde_bundle_free)

/* A folder's network alone, whatever its channels mean: for benchmarks and tests. */
bool sde_bundle_open_unet(const char *folder, SdeUnetConfig *config,
                          SdeWeights **weights, GError **error);
