/* softmax(Q K') V without the score matrix.
 *
 * A block is some queries of one head. It walks the keys in blocks, keeping for each
 * query the maximum and sum so far, and rescales its partial result whenever the
 * maximum grows (Milakov and Gimelshein 2018; Dao et al. 2022): memory does not grow
 * with the square of the map. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "kernels/gemm.h"
#include "kernels/kernels.h"

#define QUERIES 64  /* of a block */
#define KEYS    512 /* of a block: scores take 128 KiB */

typedef struct {
    const SdeTensor *qkv;
    SdeTensor *y;
    int heads, depth, tokens, blocks_per_head;
    float *scratch; /* per thread: scores, result */
} Attention;

/* What a block of queries has seen so far. */
typedef struct {
    SdeMatrix q;
    int queries;
    float *scores; /* QUERIES × KEYS */
    float *result; /* queries × depth */
    float max[QUERIES], sum[QUERIES];
} Partial;

static size_t
count_scratch(int depth)
{
    return (size_t) QUERIES * (size_t) (KEYS + depth);
}

static void
add_keys(const Attention *a, Partial *partial, SdeMatrix k, SdeMatrix v, int keys)
{
    const SdeKernels *kernels = sde_kernels_get();
    const float scale = 1.0f / sqrtf((float) a->depth);

    sde_gemm_transposed(partial->queries, keys, a->depth, scale, partial->q, k,
                        partial->scores, KEYS);
    for (int i = 0; i < partial->queries; i++) {
        float *row = partial->result + (size_t) i * a->depth;
        const float factor =
            kernels->softmax_block(partial->scores + (size_t) i * KEYS, keys,
                                   partial->max + i, partial->sum + i);

        for (int d = 0; d < a->depth; d++) {
            row[d] *= factor;
        }
    }
    sde_gemm_add(partial->queries, a->depth, keys, (SdeMatrix) {partial->scores, KEYS},
                 v, partial->result, (size_t) a->depth);
}

static void
write_result(const Attention *a, const Partial *partial, float *y)
{
    for (int i = 0; i < partial->queries; i++) {
        for (int d = 0; d < a->depth; d++) {
            y[(size_t) i * a->y->c + d] =
                partial->result[(size_t) i * a->depth + d] / partial->sum[i];
        }
    }
}

static void
run_block(size_t block, int thread, void *data)
{
    const Attention *a = data;
    const size_t inner = (size_t) a->y->c;
    const size_t stride = 3 * inner;
    const size_t head_index = block / (size_t) a->blocks_per_head;
    const size_t n = head_index / (size_t) a->heads;
    const size_t column = head_index % (size_t) a->heads * (size_t) a->depth;
    const int first = (int) (block % (size_t) a->blocks_per_head) * QUERIES;
    const float *sample = a->qkv->data + n * (size_t) a->tokens * stride + column;
    Partial partial = {
        .q = {sample + (size_t) first * stride, stride},
        .queries = MIN(QUERIES, a->tokens - first),
        .scores = a->scratch + (size_t) thread * count_scratch(a->depth),
    };

    partial.result = partial.scores + (size_t) QUERIES * KEYS;
    memset(partial.result, 0, (size_t) partial.queries * a->depth * sizeof(float));
    for (int i = 0; i < partial.queries; i++) {
        partial.max[i] = -INFINITY;
    }
    for (int key = 0; key < a->tokens; key += KEYS) {
        const float *k = sample + (size_t) key * stride + inner;

        add_keys(a, &partial, (SdeMatrix) {k, stride}, (SdeMatrix) {k + inner, stride},
                 MIN(KEYS, a->tokens - key));
    }
    write_result(a, &partial,
                 a->y->data + (n * (size_t) a->tokens + (size_t) first) * inner +
                     column);
}

void
sde_attention_run(SdeCompute *compute, const SdeTensor *qkv, int heads, SdeTensor *y)
{
    const size_t mark = sde_arena_mark(compute->arena);
    Attention a = {.qkv = qkv, .y = y, .heads = heads, .depth = y->c / heads};

    g_assert(qkv->c == 3 * y->c && y->c % heads == 0);
    a.tokens = y->h * y->w;
    a.blocks_per_head = (a.tokens + QUERIES - 1) / QUERIES;
    a.scratch = sde_arena_alloc(compute->arena,
                                (size_t) compute->n_threads * count_scratch(a.depth));
    if (!sde_compute_is_dry(compute)) {
        sde_compute_for(compute,
                        (size_t) y->n * (size_t) heads * (size_t) a.blocks_per_head,
                        run_block, &a);
    }
    compute->flop += 4.0 * (double) sde_tensor_count(y) * a.tokens;
    sde_arena_release(compute->arena, mark);
}
