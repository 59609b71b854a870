/* Speed of the kernels by shape: meson test --benchmark, or this program alone.
 *
 * Times are CPU time of one thread, the best of several runs, so that a busy machine
 * still gives figures to compare. GF/s count multiply-adds of a direct convolution:
 * Winograd may exceed what the CPU can do. SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <time.h>

#include "base/rng.h"
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/kernels.h"
#include "kernels/norm.h"

#define MIN_SECONDS 0.1 /* of a measurement */
#define N_RUNS      5   /* the best counts */

typedef void (*Launch)(SdeCompute *compute, void *data);

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

static void
report(const char *name, Launch func, void *data, double megabytes)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    SdeCompute compute = {.arena = dry, .n_threads = 1};
    double best = 0;

    func(&compute, data);

    const double flop = compute.flop;
    g_autoptr(SdeArena) arena = sde_arena_new(sde_arena_get_peak(dry), NULL);

    g_assert_nonnull(arena);
    compute.arena = arena;
    for (int i = 0; i < N_RUNS; i++) {
        const double seconds = time_once(&compute, func, data);

        best = i == 0 ? seconds : MIN(best, seconds);
    }
    printf("%-36s %9.3f ms", name, best * 1e3);
    if (flop > 0) {
        printf(" %7.1f GF/s\n", flop / best / 1e9);
    } else {
        printf(" %7.1f GB/s\n", megabytes / best / 1e3);
    }
}

static SdeTensor
new_tensor(int h, int w, int c)
{
    SdeTensor tensor = {.n = 1, .h = h, .w = w, .c = c};
    const size_t count = sde_tensor_count(&tensor);

    tensor.data = g_new(float, count);
    sde_rng_fill_normal(1, 0, 0, 0, (int) count, 1, 1, tensor.data, count);
    return tensor;
}

typedef struct {
    SdeConv conv;
    SdeNorm norm;
    SdeTensor x, y;
    int heads;
} Work;

static void
run_conv(SdeCompute *compute, void *data)
{
    Work *work = data;

    sde_conv_run(compute, &work->conv, &(SdeConvInput) {.x = &work->x}, &work->y);
}

static void
bench_conv(int c, int side, int window, int stride, int expected_side)
{
    const SdeConvShape shape = {.cin = c,
                                .cout = c,
                                .side = window,
                                .stride = stride,
                                .pad = window / 2,
                                .upsample = 1};
    Work work = {.conv = sde_conv_choose(&shape, expected_side)};
    const size_t count = (size_t) c * c * window * window;
    g_autofree float *raw = g_new0(float, count + (size_t) c);
    g_autofree float *weights = g_new0(float, sde_conv_count_weights(&work.conv));
    g_autofree float *bias = g_new0(float, sde_conv_count_bias(&work.conv));
    g_autofree float *zeros = g_new0(float, c);
    g_autofree char *name =
        g_strdup_printf("conv %dx%d/%d %4d at %3d%s", window, window, stride, c, side,
                        work.conv.winograd ? " winograd" : "");

    sde_rng_fill_normal(1, 0, 0, 0, (int) count, 1, 1, raw, count);
    work.conv.weights = weights;
    work.conv.bias = bias;
    work.conv.zeros = zeros;
    sde_conv_prepare(&work.conv, raw, raw + count, c, 0);
    work.x = new_tensor(side, side, c);
    work.y = new_tensor(side / stride, side / stride, c);
    report(name, run_conv, &work, 0);
    g_free(work.x.data);
    g_free(work.y.data);
}

static void
run_attention(SdeCompute *compute, void *data)
{
    Work *work = data;

    sde_attention_run(compute, &work->x, work->heads, &work->y);
}

static void
bench_attention(int c, int side, int heads)
{
    Work work = {.x = new_tensor(side, side, 3 * c),
                 .y = new_tensor(side, side, c),
                 .heads = heads};
    g_autofree char *name =
        g_strdup_printf("attention %d at %d, %d heads", c, side, heads);

    report(name, run_attention, &work, 0);
    g_free(work.x.data);
    g_free(work.y.data);
}

static void
run_norm(SdeCompute *compute, void *data)
{
    Work *work = data;
    const SdeNormInput input = {.x = &work->x, .f = SDE_POINTWISE_SILU};

    sde_group_norm_run(compute, &work->norm, &input, &work->y);
}

static void
bench_norm(int c, int side)
{
    g_autofree float *gain = g_new0(float, c);
    Work work = {.norm = {c, 8, 1e-5f, gain, gain},
                 .x = new_tensor(side, side, c),
                 .y = new_tensor(side, side, c)};
    g_autofree char *name = g_strdup_printf("norm + silu %d at %d", c, side);

    report(name, run_norm, &work,
           2.0 * (double) sde_tensor_count(&work.x) * sizeof(float) / 1e6);
    g_free(work.x.data);
    g_free(work.y.data);
}

int
main(void)
{
    printf("kernels: %s\n", sde_kernels_get()->name);
    bench_conv(64, 128, 3, 1, 128);
    bench_conv(64, 128, 3, 1, 0);
    bench_conv(128, 64, 3, 1, 64);
    bench_conv(128, 64, 3, 1, 0);
    bench_conv(192, 32, 3, 1, 32);
    bench_conv(256, 16, 3, 1, 16);
    bench_conv(256, 16, 3, 1, 0);
    bench_conv(256, 8, 3, 1, 0);
    bench_conv(64, 128, 3, 2, 128);
    bench_conv(64, 128, 1, 1, 128);
    bench_conv(256, 16, 1, 1, 16);
    bench_attention(256, 16, 8);
    bench_attention(256, 32, 8);
    bench_norm(64, 128);
    return 0;
}
