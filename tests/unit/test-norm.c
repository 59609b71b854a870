/* Group normalisation and activations against double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/norm.h"

#include "kernel-fixture.h"

#define N_SHAPES 40

/* Scale and shift are rounded to float once, then one multiply-add and an exponential
 * good to 2 ulp. */
#define ERROR 1e-6

typedef struct {
    SdeNorm norm;
    SdeTensor x, x2, y;
    bool has_x2, in_place;
    float *gain, *bias, *modulation; /* modulation nullable */
    SdePointwise f;
} Case;

static void
clear_case(Case *c)
{
    clear_tensor(&c->x);
    clear_tensor(&c->x2);
    clear_tensor(&c->y);
    g_free(c->gain);
    g_free(c->bias);
    g_free(c->modulation);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Case, clear_case)

static float *
random_floats(size_t count, uint32_t stream)
{
    float *data = g_new(float, count);

    fill_random(data, count, stream);
    return data;
}

static void
make_case(Case *c, int n, int h, int w, int channels, int groups, int split)
{
    *c = (Case) {.norm = {.channels = channels, .groups = groups, .eps = 1e-5f},
                 .has_x2 = split > 0,
                 .f = SDE_POINTWISE_SILU};
    c->x = random_tensor(n, h, w, channels - split, 1);
    c->x2 = random_tensor(n, h, w, MAX(split, 1), 2);
    c->y = random_tensor(n, h, w, channels, 3);
    c->gain = random_floats((size_t) channels, 4);
    c->bias = random_floats((size_t) channels, 5);
    c->modulation = random_floats((size_t) n * 2 * channels, 6);
    c->norm.gain = c->gain;
    c->norm.bias = c->bias;
}

static void
run(SdeCompute *compute, void *data)
{
    Case *c = data;
    const SdeNormInput input = {.x = &c->x,
                                .x2 = c->has_x2 ? &c->x2 : NULL,
                                .modulation = c->modulation,
                                .f = c->f};

    sde_group_norm_run(compute, &c->norm, &input, c->in_place ? &c->x : &c->y);
}

static double
apply(SdePointwise f, double x)
{
    switch (f) {
    case SDE_POINTWISE_SILU:
        return x / (1 + exp(-x));
    case SDE_POINTWISE_GELU:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case SDE_POINTWISE_RELU:
        return MAX(x, 0);
    case SDE_POINTWISE_MISH:
        return x * tanh(log1p(exp(x)));
    case SDE_POINTWISE_NONE:
    default:
        return x;
    }
}

static double
get_input(const Case *c, size_t pixel, int channel)
{
    return channel < c->x.c ? (double) c->x.data[pixel * c->x.c + channel]
                            : (double) c->x2.data[pixel * c->x2.c + channel - c->x.c];
}

static void
measure(const Case *c, int n, int group, double *mean, double *deviation)
{
    const int width = c->norm.channels / c->norm.groups;
    const size_t pixels = (size_t) c->y.h * c->y.w;
    double sum = 0, square = 0;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t p = 0; p < pixels; p++) {
            for (int i = 0; i < width; i++) {
                const double v =
                    get_input(c, (size_t) n * pixels + p, group * width + i);

                sum += pass == 0 ? v : 0;
                square += pass == 1 ? (v - *mean) * (v - *mean) : 0;
            }
        }
        *mean = sum / (double) pixels / width;
    }
    *deviation = sqrt(square / (double) pixels / width + (double) c->norm.eps);
}

static double *
compute_reference(const Case *c)
{
    const SdeTensor *t = &c->y;
    const size_t pixels = (size_t) t->h * t->w;
    double *want = g_new(double, sde_tensor_count(t));

    for (int n = 0; n < t->n; n++) {
        for (int i = 0; i < t->c; i++) {
            const int group = i / (t->c / c->norm.groups);
            double mean = 0, deviation = 1, scale = 1, shift = 0;

            measure(c, n, group, &mean, &deviation);
            if (c->modulation != NULL) {
                scale += (double) c->modulation[n * 2 * t->c + i];
                shift = (double) c->modulation[n * 2 * t->c + t->c + i];
            }
            for (size_t p = n * pixels; p < (n + 1) * pixels; p++) {
                double v = (get_input(c, p, i) - mean) / deviation;

                v = v * (double) c->gain[i] + (double) c->bias[i];
                want[p * t->c + i] = apply(c->f, v * scale + shift);
            }
        }
    }
    return want;
}

