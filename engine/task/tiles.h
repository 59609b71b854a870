/* Overlapping windows over a work area, and D = denoiser(x) for the whole of it.
 *
 * A work area is a rectangle of the picture, padded by mirroring to sizes that the
 * network takes. Windows of equal size cover it evenly; where two meet, a raised cosine
 * crosses over in the middle of their overlap, so that what a window's own border
 * disturbs has no weight. D is blended, never x, and every window sees the same x: the
 * result is a function of the picture, not of an order.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

typedef struct _SdeTiles SdeTiles;

/* Index of i in 0..n-1 when the row is mirrored at its first and last pixel. */
int sde_mirror_index(int i, int n);
/* Side of the work area that holds `size` pixels. */
int sde_tiles_pad_side(const SdeDenoiser *denoiser, int size);

/* width and height: multiples of the denoiser's size. tile_size and overlap: pixels, 0:
 * from the denoiser and the memory that is left (bytes). SDE_ERROR_TOO_LARGE when not
 * even the smallest tile fits. */
SdeTiles *sde_tiles_new(const SdeDenoiser *denoiser, int width, int height,
                        int tile_size, int overlap, size_t memory, GError **error);
void sde_tiles_free(SdeTiles *tiles); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeTiles, sde_tiles_free)
/* Window and blend weights, for tests and for planning. */
int sde_tiles_get_count(const SdeTiles *tiles);
SdeRect sde_tiles_get_window(const SdeTiles *tiles, int i);
float sde_tiles_get_weight(const SdeTiles *tiles, int i, int x, int y);
/* Bytes that sde_tiles_denoise() needs, the denoiser's own included. */
size_t sde_tiles_plan(const SdeTiles *tiles, const SdeDenoiser *denoiser);

/* From now on only windows in which some level (width × height) is above 0. */
void sde_tiles_select(SdeTiles *tiles, const float *levels);

/* Writes x (strip.height × strip.width × 3) and, unless they are NULL, theta and mean
 * (as x), of some rows of a window; several threads ask at a time. */
typedef void (*SdeTileFetch)(SdeRect strip, float *x, float *theta, float *mean,
                             void *data);
typedef struct {
    SdeTileFetch fetch;
    void *data;
    bool has_theta;  /* fetch writes a theta per pixel; else theta_max everywhere */
    bool has_mean;   /* fetch writes a first guess of D */
    float theta_max; /* over the whole work area */
    SdeClasses classes;
    double guidance;
    /* D is the mean over so many views of every window, 1 to 4 from the first on. */
    int first_view, n_views;
} SdeTilesInput;
/* d: height × width × 3; 0 where no selected window reaches. */
bool sde_tiles_denoise(const SdeTiles *tiles, SdeTask *task, const SdeTilesInput *input,
                       float *d, const SdeSpan *span, GError **error);

/* Pixels of `rect` as -1..1, clipped, mirrored up to width × height. */
void sde_tiles_crop(const SdeImage *source, SdeRect rect, int width, int height,
                    float *out);
