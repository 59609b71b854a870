/* What the kernel libraries, one per CPU level, export: a table each.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/kernels.h"

#if defined(SDE_HAS_NEON_VARIANT)
extern const SdeKernels sde_kernels_neon;
#else
extern const SdeKernels sde_kernels_baseline;
#endif
#if defined(SDE_HAS_X86_VARIANTS)
extern const SdeKernels sde_kernels_avx2;
extern const SdeKernels sde_kernels_avx512;
extern const SdeKernels sde_kernels_avx512_bf16;
#endif
