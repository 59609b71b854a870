/* Progress on a terminal, and Ctrl-C. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "sde.h"

typedef struct {
    const char *title;
    bool shown; /* stderr is a terminal and nobody asked for quiet */
    int length; /* of the line that stands there */
} SdeTerminal;

void sde_terminal_init(SdeTerminal *terminal, const char *title, bool quiet);
/* An SdeProgressFunc; data is the terminal. */
void sde_terminal_show(const SdeProgress *progress, void *data);
/* Wipes the line. */
void sde_terminal_clear(SdeTerminal *terminal);

/* From now on SIGINT and SIGTERM cancel this; a second one ends the process. */
void sde_terminal_watch_signals(GCancellable *cancellable);
