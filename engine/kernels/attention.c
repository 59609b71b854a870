/* softmax(Q K') V without the score matrix.
 *
 * Keys and values are first laid out as weight panels, so that the micro-kernel
 * multiplies them. A block is some queries of one head. It walks the keys in blocks,
 * keeping for each query the maximum and sum so far, and rescales its partial result
 * whenever the maximum grows (Milakov and Gimelshein 2018; Dao et al. 2022): memory
 * does not grow with the square of the map. SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"

#define QUERIES 64  /* of a block */
#define KEYS    512 /* of a block, whole panels of any level: scores take 132 KiB */

#define SCORE_STRIDE (KEYS + 16) /* powers of two share cache sets */

typedef struct {
    const SdeKernels *kernels;
    const SdeTensor *qkv;
    SdeTensor *y;
    int heads, depth, tokens, blocks_per_head;
    int key_panels, depth_panels;
    float *keys;   /* of each head: [key / panel][depth][panel], scaled */
    float *values; /* of each head: [depth / panel][key][panel], whole panels of keys */
    float *scratch; /* per thread */
} Attention;

/* What a block of queries has seen so far. */
typedef struct {
    const Attention *a;
    const float *keys, *values; /* of its head */
    int queries;
    const float *q[QUERIES], *score_rows[QUERIES];
    float *scores; /* rows SCORE_STRIDE apart */
    float *tile;   /* queries × panel */
    float *result; /* queries × whole panels of the depth */
    float max[QUERIES], sum[QUERIES], factor[QUERIES];
} Partial;

static size_t
count_head_keys(const Attention *a)
{
    return (size_t) a->key_panels * (size_t) a->depth * (size_t) a->kernels->panel;
}

static size_t
count_head_values(const Attention *a)
{
    const size_t panel = (size_t) a->kernels->panel;

    return (size_t) a->depth_panels * (size_t) a->key_panels * panel * panel;
}

/* ---- panels of keys and values ---- */

/* Keys and values after the last token are zeros. */
static void
pack_keys(const Attention *a, const float *k, size_t stride, int n, float *to)
{
    const int panel = a->kernels->panel;
    const float scale = 1.0f / sqrtf((float) a->depth);

    for (int d = 0; d < a->depth; d++) {
        for (int i = 0; i < panel; i++) {
            to[d * panel + i] = i < n ? k[(size_t) i * stride + d] * scale : 0.0f;
        }
    }
}

static void
pack_values(const Attention *a, const float *v, size_t stride, int n, float *to)
{
    const int panel = a->kernels->panel;
    const size_t step = (size_t) a->key_panels * panel * panel;

    for (int d = 0; d < a->depth; d += panel) {
        const size_t width = (size_t) MIN(panel, a->depth - d);
        float *rows = to + (size_t) (d / panel) * step;

        memset(rows, 0, (size_t) panel * panel * sizeof(float));
        for (int i = 0; i < n; i++) {
            memcpy(rows + (size_t) i * panel, v + (size_t) i * stride + d,
                   width * sizeof(float));
        }
    }
}

/* The queries of a head's first token; its key and value follow. */
static const float *
find_head(const Attention *a, size_t head)
{
    const size_t inner = (size_t) a->y->c;
    const size_t n = head / (size_t) a->heads;

    return a->qkv->data + n * (size_t) a->tokens * 3 * inner +
           head % (size_t) a->heads * (size_t) a->depth;
}

static void
pack_panel(size_t block, int thread, void *data)
{
    const Attention *a = data;
    const int panel = a->kernels->panel;
    const size_t inner = (size_t) a->y->c, stride = 3 * inner;
    const size_t head = block / (size_t) a->key_panels;
    const size_t p = block % (size_t) a->key_panels;
    const float *k = find_head(a, head) + p * (size_t) panel * stride + inner;
    const int n = MIN(panel, a->tokens - (int) p * panel);

    pack_keys(a, k, stride, n,
              a->keys + head * count_head_keys(a) + p * (size_t) (a->depth * panel));
    pack_values(a, k + inner, stride, n,
                a->values + head * count_head_values(a) + p * (size_t) (panel * panel));
}

/* ---- blocks of queries ---- */

/* The scores of the keys of some panels; those after the last key weigh nothing. */
static void
multiply_keys(const Partial *partial, int first, int n_panels)
{
    const Attention *a = partial->a;
    const int panel = a->kernels->panel;
    const SdePanelInput input = {partial->q, &a->depth, partial->queries, 1, NULL};
    const int n_keys = MIN(n_panels * panel, a->tokens - first * panel);

    for (int p = 0; p < n_panels; p++) {
        a->kernels->multiply(&input,
                             partial->keys + (size_t) (first + p) * a->depth * panel,
                             partial->scores + p * panel, SCORE_STRIDE);
    }
    for (int i = 0; i < partial->queries; i++) {
        for (int k = n_keys; k < n_panels * panel; k++) {
            partial->scores[i * SCORE_STRIDE + k] = -INFINITY;
        }
    }
}

