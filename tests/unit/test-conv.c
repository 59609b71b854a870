/* Convolutions by both methods against a direct sum in double, over random shapes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "conv-case.h"

#include "near.h"

#define N_SHAPES 40

/* Up to 96 values are added as floats, relative to the first of them. */
#define SUMS_ERROR 1e-5

/* What came with the map against sums of the map itself. */
static void
check_sums(const SdeTensor *y)
{
    const double *sums = sde_tensor_peek_sums(y);
    const size_t pixels = sde_tensor_pixels(y);

    for (int c = 0; c < y->c; c++) {
        double sum = 0, square = 0;

        for (size_t i = 0; i < pixels; i++) {
            const double value = (double) y->data[i * (size_t) y->c + c];

            sum += value;
            square += value * value;
        }
        assert_near(sums[c], sum, SUMS_ERROR * sqrt(square * (double) pixels));
        assert_near(sums[y->c + c], square, SUMS_ERROR * square);
    }
}

static void
check_case(ConvCase *c)
{
    g_autofree double *want = compute_conv_reference(c);

    launch_with_all_threads(run_conv_case, c, &c->y);
    if (c->y.summed) {
        check_sums(&c->y);
    }
    g_assert_cmpfloat(relative_rms(c->y.data, want, sde_tensor_count(&c->y)), <=,
                      get_conv_error(&c->conv));
}

/* ---- tests ---- */

static void
test_direct_agrees_with_double_over_random_shapes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (int i = 0; i < N_SHAPES; i++) {
        const int side = g_rand_boolean(rand) ? 3 : 1;
        const SdeConvShape shape = {
            .cin = g_rand_int_range(rand, 1, 40),
            .cout = g_rand_int_range(rand, 1, 70),
            .side = side,
            .stride = side == 3 ? g_rand_int_range(rand, 1, 3) : 1,
            .pad = side == 3 ? g_rand_int_range(rand, 0, 2) : 0,
            .upsample = 1,
        };
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, 0, g_rand_int_range(rand, 1, 4),
                       g_rand_int_range(rand, 1, 20), g_rand_int_range(rand, 1, 20), 0);
        g_assert_false(c.conv.winograd);
        check_case(&c);
    }
}

static void
test_winograd_agrees_with_double_over_random_shapes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);

    for (int i = 0; i < N_SHAPES; i++) {
        const int expected_side = 16 << i % 3;
        const SdeConvShape shape = {
            .cin = 16 * g_rand_int_range(rand, 1, 5),
            .cout = g_rand_int_range(rand, 1, 70),
            .side = 3,
            .stride = 1,
            .pad = 1,
            .upsample = g_rand_int_range(rand, 1, 3),
        };
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, expected_side, g_rand_int_range(rand, 1, 4),
                       g_rand_int_range(rand, 1, 22), g_rand_int_range(rand, 1, 22), 0);
        g_assert_cmpint(c.conv.winograd, ==, expected_side == 64 ? 6 : 4);
        g_assert_cmpint(c.conv.late, ==, expected_side == 16);
        check_case(&c);
    }
}

/* Over shapes that bfloat16 takes, at levels that have it. */
static void
test_bf16_agrees_with_double_over_random_shapes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    if (sde_kernels_get()->multiply_bf16 == NULL) {
        g_test_skip("no bfloat16 at this level");
        return;
    }
    for (int i = 0; i < N_SHAPES; i++) {
        const int side = g_rand_boolean(rand) ? 3 : 1;
        const int expected_side = 8 << i % 4;
        const SdeConvShape shape = {
            .cin = 16 * g_rand_int_range(rand, 2, 6),
            .cout = g_rand_int_range(rand, 32, 100),
            .side = side,
            .stride = side == 3 ? g_rand_int_range(rand, 1, 3) : 1,
            .pad = side == 3 ? 1 : 0,
            .upsample = 1,
        };
        const bool winograd = side == 3 && shape.stride == 1 && expected_side > 8;
        const int split = side == 1 ? g_rand_int_range(rand, 0, shape.cin) : 0;
        g_auto(ConvCase) c;

        make_conv_case_as(&c, &shape, expected_side, SDE_PRECISION_BF16,
                          g_rand_int_range(rand, 1, 4), g_rand_int_range(rand, 1, 22),
                          g_rand_int_range(rand, 1, 22), split);
        g_assert_cmpint(c.conv.winograd, ==, winograd ? 4 : 0);
        g_assert_cmpint(c.conv.bf16, ==, !winograd || expected_side > 16);
        check_case(&c);
    }
}

