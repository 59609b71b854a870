/* Convolutions at a half, a quarter and an eighth of the size. The first ones measure
 * differences of neighbours; what follows sees the logs of their squares, in which a
 * twofold noise is the same step at every level. What the picture is like on the whole
 * tells cells that cannot tell noise from texture by themselves.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/noise-net.h"

#include <math.h>
#include <string.h>

#include "nn/params.h"

#define PATCH     2
#define CHANNELS  12 /* 3 × PATCH × PATCH */
#define N_OUTPUTS 2
#define GAIN      64.0f /* of the first convolutions, before the log */
#define N_HIDDEN  7
#define CONTEXT   4   /* the hidden layer that the mean over the picture has a say in */
#define SIDE      128 /* of the maps that convolutions are chosen for, at PATCH */

/* Of the hidden layers. */
static const int strides[N_HIDDEN] = {2, 1, 1, 2, 1, 1, 1};

struct _SdeNoiseNet {
    SdeConv conv_in, hidden[N_HIDDEN], conv_out;
    SdeConv context; /* of the mean of what CONTEXT sees, added to what it says */
    SdeArena *store;
};

/* ---- loading ----------------------------------------------------------------------
 */

/* Output channels as the file has them; 1 for a tensor that loading will miss. */
static int
find_width(const SdeWeights *weights, const char *name)
{
    g_autofree char *full = g_strconcat(name, ".weight", NULL);
    size_t shape[SDE_MAX_RANK];
    int rank = 0;

    return sde_weights_get_shape(weights, full, shape, &rank) && rank == 4 &&
                   shape[0] <= G_MAXINT16
               ? MAX((int) shape[0], 1)
               : 1;
}

static SdeConv
choose_conv(int cin, int cout, int stride, int side)
{
    const SdeConvShape shape = {
        .cin = cin, .cout = cout, .side = 3, .stride = stride, .pad = 1, .upsample = 1};

    return sde_conv_choose(&shape, side, SDE_PRECISION_FLOAT);
}

static char *
name_hidden(int i)
{
    return g_strdup_printf("convs.%d", i);
}

static void
choose_layers(SdeNoiseNet *net, const SdeWeights *weights)
{
    int c = find_width(weights, "conv_in"), side = SIDE;

    net->conv_in = choose_conv(CHANNELS, c, 1, side);
    for (int i = 0; i < N_HIDDEN; i++) {
        g_autofree char *name = name_hidden(i);
        const int cout = find_width(weights, name);

        side /= strides[i];
        net->hidden[i] = choose_conv(c, cout, strides[i], side);
        if (i == CONTEXT) {
            net->context = sde_params_choose_linear(c, cout, SDE_PRECISION_FLOAT);
        }
        c = cout;
    }
    net->conv_out = sde_params_choose_linear(c, N_OUTPUTS, SDE_PRECISION_FLOAT);
}

/* In their order: a missing one is named before what follows fits no more. */
static bool
load_layers(SdeNoiseNet *net, SdeParams *params, GError **error)
{
    const char *context = "context", *out = "conv_out";

    if (!sde_params_load_conv(params, "conv_in", &net->conv_in, error)) {
        return false;
    }
    for (int i = 0; i < N_HIDDEN; i++) {
        g_autofree char *name = name_hidden(i);

        if (!sde_params_load_conv(params, name, &net->hidden[i], error)) {
            return false;
        }
    }
    return sde_params_load_linear(params, &context, 1, &net->context, error) &&
           sde_params_load_linear(params, &out, 1, &net->conv_out, error);
}

SdeNoiseNet *
sde_noise_net_new(SdeWeights *weights, GError **error)
{
    g_autoptr(SdeNoiseNet) net = g_new0(SdeNoiseNet, 1);
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    SdeParams params = {weights, dry};

    choose_layers(net, weights);
    if (!load_layers(net, &params, error)) {
        return NULL;
    }
    net->store = sde_arena_new(sde_arena_get_peak(dry), error);
    params.arena = net->store;
    if (net->store == NULL || !load_layers(net, &params, error) ||
        !sde_weights_check_all_read(weights, error)) {
        return NULL;
    }
    return g_steal_pointer(&net);
}

void
sde_noise_net_free(SdeNoiseNet *net)
{
    if (net != NULL) {
        sde_arena_free(net->store);
        g_free(net);
    }
}

/* ---- running ----------------------------------------------------------------------
 */

