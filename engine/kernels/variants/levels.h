/* The functions of one CPU level, gathered by table.c.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/variants/vec.h"

void LEVEL(multiply)(const SdePanelInput *input, const float *weights, float *out,
                     size_t stride);
#if defined(__AVX512BF16__)
void LEVEL(multiply_bf16)(const SdeBf16Input *input, const void *weights, float *out,
                          size_t stride);
void LEVEL(to_bf16)(const float *x, int n, SdeBf16 *y);
void LEVEL(winograd4_input_bf16)(const float *const *pixels, int channels, SdeBf16 *v,
                                 size_t step);
#endif
void LEVEL(write_tile)(const float *tile, int n_rows, int n_cols,
                       const SdeEpilogue *epilogue, float *out, size_t stride);
void LEVEL(winograd4_weights)(const float *windows, int cin, int row, float *u,
                              size_t step);
void LEVEL(winograd4_input)(const float *const *pixels, int channels, float *v,
                            size_t step);
void LEVEL(winograd4_output)(const float *m, size_t step, const SdeEpilogue *epilogue,
                             const SdeTarget *target);
void LEVEL(winograd6_weights)(const float *windows, int cin, int row, float *u,
                              size_t step);
void LEVEL(winograd6_input)(const float *const *pixels, int channels, float *v,
                            size_t step);
void LEVEL(winograd6_output)(const float *m, size_t step, const SdeEpilogue *epilogue,
                             const SdeTarget *target);
void LEVEL(scale_shift)(const float *x, size_t pixels, int channels, const float *scale,
                        const float *shift, SdePointwise f, float *y, size_t y_stride);
void LEVEL(channel_sums)(const float *x, size_t pixels, int channels, double *sums,
                         double *squares);
float LEVEL(softmax_block)(float *scores, int n, float scale, float *max, float *sum);
void LEVEL(patch_distances)(const SdePatch *patch, size_t q, int n, float *distances);
void LEVEL(add_products)(const float *rows, const float *weights, int n, float *sums);
