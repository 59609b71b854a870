/* Progress on a terminal, and Ctrl-C.
 *
 * A signal handler may not cancel a GCancellable (it takes locks), so a thread waits
 * for the signals instead. SPDX-License-Identifier: GPL-3.0-or-later */
#include "tool/progress.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

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

static void
fill_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
}

/* The second signal is for a run that does not stop. */
static void *
wait_for_signals(void *data)
{
    GCancellable *cancellable = data;
    sigset_t signals;
    int signal_number;

    fill_signals(&signals);
    sigwait(&signals, &signal_number);
    g_cancellable_cancel(cancellable);
    sigwait(&signals, &signal_number);
    _exit(128 + signal_number);
}

void
sde_terminal_watch_signals(GCancellable *cancellable)
{
    sigset_t signals;

    fill_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    g_thread_unref(g_thread_new("signals", wait_for_signals, cancellable));
}