static void
test_mixed_leaves_winograd_and_the_ends_exact(void)
{
    const SdeConvShape window = {
        .cin = 64, .cout = 64, .side = 3, .stride = 1, .pad = 1, .upsample = 1};
    const SdeConvShape linear = {
        .cin = 64, .cout = 64, .side = 1, .stride = 1, .upsample = 1};
    const SdeConvShape last = {
        .cin = 64, .cout = 12, .side = 3, .stride = 1, .pad = 1, .upsample = 1};
    const bool has_bf16 = sde_kernels_get()->multiply_bf16 != NULL;

    g_assert_false(sde_conv_choose(&window, 64, SDE_PRECISION_MIXED).bf16);
    g_assert_cmpint(sde_conv_choose(&linear, 64, SDE_PRECISION_MIXED).bf16, ==,
                    has_bf16);
    g_assert_cmpint(sde_conv_choose(&window, 64, SDE_PRECISION_BF16).bf16, ==,
                    has_bf16);
    g_assert_false(sde_conv_choose(&last, 64, SDE_PRECISION_BF16).bf16);
    g_assert_false(sde_conv_choose(&linear, 64, SDE_PRECISION_FLOAT).bf16);
}

/* Enough tiles that blocks keep their transforms to themselves, and enough channels
 * that a block has few tiles. */
static void
test_winograd_agrees_with_double_on_a_large_map(void)
{
    const SdeConvShape shape = {
        .cin = 192, .cout = 8, .side = 3, .stride = 1, .pad = 1, .upsample = 1};

    for (int side = 16; side <= 64; side *= 2) {
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, side, 1, 61, 66, 0);
        check_case(&c);
    }
}

/* Enough weights that a block takes several panels at once. */
static void
test_winograd_agrees_with_double_over_many_channels(void)
{
    const SdeConvShape shape = {
        .cin = 256, .cout = 136, .side = 3, .stride = 1, .pad = 1, .upsample = 1};

    for (int side = 16; side <= 64; side *= 2) {
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, side, 1, 9, side / 2 + 1, 0);
        check_case(&c);
    }
}

/* Where sums of floats would keep nothing of the deviation. */
static void
test_sums_do_not_cancel_where_the_mean_is_large(void)
{
    const SdeConvShape shape = {
        .cin = 16, .cout = 32, .side = 3, .stride = 1, .pad = 1, .upsample = 1};

    for (int side = 0; side <= 64; side += 32) {
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, side, 1, 64, 64, 0);
        for (int o = 0; o < shape.cout; o++) {
            c.prepared_bias[o] = 1000.0f;
        }
        launch(run_conv_case, &c, 1);

        const double *sums = sde_tensor_peek_sums(&c.y);
        const double n = (double) sde_tensor_pixels(&c.y);

        for (int o = 0; o < shape.cout; o++) {
            const double mean = sums[o] / n;
            const double variance = sums[shape.cout + o] / n - mean * mean;
            double square = 0;

            for (size_t i = o; i < sde_tensor_count(&c.y); i += (size_t) shape.cout) {
                square += ((double) c.y.data[i] - mean) * ((double) c.y.data[i] - mean);
            }
            assert_near(variance, square / n, SUMS_ERROR * square / n);
        }
    }
}

static void
test_direct_enlarges_its_input(void)
{
    const SdeConvShape shape = {
        .cin = 5, .cout = 7, .side = 3, .stride = 1, .pad = 1, .upsample = 2};
    g_auto(ConvCase) c;

    make_conv_case(&c, &shape, 0, 2, 6, 5, 0);
    check_case(&c);
}

static void
test_second_input_is_concatenated(void)
{
    const SdeConvShape shape = {
        .cin = 24, .cout = 33, .side = 1, .stride = 1, .pad = 0, .upsample = 1};

    for (int split = 1; split < shape.cin; split += 7) {
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, 64, 2, 7, 9, split);
        check_case(&c);
    }
}

/* x and x2 of a case as one normalised tensor. */
static void
normalise_before(SdeCompute *compute, void *data)
{
    ConvCase *c = data;
    const SdeScaleShift *norm = c->norm;
    SdeTensor a = sde_compute_alloc(compute, c->x.n, c->x.h, c->x.w, c->conv.shape.cin);
    const SdeConvInput input = {.x = &a,
                                .shift = c->shift,
                                .residual = c->has_residual ? &c->residual : NULL,
                                .scale = c->scale};

    sde_scale_shift_run(compute, norm, &c->x, c->has_x2 ? &c->x2 : NULL, &a);
    sde_conv_run(compute, &c->conv, &input, &c->y);
    sde_arena_release(compute->arena, 0);
}

/* Wherever it is applied: over blocks of large maps (of two samples, with rows of tiles
 * that a block does not end with), or before. */
