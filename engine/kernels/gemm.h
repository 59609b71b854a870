/* Products of two activations, row-major. Always on the calling thread: OpenBLAS's own
 * threads are switched off. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stddef.h>

/* A matrix whose rows are `stride` floats apart. */
typedef struct {
    const float *data;
    size_t stride;
} SdeMatrix;

/* y[rows][cols] = alpha * a[rows][inner] * b[cols][inner]' */
void sde_gemm_transposed(int rows, int cols, int inner, float alpha, SdeMatrix a,
                         SdeMatrix b, float *y, size_t y_stride);
/* y[rows][cols] += a[rows][inner] * b[inner][cols] */
void sde_gemm_add(int rows, int cols, int inner, SdeMatrix a, SdeMatrix b, float *y,
                  size_t y_stride);
