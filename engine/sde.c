/* The public interface: loads models, checks what callers pass, sets a run up and hands
 * it to its task. Everything that a user can get wrong is answered here, before work
 * starts. SPDX-License-Identifier: GPL-3.0-or-later */
#include "sde.h"

#include <math.h>
#include <unistd.h>

#include "base/parallel.h"
#include "base/span.h"
#include "model/bundle.h"
#include "nn/unet.h"
#include "sample/denoiser.h"
#include "sample/schedule.h"
#include "task/denoise.h"
#include "task/inpaint.h"
#include "task/mask.h"
#include "task/noise-level.h"
#include "task/restyle.h"

#define MAX_SIDE          262144 /* pixels; a layer in GIMP has at most twice as many */
#define MAX_STEPS         1000
#define MAX_RESAMPLE      100
#define MAX_PASSES        16
#define MAX_DISTANCE      4096 /* pixels: grow, feather, context, overlap */
#define MAX_THREADS       256
#define MAX_GUIDANCE      100.0
#define CLOCK_SECONDS     0.3 /* an estimate of the time left needs this much of a past */
#define ORDINARY_RESAMPLE 3
#define RESTYLE_STEPS     8   /* 12 look the same (models/HISTORY.md) */
#define RESTYLE_GUIDANCE  4.0 /* less: styles look alike; more: colours fade */

struct _SdeModel {
    gatomicrefcount n_refs;
    SdeBundle *bundle;
    SdeUnet *unet;
    SdeNoiseNet *noise_net; /* NULL: the folder has none */
    SdeSchedule *schedule;
    SdeDenoiser *probe; /* never run: answers questions about sizes and memory */
    size_t n_parameters;
    char *dtype;
    int n_styles, default_style;
    char **style_names; /* n_styles */
};

/* ---- models -----------------------------------------------------------------------
 */

static void
model_free(SdeModel *model)
{
    sde_denoiser_free(model->probe);
    sde_unet_free(model->unet);
    sde_noise_net_free(model->noise_net);
    sde_schedule_free(model->schedule);
    sde_bundle_free(model->bundle);
    g_strfreev(model->style_names);
    g_free(model->dtype);
    g_free(model);
}

/* Styles are the class labels without the "none" class. */
static int
style_to_class(const SdeModel *model, int style)
{
    int none = model->bundle->none_class;

    return style < 0 ? -1 : style + (none >= 0 && style >= none);
}

static void
collect_styles(SdeModel *model)
{
    const SdeBundle *bundle = model->bundle;
    int n_classes =
        bundle->unet.class_embed == SDE_CLASS_LABEL ? bundle->unet.num_class_embeds : 0;

    int chosen =
        bundle->restyle_class >= 0 ? bundle->restyle_class : bundle->default_class;

    model->n_styles = MAX(n_classes - (bundle->none_class >= 0), 0);
    model->style_names = g_new0(char *, (size_t) model->n_styles + 1);
    model->default_style = -1;
    for (int i = 0; i < model->n_styles; i++) {
        int label = style_to_class(model, i);

        model->style_names[i] = bundle->class_names != NULL
                                    ? g_strdup(bundle->class_names[label])
                                    : g_strdup_printf("%d", label);
        if (label == chosen) {
            model->default_style = i;
        }
    }
}

static bool
model_build(SdeModel *model, SdePrecision precision, GError **error)
{
    SdeBundle *bundle = model->bundle;

    model->schedule = sde_schedule_new(&bundle->scheduler, error);
    if (model->schedule == NULL) {
        return false;
    }
    model->unet = sde_unet_new(&bundle->unet, bundle->weights, precision, error);
    if (model->unet == NULL || !sde_weights_check_all_read(bundle->weights, error)) {
        return false;
    }
    model->n_parameters = sde_weights_count_parameters(bundle->weights);
    model->dtype = g_strdup(sde_weights_peek_dtype(bundle->weights));
    g_clear_pointer(&bundle->weights, sde_weights_free); /* the network has its own */
    if (bundle->noise_weights != NULL) {
        model->noise_net = sde_noise_net_new(bundle->noise_weights, error);
        if (model->noise_net == NULL) {
            g_prefix_error_literal(error, "noise_level: ");
            return false;
        }
        g_clear_pointer(&bundle->noise_weights, sde_weights_free);
    }
    collect_styles(model);
    model->probe =
        sde_denoiser_new_unet(model->unet, bundle, model->schedule, NULL, 0, error);
    return model->probe != NULL;
}

