/* Parallel-for over fixed blocks.
 *
 * One job at a time: the caller posts it, idle workers join, and everybody takes the
 * next block number from an atomic counter until there is none. The caller waits only
 * for workers that joined, so one that comes late costs nothing. Jobs of a network
 * follow each other within microseconds, and to wake a sleeping thread takes tens of
 * them: who waits looks for a short while whether it is over, and only then sleeps. A
 * mutex guards all state, and makes a block's writes visible to the caller.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/parallel.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#define MAX_THREADS 256
#define N_LOOKS     2000 /* before sleeping: some 40 µs */

typedef struct {
    SdeBlockFunc func;
    void *data;
    size_t n_blocks;
    GCancellable *cancellable;
    atomic_size_t next;
} Job; /* on the stack of the caller of sde_parallel_for */

typedef struct {
    SdePool *pool;
    int index; /* 1..n_threads-1; the caller is 0 */
    pthread_t thread;
} Worker;

struct _SdePool {
    int n_threads;
    Worker *workers; /* n_threads - 1 */

    pthread_mutex_t mutex;
    pthread_cond_t posted;   /* a job is there, or the pool closes */
    pthread_cond_t finished; /* the last joined worker left the job */
    Job *job;                /* NULL: nothing to join */
    /* Changed under the mutex, but looked at without. */
    atomic_size_t n_posted; /* jobs so far: a worker joins each at most once */
    atomic_int n_joined;    /* workers inside the job */
    bool closing;
};

static void
run_blocks(Job *job, int thread)
{
    while (!g_cancellable_is_cancelled(job->cancellable)) {
        size_t block = atomic_fetch_add_explicit(&job->next, 1, memory_order_relaxed);

        if (block >= job->n_blocks) {
            return;
        }
        job->func(block, thread, job->data);
    }
}

static void
pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void
await_job(SdePool *pool, size_t n_seen)
{
    for (int i = 0; i < N_LOOKS && atomic_load(&pool->n_posted) == n_seen; i++) {
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    while (!pool->closing && (pool->job == NULL || pool->n_posted == n_seen)) {
        pthread_cond_wait(&pool->posted, &pool->mutex);
    }
}

static void
await_workers(SdePool *pool)
{
    for (int i = 0; i < N_LOOKS && atomic_load(&pool->n_joined) > 0; i++) {
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    while (pool->n_joined > 0) {
        pthread_cond_wait(&pool->finished, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
}

static void *
worker_main(void *data)
{
    Worker *worker = data;
    SdePool *pool = worker->pool;
    size_t n_seen = 0;

    for (;;) {
        await_job(pool, n_seen);
        if (pool->closing) {
            break;
        }

        Job *job = pool->job;

        n_seen = pool->n_posted;
        pool->n_joined++;
        pthread_mutex_unlock(&pool->mutex);
        run_blocks(job, worker->index);
        pthread_mutex_lock(&pool->mutex);
        if (--pool->n_joined == 0) {
            pthread_cond_signal(&pool->finished);
        }
        pthread_mutex_unlock(&pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

/* Signals belong to the program's own threads, so workers are born with all blocked.
 * With fewer threads than asked for (a process limit) the result is the same, later. */
static void
start_workers(SdePool *pool, int n_wanted)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (pool->n_threads < n_wanted) {
        Worker *worker = &pool->workers[pool->n_threads - 1];

        worker->pool = pool;
        worker->index = pool->n_threads;
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
            break;
        }
        pool->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
}

SdePool *
sde_pool_new(int n_threads)
{
    SdePool *pool = NULL;

    g_assert(n_threads > 0 && n_threads <= MAX_THREADS);
    pool = g_new0(SdePool, 1);
    pool->n_threads = 1;
    pool->workers = g_new0(Worker, n_threads);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->posted, NULL);
    pthread_cond_init(&pool->finished, NULL);
    start_workers(pool, n_threads);
    return pool;
}

void
sde_pool_free(SdePool *pool)
{
    if (pool == NULL) {
        return;
    }
    pthread_mutex_lock(&pool->mutex);
    pool->closing = true;
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
    for (int i = 1; i < pool->n_threads; i++) {
        pthread_join(pool->workers[i - 1].thread, NULL);
    }
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->posted);
    pthread_mutex_destroy(&pool->mutex);
    g_free(pool->workers);
    g_free(pool);
}

int
sde_pool_get_n_threads(const SdePool *pool)
{
    return pool->n_threads;
}

int
sde_pool_count_cores(void)
{
    /* GLib counts the affinity mask, not the machine. */
    return (int) CLAMP(g_get_num_processors(), 1u, (guint) MAX_THREADS);
}

static void
post_job(SdePool *pool, Job *job)
{
    pthread_mutex_lock(&pool->mutex);
    g_assert(pool->job == NULL); /* no parallel loop inside a block */
    pool->job = job;
    pool->n_posted++;
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->mutex);
}

static void
close_job(SdePool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->job = NULL;
    pthread_mutex_unlock(&pool->mutex);
    await_workers(pool);
}

void
sde_parallel_for(SdePool *pool, size_t n_blocks, GCancellable *cancellable,
                 SdeBlockFunc func, void *data)
{
    Job job = {
        .func = func, .data = data, .n_blocks = n_blocks, .cancellable = cancellable};
    bool shared = pool != NULL && pool->n_threads > 1 && n_blocks > 1;

    atomic_init(&job.next, 0);
    if (shared) {
        post_job(pool, &job);
    }
    run_blocks(&job, 0);
    if (shared) {
        close_job(pool);
    }
}
