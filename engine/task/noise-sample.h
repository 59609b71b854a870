/* What the model's noise network thinks of a photo, by brightness.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sample/noise-net.h"
#include "task/noise-octaves.h"

/* Asks about windows all over the photo, or around what mask (nullable) selects.
 * `sure`: from 1 where the network by itself knows noise when it sees it, strong and
 * alike in all places of like brightness, down to 0 where it may be texture. False
 * where nothing can be asked: no whole cell is there, or the call was cancelled. */
bool sde_noise_sample(const SdeNoiseNet *net, const SdeImage *source,
                      const SdeMask *mask, SdePool *pool, GCancellable *cancellable,
                      SdeNoiseOctaves *sums, double *sure);