SdeModel *
sde_model_load(const char *folder, SdePrecision precision, GCancellable *cancel,
               GError **error)
{
    g_autoptr(SdeModel) model = NULL;

    g_return_val_if_fail(folder != NULL, NULL);
    g_return_val_if_fail(error == NULL || *error == NULL, NULL);

    if (g_cancellable_set_error_if_cancelled(cancel, error)) {
        return NULL;
    }
    model = g_new0(SdeModel, 1);
    g_atomic_ref_count_init(&model->n_refs);
    model->bundle = sde_bundle_load(folder, error);
    if (model->bundle == NULL || g_cancellable_set_error_if_cancelled(cancel, error) ||
        !model_build(model, precision, error) ||
        g_cancellable_set_error_if_cancelled(cancel, error)) {
        return NULL;
    }
    return g_steal_pointer(&model);
}

SdeModel *
sde_model_ref(SdeModel *model)
{
    g_return_val_if_fail(model != NULL, NULL);

    g_atomic_ref_count_inc(&model->n_refs);
    return model;
}

void
sde_model_unref(SdeModel *model)
{
    if (model != NULL && g_atomic_ref_count_dec(&model->n_refs)) {
        model_free(model);
    }
}

SdeCaps
sde_model_get_caps(const SdeModel *model)
{
    unsigned caps = SDE_CAP_INPAINT | SDE_CAP_DENOISE | SDE_CAP_RESTYLE;

    g_return_val_if_fail(model != NULL, (SdeCaps) 0);

    caps |= model->n_styles > 0 ? SDE_CAP_STYLES : 0;
    caps |= model->bundle->none_class >= 0 ? SDE_CAP_GUIDANCE : 0;
    caps |= model->bundle->level_map ? SDE_CAP_LEVEL_MAP : 0;
    return (SdeCaps) caps;
}

void
sde_model_get_info(const SdeModel *model, SdeModelInfo *info)
{
    static const char *const predictions[] = {[SDE_PREDICTION_EPSILON] = "epsilon",
                                              [SDE_PREDICTION_V] = "v_prediction",
                                              [SDE_PREDICTION_SAMPLE] = "sample"};

    g_return_if_fail(model != NULL && info != NULL);

    *info = (SdeModelInfo) {
        .name = model->bundle->name,
        .network = "UNet2DModel",
        .dtype = model->dtype,
        .prediction = predictions[model->bundle->scheduler.prediction_type],
        .n_parameters = model->n_parameters,
        .n_timesteps = model->schedule->n_train,
        .sample_size = model->probe->sample_size,
        .patch_size = model->bundle->patch_size,
        .size_multiple = model->probe->size_multiple,
        .n_styles = model->n_styles,
        .default_style = model->default_style,
        .restyle_steps = RESTYLE_STEPS,
        .restyle_guidance = model->bundle->none_class >= 0 ? RESTYLE_GUIDANCE : 1.0,
    };
}

void
sde_model_set_quality(const SdeModel *model, SdeQuality quality,
                      SdeInpaintParams *params)
{
    /* Known pixels that are clean from the first step on need few steps; where they are
     * projected, as in DiffPIR (2023), walking again fits the fill to them, and more
     * steps bring texture (models/HISTORY.md has both). */
    static const int steps[] = {5, 9, 25}, ordinary_steps[] = {10, 20, 50};

    g_return_if_fail(model != NULL && params != NULL);
    g_return_if_fail(quality <= SDE_QUALITY_BEST);

    const bool level_map = model->bundle->level_map;

    params->sampling.n_steps = (level_map ? steps : ordinary_steps)[quality];
    params->n_resample = level_map ? 1 : ORDINARY_RESAMPLE;
}

