/* The launchers' shared helpers. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/compute.h"

SdeTensor
sde_compute_alloc(SdeCompute *compute, int n, int h, int w, int c)
{
    SdeTensor tensor = {.n = n, .h = h, .w = w, .c = c};

    tensor.data = sde_arena_alloc(compute->arena, sde_tensor_size(&tensor));
    return tensor;
}

SdeTensor
sde_compute_alloc_summed(SdeCompute *compute, int n, int h, int w, int c)
{
    SdeTensor tensor = {.n = n, .h = h, .w = w, .c = c, .summed = n == 1};

    tensor.data = sde_arena_alloc(compute->arena, sde_tensor_size(&tensor));
    return tensor;
}

void *
sde_compute_alloc_bytes(SdeCompute *compute, size_t size)
{
    return sde_arena_alloc(compute->arena, (size + sizeof(float) - 1) / sizeof(float));
}

bool
sde_compute_is_dry(const SdeCompute *compute)
{
    return sde_arena_is_dry(compute->arena);
}

void
sde_compute_for(SdeCompute *compute, size_t n_blocks, SdeBlockFunc func, void *data)
{
    sde_parallel_for(compute->pool, n_blocks, compute->cancellable, func, data);
}
