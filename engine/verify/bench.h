/* Times one network: sdedit bench. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "sde.h"

typedef struct {
    int width, height; /* of the network's input; 0: the model's own sample_size */
    int n_threads;     /* 0: every core this process may use */
    SdePrecision precision;
    int n_reps; /* timed evaluations, after one that is not */
    bool json;  /* prints one JSON line, else a table for people */
} SdeBenchParams;

/* Prints the times of an evaluation on random input to standard output. */
bool sde_bench_run(const char *model_folder, const SdeBenchParams *params,
                   GError **error);
