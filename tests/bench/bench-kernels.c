/* Every kernel family at every CPU level of this machine: checked, then timed. Run by
 * meson test --benchmark, or alone; SDE_KERNELS=LEVEL limits it to one level.
 *
 * The error is relative to the same in double, as in the unit tests but over sampled
 * outputs; a wrong result ends with exit status 1. Times are CPU time of one thread,
 * the best of several runs, so that a busy machine still gives figures to compare. GF/s
 * count multiply-adds of a direct convolution: Winograd may exceed what the CPU can do.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels/resample.h"
#include "unit/attention-case.h"
#include "unit/conv-case.h"
#include "unit/fit-case.h"
#include "unit/norm-case.h"

#define MIN_SECONDS    0.05 /* of a measurement */
#define N_RUNS         5    /* the best counts */
#define N_SAMPLES      2000 /* outputs that are checked */
#define RESAMPLE_ERROR 1e-6

static bool all_right = true;

/* ---- timing ---- */

static double
get_cpu_seconds(void)
{
    return (double) clock() / CLOCKS_PER_SEC;
}

static double
time_once(SdeCompute *compute, Launch func, void *data)
{
    const double begin = get_cpu_seconds();
    int n = 0;

    do {
        func(compute, data);
        n++;
    } while (get_cpu_seconds() - begin < MIN_SECONDS);
    return (get_cpu_seconds() - begin) / n;
}

static double
time_best(Launch func, void *data, double *flop)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    SdeCompute compute = {.arena = dry, .n_threads = 1};
    double best = 0;

    func(&compute, data);
    *flop = compute.flop;

    g_autoptr(SdeArena) arena = sde_arena_new(sde_arena_get_peak(dry), NULL);

    g_assert_nonnull(arena);
    compute.arena = arena;
    for (int i = 0; i < N_RUNS; i++) {
        const double seconds = time_once(&compute, func, data);

        best = i == 0 ? seconds : MIN(best, seconds);
    }
    return best;
}

/* `flop` 0: the launcher counts; `bytes` instead of that where there is nothing to
 * count. */
static void
report(const char *name, Launch func, void *data, double error, double bound,
       double flop, double bytes)
{
    const bool right = error <= bound; /* not for NaN */
    double counted = 0;
    const double seconds = time_best(func, data, &counted);

    flop = flop > 0 ? flop : counted;
    printf("%-42s %8.1e %-5s %9.3f ms %7.1f %s\n", name, error, right ? "ok" : "WRONG",
           seconds * 1e3, (flop > 0 ? flop : bytes) / seconds / 1e9,
           flop > 0 ? "GF/s" : "GB/s");
    fflush(stdout);
    all_right = all_right && right;
}

/* ---- convolutions and linear layers ---- */

static size_t
choose_step(size_t count)
{
    return MAX(count / N_SAMPLES, 1) | 1; /* odd: it meets every channel */
}

static double
check_conv(const ConvCase *c)
{
    const size_t count = sde_tensor_count(&c->y), step = choose_step(count);
    const size_t n = (count + step - 1) / step;
    g_autofree float *found = g_new(float, n);
    g_autofree double *want = g_new(double, n);

    for (size_t i = 0; i < n; i++) {
        found[i] = c->y.data[i * step];
        want[i] = expect_conv_output(c, i * step);
    }
    return relative_rms(found, want, n);
}

/* A side of 0 keeps it direct. */
static void
bench_conv(int cin, int cout, int side, int window, int stride, int expected_side,
           SdePrecision precision)
{
    const SdeConvShape shape = {.cin = cin,
                                .cout = cout,
                                .side = window,
                                .stride = stride,
                                .pad = window / 2,
                                .upsample = 1};
    g_auto(ConvCase) c;

    make_conv_case_as(&c, &shape, expected_side, precision, 1, side, side, 0);
    launch(run_conv_case, &c, 1);

    const char *method = c.conv.winograd == 6 ? " F(6x6)"
                         : c.conv.late        ? " F(4x4) late"
                         : c.conv.winograd    ? " F(4x4)"
                                              : "";
    g_autofree char *name =
        g_strdup_printf("conv %dx%d/%d %3d to %3d at %3d%s%s", window, window, stride,
                        cin, cout, side, method, c.conv.bf16 ? " bf16" : "");

    report(name, run_conv_case, &c, check_conv(&c), get_conv_error(&c.conv), 0, 0);
}

