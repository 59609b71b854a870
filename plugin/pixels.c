/* Pixels between GIMP's buffers and the engine's plain floats. The engine returns what
 * it did not touch bit for bit, so a pixel that differs from what was read is a changed
 * one: only those are converted back and written; all others never leave GIMP's own
 * format. SPDX-License-Identifier: GPL-3.0-or-later */
#include "pixels.h"

#include "extend.h"
#include "intl.h"
#include <string.h>

#define BAND_ROWS   128
#define THREAD_COST 2.0 /* rows converted while one more thread wakes up */
/* How far a task looks around the selection; beyond this the models see little. */
#define LEAST_MARGIN 256

static size_t
count_pixels(const SdePixels *pixels)
{
    return (size_t) pixels->area.width * (size_t) pixels->area.height;
}

void
sde_pixels_clear(SdePixels *pixels)
{
    g_clear_pointer(&pixels->rgb, g_free);
    g_clear_pointer(&pixels->result, g_free);
    g_clear_pointer(&pixels->mask, g_free);
    g_clear_pointer(&pixels->alpha, g_free);
}

static void
set_memory_error(const SdePixels *pixels, GError **error)
{
    g_set_error(error, GIMP_PLUG_IN_ERROR, 0,
                _("There is not enough memory for %d × %d pixels: select a smaller "
                  "area."),
                pixels->area.width, pixels->area.height);
}

static bool
allocate(SdePixels *pixels, bool with_mask, bool with_alpha, GError **error)
{
    size_t n = count_pixels(pixels);

    pixels->rgb = sde_image_try_alloc(3 * n);
    pixels->result = sde_image_try_alloc(3 * n);
    pixels->mask = with_mask ? sde_image_try_alloc(n) : NULL;
    pixels->alpha = with_alpha ? sde_image_try_alloc(n) : NULL;

    if (pixels->rgb == NULL || pixels->result == NULL ||
        (with_mask && pixels->mask == NULL) || (with_alpha && pixels->alpha == NULL)) {
        set_memory_error(pixels, error);
        return false;
    }
    return true;
}

/* ---- bands ----------------------------------------------------------------------- */

/* Rows of a layer in its own format. GEGL copies them in large rectangles; all threads
 * convert, which takes longer. */
typedef struct {
    GeglRectangle area;
    const Babl *native, *to_float, *from_float; /* float: R'G'B'A */
    size_t pixel_bytes;
    int y; /* the first row, of the area */
    guchar *rows;
} Band;

static void
band_init(Band *band, const SdePixels *pixels, GeglBuffer *buffer)
{
    const Babl *rgba = babl_format("R'G'B'A float");

    band->area = pixels->area;
    band->native = gegl_buffer_get_format(buffer);
    band->to_float = babl_fish(band->native, rgba);
    band->from_float = babl_fish(rgba, band->native);
    band->pixel_bytes = (size_t) babl_format_get_bytes_per_pixel(band->native);
    band->rows =
        g_new(guchar, band->pixel_bytes * (size_t) band->area.width * BAND_ROWS);
}

static void
band_clear(Band *band)
{
    g_free(band->rows);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Band, band_clear)

static GeglRectangle
band_rect(const Band *band)
{
    return (GeglRectangle) {band->area.x, band->area.y + band->y, band->area.width,
                            MIN(BAND_ROWS, band->area.height - band->y)};
}

