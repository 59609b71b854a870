/* By which marks the works of a style are made: strokes of a brush, lines of a needle.
 * styles/tones.json names them. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    SDE_TECHNIQUE_NONE, /* what the network paints, as it is */
    SDE_TECHNIQUE_OIL,
    SDE_TECHNIQUE_DABS,
    SDE_TECHNIQUE_WATERCOLOUR,
    SDE_TECHNIQUE_WOODBLOCK,
    SDE_TECHNIQUE_ENGRAVING,
    SDE_TECHNIQUE_ETCHING,
    SDE_TECHNIQUE_PEN,
    SDE_TECHNIQUE_PENCIL,
    SDE_N_TECHNIQUES
} SdeTechnique;

/* "oil", "dabs", … SDE_ERROR_FORMAT lists the known ones. */
bool sde_technique_find(const char *name, SdeTechnique *technique, GError **error);
