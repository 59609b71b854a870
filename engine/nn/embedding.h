/* Timesteps and classes as the vector that every resnet gets.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "nn/forward.h"
#include "nn/params.h"

/* linear_1, SiLU, linear_2 over sinusoids. */
typedef struct {
    SdeConv linear1, linear2;
} SdeTimestepMlp;

typedef struct {
    int waves, width; /* of the sinusoids and of the embedding */
    bool cos_first;
    double freq_shift;
    SdeClassEmbed classes;
    int n_classes;
    SdePointwise f; /* of the resnets, applied once for all of them */
    SdeTimestepMlp time_mlp, class_mlp;
    float *class_table; /* n_classes × width */
} SdeEmbedding;

SdeEmbedding sde_embedding_choose(const SdeUnetConfig *config, SdePointwise f);
bool sde_embedding_load(SdeParams *params, SdeEmbedding *embedding, GError **error);
/* Refuses labels that this network has not got. */
bool sde_embedding_check_input(const SdeEmbedding *embedding, const SdeUnetInput *input,
                               GError **error);
/* Sets forward->time, on top of the arena. */
void sde_embedding_run(SdeForward *forward, const SdeEmbedding *embedding,
                       const SdeUnetInput *input, int n);
