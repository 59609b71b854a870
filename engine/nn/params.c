/* Reading and preparing tensors. SPDX-License-Identifier: GPL-3.0-or-later */
#include "nn/params.h"

#include <string.h>

bool
sde_params_is_dry(const SdeParams *params)
{
    return sde_arena_is_dry(params->arena);
}

static float *
alloc_zeroed(SdeParams *params, size_t n_floats)
{
    float *data = sde_arena_alloc(params->arena, n_floats);

    if (data != NULL) {
        memset(data, 0, n_floats * sizeof(float));
    }
    return data;
}

/* A dry run only looks whether the tensor is there: a config that claims more than its
 * file holds is refused before anything is allocated for it. */
static bool
read_tensor(SdeParams *params, const char *name, const char *part, const int *shape,
            int rank, float *out, GError **error)
{
    g_autofree char *full = g_strconcat(name, ".", part, NULL);

    return sde_params_is_dry(params)
               ? sde_weights_check(params->weights, full, shape, rank, error)
               : sde_weights_read(params->weights, full, shape, rank, out, error);
}

/* Linear layers were 1×1 convolutions in older files. */
static int
find_linear_rank(const SdeParams *params, const char *name)
{
    g_autofree char *full = g_strconcat(name, ".weight", NULL);
    size_t shape[SDE_MAX_RANK];
    int rank = 0;

    return sde_weights_get_shape(params->weights, full, shape, &rank) && rank == 4 ? 4
                                                                                   : 2;
}

static bool
load_part(SdeParams *params, const char *name, int rank, int cout, int first,
          SdeConv *conv, GError **error)
{
    const SdeConvShape *s = &conv->shape;
    const int shape[4] = {cout, s->cin, s->side, s->side};
    const bool dry = sde_params_is_dry(params);
    const size_t count = dry ? 0 : (size_t) cout * s->cin * s->side * s->side;
    g_autofree float *weights = g_new(float, count);
    g_autofree float *bias = g_new(float, dry ? 0 : cout);

    if (!read_tensor(params, name, "weight", shape, rank, weights, error) ||
        !read_tensor(params, name, "bias", shape, 1, bias, error)) {
        return false;
    }
    if (!dry) {
        sde_conv_prepare(conv, weights, bias, cout, first);
    }
    return true;
}

static void
alloc_conv(SdeParams *params, SdeConv *conv)
{
    const size_t n_weights = sde_conv_count_weights(conv);

    /* Transformed weights are written whole. */
    conv->weights = conv->winograd != 0 ? sde_arena_alloc(params->arena, n_weights)
                                        : alloc_zeroed(params, n_weights);
    conv->bias = alloc_zeroed(params, sde_conv_count_bias(conv));
    conv->zeros = alloc_zeroed(params, (size_t) conv->shape.cin);
}

bool
sde_params_load_conv(SdeParams *params, const char *name, SdeConv *conv, GError **error)
{
    alloc_conv(params, conv);
    return load_part(params, name, 4, conv->shape.cout, 0, conv, error);
}

bool
sde_params_load_linear(SdeParams *params, const char *const *names, int n_names,
                       SdeConv *conv, GError **error)
{
    const int cout = conv->shape.cout / n_names;

    alloc_conv(params, conv);
    for (int i = 0; i < n_names; i++) {
        const int rank = find_linear_rank(params, names[i]);

        if (!load_part(params, names[i], rank, cout, i * cout, conv, error)) {
            return false;
        }
    }
    return true;
}

bool
sde_params_load_norm(SdeParams *params, const char *name, SdeNorm *norm, GError **error)
{
    const int shape[1] = {norm->channels};

    norm->gain = alloc_zeroed(params, (size_t) norm->channels);
    norm->bias = alloc_zeroed(params, (size_t) norm->channels);
    return read_tensor(params, name, "weight", shape, 1, norm->gain, error) &&
           read_tensor(params, name, "bias", shape, 1, norm->bias, error);
}

bool
sde_params_load_table(SdeParams *params, const char *name, int rows, int cols,
                      float **table, GError **error)
{
    const int shape[2] = {rows, cols};

    *table = alloc_zeroed(params, (size_t) rows * cols);
    return read_tensor(params, name, "weight", shape, 2, *table, error);
}

SdeConv
sde_params_choose_linear(int cin, int cout, SdePrecision precision)
{
    const SdeConvShape shape = {
        .cin = cin, .cout = cout, .side = 1, .stride = 1, .upsample = 1};

    return sde_conv_choose(&shape, 0, precision);
}