static void
test_a_norm_on_the_way_in_gives_the_same_bits(void)
{
    static const struct {
        int side, stride, upsample, expected_side, h, w, split;
    } cases[] = {
        {3, 1, 1, 64, 61, 67, 0}, {3, 1, 1, 64, 61, 67, 11}, {3, 1, 1, 32, 61, 67, 32},
        {3, 1, 1, 64, 9, 7, 11},  {3, 1, 1, 16, 61, 67, 0},  {3, 1, 2, 32, 33, 30, 0},
        {3, 2, 1, 32, 33, 30, 0}, {1, 1, 1, 32, 33, 30, 11},
    };
    static const SdePrecision precisions[] = {SDE_PRECISION_FLOAT, SDE_PRECISION_BF16};

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        const SdeConvShape shape = {.cin = 48,
                                    .cout = 40,
                                    .side = cases[i / 2].side,
                                    .stride = cases[i / 2].stride,
                                    .pad = cases[i / 2].side / 2,
                                    .upsample = cases[i / 2].upsample};
        g_autofree float *scale = random_floats(2 * 48, 8);
        g_autofree float *shift = random_floats(2 * 48, 9);
        const SdeScaleShift norm = {scale, shift, SDE_POINTWISE_SILU};
        g_auto(ConvCase) c;

        make_conv_case_as(&c, &shape, cases[i / 2].expected_side, precisions[i % 2], 2,
                          cases[i / 2].h, cases[i / 2].w, cases[i / 2].split);
        c.norm = &norm;
        launch(normalise_before, &c, 1);

        const size_t size = sde_tensor_count(&c.y) * sizeof(float);
        g_autofree float *want = g_memdup2(c.y.data, size);

        launch_with_all_threads(run_conv_case, &c, &c.y);
        g_assert_cmpmem(c.y.data, size, want, size);
    }
}

static void
test_bias_alone_when_nothing_else_is_given(void)
{
    const SdeConvShape shape = {
        .cin = 16, .cout = 19, .side = 3, .stride = 1, .pad = 1, .upsample = 1};

    for (int side = 0; side <= 64; side += 64) {
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, side, 1, 9, 9, 0);
        g_clear_pointer(&c.shift, g_free);
        c.has_residual = false;
        c.scale = 0.0f;
        check_case(&c);
    }
}

static void
test_residual_may_be_the_output(void)
{
    const SdeConvShape shape = {
        .cin = 32, .cout = 40, .side = 3, .stride = 1, .pad = 1, .upsample = 1};

    for (int side = 0; side <= 64; side += 64) {
        g_auto(ConvCase) c;

        make_conv_case(&c, &shape, side, 1, 18, 20, 0);

        g_autofree double *want = compute_conv_reference(&c);
        const size_t count = sde_tensor_count(&c.y);
        float *separate = c.residual.data;

        memcpy(c.y.data, separate, count * sizeof(float));
        c.residual.data = c.y.data;
        launch(run_conv_case, &c, 1);
        c.residual.data = separate;
        /* The dry run_conv_case leaves y alone, so it was added once. */
        g_assert_cmpfloat(relative_rms(c.y.data, want, count), <=, WINOGRAD_ERROR);
    }
}

/* What Winograd pays with: the bound above must mean something. */
static void
test_winograd_loses_less_than_the_usual_points_would(void)
{
    const SdeConvShape shape = {
        .cin = 64, .cout = 32, .side = 3, .stride = 1, .pad = 1, .upsample = 1};
    const double usual_points_error = 2.5e-6; /* 0, ±1, ±2: measured 2e-6 to 4e-6 */
    g_auto(ConvCase) c;

    make_conv_case(&c, &shape, 32, 1, 32, 32, 0);
    c.has_residual = false;

    g_autofree double *want = compute_conv_reference(&c);

    launch(run_conv_case, &c, 1);
    g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), <,
                      usual_points_error);
}

static void
test_the_method_follows_the_map(void)
{
    SdeConvShape shape = {
        .cin = 64, .cout = 64, .side = 3, .stride = 1, .pad = 1, .upsample = 1};

    g_assert_cmpint(sde_conv_choose(&shape, 64, SDE_PRECISION_FLOAT).winograd, ==, 6);
    g_assert_cmpint(sde_conv_choose(&shape, 32, SDE_PRECISION_FLOAT).winograd, ==, 4);
    g_assert_false(sde_conv_choose(&shape, 32, SDE_PRECISION_FLOAT).late);
    g_assert_cmpint(sde_conv_choose(&shape, 8, SDE_PRECISION_FLOAT).winograd, ==, 4);
    g_assert_true(sde_conv_choose(&shape, 8, SDE_PRECISION_FLOAT).late);
    g_assert_cmpint(sde_conv_choose(&shape, 4, SDE_PRECISION_FLOAT).winograd, ==, 0);
    shape.cin = shape.cout = 256; /* their weights outweigh a map of 32 × 32 */
    g_assert_true(sde_conv_choose(&shape, 32, SDE_PRECISION_FLOAT).late);
    g_assert_false(sde_conv_choose(&shape, 64, SDE_PRECISION_FLOAT).late);
    shape.cin = shape.cout = 512;
    g_assert_true(sde_conv_choose(&shape, 32, SDE_PRECISION_FLOAT).late);
    g_assert_false(sde_conv_choose(&shape, 64, SDE_PRECISION_FLOAT).late);
    g_assert_cmpint(sde_conv_choose(&shape, 64, SDE_PRECISION_FLOAT).winograd, ==, 4);
}

