/* The preview of noise removal: the part of the layer that the dialog shows, with the
 * noise of the whole area taken for known, so that it looks as the result will. Pixels
 * are read once, when the dialog first asks. All else is done in a thread, one part at
 * a time; a change meanwhile cancels it, and it begins anew.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "preview.h"

#include "arguments.h"
#include "intl.h"
#include "message.h"
#include "models.h"
#include "pixels.h"

struct _SdePreview {
    const SdeProcedure *description;
    GimpProcedureConfig *config;
    GimpPreview *widget;
    GtkLabel *label;

    SdeSource source;
    SdePixels pixels;                /* rgb NULL: not read yet */
    GThread *thread;                 /* NULL: nothing is being computed */
    bool is_stale;                   /* asked again meanwhile */
    GCancellable *closing, *changed; /* end all of it; the last part alone */

    /* The thread's own while there is one. */
    SdeJob job;
    GeglRectangle shown; /* in the coordinates of the area; empty: nothing of it */
    float *levels;       /* of the area: 1, or the selection, where it is shown */
    char *loaded_folder;
    SdeModel *model;
    bool knows_noise; /* job.noise is of these pixels and this model */
    GError *error;
};

/* ---- in the thread ----------------------------------------------------------------
 */

static bool
load_model(SdePreview *preview)
{
    const char *folder = preview->job.model_folder;

    if (g_strcmp0(folder, preview->loaded_folder) == 0) {
        return true;
    }
    g_clear_pointer(&preview->model, sde_model_unref);
    g_clear_pointer(&preview->loaded_folder, g_free);
    preview->knows_noise = false;
    preview->model = sde_model_load(folder, SDE_DENOISE_PRECISION, preview->closing,
                                    &preview->error);
    if (preview->model == NULL) {
        return false;
    }
    preview->loaded_folder = g_strdup(folder);
    return true;
}

/* Takes some seconds in large pictures, and is right for all that follows: no change
 * cuts it short. */
static bool
find_noise(SdePreview *preview)
{
    SdeJob *job = &preview->job;
    SdeRun run = job->run;

    if (job->params.denoise.noise_level >= 0 || preview->knows_noise) {
        return true;
    }
    run.cancellable = preview->closing;
    preview->knows_noise = sde_estimate_noise(
        preview->model, &job->source, job->mask.levels != NULL ? &job->mask : NULL,
        &run, &job->noise, &preview->error);
    return preview->knows_noise;
}

static float
level_at(const SdePreview *preview, int x, int y)
{
    const float *mask = preview->job.mask.levels;

    return mask != NULL ? mask[(size_t) y * preview->job.mask.stride + (size_t) x]
                        : 1.0f;
}

static void
set_levels(SdePreview *preview, bool shown)
{
    const GeglRectangle *rect = &preview->shown;

    for (int y = rect->y; y < rect->y + rect->height; y++) {
        for (int x = rect->x; x < rect->x + rect->width; x++) {
            preview->levels[(size_t) y * (size_t) preview->pixels.area.width +
                            (size_t) x] = shown ? level_at(preview, x, y) : 0.0f;
        }
    }
}

static bool
remove_noise(SdePreview *preview)
{
    SdeJob *job = &preview->job;
    SdeDenoiseParams params = job->params.denoise;
    SdeRun run = job->run;
    const SdeMask mask = {preview->levels, job->source.width, job->source.height,
                          (size_t) job->source.width};
    bool ok;

    params.known = &job->noise;
    run.cancellable = preview->changed;
    set_levels(preview, true);
    ok = sde_denoise(preview->model, &job->source, &mask, &params, &run, &job->result,
                     &preview->error);
    set_levels(preview, false);
    return ok;
}

static gboolean finish(void *data);

static void *
work(void *data)
{
    SdePreview *preview = data;

    if (load_model(preview) && find_noise(preview)) {
        remove_noise(preview);
    }
    g_idle_add(finish, preview);
    return NULL;
}

/* ---- in the main thread ---------------------------------------------------------- */

/* What is shown, in the layer's own colours, as GIMP draws the layer itself. */
static void
draw(SdePreview *preview)
{
    const GeglRectangle *rect = &preview->shown;
    GimpDrawable *drawable = GIMP_DRAWABLE(preview->source.layer);
    const Babl *space = babl_format_get_space(gimp_drawable_get_format(drawable));
    g_autofree guchar *drawn =
        g_new(guchar, 4 * (size_t) rect->width * (size_t) rect->height);

    sde_pixels_convert(&preview->pixels, rect,
                       babl_format_with_space("R'G'B'A u8", space), drawn);
    gimp_preview_area_draw(GIMP_PREVIEW_AREA(gimp_preview_get_area(preview->widget)), 0,
                           0, rect->width, rect->height, GIMP_RGBA_IMAGE, drawn,
                           4 * rect->width);
}

static void
tell_noise(SdePreview *preview)
{
    double sigma = preview->job.noise.sigma;
    g_autofree char *text = NULL;

    if (preview->job.params.denoise.noise_level >= 0) {
        gtk_label_set_text(preview->label, "");
        return;
    }
    text = sigma > 0 ? g_strdup_printf(_("Noise level found: %.1f"), sigma)
                     : g_strdup(_("No noise was found."));
    gtk_label_set_text(preview->label, text);
}

