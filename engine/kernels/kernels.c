/* Chooses the kernel table for the CPU, once.
 *
 * The only mutable state and the only getenv of the engine. SDE_KERNELS exists for
 * tests: an unknown or impossible name falls back to the CPU's own level.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/kernels.h"

#include <glib.h>
#include <stdbool.h>

#include "kernels/variants/variants.h"

typedef struct {
    const SdeKernels *table;
    bool runs_here;
    bool is_slow; /* slower than the next: only where it is asked for */
} Level;

#define N_LEVELS 4 /* at most */

/* Best first. */
static int
list_levels(Level levels[N_LEVELS])
{
    int n = 0;

#if defined(SDE_HAS_X86_VARIANTS)
    __builtin_cpu_init();

    const bool avx512 =
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("fma");

    /* AMD's multiply twice as much at once over bfloat16; Intel's take three times as
     * long for that (tests/bench/HISTORY.md), so there float is faster. */
    levels[n++] = (Level) {.table = &sde_kernels_avx512_bf16,
                           .runs_here = avx512 && __builtin_cpu_supports("avx512bf16"),
                           .is_slow = !__builtin_cpu_is("amd")};
    levels[n++] = (Level) {.table = &sde_kernels_avx512, .runs_here = avx512};
    levels[n++] = (Level) {.table = &sde_kernels_avx2,
                           .runs_here = __builtin_cpu_supports("avx2") &&
                                        __builtin_cpu_supports("fma")};
#endif
#if defined(SDE_HAS_NEON_VARIANT)
    levels[n++] = (Level) {.table = &sde_kernels_neon, .runs_here = true};
#else
    levels[n++] = (Level) {.table = &sde_kernels_baseline, .runs_here = true};
#endif
    return n;
}

const SdeKernels *
sde_kernels_find(const char *name)
{
    Level levels[N_LEVELS];
    int n = list_levels(levels);

    for (int i = 0; i < n; i++) {
        if (levels[i].runs_here &&
            (name == NULL ? !levels[i].is_slow
                          : g_str_equal(levels[i].table->name, name))) {
            return levels[i].table;
        }
    }
    return NULL;
}

static void *
choose_table(void *unused)
{
    const char *name = g_getenv("SDE_KERNELS");
    const SdeKernels *table = name == NULL ? NULL : sde_kernels_find(name);

    return (void *) (table != NULL ? table : sde_kernels_find(NULL));
}

const SdeKernels *
sde_kernels_get(void)
{
    static GOnce once = G_ONCE_INIT;

    return g_once(&once, choose_table, NULL);
}
