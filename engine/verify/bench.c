/* One U-Net evaluation, timed. Loading, planning and the input's making are left out;
 * the first evaluation warms the caches and is left out too. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "verify/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "model/bundle.h"
#include "nn/unet.h"
#include "sde.h"

#define DEFAULT_SIDE 128    /* where the model does not say its size */
#define TIMESTEP     500.0f /* some step in the middle */
#define SEED         1

typedef struct {
    double load_ms, min_ms, median_ms, gflop, arena_mb, peak_mb;
    double cpu_ms; /* of all threads, the least: busy machines leave it alone */
    const char *dtype;
    int width, height, n_threads, n_reps;
} Result;

static int
compare_times(const void *a, const void *b)
{
    const double difference = *(const double *) a - *(const double *) b;

    return (difference > 0) - (difference < 0);
}

static double
get_cpu_ms(void)
{
    struct timespec time;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double) time.tv_sec * 1e3 + (double) time.tv_nsec / 1e6;
}

static double
get_peak_mb(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double) usage.ru_maxrss / 1024 : 0;
}

static bool
time_evaluations(const SdeUnet *unet, const SdeUnetInput *input, SdeTensor *out,
                 Result *result, GError **error)
{
    const SdeTensor *x = &input->sample;
    const size_t plan = sde_unet_plan(unet, 1, x->h, x->w, result->n_threads);
    g_autoptr(SdeArena) arena = sde_arena_new(plan, error);
    g_autoptr(SdePool) pool = NULL;
    g_autofree double *times = g_new(double, result->n_reps + 1);

    if (arena == NULL) {
        return false;
    }
    pool = sde_pool_new(result->n_threads);
    for (int i = 0; i <= result->n_reps; i++) {
        const gint64 begin = g_get_monotonic_time();
        const double cpu_begin = get_cpu_ms();

        if (!sde_unet_forward(unet, input, out, arena, pool, NULL, NULL, NULL, error)) {
            return false;
        }

        const double cpu_ms = get_cpu_ms() - cpu_begin;

        times[i] = (double) (g_get_monotonic_time() - begin) / 1000;
        result->cpu_ms = i <= 1 ? cpu_ms : MIN(result->cpu_ms, cpu_ms);
    }
    qsort(times + 1, (size_t) result->n_reps, sizeof(double), compare_times);
    result->min_ms = times[1];
    result->median_ms =
        (times[1 + (result->n_reps - 1) / 2] + times[1 + result->n_reps / 2]) / 2;
    result->gflop = sde_unet_count_flop(unet, 1, x->h, x->w) / 1e9;
    result->arena_mb = (double) plan / (1 << 20);
    return true;
}

static bool
run_network(const SdeUnet *unet, const SdeUnetConfig *config, Result *result,
            GError **error)
{
    const float timestep = TIMESTEP;
    SdeUnetInput input = {
        .sample = {NULL, 1, result->height, result->width, config->in_channels},
        .timesteps = &timestep,
    };
    SdeTensor out = input.sample;

    out.c = config->out_channels;

    g_autofree float *x = g_new(float, sde_tensor_count(&input.sample));
    g_autofree float *y = g_new(float, sde_tensor_count(&out));
    const int row = result->width * config->in_channels;

    sde_rng_fill_normal(SEED, 0, 0, 0, row, result->height, 1, x, (size_t) row);
    input.sample.data = x;
    out.data = y;
    return time_evaluations(unet, &input, &out, result, error);
}

static void
print_json(const Result *result)
{
    printf("{\"ms_min\": %.3f, \"ms_median\": %.3f, \"ms_cpu\": %.3f, \"gflop\": %.2f, "
           "\"rss_mb\": %.0f, "
           "\"dtype\": \"%s\", \"threads\": %d, \"reps\": %d, \"width\": %d, "
           "\"height\": %d, \"ms_load\": %.1f, \"arena_mb\": %.1f}\n",
           result->min_ms, result->median_ms, result->cpu_ms, result->gflop,
           result->peak_mb, result->dtype, result->n_threads, result->n_reps,
           result->width, result->height, result->load_ms, result->arena_mb);
}

static void
print_table(const Result *result)
{
    printf(
        "one evaluation at %d x %d, %d thread(s): best %.1f ms, median %.1f ms of %d, "
        "CPU %.1f ms\n"
        "%.2f GFLOP (%.1f GFLOP/s); load %.0f ms; working memory %.0f MiB, peak %.0f "
        "MiB\n",
        result->width, result->height, result->n_threads, result->min_ms,
        result->median_ms, result->n_reps, result->cpu_ms, result->gflop,
        result->gflop / result->min_ms * 1000, result->load_ms, result->arena_mb,
        result->peak_mb);
}

static bool
check_params(const SdeBenchParams *params, GError **error)
{
    if (params->width < 0 || params->height < 0 || params->n_threads < 0 ||
        params->n_threads > 256 || params->n_reps < 1 || params->n_reps > 100000) {
        g_set_error(
            error, SDE_ERROR, SDE_ERROR_INPUT,
            "size %d x %d, %d threads, %d repetitions: expected a size, 0 to 256 "
            "threads and 1 to 100000 repetitions",
            params->width, params->height, params->n_threads, params->n_reps);
        return false;
    }
    return true;
}

static const char *
name_dtype(SdePrecision precision)
{
    static const char *const names[] = {[SDE_PRECISION_MIXED] = "mixed",
                                        [SDE_PRECISION_FLOAT] = "f32",
                                        [SDE_PRECISION_BF16] = "bf16"};

    return sde_kernels_get()->multiply_bf16 == NULL ? "f32" : names[precision];
}

bool
sde_bench_run(const char *model_folder, const SdeBenchParams *params, GError **error)
{
    if (!check_params(params, error)) {
        return false;
    }

    const gint64 begin = g_get_monotonic_time();
    SdeUnetConfig config;
    g_autoptr(SdeWeights) weights = NULL;

    if (!sde_bundle_open_unet(model_folder, &config, &weights, error)) {
        return false;
    }

    g_autoptr(SdeUnet) unet = sde_unet_new(&config, weights, params->precision, error);

    if (unet == NULL) {
        return false;
    }

    const int side = config.sample_size > 0 ? config.sample_size : DEFAULT_SIDE;
    Result result = {
        .load_ms = (double) (g_get_monotonic_time() - begin) / 1000,
        .width = params->width > 0 ? params->width : side,
        .height = params->height > 0 ? params->height : side,
        .n_threads = params->n_threads > 0 ? params->n_threads : sde_pool_count_cores(),
        .n_reps = params->n_reps,
        .dtype = name_dtype(params->precision),
    };

    if (!run_network(unet, &config, &result, error)) {
        return false;
    }
    result.peak_mb = get_peak_mb();
    if (params->json) {
        print_json(&result);
    } else {
        print_table(&result);
    }
    return true;
}
