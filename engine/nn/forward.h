/* One forward pass under way: what its blocks share.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/compute.h"
#include "nn/unet.h"

typedef struct {
    SdeCompute compute;
    SdeTensor time; /* 1 × 1 × samples × width: the activated time embedding */
    SdeUnetTap tap; /* nullable */
    void *tap_data;
} SdeForward;

bool sde_forward_is_cancelled(const SdeForward *forward);
/* Shows a result under a printf-like name, where somebody wants to see it. */
void sde_forward_tap(const SdeForward *forward, const SdeTensor *tensor,
                     const char *format, ...) G_GNUC_PRINTF(3, 4);