/* Takes the error. */
static void
tell_error(const SdePreview *preview, GError **error)
{
    sde_message_explain(error);
    gtk_label_set_text(preview->label, (*error)->message);
    g_clear_error(error);
}

static void start(SdePreview *preview);

static gboolean
finish(void *data)
{
    SdePreview *preview = data;

    g_thread_join(preview->thread);
    preview->thread = NULL;
    if (preview->is_stale) {
        g_clear_error(&preview->error);
        start(preview);
    } else if (preview->error != NULL) {
        tell_error(preview, &preview->error);
    } else {
        tell_noise(preview);
        draw(preview);
    }
    return G_SOURCE_REMOVE;
}

static void
forget_pixels(SdePreview *preview)
{
    sde_pixels_clear(&preview->pixels);
    g_clear_pointer(&preview->levels, g_free);
    preview->knows_noise = false;
}

static bool
read_pixels(SdePreview *preview, GError **error)
{
    SdePixels *pixels = &preview->pixels;
    bool visible = sde_arguments_get_visible(preview->config);

    if (pixels->rgb != NULL && visible == preview->source.visible) {
        return true;
    }
    forget_pixels(preview);
    preview->source.visible = visible;
    if (!sde_pixels_read(pixels, &preview->source, preview->description->region,
                         SDE_MASK_SOFT, 0, error)) {
        sde_pixels_clear(pixels);
        return false;
    }
    preview->levels =
        g_try_new0(float, (size_t) pixels->area.width *(size_t) pixels->area.height);
    if (preview->levels == NULL) {
        sde_pixels_set_memory_error(pixels, error);
        forget_pixels(preview);
        return false;
    }
    return true;
}

/* The part of the area that is shown now. */
static bool
find_shown(SdePreview *preview)
{
    const GeglRectangle *area = &preview->pixels.area;
    GeglRectangle view;

    gimp_preview_get_position(preview->widget, &view.x, &view.y);
    gimp_preview_get_size(preview->widget, &view.width, &view.height);
    view.x -= area->x;
    view.y -= area->y;
    return gegl_rectangle_intersect(&preview->shown, &view,
                                    GEGL_RECTANGLE(0, 0, area->width, area->height));
}

static bool
prepare(SdePreview *preview, GError **error)
{
    SdeJob *job = &preview->job;
    SdeNoise noise = job->noise;
    g_autofree char *model = NULL;

    g_object_get(preview->config, "model", &model, NULL);
    g_clear_pointer(&job->model_folder, g_free);
    *job = (SdeJob) {.model_folder = sde_models_find(model, error), .noise = noise};
    if (job->model_folder == NULL || !read_pixels(preview, error)) {
        return false;
    }
    preview->description->read_arguments(preview->config, job);
    sde_arguments_read_run(preview->config, preview->description->is_random, &job->run);
    sde_pixels_lend(&preview->pixels, job);
    return true;
}

static void
start(SdePreview *preview)
{
    GError *error = NULL;

    preview->is_stale = false;
    g_cancellable_reset(preview->changed);
    if (!prepare(preview, &error)) {
        tell_error(preview, &error);
        return;
    }
    if (find_shown(preview)) {
        gtk_label_set_text(preview->label, _("Computing the preview…"));
        preview->thread = g_thread_new("sdedit-preview", work, preview);
    }
}

static void
refresh(SdePreview *preview)
{
    if (preview->thread != NULL) {
        preview->is_stale = true;
        g_cancellable_cancel(preview->changed);
    } else {
        start(preview);
    }
}

SdePreview *
sde_preview_new(const SdeProcedure *description, const SdeSource *source,
                GimpProcedureConfig *config, GimpPreview *widget, GtkLabel *label)
{
    SdePreview *preview = g_new0(SdePreview, 1);

    preview->description = description;
    preview->source = *source;
    preview->config = config;
    preview->widget = widget;
    preview->label = label;
    preview->closing = g_cancellable_new();
    preview->changed = g_cancellable_new();
    g_signal_connect_swapped(widget, "invalidated", G_CALLBACK(refresh), preview);
    g_signal_connect_swapped(config, "notify", G_CALLBACK(gimp_preview_invalidate),
                             widget);
    return preview;
}

void
sde_preview_free(SdePreview *preview)
{
    if (preview == NULL) {
        return;
    }
    g_signal_handlers_disconnect_by_data(preview->widget, preview);
    g_signal_handlers_disconnect_by_data(preview->config, preview->widget);
    if (preview->thread != NULL) {
        g_cancellable_cancel(preview->closing);
        g_cancellable_cancel(preview->changed);
        g_thread_join(preview->thread);
        g_idle_remove_by_data(preview);
    }
    g_object_unref(preview->closing);
    g_object_unref(preview->changed);
    g_clear_error(&preview->error);
    forget_pixels(preview);
    sde_model_unref(preview->model);
    g_free(preview->loaded_folder);
    g_free(preview->job.model_folder);
    g_free(preview);
}
