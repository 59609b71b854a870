/* A slice of the progress bar that also carries cancel. A loop divides its span and
 * stops when a step says so: for (int i = 0; i < n; i++) { if (!sde_span_step(span, i,
 * n, error)) { return false; }   -- cancelled SdeSpan part = sde_span_part(span, i, n);
 *         if (!work(&part, error)) { return false; }
 *     }
 * Spans are values; NULL is a legal span that reports nothing and is never cancelled.
 */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>

typedef void (*SdeSpanFunc)(double fraction, void *data);

typedef struct {
    double begin, end;         /* part of 0..1 */
    GCancellable *cancellable; /* nullable */
    SdeSpanFunc report;        /* nullable; called in the thread that steps */
    void *data;
} SdeSpan;

/* Reports begin + i/n of the span; false and G_IO_ERROR_CANCELLED when cancelled. */
bool sde_span_step(const SdeSpan *span, int i, int n, GError **error);
/* The i-th of n equal parts. */
SdeSpan sde_span_part(const SdeSpan *span, int i, int n);
/* Thread safe: has the user cancelled? Checked between blocks of a parallel loop. */
bool sde_span_is_cancelled(const SdeSpan *span);