const char *
sde_model_peek_style_name(const SdeModel *model, int style)
{
    g_return_val_if_fail(model != NULL, NULL);
    g_return_val_if_fail(style >= 0 && style < model->n_styles, NULL);

    return model->style_names[style];
}

int
sde_model_find_style(const SdeModel *model, const char *name, GError **error)
{
    g_autofree char *known = NULL;

    g_return_val_if_fail(model != NULL && name != NULL, -1);

    for (int i = 0; i < model->n_styles; i++) {
        if (g_ascii_strcasecmp(model->style_names[i], name) == 0) {
            return i;
        }
    }
    known = g_strjoinv(", ", model->style_names);
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                "the model '%s' has no style '%s'; it has %s", model->bundle->name,
                name, model->n_styles > 0 ? known : "none at all");
    return -1;
}

static bool
check_size(int width, int height, GError **error)
{
    if (width < 1 || height < 1) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "the picture has %d × %d pixels, expected at least 1 × 1", width,
                    height);
        return false;
    }
    if (width > MAX_SIDE || height > MAX_SIDE) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "the picture has %d × %d pixels, the limit is %d on a side", width,
                    height, MAX_SIDE);
        return false;
    }
    return true;
}

bool
sde_model_estimate(const SdeModel *model, int width, int height, size_t *bytes,
                   double *flop, GError **error)
{
    int multiple, patch;

    g_return_val_if_fail(model != NULL, false);

    if (!check_size(width, height, error)) {
        return false;
    }
    multiple = model->probe->size_multiple;
    patch = model->bundle->patch_size;
    width = (width + multiple - 1) / multiple * multiple;
    height = (height + multiple - 1) / multiple * multiple;
    if (bytes != NULL) {
        *bytes = model->probe->plan(model->probe, width, height);
    }
    if (flop != NULL) {
        *flop = sde_unet_count_flop(model->unet, 1, height / patch, width / patch);
    }
    return true;
}

/* ---- checks -----------------------------------------------------------------------
 */

static bool
check_range(const char *name, double value, double low, double high, GError **error)
{
    if (value >= low && value <= high) { /* false for NaN */
        return true;
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT, "%s is %g, expected %g to %g", name,
                value, low, high);
    return false;
}

static bool
check_part(const SdeRect *part, const SdeImage *source, GError **error)
{
    if (part == NULL || (part->x >= 0 && part->y >= 0 && part->width > 0 &&
                         part->height > 0 && part->width <= source->width - part->x &&
                         part->height <= source->height - part->y)) {
        return true;
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                "a part of %d × %d pixels at %d, %d is asked for, the picture has %d × "
                "%d",
                part->width, part->height, part->x, part->y, source->width,
                source->height);
    return false;
}

static bool
check_picture(const SdeImage *source, const SdeImage *result, GError **error)
{
    if (!check_size(source->width, source->height, error)) {
        return false;
    }
    if (result->width != source->width || result->height != source->height) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "the result has %d × %d pixels, the picture %d × %d", result->width,
                    result->height, source->width, source->height);
        return false;
    }
    for (int y = 0; y < source->height; y++) {
        const float *row = source->pixels + (size_t) y * source->stride;

        for (int x = 0; x < 3 * source->width; x++) {
            if (!isfinite(row[x])) {
                g_set_error(error, SDE_ERROR, SDE_ERROR_NUMERIC,
                            "the picture is not a number at pixel %d, %d", x / 3, y);
                return false;
            }
        }
    }
    return true;
}

