/* Parallel-for over fixed blocks, one pool per run (POSIX threads). Work is cut into
 * blocks by shape, never by thread count: which thread runs a block does not show in
 * the result. The calling thread works too. Idle threads sleep. */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct _SdePool SdePool;

/* 0 < n_threads <= 256; 1 starts no thread. */
SdePool *sde_pool_new(int n_threads);
void sde_pool_free(SdePool *pool); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdePool, sde_pool_free)
int sde_pool_get_n_threads(const SdePool *pool);
/* Cores this process may use (its affinity mask). */
int sde_pool_count_cores(void);

/* `thread` is 0..n_threads-1, for per-thread scratch. */
typedef void (*SdeBlockFunc)(size_t block, int thread, void *data);
/* Calls func once for each block 0..n_blocks-1; pool NULL: in this thread. Once
 * `cancellable` (nullable) is cancelled the remaining blocks are skipped. */
void sde_parallel_for(SdePool *pool, size_t n_blocks, GCancellable *cancellable,
                      SdeBlockFunc func, void *data);
