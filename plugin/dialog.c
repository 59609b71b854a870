/* The dialog of a procedure: GIMP's standard one, made from the declared arguments,
 * with the less used ones in an expander. Models and styles, which are plain text for
 * scripts, can be chosen from what there is; a model is only ever loaded in a thread.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "dialog.h"

#include "choices.h"
#include "gallery.h"
#include "intl.h"
#include "models.h"
#include "preview.h"
#include "styles.h"
#include <libgimp/gimpui.h>

/* Up to here a whole number is easier to set with a slider. */
#define LARGEST_SLIDER 256
#define PREVIEW_SIDE   352 /* pixels */
#define LABEL_CHARS    45  /* of a line below it */
/* Pixels, beside a preview: sliders keep their labels. */
#define ARGUMENTS_WIDTH 340

/* ---- lists of models and styles -------------------------------------------------- */

/* Into a box that the dialog was filled with. */
static void
put_first(GimpProcedureDialog *dialog, const char *name, GtkWidget *widget)
{
    GtkWidget *box = gimp_procedure_dialog_get_widget(dialog, name, G_TYPE_NONE);

    gtk_box_pack_start(GTK_BOX(box), widget, FALSE, FALSE, 0);
    gtk_box_reorder_child(GTK_BOX(box), widget, 0);
}

static GtkEntry *
get_entry(GimpProcedureDialog *dialog, const char *name)
{
    GtkWidget *widget = gimp_procedure_dialog_get_widget(dialog, name, G_TYPE_NONE);

    return GTK_ENTRY(gimp_label_entry_get_entry(GIMP_LABEL_ENTRY(widget)));
}

static void
read_styles(GTask *task, void *source, void *folder, GCancellable *cancellable)
{
    GError *error = NULL;
    g_autoptr(SdeModel) model =
        sde_model_load(folder, SDE_RESTYLE_PRECISION, cancellable, &error);
    g_autoptr(GStrvBuilder) styles = g_strv_builder_new();
    SdeModelInfo info;

    if (model == NULL) {
        g_task_return_error(task, error);
        return;
    }
    sde_model_get_info(model, &info);
    for (int i = 0; i < info.n_styles; i++) {
        g_strv_builder_add(styles, sde_model_peek_style_name(model, i));
    }
    g_task_return_pointer(task, g_strv_builder_end(styles),
                          (GDestroyNotify) g_strfreev);
}

/* Where the styles of a model are shown. */
typedef struct {
    GtkEntry *style, *second_style;
    GtkWidget *gallery;
} Styles;

static void
offer_styles(GObject *dialog, GAsyncResult *result, void *data)
{
    Styles *shown = data;
    const char *folder = g_task_get_task_data(G_TASK(result));
    g_auto(GStrv) found = g_task_propagate_pointer(G_TASK(result), NULL);
    const char *const none[] = {NULL};
    /* No model, no list: the run itself will say what is wrong. */
    const char *const *styles = found != NULL ? (const char *const *) found : none;

    if (!gtk_widget_get_visible(GTK_WIDGET(dialog))) {
        return; /* it was faster */
    }
    sde_choices_offer(shown->style, _("The model's own choice"), styles,
                      sde_style_label);
    sde_choices_offer(shown->second_style, _("None"), styles, sde_style_label);
    sde_gallery_offer(shown->gallery, folder, styles);
}

static void
look_for_styles(GimpProcedureConfig *config, GParamSpec *spec, GtkWidget *dialog)
{
    Styles *shown = g_object_get_data(G_OBJECT(dialog), "sdedit-styles");
    g_autofree char *model = NULL;
    g_autofree char *folder = NULL;
    g_autoptr(GTask) task = g_task_new(dialog, NULL, offer_styles, shown);

    g_object_get(config, "model", &model, NULL);
    folder = sde_models_find(model, NULL);
    if (folder != NULL) {
        g_task_set_task_data(task, g_steal_pointer(&folder), g_free);
        g_task_run_in_thread(task, read_styles);
    }
}

static void
add_styles(GimpProcedureDialog *dialog, GimpProcedureConfig *config)
{
    Styles *shown = g_new(Styles, 1);

    *shown = (Styles) {.style = get_entry(dialog, "style"),
                       .second_style = get_entry(dialog, "second-style"),
                       .gallery = sde_gallery_new(config)};
    put_first(dialog, "arguments-box", shown->gallery);
    g_object_set_data_full(G_OBJECT(dialog), "sdedit-styles", shown, g_free);
    g_signal_connect_object(config, "notify::model", G_CALLBACK(look_for_styles),
                            dialog, 0);
    look_for_styles(config, NULL, GTK_WIDGET(dialog));
}

static void
offer_lists(GimpProcedureDialog *dialog, GimpProcedure *procedure,
            GimpProcedureConfig *config)
{
    g_auto(GStrv) models = sde_models_list();

    sde_choices_offer(get_entry(dialog, "model"), _("The model of the plug-in"),
                      (const char *const *) models, NULL);
    if (gimp_procedure_find_argument(procedure, "style") != NULL) {
        add_styles(dialog, config);
    }
}

/* ---- layout ---------------------------------------------------------------------- */

