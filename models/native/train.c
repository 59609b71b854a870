/* Threads and scratch memory of a trainer. SPDX-License-Identifier: GPL-3.0-or-later */
#include "train.h"

#include <cblas.h>

#define ALIGN 16 /* floats: a cache line */

SdeTrain *
sde_train_new(int n_threads)
{
    SdeTrain *train = g_new0(SdeTrain, 1);

    openblas_set_num_threads(1);
    train->compute.n_threads = n_threads;
    train->compute.pool = n_threads > 1 ? sde_pool_new(n_threads) : NULL;
    return train;
}

void
sde_train_reserve(SdeTrain *train, size_t n_floats)
{
    train->n_used = 0;
    n_floats += 64 * ALIGN; /* what rounding up may take */
    if (n_floats > train->n_scratch) {
        g_free(train->scratch);
        train->scratch = g_malloc(n_floats * sizeof(float));
        train->n_scratch = n_floats;
    }
}

float *
sde_train_take(SdeTrain *train, size_t n_floats)
{
    float *taken = train->scratch + train->n_used;

    train->n_used += (n_floats + ALIGN - 1) / ALIGN * ALIGN;
    g_assert(train->n_used <= train->n_scratch);
    return taken;
}
