/* The dialog of a procedure. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "procedure.h"

/* Asks for the arguments. False without an error: closed. */
bool sde_dialog_run(const SdeProcedure *description, GimpProcedure *procedure,
                    GimpProcedureConfig *config, GError **error);
