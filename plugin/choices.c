/* A text entry that also offers names to choose from: the entry keeps its binding to
 * the procedure's argument, the menu behind its arrow only sets the text.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "choices.h"

#include "intl.h"

static void
choose(GtkMenuItem *item, GtkEntry *entry)
{
    gtk_entry_set_text(entry, g_object_get_data(G_OBJECT(item), "sdedit-name"));
}

static void
append(GtkMenuShell *menu, GtkEntry *entry, const char *label, const char *name)
{
    GtkWidget *item = gtk_menu_item_new_with_label(label);

    g_object_set_data_full(G_OBJECT(item), "sdedit-name", g_strdup(name), g_free);
    g_signal_connect(item, "activate", G_CALLBACK(choose), entry);
    gtk_menu_shell_append(menu, item);
    gtk_widget_show(item);
}

static void
open_menu(GtkEntry *entry, GtkEntryIconPosition position, GdkEvent *event,
          GtkMenu *menu)
{
    gtk_menu_popup_at_widget(menu, GTK_WIDGET(entry), GDK_GRAVITY_SOUTH_WEST,
                             GDK_GRAVITY_NORTH_WEST, event);
}

void
sde_choices_offer(GtkEntry *entry, const char *empty_label, const char *const *names,
                  SdeChoiceLabel label)
{
    GtkWidget *menu = gtk_menu_new();
    GtkWidget *old = g_object_get_data(G_OBJECT(entry), "sdedit-choices");

    append(GTK_MENU_SHELL(menu), entry, empty_label, "");
    for (; *names != NULL; names++) {
        g_autofree char *shown = label != NULL ? label(*names) : g_strdup(*names);

        append(GTK_MENU_SHELL(menu), entry, shown, *names);
    }
    if (old != NULL) {
        g_signal_handlers_disconnect_by_func(entry, open_menu, old);
    }
    g_object_set_data_full(G_OBJECT(entry), "sdedit-choices", g_object_ref_sink(menu),
                           g_object_unref);
    gtk_entry_set_placeholder_text(entry, empty_label);
    gtk_entry_set_icon_from_icon_name(entry, GTK_ENTRY_ICON_SECONDARY,
                                      "pan-down-symbolic");
    gtk_entry_set_icon_tooltip_text(entry, GTK_ENTRY_ICON_SECONDARY,
                                    _("Choose from a list"));
    g_signal_connect(entry, "icon-press", G_CALLBACK(open_menu), menu);
}
