/* Parses the command line: one table of options for each group of commands, GOption for
 * the rest. Numbers are read strictly; their ranges are checked by the engine.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tool/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tool/config.h"

/* As GOption fills them in; NULL and the numbers below mean "not given". */
typedef struct {
    char *model, *mask, *style, *second_style, *sigma, *sampler, *fill, *size, *seed,
        *precision, *quality;
    double strength, luminance, color, keep_grain, grain, eta, guidance, keep_colors,
        keep_structure, marks, mix;
    int steps, threads, memory, tile, overlap, max_side, context, grow, feather,
        resample, passes, views;
    int reps;
    gboolean quiet, match_colors, invert, json;
    char **names;
} Raw;

#define NOT_GIVEN   G_MININT
#define MAX_THREADS 256
#define INFO_SIDE   512 /* pixels */

static const struct {
    const char *name, *arguments, *summary;
    int n_names; /* negative: at least that many */
    bool on_picture, sampled;
    SdePrecision precision;
} commands[SDE_N_COMMANDS] = {
    [SDE_COMMAND_DENOISE] = {"denoise", "IN OUT", "remove a photo's noise", 2, true,
                             false, SDE_DENOISE_PRECISION},
    [SDE_COMMAND_INPAINT] = {"inpaint", "IN MASK OUT",
                             "repaint what is white in MASK from its surroundings", 3,
                             true, true, SDE_INPAINT_PRECISION},
    [SDE_COMMAND_RESTYLE] = {"restyle", "IN OUT", "redraw a picture in another style",
                             2, true, true, SDE_RESTYLE_PRECISION},
    [SDE_COMMAND_NOISE] = {"noise", "IN",
                           "say how much noise a photo has, and of which kind", 1,
                           false, false, SDE_DENOISE_PRECISION},
    [SDE_COMMAND_INFO] = {"info", "MODEL", "say what a model is and can do", 1, false,
                          false, SDE_PRECISION_MIXED},
    [SDE_COMMAND_GOLDEN] = {"golden", "DIR...", "run the golden cases below folders",
                            -1, false, false, SDE_PRECISION_FLOAT},
    [SDE_COMMAND_BENCH] = {"bench", "MODEL", "time one evaluation of a network", 1,
                           false, false, SDE_PRECISION_MIXED},
};

/* ---- help -------------------------------------------------------------------------
 */

static void
print_help(void)
{
    printf("Usage: sdedit COMMAND [OPTION...] ARGUMENT...\n\n"
           "Repairs and redraws pictures with a diffusion model, on the CPU.\n\n"
           "Commands:\n");
    for (int i = 0; i < SDE_N_COMMANDS; i++) {
        printf("  %-8s  %-12s %s\n", commands[i].name, commands[i].arguments,
               commands[i].summary);
    }
    printf("\nPictures are PNG, JPEG or TIFF, with 8, 16 or 32 bits a channel.\n"
           "'sdedit COMMAND --help' lists the options of a command; "
           "'sdedit --version' the version.\n");
}

static bool
find_command(const char *name, SdeCommand *command, GError **error)
{
    for (int i = 0; i < SDE_N_COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            *command = (SdeCommand) i;
            return true;
        }
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                "there is no command '%s': try 'sdedit --help'", name);
    return false;
}

#define PRECISION_HELP                                                              \
    "float, mixed or bf16: how exactly the network counts, where the processor is " \
    "faster over bfloat16 (default: bf16 for denoise, else mixed)"

/* ---- tables -----------------------------------------------------------------------
 */