/* ---- attention ---- */

static double
check_attention(const AttentionCase *c)
{
    const int tokens = c->y.h * c->y.w, inner = c->y.c;
    const int step = MAX(tokens * inner / N_SAMPLES, 1) | 1;
    g_autofree double *scores = g_new(double, tokens);
    g_autofree double *want = g_new(double, sde_tensor_count(&c->y));
    double worst = 0;

    for (int query = 0; query < tokens; query += step) {
        for (int head = 0; head < c->heads; head++) {
            attend(c, 0, head, query, scores, want);
        }

        const size_t first = (size_t) query * inner;
        const double error =
            relative_rms(c->y.data + first, want + first, (size_t) inner);

        worst = error <= worst ? worst : error; /* NaN stays */
    }
    return worst;
}

static void
bench_attention(int side, int heads, int depth, bool bf16)
{
    g_autofree char *name = g_strdup_printf("attention %d heads of %d at %d%s", heads,
                                            depth, side, bf16 ? " bf16" : "");
    g_auto(AttentionCase) c;

    make_attention_case(&c, 1, side, side, heads, depth);
    c.bf16 = bf16;
    launch(run_attention_case, &c, 1);
    report(name, run_attention_case, &c, check_attention(&c),
           bf16 ? BF16_ATTENTION_ERROR : ATTENTION_ERROR, 0, 0);
}

/* ---- norm ---- */

static double
check_norm(const NormCase *c)
{
    g_autofree double *want = compute_norm_reference(c);

    return relative_rms(c->y.data, want, sde_tensor_count(&c->y));
}

static void
bench_norm(int channels, int side)
{
    g_autofree char *name = g_strdup_printf("norm + silu %d at %d", channels, side);
    g_auto(NormCase) c;

    make_norm_case(&c, 1, side, side, channels, 8, 0);
    launch(run_norm_case, &c, 1);
    report(name, run_norm_case, &c, check_norm(&c), NORM_ERROR, 0,
           2.0 * (double) sde_tensor_count(&c.y) * sizeof(float));
}

/* ---- resampling ---- */

typedef struct {
    SdeTensor large, small;
} Resample;

static void
run_halve(SdeCompute *compute, void *data)
{
    Resample *r = data;

    sde_halve_run(compute, &r->large, &r->small);
}

static void
run_double(SdeCompute *compute, void *data)
{
    Resample *r = data;

    sde_double_run(compute, &r->small, &r->large);
}

/* Halving what was doubled must give back what there was. */
static void
bench_resample(int channels, int side)
{
    g_auto(SdeTensor) small = random_tensor(1, side / 2, side / 2, channels, 1);
    g_auto(SdeTensor) large = random_tensor(1, side, side, channels, 2);
    const size_t count = sde_tensor_count(&small);
    const double bytes = 5.0 * (double) count * sizeof(float);
    g_autofree double *want = g_new(double, count);
    Resample r = {large, small};
    g_autofree char *name = g_strdup_printf("halve %d at %d", channels, side);
    g_autofree char *doubling = g_strdup_printf("double %d to %d", channels, side);

    for (size_t i = 0; i < count; i++) {
        want[i] = (double) small.data[i];
    }
    launch(run_double, &r, 1);
    memset(small.data, 0, count * sizeof(float));
    launch(run_halve, &r, 1);

    const double error = relative_rms(small.data, want, count);

    report(doubling, run_double, &r, error, RESAMPLE_ERROR, 0, bytes);
    report(name, run_halve, &r, error, RESAMPLE_ERROR, 0, bytes);
}

/* ---- fits ---- */

