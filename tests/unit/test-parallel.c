/* Parallel-for: every block once, for any number of threads, and none after a cancel.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <stdatomic.h>

#include "base/parallel.h"

static const int thread_counts[] = {1, 2, 3, 7, 16};

typedef struct {
    unsigned char *n_runs; /* for each block */
    int n_threads;
    atomic_size_t n_total;
    GCancellable *cancellable;
    size_t cancel_at;
} Work;

static void
count_block(size_t block, int thread, void *data)
{
    Work *work = data;

    g_assert_cmpint(thread, >=, 0);
    g_assert_cmpint(thread, <, work->n_threads);
    work->n_runs[block]++; /* plain: the pool alone must keep threads apart */
    atomic_fetch_add(&work->n_total, 1);
}

static void
check_every_block_once(SdePool *pool, size_t n_blocks)
{
    g_autofree unsigned char *n_runs = g_malloc0(n_blocks + 1);
    Work work = {.n_runs = n_runs,
                 .n_threads = pool != NULL ? sde_pool_get_n_threads(pool) : 1};

    sde_parallel_for(pool, n_blocks, NULL, count_block, &work);
    for (size_t i = 0; i < n_blocks; i++) {
        g_assert_cmpint(n_runs[i], ==, 1);
    }
    g_assert_cmpint(n_runs[n_blocks], ==, 0);
}

static void
test_every_block_runs_once(void)
{
    static const size_t sizes[] = {0, 1, 2, 3, 10, 1000};

    for (size_t t = 0; t < G_N_ELEMENTS(thread_counts); t++) {
        g_autoptr(SdePool) pool = sde_pool_new(thread_counts[t]);

        g_assert_cmpint(sde_pool_get_n_threads(pool), ==, thread_counts[t]);
        for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
            check_every_block_once(pool, sizes[s]);
        }
    }
    check_every_block_once(NULL, 100);
}

/* Short jobs in a row: workers that wake late must not disturb the next job. */
static void
test_many_short_jobs_do_not_mix(void)
{
    g_autoptr(SdePool) pool = sde_pool_new(7);

    for (size_t i = 0; i < 3000; i++) {
        check_every_block_once(pool, 1 + i % 9);
    }
}

static void
note_thread(size_t block, int thread, void *data)
{
    atomic_uint *seen = data;

    /* Wait until a second thread has come (or for long enough that there is none). */
    atomic_fetch_or(seen, 1u << thread);
    for (int i = 0; i < 10000 && (atomic_load(seen) & (atomic_load(seen) - 1)) == 0;
         i++) {
        g_thread_yield();
    }
}

static void
test_more_than_one_thread_works(void)
{
    g_autoptr(SdePool) pool = sde_pool_new(2);
    unsigned all_seen = 0;

    for (int i = 0; i < 200 && all_seen != 3; i++) {
        atomic_uint seen = 0;

        sde_parallel_for(pool, 2, NULL, note_thread, &seen);
        all_seen |= atomic_load(&seen);
    }
    g_assert_cmpuint(all_seen, ==, 3);
}

static void
cancel_at_block(size_t block, int thread, void *data)
{
    Work *work = data;

    if (atomic_fetch_add(&work->n_total, 1) == work->cancel_at) {
        g_cancellable_cancel(work->cancellable);
    }
}

static void
test_cancel_skips_the_rest(void)
{
    for (size_t t = 0; t < G_N_ELEMENTS(thread_counts); t++) {
        g_autoptr(SdePool) pool = sde_pool_new(thread_counts[t]);
        g_autoptr(GCancellable) cancellable = g_cancellable_new();
        Work work = {.cancellable = cancellable, .cancel_at = 10};
        size_t n_run = 0;

        sde_parallel_for(pool, 1000000, cancellable, cancel_at_block, &work);
        n_run = atomic_load(&work.n_total);
        g_assert_cmpuint(n_run, >, 10);
        g_assert_cmpuint(n_run, <, 1000000);

        sde_parallel_for(pool, 1000, cancellable, cancel_at_block, &work);
        g_assert_cmpuint(atomic_load(&work.n_total), ==, n_run);
    }
}

/* The caller sees what every block wrote, without locks of its own (for tsan). */
static void
square(size_t block, int thread, void *data)
{
    ((size_t *) data)[block] = block * block;
}

static void
test_results_are_visible_to_the_caller(void)
{
    g_autoptr(SdePool) pool = sde_pool_new(3);
    g_autofree size_t *squares = g_new0(size_t, 500);

    for (int round = 0; round < 20; round++) {
        sde_parallel_for(pool, 500, NULL, square, squares);
        for (size_t i = 0; i < 500; i++) {
            g_assert_cmpuint(squares[i], ==, i * i);
            squares[i] = 0;
        }
    }
}

static void
nest(size_t block, int thread, void *data)
{
    sde_parallel_for(data, 4, NULL, square, data);
}

static void
test_nesting_is_a_programming_error(void)
{
    if (g_test_subprocess()) {
        g_autoptr(SdePool) pool = sde_pool_new(2);

        sde_parallel_for(pool, 2, NULL, nest, pool);
        return;
    }
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
    g_test_trap_assert_failed();
}

static void
test_counted_cores_make_a_legal_pool(void)
{
    int n = sde_pool_count_cores();

    g_assert_cmpint(n, >=, 1);
    g_assert_cmpint(n, <=, 256);
    sde_pool_free(sde_pool_new(n));
    sde_pool_free(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parallel/every-block-runs-once", test_every_block_runs_once);
    g_test_add_func("/parallel/many-short-jobs-do-not-mix",
                    test_many_short_jobs_do_not_mix);
    g_test_add_func("/parallel/more-than-one-thread-works",
                    test_more_than_one_thread_works);
    g_test_add_func("/parallel/cancel-skips-the-rest", test_cancel_skips_the_rest);
    g_test_add_func("/parallel/results-are-visible-to-the-caller",
                    test_results_are_visible_to_the_caller);
    g_test_add_func("/parallel/nesting-is-a-programming-error",
                    test_nesting_is_a_programming_error);
    g_test_add_func("/parallel/counted-cores-make-a-legal-pool",
                    test_counted_cores_make_a_legal_pool);
    return g_test_run();
}
