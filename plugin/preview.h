/* The preview of a procedure. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "pixels.h"
#include "procedure.h"
#include "source.h"
#include "view.h"

typedef struct _SdePreview SdePreview;

/* Fills the view, which is of the layer of `source`, with what the procedure would make
 * of it whenever it or an argument changes, and tells in `label` how far that is and
 * what the procedure has to say of it. All must outlive the result. */
SdePreview *sde_preview_new(const SdeProcedure *description, const SdeSource *source,
                            GimpProcedureConfig *config, SdeView *view,
                            GtkLabel *label);
/* The whole result with the pixels it was made from, where the preview needed all of it
 * and no argument has changed since; else nothing. If it is still being made, this
 * waits and shows GIMP's progress. The preview is only good for sde_preview_free()
 * then. */
void sde_preview_take_result(SdePreview *preview, SdeJob *job, SdePixels *pixels);
/* Waits for what is being computed, which stops at once. */
void sde_preview_free(SdePreview *preview);
