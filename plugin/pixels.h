/* Pixels between GIMP's buffers and the engine's plain floats.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "procedure.h"
#include "source.h"

typedef struct {
    GeglRectangle area;  /* in layer coordinates */
    int width, height;   /* of the whole layer: must be the same when written */
    float *rgb, *result; /* area, 3 floats a pixel, sRGB-encoded */
    float *mask;         /* area, 1 float a pixel; NULL: everything may change */
    float *alpha;        /* area; NULL: the layer is opaque */
    bool fills_holes;    /* changed pixels become visible; else alpha stays as it is */
} SdePixels;

/* Reads what the job needs: the bounds of the region and `context` pixels around it. */
bool sde_pixels_read(SdePixels *pixels, const SdeSource *source, SdeRegion region,
                     SdeMaskMode mask_mode, int context, GError **error);
/* Lends the pixels to a job. */
void sde_pixels_lend(SdePixels *pixels, SdeJob *job);
/* A part of the result, in the coordinates of the area, as packed pixels. */
void sde_pixels_convert(const SdePixels *pixels, const GeglRectangle *rect,
                        const Babl *format, guchar *out);
/* Writes the changed pixels into a layer that is a copy of the one that was read; all
 * others keep their bits in the layer's own precision. */
bool sde_pixels_write(const SdePixels *pixels, GimpLayer *layer, GError **error);
/* Were the same pixels read? */
bool sde_pixels_are_equal(const SdePixels *a, const SdePixels *b);
void sde_pixels_clear(SdePixels *pixels);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SdePixels, sde_pixels_clear)
