/* A text entry that also offers names to choose from.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gtk/gtk.h>

/* What the menu calls a name; it is freed. */
typedef char *(*SdeChoiceLabel)(const char *name);

/* Shows an arrow in the entry that opens a menu of `names`; the first menu item is
 * `empty_label` and stands for no text. Without `label` names are shown as they are.
 * Call it again to offer others. */
void sde_choices_offer(GtkEntry *entry, const char *empty_label,
                       const char *const *names, SdeChoiceLabel label);
