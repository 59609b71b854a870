/* Progress on a terminal, and Ctrl-C.
 *
 * A signal handler may not cancel a GCancellable (it takes locks), so a thread waits
 * for the signals instead. SPDX-License-Identifier: GPL-3.0-or-later */
#include "tool/progress.h"

#include <glib-unix.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130 /* as shells report it */

void
sde_terminal_init(SdeTerminal *terminal, const char *title, bool quiet)
{
    *terminal =
        (SdeTerminal) {.title = title, .shown = !quiet && isatty(STDERR_FILENO)};
}

void
sde_terminal_show(const SdeProgress *progress, void *data)
{
    SdeTerminal *terminal = data;
    g_autoptr(GString) line = g_string_new(NULL);
    int length;

    if (!terminal->shown) {
        return;
    }
    g_string_append_printf(line, "%s: %3.0f %%, step %d of %d", terminal->title,
                           floor(100.0 * progress->fraction), progress->step,
                           progress->n_steps);
    if (progress->seconds_left >= 0.0) {
        int seconds = (int) ceil(MIN(progress->seconds_left, 359999.0));

        g_string_append_printf(line, ", %d:%02d left", seconds / 60, seconds % 60);
    }
    length = (int) line->len;
    fprintf(stderr, "\r%s%*s", line->str, MAX(terminal->length - length, 0), "");
    fflush(stderr);
    terminal->length = length;
}

void
sde_terminal_clear(SdeTerminal *terminal)
{
    if (terminal->shown && terminal->length > 0) {
        fprintf(stderr, "\r%*s\r", terminal->length, "");
        fflush(stderr);
        terminal->length = 0;
    }
}

/* The second signal is for a run that does not stop. */
static gboolean
answer_signal(void *data)
{
    GCancellable *cancellable = data;

    if (g_cancellable_is_cancelled(cancellable)) {
        _exit(EXIT_INTERRUPTED);
    }
    g_cancellable_cancel(cancellable);
    return G_SOURCE_CONTINUE;
}

static void *
wait_for_signals(void *data)
{
    GMainContext *context = data;

    for (;;) {
        g_main_context_iteration(context, TRUE);
    }
    return NULL;
}

void
sde_terminal_watch_signals(GCancellable *cancellable)
{
    const int signals[] = {SIGINT, SIGTERM};
    GMainContext *context = g_main_context_new();

    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        GSource *source = g_unix_signal_source_new(signals[i]);

        g_source_set_callback(source, answer_signal, g_object_ref(cancellable),
                              g_object_unref);
        g_source_attach(source, context);
        g_source_unref(source);
    }
    g_thread_unref(g_thread_new("signals", wait_for_signals, context));
}
