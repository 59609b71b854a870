/* The residual, attention and resampling blocks of a diffusers U-Net.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/conv.h"
#include "kernels/norm.h"
#include "nn/forward.h"
#include "nn/params.h"

/* What all blocks of one network have in common. */
typedef struct {
    int time_width, norm_groups;
    float norm_eps;
    SdePointwise f;
    bool scale_shift; /* time scales and shifts the second norm, else it is added before
                       */
    SdePrecision precision;
} SdeBlockStyle;

/* ---- ResnetBlock2D ---- */

typedef enum { SDE_RESIZE_NONE, SDE_RESIZE_HALVE, SDE_RESIZE_DOUBLE } SdeResize;

typedef struct {
    SdeNorm norm1, norm2;
    SdeConv conv1, conv2, time_proj, shortcut;
    bool has_shortcut, scale_shift;
    SdeResize resize;
    SdePointwise f;
    float scale; /* 1 / output_scale_factor */
} SdeResnet;

SdeResnet sde_resnet_choose(const SdeBlockStyle *style, int cin, int cout, int side,
                            SdeResize resize, float scale);
bool sde_resnet_load(SdeParams *params, const char *name, SdeResnet *resnet,
                     GError **error);
/* x2, nullable: the skip connection, concatenated behind x. */
void sde_resnet_run(SdeForward *forward, const SdeResnet *resnet, const SdeTensor *x,
                    const SdeTensor *x2, SdeTensor *y);

/* ---- Attention ---- */

typedef struct {
    bool has_norm;
    SdeNorm norm;
    SdeConv qkv, out;
    int heads;
    bool bf16;
    float scale;
} SdeSelfAttention;

/* groups 0: no norm. */
SdeSelfAttention sde_self_attention_choose(const SdeBlockStyle *style, int channels,
                                           int head_width, int groups, float scale);
bool sde_self_attention_load(SdeParams *params, const char *name,
                             SdeSelfAttention *attention, GError **error);
/* In place. */
void sde_self_attention_run(SdeForward *forward, const SdeSelfAttention *attention,
                            SdeTensor *x);

/* ---- Downsample2D, Upsample2D, or a resnet that does their work ---- */

typedef enum {
    SDE_RESAMPLER_NONE,
    SDE_RESAMPLER_CONV,
    SDE_RESAMPLER_RESNET
} SdeResamplerKind;

typedef struct {
    SdeResamplerKind kind;
    SdeConv conv;
    SdeResnet resnet;
} SdeResampler;

bool sde_resampler_load(SdeParams *params, const char *name, SdeResampler *resampler,
                        GError **error);
void sde_resampler_run(SdeForward *forward, const SdeResampler *resampler,
                       const SdeTensor *x, SdeTensor *y);
