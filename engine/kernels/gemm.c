/* The engine's only door to BLAS.
 *
 * One thread per call: the engine cuts work into blocks of its own, by shape, so that
 * the result does not depend on how many threads there are. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "kernels/gemm.h"

#include <cblas.h>
#include <glib.h>

static void *
switch_threads_off(void *unused)
{
    openblas_set_num_threads(1);
    return NULL;
}

static void
ensure_one_thread(void)
{
    static GOnce once = G_ONCE_INIT;

    g_once(&once, switch_threads_off, NULL);
}

void
sde_gemm_transposed(int rows, int cols, int inner, float alpha, SdeMatrix a,
                    SdeMatrix b, float *y, size_t y_stride)
{
    ensure_one_thread();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, cols, inner, alpha,
                a.data, (blasint) a.stride, b.data, (blasint) b.stride, 0.0f, y,
                (blasint) y_stride);
}

void
sde_gemm_add(int rows, int cols, int inner, SdeMatrix a, SdeMatrix b, float *y,
             size_t y_stride)
{
    ensure_one_thread();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, cols, inner, 1.0f,
                a.data, (blasint) a.stride, b.data, (blasint) b.stride, 1.0f, y,
                (blasint) y_stride);
}
