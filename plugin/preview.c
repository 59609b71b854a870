/* The preview of a procedure: what it would make of the part of the layer that the
 * dialog shows. Pixels are read when the dialog first asks, and again where the mask or
 * what is needed around it changes. All else is done in a thread, one part at a time; a
 * change meanwhile cancels it, and it begins anew. Once everything that may change was
 * computed, moving and zooming only draws.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "preview.h"

#include "arguments.h"
#include "intl.h"
#include "message.h"
#include "models.h"
#include <math.h>

#define POLL_MS 200
#define WAIT_MS 100 /* for the next change: they come in rows */

struct _SdePreview {
    const SdeProcedure *description;
    GimpProcedureConfig *config;
    SdeView *view;
    GtkLabel *label;

    SdeSource source;
    SdePixels pixels;      /* rgb NULL: not read yet */
    SdeMaskMode mask_mode; /* that they were read with, and the context */
    int context;
    GThread *thread;  /* NULL: nothing is being computed */
    guint waiting;    /* after a change; 0: for none */
    guint timer;      /* tells how far it is */
    bool is_stale;    /* asked again meanwhile */
    bool is_complete; /* the pixels hold all of the result, whatever is shown */
    bool is_awaited;  /* by whoever wants all of the result */
    GCancellable *closing, *changed; /* end all of it; the last part alone */
    int percent;                     /* atomic */

    /* The thread's own while there is one. */
    SdeJob job;
    GeglRectangle shown; /* of the layer */
    SdeRect part;        /* the same, of the area, for the engine */
    double resolution;   /* that it is drawn at */
    const Babl *format;  /* of what is drawn */
    GdkPixbuf *drawn;
    char *loaded_folder;
    SdeModel *model;
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
    preview->job.knows_noise = false;
    preview->model = sde_model_load(folder, preview->description->precision,
                                    preview->closing, &preview->error);
    if (preview->model == NULL) {
        return false;
    }
    preview->loaded_folder = g_strdup(folder);
    return true;
}

/* What is right for all that follows: no change cuts it short. */
static bool
prepare_whole(SdePreview *preview)
{
    preview->job.run.cancellable = preview->closing;
    return preview->description->prepare == NULL ||
           preview->description->prepare(&preview->job, preview->model,
                                         &preview->error);
}

static void
note_progress(const SdeProgress *progress, void *data)
{
    SdePreview *preview = data;

    g_atomic_int_set(&preview->percent, (int) (100 * progress->fraction));
}

static bool
compute_part(SdePreview *preview)
{
    SdeRun *run = &preview->job.run;

    run->cancellable = preview->changed;
    run->progress = note_progress;
    run->user_data = preview;
    run->part = &preview->part;
    return preview->description->compute(&preview->job, preview->model,
                                         &preview->error);
}

/* As large as it is drawn, and no larger than it is. */
static void
render(SdePreview *preview)
{
    const SdeRect *part = &preview->part;
    double resolution = preview->resolution;
    guchar *rgba = g_new(guchar, 4 * (size_t) part->width * (size_t) part->height);
    g_autoptr(GdkPixbuf) full = sde_view_make_pixbuf(rgba, part->width, part->height);

    sde_pixels_convert(&preview->pixels,
                       GEGL_RECTANGLE(part->x, part->y, part->width, part->height),
                       preview->format, rgba);
    g_clear_object(&preview->drawn);
    preview->drawn = gdk_pixbuf_scale_simple(full, (int) ceil(part->width * resolution),
                                             (int) ceil(part->height * resolution),
                                             GDK_INTERP_BILINEAR);
}

static gboolean finish(void *data);

static void *
work(void *data)
{
    SdePreview *preview = data;

    if (load_model(preview) && prepare_whole(preview) && compute_part(preview)) {
        render(preview);
    }
    g_idle_add(finish, preview);
    return NULL;
}

static void *
only_render(void *data)
{
    render(data);
    g_idle_add(finish, data);
    return NULL;
}

/* ---- in the main thread ---------------------------------------------------------- */

static void
tell(SdePreview *preview)
{
    g_autofree char *text = NULL;

    if (preview->description->describe != NULL) {
        text = preview->description->describe(&preview->job);
    }
    gtk_label_set_text(preview->label, text != NULL ? text : "");
}

