/* Pictures in files, through GEGL. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gegl.h>

#include "sde.h"

/* A file as it was read: its own precision, colour space and alpha stay with it. */
typedef struct {
    GeglBuffer *buffer;
    SdeImage image; /* its pixels as sRGB floats, without alpha */
} SdePicture;

/* Before all others; gegl_exit() ends it. */
void sde_picture_start(void);

/* PNG, JPEG or TIFF. */
SdePicture *sde_picture_load(const char *path, GError **error);
void sde_picture_free(SdePicture *picture); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdePicture, sde_picture_free)

/* An image of the picture's size, of undefined content; caller frees result->pixels. */
bool sde_picture_new_result(const SdePicture *picture, SdeImage *result,
                            GError **error);

/* Luminance 0..1 of a picture, alpha ignored; caller frees mask->levels. */
bool sde_picture_load_mask(const char *path, SdeMask *mask, GError **error);

/* Is there a picture, by its first bytes? */
bool sde_picture_check_source(const char *path, GError **error);
/* Can a picture be written there? So that nobody waits for a run in vain. */
bool sde_picture_check_target(const char *path, GError **error);
/* Writes the picture with the colours of `result`; a pixel that equals the picture's
 * own keeps its bits. The file is complete or not there. */
bool sde_picture_save(SdePicture *picture, const SdeImage *result, const char *path,
                      GError **error);
