/* The dialog of a procedure. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "pixels.h"
#include "procedure.h"
#include "source.h"

/* Asks for the arguments of a run on this source. False without an error: closed. `job`
 * and `pixels` are filled if the preview has made the result (preview.h). */
bool sde_dialog_run(const SdeProcedure *description, GimpProcedure *procedure,
                    GimpProcedureConfig *config, const SdeSource *source, SdeJob *job,
                    SdePixels *pixels, GError **error);
