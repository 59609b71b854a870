/* Arena: what planning says is what running takes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <stdint.h>

#include "base/arena.h"
#include "sde.h"

/* Some allocation pattern with marks; returns the number of allocations it made. */
static int
use_arena(SdeArena *arena)
{
    size_t outer = sde_arena_mark(arena);

    sde_arena_alloc(arena, 1000);
    for (size_t i = 1; i < 50; i++) {
        size_t mark = sde_arena_mark(arena);

        sde_arena_alloc(arena, i * 7);
        sde_arena_alloc(arena, 1);
        sde_arena_release(arena, mark);
    }
    sde_arena_alloc(arena, 333);
    sde_arena_release(arena, outer);
    return 1 + 49 * 2 + 1;
}

static void
test_dry_peak_is_real_peak(void)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    g_autoptr(GError) error = NULL;

    use_arena(dry);

    size_t peak = sde_arena_get_peak(dry);
    g_autoptr(SdeArena) real = sde_arena_new(peak, &error);

    g_assert_no_error(error);
    use_arena(real); /* asserts that it fits */
    g_assert_cmpuint(sde_arena_get_peak(real), ==, peak);
    g_assert_true(sde_arena_is_dry(dry));
    g_assert_false(sde_arena_is_dry(real));
}

static void
test_allocations_are_aligned_and_apart(void)
{
    g_autoptr(SdeArena) arena = sde_arena_new(1 << 20, NULL);
    float *last_end = NULL;

    for (size_t n = 1; n < 100; n++) {
        float *block = sde_arena_alloc(arena, n);

        g_assert_cmpuint((uintptr_t) block % SDE_ARENA_ALIGN, ==, 0);
        g_assert_true(last_end == NULL || block >= last_end);
        for (size_t i = 0; i < n; i++) {
            block[i] = (float) n;
        }
        last_end = block + n;
    }
}

static void
test_release_gives_the_same_memory_again(void)
{
    g_autoptr(SdeArena) arena = sde_arena_new(4096, NULL);
    size_t mark = sde_arena_mark(arena);
    float *first = sde_arena_alloc(arena, 10);

    sde_arena_release(arena, mark);
    g_assert_true(sde_arena_alloc(arena, 10) == first);
}

static void
test_dry_overflow_saturates(void)
{
    g_autoptr(SdeArena) arena = sde_arena_new_dry();

    g_assert_null(sde_arena_alloc(arena, SIZE_MAX / 2));
    g_assert_cmpuint(sde_arena_get_peak(arena), ==, SIZE_MAX);
    g_assert_null(sde_arena_alloc(arena, 1));
    g_assert_cmpuint(sde_arena_get_peak(arena), ==, SIZE_MAX);
    sde_arena_release(arena, 0);
    sde_arena_alloc(arena, SIZE_MAX / 8);
    sde_arena_alloc(arena, SIZE_MAX / 8);
    sde_arena_alloc(arena, SIZE_MAX / 8);
    g_assert_cmpuint(sde_arena_get_peak(arena), ==, SIZE_MAX);
}

static void
test_absurd_capacity_is_an_error(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(sde_arena_new(SIZE_MAX / 2, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
}

static void
test_overfull_arena_aborts(void)
{
    if (g_test_subprocess()) {
        SdeArena *arena = sde_arena_new(1024, NULL);

        sde_arena_alloc(arena, 257);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
}

/* Only ASan can tell; it then ends the process. */
static void
test_released_memory_is_poisoned_under_asan(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (g_test_subprocess()) {
        g_autoptr(SdeArena) arena = sde_arena_new(4096, NULL);
        volatile float *block = sde_arena_alloc(arena, 16);

        sde_arena_release(arena, 0);
        block[3] = 1;
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr("*use-after-poison*");
#else
    g_test_skip("not built with address sanitizer");
#endif
}

static void
test_empty_arena_is_fine(void)
{
    g_autoptr(SdeArena) arena = sde_arena_new(0, NULL);

    g_assert_nonnull(arena);
    g_assert_nonnull(sde_arena_alloc(arena, 0));
    sde_arena_free(NULL);
}

/* What is kept moves down over what lay before it, and stays whole where both overlap.
 */
static void
test_keep_moves_its_data_to_the_mark(void)
{
    const size_t sizes[] = {1, 16, 1000, 5000};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(SdeArena) dry = sde_arena_new_dry();
        g_autoptr(SdeArena) real = sde_arena_new(1 << 20, &error);
        SdeArena *arenas[] = {dry, real};
        size_t ends[2];

        g_assert_no_error(error);
        for (int k = 0; k < 2; k++) {
            sde_arena_alloc(arenas[k], 3);

            size_t mark = sde_arena_mark(arenas[k]);

            sde_arena_alloc(arenas[k], 400); /* less than is kept, and more */

            float *data = sde_arena_alloc(arenas[k], sizes[i]);

            for (size_t j = 0; data != NULL && j < sizes[i]; j++) {
                data[j] = (float) j;
            }
            sde_arena_alloc(arenas[k], 77);

            float *kept = sde_arena_keep(arenas[k], mark, data, sizes[i]);

            for (size_t j = 0; kept != NULL && j < sizes[i]; j++) {
                g_assert_cmpfloat(kept[j], ==, (float) j);
            }
            g_assert_true((kept == NULL) == sde_arena_is_dry(arenas[k]));
            ends[k] = sde_arena_mark(arenas[k]);
            sde_arena_release(arenas[k], mark);
            sde_arena_alloc(arenas[k], sizes[i]);
            g_assert_cmpuint(sde_arena_mark(arenas[k]), ==, ends[k]);
        }
        g_assert_cmpuint(ends[0], ==, ends[1]);
        g_assert_cmpuint(sde_arena_get_peak(dry), ==, sde_arena_get_peak(real));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arena/dry-peak-is-real-peak", test_dry_peak_is_real_peak);
    g_test_add_func("/arena/allocations-are-aligned-and-apart",
                    test_allocations_are_aligned_and_apart);
    g_test_add_func("/arena/release-gives-the-same-memory-again",
                    test_release_gives_the_same_memory_again);
    g_test_add_func("/arena/dry-overflow-saturates", test_dry_overflow_saturates);
    g_test_add_func("/arena/absurd-capacity-is-an-error",
                    test_absurd_capacity_is_an_error);
    g_test_add_func("/arena/overfull-arena-aborts", test_overfull_arena_aborts);
    g_test_add_func("/arena/released-memory-is-poisoned-under-asan",
                    test_released_memory_is_poisoned_under_asan);
    g_test_add_func("/arena/keep-moves-its-data-to-the-mark",
                    test_keep_moves_its_data_to_the_mark);
    g_test_add_func("/arena/empty-arena-is-fine", test_empty_arena_is_fine);
    return g_test_run();
}
