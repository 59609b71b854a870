/* A GtkDrawingArea with a row of controls. The layer itself is asked of GIMP, as large
 * as it is seen. SPDX-License-Identifier: GPL-3.0-or-later */
#include "view.h"

#include "intl.h"
#include <math.h>

#define SURROUNDINGS  64 /* pixels of the layer, around what is looked at, at least */
#define LARGEST_SCALE 8.0
#define ZOOM_STEP     1.5
#define CHECK_SIDE    8   /* pixels of the screen, behind what is transparent */
#define LEAST_SHARE   0.6 /* of the longest side, that wide and high layers get */

struct _SdeView {
    GtkBox parent_instance;
    GimpDrawable *drawable;
    GtkWidget *area, *toggle, *zoom_in, *zoom_out;
    int width, height;           /* of the layer */
    int seen_width, seen_height; /* of the area */
    double scale, smallest;      /* pixels of the screen for one of the layer */
    double left, top;            /* of the layer, where the area begins */
    double pointer_x, pointer_y; /* of the area, in the last moment of a drag */
    GdkPixbuf *source, *result;  /* NULL: not read, none */
    GeglRectangle result_rect;
};

G_DEFINE_FINAL_TYPE(SdeView, sde_view, GTK_TYPE_BOX)

static guint changed_signal;

/* ---- which part ------------------------------------------------------------------ */

GeglRectangle
sde_view_get_shown(SdeView *view)
{
    int left = MAX((int) floor(view->left), 0), top = MAX((int) floor(view->top), 0);
    int right = (int) ceil(view->left + view->seen_width / view->scale - 1e-6);
    int bottom = (int) ceil(view->top + view->seen_height / view->scale - 1e-6);

    right = CLAMP(right, left + 1, view->width);
    bottom = CLAMP(bottom, top + 1, view->height);
    return (GeglRectangle) {left, top, right - left, bottom - top};
}

double
sde_view_get_resolution(SdeView *view)
{
    return MIN(2.0 * view->scale, 1.0);
}

bool
sde_view_shows_result(SdeView *view)
{
    return gtk_toggle_button_get_active(GTK_TOGGLE_BUTTON(view->toggle));
}

/* Where less is there than could be seen it is in the middle. */
static double
hold(double start, double seen, double length)
{
    return seen < length ? CLAMP(start, 0.0, length - seen) : 0.5 * (length - seen);
}

/* Moves to a place, as far as there is a layer. */
static void
move_to(SdeView *view, double left, double top)
{
    view->left = hold(left, view->seen_width / view->scale, view->width);
    view->top = hold(top, view->seen_height / view->scale, view->height);
    if (view->scale == 1.0) { /* pixels fall onto pixels */
        view->left = floor(view->left);
        view->top = floor(view->top);
    }
    g_clear_object(&view->source);
    gtk_widget_set_sensitive(view->zoom_in, view->scale < LARGEST_SCALE);
    gtk_widget_set_sensitive(view->zoom_out, view->scale > view->smallest);
    gtk_widget_queue_draw(view->area);
    g_signal_emit(view, changed_signal, 0);
}

static void
center(SdeView *view, const GeglRectangle *rect, double scale)
{
    view->scale = CLAMP(scale, view->smallest, LARGEST_SCALE);
    move_to(view, rect->x + 0.5 * rect->width - 0.5 * view->seen_width / view->scale,
            rect->y + 0.5 * rect->height - 0.5 * view->seen_height / view->scale);
}

void
sde_view_look_at(SdeView *view, const GeglRectangle *rect)
{
    int around = MAX(MAX(rect->width, rect->height) / 2, SURROUNDINGS);
    double scale = MIN(view->seen_width / (rect->width + 2.0 * around),
                       view->seen_height / (rect->height + 2.0 * around));

    center(view, rect, scale > 1.0 ? floor(scale) : scale); /* equal squares */
}

void
sde_view_look_closely(SdeView *view, const GeglRectangle *rect)
{
    center(view, rect, 1.0);
}

/* The pixel at x, y of the area stays there. A step over 1 stops at it. */
static void
zoom(SdeView *view, double factor, double x, double y)
{
    double before = view->scale, after = before * factor;

    if ((before < 1.0 && after > 1.0) || (before > 1.0 && after < 1.0)) {
        after = 1.0;
    }
    view->scale = CLAMP(after, view->smallest, LARGEST_SCALE);
    if (view->scale != before) {
        move_to(view, view->left + x / before - x / view->scale,
                view->top + y / before - y / view->scale);
    }
}

/* ---- what the user does ---------------------------------------------------------- */