static void
multiply_values(const Partial *partial, int first, int n_panels)
{
    const Attention *a = partial->a;
    const int panel = a->kernels->panel, n_keys = n_panels * panel;
    const SdePanelInput input = {partial->score_rows, &n_keys, partial->queries, 1,
                                 NULL};

    for (int d = 0; d < a->depth_panels; d++) {
        const size_t at = (size_t) d * a->key_panels + (size_t) first;

        a->kernels->multiply(&input, partial->values + at * (size_t) (panel * panel),
                             partial->tile, (size_t) panel);
        for (int i = 0; i < partial->queries; i++) {
            const float *from = partial->tile + (size_t) i * panel;
            float *to = partial->result + ((size_t) i * a->depth_panels + d) * panel;

            for (int c = 0; c < panel; c++) {
                to[c] = to[c] * partial->factor[i] + from[c];
            }
        }
    }
}

static void
add_keys(Partial *partial, int first, int n_panels)
{
    const SdeKernels *kernels = partial->a->kernels;

    multiply_keys(partial, first, n_panels);
    for (int i = 0; i < partial->queries; i++) {
        partial->factor[i] = kernels->softmax_block(
            partial->scores + (size_t) i * SCORE_STRIDE, n_panels * kernels->panel,
            partial->max + i, partial->sum + i);
    }
    multiply_values(partial, first, n_panels);
}

static void
write_result(const Partial *partial, float *y)
{
    const Attention *a = partial->a;
    const size_t width = (size_t) a->depth_panels * a->kernels->panel;

    for (int i = 0; i < partial->queries; i++) {
        for (int d = 0; d < a->depth; d++) {
            y[(size_t) i * a->y->c + d] =
                partial->result[(size_t) i * width + d] / partial->sum[i];
        }
    }
}

static size_t
count_result(const Attention *a)
{
    return (size_t) QUERIES * a->depth_panels * a->kernels->panel;
}

static size_t
count_scratch(const Attention *a)
{
    return QUERIES * SCORE_STRIDE + (size_t) QUERIES * a->kernels->panel +
           count_result(a);
}

static void
begin_block(Partial *partial, const float *q, float *scratch)
{
    const Attention *a = partial->a;

    partial->scores = scratch;
    partial->tile = partial->scores + QUERIES * SCORE_STRIDE;
    partial->result = partial->tile + (size_t) QUERIES * a->kernels->panel;
    memset(partial->result, 0, count_result(a) * sizeof(float));
    for (int i = 0; i < partial->queries; i++) {
        partial->q[i] = q + (size_t) i * a->qkv->c;
        partial->score_rows[i] = partial->scores + (size_t) i * SCORE_STRIDE;
        partial->max[i] = -INFINITY;
        partial->sum[i] = 0.0f;
    }
}

static void
run_block(size_t block, int thread, void *data)
{
    const Attention *a = data;
    const size_t head = block / (size_t) a->blocks_per_head;
    const int first = (int) (block % (size_t) a->blocks_per_head) * QUERIES;
    const size_t n = head / (size_t) a->heads;
    const size_t column = head % (size_t) a->heads * (size_t) a->depth;
    const int keys = KEYS / a->kernels->panel;
    Partial partial = {.a = a,
                       .keys = a->keys + head * count_head_keys(a),
                       .values = a->values + head * count_head_values(a),
                       .queries = MIN(QUERIES, a->tokens - first)};

    begin_block(&partial, find_head(a, head) + (size_t) first * a->qkv->c,
                a->scratch + (size_t) thread * count_scratch(a));
    for (int p = 0; p < a->key_panels; p += keys) {
        add_keys(&partial, p, MIN(keys, a->key_panels - p));
    }
    write_result(&partial, a->y->data +
                               (n * (size_t) a->tokens + (size_t) first) * a->y->c +
                               column);
}

void
sde_attention_run(SdeCompute *compute, const SdeTensor *qkv, int heads, SdeTensor *y)
{
    const size_t mark = sde_arena_mark(compute->arena);
    const size_t n_heads = (size_t) y->n * (size_t) heads;
    Attention a = {.kernels = sde_kernels_get(),
                   .qkv = qkv,
                   .y = y,
                   .heads = heads,
                   .depth = y->c / heads,
                   .tokens = y->h * y->w};
    const int panel = a.kernels->panel;

    g_assert(qkv->c == 3 * y->c && y->c % heads == 0);
    a.blocks_per_head = (a.tokens + QUERIES - 1) / QUERIES;
    a.key_panels = (a.tokens + panel - 1) / panel;
    a.depth_panels = (a.depth + panel - 1) / panel;
    a.keys = sde_arena_alloc(compute->arena, n_heads * count_head_keys(&a));
    a.values = sde_arena_alloc(compute->arena, n_heads * count_head_values(&a));
    a.scratch = sde_arena_alloc(compute->arena,
                                (size_t) compute->n_threads * count_scratch(&a));
    if (!sde_compute_is_dry(compute)) {
        sde_compute_for(compute, n_heads * (size_t) a.key_panels, pack_panel, &a);
        sde_compute_for(compute, n_heads * (size_t) a.blocks_per_head, run_block, &a);
    }
    compute->flop += 4.0 * (double) sde_tensor_count(y) * a.tokens;
    sde_arena_release(compute->arena, mark);
}
