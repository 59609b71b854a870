/* Convolutions and linear layers over prepared weights, channels last.
 *
 * Each layer is prepared once, for one of two methods: Winograd F(4×4,3×3) or
 * F(6×6,3×3) for 3×3 convolutions of stride 1 over maps that are not small, else direct
 * sums over weight panels. Cutting into blocks depends on shapes alone, so any number
 * of threads gives the same bits. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>

#include "kernels/norm.h"
#include "sde.h"

typedef struct {
    int cin, cout;
    int side;     /* 1 or 3; a linear layer has 1 */
    int stride;   /* 1 or 2 */
    int pad;      /* zeros left of and above the input; as needed on the other sides */
    int upsample; /* 2: convolves the input enlarged twofold (nearest), else 1 */
} SdeConvShape;

typedef struct {
    SdeConvShape shape;
    int winograd;   /* the side of its tiles, 4 or 6; 0: direct */
    bool late;      /* the weights are transformed while it runs */
    bool bf16;      /* weights and input are rounded to bfloat16 */
    float *weights; /* prepared for this process's kernels */
    float *bias;    /* cout, zeros up to a whole panel */
    float *zeros;   /* cin: what lies outside the map */
} SdeConv;

/* Chooses the method. `expected_side`: of the maps it will see, in pixels, where known.
 */
SdeConv sde_conv_choose(const SdeConvShape *shape, int expected_side,
                        SdePrecision precision);
size_t sde_conv_count_weights(const SdeConv *conv);
size_t sde_conv_count_bias(const SdeConv *conv);
/* weights: cout × cin × side × side as PyTorch stores them, bias: cout; both become
 * output channels `first` to first + cout of conv, whose arrays the caller allocated
 * and zeroed. */
void sde_conv_prepare(SdeConv *conv, const float *weights, const float *bias, int cout,
                      int first);

typedef struct {
    const SdeTensor *x;
    const SdeTensor *x2;       /* nullable: further input channels; with side 3 only
                                * where there is a norm */
    const SdeScaleShift *norm; /* nullable: x and x2 pass through it on the way in */
    const float *shift;        /* nullable: n × cout, added */
    const SdeTensor *residual; /* nullable: added; may be y */
    float scale;               /* of the whole sum; 0 is read as 1 */
} SdeConvInput;

/* y has the output's shape. */
void sde_conv_run(SdeCompute *compute, const SdeConv *conv, const SdeConvInput *input,
                  SdeTensor *y);
