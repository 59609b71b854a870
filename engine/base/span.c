/* A slice of the progress bar that also carries cancel: plain arithmetic on values, so
 * that nested loops need no shared state.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/span.h"

static double
position(const SdeSpan *span, int i, int n)
{
    g_assert(n > 0 && i >= 0 && i <= n);
    if (i == n) { /* exactly, so that the next span begins where this one ends */
        return span->end;
    }
    return span->begin + (span->end - span->begin) * i / n;
}

bool
sde_span_step(const SdeSpan *span, int i, int n, GError **error)
{
    if (span == NULL) {
        return true;
    }
    if (g_cancellable_set_error_if_cancelled(span->cancellable, error)) {
        return false;
    }
    if (span->report != NULL) {
        span->report(position(span, i, n), span->data);
    }
    return true;
}

SdeSpan
sde_span_part(const SdeSpan *span, int i, int n)
{
    SdeSpan part = {0};

    if (span != NULL) {
        part = *span;
        part.begin = position(span, i, n);
        part.end = position(span, i + 1, n);
    }
    return part;
}

bool
sde_span_is_cancelled(const SdeSpan *span)
{
    return span != NULL && g_cancellable_is_cancelled(span->cancellable);
}
