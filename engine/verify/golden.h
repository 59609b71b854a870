/* Golden cases: numbers that huggingface/diffusers computed, and the engine computes
 * again. A case is a folder with case.json and tensors.safetensors; the format is
 * described in tests/golden/README.md.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdio.h>

typedef struct {
    int n_passed, n_failed, n_skipped;
} SdeGoldenCounts;

/* Runs every case found below the folders (NULL-terminated list), one line each on
 * `out`: pass|FAIL|skip NAME WORST (TENSOR)     worst error over its tolerance, 1
 * passes A kind of case that is not known is skipped and named. Last line: N passed, N
 * failed, N skipped. Returns the exit code: 0 when none failed and at least one was
 * found. `counts` is nullable. */
int sde_golden_run(const char *const *folders, int n_threads, FILE *out,
                   SdeGoldenCounts *counts);
