/* What the procedures have in common: registration, and the course of a run. Check,
 * ask, read pixels, compute in a thread unless the preview has done that, add the
 * layer: the document is touched by the last step only. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "procedure.h"

#include "arguments.h"
#include "dialog.h"
#include "intl.h"
#include "layer.h"
#include "message.h"
#include "models.h"
#include "pixels.h"
#include "run.h"
#include "source.h"

void
sde_job_clear(SdeJob *job)
{
    g_free(job->model_folder);
    g_free(job->style);
    g_free(job->second_style);
}

/* ---- the record that stays with the layer ---------------------------------------- */

static void
record_argument(GKeyFile *record, GimpProcedureConfig *config, const char *name)
{
    g_auto(GValue) value = G_VALUE_INIT;

    g_object_get_property(G_OBJECT(config), name, &value);
    if (G_VALUE_HOLDS_INT(&value)) {
        g_key_file_set_integer(record, "arguments", name, g_value_get_int(&value));
    } else if (G_VALUE_HOLDS_DOUBLE(&value)) {
        g_key_file_set_double(record, "arguments", name, g_value_get_double(&value));
    } else if (G_VALUE_HOLDS_BOOLEAN(&value)) {
        g_key_file_set_boolean(record, "arguments", name, g_value_get_boolean(&value));
    } else if (G_VALUE_HOLDS_STRING(&value)) {
        const char *text = g_value_get_string(&value);

        g_key_file_set_string(record, "arguments", name, text != NULL ? text : "");
    }
}

/* Everything that is needed to make the same pixels again. */
static char *
write_record(const SdeProcedure *description, GimpProcedureConfig *config,
             const SdeJob *job)
{
    g_autoptr(GKeyFile) record = g_key_file_new();

    g_key_file_set_string(record, "sdedit", "version", SDE_VERSION);
    g_key_file_set_string(record, "sdedit", "procedure", description->name);
    for (int i = 0; description->main_arguments[i] != NULL; i++) {
        record_argument(record, config, description->main_arguments[i]);
    }
    for (int i = 0; description->further_arguments[i] != NULL; i++) {
        record_argument(record, config, description->further_arguments[i]);
    }
    if (description->is_random) {
        g_key_file_set_integer(record, "arguments", "seed", (int) job->run.seed);
    }
    return g_key_file_to_data(record, NULL, NULL);
}

/* ---- a run ----------------------------------------------------------------------- */

/* What a dialog's preview has made; nothing where it has not. */
typedef struct {
    SdeJob job;
    SdePixels pixels;
} Made;

static void
made_clear(Made *made)
{
    sde_job_clear(&made->job);
    sde_pixels_clear(&made->pixels);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Made, made_clear)

/* The preview's result, if the layer and the selection are still what they were. */
static bool
take_made(Made *made, SdeJob *job, SdePixels *pixels)
{
    if (made->pixels.rgb == NULL || !sde_pixels_are_equal(&made->pixels, pixels)) {
        return false;
    }
    sde_job_clear(job);
    *job = made->job;
    made->job = (SdeJob) {0};
    g_free(pixels->result);
    pixels->result = g_steal_pointer(&made->pixels.result);
    return true;
}

static GimpLayer *
make_layer(const SdeProcedure *description, const SdeSource *source,
           GimpProcedureConfig *config, SdeJob *job, Made *made, GError **error)
{
    g_auto(SdePixels) pixels = {0};
    g_autofree char *model = NULL;
    g_autofree char *name = NULL;
    g_autofree char *record = NULL;

    gimp_progress_init(_(description->progress_title));
    g_object_get(config, "model", &model, NULL);
    job->model_folder = sde_models_find(model, error);
    if (job->model_folder == NULL ||
        !sde_pixels_read(&pixels, source, description->region, job->mask_mode,
                         description->get_context(job), error)) {
        return NULL;
    }
    if (!take_made(made, job, &pixels)) {
        sde_pixels_lend(&pixels, job);
        if (!sde_run_job(description, job, source->image, error)) {
            sde_message_explain(error);
            return NULL;
        }
    }
    name = description->name_layer(job);
    record = write_record(description, config, job);
    return sde_layer_add_result(source, &pixels, name, record, error);
}

