/* One job in a thread of its own. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "procedure.h"

/* Loads the model and computes; meanwhile shows progress in GIMP, which has
 * been told to expect some. Returns when the job
 * is done or has failed. */
bool sde_run_job(const SdeProcedure *procedure, SdeJob *job, GimpImage *image,
                 GError **error);
