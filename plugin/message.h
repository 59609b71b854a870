/* Errors as people read them. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

/* Puts a translated sentence in front of an engine error: what is wrong and what to do;
 * the engine's own message follows as detail. */
void sde_message_explain(GError **error);
