/* The new layer: a copy of the source (with its offsets, mask, opacity, mode and
 * effects) in which the changed pixels are replaced. It is finished before it is
 * inserted, because GIMP may end this process at any moment and the document must not
 * be left half done. SPDX-License-Identifier: GPL-3.0-or-later */
#include "layer.h"

#include "intl.h"
#include <string.h>

static bool
is_source_there(const SdeSource *source)
{
    return gimp_image_is_valid(source->image) &&
           gimp_item_is_valid(GIMP_ITEM(source->layer)) &&
           gimp_image_get_item_position(source->image, GIMP_ITEM(source->layer)) >= 0;
}

static void
copy_buffer(GimpDrawable *from, GimpDrawable *to)
{
    g_autoptr(GeglBuffer) source = gimp_drawable_get_buffer(from);
    g_autoptr(GeglBuffer) target = gimp_drawable_get_buffer(to);

    gegl_buffer_copy(source, NULL, GEGL_ABYSS_NONE, target, NULL);
}

/* A copy of a text layer would still be text: the next edit would lose the result. */
static GimpLayer *
copy_as_plain_layer(const SdeSource *source)
{
    GimpDrawable *text = GIMP_DRAWABLE(source->layer);
    GimpLayerMask *mask = gimp_layer_get_mask(source->layer);
    GimpLayer *layer = gimp_layer_new(
        source->image, "", gimp_drawable_get_width(text),
        gimp_drawable_get_height(text), gimp_drawable_type(text),
        gimp_layer_get_opacity(source->layer), gimp_layer_get_mode(source->layer));
    int x, y;

    gimp_drawable_get_offsets(text, &x, &y);
    gimp_layer_set_offsets(layer, x, y);
    copy_buffer(text, GIMP_DRAWABLE(layer));
    if (mask != NULL) {
        GimpLayerMask *new_mask = gimp_layer_create_mask(layer, GIMP_ADD_MASK_WHITE);

        gimp_layer_add_mask(layer, new_mask);
        copy_buffer(GIMP_DRAWABLE(mask), GIMP_DRAWABLE(new_mask));
        gimp_layer_set_apply_mask(layer, gimp_layer_get_apply_mask(source->layer));
    }
    return layer;
}

static GimpLayer *
copy_source(const SdeSource *source)
{
    if (source->visible) {
        return gimp_layer_new_from_visible(source->image, source->image, "");
    }
    if (gimp_item_is_text_layer(GIMP_ITEM(source->layer))) {
        return copy_as_plain_layer(source);
    }
    return gimp_layer_copy(source->layer);
}

static void
describe(GimpLayer *layer, const char *name, const char *record)
{
    GimpItem *item = GIMP_ITEM(layer);
    GimpParasite *parasite =
        gimp_parasite_new(SDE_LAYER_PARASITE, GIMP_PARASITE_PERSISTENT,
                          (guint32) strlen(record) + 1, record);

    gimp_item_set_name(item, name);
    gimp_item_set_visible(item, TRUE);
    gimp_item_attach_parasite(item, parasite);
    gimp_parasite_free(parasite);
}

/* The visible image goes on top of everything, a layer right above its source. */
static void
insert(const SdeSource *source, GimpLayer *layer)
{
    GimpItem *item = GIMP_ITEM(source->layer);
    GimpItem *parent = source->visible ? NULL : gimp_item_get_parent(item);
    int position =
        source->visible ? 0 : gimp_image_get_item_position(source->image, item);
    GimpLayer **selected = gimp_image_get_selected_layers(source->image);

    gimp_image_undo_group_start(source->image);
    gimp_image_insert_layer(source->image, layer, GIMP_LAYER(parent), position);
    gimp_image_set_selected_layers(source->image, (const GimpLayer **) selected);
    gimp_image_undo_group_end(source->image);
    g_free(selected);
}

GimpLayer *
sde_layer_add_result(const SdeSource *source, const SdePixels *pixels, const char *name,
                     const char *record, GError **error)
{
    GimpLayer *layer;

    if (!is_source_there(source)) {
        g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                            _("The image or layer was closed while the result was "
                              "calculated."));
        return NULL;
    }
    layer = copy_source(source);
    if (layer == NULL) {
        g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                            _("GIMP could not make a new layer."));
        return NULL;
    }
    gimp_item_set_lock_content(GIMP_ITEM(layer), FALSE);
    if (!sde_pixels_write(pixels, layer, error)) {
        gimp_item_delete(GIMP_ITEM(layer));
        return NULL;
    }
    describe(layer, name, record);
    insert(source, layer);
    return layer;
}