static void
add_run_options(GOptionContext *context, Raw *raw)
{
    const GOptionEntry entries[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &raw->model,
         "Model folder in diffusers format (default: the one that comes along)", "DIR"},
        {"strength", 0, 0, G_OPTION_ARG_DOUBLE, &raw->strength,
         "How much may change, 0 to 1 (denoise: 1, inpaint: 0.8, restyle: 0.5)", "X"},
        {"seed", 0, 0, G_OPTION_ARG_STRING, &raw->seed,
         "Same seed, same picture (default: 0)", "N"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &raw->threads,
         "Processor cores to use (default: all)", "N"},
        {"memory", 0, 0, G_OPTION_ARG_INT, &raw->memory,
         "Limit of working memory in MiB (default: a quarter of the machine's)", "MiB"},
        {"tile", 0, 0, G_OPTION_ARG_INT, &raw->tile,
         "Side of the tiles in pixels (default: chosen)", "N"},
        {"overlap", 0, 0, G_OPTION_ARG_INT, &raw->overlap,
         "Overlap of the tiles in pixels (default: chosen)", "N"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &raw->precision, PRECISION_HELP,
         "NAME"},
        {"quiet", 'q', 0, G_OPTION_ARG_NONE, &raw->quiet, "Show no progress", NULL},
        G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, entries, NULL);
}

/* denoise takes the sampled tasks' options too, so that a script can share them: it has
 * no use for any but --steps. */
static void
add_sampling_options(GOptionContext *context, Raw *raw)
{
    const GOptionEntry entries[] = {
        {"steps", 0, 0, G_OPTION_ARG_INT, &raw->steps,
         "Steps of the network (default: what suits the model; denoise: 1, and 2 or 3 "
         "give finer detail)",
         "N"},
        {"sampler", 0, 0, G_OPTION_ARG_STRING, &raw->sampler,
         "ddim (default), ddpm, dpmpp-2m, euler, euler-ancestral or lcm", "NAME"},
        {"eta", 0, 0, G_OPTION_ARG_DOUBLE, &raw->eta,
         "Fresh noise of ddim, 0 to 1 (default: 0)", "X"},
        {"max-side", 0, 0, G_OPTION_ARG_INT, &raw->max_side,
         "Work at most at this size and carry the change up (default: full size; "
         "restyle: --detail)",
         "PX"},
        G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, entries, NULL);
}

static void
add_denoise_options(GOptionContext *context, Raw *raw)
{
    const GOptionEntry entries[] = {
        {"sigma", 0, 0, G_OPTION_ARG_STRING, &raw->sigma,
         "Noise of the photo, 0 to 255, or auto (default)", "S"},
        {"luminance", 0, 0, G_OPTION_ARG_DOUBLE, &raw->luminance,
         "Share of the strength on brightness, 0 to 1 (default: 1)", "X"},
        {"color", 0, 0, G_OPTION_ARG_DOUBLE, &raw->color,
         "Share of the strength on colour, 0 to 1 (default: 1)", "X"},
        {"views", 0, 0, G_OPTION_ARG_INT, &raw->views,
         "Mean over 1, 2 or 4 mirrored views: cleaner, in as many times the time "
         "(default: 1)",
         "N"},
        {"keep-grain", 0, 0, G_OPTION_ARG_DOUBLE, &raw->keep_grain,
         "Part of the fine grain that is put back, 0 to 1 (default: 0)", "X"},
        {"mask", 0, 0, G_OPTION_ARG_FILENAME, &raw->mask, "Only where this is white",
         "FILE"},
        G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, entries, NULL);
}

static void
add_inpaint_options(GOptionContext *context, Raw *raw)
{
    const GOptionEntry entries[] = {
        {"fill", 0, 0, G_OPTION_ARG_STRING, &raw->fill,
         "What the hole holds at first: model (default), smooth, original or noise",
         "NAME"},
        {"context", 0, 0, G_OPTION_ARG_INT, &raw->context,
         "Surroundings to look at, in pixels (default: from the hole)", "N"},
        {"grow", 0, 0, G_OPTION_ARG_INT, &raw->grow, "Grow the mask by N pixels", "N"},
        {"feather", 0, 0, G_OPTION_ARG_INT, &raw->feather,
         "Let the mask fall off over N pixels", "N"},
        {"quality", 0, 0, G_OPTION_ARG_STRING, &raw->quality,
         "Work that goes into it: fast, better (default) or best; chooses --steps and "
         "--resample",
         "NAME"},
        {"resample", 0, 0, G_OPTION_ARG_INT, &raw->resample,
         "Walk each stretch N times (RePaint; ordinary models only)", "N"},
        {"match-colors", 0, 0, G_OPTION_ARG_NONE, &raw->match_colors,
         "Shift the fill to meet the colours around it", NULL},
        {"grain", 0, 0, G_OPTION_ARG_DOUBLE, &raw->grain,
         "Share of the photo's noise that the fill gets, 0 to 1 (default: 1)", "X"},
        G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, entries, NULL);
}

