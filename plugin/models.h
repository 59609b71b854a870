/* Where models lie. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

/* The folder that the argument "model" means: a path; a bare name, looked for in
 * sdedit-models in the GIMP profile; or nothing, for the model beside the plug-in. */
char *sde_models_find(const char *model, GError **error);

/* Bare names of the models in the profile, sorted; free with g_strfreev(). */
GStrv sde_models_list(void);
