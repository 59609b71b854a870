/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/technique.h"

#include "base/json.h"
#include "sde.h"

static const char *const names[] = {
    "none",      "oil",     "dabs", "watercolour", "woodblock",
    "engraving", "etching", "pen",  "pencil",      NULL,
};
G_STATIC_ASSERT(G_N_ELEMENTS(names) == SDE_N_TECHNIQUES + 1);

bool
sde_technique_find(const char *name, SdeTechnique *technique, GError **error)
{
    g_autofree char *known = NULL, *shown = NULL;

    for (int i = 0; i < SDE_N_TECHNIQUES; i++) {
        if (g_str_equal(names[i], name)) {
            *technique = (SdeTechnique) i;
            return true;
        }
    }
    known = g_strjoinv(", ", (char **) names);
    shown = sde_json_excerpt(name);
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "'technique': expected one of %s, found '%s'", known, shown);
    return false;
}
