/* The command-line tool: a client of sde.h like the plug-in, with pictures in files.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "sde.h"
#include "tool/config.h"
#include "tool/options.h"
#include "tool/picture.h"
#include "tool/progress.h"
#include "verify/golden.h"

#define EXIT_CANCELLED 130 /* as a shell reports a program that Ctrl-C ended */

/* ---- the model --------------------------------------------------------------------
 */

/* Uninstalled the model is in the source tree. */
static char *
find_default_model(GError **error)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *folder =
        program != NULL ? g_path_get_dirname(program) : g_strdup(".");
    const char *place = g_str_has_prefix(folder, SDE_BUILD_FOLDER)
                            ? SDE_MODEL_UNINSTALLED
                            : SDE_MODEL_INSTALLED;

    if (g_file_test(place, G_FILE_TEST_IS_DIR)) {
        return g_strdup(place);
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT,
                "the default model is not in '%s': name a model with --model", place);
    return NULL;
}

static SdeModel *
load_model(const SdeOptions *options, GCancellable *cancellable, GError **error)
{
    g_autofree char *folder =
        options->model != NULL ? g_strdup(options->model) : find_default_model(error);

    return folder != NULL
               ? sde_model_load(folder, options->precision, cancellable, error)
               : NULL;
}

/* ---- pictures ---------------------------------------------------------------------
 */

typedef struct {
    SdeModel *model;
    bool gegl_runs;
    SdePicture *picture;
    SdeMask mask; /* levels NULL: none */
    SdeImage result;
    SdeRun run;
} Job;

static void
job_clear(Job *job)
{
    sde_model_unref(job->model);
    sde_picture_free(job->picture);
    if (job->gegl_runs) {
        gegl_exit();
    }
    g_free((float *) job->mask.levels);
    g_free(job->result.pixels);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Job, job_clear)

static const char *
mask_path(const SdeOptions *options)
{
    return options->command == SDE_COMMAND_INPAINT ? options->names[1] : options->mask;
}

static bool
job_load_pictures(Job *job, const SdeOptions *options, GError **error)
{
    const char *mask = mask_path(options);

    if (!sde_picture_check_source(options->names[0], error) ||
        (mask != NULL && !sde_picture_check_source(mask, error))) {
        return false;
    }
    sde_picture_start(); /* takes longer than all that can fail before */
    job->gegl_runs = true;
    job->picture = sde_picture_load(options->names[0], error);
    return job->picture != NULL &&
           (mask == NULL || sde_picture_load_mask(mask, &job->mask, error));
}

/* Cheap failures first: file names, then the files, then the model. */
static bool
job_load(Job *job, const SdeOptions *options, const char *target, GError **error)
{
    if (!sde_picture_check_target(target, error) ||
        !job_load_pictures(job, options, error)) {
        return false;
    }
    job->model = load_model(options, job->run.cancellable, error);
    if (job->model == NULL) {
        return false;
    }
    return sde_picture_new_result(job->picture, &job->result, error);
}

/* `style` stays where no name is given. */
static bool
find_style(const SdeModel *model, const char *name, int *style, GError **error)
{
    int found = name != NULL ? sde_model_find_style(model, name, error) : *style;

    *style = found;
    return name == NULL || found >= 0;
}