static void
add_restyle_options(GOptionContext *context, Raw *raw)
{
    const GOptionEntry entries[] = {
        {"style", 0, 0, G_OPTION_ARG_STRING, &raw->style,
         "One of the model's styles (see 'sdedit info')", "NAME"},
        {"second-style", 0, 0, G_OPTION_ARG_STRING, &raw->second_style,
         "Another one, mixed in by --mix", "NAME"},
        {"mix", 0, 0, G_OPTION_ARG_DOUBLE, &raw->mix,
         "Share of the second style, 0 to 1 (default: 0.5)", "X"},
        {"detail", 0, 0, G_OPTION_ARG_INT, &raw->max_side,
         "Paint at most at this size and carry the change up: the smaller, the larger "
         "the strokes; 0: full size (default: " G_STRINGIFY(SDE_RESTYLE_DETAIL) ")",
         "PX"},
        {"guidance", 0, 0, G_OPTION_ARG_DOUBLE, &raw->guidance,
         "Push towards the style (default: what suits the model); other than 1 the "
         "first half of the steps take two evaluations each",
         "X"},
        {"keep-colors", 0, 0, G_OPTION_ARG_DOUBLE, &raw->keep_colors,
         "Hold the picture's coarse colours, 0 to 1 (default: 0, the style has its "
         "own)",
         "X"},
        {"keep-structure", 0, 0, G_OPTION_ARG_DOUBLE, &raw->keep_structure,
         "Repaint edges less than the rest, 0 to 1 (default: 0)", "X"},
        {"marks", 0, 0, G_OPTION_ARG_DOUBLE, &raw->marks,
         "Draw the strokes, lines or pigment of the style, 0 to 1 (default: 1; 0: what "
         "the network paints)",
         "X"},
        {"passes", 0, 0, G_OPTION_ARG_INT, &raw->passes,
         "Paint N times, each time over the last result (default: 1)", "N"},
        {"invert", 0, 0, G_OPTION_ARG_NONE, &raw->invert,
         "Start from the picture's own noise (DDIM inversion), not from fresh noise: "
         "keeps the layout, takes half as long again",
         NULL},
        {"mask", 0, 0, G_OPTION_ARG_FILENAME, &raw->mask, "Only where this is white",
         "FILE"},
        G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, entries, NULL);
}

static void
add_noise_options(GOptionContext *context, Raw *raw)
{
    const GOptionEntry entries[] = {
        {"model", 0, 0, G_OPTION_ARG_FILENAME, &raw->model,
         "Model that is to remove the noise (default: the one that comes along)",
         "DIR"},
        {"mask", 0, 0, G_OPTION_ARG_FILENAME, &raw->mask, "Only where this is white",
         "FILE"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &raw->threads,
         "Processor cores to use (default: all)", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &raw->json, "Only one line of JSON", NULL},
        G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context,
                                     "sigma is the standard deviation of the noise in "
                                     "steps of an 8-bit channel, over\n"
                                     "the whole picture: what 'sdedit denoise' takes "
                                     "as its --sigma auto. The variance\n"
                                     "of a channel is slope × value + offset, for "
                                     "values from 0 to 1. Correlated noise\n"
                                     "is that of most files of cameras: neighbouring "
                                     "pixels share it. The gain says\n"
                                     "how many times stronger than the average the "
                                     "noise is in the quietest and in the\n"
                                     "noisiest part of the picture.");
}