/* As many as a pixel has. */
static void
bench_fit(int places, int equations)
{
    g_auto(FitCase) patch, fit;
    g_autofree double *want = g_new(double, (size_t) places);
    float found[SDE_FIT_TERMS];
    double diagonal[SDE_FIT_TERMS];
    const double flop = 2.0 * 0.5 * SDE_FIT_TERMS * (SDE_FIT_TERMS + 1) * equations;

    make_fit_case(&patch, places);
    make_fit_case(&fit, equations);
    memset(fit.products, 0, sizeof(fit.products));
    launch(run_distances, &patch, 1);
    launch(run_products, &fit, 1);
    for (int i = 0; i < places; i++) {
        want[i] = expect_distance(&patch, i);
    }
    for (int i = 0; i < SDE_FIT_TERMS; i++) {
        found[i] = fit.products[i][i];
        diagonal[i] = expect_product(&fit, i, i);
    }
    report("distances", run_distances, &patch,
           relative_rms(patch.distances, want, (size_t) places), FIT_ERROR,
           14.0 * FIT_AROUND * places, 0);
    report("products of equations", run_products, &fit,
           relative_rms(found, diagonal, SDE_FIT_TERMS), FIT_ERROR, flop, 0);
}

/* ---- levels ---- */

static void
bench_products(SdePrecision precision)
{
    const bool bf16 = precision != SDE_PRECISION_FLOAT;

    bench_conv(64, 64, 128, 3, 1, 128, precision);
    bench_conv(128, 128, 64, 3, 1, 64, precision);
    bench_conv(192, 192, 32, 3, 1, 32, precision);
    bench_conv(256, 256, 64, 3, 1, 64, precision);
    bench_conv(256, 256, 16, 3, 1, 16, precision);
    bench_conv(256, 256, 8, 3, 1, 8, precision);
    bench_conv(64, 64, 64, 3, 1, 0, precision);
    bench_conv(256, 256, 4, 3, 1, 4, precision);
    bench_conv(64, 64, 128, 3, 2, 128, precision);
    bench_conv(3, 64, 128, 3, 1, 128, precision);
    bench_conv(64, 12, 128, 3, 1, 128, precision);
    bench_conv(128, 64, 128, 1, 1, 128, precision);
    bench_conv(256, 768, 16, 1, 1, 16, precision);
    bench_attention(16, 8, 32, bf16);
    bench_attention(16, 1, 256, bf16);
    bench_attention(16, 32, 8, bf16);
    bench_attention(32, 8, 32, bf16);
}

static int
bench_level(void)
{
    printf("kernels: %s\n%-42s %8s\n", sde_kernels_get()->name, "", "error");
    bench_products(SDE_PRECISION_FLOAT);
    if (sde_kernels_get()->multiply_bf16 != NULL) {
        bench_products(SDE_PRECISION_BF16);
    }
    bench_norm(64, 128);
    bench_resample(64, 128);
    bench_fit(32, 189);
    return all_right ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A process has one level, so each gets its own. */
static int
bench_all_levels(char *program)
{
    static const char *const levels[] = {"neon", "avx512_bf16", "avx512", "avx2",
                                         "baseline"};
    bool right = true;

    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        char *argv[] = {program, NULL};
        g_auto(GStrv) env =
            g_environ_setenv(g_get_environ(), "SDE_KERNELS", levels[i], TRUE);
        g_autoptr(GError) error = NULL;
        int status = 0;

        if (sde_kernels_find(levels[i]) == NULL) {
            continue;
        }
        if (!g_spawn_sync(NULL, argv, env, G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL,
                          NULL, NULL, &status, &error) ||
            !g_spawn_check_wait_status(status, &error)) {
            fprintf(stderr, "bench-kernels: %s: %s\n", levels[i], error->message);
            right = false;
        }
    }
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
}

int
main(int argc, char **argv)
{
    const char *level = g_getenv("SDE_KERNELS");

    if (level == NULL) {
        return bench_all_levels(argv[0]);
    }
    if (sde_kernels_find(level) == NULL) {
        fprintf(stderr, "bench-kernels: no %s kernels here\n", level);
        return EXIT_FAILURE;
    }
    return bench_level();
}
