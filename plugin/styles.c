/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "styles.h"

#include "intl.h"
#include <string.h>

static const struct {
    const char *style, *label;
} known[] = {
    /* Translators: these are styles that a picture is repainted in. */
    {"photo", N_("photo")},
    {"oil_painting", N_("oil painting")},
    {"impressionism", N_("impressionism")},
    {"watercolour", N_("watercolour")},
    /* Translators: Japanese woodblock prints. */
    {"ukiyoe", N_("ukiyo-e")},
    {"wood_engraving", N_("wood engraving")},
    {"etching", N_("etching")},
    {"ink_drawing", N_("ink drawing")},
    /* Translators: drawn with a pencil. */
    {"sketch", N_("sketch")},
};

char *
sde_style_label(const char *style)
{
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(style, known[i].style) == 0) {
            return g_strdup(_(known[i].label));
        }
    }
    return g_strdelimit(g_strdup(style), "_", ' ');
}
