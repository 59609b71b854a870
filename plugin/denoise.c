/* plug-in-sdedit-denoise: removes noise from the selection or the whole layer. Draws no
 * random numbers, so it has no seed argument and reports seed 0.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "arguments.h"
#include "intl.h"
#include "procedure.h"

static const char *const main_arguments[] = {"noise-level", "strength",   "luminance",
                                             "color",       "keep-grain", "quality",
                                             "steps",       NULL};
static const char *const further_arguments[] = {
    "tile-size", "tile-overlap", "source", "model", "threads", "memory", NULL};

/* An id is the engine's n_views. */
static GimpChoice *
new_quality_choice(void)
{
    return gimp_choice_new_with_values(
        "fast", 1, _("Fast"), NULL, "better", 2, _("Better"),
        _("Mean over the picture and its mirror image; takes twice as long"), "best", 4,
        _("Best"), _("Mean over four mirrored pictures; takes four times as long"),
        NULL);
}

static void
add_arguments(GimpProcedure *procedure)
{
    gimp_procedure_add_double_argument(procedure, "noise-level", _("No_ise level"),
                                       _("Standard deviation of the noise, in steps of "
                                         "an 8-bit channel; 0 estimates it "
                                         "from the picture"),
                                       0, 100, 0, G_PARAM_READWRITE);
    sde_arguments_add_share(procedure, "strength", _("S_trength"),
                            _("1 removes all of the noise, 0 none"), 1);
    sde_arguments_add_share(procedure, "luminance", _("Bri_ghtness noise"),
                            _("Share of the strength that goes to brightness"), 1);
    sde_arguments_add_share(procedure, "color", _("Color nois_e"),
                            _("Share of the strength that goes to color"), 1);
    sde_arguments_add_share(procedure, "keep-grain", _("_Keep grain"),
                            _("Part of the fine grain in brightness that is put back"),
                            0);
    gimp_procedure_add_choice_argument(
        procedure, "quality", _("_Quality"),
        _("How much work goes into finding what is noise"), new_quality_choice(),
        "fast", G_PARAM_READWRITE);
    sde_arguments_add_int(procedure, "steps", _("Ste_ps"),
                          _("How often the network looks at each pixel: one is fast, "
                            "two or three bring out finer detail"),
                          1, 20, 1);
    sde_arguments_add_tiles(procedure);
}

static void
read_arguments(GimpProcedureConfig *config, SdeJob *job)
{
    SdeDenoiseParams *params = &job->params.denoise;

    *params = (SdeDenoiseParams) SDE_DENOISE_PARAMS_INIT;
    g_object_get(config, "noise-level", &params->noise_level, "strength",
                 &params->strength, "luminance", &params->luminance, "color",
                 &params->color, "keep-grain", &params->keep_grain, "steps",
                 &params->n_steps, NULL);
    params->n_views = gimp_procedure_config_get_choice_id(config, "quality");
    sde_arguments_read_tiles(config, &params->tile_size, &params->tile_overlap);
    if (params->noise_level <= 0) {
        params->noise_level = -1; /* the engine's way to say "estimate" */
    }
}

static int
get_context(const SdeJob *job)
{
    return 0;
}

static bool
compute(SdeJob *job, SdeModel *model, GError **error)
{
    SdeDenoiseParams params = job->params.denoise;
    const SdeMask *mask = job->mask.levels != NULL ? &job->mask : NULL;

    if (job->knows_noise) {
        params.known = &job->noise;
    } else {
        params.used = &job->noise;
    }
    return sde_denoise(model, &job->source, mask, &params, &job->run, &job->result,
                       error);
}

static char *
name_layer(const SdeJob *job)
{
    if (job->params.denoise.noise_level < 0) {
        return g_strdup_printf(_("Denoised (noise level estimated as %.1f)"),
                               job->noise.sigma);
    }
    return g_strdup_printf(_("Denoised (noise level %.1f)"), job->noise.sigma);
}

/* Takes some seconds in large pictures. */
static bool
find_noise(SdeJob *job, SdeModel *model, GError **error)
{
    const SdeMask *mask = job->mask.levels != NULL ? &job->mask : NULL;

    if (job->params.denoise.noise_level < 0 && !job->knows_noise) {
        job->knows_noise = sde_estimate_noise(model, &job->source, mask, &job->run,
                                              &job->noise, error);
        return job->knows_noise;
    }
    return true;
}

static char *
tell_noise(const SdeJob *job)
{
    if (job->params.denoise.noise_level >= 0) {
        return NULL;
    }
    return job->noise.sigma > 0
               ? g_strdup_printf(_("Noise level found: %.1f"), job->noise.sigma)
               : g_strdup(_("No noise was found."));
}

const SdeProcedure sde_denoise_procedure = {
    .name = "plug-in-sdedit-denoise",
    .menu_label = N_("_Remove Noise…"),
    .blurb = N_("Remove noise from a photo"),
    .help =
        N_("Removes noise from the selected area or the whole layer, as a new layer "
           "above the source layer. The noise level is estimated from the picture or "
           "given in steps of an 8-bit channel. A diffusion model does the work on "
           "this computer's processor. The result is always the same for the same "
           "picture and values; the returned seed is 0."),
    .progress_title = N_("Removing noise"),
    .region = SDE_REGION_SELECTION,
    .is_random = false,
    .preview = SDE_PREVIEW_DETAIL,
    .main_arguments = main_arguments,
    .further_arguments = further_arguments,
    .add_arguments = add_arguments,
    .read_arguments = read_arguments,
    .get_context = get_context,
    .precision = SDE_DENOISE_PRECISION,
    .compute = compute,
    .name_layer = name_layer,
    .prepare = find_noise,
    .describe = tell_noise,
};