static GimpValueArray *
fail(GimpProcedure *procedure, GimpPDBStatusType status, GError *error)
{
    return gimp_procedure_new_return_values(procedure, status, error);
}

static GimpValueArray *
run(GimpProcedure *procedure, GimpRunMode run_mode, GimpImage *image,
    GimpDrawable **drawables, GimpProcedureConfig *config, void *run_data)
{
    const SdeProcedure *description = run_data;
    SdeSource source;
    g_auto(SdeJob) job = {0};
    g_auto(Made) made = {0};
    GimpValueArray *values;
    GimpLayer *layer;
    GError *error = NULL;

    gegl_init(NULL, NULL);
    if (!sde_source_init(&source, image, drawables, &error)) {
        return fail(procedure, GIMP_PDB_CALLING_ERROR, error);
    }
    if (description->region == SDE_REGION_HOLE &&
        !sde_source_may_have_hole(&source, &error)) {
        return fail(procedure, GIMP_PDB_EXECUTION_ERROR, error);
    }
    if (run_mode == GIMP_RUN_INTERACTIVE &&
        !sde_dialog_run(description, procedure, config, &source, &made.job,
                        &made.pixels, &error)) {
        return fail(procedure, error ? GIMP_PDB_EXECUTION_ERROR : GIMP_PDB_CANCEL,
                    error);
    }
    source.visible = sde_arguments_get_visible(config);
    description->read_arguments(config, &job);
    sde_arguments_read_run(config, description->is_random, &job.run);

    layer = make_layer(description, &source, config, &job, &made, &error);
    if (layer == NULL) {
        return fail(procedure, GIMP_PDB_EXECUTION_ERROR, error);
    }
    if (run_mode != GIMP_RUN_NONINTERACTIVE) {
        gimp_displays_flush();
    }
    values = gimp_procedure_new_return_values(procedure, GIMP_PDB_SUCCESS, NULL);
    GIMP_VALUES_SET_LAYER(values, 1, layer);
    GIMP_VALUES_SET_INT(values, 2, (int) job.run.seed);
    return values;
}

/* By file, because a per-user installation adds nothing to the icon themes. */
static void
set_icon(GimpProcedure *procedure)
{
    g_autofree char *folder = g_path_get_dirname(gimp_get_progname());
    g_autoptr(GFile) file =
        g_file_new_build_filename(folder, "icons", "sdedit-symbolic.svg", NULL);

    gimp_procedure_set_icon_file(procedure, file);
}

GimpProcedure *
sde_procedure_new(GimpPlugIn *plug_in, const SdeProcedure *description)
{
    GimpProcedure *procedure =
        gimp_image_procedure_new(plug_in, description->name, GIMP_PDB_PROC_TYPE_PLUGIN,
                                 run, (void *) description, NULL);

    gimp_procedure_set_image_types(procedure, "RGB*, GRAY*");
    gimp_procedure_set_sensitivity_mask(procedure, GIMP_PROCEDURE_SENSITIVE_DRAWABLE);
    gimp_procedure_set_menu_label(procedure, _(description->menu_label));
    set_icon(procedure);
    /* Translators: translate the last part only; the rest is GIMP's own menu. */
    gimp_procedure_add_menu_path(procedure, _("<Image>/Filters/Diff_usion"));
    gimp_procedure_set_documentation(procedure, _(description->blurb),
                                     _(description->help), description->name);
    gimp_procedure_set_attribution(procedure, "The gimp-sdedit authors",
                                   "The gimp-sdedit authors", "2026");

    description->add_arguments(procedure);
    sde_arguments_add_common(procedure);
    gimp_procedure_add_layer_return_value(procedure, "layer", _("Layer"),
                                          _("The new layer"), FALSE, G_PARAM_READWRITE);
    gimp_procedure_add_int_return_value(procedure, "seed-used", _("Seed"),
                                        _("The seed that the result was made with"), 0,
                                        G_MAXINT, 0, G_PARAM_READWRITE);
    return procedure;
}