static void
band_get(Band *band, GeglBuffer *buffer)
{
    GeglRectangle rect = band_rect(band);

    gegl_buffer_get(buffer, &rect, 1.0, band->native, band->rows, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
}

static void
band_set(Band *band, GeglBuffer *buffer)
{
    GeglRectangle rect = band_rect(band);

    gegl_buffer_set(buffer, &rect, 0, band->native, band->rows, GEGL_AUTO_ROWSTRIDE);
}

static void
band_for_rows(const Band *band, GeglParallelDistributeRangeFunc func, gpointer data)
{
    gegl_parallel_distribute_range((gsize) band_rect(band).height, THREAD_COST, func,
                                   data);
}

static guchar *
band_row(const Band *band, size_t row)
{
    return band->rows + row * (size_t) band->area.width * band->pixel_bytes;
}

/* ---- reading --------------------------------------------------------------------- */

typedef struct {
    const Band *band;
    SdePixels *pixels;
} Reading;

static void
read_rows(gsize first, gsize n, gpointer data)
{
    const Reading *reading = data;
    const Band *band = reading->band;
    SdePixels *pixels = reading->pixels;
    size_t width = (size_t) pixels->area.width;
    g_autofree float *rgba = g_new(float, 4 * width);

    for (size_t row = first; row < first + n; row++) {
        size_t start = ((size_t) band->y + row) * width;

        babl_process(band->to_float, band_row(band, row), rgba, (long) width);
        for (size_t x = 0; x < width; x++) {
            memcpy(pixels->rgb + 3 * (start + x), rgba + 4 * x, 3 * sizeof(float));
            if (pixels->alpha != NULL) {
                pixels->alpha[start + x] = rgba[4 * x + 3];
            }
        }
    }
}

static void
read_colors(SdePixels *pixels, GeglBuffer *buffer)
{
    g_auto(Band) band = {0};
    Reading reading = {&band, pixels};

    band_init(&band, pixels, buffer);
    for (; band.y < pixels->area.height; band.y += BAND_ROWS) {
        band_get(&band, buffer);
        band_for_rows(&band, read_rows, &reading);
    }
}

static void
read_selection(SdePixels *pixels, GimpImage *image, GimpLayer *layer)
{
    GimpDrawable *selection = GIMP_DRAWABLE(gimp_image_get_selection(image));
    g_autoptr(GeglBuffer) buffer = gimp_drawable_get_buffer(selection);
    GeglRectangle box = pixels->area;
    int offset_x, offset_y;

    gimp_drawable_get_offsets(GIMP_DRAWABLE(layer), &offset_x, &offset_y);
    box.x += offset_x;
    box.y += offset_y;
    gegl_buffer_get(buffer, &box, 1.0, babl_format("Y float"), pixels->mask,
                    GEGL_AUTO_ROWSTRIDE, GEGL_ABYSS_NONE);
}

static void
harden(SdePixels *pixels)
{
    for (size_t i = 0; i < count_pixels(pixels); i++) {
        pixels->mask[i] = pixels->mask[i] >= 0.5f ? 1.0f : 0.0f;
    }
}

/* A selection of nothing but transparent pixels asks for them to be filled; a selection
 * that also holds visible ones keeps the layer's transparency. */
static bool
selects_only_transparent(const SdePixels *pixels)
{
    for (size_t i = 0; i < count_pixels(pixels); i++) {
        if (pixels->mask[i] > 0.5f && pixels->alpha[i] > 0.5f) {
            return false;
        }
    }
    return true;
}

static bool
has_visible_pixel(const SdePixels *pixels)
{
    for (size_t i = 0; i < count_pixels(pixels); i++) {
        if (pixels->alpha[i] > 0) {
            return true;
        }
    }
    return false;
}

static bool
prepare_transparency(SdePixels *pixels, SdeRegion region, bool has_selection,
                     GError **error)
{
    if (!has_visible_pixel(pixels)) {
        g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                            _("The layer is transparent all around here: there is no "
                              "picture to start from."));
        return false;
    }
    if (region == SDE_REGION_HOLE) {
        if (!has_selection) {
            for (size_t i = 0; i < count_pixels(pixels); i++) {
                pixels->mask[i] = 1.0f - pixels->alpha[i];
            }
        }
        pixels->fills_holes = !has_selection || selects_only_transparent(pixels);
    }
    if (!sde_extend_colors(pixels->rgb, pixels->alpha, pixels->area.width,
                           pixels->area.height)) {
        g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                            _("There is not enough memory."));
        return false;
    }
    return true;
}

/* From where a block begins, if those of the layer begin at its corner. */
static GeglRectangle
add_margin(const GeglRectangle *bounds, int context, int width, int height)
{
    int margin = MAX(LEAST_MARGIN, MAX(bounds->width, bounds->height) / 2) + context;
    int left = MAX(bounds->x - margin, 0) / SDE_FILE_BLOCK * SDE_FILE_BLOCK;
    int top = MAX(bounds->y - margin, 0) / SDE_FILE_BLOCK * SDE_FILE_BLOCK;
    GeglRectangle wide = {left, top, bounds->x + bounds->width + margin - left,
                          bounds->y + bounds->height + margin - top};
    GeglRectangle area;

    gegl_rectangle_intersect(&area, &wide, GEGL_RECTANGLE(0, 0, width, height));
    return area;
}