static bool
job_compute(Job *job, const SdeOptions *options, GError **error)
{
    const SdeImage *source = &job->picture->image;
    const SdeMask *mask = job->mask.levels != NULL ? &job->mask : NULL;
    SdeRestyleParams restyle = options->restyle;
    SdeInpaintParams inpaint = options->inpaint;
    SdeModelInfo info;

    sde_model_get_info(job->model, &info);
    sde_model_set_quality(job->model, options->quality, &inpaint);
    if (options->resample_given) {
        inpaint.n_resample = options->inpaint.n_resample;
    }
    if (options->steps_given) {
        inpaint.sampling.n_steps = options->inpaint.sampling.n_steps;
    } else {
        restyle.sampling.n_steps = info.restyle_steps;
    }
    if (!options->guidance_given) {
        restyle.guidance = info.restyle_guidance;
    }
    switch (options->command) {
    case SDE_COMMAND_DENOISE:
        return sde_denoise(job->model, source, mask, &options->denoise, &job->run,
                           &job->result, error);
    case SDE_COMMAND_INPAINT:
        return sde_inpaint(job->model, source, mask, &inpaint, &job->run, &job->result,
                           error);
    default:
        break;
    }
    if (!find_style(job->model, options->style, &restyle.style, error) ||
        !find_style(job->model, options->second_style, &restyle.second_style, error)) {
        return false;
    }
    return sde_restyle(job->model, source, mask, &restyle, &job->run, &job->result,
                       error);
}

static bool
run_on_picture(const SdeOptions *options, GCancellable *cancellable, GError **error)
{
    static const char *const titles[] = {[SDE_COMMAND_DENOISE] = "denoise",
                                         [SDE_COMMAND_INPAINT] = "inpaint",
                                         [SDE_COMMAND_RESTYLE] = "restyle"};
    const char *target = options->names[g_strv_length(options->names) - 1];
    SdeTerminal terminal;
    g_auto(Job) job = {.run = {.seed = options->seed,
                               .n_threads = options->n_threads,
                               .memory_limit = options->memory_limit,
                               .cancellable = cancellable,
                               .progress = sde_terminal_show,
                               .user_data = &terminal}};
    bool ok;

    sde_terminal_init(&terminal, titles[options->command], options->quiet);
    ok = job_load(&job, options, target, error) && job_compute(&job, options, error);
    sde_terminal_clear(&terminal);
    return ok && sde_picture_save(job.picture, &job.result, target, error);
}

/* ---- facts ------------------------------------------------------------------------
 */

static void
print_styles(const SdeModel *model, const SdeModelInfo *info)
{
    for (int i = 0; i < info->n_styles; i++) {
        printf("%s%s%s", i == 0 ? "styles         " : ", ",
               sde_model_peek_style_name(model, i),
               i == info->default_style ? " (default)" : "");
    }
    if (info->n_styles > 0) {
        printf("\n");
    }
}

static bool
print_info(const SdeOptions *options, GCancellable *cancellable, GError **error)
{
    g_autoptr(SdeModel) model =
        sde_model_load(options->names[0], options->precision, cancellable, error);
    SdeModelInfo info;
    SdeCaps caps;
    size_t bytes;
    double flop;

    if (model == NULL || !sde_model_estimate(model, options->width, options->height,
                                             &bytes, &flop, error)) {
        return false;
    }
    sde_model_get_info(model, &info);
    caps = sde_model_get_caps(model);
    printf("model          %s\n", info.name);
    printf("network        %s, %.1f million parameters, stored as %s\n", info.network,
           (double) info.n_parameters / 1e6, info.dtype);
    printf("schedule       %d timesteps, predicts %s\n", info.n_timesteps,
           info.prediction);
    printf("size           trained at %d pixels, tiles in multiples of %d, patch size "
           "%d\n",
           info.sample_size, info.size_multiple, info.patch_size);
    printf("can            %s%s%s%s%s\n", caps & SDE_CAP_INPAINT ? "inpaint " : "",
           caps & SDE_CAP_DENOISE ? "denoise " : "",
           caps & SDE_CAP_RESTYLE ? "restyle " : "",
           caps & SDE_CAP_LEVEL_MAP ? "level-maps " : "",
           caps & SDE_CAP_GUIDANCE ? "guidance " : "");
    print_styles(model, &info);
    printf("one evaluation of %d × %d pixels: %.0f MiB of memory, %.1f GFLOP\n",
           options->width, options->height, (double) bytes / 1048576.0, flop / 1e9);
    return true;
}

