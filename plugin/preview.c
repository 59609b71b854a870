/* The preview of a procedure: what it would make of the part of the layer that the
 * dialog shows. Pixels are read once, when the dialog first asks. All else is done in a
 * thread, one part at a time; a change meanwhile cancels it, and it begins anew.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "preview.h"

#include "arguments.h"
#include "intl.h"
#include "message.h"
#include "models.h"
#include "pixels.h"

#define POLL_MS 200

struct _SdePreview {
    const SdeProcedure *description;
    GimpProcedureConfig *config;
    GimpPreview *widget;
    GtkLabel *label;

    SdeSource source;
    SdePixels pixels;                /* rgb NULL: not read yet */
    GThread *thread;                 /* NULL: nothing is being computed */
    guint timer;                     /* tells how far it is */
    bool is_stale;                   /* asked again meanwhile */
    GCancellable *closing, *changed; /* end all of it; the last part alone */
    int percent;                     /* atomic */

    /* The thread's own while there is one. */
    SdeJob job;
    GeglRectangle shown, place; /* in the area; of the widget, where that is drawn */
    SdeRect part;               /* shown, for the engine */
    const Babl *format;         /* of what is drawn */
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

static void
free_pixels(guchar *pixels, void *data)
{
    g_free(pixels);
}

/* As large as it is drawn. */
static void
render(SdePreview *preview)
{
    const GeglRectangle *shown = &preview->shown, *place = &preview->place;
    guchar *rgba = g_new(guchar, 4 * (size_t) shown->width * (size_t) shown->height);
    g_autoptr(GdkPixbuf) full =
        gdk_pixbuf_new_from_data(rgba, GDK_COLORSPACE_RGB, TRUE, 8, shown->width,
                                 shown->height, 4 * shown->width, free_pixels, NULL);

    sde_pixels_convert(&preview->pixels, shown, preview->format, rgba);
    g_clear_object(&preview->drawn);
    preview->drawn =
        gdk_pixbuf_scale_simple(full, place->width, place->height, GDK_INTERP_BILINEAR);
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

/* ---- in the main thread ---------------------------------------------------------- */

static void
draw(SdePreview *preview)
{
    const GeglRectangle *place = &preview->place;

    if (preview->drawn != NULL) {
        gimp_preview_area_draw(
            GIMP_PREVIEW_AREA(gimp_preview_get_area(preview->widget)), place->x,
            place->y, place->width, place->height, GIMP_RGBA_IMAGE,
            gdk_pixbuf_get_pixels(preview->drawn),
            gdk_pixbuf_get_rowstride(preview->drawn));
    }
}

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

    if (percent > 0) {
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

static gboolean
finish(void *data)
{
    SdePreview *preview = data;

    join(preview);
    if (preview->is_stale) {
        g_clear_error(&preview->error);
        start(preview);
    } else if (preview->error != NULL) {
        tell_error(preview, &preview->error);
    } else {
        tell(preview);
        draw(preview);
    }
    return G_SOURCE_REMOVE;
}

static bool
read_pixels(SdePreview *preview, GError **error)
{
    bool visible = sde_arguments_get_visible(preview->config);

    if (preview->pixels.rgb != NULL && visible == preview->source.visible) {
        return true;
    }
    sde_pixels_clear(&preview->pixels);
    preview->job.knows_noise = false;
    preview->source.visible = visible;
    if (!sde_pixels_read(&preview->pixels, &preview->source,
                         preview->description->region, SDE_MASK_SOFT, 0, error)) {
        sde_pixels_clear(&preview->pixels);
        return false;
    }
    return true;
}

/* The part of the layer that the widget shows. */
static GeglRectangle
find_view(SdePreview *preview)
{
    int width, height, left, top, right, bottom;

    gimp_preview_get_size(preview->widget, &width, &height);
    gimp_preview_untransform(preview->widget, 0, 0, &left, &top);
    gimp_preview_untransform(preview->widget, width, height, &right, &bottom);
    return (GeglRectangle) {left, top, MAX(right - left, 1), MAX(bottom - top, 1)};
}

/* What there is to show now, and where. */
static bool
find_shown(SdePreview *preview)
{
    const GeglRectangle *area = &preview->pixels.area;
    GeglRectangle view = find_view(preview), *shown = &preview->shown;
    GeglRectangle *place = &preview->place;
    int right, bottom;

    if (!gegl_rectangle_intersect(shown, &view, area)) {
        return false;
    }
    gimp_preview_transform(preview->widget, shown->x, shown->y, &place->x, &place->y);
    gimp_preview_transform(preview->widget, shown->x + shown->width,
                           shown->y + shown->height, &right, &bottom);
    place->width = MAX(right - place->x, 1);
    place->height = MAX(bottom - place->y, 1);
    shown->x -= area->x;
    shown->y -= area->y;
    preview->part = (SdeRect) {shown->x, shown->y, shown->width, shown->height};
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
    if (job->model_folder == NULL || !read_pixels(preview, error)) {
        return false;
    }
    find_format(preview);
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
        g_atomic_int_set(&preview->percent, 0);
        preview->timer = g_timeout_add(POLL_MS, tell_progress, preview);
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
        join(preview);
        g_idle_remove_by_data(preview);
    }
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