static bool
read_layer(SdePixels *pixels, const SdeSource *source, GimpLayer *layer,
           SdeRegion region, int context, GError **error)
{
    GimpDrawable *drawable = GIMP_DRAWABLE(layer);
    g_autoptr(GeglBuffer) buffer = NULL;
    GeglRectangle bounds;
    bool has_selection;

    if (!sde_source_find_bounds(source, layer, region, &bounds, &has_selection,
                                error)) {
        return false;
    }
    pixels->width = gimp_drawable_get_width(drawable);
    pixels->height = gimp_drawable_get_height(drawable);
    pixels->area = add_margin(&bounds, context, pixels->width, pixels->height);
    if (!allocate(pixels, has_selection || region == SDE_REGION_HOLE,
                  gimp_drawable_has_alpha(drawable), error)) {
        return false;
    }
    buffer = gimp_drawable_get_buffer(drawable);
    read_colors(pixels, buffer);
    if (has_selection) {
        read_selection(pixels, source->image, layer);
    }
    return pixels->alpha == NULL ||
           prepare_transparency(pixels, region, has_selection, error);
}

/* The box of a selection may lie on the layer while none of its pixels does. */
static bool
check_mask(const SdePixels *pixels, GError **error)
{
    for (size_t i = 0; i < count_pixels(pixels); i++) {
        if (pixels->mask[i] > 0) {
            return true;
        }
    }
    g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                        _("No pixel of this layer is selected: select the area to work "
                          "on."));
    return false;
}

bool
sde_pixels_read(SdePixels *pixels, const SdeSource *source, SdeRegion region,
                SdeMaskMode mask_mode, int context, GError **error)
{
    GimpLayer *layer = sde_source_open_pixels(source, error);
    bool ok;

    if (layer == NULL) {
        return false;
    }
    ok = read_layer(pixels, source, layer, region, context, error);
    sde_source_close_pixels(source, layer);
    if (!ok || pixels->mask == NULL) {
        return ok;
    }
    if (mask_mode == SDE_MASK_HARD) {
        harden(pixels);
    }
    return check_mask(pixels, error);
}

static bool
planes_are_equal(const float *a, const float *b, size_t n)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return memcmp(a, b, n * sizeof(float)) == 0;
}

bool
sde_pixels_are_equal(const SdePixels *a, const SdePixels *b)
{
    size_t n = count_pixels(a);

    return gegl_rectangle_equal(&a->area, &b->area) && a->width == b->width &&
           a->height == b->height && a->fills_holes == b->fills_holes &&
           planes_are_equal(a->rgb, b->rgb, 3 * n) &&
           planes_are_equal(a->mask, b->mask, n) &&
           planes_are_equal(a->alpha, b->alpha, n);
}

void
sde_pixels_lend(SdePixels *pixels, SdeJob *job)
{
    int width = pixels->area.width;
    int height = pixels->area.height;
    size_t stride = (size_t) width;

    job->source = (SdeImage) {pixels->rgb, width, height, 3 * stride};
    job->result = (SdeImage) {pixels->result, width, height, 3 * stride};
    job->mask = (SdeMask) {pixels->mask, width, height, stride};
}

/* ---- writing --------------------------------------------------------------------- */

static float
get_new_alpha(const SdePixels *pixels, size_t i)
{
    if (pixels->alpha == NULL) {
        return 1;
    }
    if (!pixels->fills_holes) {
        return pixels->alpha[i];
    }
    return MIN(1.0f, pixels->alpha[i] + pixels->mask[i]);
}

/* Bits, not values: a NaN that the engine left alone is the same, -0 and 0 are not. */
static bool
has_same_bits(const float *a, const float *b)
{
    uint32_t bits_a[3], bits_b[3];

    memcpy(bits_a, a, sizeof(bits_a));
    memcpy(bits_b, b, sizeof(bits_b));
    return bits_a[0] == bits_b[0] && bits_a[1] == bits_b[1] && bits_a[2] == bits_b[2];
}

static bool
is_changed(const SdePixels *pixels, size_t i)
{
    float alpha = get_new_alpha(pixels, i);

    if (pixels->alpha != NULL && alpha > pixels->alpha[i]) {
        return true;
    }
    return alpha > 0 && !has_same_bits(pixels->rgb + 3 * i, pixels->result + 3 * i);
}