static bool
check_mask(const SdeMask *mask, const SdeImage *source, GError **error)
{
    if (mask == NULL) {
        return true;
    }
    if (mask->width != source->width || mask->height != source->height) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "the mask has %d × %d pixels, the picture %d × %d", mask->width,
                    mask->height, source->width, source->height);
        return false;
    }
    for (int y = 0; y < mask->height; y++) {
        const float *row = mask->levels + (size_t) y * mask->stride;

        for (int x = 0; x < mask->width; x++) {
            if (!isfinite(row[x])) {
                g_set_error(error, SDE_ERROR, SDE_ERROR_NUMERIC,
                            "the mask is not a number at pixel %d, %d", x, y);
                return false;
            }
        }
    }
    if (sde_mask_find_bounds(mask).width == 0) {
        g_set_error_literal(error, SDE_ERROR, SDE_ERROR_INPUT,
                            "the mask is empty: nothing is selected");
        return false;
    }
    return true;
}

static bool
check_input(const SdeRun *run, const SdeImage *source, const SdeMask *mask,
            const SdeImage *result, GError **error)
{
    return check_picture(source, result, error) &&
           check_part(run->part, source, error) && check_mask(mask, source, error);
}

static bool
check_tiles(int tile_size, int tile_overlap, GError **error)
{
    return check_range("tile size", tile_size, 0, MAX_SIDE, error) &&
           check_range("tile overlap", tile_overlap, 0, MAX_DISTANCE, error);
}

static bool
check_sampling(const SdeSampling *sampling, GError **error)
{
    return check_range("number of steps", sampling->n_steps, 1, MAX_STEPS, error) &&
           check_range("strength", sampling->strength, 0, 1, error) &&
           check_range("sampler", sampling->sampler, 0, SDE_N_SAMPLERS - 1, error) &&
           check_range("eta", sampling->eta, 0, 1, error) &&
           check_tiles(sampling->tile_size, sampling->tile_overlap, error) &&
           check_range("largest side", sampling->max_side, 0, MAX_SIDE, error);
}

static bool
check_inpaint(const SdeInpaintParams *params, GError **error)
{
    return check_sampling(&params->sampling, error) &&
           check_range("fill", params->fill, SDE_FILL_ORIGINAL, SDE_FILL_MODEL,
                       error) &&
           check_range("context", params->context, 0, MAX_DISTANCE, error) &&
           check_range("grow", params->grow, 0, MAX_DISTANCE, error) &&
           check_range("feather", params->feather, 0, MAX_DISTANCE, error) &&
           check_range("number of resamplings", params->n_resample, 1, MAX_RESAMPLE,
                       error) &&
           check_range("grain", params->grain, 0, 1, error);
}

static bool
check_views(int n_views, GError **error)
{
    if (n_views == 1 || n_views == 2 || n_views == 4) {
        return true;
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                "the number of views is %d, expected 1, 2 or 4", n_views);
    return false;
}

static bool
check_denoise(const SdeDenoiseParams *params, GError **error)
{
    return check_range("number of steps", params->n_steps, 1, MAX_STEPS, error) &&
           check_views(params->n_views, error) &&
           (params->noise_level < 0.0 ||
            check_range("noise level", params->noise_level, 0, 255, error)) &&
           check_range("strength", params->strength, 0, 1, error) &&
           check_range("luminance", params->luminance, 0, 1, error) &&
           check_range("color", params->color, 0, 1, error) &&
           check_range("grain to keep", params->keep_grain, 0, 1, error) &&
           check_tiles(params->tile_size, params->tile_overlap, error);
}

/* Places in one picture are no places in another. */
static bool
check_known(const SdeDenoiseParams *params, const SdeImage *source, GError **error)
{
    const SdeNoise *known = params->known;

    if (known == NULL || params->noise_level >= 0.0) {
        return true;
    }
    if (!check_range("known noise", known->sigma, 0, 255, error) ||
        !check_range("known noise's columns", known->columns, 1, SDE_NOISE_GRID,
                     error) ||
        !check_range("known noise's rows", known->rows, 1, SDE_NOISE_GRID, error)) {
        return false;
    }
    if (known->columns * known->rows > 1 &&
        (known->width != source->width || known->height != source->height)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "the known noise is of a picture of %d x %d pixels, this one has "
                    "%d x %d",
                    known->width, known->height, source->width, source->height);
        return false;
    }
    return true;
}

