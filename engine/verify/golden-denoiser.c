/* Golden cases of the kind denoiser: x and a map of angles go in, x0 comes out. On
 * trial are the level map, the pixel unshuffle, the timestep of an angle and the
 * prediction type, on top of the network. SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bundle.h"
#include "nn/unet.h"
#include "sample/denoiser.h"
#include "sde.h"
#include "verify/golden-case.h"

#define RGB 3

typedef struct {
    SdeBundle *bundle;
    SdeUnet *unet;
    SdeSchedule *schedule;
    SdeDenoiser *denoiser;
    float *x, *mean, *x0, *planes; /* h × w × 3 each but planes: 3 × h × w */
} DenoiserRun;

static void
denoiser_run_clear(DenoiserRun *run)
{
    sde_denoiser_free(run->denoiser);
    sde_schedule_free(run->schedule);
    sde_unet_free(run->unet);
    sde_bundle_free(run->bundle);
    g_free(run->x);
    g_free(run->mean);
    g_free(run->x0);
    g_free(run->planes);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(DenoiserRun, denoiser_run_clear)

static bool
denoiser_run_init(DenoiserRun *run, SdeGoldenCase *golden, GError **error)
{
    run->bundle = sde_bundle_load(golden->model, error);
    if (run->bundle == NULL) {
        return false;
    }
    run->unet = sde_unet_new(&run->bundle->unet, run->bundle->weights,
                             SDE_PRECISION_FLOAT, error);
    if (run->unet == NULL) {
        return false;
    }
    run->schedule = sde_schedule_new(&run->bundle->scheduler, error);
    if (run->schedule == NULL) {
        return false;
    }
    run->denoiser = sde_denoiser_new_unet(run->unet, run->bundle, run->schedule,
                                          golden->pool, 0, error);
    return run->denoiser != NULL;
}

static float
find_largest(const float *values, size_t count)
{
    float largest = 0.0f;

    for (size_t i = 0; i < count; i++) {
        largest = MAX(largest, values[i]);
    }
    return largest;
}

static void
reorder(const float *in, size_t pixels, bool to_channels_last, float *out)
{
    for (size_t i = 0; i < pixels; i++) {
        for (size_t c = 0; c < RGB; c++) {
            size_t last = i * RGB + c, first = c * pixels + i;

            out[to_channels_last ? last : first] = in[to_channels_last ? first : last];
        }
    }
}

/* The tensor "mean" is optional. */
static bool
read_mean(DenoiserRun *run, SdeGoldenCase *golden, size_t pixels, GError **error)
{
    if (sde_golden_case_has(golden, "mean")) {
        const float *mean = sde_golden_case_peek(golden, "mean", RGB * pixels, error);

        if (mean == NULL) {
            return false;
        }
        run->mean = g_new(float, RGB *pixels);
        reorder(mean, pixels, true, run->mean);
    }
    return true;
}

bool
sde_golden_run_denoiser(SdeGoldenCase *golden, GError **error)
{
    g_auto(DenoiserRun) run = {0};
    const SdeTensorInfo *info = sde_golden_case_peek_info(golden, "x", error);

    if (info == NULL || !denoiser_run_init(&run, golden, error)) {
        return false;
    }
    if (info->rank != 4 || info->shape[0] != 1 || info->shape[1] != RGB) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "'x' is not 1 × 3 × h × w");
        return false;
    }
    size_t pixels = info->shape[2] * info->shape[3];
    const float *x = sde_golden_case_peek(golden, "x", RGB * pixels, error);
    const float *theta = sde_golden_case_peek(golden, "theta", pixels, error);

    if (x == NULL || theta == NULL || !read_mean(&run, golden, pixels, error)) {
        return false;
    }
    run.x = g_new(float, RGB *pixels);
    run.x0 = g_new(float, RGB *pixels);
    run.planes = g_new(float, RGB *pixels);
    reorder(x, pixels, true, run.x);

    SdeDenoiserInput input = {
        .width = (int) info->shape[3],
        .height = (int) info->shape[2],
        .x = run.x,
        .theta = theta,
        .mean = run.mean,
        .theta_max = find_largest(theta, pixels),
        .classes = {.label =
                        sde_golden_case_get_int(golden->params, "class_label", -1)},
        .guidance = sde_golden_case_get_double(golden->params, "guidance", 1.0)};

    if (!run.denoiser->run(run.denoiser, &input, run.x0, NULL, error)) {
        return false;
    }
    reorder(run.x0, pixels, false, run.planes);
    return sde_golden_case_compare(golden, "x0", 0, run.planes, RGB * pixels, error);
}