static void
test_norm_agrees_with_double_over_random_shapes(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    for (int i = 0; i < N_SHAPES; i++) {
        const int groups = g_rand_int_range(rand, 1, 9);
        const int channels = groups * g_rand_int_range(rand, 1, 9);
        g_auto(Case) c;

        make_case(&c, g_rand_int_range(rand, 1, 4), g_rand_int_range(rand, 1, 50),
                  g_rand_int_range(rand, 2, 50), channels, groups,
                  channels > 1 ? g_rand_int_range(rand, 0, channels) : 0);
        c.f = (SdePointwise) (i % 5);
        if (i % 3 == 0) {
            g_clear_pointer(&c.modulation, g_free);
        }

        g_autofree double *want = compute_reference(&c);

        launch_with_all_threads(run, &c, &c.y);
        g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), <=,
                          ERROR);
    }
}

/* Sums of squares lose everything in float here: the mean is 1000 deviations off. */
static void
test_large_means_do_not_cancel(void)
{
    const double rounding_of_input = 1e-4; /* 1000 holds a deviation to 6e-5 */
    g_auto(Case) c;

    make_case(&c, 1, 64, 64, 8, 2, 0);
    c.f = SDE_POINTWISE_NONE;
    for (size_t i = 0; i < sde_tensor_count(&c.x); i++) {
        c.x.data[i] += 1000.0f;
    }

    g_autofree double *want = compute_reference(&c);

    launch(run, &c, 1);
    g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), <=,
                      rounding_of_input);
}

/* They are the norm's only source then. */
static void
test_sums_that_came_with_the_map_are_used(void)
{
    g_auto(Case) c;

    make_case(&c, 1, 7, 6, 24, 4, 9);

    g_autofree double *want = compute_reference(&c);

    c.x.summed = true;
    c.x.data = g_renew(float, c.x.data, sde_tensor_size(&c.x));

    double *sums = sde_tensor_peek_sums(&c.x);

    memset(sums, 0, 2 * (size_t) c.x.c * sizeof(double));
    for (size_t i = 0; i < sde_tensor_count(&c.x); i++) {
        const double value = (double) c.x.data[i];

        sums[i % (size_t) c.x.c] += value;
        sums[(size_t) c.x.c + i % (size_t) c.x.c] += value * value;
    }
    launch_with_all_threads(run, &c, &c.y);
    g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), <=, ERROR);

    for (int i = 0; i < c.x.c; i++) {
        sums[c.x.c + i] *= 4;
    }
    launch(run, &c, 1);
    g_assert_cmpfloat(relative_rms(c.y.data, want, sde_tensor_count(&c.y)), >, 0.1);
}

static void
test_norm_works_in_place(void)
{
    g_auto(Case) c;

    make_case(&c, 2, 9, 11, 24, 8, 0);

    g_autofree double *want = compute_reference(&c);

    c.in_place = true;
    launch(run, &c, 2);
    g_assert_cmpfloat(relative_rms(c.x.data, want, sde_tensor_count(&c.x)), <=, ERROR);
}

static void
test_a_constant_map_becomes_its_bias(void)
{
    g_auto(Case) c;

    make_case(&c, 1, 5, 5, 6, 3, 0);
    g_clear_pointer(&c.modulation, g_free);
    c.f = SDE_POINTWISE_NONE;
    for (size_t i = 0; i < sde_tensor_count(&c.x); i++) {
        c.x.data[i] = 0.25f;
    }
    launch(run, &c, 1);
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
            const double want = apply((SdePointwise) f, (double) x[i]);

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
