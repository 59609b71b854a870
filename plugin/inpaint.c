/* plug-in-sdedit-inpaint: repaints the selection, or the transparent holes of a layer.
 * Arguments are declared here once; dialog, presets and scripts follow from that.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "arguments.h"
#include "intl.h"
#include "procedure.h"

static const char *const main_arguments[] = {"strength",     "quality", "seed",
                                             "fill",         "grow",    "feather",
                                             "match-colors", "grain",   NULL};
static const char *const further_arguments[] = {
    "mask-mode", "context",      "steps",  "resample", "sampler", "eta",    "max-side",
    "tile-size", "tile-overlap", "source", "model",    "threads", "memory", NULL};

static GimpChoice *
new_quality_choice(void)
{
    return gimp_choice_new_with_values("fast", SDE_QUALITY_FAST, _("Fast"), NULL,
                                       "better", SDE_QUALITY_BETTER, _("Better"), NULL,
                                       "best", SDE_QUALITY_BEST, _("Best"), NULL, NULL);
}

static void
add_mask_arguments(GimpProcedure *procedure)
{
    sde_arguments_add_int(
        procedure, "grow", _("_Grow"),
        _("Pixels by which the area is enlarged, so that no edge of what "
          "was there remains"),
        0, 256, 1);
    sde_arguments_add_int(
        procedure, "feather", _("_Feather"),
        _("Pixels over which the new area fades into its surroundings"), 0, 256, 0);
    gimp_procedure_add_choice_argument(
        procedure, "mask-mode", _("Mas_k edge"),
        _("What a partly selected pixel means"),
        gimp_choice_new_with_values(
            "soft", SDE_MASK_SOFT, _("Soft"),
            _("The less a pixel is selected, the more of it remains"), "hard",
            SDE_MASK_HARD, _("Hard"), _("From one half on a pixel counts as selected"),
            NULL),
        "soft", G_PARAM_READWRITE);
    sde_arguments_add_int(
        procedure, "context", _("Conte_xt"),
        _("How many pixels around the area the model sees; 0 chooses by "
          "the size of the area"),
        0, 1024, 0);
}

static void
add_arguments(GimpProcedure *procedure)
{
    sde_arguments_add_sampling(procedure, 0.8,
                               _("1 forgets what is in the area; smaller values keep "
                                 "more and more of it"));
    gimp_procedure_add_choice_argument(
        procedure, "quality", _("_Quality"),
        _("How much work goes into the new area: the default model gains little, "
          "other models gain more"),
        new_quality_choice(), "better", G_PARAM_READWRITE);
    gimp_procedure_add_choice_argument(
        procedure, "fill", _("Begin _with"),
        _("What the area holds before noise is added; matters where the strength is "
          "below 1"),
        gimp_choice_new_with_values(
            "model", SDE_FILL_MODEL, _("What the model expects"), NULL, "smooth",
            SDE_FILL_SMOOTH, _("Surrounding colors"), NULL, "original",
            SDE_FILL_ORIGINAL, _("What is there now"), NULL, "noise", SDE_FILL_NOISE,
            _("Noise"), NULL, NULL),
        "model", G_PARAM_READWRITE);
    add_mask_arguments(procedure);
    gimp_procedure_add_boolean_argument(
        procedure, "match-colors", _("Ad_just colors"),
        _("Shift the colors of the new area so that they meet its border"), FALSE,
        G_PARAM_READWRITE);
    sde_arguments_add_share(procedure, "grain", _("Match grai_n"),
                            _("Share of the photo's noise that the new area gets"), 1);
    sde_arguments_add_sampling_details(procedure);
    sde_arguments_add_int(procedure, "max-side", _("_Largest working side"),
                          _("Work on a picture of at most this many pixels a side and "
                            "carry the change up to full size; 0 works at full size"),
                          0, 8192, 0);
    sde_arguments_add_int(procedure, "resample", _("Resampl_ing"),
                          _("How often each step is repeated to fit the surroundings "
                            "(RePaint); only for models without level maps; 0: as the "
                            "quality says"),
                          0, 20, 0);
    sde_arguments_add_tiles(procedure);
}

static void
read_arguments(GimpProcedureConfig *config, SdeJob *job)
{
    SdeInpaintParams *params = &job->params.inpaint;
    gboolean match_colors = FALSE;

    *params = (SdeInpaintParams) SDE_INPAINT_PARAMS_INIT;
    sde_arguments_read_sampling(config, &params->sampling);
    g_object_get(config, "max-side", &params->sampling.max_side, NULL);
    params->fill = (SdeFill) gimp_procedure_config_get_choice_id(config, "fill");
    job->quality = (SdeQuality) gimp_procedure_config_get_choice_id(config, "quality");
    job->mask_mode =
        (SdeMaskMode) gimp_procedure_config_get_choice_id(config, "mask-mode");
    g_object_get(config, "grow", &params->grow, "feather", &params->feather, "context",
                 &params->context, "resample", &params->n_resample, "match-colors",
                 &match_colors, "grain", &params->grain, NULL);
    params->match_colors = match_colors;
}

static int
get_context(const SdeJob *job)
{
    const SdeInpaintParams *params = &job->params.inpaint;

    return params->context + params->grow + params->feather;
}

static bool
compute(SdeJob *job, SdeModel *model, GError **error)
{
    SdeInpaintParams *params = &job->params.inpaint;
    const int n_steps = params->sampling.n_steps, n_resample = params->n_resample;

    sde_model_set_quality(model, job->quality, params);
    if (n_steps > 0) {
        params->sampling.n_steps = n_steps;
    }
    if (n_resample > 0) {
        params->n_resample = n_resample;
    }
    return sde_inpaint(model, &job->source, &job->mask, params, &job->run, &job->result,
                       error);
}

static char *
name_layer(const SdeJob *job)
{
    return g_strdup_printf(_("Inpaint (seed %d, %d steps)"), (int) job->run.seed,
                           job->params.inpaint.sampling.n_steps);
}

const SdeProcedure sde_inpaint_procedure = {
    .name = "plug-in-sdedit-inpaint",
    .menu_label = N_("_Inpaint Selection…"),
    .blurb = N_("Fill the selected area from its surroundings"),
    .help =
        N_("Repaints the selected area so that it continues what is around it, as a "
           "new layer above the source layer. Without a selection the transparent "
           "parts of the layer are filled. A diffusion model does the work on this "
           "computer's processor. Pixels outside the (grown and feathered) area stay "
           "exactly as they are."),
    .progress_title = N_("Inpainting"),
    .region = SDE_REGION_HOLE,
    .is_random = true,
    .preview = SDE_PREVIEW_WHOLE,
    .main_arguments = main_arguments,
    .further_arguments = further_arguments,
    .add_arguments = add_arguments,
    .read_arguments = read_arguments,
    .get_context = get_context,
    .precision = SDE_INPAINT_PRECISION,
    .compute = compute,
    .name_layer = name_layer,
};
