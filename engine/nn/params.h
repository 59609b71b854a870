/* Takes a network's tensors from a file and prepares them for the kernels.
 *
 * Loading runs twice over the same code: over a dry arena, which counts and checks that
 * every tensor is there, and over a real one of that size, which is then the network's
 * only large allocation.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>

#include "base/arena.h"
#include "kernels/conv.h"
#include "kernels/norm.h"
#include "model/weights.h"

typedef struct {
    SdeWeights *weights;
    SdeArena *arena;
} SdeParams;

bool sde_params_is_dry(const SdeParams *params);
/* `name`.weight and `name`.bias of a convolution whose shape is chosen. */
bool sde_params_load_conv(SdeParams *params, const char *name, SdeConv *conv,
                          GError **error);
/* The same for linear layers whose outputs lie side by side; weights are cout × cin or
 * cout × cin × 1 × 1. */
bool sde_params_load_linear(SdeParams *params, const char *const *names, int n_names,
                            SdeConv *conv, GError **error);
bool sde_params_load_norm(SdeParams *params, const char *name, SdeNorm *norm,
                          GError **error);
/* rows × cols as they are. */
bool sde_params_load_table(SdeParams *params, const char *name, int rows, int cols,
                           float **table, GError **error);
/* A layer of cin -> cout without a window. */
SdeConv sde_params_choose_linear(int cin, int cout, SdePrecision precision);
