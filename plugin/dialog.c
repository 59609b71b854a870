/* The dialog of a procedure: GIMP's standard one, made from the declared arguments,
 * with the less used ones in an expander. SPDX-License-Identifier: GPL-3.0-or-later */
#include "dialog.h"

#include "intl.h"
#include <libgimp/gimpui.h>

static GList *
list_names(const char *const *names)
{
    GList *list = NULL;

    for (; *names != NULL; names++) {
        list = g_list_append(list, (void *) *names);
    }
    return list;
}

static void
fill(GimpProcedureDialog *dialog, const SdeProcedure *description)
{
    GList *main_names = list_names(description->main_arguments);
    GList *further_names = list_names(description->further_arguments);

    gimp_procedure_dialog_fill_box_list(dialog, "further-box", further_names);
    gimp_procedure_dialog_get_label(dialog, "further-title", _("More _options"), FALSE,
                                    TRUE);
    gimp_procedure_dialog_fill_expander(dialog, "further", "further-title", FALSE,
                                        "further-box");
    main_names = g_list_append(main_names, (void *) "further");
    gimp_procedure_dialog_fill_list(dialog, main_names);
    g_list_free(main_names);
    g_list_free(further_names);
}

bool
sde_dialog_run(const SdeProcedure *description, GimpProcedure *procedure,
               GimpProcedureConfig *config, GError **error)
{
    GtkWidget *dialog;
    bool ok;

    /* gimp_ui_init() ends the process when there is no display: look first. */
    if (!gtk_init_check(NULL, NULL)) {
        g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                            _("There is no display for the dialog: run this procedure "
                              "non-interactively."));
        return false;
    }
    gimp_ui_init("sdedit");
    dialog = gimp_procedure_dialog_new(procedure, config,
                                       gimp_procedure_get_menu_label(procedure));
    fill(GIMP_PROCEDURE_DIALOG(dialog), description);
    ok = gimp_procedure_dialog_run(GIMP_PROCEDURE_DIALOG(dialog));
    gtk_widget_destroy(dialog);
    return ok;
}
