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

#define PADDING      16 /* floats between rows: powers of two share cache sets */
#define SCORE_STRIDE ((size_t) KEYS + PADDING)
#define HALVES       ((size_t) 2) /* bfloat16 in the place of a float */

typedef struct {
    const SdeKernels *kernels;
    const SdeTensor *qkv;
    SdeTensor *y;
    int heads, depth, tokens, blocks_per_head;
    int key_panels, depth_panels;
    bool bf16;
    /* With bfloat16 each float holds two, as multiply_bf16() takes weights. */
    float *keys;   /* of each head: [key / panel][depth][panel] */
    float *values; /* of each head: [depth / panel][key][panel], whole panels of keys */
    float *scratch; /* per thread */
} Attention;

/* What a block of queries has seen so far. */
typedef struct {
    const Attention *a;
    const float *keys, *values; /* of its head */
    int queries;
    const float *q[QUERIES], *score_rows[QUERIES];
    SdeBf16 *rounded_q; /* the same rows with bfloat16 */
    float *scores;      /* rows SCORE_STRIDE apart, which are rounded in place */
    float *tile;        /* queries × panel */
    float *result;      /* queries × whole panels of the depth */
    float max[QUERIES], sum[QUERIES], factor[QUERIES];
} Partial;

/* Floats of a panel of keys, and of a panel of values for a panel of the depth. */
static size_t
count_key_panel(const Attention *a)
{
    return (size_t) a->depth * a->kernels->panel / (a->bf16 ? HALVES : 1);
}

static size_t
count_value_panel(const Attention *a)
{
    return (size_t) a->kernels->panel * a->kernels->panel / (a->bf16 ? HALVES : 1);
}

static size_t
count_head_keys(const Attention *a)
{
    return (size_t) a->key_panels * count_key_panel(a);
}

static size_t
count_head_values(const Attention *a)
{
    return (size_t) a->depth_panels * (size_t) a->key_panels * count_value_panel(a);
}

/* ---- panels of keys and values ---- */

/* Keys and values after the last token are zeros. */
static void
pack_keys(const Attention *a, const float *k, size_t stride, int n, float *to)
{
    memset(to, 0, count_key_panel(a) * sizeof(float));
    for (int i = 0; i < n; i++) {
        for (int d = 0; d < a->depth; d++) {
            sde_put_weight(to, a->kernels->panel, d, i, a->bf16,
                           k[(size_t) i * stride + d]);
        }
    }
}

static void
pack_values(const Attention *a, const float *v, size_t stride, int n, float *to)
{
    const int panel = a->kernels->panel;

    for (int d = 0; d < a->depth; d += panel) {
        memset(to, 0, count_value_panel(a) * sizeof(float));
        for (int i = 0; i < n; i++) {
            for (int c = 0; c < MIN(panel, a->depth - d); c++) {
                sde_put_weight(to, panel, i, c, a->bf16,
                               v[(size_t) i * stride + d + c]);
            }
        }
        to += (size_t) a->key_panels * count_value_panel(a);
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
              a->keys + head * count_head_keys(a) + p * count_key_panel(a));
    pack_values(a, k + inner, stride, n,
                a->values + head * count_head_values(a) + p * count_value_panel(a));
}

/* ---- blocks of queries ---- */

static size_t
get_query_stride(const Attention *a) /* of the rounded ones */
{
    return (size_t) a->depth + HALVES * PADDING;
}

static size_t
count_result(const Attention *a)
{
    return (size_t) QUERIES * a->depth_panels * a->kernels->panel;
}

static size_t
count_scratch(const Attention *a)
{
    const size_t rounded = a->bf16 ? QUERIES * get_query_stride(a) / HALVES : 0;

    return QUERIES * SCORE_STRIDE + (size_t) QUERIES * a->kernels->panel +
           count_result(a) + rounded;
}

static void
begin_block(Partial *partial, const float *q, float *scratch)
{
    const Attention *a = partial->a;

    partial->scores = scratch;
    partial->tile = partial->scores + QUERIES * SCORE_STRIDE;
    partial->result = partial->tile + (size_t) QUERIES * a->kernels->panel;
    partial->rounded_q = (SdeBf16 *) (void *) (partial->result + count_result(a));
    memset(partial->result, 0, count_result(a) * sizeof(float));
    for (int i = 0; i < partial->queries; i++) {
        partial->q[i] = q + (size_t) i * a->qkv->c;
        partial->score_rows[i] = partial->scores + (size_t) i * SCORE_STRIDE;
        partial->max[i] = -INFINITY;
        partial->sum[i] = 0.0f;
        if (a->bf16) {
            a->kernels->to_bf16(partial->q[i], a->depth,
                                partial->rounded_q + (size_t) i * get_query_stride(a));
        }
    }
}

/* Rows by a panel of weights: as they are, or rounded ones. */
static void
multiply(const Partial *partial, const float *const *rows, const SdeBf16 *rounded,
         size_t rounded_stride, int depth, const float *weights, float *out,
         size_t stride)
{
    const Attention *a = partial->a;

    if (a->bf16) {
        const SdeBf16Input input = {rounded, rounded_stride, partial->queries, depth,
                                    NULL};

        a->kernels->multiply_bf16(&input, weights, out, stride);
    } else {
        const SdePanelInput input = {rows, &depth, partial->queries, 1, NULL};

        a->kernels->multiply(&input, weights, out, stride);
    }
}

/* The scores of the keys of some panels; those after the last key weigh nothing. */
static void
multiply_keys(const Partial *partial, int first, int n_panels)
{
    const Attention *a = partial->a;
    const int panel = a->kernels->panel;
    const int n_keys = MIN(n_panels * panel, a->tokens - first * panel);

    for (int p = 0; p < n_panels; p++) {
        multiply(partial, partial->q, partial->rounded_q, get_query_stride(a), a->depth,
                 partial->keys + (size_t) (first + p) * count_key_panel(a),
                 partial->scores + (size_t) p * panel, SCORE_STRIDE);
    }
    for (int i = 0; i < partial->queries; i++) {
        for (int k = n_keys; k < n_panels * panel; k++) {
            partial->scores[(size_t) i * SCORE_STRIDE + (size_t) k] = -INFINITY;
        }
    }
}

static void
multiply_values(const Partial *partial, int first, int n_panels)
{
    const Attention *a = partial->a;
    const int panel = a->kernels->panel;

    for (int d = 0; d < a->depth_panels; d++) {
        const size_t at = (size_t) d * a->key_panels + (size_t) first;

        multiply(partial, partial->score_rows,
                 (const SdeBf16 *) (const void *) partial->scores,
                 HALVES * SCORE_STRIDE, n_panels * panel,
                 partial->values + at * count_value_panel(a), partial->tile,
                 (size_t) panel);
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
    const float scale = 1.0f / sqrtf((float) partial->a->depth);
    const int n = n_panels * kernels->panel;

    multiply_keys(partial, first, n_panels);
    for (int i = 0; i < partial->queries; i++) {
        float *row = partial->scores + (size_t) i * SCORE_STRIDE;

        partial->factor[i] =
            kernels->softmax_block(row, n, scale, partial->max + i, partial->sum + i);
        if (partial->a->bf16) {
            kernels->to_bf16(row, n, (SdeBf16 *) (void *) row);
        }
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
sde_attention_run(SdeCompute *compute, const SdeTensor *qkv, int heads, bool bf16,
                  SdeTensor *y)
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
    a.bf16 = bf16 && a.kernels->multiply_bf16 != NULL && a.depth % 2 == 0;
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
