/* Which side of a photo is up. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gegl.h>
#include <gio/gio.h>

/* The Exif orientation of a JPEG file, 1..8; 1 where it says nothing. */
int sde_orientation_read(const char *path);
/* The buffer turned upright; takes over the reference. */
GeglBuffer *sde_orientation_apply(GeglBuffer *buffer, int orientation);
