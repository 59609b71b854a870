/* The layer that a run starts from, and the part of it that may change.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "procedure.h"
#include <gegl.h>

typedef struct {
    GimpImage *image;
    GimpLayer *layer;
    bool visible; /* pixels come from the whole image as it looks, not from the layer */
} SdeSource;

/* Refuses everything that is not one ordinary layer with RGB or gray pixels. */
bool sde_source_init(SdeSource *source, GimpImage *image, GimpDrawable **drawables,
                     GError **error);

/* A layer with the pixels to start from, to be freed with sde_source_close_pixels():
 * the source layer, or a temporary one that shows what is visible. */
GimpLayer *sde_source_open_pixels(const SdeSource *source, GError **error);
void sde_source_close_pixels(const SdeSource *source, GimpLayer *pixels);

/* False when it is plain at first sight that there is nothing to fill. */
bool sde_source_may_have_hole(const SdeSource *source, GError **error);

/* In the coordinates of `pixels`: the box of the selection; without a selection, the
 * box of the transparent pixels or the whole layer, as `region` says. */
bool sde_source_find_bounds(const SdeSource *source, GimpLayer *pixels,
                            SdeRegion region, GeglRectangle *bounds,
                            bool *has_selection, GError **error);
