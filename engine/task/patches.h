/* Texture for the middle of large holes, copied from around.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/area.h"

/* Bytes that sde_patches_fill() needs. */
size_t sde_patches_plan(const SdeArea *area);
/* Replaces what lies deep in the holes of area->out (levels above 0) by patches of the
 * known pixels that look most like it; what is near the rim stays, and some way into
 * the hole its coarse colours do. Known pixels stay bit for bit; a hole that is
 * shallow, or has no whole patch around it, stays as it is. */
bool sde_patches_fill(const SdeArea *area, SdeTask *task, const SdeSpan *span,
                      GError **error);
