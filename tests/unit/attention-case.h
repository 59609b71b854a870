/* Attention on random data beside the same in double: for its test and for tests/bench.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/attention.h"

#include "kernel-fixture.h"

/* Two float products and an exponential good to 2 ulp. */
#define ATTENTION_ERROR 2e-6
/* Measured 3e-3. */
#define BF16_ATTENTION_ERROR 6e-3

typedef struct {
    SdeTensor qkv, y;
    int heads;
    bool bf16;
} AttentionCase;

static inline void
clear_attention_case(AttentionCase *c)
{
    clear_tensor(&c->qkv);
    clear_tensor(&c->y);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AttentionCase, clear_attention_case)

static inline void
make_attention_case(AttentionCase *c, int n, int h, int w, int heads, int depth)
{
    *c = (AttentionCase) {.heads = heads};
    c->qkv = random_tensor(n, h, w, 3 * heads * depth, 1);
    c->y = random_tensor(n, h, w, heads * depth, 2);
}

static inline void
run_attention_case(SdeCompute *compute, void *data)
{
    AttentionCase *c = data;

    sde_attention_run(compute, &c->qkv, c->heads, c->bf16, &c->y);
}

/* What the head must give for a query; scores: room for all tokens. */
static inline void
attend(const AttentionCase *c, int n, int head, int query, double *scores, double *want)
{
    const int inner = c->y.c, depth = inner / c->heads;
    const int tokens = c->y.h * c->y.w;
    const float *sample = c->qkv.data + (size_t) n * tokens * 3 * inner;
    const float *q = sample + (size_t) query * 3 * inner + head * depth;
    double sum = 0, max = -HUGE_VAL;

    for (int t = 0; t < tokens; t++) {
        const float *k = sample + (size_t) t * 3 * inner + inner + head * depth;

        scores[t] = 0;
        for (int d = 0; d < depth; d++) {
            scores[t] += (double) q[d] * (double) k[d] / sqrt(depth);
        }
        max = MAX(max, scores[t]);
    }
    for (int t = 0; t < tokens; t++) {
        scores[t] = exp(scores[t] - max);
        sum += scores[t];
    }
    for (int d = 0; d < depth; d++) {
        double value = 0;

        for (int t = 0; t < tokens; t++) {
            value +=
                scores[t] *
                (double) sample[(size_t) t * 3 * inner + 2 * inner + head * depth + d];
        }
        want[((size_t) n * tokens + query) * inner + head * depth + d] = value / sum;
    }
}
