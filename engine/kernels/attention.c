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

static size_t
count_scratch(int depth)
{
    return (size_t) QUERIES * (size_t) (KEYS + depth);
}

/* One block of keys: scores, softmax so far, result so far. */
static void
add_keys(const Attention *a, SdeMatrix q, SdeMatrix k, SdeMatrix v, int queries,
         int keys, float *scores, float *max, float *sum, float *result)
{
    const SdeKernels *kernels = sde_kernels_get();
    const float scale = 1.0f / sqrtf((float) a->depth);

    sde_gemm_transposed(queries, keys, a->depth, scale, q, k, scores, KEYS);
    for (int i = 0; i < queries; i++) {
        float *row = result + (size_t) i * a->depth;
        const float factor =
            kernels->softmax_block(scores + (size_t) i * KEYS, keys, max + i, sum + i);

        for (int d = 0; d < a->depth; d++) {
            row[d] *= factor;
        }
    }
    sde_gemm_add(queries, a->depth, keys, (SdeMatrix) {scores, KEYS}, v, result,
                 (size_t) a->depth);
}

static void
run_block(size_t block, int thread, void *data)
{
    const Attention *a = data;
    const int inner = a->y->c;
    const size_t stride = 3 * (size_t) inner;
    const size_t head_index = block / (size_t) a->blocks_per_head;
    const size_t n = head_index / (size_t) a->heads;
    const int head = (int) (head_index % (size_t) a->heads);
    const int first = (int) (block % (size_t) a->blocks_per_head) * QUERIES;
    const int queries = MIN(QUERIES, a->tokens - first);
    const float *sample = a->qkv->data + n * (size_t) a->tokens * stride;
    const float *q = sample + (size_t) head * a->depth;
    float *scores = a->scratch + (size_t) thread * count_scratch(a->depth);
    float *result = scores + (size_t) QUERIES * KEYS;
    float max[QUERIES], sum[QUERIES];

    for (int i = 0; i < queries; i++) {
        max[i] = -INFINITY;
        sum[i] = 0.0f;
    }
    memset(result, 0, (size_t) queries * a->depth * sizeof(float));
    for (int key = 0; key < a->tokens; key += KEYS) {
        const float *k = q + (size_t) key * stride + inner;

        add_keys(a, (SdeMatrix) {q + (size_t) first * stride, stride},
                 (SdeMatrix) {k, stride}, (SdeMatrix) {k + inner, stride}, queries,
                 MIN(KEYS, a->tokens - key), scores, max, sum, result);
    }
    for (int i = 0; i < queries; i++) {
        float *y = a->y->data +
                   (n * (size_t) a->tokens + (size_t) (first + i)) * (size_t) inner +
                   (size_t) head * a->depth;

        for (int d = 0; d < a->depth; d++) {
            y[d] = result[(size_t) i * a->depth + d] / sum[i];
        }
    }
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
