/* What the model's noise network thinks of a photo, by brightness.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sample/noise-net.h"
#include "task/noise-octaves.h"

/* Asks about windows all over the photo, or around what mask (nullable) selects.
 * `doubt`: the log of how unsure the network is where it is surest, by how strong the
 * noise is on the whole (variance of the log of a variance by that variance): fine
 * texture is like weak noise. False where nothing can be asked: no whole cell is there,
 * or the call was cancelled. */
bool sde_noise_sample(const SdeNoiseNet *net, const SdeImage *source,
                      const SdeMask *mask, SdePool *pool, GCancellable *cancellable,
                      SdeNoiseOctaves *sums, double *doubt);
