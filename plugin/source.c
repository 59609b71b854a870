/* The layer that a run starts from, and the part of it that may change. Selection boxes
 * are in canvas coordinates, everything else here in those of the layer.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "source.h"

#include "intl.h"

#define BAND_ROWS 64

static bool
refuse(GError **error, const char *message)
{
    g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0, message);
    return false;
}

bool
sde_source_init(SdeSource *source, GimpImage *image, GimpDrawable **drawables,
                GError **error)
{
    if (gimp_core_object_array_get_length((GObject **) drawables) != 1) {
        return refuse(error, _("This works on one layer at a time: select exactly one "
                               "layer."));
    }
    if (!GIMP_IS_LAYER(drawables[0])) {
        return refuse(error, _("This works on layers only: select a layer, not a layer "
                               "mask or channel."));
    }
    if (GIMP_IS_GROUP_LAYER(drawables[0])) {
        return refuse(error,
                      _("This does not work on a layer group: select a layer "
                        "inside it, or make a new layer from the visible image."));
    }
    if (gimp_layer_is_floating_sel(GIMP_LAYER(drawables[0]))) {
        return refuse(error,
                      _("Anchor the floating selection or make it a layer first."));
    }
    if (gimp_drawable_is_indexed(drawables[0])) {
        return refuse(error, _("This does not work on an image with indexed colors: "
                               "convert it with Image ▸ Mode ▸ RGB first."));
    }
    *source = (SdeSource) {.image = image, .layer = GIMP_LAYER(drawables[0])};
    return true;
}

GimpLayer *
sde_source_open_pixels(const SdeSource *source, GError **error)
{
    GimpLayer *pixels = source->layer;

    if (source->visible) {
        pixels = gimp_layer_new_from_visible(source->image, source->image, "visible");
    }
    if (pixels == NULL) {
        refuse(error, _("The visible image cannot be read."));
    }
    return pixels;
}

void
sde_source_close_pixels(const SdeSource *source, GimpLayer *pixels)
{
    if (pixels != NULL && source->visible) {
        gimp_item_delete(GIMP_ITEM(pixels));
    }
}

static bool
refuse_no_hole(GError **error)
{
    return refuse(error,
                  _("There is nothing to fill: select the area to repaint first, "
                    "for example with the free select tool or the Quick Mask "
                    "(Shift+Q), or erase it to transparency."));
}

bool
sde_source_may_have_hole(const SdeSource *source, GError **error)
{
    if (gimp_selection_is_empty(source->image) &&
        !gimp_drawable_has_alpha(GIMP_DRAWABLE(source->layer))) {
        return refuse_no_hole(error);
    }
    return true;
}

static void
include_row(GeglRectangle *box, const float *alpha, int y, int width)
{
    int first = 0;
    int last = width - 1;
    const GeglRectangle *old = box;

    while (first < width && alpha[first] >= 1) {
        first++;
    }
    while (last > first && alpha[last] >= 1) {
        last--;
    }
    if (first < width) {
        GeglRectangle row = {first, y, last - first + 1, 1};

        gegl_rectangle_bounding_box(box, old, &row);
    }
}

/* The box of all pixels that are not wholly opaque; empty when there is none. */
static GeglRectangle
find_hole(GimpLayer *pixels)
{
    g_autoptr(GeglBuffer) buffer = gimp_drawable_get_buffer(GIMP_DRAWABLE(pixels));
    const GeglRectangle *extent = gegl_buffer_get_extent(buffer);
    size_t width = (size_t) extent->width;
    g_autofree float *alpha = g_new(float, width *BAND_ROWS);
    GeglRectangle box = {0};

    for (int y = 0; y < extent->height; y += BAND_ROWS) {
        int n_rows = MIN(BAND_ROWS, extent->height - y);

        gegl_buffer_get(buffer, GEGL_RECTANGLE(0, y, extent->width, n_rows), 1.0,
                        babl_format("A float"), alpha, GEGL_AUTO_ROWSTRIDE,
                        GEGL_ABYSS_NONE);
        for (int row = 0; row < n_rows; row++) {
            include_row(&box, alpha + (size_t) row * width, y + row, extent->width);
        }
    }
    return box;
}

bool
sde_source_find_bounds(const SdeSource *source, GimpLayer *pixels, SdeRegion region,
                       GeglRectangle *bounds, bool *has_selection, GError **error)
{
    GimpDrawable *drawable = GIMP_DRAWABLE(pixels);
    GeglRectangle layer = {0, 0, gimp_drawable_get_width(drawable),
                           gimp_drawable_get_height(drawable)};
    gboolean non_empty = FALSE;
    int x1, y1, x2, y2, offset_x, offset_y;

    gimp_selection_bounds(source->image, &non_empty, &x1, &y1, &x2, &y2);
    *has_selection = non_empty;

    if (non_empty) {
        gimp_drawable_get_offsets(drawable, &offset_x, &offset_y);
        GeglRectangle selected = {x1 - offset_x, y1 - offset_y, x2 - x1, y2 - y1};

        return gegl_rectangle_intersect(bounds, &layer, &selected) ||
               refuse(error, _("The selection lies outside the layer: move it onto the "
                               "layer, or select the layer that it belongs to."));
    }
    if (region == SDE_REGION_SELECTION) {
        *bounds = layer;
        return true;
    }
    if (gimp_drawable_has_alpha(drawable)) {
        *bounds = find_hole(pixels);
        return bounds->width > 0 || refuse_no_hole(error);
    }
    return refuse_no_hole(error);
}
