/* The preview of a procedure. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "procedure.h"
#include "source.h"
#include <libgimp/gimpui.h>

typedef struct _SdePreview SdePreview;

/* Fills the widget, which shows the layer of `source`, with what the procedure would
 * make of it whenever it or an argument changes, and tells in `label` how far that is
 * and what the procedure has to say of it. All must outlive the result. */
SdePreview *sde_preview_new(const SdeProcedure *description, const SdeSource *source,
                            GimpProcedureConfig *config, GimpPreview *widget,
                            GtkLabel *label);
/* Waits for what is being computed, which stops at once. */
void sde_preview_free(SdePreview *preview);
