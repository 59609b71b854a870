/* Thin holes: what the picture itself says of them. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#pragma once

#include "task/area.h"

/* Bytes that sde_autoregression_refine() needs. */
size_t sde_autoregression_plan(const SdeArea *area);
/* Makes what is thin of the holes of area->out (levels above 0), which is a first
 * guess, more like what the known pixels around say. All else stays bit for bit. */
bool sde_autoregression_refine(const SdeArea *area, SdeTask *task, const SdeSpan *span,
                               GError **error);