/* As torch.pixel_unshuffle orders channels. */
static void
unshuffle(const float *rgb, SdeTensor *x)
{
    const size_t patch = PATCH, pitch = 3 * patch * (size_t) x->w;
    float *to = x->data;

    for (size_t i = 0; i < sde_tensor_pixels(x); i++, to += CHANNELS) {
        const size_t row = i / (size_t) x->w, column = i % (size_t) x->w;
        const float *from = rgb + row * patch * pitch + 3 * patch * column;

        for (size_t c = 0; c < CHANNELS; c++) {
            const size_t within = c % (patch * patch), channel = c / (patch * patch);

            to[c] = from[within / patch * pitch + 3 * (within % patch) + channel];
        }
    }
}

/* One row of a map. */
static void
take_log(size_t block, int thread, void *data)
{
    const SdeTensor *x = data;
    const size_t n = (size_t) x->w * (size_t) x->c;
    float *row = x->data + block * n;

    (void) thread;
    for (size_t i = 0; i < n; i++) {
        const float value = GAIN * row[i];

        row[i] = log1pf(value * value);
    }
}

static void
rectify(size_t block, int thread, void *data)
{
    const SdeTensor *x = data;
    const size_t n = (size_t) x->w * (size_t) x->c;
    float *row = x->data + block * n;

    (void) thread;
    for (size_t i = 0; i < n; i++) {
        row[i] = row[i] > 0.0f ? row[i] : 0.0f;
    }
}

/* 1 × cout: `linear` of the mean over all pixels. */
static SdeTensor
run_context(SdeCompute *compute, const SdeConv *linear, const SdeTensor *x)
{
    SdeTensor mean = sde_compute_alloc(compute, 1, 1, 1, x->c);
    SdeTensor y = sde_compute_alloc(compute, 1, 1, 1, linear->shape.cout);

    for (int c = 0; c < x->c && !sde_compute_is_dry(compute); c++) {
        double sum = 0.0;

        for (size_t i = 0; i < sde_tensor_pixels(x); i++) {
            sum += (double) x->data[i * (size_t) x->c + (size_t) c];
        }
        mean.data[c] = (float) (sum / (double) sde_tensor_pixels(x));
    }
    sde_conv_run(compute, linear, &(SdeConvInput) {.x = &mean}, &y);
    return y;
}

/* shift: nullable; 1 × cout, added. */
static SdeTensor
run_layer(SdeCompute *compute, const SdeConv *conv, const SdeTensor *x,
          const float *shift, SdeBlockFunc activate)
{
    const int stride = conv->shape.stride;
    SdeTensor y =
        sde_compute_alloc(compute, 1, x->h / stride, x->w / stride, conv->shape.cout);

    sde_conv_run(compute, conv, &(SdeConvInput) {.x = x, .shift = shift}, &y);
    if (activate != NULL && !sde_compute_is_dry(compute)) {
        sde_compute_for(compute, (size_t) y.h, activate, &y);
    }
    return y;
}

void
sde_noise_net_run(const SdeNoiseNet *net, SdeCompute *compute, const float *rgb,
                  int width, int height, SdeNoiseGuess *guesses)
{
    const size_t mark = sde_arena_mark(compute->arena);
    SdeTensor x =
        sde_compute_alloc(compute, 1, height / PATCH, width / PATCH, CHANNELS);

    if (rgb != NULL) {
        unshuffle(rgb, &x);
    }
    x = run_layer(compute, &net->conv_in, &x, NULL, take_log);
    for (int i = 0; i < N_HIDDEN; i++) {
        SdeTensor context = {0};

        if (i == CONTEXT) {
            context = run_context(compute, &net->context, &x);
        }
        x = run_layer(compute, &net->hidden[i], &x, context.data, rectify);
    }
    x = run_layer(compute, &net->conv_out, &x, NULL, NULL);
    for (size_t i = 0; guesses != NULL && i < sde_tensor_pixels(&x); i++) {
        guesses[i] = (SdeNoiseGuess) {x.data[N_OUTPUTS * i], x.data[N_OUTPUTS * i + 1]};
    }
    sde_arena_release(compute->arena, mark);
}

size_t
sde_noise_net_plan(const SdeNoiseNet *net, int width, int height, int n_threads)
{
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    SdeCompute compute = {.arena = dry, .n_threads = n_threads};

    sde_noise_net_run(net, &compute, NULL, width, height, NULL);
    return sde_arena_get_peak(dry);
}
