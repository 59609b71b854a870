/* A network evaluated in the reference's layout, n × c × h × w.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "model/bundle.h"
#include "nn/unet.h"
#include "verify/golden-case.h"

typedef struct {
    SdeUnetConfig config;
    SdeUnet *unet;
    SdePool *pool;
} SdeGoldenNet;

bool sde_golden_net_init(SdeGoldenNet *net, const char *folder, SdePool *pool,
                         GError **error);
void sde_golden_net_clear(SdeGoldenNet *net);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SdeGoldenNet, sde_golden_net_clear)

typedef struct {
    int n, h, w;
    const float *x;         /* n × in_channels × h × w */
    const float *timesteps; /* n */
    const float *classes;   /* n, or NULL */
    SdeUnetTap tap;         /* nullable; gets n × h × w × c */
    void *tap_data;
} SdeGoldenNetInput;

/* out: n × out_channels × h × w */
bool sde_golden_net_run(SdeGoldenNet *net, const SdeGoldenNetInput *input, float *out,
                        GError **error);