static gboolean
on_scroll(GtkWidget *area, GdkEventScroll *event, SdeView *view)
{
    double dx, dy = 0.0;

    if (event->direction == GDK_SCROLL_UP) {
        dy = -1.0;
    } else if (event->direction == GDK_SCROLL_DOWN) {
        dy = 1.0;
    } else {
        gdk_event_get_scroll_deltas((GdkEvent *) event, &dx, &dy);
    }
    zoom(view, pow(ZOOM_STEP, -dy), event->x, event->y);
    return TRUE;
}

static gboolean
on_press(GtkWidget *area, GdkEventButton *event, SdeView *view)
{
    view->pointer_x = event->x;
    view->pointer_y = event->y;
    return event->button == GDK_BUTTON_PRIMARY;
}

static gboolean
on_motion(GtkWidget *area, GdkEventMotion *event, SdeView *view)
{
    double dx = event->x - view->pointer_x, dy = event->y - view->pointer_y;

    view->pointer_x = event->x;
    view->pointer_y = event->y;
    move_to(view, view->left - dx / view->scale, view->top - dy / view->scale);
    return TRUE;
}

static void
on_zoom_in(GtkButton *button, SdeView *view)
{
    zoom(view, ZOOM_STEP, 0.5 * view->seen_width, 0.5 * view->seen_height);
}

static void
on_zoom_out(GtkButton *button, SdeView *view)
{
    zoom(view, 1.0 / ZOOM_STEP, 0.5 * view->seen_width, 0.5 * view->seen_height);
}

static void
on_toggled(GtkToggleButton *toggle, SdeView *view)
{
    gtk_widget_queue_draw(view->area);
    g_signal_emit(view, changed_signal, 0);
}

/* ---- drawing --------------------------------------------------------------------- */

GdkPixbuf *
sde_view_make_pixbuf(guchar *rgba, int width, int height)
{
    g_autoptr(GBytes) bytes =
        g_bytes_new_take(rgba, 4 * (size_t) width * (size_t) height);

    return gdk_pixbuf_new_from_bytes(bytes, GDK_COLORSPACE_RGB, TRUE, 8, width, height,
                                     4 * width);
}

/* bpp: 1 or 2 grey, 3 or 4 colour; even: with alpha. */
static GdkPixbuf *
add_channels(const guchar *pixels, int width, int height, int bpp)
{
    size_t n = (size_t) width * (size_t) height;
    guchar *rgba = g_new(guchar, 4 * n);

    for (size_t i = 0; i < n; i++, pixels += bpp) {
        guchar *to = rgba + 4 * i;

        to[0] = pixels[0];
        to[1] = pixels[bpp > 2 ? 1 : 0];
        to[2] = pixels[bpp > 2 ? 2 : 0];
        to[3] = bpp % 2 == 0 ? pixels[bpp - 1] : 255;
    }
    return sde_view_make_pixbuf(rgba, width, height);
}

/* gimp_drawable_get_sub_thumbnail() of GIMP 3.0 frees its pixels twice. */
static void
read_source(SdeView *view)
{
    GeglRectangle shown = sde_view_get_shown(view);
    double scale = sde_view_get_resolution(view);
    int bpp, width, height;
    g_autoptr(GBytes) pixels = gimp_drawable_get_sub_thumbnail_data(
        view->drawable, shown.x, shown.y, shown.width, shown.height,
        (int) ceil(shown.width * scale), (int) ceil(shown.height * scale), &width,
        &height, &bpp);

    if (pixels != NULL) {
        view->source = add_channels(g_bytes_get_data(pixels, NULL), width, height, bpp);
    }
}

static void
draw_checks(cairo_t *cr)
{
    cairo_pattern_t *checks =
        gimp_cairo_checkerboard_create(cr, CHECK_SIDE, NULL, NULL);

    cairo_set_source(cr, checks);
    cairo_paint(cr);
    cairo_pattern_destroy(checks);
}

/* A picture at a rectangle of the layer, on checks; enlarged pixels are squares. */
static void
draw_pixbuf(const SdeView *view, cairo_t *cr, const GdkPixbuf *pixbuf,
            const GeglRectangle *rect)
{
    double x = (rect->x - view->left) * view->scale, width = rect->width * view->scale;
    double y = (rect->y - view->top) * view->scale, height = rect->height * view->scale;

    cairo_save(cr);
    cairo_rectangle(cr, x, y, width, height);
    cairo_clip(cr);
    draw_checks(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, width / gdk_pixbuf_get_width(pixbuf),
                height / gdk_pixbuf_get_height(pixbuf));
    gdk_cairo_set_source_pixbuf(cr, pixbuf, 0, 0);
    cairo_pattern_set_filter(cairo_get_source(cr), view->scale >= 1.0
                                                       ? CAIRO_FILTER_NEAREST
                                                       : CAIRO_FILTER_GOOD);
    cairo_paint(cr);
    cairo_restore(cr);
}

