/* What a launcher needs from the run it works for, handed down as one pointer.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

#include "base/arena.h"
#include "base/parallel.h"
#include "base/tensor.h"

/* A launcher allocates its scratch from `arena`, releases it again, and skips its
 * kernels when the arena is dry: a dry run plans the memory exactly. Once cancelled,
 * launchers return early and leave their outputs undefined. */
typedef struct {
    SdeArena *arena;
    SdePool *pool;             /* NULL: this thread alone */
    int n_threads;             /* of the pool; a dry run plans for this many */
    GCancellable *cancellable; /* nullable */
    double flop; /* counted: 2 × multiply-adds, convolutions as direct ones */
} SdeCompute;

/* n × h × w × c floats on top of the arena. */
SdeTensor sde_compute_alloc(SdeCompute *compute, int n, int h, int w, int c);
/* The same for a map that a norm will read: summed where there is one sample. */
SdeTensor sde_compute_alloc_summed(SdeCompute *compute, int n, int h, int w, int c);
/* A row pointer per pixel and tap, and the like, share the arena with the floats. */
void *sde_compute_alloc_bytes(SdeCompute *compute, size_t size);
bool sde_compute_is_dry(const SdeCompute *compute);
void sde_compute_for(SdeCompute *compute, size_t n_blocks, SdeBlockFunc func,
                     void *data);
