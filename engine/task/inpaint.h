/* The task behind sde_inpaint(); arguments are checked there.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

bool sde_inpaint_run(SdeTask *task, const SdeImage *source, const SdeMask *mask,
                     const SdeInpaintParams *params, SdeImage *result,
                     const SdeSpan *span, GError **error);