/* `width` pixels of the result from pixel i on, as R'G'B'A float. */
static void
gather(const SdePixels *pixels, size_t i, size_t width, float *rgba)
{
    for (size_t x = 0; x < width; x++) {
        memcpy(rgba + 4 * x, pixels->result + 3 * (i + x), 3 * sizeof(float));
        rgba[4 * x + 3] = get_new_alpha(pixels, i + x);
    }
}

void
sde_pixels_convert(const SdePixels *pixels, const GeglRectangle *rect,
                   const Babl *format, guchar *out)
{
    const Babl *from_float = babl_fish(babl_format("R'G'B'A float"), format);
    size_t width = (size_t) rect->width;
    size_t pitch = width * (size_t) babl_format_get_bytes_per_pixel(format);
    g_autofree float *rgba = g_new(float, 4 * width);

    for (int y = 0; y < rect->height; y++) {
        gather(pixels,
               (size_t) (rect->y + y) * (size_t) pixels->area.width + (size_t) rect->x,
               width, rgba);
        babl_process(from_float, rgba, out + (size_t) y * pitch, (long) width);
    }
}

static bool
is_row_changed(const SdePixels *pixels, size_t start)
{
    for (size_t x = 0; x < (size_t) pixels->area.width; x++) {
        if (is_changed(pixels, start + x)) {
            return true;
        }
    }
    return false;
}

typedef struct {
    const Band *band;
    const SdePixels *pixels;
} Writing;

/* How many bytes of a pixel are written: alpha, the last component, only where it
 * changes. */
static size_t
count_written_bytes(const Band *band, const SdePixels *pixels)
{
    size_t n = (size_t) babl_format_get_n_components(band->native);

    if (pixels->fills_holes || !babl_format_has_alpha(band->native)) {
        return band->pixel_bytes;
    }
    return band->pixel_bytes - band->pixel_bytes / n;
}

/* Replaces the changed pixels in the layer's own format. */
static void
write_rows(gsize first, gsize n, gpointer data)
{
    const Writing *writing = data;
    const Band *band = writing->band;
    const SdePixels *pixels = writing->pixels;
    size_t width = (size_t) pixels->area.width;
    size_t bytes = count_written_bytes(band, pixels);
    g_autofree float *rgba = g_new(float, 4 * width);
    g_autofree guchar *converted = g_new(guchar, band->pixel_bytes * width);

    for (size_t row = first; row < first + n; row++) {
        size_t start = ((size_t) band->y + row) * width;
        guchar *native = band_row(band, row);

        if (!is_row_changed(pixels, start)) {
            continue;
        }
        gather(pixels, start, width, rgba);
        babl_process(band->from_float, rgba, converted, (long) width);
        for (size_t x = 0; x < width; x++) {
            if (is_changed(pixels, start + x)) {
                memcpy(native + x * band->pixel_bytes,
                       converted + x * band->pixel_bytes, bytes);
            }
        }
    }
}

static bool
is_band_changed(const Band *band, const SdePixels *pixels)
{
    size_t width = (size_t) pixels->area.width;

    for (int row = 0; row < band_rect(band).height; row++) {
        if (is_row_changed(pixels, (size_t) (band->y + row) * width)) {
            return true;
        }
    }
    return false;
}

static void
write_colors(const SdePixels *pixels, GeglBuffer *buffer)
{
    g_auto(Band) band = {0};
    Writing writing = {&band, pixels};

    band_init(&band, pixels, buffer);
    for (; band.y < pixels->area.height; band.y += BAND_ROWS) {
        if (is_band_changed(&band, pixels)) {
            band_get(&band, buffer);
            band_for_rows(&band, write_rows, &writing);
            band_set(&band, buffer);
        }
    }
}

bool
sde_pixels_write(const SdePixels *pixels, GimpLayer *layer, GError **error)
{
    GimpDrawable *drawable = GIMP_DRAWABLE(layer);
    g_autoptr(GeglBuffer) buffer = NULL;

    if (gimp_drawable_get_width(drawable) != pixels->width ||
        gimp_drawable_get_height(drawable) != pixels->height ||
        gimp_drawable_has_alpha(drawable) != (pixels->alpha != NULL) ||
        gimp_drawable_is_indexed(drawable)) {
        g_set_error_literal(error, GIMP_PLUG_IN_ERROR, 0,
                            _("The layer was changed while the result was calculated; "
                              "nothing was added. Run the filter again."));
        return false;
    }
    buffer = gimp_drawable_get_buffer(drawable);
    write_colors(pixels, buffer);
    return true;
}
