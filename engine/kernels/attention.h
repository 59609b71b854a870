/* Multi-head attention over the pixels of a map. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#pragma once

#include "kernels/compute.h"

/* qkv: n × h × w × 3 inner (queries, keys, values side by side), y: n × h × w × inner;
 * y = softmax(Q K' / sqrt(inner / heads)) V, head by head. `bf16`: both products over
 * bfloat16, where this level has it and the heads' width is even. */
void sde_attention_run(SdeCompute *compute, const SdeTensor *qkv, int heads, bool bf16,
                       SdeTensor *y);
