/* The new layer: the only change that a run makes to the document.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "pixels.h"
#include "source.h"

#define SDE_LAYER_PARASITE "sdedit-parameters"

/* One short step at the end, one undo step. `record` (the values used) is kept with the
 * layer as a parasite. The source keeps its pixels and stays selected. */
GimpLayer *sde_layer_add_result(const SdeSource *source, const SdePixels *pixels,
                                const char *name, const char *record, GError **error);
