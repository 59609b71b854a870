/* The table of one CPU level. SPDX-License-Identifier: GPL-3.0-or-later */
#include "kernels/variants/levels.h"
#include "kernels/variants/variants.h"

#define QUOTE_(x) #x
#define QUOTE(x)  QUOTE_(x)

const SdeKernels JOIN(sde_kernels_, SDE_VARIANT) = {
    .name = QUOTE(SDE_VARIANT),
    .width = WIDTH,
    .rows = ROWS,
    .panel = PANEL,
    .multiply = LEVEL(multiply),
#if defined(__AVX512BF16__)
    .multiply_bf16 = LEVEL(multiply_bf16),
    .to_bf16 = LEVEL(to_bf16),
    .winograd4_input_bf16 = LEVEL(winograd4_input_bf16),
#endif
    .write_tile = LEVEL(write_tile),
    .winograd4 = {4, LEVEL(winograd4_weights), LEVEL(winograd4_input),
                  LEVEL(winograd4_output)},
    .winograd6 = {6, LEVEL(winograd6_weights), LEVEL(winograd6_input),
                  LEVEL(winograd6_output)},
    .scale_shift = LEVEL(scale_shift),
    .channel_sums = LEVEL(channel_sums),
    .softmax_block = LEVEL(softmax_block),
    .patch_distances = LEVEL(patch_distances),
    .add_products = LEVEL(add_products),
};
