/* Attention against double. SPDX-License-Identifier: GPL-3.0-or-later */
#include "attention-case.h"

static void
check_case(AttentionCase *c)
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
    launch_with_all_threads(run_attention_case, c, &c->y);
    g_assert_cmpfloat(relative_rms(c->y.data, want, sde_tensor_count(&c->y)), <=,
                      c->bf16 ? BF16_ATTENTION_ERROR : ATTENTION_ERROR);
}

static void
check_random_shapes(uint32_t seed, bool bf16)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(seed);

    for (int i = 0; i < 30; i++) {
        g_auto(AttentionCase) c;

        make_attention_case(&c, g_rand_int_range(rand, 1, 3),
                            g_rand_int_range(rand, 1, 14),
                            g_rand_int_range(rand, 1, 14), g_rand_int_range(rand, 1, 5),
                            g_rand_int_range(rand, 1, 34));
        c.bf16 = bf16;
        check_case(&c);
    }
}

static void
test_attention_agrees_with_double_over_random_shapes(void)
{
    check_random_shapes(4, false);
}

/* Odd widths are left as they are. */
static void
test_bf16_agrees_with_double_over_random_shapes(void)
{
    check_random_shapes(5, true);
}

/* More keys than a block holds: results are rescaled when a later block has the
 * maximum. */
static void
test_attention_agrees_with_double_over_several_key_blocks(void)
{
    g_auto(AttentionCase) c;

    make_attention_case(&c, 1, 40, 30, 1, 8);
    for (size_t i = 0; i < sde_tensor_count(&c.qkv); i++) {
        c.qkv.data[i] *= 1.0f + (float) (i / (1200 * 12));
    }
    check_case(&c);
}

/* exp(90 * 90) overflows anything; its softmax does not. */
static void
test_large_scores_do_not_overflow(void)
{
    g_auto(AttentionCase) c;

    make_attention_case(&c, 1, 6, 6, 2, 4);
    for (size_t i = 0; i < sde_tensor_count(&c.qkv); i++) {
        c.qkv.data[i] *= 90.0f;
    }
    launch(run_attention_case, &c, 1);
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
    g_test_add_func("/attention/bf16_agrees_with_double_over_random_shapes",
                    test_bf16_agrees_with_double_over_random_shapes);
    g_test_add_func("/attention/agrees_with_double_over_several_key_blocks",
                    test_attention_agrees_with_double_over_several_key_blocks);
    g_test_add_func("/attention/large_scores_do_not_overflow",
                    test_large_scores_do_not_overflow);
    return run_tests_of_level();
}
