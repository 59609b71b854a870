/* Golden cases of the kind noise_net: a picture goes in, a guess for every cell comes
 * out. SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/bundle.h"
#include "sample/noise-net.h"
#include "sde.h"
#include "verify/golden-case.h"

#define RGB 3

static SdeNoiseNet *
load_net(const char *folder, GError **error)
{
    g_autoptr(SdeBundle) bundle = sde_bundle_load(folder, error);

    if (bundle == NULL) {
        return NULL;
    }
    if (bundle->noise_weights == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "the model has no 'noise_level/model.safetensors'");
        return NULL;
    }
    return sde_noise_net_new(bundle->noise_weights, error);
}

static SdeNoiseGuess *
run_net(const SdeNoiseNet *net, const float *rgb, int width, int height, SdePool *pool,
        GError **error)
{
    const int n_threads = pool != NULL ? sde_pool_get_n_threads(pool) : 1;
    g_autofree SdeNoiseGuess *guesses =
        g_new(SdeNoiseGuess,
              (size_t) (width / SDE_NOISE_CELL) * (size_t) (height / SDE_NOISE_CELL));
    g_autoptr(SdeArena) arena =
        sde_arena_new(sde_noise_net_plan(net, width, height, n_threads), error);
    SdeCompute compute = {.arena = arena, .pool = pool, .n_threads = n_threads};

    if (arena == NULL) {
        return NULL;
    }
    sde_noise_net_run(net, &compute, rgb, width, height, guesses);
    return g_steal_pointer(&guesses);
}

bool
sde_golden_run_noise_net(SdeGoldenCase *golden, GError **error)
{
    const SdeTensorInfo *info = sde_golden_case_peek_info(golden, "x", error);
    g_autoptr(SdeNoiseNet) net = NULL;

    if (info == NULL) {
        return false;
    }
    if (info->rank != 4 || info->shape[0] != 1 || info->shape[1] != RGB ||
        info->shape[2] % SDE_NOISE_CELL != 0 || info->shape[3] % SDE_NOISE_CELL != 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'x' is not 1 × 3 × h × w with sides that are multiples of %d",
                    SDE_NOISE_CELL);
        return false;
    }
    const int height = (int) info->shape[2], width = (int) info->shape[3];
    const size_t pixels = (size_t) width * (size_t) height;
    const size_t cell = SDE_NOISE_CELL, cells = pixels / (cell * cell);
    const float *x = sde_golden_case_peek(golden, "x", RGB * pixels, error);

    if (x == NULL || (net = load_net(golden->model, error)) == NULL) {
        return false;
    }
    g_autofree float *rgb = g_new(float, RGB *pixels);
    g_autofree float *planes = g_new(float, 2 * cells);
    g_autofree SdeNoiseGuess *guesses = NULL;

    for (size_t i = 0; i < RGB * pixels; i++) {
        rgb[i] = x[i % RGB * pixels + i / RGB];
    }
    guesses = run_net(net, rgb, width, height, golden->pool, error);
    if (guesses == NULL) {
        return false;
    }
    for (size_t i = 0; i < cells; i++) {
        planes[i] = guesses[i].log_variance;
        planes[cells + i] = guesses[i].log_spread;
    }
    return sde_golden_case_compare(golden, "out", 0, planes, 2 * cells, error);
}
