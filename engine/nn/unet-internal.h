/* The structure of a U-Net. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "nn/blocks.h"
#include "nn/embedding.h"

/* A down, middle or up block: resnets, each perhaps followed by attention, then perhaps
 * a resampler. */
typedef struct {
    int n_resnets;
    SdeResnet *resnets;
    int n_attentions; /* 0, one for each resnet, or 1: after the middle's first resnet
                       */
    SdeSelfAttention *attentions;
    SdeResampler resampler;
} SdeUnetBlock;

struct _SdeUnet {
    SdeUnetConfig config;
    SdePrecision precision;
    SdeArena *store; /* all prepared weights */
    SdeEmbedding embedding;
    SdeConv conv_in, conv_out;
    SdeUnetBlock down[SDE_MAX_LEVELS], middle, up[SDE_MAX_LEVELS];
    SdeNorm norm_out;
};