static bool
check_style(const SdeModel *model, int style, int lowest, GError **error)
{
    if (style >= lowest && style < model->n_styles) {
        return true;
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                "style %d asked for, the model '%s' has %d", style, model->bundle->name,
                model->n_styles);
    return false;
}

static bool
check_restyle(const SdeModel *model, const SdeRestyleParams *params, GError **error)
{
    if (!check_sampling(&params->sampling, error) ||
        !check_range("guidance", params->guidance, 0, MAX_GUIDANCE, error) ||
        !check_range("color to keep", params->keep_colors, 0, 1, error) ||
        !check_range("structure to keep", params->keep_structure, 0, 1, error) ||
        !check_range("marks", params->marks, 0, 1, error) ||
        !check_range("number of passes", params->n_passes, 1, MAX_PASSES, error) ||
        !check_range("share of the second style", params->mix, 0, 1, error) ||
        !check_style(model, params->style, -1, error) ||
        (params->mix > 0.0 && !check_style(model, params->second_style, 0, error))) {
        return false;
    }
    if (params->guidance != 1.0 && model->bundle->none_class < 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "guidance is %g, but the model '%s' has no \"none\" class: only 1 "
                    "works",
                    params->guidance, model->bundle->name);
        return false;
    }
    return true;
}

static bool
check_run(const SdeRun *run, GError **error)
{
    return check_range("number of threads", run->n_threads, 0, MAX_THREADS, error);
}

/* ---- runs -------------------------------------------------------------------------
 */

/* All that one run owns. */
typedef struct {
    SdeTask task;
    SdeSpan span;
    const SdeRun *run;
    gint64 begin_us; /* of the first network pass; 0: not yet */
    double fraction; /* reported last */
} Session;

static size_t
default_memory_limit(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_size = sysconf(_SC_PAGESIZE);

    g_return_val_if_fail(pages > 0 && page_size > 0, (size_t) 1 << 30);

    return (size_t) pages / 4 * (size_t) page_size;
}

/* The tasks share their span out in passes of equal cost and report nothing before the
 * first, so time goes by in proportion. */
static void
report(double fraction, void *data)
{
    Session *session = data;
    gint64 now_us = g_get_monotonic_time();
    SdeProgress progress = {.step = session->task.pass,
                            .n_steps = session->task.n_passes,
                            .seconds_left = -1.0};
    double seconds;

    if (session->begin_us == 0) {
        session->begin_us = now_us;
    }
    session->fraction = MAX(session->fraction, fraction);
    progress.fraction = session->fraction;
    seconds = (double) (now_us - session->begin_us) / 1e6;
    if (seconds >= CLOCK_SECONDS && session->fraction > 0.0) {
        progress.seconds_left = seconds * (1.0 - session->fraction) / session->fraction;
    }
    session->run->progress(&progress, session->run->user_data);
}

static void
session_clear(Session *session)
{
    sde_denoiser_free(session->task.denoiser);
    sde_pool_free(session->task.pool);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Session, session_clear)

static SdePool *
new_pool(const SdeRun *run)
{
    return sde_pool_new(run->n_threads > 0 ? run->n_threads : sde_pool_count_cores());
}

static bool
session_init(Session *session, const SdeModel *model, const SdeRun *run, GError **error)
{
    SdeTask *task = &session->task;

    *session = (Session) {.run = run};
    task->seed = run->seed;
    task->memory_limit =
        run->memory_limit > 0 ? run->memory_limit : default_memory_limit();
    task->pool = new_pool(run);
    task->part = run->part;
    task->noise_net = model->noise_net;
    task->denoiser = sde_denoiser_new_unet(model->unet, model->bundle, model->schedule,
                                           task->pool, task->memory_limit, error);
    session->span = (SdeSpan) {.begin = 0.0,
                               .end = 1.0,
                               .cancellable = run->cancellable,
                               .report = run->progress != NULL ? report : NULL,
                               .data = session};
    return task->denoiser != NULL &&
           !g_cancellable_set_error_if_cancelled(run->cancellable, error);
}

