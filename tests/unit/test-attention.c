/* Attention against double. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/attention.h"

#include "kernel-fixture.h"

/* Two float products and an exponential good to 2 ulp. */
#define ERROR 2e-6

typedef struct {
    SdeTensor qkv, y;
    int heads;
} Case;

static void
clear_case(Case *c)
{
    clear_tensor(&c->qkv);
    clear_tensor(&c->y);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, clear_case)

static void
make_case(Case *c, int n, int h, int w, int heads, int depth)
{
    *c = (Case) {.heads = heads};
    c->qkv = random_tensor(n, h, w, 3 * heads * depth, 1);
    c->y = random_tensor(n, h, w, heads * depth, 2);
}

static void
run(SdeCompute *compute, void *data)
{
    Case *c = data;

    sde_attention_run(compute, &c->qkv, c->heads, &c->y);
}

static void
attend(const Case *c, int n, int head, int query, double *scores, double *want)
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

static void
check_case(Case *c)
{
    const int tokens = c->y.h * c->y.w;
    g_autofree double *scores = g_new(double, tokens);
    g_autofree double *want = g_new(double, sde_tensor_count(&c->y));

    for (int n = 0; n < c->y.n; n++) {
        for (int head = 0; head < c->heads; head++) {
            for (int query = 0; query < tokens; query++) {
                attend(c, n, head, query, scores, want);
            }
        }
    }
    launch_with_all_threads(run, c, &c->y);
    g_assert_cmpfloat(relative_rms(c->y.data, want, sde_tensor_count(&c->y)), <=,
                      ERROR);
}

static void
test_attention_agrees_with_double_over_random_shapes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);

    for (int i = 0; i < 30; i++) {
        g_auto(Case) c;

        make_case(&c, g_rand_int_range(rand, 1, 3), g_rand_int_range(rand, 1, 14),
                  g_rand_int_range(rand, 1, 14), g_rand_int_range(rand, 1, 5),
                  g_rand_int_range(rand, 1, 34));
        check_case(&c);
    }
}

/* More keys than a block holds: results are rescaled when a later block has the
 * maximum. */
static void
test_attention_agrees_with_double_over_several_key_blocks(void)
{
    g_auto(Case) c;

    make_case(&c, 1, 40, 30, 1, 8);
    for (size_t i = 0; i < sde_tensor_count(&c.qkv); i++) {
        c.qkv.data[i] *= 1.0f + (float) (i / (1200 * 12));
    }
    check_case(&c);
}

/* exp(90 * 90) overflows anything; its softmax does not. */
static void
test_large_scores_do_not_overflow(void)
{
    g_auto(Case) c;

    make_case(&c, 1, 6, 6, 2, 4);
    for (size_t i = 0; i < sde_tensor_count(&c.qkv); i++) {
        c.qkv.data[i] *= 90.0f;
    }
    launch(run, &c, 1);
    for (size_t i = 0; i < sde_tensor_count(&c.y); i++) {
        g_assert_true(isfinite(c.y.data[i]));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attention/agrees_with_double_over_random_shapes",
                    test_attention_agrees_with_double_over_random_shapes);
    g_test_add_func("/attention/agrees_with_double_over_several_key_blocks",
                    test_attention_agrees_with_double_over_several_key_blocks);
    g_test_add_func("/attention/large_scores_do_not_overflow",
                    test_large_scores_do_not_overflow);
    return run_tests_of_level();
}
