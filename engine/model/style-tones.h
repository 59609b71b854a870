/* styles/tones.json of a model folder: how light and how coloured the works of each
 * style are, and by which technique they are made. models/tones.py measures them.
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "model/technique.h"

#define SDE_N_TONES 17 /* quantiles */

/* Of R'G'B' in 0..1; Y' is 0.299 R' + 0.587 G' + 0.114 B'. */
typedef struct {
    bool known;              /* else all is 0 */
    float luma[SDE_N_TONES]; /* quantiles (i + 0.5) / SDE_N_TONES of Y' */
    float chroma_mean[3];    /* of R' - Y', G' - Y', B' - Y': the tint of the paper */
    float chroma_deviation;  /* of the same, over all works together */
    SdeTechnique technique;  /* SDE_TECHNIQUE_NONE when absent */
} SdeStyleTones;

/* One for each name, and an unknown one behind; those that the file leaves out are not
 * known. g_free when done. NULL with SDE_ERROR_FORMAT names the style and the key that
 * is wrong. */
SdeStyleTones *sde_style_tones_load(const char *path, GStrv class_names,
                                    GError **error);
