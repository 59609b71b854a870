/* Spans: nested loops walk the bar forward, once, and hear a cancel.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>

#include "base/span.h"

typedef struct {
    double last;
    int n_calls;
} Log;

static void
log_fraction(double fraction, void *data)
{
    Log *log = data;

    g_assert_cmpfloat(fraction, >=, log->last);
    g_assert_cmpfloat(fraction, <=, 1);
    log->last = fraction;
    log->n_calls++;
}

static void
test_nested_parts_only_move_forward(void)
{
    Log log = {0};
    SdeSpan span = {.begin = 0, .end = 1, .report = log_fraction, .data = &log};

    for (int i = 0; i < 7; i++) {
        SdeSpan outer = sde_span_part(&span, i, 7);

        for (int k = 0; k < 13; k++) {
            SdeSpan inner = sde_span_part(&outer, k, 13);

            for (int m = 0; m < 3; m++) {
                g_assert_true(sde_span_step(&inner, m, 3, NULL));
            }
        }
    }
    g_assert_true(sde_span_step(&span, 1, 1, NULL));
    g_assert_cmpfloat(log.last, ==, 1);
    g_assert_cmpint(log.n_calls, ==, 7 * 13 * 3 + 1);
}

static void
test_parts_meet_without_gap(void)
{
    SdeSpan span = {.begin = 0.25, .end = 0.7};

    for (int i = 0; i + 1 < 11; i++) {
        g_assert_cmpfloat(sde_span_part(&span, i, 11).end, ==,
                          sde_span_part(&span, i + 1, 11).begin);
    }
    g_assert_cmpfloat(sde_span_part(&span, 0, 11).begin, ==, 0.25);
    g_assert_cmpfloat(sde_span_part(&span, 10, 11).end, ==, 0.7);
}

static void
test_cancel_stops_the_step_unreported(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    Log log = {0};
    SdeSpan span = {
        .end = 1, .cancellable = cancellable, .report = log_fraction, .data = &log};
    SdeSpan part = sde_span_part(&span, 1, 2);

    g_assert_false(sde_span_is_cancelled(&part));
    g_assert_true(sde_span_step(&part, 0, 2, &error));
    g_cancellable_cancel(cancellable);
    g_assert_true(sde_span_is_cancelled(&part));
    g_assert_false(sde_span_step(&part, 1, 2, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpint(log.n_calls, ==, 1);
}

static void
test_null_span_is_silent(void)
{
    SdeSpan part = sde_span_part(NULL, 3, 4);

    g_assert_true(sde_span_step(NULL, 0, 1, NULL));
    g_assert_false(sde_span_is_cancelled(NULL));
    g_assert_true(sde_span_step(&part, 0, 1, NULL));
    g_assert_false(sde_span_is_cancelled(&part));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/span/nested-parts-only-move-forward",
                    test_nested_parts_only_move_forward);
    g_test_add_func("/span/parts-meet-without-gap", test_parts_meet_without_gap);
    g_test_add_func("/span/cancel-stops-the-step-unreported",
                    test_cancel_stops_the_step_unreported);
    g_test_add_func("/span/null-span-is-silent", test_null_span_is_silent);
    return g_test_run();
}
