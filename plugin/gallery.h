/* Pictures of styles to choose from. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <libgimp/gimpui.h>

/* A row of pictures that sets the argument "style" of config and follows it; hidden
 * until there are pictures. */
GtkWidget *sde_gallery_new(GimpProcedureConfig *config);

/* Shows styles/NAME.jpg of the model folder for each of `styles`; those without a
 * picture are left out. */
void sde_gallery_offer(GtkWidget *gallery, const char *folder,
                       const char *const *styles);
