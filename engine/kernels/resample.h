/* Maps halved and doubled without weights. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/compute.h"

/* y = means of 2 × 2 pixels of x. */
void sde_halve_run(SdeCompute *compute, const SdeTensor *x, SdeTensor *y);
/* y = each pixel of x four times. */
void sde_double_run(SdeCompute *compute, const SdeTensor *x, SdeTensor *y);
/* y = x and x2 side by side in each pixel; x2 nullable. */
void sde_concatenate_run(SdeCompute *compute, const SdeTensor *x, const SdeTensor *x2,
                         SdeTensor *y);