static void
print_noise_json(const SdeNoise *noise)
{
    char text[10][G_ASCII_DTOSTR_BUF_SIZE];
    const double values[10] = {
        noise->sigma,        noise->slope[0],  noise->slope[1],  noise->slope[2],
        noise->offset[0],    noise->offset[1], noise->offset[2], noise->lowest_gain,
        noise->highest_gain, noise->doubtful};

    /* a point, whatever the locale */
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_ascii_formatd(text[i], sizeof(text[i]), "%.4f", values[i]);
    }
    printf("{\"sigma\": %s, \"slope\": [%s, %s, %s], \"offset\": [%s, %s, %s], "
           "\"correlated\": %s, \"gain\": [%s, %s], \"doubtful\": %s}\n",
           text[0], text[1], text[2], text[3], text[4], text[5], text[6],
           noise->is_correlated ? "true" : "false", text[7], text[8], text[9]);
}

static void
print_noise(const SdeNoise *noise)
{
    static const char *const channels[] = {"red", "green", "blue"};

    printf("sigma          %.2f\n", noise->sigma);
    for (int c = 0; c < 3; c++) {
        printf("%-14s variance %.2f × value + %.2f\n", channels[c], noise->slope[c],
               noise->offset[c]);
    }
    printf("kind           %s\n", noise->is_correlated ? "correlated" : "white");
    printf("gain           %.2f to %.2f\n", noise->lowest_gain, noise->highest_gain);
    printf("doubtful       %.2f, noise or fine texture\n", noise->doubtful);
}

static bool
measure_noise(const SdeOptions *options, GCancellable *cancellable, GError **error)
{
    g_auto(Job)
        job = {.run = {.n_threads = options->n_threads, .cancellable = cancellable}};
    SdeNoise noise;

    if (!job_load_pictures(&job, options, error)) {
        return false;
    }
    job.model = load_model(options, cancellable, error);
    if (job.model == NULL ||
        !sde_estimate_noise(job.model, &job.picture->image,
                            job.mask.levels != NULL ? &job.mask : NULL, &job.run,
                            &noise, error)) {
        return false;
    }
    (options->bench.json ? print_noise_json : print_noise)(&noise);
    return true;
}

/* ---- main -------------------------------------------------------------------------
 */

static bool
run_command(const SdeOptions *options, GCancellable *cancellable, int *code,
            GError **error)
{
    switch (options->command) {
    case SDE_COMMAND_NOISE:
        return measure_noise(options, cancellable, error);
    case SDE_COMMAND_INFO:
        return print_info(options, cancellable, error);
    case SDE_COMMAND_GOLDEN:
        *code = sde_golden_run((const char *const *) options->names,
                               options->n_threads > 0 ? options->n_threads
                                                      : (int) g_get_num_processors(),
                               stdout, NULL);
        return true;
    case SDE_COMMAND_BENCH:
        return sde_bench_run(options->names[0], &options->bench, error);
    default:
        return run_on_picture(options, cancellable, error);
    }
}

static int
report_error(const GError *error)
{
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        fprintf(stderr, "sdedit: cancelled, nothing was written\n");
        return EXIT_CANCELLED;
    }
    fprintf(stderr, "sdedit: %s\n", error->message);
    return error->domain == G_OPTION_ERROR ? 2 : 1;
}

int
main(int argc, char **argv)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(SdeOptions) options = NULL;
    g_autoptr(GError) error = NULL;
    int code = 0;

    setlocale(LC_ALL, ""); /* NOLINT(concurrency-mt-unsafe): no thread yet */
    options = sde_options_parse(argc, argv, &error);
    if (options == NULL) {
        return error != NULL ? report_error(error) : 0;
    }
    sde_terminal_watch_signals(cancellable);
    if (!run_command(options, cancellable, &code, &error)) {
        code = report_error(error);
    }
    return code;
}