static void
add_measure_options(GOptionContext *context, Raw *raw)
{
    const GOptionEntry entries[] = {
        {"size", 0, 0, G_OPTION_ARG_STRING, &raw->size,
         "info: of the picture (default 512x512); bench: of the network's input "
         "(default: as trained)",
         "WxH"},
        {"threads", 0, 0, G_OPTION_ARG_INT, &raw->threads,
         "Processor cores to use (default: all)", "N"},
        {"precision", 0, 0, G_OPTION_ARG_STRING, &raw->precision, PRECISION_HELP,
         "NAME"},
        {"reps", 0, 0, G_OPTION_ARG_INT, &raw->reps, "Runs to time (default: 5)", "N"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &raw->json, "Only one line of JSON", NULL},
        G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, entries, NULL);
}

static void
add_options(GOptionContext *context, SdeCommand command, Raw *raw)
{
    const GOptionEntry names[] = {{G_OPTION_REMAINING, 0, 0,
                                   G_OPTION_ARG_FILENAME_ARRAY, &raw->names, NULL,
                                   NULL},
                                  G_OPTION_ENTRY_NULL};

    g_option_context_add_main_entries(context, names, NULL);
    if (command == SDE_COMMAND_NOISE) {
        add_noise_options(context, raw);
        return;
    }
    if (!commands[command].on_picture) {
        add_measure_options(context, raw);
        return;
    }
    if (command == SDE_COMMAND_DENOISE) {
        add_denoise_options(context, raw);
    } else if (command == SDE_COMMAND_INPAINT) {
        add_inpaint_options(context, raw);
    } else {
        add_restyle_options(context, raw);
    }
    add_run_options(context, raw);
    add_sampling_options(context, raw);
}

/* ---- values -----------------------------------------------------------------------
 */

static bool
check_names(SdeCommand command, char **names, GError **error)
{
    int n = names != NULL ? (int) g_strv_length(names) : 0;
    int expected = commands[command].n_names;

    if (expected < 0 ? n >= -expected : n == expected) {
        return true;
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                "expected 'sdedit %s %s', found %d argument%s", commands[command].name,
                commands[command].arguments, n, n == 1 ? "" : "s");
    return false;
}

static bool
read_sigma(const char *text, double *sigma, GError **error)
{
    char *end;

    if (text == NULL || strcmp(text, "auto") == 0) {
        *sigma = -1.0;
        return true;
    }
    *sigma = g_ascii_strtod(text, &end);
    if (end == text || *end != '\0' || !(*sigma >= 0.0)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--sigma is '%s', expected a number from 0 to 255, or auto", text);
        return false;
    }
    return true;
}

/* `value` stays where no text is given. */
static bool
read_name(const char *option, const char *text, const char *const *names, int *value,
          GError **error)
{
    for (int i = 0; text != NULL && names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0) {
            *value = i;
            return true;
        }
    }
    if (text == NULL) {
        return true;
    }

    g_autofree char *known = g_strjoinv(", ", (char **) names);

    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--%s is '%s', expected one of %s", option, text, known);
    return false;
}

static bool
read_fill(const char *text, SdeFill *fill, GError **error)
{
    static const char *const names[] = {[SDE_FILL_ORIGINAL] = "original",
                                        [SDE_FILL_SMOOTH] = "smooth",
                                        [SDE_FILL_NOISE] = "noise",
                                        [SDE_FILL_MODEL] = "model",
                                        NULL};
    int value = (int) *fill;
    const bool ok = read_name("fill", text, names, &value, error);

    *fill = (SdeFill) value;
    return ok;
}

static bool
read_precision(const char *text, SdeCommand command, SdePrecision *precision,
               GError **error)
{
    static const char *const names[] = {[SDE_PRECISION_FLOAT] = "float",
                                        [SDE_PRECISION_MIXED] = "mixed",
                                        [SDE_PRECISION_BF16] = "bf16",
                                        NULL};
    int value = (int) commands[command].precision;
    const bool ok = read_name("precision", text, names, &value, error);

    *precision = (SdePrecision) value;
    return ok;
}

