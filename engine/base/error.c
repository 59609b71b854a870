/* The engine's error domain.
 *
 * Lives in the lowest layer, since every folder raises errors, although its codes are
 * public (sde.h). SPDX-License-Identifier: GPL-3.0-or-later */
#include "sde.h"

/* clang-format off */
G_DEFINE_QUARK(sde-error-quark, sde_error)
/* clang-format on */
