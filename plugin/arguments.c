/* Arguments that several procedures share. A range given here is what dialogs, scripts
 * and presets obey: GIMP refuses or clamps everything else before the plug-in runs.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "arguments.h"

#include "intl.h"

enum { SOURCE_LAYER, SOURCE_VISIBLE };

void
sde_arguments_add_int(GimpProcedure *procedure, const char *name, const char *nick,
                      const char *blurb, int min, int max, int value)
{
    gimp_procedure_add_int_argument(procedure, name, nick, blurb, min, max, value,
                                    G_PARAM_READWRITE);
}

void
sde_arguments_add_share(GimpProcedure *procedure, const char *name, const char *nick,
                        const char *blurb, double value)
{
    gimp_procedure_add_double_argument(procedure, name, nick, blurb, 0, 1, value,
                                       G_PARAM_READWRITE);
}

void
sde_arguments_add_sampling(GimpProcedure *procedure, double strength,
                           const char *strength_blurb)
{
    sde_arguments_add_share(procedure, "strength", _("S_trength"), strength_blurb,
                            strength);
    sde_arguments_add_int(
        procedure, "steps", _("Ste_ps"),
        _("How often the network looks at each pixel: more steps take "
          "longer and give finer results; 0: as many as suit the model"),
        0, 250, 0);
    sde_arguments_add_int(procedure, "seed", _("See_d"),
                          _("The same seed gives the same result; -1 chooses a new one "
                            "each time"),
                          -1, G_MAXINT, -1);
}

static GimpChoice *
new_sampler_choice(void)
{
    static const struct {
        SdeSampler sampler;
        const char *label;
    } samplers[] = {
        {SDE_SAMPLER_DDIM, N_("DDIM")},
        {SDE_SAMPLER_DDPM, N_("DDPM (adds noise in each step)")},
        {SDE_SAMPLER_DPMPP_2M, N_("DPM-Solver++ 2M")},
        {SDE_SAMPLER_EULER, N_("Euler")},
        {SDE_SAMPLER_EULER_ANCESTRAL, N_("Euler ancestral (adds noise in each step)")},
        {SDE_SAMPLER_LCM, N_("LCM (for distilled models)")},
    };
    GimpChoice *choice = gimp_choice_new();

    G_STATIC_ASSERT(G_N_ELEMENTS(samplers) == SDE_N_SAMPLERS);
    for (size_t i = 0; i < G_N_ELEMENTS(samplers); i++) {
        gimp_choice_add(choice, sde_sampler_get_name(samplers[i].sampler),
                        (int) samplers[i].sampler, _(samplers[i].label), NULL);
    }
    return choice;
}

void
sde_arguments_add_sampling_details(GimpProcedure *procedure)
{
    gimp_procedure_add_choice_argument(procedure, "sampler", _("S_ampler"),
                                       _("The method that steps from noise to picture"),
                                       new_sampler_choice(), "ddim", G_PARAM_READWRITE);
    sde_arguments_add_share(procedure, "eta", _("_Eta"),
                            _("Fresh noise in each step of DDIM: 0 none, 1 as much as "
                              "DDPM"),
                            0);
}

void
sde_arguments_read_sampling(GimpProcedureConfig *config, SdeSampling *sampling)
{
    g_object_get(config, "strength", &sampling->strength, "steps", &sampling->n_steps,
                 "eta", &sampling->eta, NULL);
    sampling->sampler =
        (SdeSampler) gimp_procedure_config_get_choice_id(config, "sampler");
    sde_arguments_read_tiles(config, &sampling->tile_size, &sampling->tile_overlap);
}

void
sde_arguments_add_tiles(GimpProcedure *procedure)
{
    sde_arguments_add_int(procedure, "tile-size", _("Tile si_ze"),
                          _("Side in pixels of the tiles that large pictures are cut "
                            "into; 0 lets the model and the memory decide"),
                          0, 4096, 0);
    sde_arguments_add_int(procedure, "tile-overlap", _("Tile o_verlap"),
                          _("How many pixels neighboring tiles share; 0 lets the model "
                            "decide"),
                          0, 1024, 0);
}

void
sde_arguments_read_tiles(GimpProcedureConfig *config, int *size, int *overlap)
{
    g_object_get(config, "tile-size", size, "tile-overlap", overlap, NULL);
}

void
sde_arguments_add_common(GimpProcedure *procedure)
{
    gimp_procedure_add_choice_argument(
        procedure, "source", _("So_urce"), _("Which pixels to start from"),
        gimp_choice_new_with_values(
            "layer", SOURCE_LAYER, _("Selected layer"),
            _("The pixels of the layer alone"), "visible", SOURCE_VISIBLE,
            _("Visible image"),
            _("What the whole image looks like, with all layers "
              "and effects; the result becomes the top layer"),
            NULL),
        "layer", G_PARAM_READWRITE);
    gimp_procedure_add_string_argument(
        procedure, "model", _("_Model"),
        _("Folder of a model in diffusers format, or the name of a folder in "
          "sdedit-models in your GIMP profile; empty for the model that comes with the "
          "plug-in"),
        "", G_PARAM_READWRITE);
    sde_arguments_add_int(
        procedure, "threads", _("Num_ber of threads"),
        _("How many processor cores to use; 0 uses as many as GIMP may"), 0, 64, 0);
    sde_arguments_add_int(procedure, "memory", _("Memor_y limit"),
                          _("Working memory in MiB; 0 allows a quarter of the "
                            "computer's memory"),
                          0, 1024 * 1024, 0);
}

bool
sde_arguments_get_visible(GimpProcedureConfig *config)
{
    return gimp_procedure_config_get_choice_id(config, "source") == SOURCE_VISIBLE;
}

void
sde_arguments_read_run(GimpProcedureConfig *config, bool is_random, SdeRun *run)
{
    static int chosen_seed = -1;
    int memory_mib = 0;
    int seed = 0;

    g_object_get(config, "threads", &run->n_threads, "memory", &memory_mib, NULL);
    run->memory_limit = (size_t) memory_mib << 20;
    if (run->n_threads == 0) {
        run->n_threads = gimp_get_num_processors();
    }

    if (is_random) {
        g_object_get(config, "seed", &seed, NULL);
        if (seed < 0 && chosen_seed < 0) {
            chosen_seed = g_random_int_range(0, G_MAXINT);
        }
        seed = seed < 0 ? chosen_seed : seed;
    }
    run->seed = (uint64_t) seed;
}