static gboolean
tell_progress(void *data)
{
    SdePreview *preview = data;
    int percent = g_atomic_int_get(&preview->percent);
    g_autofree char *text = NULL;

    if (preview->is_awaited) {
        gimp_progress_update(percent / 100.0);
    } else if (percent > 0) {
        text = g_strdup_printf(_("Computing the preview… %d %%"), percent);
        gtk_label_set_text(preview->label, text);
    }
    return G_SOURCE_CONTINUE;
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

/* Waits for the thread. */
static void
join(SdePreview *preview)
{
    g_thread_join(preview->thread);
    preview->thread = NULL;
    g_source_remove(preview->timer);
}

/* Is all that may change in the part that was, or is being, computed? */
static bool
is_all_computed(const SdePreview *preview)
{
    const SdeImage *image = &preview->job.source;
    const SdeMask *mask = &preview->job.mask;
    const SdeRect *part = &preview->part;

    for (int y = 0; y < image->height; y++) {
        bool inside = y >= part->y && y < part->y + part->height;

        for (int x = 0; x < image->width; x++) {
            bool computed = inside && x >= part->x && x < part->x + part->width;
            size_t at = (size_t) y * (size_t) image->width + (size_t) x;

            if (!computed && (mask->levels == NULL || mask->levels[at] > 0)) {
                return false;
            }
        }
    }
    return true;
}

static gboolean
finish(void *data)
{
    SdePreview *preview = data;

    join(preview);
    if (preview->error == NULL && !preview->is_stale && !preview->is_complete) {
        preview->is_complete = is_all_computed(preview);
    }
    if (preview->is_stale) {
        g_clear_error(&preview->error);
        if (preview->waiting == 0) { /* else it starts when that is over */
            start(preview);
        }
    } else if (preview->error != NULL) {
        tell_error(preview, &preview->error);
    } else {
        tell(preview);
        sde_view_set_result(preview->view, preview->drawn, &preview->shown);
    }
    return G_SOURCE_REMOVE;
}

static bool
read_pixels(SdePreview *preview, GError **error)
{
    bool visible = sde_arguments_get_visible(preview->config);
    SdeMaskMode mask_mode = preview->job.mask_mode;
    int context = preview->description->get_context(&preview->job);

    if (preview->pixels.rgb != NULL && visible == preview->source.visible &&
        mask_mode == preview->mask_mode && context == preview->context) {
        return true;
    }
    sde_pixels_clear(&preview->pixels);
    preview->job.knows_noise = false;
    preview->source.visible = visible;
    preview->mask_mode = mask_mode;
    preview->context = context;
    if (!sde_pixels_read(&preview->pixels, &preview->source,
                         preview->description->region, mask_mode, context, error)) {
        sde_pixels_clear(&preview->pixels);
        return false;
    }
    return true;
}

/* What there is to show now, if anything. */
static bool
find_shown(SdePreview *preview)
{
    const GeglRectangle *area = &preview->pixels.area;
    GeglRectangle seen = sde_view_get_shown(preview->view), *shown = &preview->shown;

    if (!gegl_rectangle_intersect(shown, &seen, area)) {
        return false;
    }
    preview->resolution = sde_view_get_resolution(preview->view);
    preview->part =
        (SdeRect) {shown->x - area->x, shown->y - area->y, shown->width, shown->height};
    return true;
}

/* The layer's own colours, as GIMP draws the layer itself. */
static void
find_format(SdePreview *preview)
{
    GimpDrawable *drawable = GIMP_DRAWABLE(preview->source.layer);

    preview->format = babl_format_with_space(
        "R'G'B'A u8", babl_format_get_space(gimp_drawable_get_format(drawable)));
}

static bool
prepare(SdePreview *preview, GError **error)
{
    SdeJob *job = &preview->job;
    SdeNoise noise = job->noise;
    bool knows_noise = job->knows_noise;
    g_autofree char *model = NULL;

    g_object_get(preview->config, "model", &model, NULL);
    sde_job_clear(job);
    *job = (SdeJob) {.model_folder = sde_models_find(model, error),
                     .noise = noise,
                     .knows_noise = knows_noise};
    preview->description->read_arguments(preview->config, job);
    if (job->model_folder == NULL || !read_pixels(preview, error)) {
        return false;
    }
    find_format(preview);
    sde_arguments_read_run(preview->config, preview->description->is_random, &job->run);
    sde_pixels_lend(&preview->pixels, job);
    return true;
}

static void
start(SdePreview *preview)
{
    GError *error = NULL;

    preview->is_stale = false;
    if (!sde_view_shows_result(preview->view)) {
        gtk_label_set_text(preview->label, "");
        return;
    }
    g_cancellable_reset(preview->changed);
    if (!preview->is_complete && !prepare(preview, &error)) {
        tell_error(preview, &error);
        return;
    }
    if (find_shown(preview)) {
        if (!preview->is_complete) {
            gtk_label_set_text(preview->label, _("Computing the preview…"));
        }
        g_atomic_int_set(&preview->percent, 0);
        preview->timer = g_timeout_add(POLL_MS, tell_progress, preview);
        preview->thread = g_thread_new(
            "sdedit-preview", preview->is_complete ? only_render : work, preview);
    }
}

static gboolean
refresh(void *data)
{
    SdePreview *preview = data;

    preview->waiting = 0;
    if (preview->thread != NULL) {
        preview->is_stale = true;
        g_cancellable_cancel(preview->changed);
    } else {
        start(preview);
    }
    return G_SOURCE_REMOVE;
}

static void
refresh_soon(SdePreview *preview)
{
    if (preview->waiting != 0) {
        g_source_remove(preview->waiting);
    }
    preview->waiting = g_timeout_add(WAIT_MS, refresh, preview);
}

static void
follow_argument(SdePreview *preview)
{
    preview->is_complete = false;
    preview->is_stale = preview->thread != NULL;
    refresh_soon(preview);
}

SdePreview *
sde_preview_new(const SdeProcedure *description, const SdeSource *source,
                GimpProcedureConfig *config, SdeView *view, GtkLabel *label)
{
    SdePreview *preview = g_new0(SdePreview, 1);

    preview->description = description;
    preview->source = *source;
    preview->config = config;
    preview->view = view;
    preview->label = label;
    preview->closing = g_cancellable_new();
    preview->changed = g_cancellable_new();
    g_signal_connect_swapped(view, "changed", G_CALLBACK(refresh_soon), preview);
    g_signal_connect_swapped(config, "notify", G_CALLBACK(follow_argument), preview);
    refresh_soon(preview);
    return preview;
}

/* Lets the thread end its work, if that is all of the result. */
static void
await_result(SdePreview *preview)
{
    bool worth_it = preview->thread != NULL && !preview->is_complete &&
                    !preview->is_stale && preview->waiting == 0 &&
                    is_all_computed(preview);

    if (worth_it) {
        preview->is_awaited = true;
        gimp_progress_init(_(preview->description->progress_title));
    }
    while (worth_it && preview->thread != NULL) {
        g_main_context_iteration(NULL, TRUE);
    }
}

void
sde_preview_take_result(SdePreview *preview, SdeJob *job, SdePixels *pixels)
{
    await_result(preview);
    if (!preview->is_complete) {
        return;
    }
    if (preview->thread != NULL) { /* only draws */
        join(preview);
    }
    *job = preview->job;
    *pixels = preview->pixels;
    preview->job = (SdeJob) {0};
    preview->pixels = (SdePixels) {0};
}

void
sde_preview_free(SdePreview *preview)
{
    g_signal_handlers_disconnect_by_data(preview->view, preview);
    g_signal_handlers_disconnect_by_data(preview->config, preview);
    if (preview->waiting != 0) {
        g_source_remove(preview->waiting);
    }
    if (preview->thread != NULL) {
        g_cancellable_cancel(preview->closing);
        g_cancellable_cancel(preview->changed);
        join(preview);
    }
    g_idle_remove_by_data(preview);
    g_object_unref(preview->closing);
    g_object_unref(preview->changed);
    g_clear_error(&preview->error);
    sde_pixels_clear(&preview->pixels);
    g_clear_object(&preview->drawn);
    sde_model_unref(preview->model);
    g_free(preview->loaded_folder);
    sde_job_clear(&preview->job);
    g_free(preview);
}