static const SdeRun default_run = {0};

/* The result is written: a late cancel no longer counts. */
static bool
finish(Session *session, bool ok)
{
    if (ok && session->span.report != NULL) {
        session->task.pass = session->task.n_passes;
        report(1.0, session);
    }
    return ok;
}

bool
sde_inpaint(SdeModel *model, const SdeImage *source, const SdeMask *mask,
            const SdeInpaintParams *params, const SdeRun *run, SdeImage *result,
            GError **error)
{
    g_auto(Session) session = {0};

    g_return_val_if_fail(model != NULL && source != NULL && mask != NULL, false);
    g_return_val_if_fail(params != NULL && result != NULL, false);
    g_return_val_if_fail(source->pixels != result->pixels, false);
    g_return_val_if_fail(error == NULL || *error == NULL, false);

    run = run != NULL ? run : &default_run;
    return check_run(run, error) && check_inpaint(params, error) &&
           check_input(run, source, mask, result, error) &&
           session_init(&session, model, run, error) &&
           finish(&session, sde_inpaint_run(&session.task, source, mask, params, result,
                                            &session.span, error));
}

bool
sde_denoise(SdeModel *model, const SdeImage *source, const SdeMask *mask,
            const SdeDenoiseParams *params, const SdeRun *run, SdeImage *result,
            GError **error)
{
    g_auto(Session) session = {0};

    g_return_val_if_fail(model != NULL && source != NULL, false);
    g_return_val_if_fail(params != NULL && result != NULL, false);
    g_return_val_if_fail(source->pixels != result->pixels, false);
    g_return_val_if_fail(error == NULL || *error == NULL, false);

    run = run != NULL ? run : &default_run;
    return check_run(run, error) && check_denoise(params, error) &&
           check_input(run, source, mask, result, error) &&
           check_known(params, source, error) &&
           session_init(&session, model, run, error) &&
           finish(&session, sde_denoise_run(&session.task, source, mask, params, result,
                                            &session.span, error));
}

bool
sde_restyle(SdeModel *model, const SdeImage *source, const SdeMask *mask,
            const SdeRestyleParams *params, const SdeRun *run, SdeImage *result,
            GError **error)
{
    g_auto(Session) session = {0};
    SdeRestyleParams labelled;

    g_return_val_if_fail(model != NULL && source != NULL, false);
    g_return_val_if_fail(params != NULL && result != NULL, false);
    g_return_val_if_fail(source->pixels != result->pixels, false);
    g_return_val_if_fail(error == NULL || *error == NULL, false);

    run = run != NULL ? run : &default_run;
    if (!check_run(run, error) || !check_restyle(model, params, error) ||
        !check_input(run, source, mask, result, error) ||
        !session_init(&session, model, run, error)) {
        return false;
    }
    labelled = *params;
    labelled.style = style_to_class(model, params->style >= 0 ? params->style
                                                              : model->default_style);
    labelled.second_style = style_to_class(model, params->second_style);
    return finish(&session, sde_restyle_run(&session.task, source, mask, &labelled,
                                            result, &session.span, error));
}

bool
sde_estimate_noise(const SdeModel *model, const SdeImage *source, const SdeMask *mask,
                   const SdeRun *run, SdeNoise *noise, GError **error)
{
    g_autoptr(SdePool) pool = NULL;
    SdeNoise found;

    g_return_val_if_fail(source != NULL && noise != NULL, false);
    g_return_val_if_fail(error == NULL || *error == NULL, false);

    run = run != NULL ? run : &default_run;
    if (!check_run(run, error) || !check_picture(source, source, error) ||
        !check_mask(mask, source, error)) {
        return false;
    }
    pool = new_pool(run);
    sde_noise_level_estimate(source, mask, model != NULL ? model->noise_net : NULL,
                             pool, run->cancellable, &found);
    if (g_cancellable_set_error_if_cancelled(run->cancellable, error)) {
        return false;
    }
    *noise = found;
    return true;
}
