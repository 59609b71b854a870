/* The task behind sde_restyle(); arguments are checked there.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "task/task.h"

bool sde_restyle_run(SdeTask *task, const SdeImage *source, const SdeMask *mask,
                     const SdeRestyleParams *params, SdeImage *result,
                     const SdeSpan *span, GError **error);