static void
test_strides_and_odd_channels_stay_direct(void)
{
    SdeConvShape shape = {
        .cin = 64, .cout = 64, .side = 3, .stride = 2, .pad = 1, .upsample = 1};

    g_assert_cmpint(sde_conv_choose(&shape, 64, SDE_PRECISION_FLOAT).winograd, ==, 0);
    shape.stride = 1;
    shape.cin = 24;
    g_assert_cmpint(sde_conv_choose(&shape, 64, SDE_PRECISION_FLOAT).winograd, ==, 0);
}

static void
test_flop_counts_direct_multiply_adds(void)
{
    const SdeConvShape shape = {
        .cin = 16, .cout = 4, .side = 3, .stride = 1, .pad = 1, .upsample = 1};
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    SdeCompute compute = {.arena = dry, .n_threads = 1};
    g_auto(ConvCase) c;

    make_conv_case(&c, &shape, 64, 1, 8, 8, 0);
    run_conv_case(&compute, &c);
    g_assert_cmpfloat(compute.flop, ==, 2.0 * 8 * 8 * 4 * 16 * 9);
}

static void
test_a_cancelled_run_does_nothing(void)
{
    const SdeConvShape shape = {
        .cin = 16, .cout = 4, .side = 3, .stride = 1, .pad = 1, .upsample = 1};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeArena) arena = sde_arena_new(1 << 20, &error);
    SdeCompute compute = {.arena = arena, .n_threads = 1, .cancellable = cancellable};
    g_auto(ConvCase) c;

    make_conv_case(&c, &shape, 64, 1, 8, 8, 0);
    memset(c.y.data, 0, sde_tensor_count(&c.y) * sizeof(float));
    g_cancellable_cancel(cancellable);
    run_conv_case(&compute, &c);
    for (size_t i = 0; i < sde_tensor_count(&c.y); i++) {
        g_assert_cmpfloat(c.y.data[i], ==, 0.0f);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/conv/direct_agrees_with_double_over_random_shapes",
                    test_direct_agrees_with_double_over_random_shapes);
    g_test_add_func("/conv/winograd_agrees_with_double_over_random_shapes",
                    test_winograd_agrees_with_double_over_random_shapes);
    g_test_add_func("/conv/bf16_agrees_with_double_over_random_shapes",
                    test_bf16_agrees_with_double_over_random_shapes);
    g_test_add_func("/conv/mixed_leaves_winograd_and_the_ends_exact",
                    test_mixed_leaves_winograd_and_the_ends_exact);
    g_test_add_func("/conv/winograd_agrees_with_double_on_a_large_map",
                    test_winograd_agrees_with_double_on_a_large_map);
    g_test_add_func("/conv/winograd_agrees_with_double_over_many_channels",
                    test_winograd_agrees_with_double_over_many_channels);
    g_test_add_func("/conv/sums_do_not_cancel_where_the_mean_is_large",
                    test_sums_do_not_cancel_where_the_mean_is_large);
    g_test_add_func("/conv/direct_enlarges_its_input", test_direct_enlarges_its_input);
    g_test_add_func("/conv/second_input_is_concatenated",
                    test_second_input_is_concatenated);
    g_test_add_func("/conv/a_norm_on_the_way_in_gives_the_same_bits",
                    test_a_norm_on_the_way_in_gives_the_same_bits);
    g_test_add_func("/conv/bias_alone_when_nothing_else_is_given",
                    test_bias_alone_when_nothing_else_is_given);
    g_test_add_func("/conv/residual_may_be_the_output",
                    test_residual_may_be_the_output);
    g_test_add_func("/conv/winograd_loses_less_than_the_usual_points_would",
                    test_winograd_loses_less_than_the_usual_points_would);
    g_test_add_func("/conv/the_method_follows_the_map",
                    test_the_method_follows_the_map);
    g_test_add_func("/conv/strides_and_odd_channels_stay_direct",
                    test_strides_and_odd_channels_stay_direct);
    g_test_add_func("/conv/flop_counts_direct_multiply_adds",
                    test_flop_counts_direct_multiply_adds);
    g_test_add_func("/conv/a_cancelled_run_does_nothing",
                    test_a_cancelled_run_does_nothing);
    return run_tests_of_level();
}
