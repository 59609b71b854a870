/* Group normalisation and activations against double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "norm-case.h"

#define N_SHAPES 40

static void
test_norm_agrees_with_double_over_random_shapes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    for (int i = 0; i < N_SHAPES; i++) {
        const int groups = g_rand_int_range(rand, 1, 9);
        const int channels = groups * g_rand_int_range(rand, 1, 9);
        g_auto(NormCase) c;

        make_norm_case(&c, g_rand_int_range(rand, 1, 4), g_rand_int_range(rand, 1, 50),
                       g_rand_int_range(rand, 2, 50), channels, groups,
                       channels > 1 ? g_rand_int_range(rand, 0, channels) : 0);
        c.f = (SdePointwise) (i % 5);
        if (i % 3 == 0) {
            g_clear_pointer(&c.modulation, g_free);
        }

        g_autofree double *want = compute_norm_reference(&c);

        launch_with_all_threads(run_norm_case, &c, &c.y);
        g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), <=,
                          NORM_ERROR);
    }
}

/* Sums of squares lose everything in float here: the mean is 1000 deviations off. */
static void
test_large_means_do_not_cancel(void)
{
    const double rounding_of_input = 1e-4; /* 1000 holds a deviation to 6e-5 */
    g_auto(NormCase) c;

    make_norm_case(&c, 1, 64, 64, 8, 2, 0);
    c.f = SDE_POINTWISE_NONE;
    for (size_t i = 0; i < sde_tensor_count(&c.x); i++) {
        c.x.data[i] += 1000.0f;
    }

    g_autofree double *want = compute_norm_reference(&c);

    launch(run_norm_case, &c, 1);
    g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), <=,
                      rounding_of_input);
}

/* They are the norm's only source then. */
static void
test_sums_that_came_with_the_map_are_used(void)
{
    g_auto(NormCase) c;

    make_norm_case(&c, 1, 7, 6, 24, 4, 9);

    g_autofree double *want = compute_norm_reference(&c);

    c.x.summed = true;
    c.x.data = g_renew(float, c.x.data, sde_tensor_size(&c.x));

    double *sums = sde_tensor_peek_sums(&c.x);

    memset(sums, 0, 2 * (size_t) c.x.c * sizeof(double));
    for (size_t i = 0; i < sde_tensor_count(&c.x); i++) {
        const double value = (double) c.x.data[i];

        sums[i % (size_t) c.x.c] += value;
        sums[(size_t) c.x.c + i % (size_t) c.x.c] += value * value;
    }
    launch_with_all_threads(run_norm_case, &c, &c.y);
    g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), <=,
                      NORM_ERROR);

    for (int i = 0; i < c.x.c; i++) {
        sums[c.x.c + i] *= 4;
    }
    launch(run_norm_case, &c, 1);
    g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), >, 0.1);
}

static void
test_norm_works_in_place(void)
{
    g_auto(NormCase) c;

    make_norm_case(&c, 2, 9, 11, 24, 8, 0);

    g_autofree double *want = compute_norm_reference(&c);

    c.in_place = true;
    launch(run_norm_case, &c, 2);
    g_assert_cmpfloat(relative_rms(c.x.data, want, sde_tensor_count(&c.x)), <=,
                      NORM_ERROR);
}

static void
test_a_constant_map_becomes_its_bias(void)
{
    g_auto(NormCase) c;

    make_norm_case(&c, 1, 5, 5, 6, 3, 0);
    g_clear_pointer(&c.modulation, g_free);
    c.f = SDE_POINTWISE_NONE;
    for (size_t i = 0; i < sde_tensor_count(&c.x); i++) {
        c.x.data[i] = 0.25f;
    }
    launch(run_norm_case, &c, 1);
    for (size_t i = 0; i < sde_tensor_count(&c.y); i++) {
        g_assert_true(fabsf(c.y.data[i] - c.bias[i % 6]) < 1e-4f);
    }
}

/* Far out the functions must saturate, not overflow; NaN must not vanish. */
static void
test_activations_hold_at_the_extremes(void)
{
    const float x[8] = {-3e38f, -200.0f, -20.0f, -1e-20f, 0.0f, 20.0f, 200.0f, 3e38f};
    const SdeKernels *kernels = sde_kernels_get();
    const float one = 1.0f, zero = 0.0f;
    const float nan_in = NAN;
    float y[8], nan_out = 0.0f;

    for (int f = SDE_POINTWISE_NONE; f <= SDE_POINTWISE_MISH; f++) {
        kernels->scale_shift(x, 8, 1, &one, &zero, (SdePointwise) f, y, 1);
        for (int i = 0; i < 8; i++) {
            const double want = apply_in_double((SdePointwise) f, (double) x[i]);

            g_assert_true(fabs((double) y[i] - want) <= 1e-6 * MAX(fabs(want), 1));
        }
        kernels->scale_shift(&nan_in, 1, 1, &one, &zero, (SdePointwise) f, &nan_out, 1);
        g_assert_true(isnan(nan_out));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/norm/agrees_with_double_over_random_shapes",
                    test_norm_agrees_with_double_over_random_shapes);
    g_test_add_func("/norm/large_means_do_not_cancel", test_large_means_do_not_cancel);
    g_test_add_func("/norm/sums_that_came_with_the_map_are_used",
                    test_sums_that_came_with_the_map_are_used);
    g_test_add_func("/norm/works_in_place", test_norm_works_in_place);
    g_test_add_func("/norm/a_constant_map_becomes_its_bias",
                    test_a_constant_map_becomes_its_bias);
    g_test_add_func("/norm/activations_hold_at_the_extremes",
                    test_activations_hold_at_the_extremes);
    return run_tests_of_level();
}
