/* The dialog of a procedure. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "procedure.h"
#include "source.h"

/* Asks for the arguments of a run on this source. False without an error: closed. */
bool sde_dialog_run(const SdeProcedure *description, GimpProcedure *procedure,
                    GimpProcedureConfig *config, const SdeSource *source,
                    GError **error);
