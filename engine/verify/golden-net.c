/* The network of a golden case, and the way between the reference's channels-first
 * layout and the engine's channels-last.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "verify/golden-net.h"

bool
sde_golden_net_init(SdeGoldenNet *net, const char *folder, SdePool *pool,
                    GError **error)
{
    g_autoptr(SdeWeights) weights = NULL;

    net->pool = pool;
    if (!sde_bundle_open_unet(folder, &net->config, &weights, error)) {
        return false;
    }
    net->unet = sde_unet_new(&net->config, weights, SDE_PRECISION_FLOAT, error);
    return net->unet != NULL;
}

void
sde_golden_net_clear(SdeGoldenNet *net)
{
    sde_unet_free(net->unet);
}

/* out[n][y][x][c] = in[n][c][y][x], or the other way. */
static void
reorder(const float *in, float *out, const SdeTensor *shape, bool to_channels_last)
{
    size_t pixels = (size_t) shape->h * (size_t) shape->w, c = (size_t) shape->c;

    for (size_t n = 0; n < (size_t) shape->n; n++) {
        for (size_t i = 0; i < pixels; i++) {
            for (size_t k = 0; k < c; k++) {
                size_t first = (n * c + k) * pixels + i,
                       last = (n * pixels + i) * c + k;

                out[to_channels_last ? last : first] =
                    in[to_channels_last ? first : last];
            }
        }
    }
}

static SdeTensor
new_tensor(SdeArena *arena, const SdeGoldenNetInput *input, int c)
{
    SdeTensor tensor = {.n = input->n, .h = input->h, .w = input->w, .c = c};

    tensor.data = sde_arena_alloc(arena, sde_tensor_count(&tensor));
    return tensor;
}

bool
sde_golden_net_run(SdeGoldenNet *net, const SdeGoldenNetInput *input, float *out,
                   GError **error)
{
    const SdeUnetConfig *config = &net->config;
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    g_autoptr(SdeArena) arena = NULL;
    int n_threads = net->pool != NULL ? sde_pool_get_n_threads(net->pool) : 1;

    new_tensor(dry, input, config->in_channels);
    new_tensor(dry, input, config->out_channels);
    arena = sde_arena_new(sde_arena_get_peak(dry) + sde_unet_plan(net->unet, input->n,
                                                                  input->h, input->w,
                                                                  n_threads),
                          error);
    if (arena == NULL) {
        return false;
    }
    SdeTensor sample = new_tensor(arena, input, config->in_channels);
    SdeTensor result = new_tensor(arena, input, config->out_channels);
    SdeUnetInput unet_input = {.sample = sample,
                               .timesteps = input->timesteps,
                               .class_labels = input->classes};

    reorder(input->x, sample.data, &sample, true);
    if (!sde_unet_forward(net->unet, &unet_input, &result, arena, net->pool, NULL,
                          input->tap, input->tap_data, error)) {
        return false;
    }
    reorder(result.data, out, &result, false);
    return true;
}