static bool
read_quality(const char *text, SdeQuality *quality, GError **error)
{
    static const char *const names[] = {[SDE_QUALITY_FAST] = "fast",
                                        [SDE_QUALITY_BETTER] = "better",
                                        [SDE_QUALITY_BEST] = "best",
                                        NULL};
    int value = SDE_QUALITY_BETTER;
    const bool ok = read_name("quality", text, names, &value, error);

    *quality = (SdeQuality) value;
    return ok;
}

static bool
read_seed(const char *text, uint64_t *seed, GError **error)
{
    return text == NULL ||
           g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, seed, error);
}

static bool
read_measure(const Raw *raw, SdeOptions *options, GError **error)
{
    int width = 0, height = 0;
    char tail;

    if (raw->size != NULL &&
        (sscanf(raw->size, "%6dx%6d%c", &width, &height, &tail) != 2 || width < 1 ||
         height < 1)) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--size is '%s', expected WIDTHxHEIGHT like 128x96", raw->size);
        return false;
    }
    options->width = width > 0 ? width : INFO_SIDE;
    options->height = height > 0 ? height : INFO_SIDE;
    options->bench = (SdeBenchParams) {.width = width,
                                       .height = height,
                                       .n_threads = raw->threads,
                                       .precision = options->precision,
                                       .n_reps = raw->reps,
                                       .json = raw->json};
    return true;
}

static bool
read_memory(const Raw *raw, size_t *limit, GError **error)
{
    if (raw->memory == NOT_GIVEN) {
        *limit = 0;
        return true;
    }
    if (raw->memory < 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "--memory is %d, expected at least 1 (MiB)", raw->memory);
        return false;
    }
    *limit = (size_t) raw->memory << 20;
    return true;
}

static bool
is_given(double value)
{
    return value != (double) NOT_GIVEN;
}

static bool
read_sampling(const Raw *raw, SdeSampling *sampling, GError **error)
{
    *sampling = (SdeSampling) {
        .n_steps = raw->steps != NOT_GIVEN ? raw->steps : sampling->n_steps,
        .strength = is_given(raw->strength) ? raw->strength : sampling->strength,
        .eta = raw->eta,
        .tile_size = raw->tile,
        .tile_overlap = raw->overlap,
        .max_side = raw->max_side != NOT_GIVEN ? raw->max_side : sampling->max_side};
    return raw->sampler == NULL ||
           sde_sampler_from_name(raw->sampler, &sampling->sampler, error);
}

static bool
check_threads(const Raw *raw, GError **error)
{
    if (raw->threads >= 0 && raw->threads <= MAX_THREADS) {
        return true;
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--threads is %d, expected 0 to %d", raw->threads, MAX_THREADS);
    return false;
}

static bool
check_strength(const Raw *raw, GError **error)
{
    if (!is_given(raw->strength) || (raw->strength >= 0.0 && raw->strength <= 1.0)) {
        return true;
    }
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                "--strength is %g, expected 0 to 1", raw->strength);
    return false;
}

static bool
read_tasks(const Raw *raw, SdeOptions *options, GError **error)
{
    SdeDenoiseParams *denoise = &options->denoise;

    options->inpaint = (SdeInpaintParams) SDE_INPAINT_PARAMS_INIT;
    options->inpaint.context = raw->context;
    options->inpaint.grow = raw->grow;
    options->inpaint.feather = raw->feather;
    options->inpaint.n_resample = raw->resample;
    options->inpaint.match_colors = raw->match_colors;
    options->inpaint.grain = raw->grain;
    options->restyle = (SdeRestyleParams) SDE_RESTYLE_PARAMS_INIT;
    if (is_given(raw->guidance)) {
        options->restyle.guidance = raw->guidance;
    }
    options->restyle.keep_colors = raw->keep_colors;
    options->restyle.keep_structure = raw->keep_structure;
    options->restyle.marks = raw->marks;
    options->restyle.n_passes = raw->passes;
    options->restyle.invert = raw->invert;
    options->restyle.mix = options->second_style != NULL ? raw->mix : 0.0;
    *denoise =
        (SdeDenoiseParams) {.n_steps = raw->steps != NOT_GIVEN ? raw->steps : 1,
                            .n_views = raw->views,
                            .strength = is_given(raw->strength) ? raw->strength : 1.0,
                            .luminance = raw->luminance,
                            .color = raw->color,
                            .keep_grain = raw->keep_grain,
                            .tile_size = raw->tile,
                            .tile_overlap = raw->overlap};
    return read_sigma(raw->sigma, &denoise->noise_level, error) &&
           read_fill(raw->fill, &options->inpaint.fill, error) &&
           read_sampling(raw, &options->inpaint.sampling, error) &&
           read_sampling(raw, &options->restyle.sampling, error);
}