static void
choose_widgets(GimpProcedureDialog *dialog, GimpProcedure *procedure,
               const char *const *names)
{
    for (; *names != NULL; names++) {
        GParamSpec *spec = gimp_procedure_find_argument(procedure, *names);
        bool has_slider = G_IS_PARAM_SPEC_DOUBLE(spec) ||
                          (G_IS_PARAM_SPEC_INT(spec) &&
                           G_PARAM_SPEC_INT(spec)->maximum <= LARGEST_SLIDER);

        if (has_slider) {
            gimp_procedure_dialog_get_widget(dialog, *names, GIMP_TYPE_SPIN_SCALE);
        }
    }
}

static GList *
list_names(const char *const *names)
{
    GList *list = NULL;

    for (; *names != NULL; names++) {
        list = g_list_append(list, (void *) *names);
    }
    return list;
}

/* Side by side: one above the other they would be too high for small screens. */
static void
fill_beside_preview(GimpProcedureDialog *dialog, GList *names)
{
    GtkWidget *columns, *arguments, *box;
    GtkWidget *label =
        gimp_procedure_dialog_get_label(dialog, "preview-label", "", FALSE, FALSE);

    gtk_label_set_line_wrap(GTK_LABEL(label), TRUE); /* errors are sentences */
    gtk_label_set_max_width_chars(GTK_LABEL(label), LABEL_CHARS);
    box = gimp_procedure_dialog_fill_box(dialog, "preview-box", "preview-label", NULL);
    gtk_widget_set_valign(box, GTK_ALIGN_START);
    arguments = gimp_procedure_dialog_fill_box_list(dialog, "arguments-box", names);
    gtk_widget_set_size_request(arguments, ARGUMENTS_WIDTH, -1);
    columns = gimp_procedure_dialog_fill_box(dialog, "columns", "preview-box",
                                             "arguments-box", NULL);
    gtk_orientable_set_orientation(GTK_ORIENTABLE(columns), GTK_ORIENTATION_HORIZONTAL);
    gtk_box_set_spacing(GTK_BOX(columns), 12);
    gimp_procedure_dialog_fill(dialog, "columns", NULL);
}

static void
fill(GimpProcedureDialog *dialog, const SdeProcedure *description)
{
    GList *main_names = list_names(description->main_arguments);
    GList *further_names = list_names(description->further_arguments);

    gimp_procedure_dialog_fill_box_list(dialog, "further-box", further_names);
    gimp_procedure_dialog_get_label(dialog, "further-title", _("More options"), FALSE,
                                    FALSE);
    gimp_procedure_dialog_fill_expander(dialog, "further", "further-title", FALSE,
                                        "further-box");
    main_names = g_list_append(main_names, (void *) "further");
    fill_beside_preview(dialog, main_names);
    g_list_free(main_names);
    g_list_free(further_names);
}

/* The menu's label without its mnemonic and the dots that promise a dialog. */
static char *
make_title(GimpProcedure *procedure)
{
    char *title = gimp_strip_uline(gimp_procedure_get_menu_label(procedure));

    if (g_str_has_suffix(title, "…")) {
        title[strlen(title) - strlen("…")] = '\0';
    }
    return g_strchomp(title);
}

/* At what may change. */
static void
direct(SdeView *view, const SdeProcedure *description, const SdeSource *source)
{
    GeglRectangle bounds;
    bool has_selection;

    if (!sde_source_find_bounds(source, source->layer, description->region, &bounds,
                                &has_selection, NULL)) {
        return; /* the preview will say why */
    }
    if (description->preview == SDE_PREVIEW_DETAIL) {
        sde_view_look_closely(view, &bounds);
    } else if (has_selection || description->region == SDE_REGION_HOLE) {
        sde_view_look_at(view, &bounds);
    }
}

static SdePreview *
add_preview(GimpProcedureDialog *dialog, const SdeProcedure *description,
            const SdeSource *source, GimpProcedureConfig *config)
{
    GtkWidget *label =
        gimp_procedure_dialog_get_widget(dialog, "preview-label", G_TYPE_NONE);
    SdeView *view = sde_view_new(GIMP_DRAWABLE(source->layer), PREVIEW_SIDE);

    direct(view, description, source);
    put_first(dialog, "preview-box", GTK_WIDGET(view));
    return sde_preview_new(description, source, config, view, GTK_LABEL(label));
}

bool
sde_dialog_run(const SdeProcedure *description, GimpProcedure *procedure,
               GimpProcedureConfig *config, const SdeSource *source, SdeJob *job,
               SdePixels *pixels, GError **error)
{
    g_autofree char *title = make_title(procedure);
    GimpProcedureDialog *dialog;
    SdePreview *preview;
    bool ok;

    /* gimp_ui_init() ends the process when there is no display: look first. */
    if (!gtk_init_check(NULL, NULL)) {
        g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                            _("There is no display for the dialog: run this procedure "
                              "non-interactively."));
        return false;
    }
    gimp_ui_init("sdedit");
    dialog = GIMP_PROCEDURE_DIALOG(gimp_procedure_dialog_new(procedure, config, title));
    choose_widgets(dialog, procedure, description->main_arguments);
    choose_widgets(dialog, procedure, description->further_arguments);
    fill(dialog, description);
    preview = add_preview(dialog, description, source, config);
    offer_lists(dialog, procedure, config);
    ok = gimp_procedure_dialog_run(dialog);
    gtk_widget_hide(GTK_WIDGET(dialog));
    if (ok) {
        sde_preview_take_result(preview, job, pixels);
    }
    sde_preview_free(preview);
    gtk_widget_destroy(GTK_WIDGET(dialog));
    return ok;
}
