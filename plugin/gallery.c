/* A GtkIconView over the pictures of a model folder, bound to the argument "style".
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "gallery.h"

#include "styles.h"

#define SIDE     72 /* pixels of a picture */
#define PADDING  2
#define N_ACROSS 3

enum { COLUMN_PICTURE, COLUMN_LABEL, COLUMN_STYLE, N_COLUMNS };

/* The user's choice becomes the argument. */
static void
choose(GtkIconView *view, GimpProcedureConfig *config)
{
    GtkTreeModel *store = gtk_icon_view_get_model(view);
    GList *selected = gtk_icon_view_get_selected_items(view);
    g_autofree char *style = NULL;
    g_autofree char *now = NULL;
    GtkTreeIter iter;

    if (selected != NULL && gtk_tree_model_get_iter(store, &iter, selected->data)) {
        gtk_tree_model_get(store, &iter, COLUMN_STYLE, &style, -1);
        g_object_get(config, "style", &now, NULL);
        if (g_strcmp0(style, now) != 0) {
            g_object_set(config, "style", style, NULL);
        }
    }
    g_list_free_full(selected, (GDestroyNotify) gtk_tree_path_free);
}

/* The argument, set by something else, becomes the selection. */
static void
follow(GimpProcedureConfig *config, GParamSpec *spec, GtkIconView *view)
{
    GtkTreeModel *store = gtk_icon_view_get_model(view);
    g_autofree char *style = NULL;
    GtkTreeIter iter;
    gboolean more = gtk_tree_model_get_iter_first(store, &iter);

    g_object_get(config, "style", &style, NULL);
    g_signal_handlers_block_by_func(view, choose, config);
    gtk_icon_view_unselect_all(view);
    for (; more; more = gtk_tree_model_iter_next(store, &iter)) {
        g_autofree char *name = NULL;

        gtk_tree_model_get(store, &iter, COLUMN_STYLE, &name, -1);
        if (g_strcmp0(name, style) == 0) {
            GtkTreePath *path = gtk_tree_model_get_path(store, &iter);

            gtk_icon_view_select_path(view, path);
            gtk_tree_path_free(path);
        }
    }
    g_signal_handlers_unblock_by_func(view, choose, config);
}

GtkWidget *
sde_gallery_new(GimpProcedureConfig *config)
{
    GtkListStore *store =
        gtk_list_store_new(N_COLUMNS, GDK_TYPE_PIXBUF, G_TYPE_STRING, G_TYPE_STRING);
    GtkWidget *view = gtk_icon_view_new_with_model(GTK_TREE_MODEL(store));

    g_object_unref(store);
    gtk_icon_view_set_pixbuf_column(GTK_ICON_VIEW(view), COLUMN_PICTURE);
    gtk_icon_view_set_text_column(GTK_ICON_VIEW(view), COLUMN_LABEL);
    gtk_icon_view_set_item_width(GTK_ICON_VIEW(view), SIDE);
    gtk_icon_view_set_item_padding(GTK_ICON_VIEW(view), PADDING);
    gtk_icon_view_set_columns(GTK_ICON_VIEW(view), N_ACROSS);
    gtk_icon_view_set_column_spacing(GTK_ICON_VIEW(view), 0);
    gtk_icon_view_set_activate_on_single_click(GTK_ICON_VIEW(view), TRUE);
    gtk_widget_set_no_show_all(view, TRUE);
    g_object_set_data(G_OBJECT(view), "sdedit-config", config);
    g_signal_connect(view, "selection-changed", G_CALLBACK(choose), config);
    g_signal_connect_object(config, "notify::style", G_CALLBACK(follow), view, 0);
    return view;
}

static void
append(GtkListStore *store, const char *folder, const char *style)
{
    g_autofree char *base = g_strconcat(style, ".jpg", NULL);
    g_autofree char *file = g_build_filename(folder, "styles", base, NULL);
    g_autofree char *label = sde_style_label(style);
    g_autoptr(GdkPixbuf) picture =
        gdk_pixbuf_new_from_file_at_size(file, SIDE, SIDE, NULL);

    if (picture != NULL) {
        gtk_list_store_insert_with_values(store, NULL, -1, COLUMN_PICTURE, picture,
                                          COLUMN_LABEL, label, COLUMN_STYLE, style, -1);
    }
}

void
sde_gallery_offer(GtkWidget *gallery, const char *folder, const char *const *styles)
{
    GtkListStore *store =
        GTK_LIST_STORE(gtk_icon_view_get_model(GTK_ICON_VIEW(gallery)));
    GimpProcedureConfig *config = g_object_get_data(G_OBJECT(gallery), "sdedit-config");

    gtk_list_store_clear(store);
    for (; *styles != NULL; styles++) {
        append(store, folder, *styles);
    }
    follow(config, NULL, GTK_ICON_VIEW(gallery));
    gtk_widget_set_visible(
        gallery, gtk_tree_model_iter_n_children(GTK_TREE_MODEL(store), NULL) > 0);
}