static bool
read_values(Raw *raw, SdeOptions *options, GError **error)
{
    options->model = g_steal_pointer(&raw->model);
    options->mask = g_steal_pointer(&raw->mask);
    options->style = g_steal_pointer(&raw->style);
    options->second_style = g_steal_pointer(&raw->second_style);
    options->names = g_steal_pointer(&raw->names);
    options->quiet = raw->quiet;
    options->steps_given = raw->steps != NOT_GIVEN;
    options->resample_given = raw->resample != NOT_GIVEN;
    options->guidance_given = is_given(raw->guidance);
    options->n_threads = raw->threads;
    return check_names(options->command, options->names, error) &&
           check_strength(raw, error) && check_threads(raw, error) &&
           read_precision(raw->precision, options->command, &options->precision,
                          error) &&
           read_quality(raw->quality, &options->quality, error) &&
           read_seed(raw->seed, &options->seed, error) &&
           read_memory(raw, &options->memory_limit, error) &&
           read_measure(raw, options, error) && read_tasks(raw, options, error);
}

/* ---- parsing ----------------------------------------------------------------------
 */

static void
raw_clear(Raw *raw)
{
    g_free(raw->model);
    g_free(raw->mask);
    g_free(raw->style);
    g_free(raw->second_style);
    g_free(raw->sigma);
    g_free(raw->sampler);
    g_free(raw->fill);
    g_free(raw->size);
    g_free(raw->seed);
    g_free(raw->precision);
    g_free(raw->quality);
    g_strfreev(raw->names);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Raw, raw_clear)

void
sde_options_free(SdeOptions *options)
{
    if (options == NULL) {
        return;
    }
    g_strfreev(options->names);
    g_free(options->model);
    g_free(options->mask);
    g_free(options->style);
    g_free(options->second_style);
    g_free(options);
}

static SdeOptions *
parse_command(SdeCommand command, int argc, char **argv, GError **error)
{
    g_autoptr(GOptionContext) context =
        g_option_context_new(commands[command].arguments);
    g_autofree char *program = g_strdup_printf("sdedit %s", commands[command].name);
    g_autoptr(SdeOptions) options = g_new0(SdeOptions, 1);
    g_auto(Raw) raw = {.strength = NOT_GIVEN,
                       .memory = NOT_GIVEN,
                       .luminance = 1.0,
                       .grain = 1.0,
                       .color = 1.0,
                       .guidance = NOT_GIVEN,
                       .steps = NOT_GIVEN,
                       .max_side = NOT_GIVEN,
                       .marks = 1.0,
                       .mix = 0.5,
                       .passes = 1,
                       .views = 1,
                       .resample = NOT_GIVEN,
                       .reps = 5};

    options->command = command;
    add_options(context, command, &raw);
    g_set_prgname(program); /* the help says "sdedit COMMAND [OPTION…]" */
    g_option_context_set_summary(context, commands[command].summary);
    if (!g_option_context_parse(context, &argc, &argv, error) ||
        !read_values(&raw, options, error)) {
        return NULL;
    }
    return g_steal_pointer(&options);
}

SdeOptions *
sde_options_parse(int argc, char **argv, GError **error)
{
    SdeCommand command;

    if (argc < 2) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                            "no command given: try 'sdedit --help'");
        return NULL;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help();
        return NULL;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("sdedit %s\n", SDE_VERSION);
        return NULL;
    }
    if (!find_command(argv[1], &command, error)) {
        return NULL;
    }
    argv[1] = argv[0];
    return parse_command(command, argc - 1, argv + 1, error);
}
