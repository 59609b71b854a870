/* Helpers of a forward pass. SPDX-License-Identifier: GPL-3.0-or-later */
#include "nn/forward.h"

#include <stdarg.h>

bool
sde_forward_is_cancelled(const SdeForward *forward)
{
    return forward->compute.cancellable != NULL &&
           g_cancellable_is_cancelled(forward->compute.cancellable);
}

void
sde_forward_tap(const SdeForward *forward, const SdeTensor *tensor, const char *format,
                ...)
{
    if (forward->tap == NULL) {
        return;
    }

    va_list args;

    va_start(args, format);

    g_autofree char *name = g_strdup_vprintf(format, args);

    va_end(args);
    forward->tap(name, tensor, forward->tap_data);
}
