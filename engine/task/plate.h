/* Lets a filling continue slopes too. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stddef.h>

/* Bytes that sde_plate_bend() needs. */
size_t sde_plate_plan(int width, int height);
/* Moves the pixels of rgb (width × height × 3, -1..1) whose level is 1 from where they
 * are, a soap film between the others, some steps towards a thin plate under tension.
 * SDE_ERROR_TOO_LARGE when the system has not got the memory. */
bool sde_plate_bend(float *rgb, const float *levels, int width, int height,
                    GError **error);