static gboolean
on_draw(GtkWidget *area, cairo_t *cr, SdeView *view)
{
    GeglRectangle shown = sde_view_get_shown(view);

    if (view->source == NULL) {
        read_source(view);
    }
    if (view->source != NULL) {
        draw_pixbuf(view, cr, view->source, &shown);
    }
    if (view->result != NULL && sde_view_shows_result(view)) {
        draw_pixbuf(view, cr, view->result, &view->result_rect);
    }
    return TRUE;
}

void
sde_view_set_result(SdeView *view, GdkPixbuf *result, const GeglRectangle *rect)
{
    g_set_object(&view->result, result);
    view->result_rect = *rect;
    gtk_widget_queue_draw(view->area);
}

/* ---- the widget ------------------------------------------------------------------ */

static void
sde_view_dispose(GObject *object)
{
    SdeView *view = SDE_VIEW(object);

    g_clear_object(&view->drawable);
    g_clear_object(&view->source);
    g_clear_object(&view->result);
    G_OBJECT_CLASS(sde_view_parent_class)->dispose(object);
}

static void
sde_view_class_init(SdeViewClass *class)
{
    G_OBJECT_CLASS(class)->dispose = sde_view_dispose;
    changed_signal = g_signal_new("changed", SDE_TYPE_VIEW, G_SIGNAL_RUN_LAST, 0, NULL,
                                  NULL, NULL, G_TYPE_NONE, 0);
}

static GtkWidget *
add_button(SdeView *view, GtkBox *row, const char *icon, const char *tip,
           GCallback clicked)
{
    GtkWidget *button = gtk_button_new_from_icon_name(icon, GTK_ICON_SIZE_MENU);

    gtk_button_set_relief(GTK_BUTTON(button), GTK_RELIEF_NONE);
    gtk_widget_set_tooltip_text(button, tip);
    g_signal_connect(button, "clicked", clicked, view);
    gtk_box_pack_end(row, button, FALSE, FALSE, 0);
    return button;
}

static void
sde_view_init(SdeView *view)
{
    GtkWidget *frame = gtk_frame_new(NULL);
    GtkWidget *row = gtk_box_new(GTK_ORIENTATION_HORIZONTAL, 0);

    gtk_orientable_set_orientation(GTK_ORIENTABLE(view), GTK_ORIENTATION_VERTICAL);
    gtk_box_set_spacing(GTK_BOX(view), 2);
    view->area = gtk_drawing_area_new();
    gtk_widget_add_events(view->area, GDK_SCROLL_MASK | GDK_SMOOTH_SCROLL_MASK |
                                          GDK_BUTTON_PRESS_MASK |
                                          GDK_BUTTON1_MOTION_MASK);
    g_signal_connect(view->area, "draw", G_CALLBACK(on_draw), view);
    g_signal_connect(view->area, "scroll-event", G_CALLBACK(on_scroll), view);
    g_signal_connect(view->area, "button-press-event", G_CALLBACK(on_press), view);
    g_signal_connect(view->area, "motion-notify-event", G_CALLBACK(on_motion), view);
    gtk_widget_set_halign(frame, GTK_ALIGN_CENTER);
    gtk_container_add(GTK_CONTAINER(frame), view->area);
    gtk_box_pack_start(GTK_BOX(view), frame, FALSE, FALSE, 0);

    view->toggle = gtk_check_button_new_with_label(_("Preview"));
    gtk_toggle_button_set_active(GTK_TOGGLE_BUTTON(view->toggle), TRUE);
    g_signal_connect(view->toggle, "toggled", G_CALLBACK(on_toggled), view);
    gtk_box_pack_start(GTK_BOX(row), view->toggle, FALSE, FALSE, 0);
    view->zoom_in = add_button(view, GTK_BOX(row), GIMP_ICON_ZOOM_IN, _("Zoom in"),
                               G_CALLBACK(on_zoom_in));
    view->zoom_out = add_button(view, GTK_BOX(row), GIMP_ICON_ZOOM_OUT, _("Zoom out"),
                                G_CALLBACK(on_zoom_out));
    gtk_box_pack_start(GTK_BOX(view), row, FALSE, FALSE, 0);
}

SdeView *
sde_view_new(GimpDrawable *drawable, int side)
{
    SdeView *view = g_object_new(SDE_TYPE_VIEW, NULL);

    view->drawable = g_object_ref(drawable);
    view->width = gimp_drawable_get_width(drawable);
    view->height = gimp_drawable_get_height(drawable);
    view->smallest = MIN((double) side / MAX(view->width, view->height), 1.0);
    view->scale = view->smallest;
    view->seen_width =
        (int) CLAMP(view->width * view->smallest, LEAST_SHARE * side, side);
    view->seen_height =
        (int) CLAMP(view->height * view->smallest, LEAST_SHARE * side, side);
    gtk_widget_set_size_request(view->area, view->seen_width, view->seen_height);
    move_to(view, 0.0, 0.0);
    gtk_widget_show_all(GTK_WIDGET(view));
    return view;
}
