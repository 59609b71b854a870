/* plug-in-sdedit-restyle: SDEdit. Adds noise up to a level and lets the model walk
 * back, so that coarse shapes stay and the rest takes the style of the model.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "arguments.h"
#include "intl.h"
#include "procedure.h"
#include "styles.h"

static const char *const main_arguments[] = {"style",  "strength",    "marks",
                                             "detail", "keep-colors", "keep-structure",
                                             "seed",   NULL};
static const char *const further_arguments[] = {
    "second-style", "mix",          "steps",   "guidance", "passes",
    "invert",       "sampler",      "eta",     "source",   "model",
    "tile-size",    "tile-overlap", "threads", "memory",   NULL};

static void
add_arguments(GimpProcedure *procedure)
{
    sde_arguments_add_sampling(procedure, 0.5,
                               _("How far to go: 0 changes nothing, 1 keeps nothing of "
                                 "the picture"));
    gimp_procedure_add_string_argument(procedure, "style", _("_In the style of"),
                                       _("Name of a style that the model knows; empty "
                                         "for the model's own choice"),
                                       "", G_PARAM_READWRITE);
    sde_arguments_add_share(procedure, "marks", _("Dra_w strokes and lines"),
                            _("How much the strokes of the brush, lines or pigment of "
                              "the style are drawn over what the model paints"),
                            1);
    sde_arguments_add_int(
        procedure, "detail", _("Detai_l size"),
        _("Paint on a picture of at most this many pixels a side and carry the change "
          "up to full size: the smaller, the larger the strokes; 0 paints at full "
          "size"),
        0, 8192, SDE_RESTYLE_DETAIL);
    gimp_procedure_add_string_argument(
        procedure, "second-style", _("Seco_nd style"),
        _("Name of another style to mix in; empty for none"), "", G_PARAM_READWRITE);
    sde_arguments_add_share(procedure, "mix", _("Mi_x"),
                            _("Share of the second style: 0 none, 1 nothing else"),
                            0.5);
    gimp_procedure_add_double_argument(
        procedure, "guidance", _("_Guidance"),
        _("How strongly to push towards the style in the first half of the steps; 1 "
          "does not push and takes less time, 0 leaves it to the model"),
        0, 20, 0, G_PARAM_READWRITE);
    sde_arguments_add_share(
        procedure, "keep-colors", _("_Keep colors"),
        _("How much the coarse colors of the picture are held; at 0 the style "
          "has its own"),
        0);
    sde_arguments_add_share(procedure, "keep-structure", _("Keep st_ructure"),
                            _("How much less edges are repainted than the rest"), 0);
    sde_arguments_add_int(procedure, "passes", _("Pa_sses"),
                          _("How many times to paint, each time over the last result"),
                          1, 16, 1);
    gimp_procedure_add_boolean_argument(procedure, "invert",
                                        _("Start _from the picture’s own noise"),
                                        _("DDIM inversion: keeps the layout better "
                                          "than fresh noise, takes half as long "
                                          "again"),
                                        FALSE, G_PARAM_READWRITE);
    sde_arguments_add_sampling_details(procedure);
    sde_arguments_add_tiles(procedure);
}

static void
read_arguments(GimpProcedureConfig *config, SdeJob *job)
{
    SdeRestyleParams *params = &job->params.restyle;

    gboolean invert;

    *params = (SdeRestyleParams) SDE_RESTYLE_PARAMS_INIT;
    sde_arguments_read_sampling(config, &params->sampling);
    g_object_get(config, "guidance", &params->guidance, "keep-colors",
                 &params->keep_colors, "keep-structure", &params->keep_structure,
                 "marks", &params->marks, "detail", &params->sampling.max_side, "mix",
                 &params->mix, "passes", &params->n_passes, "invert", &invert, "style",
                 &job->style, "second-style", &job->second_style, NULL);
    params->invert = invert;
}

static int
get_context(const SdeJob *job)
{
    return 0;
}

/* An empty name leaves `style` as it is. */
static bool
find_style(const SdeModel *model, const char *name, int *style, GError **error)
{
    bool is_named = name != NULL && name[0] != '\0';
    int found = is_named ? sde_model_find_style(model, name, error) : *style;

    *style = found;
    return !is_named || found >= 0;
}

static bool
compute(SdeJob *job, SdeModel *model, GError **error)
{
    SdeRestyleParams *params = &job->params.restyle;
    const SdeMask *mask = job->mask.levels != NULL ? &job->mask : NULL;
    SdeModelInfo info;

    sde_model_get_info(model, &info);
    if (params->sampling.n_steps == 0) {
        params->sampling.n_steps = info.restyle_steps;
    }
    if (params->guidance <= 0.0) {
        params->guidance = info.restyle_guidance;
    }

    if (job->second_style == NULL || job->second_style[0] == '\0') {
        params->mix = 0.0;
    }
    if (!find_style(model, job->style, &params->style, error) ||
        !find_style(model, job->second_style, &params->second_style, error)) {
        return false;
    }
    return sde_restyle(model, &job->source, mask, params, &job->run, &job->result,
                       error);
}

static char *
name_layer(const SdeJob *job)
{
    int seed = (int) job->run.seed;
    int n_steps = job->params.restyle.sampling.n_steps;

    if (job->style != NULL && job->style[0] != '\0') {
        g_autofree char *style = sde_style_label(job->style);

        /* Translators: the first value is the name of a style. */
        return g_strdup_printf(_("Restyle %s (seed %d, %d steps)"), style, seed,
                               n_steps);
    }
    return g_strdup_printf(_("Restyle (seed %d, %d steps)"), seed, n_steps);
}

const SdeProcedure sde_restyle_procedure = {
    .name = "plug-in-sdedit-restyle",
    .menu_label = N_("Re_style…"),
    .blurb = N_("Repaint a picture in another style"),
    .help =
        N_("Adds noise to the selected area or the whole layer and lets a diffusion "
           "model paint it anew, as a new layer above the source layer (SDEdit). The "
           "strength says how much of the picture is given up. The work is done on "
           "this computer's processor."),
    .progress_title = N_("Restyling"),
    .region = SDE_REGION_SELECTION,
    .is_random = true,
    .preview = SDE_PREVIEW_WHOLE,
    .main_arguments = main_arguments,
    .further_arguments = further_arguments,
    .add_arguments = add_arguments,
    .read_arguments = read_arguments,
    .get_context = get_context,
    .precision = SDE_RESTYLE_PRECISION,
    .compute = compute,
    .name_layer = name_layer,
};
