/* Cameras store a photo as the sensor saw it and note in Exif how to turn it. GEGL
 * neither obeys the note nor keeps it, so the picture is turned when it is read.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tool/orientation.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define HEADER_BYTES    65536 /* Exif comes first, and is one segment at most */
#define TAG_ORIENTATION 0x0112

/* A TIFF structure in memory; reads outside of it are 0. */
typedef struct {
    const uint8_t *data;
    size_t size;
    bool big_endian;
} Tiff;

static uint32_t
read_number(const Tiff *tiff, size_t at, size_t n_bytes)
{
    uint32_t value = 0;

    for (size_t i = 0; i < n_bytes; i++) {
        size_t place = tiff->big_endian ? at + i : at + n_bytes - 1 - i;

        value = value << 8 | (place < tiff->size ? tiff->data[place] : 0);
    }
    return value;
}

static int
read_tiff(const uint8_t *data, size_t size)
{
    Tiff tiff = {.data = data, .size = size, .big_endian = size > 0 && data[0] == 'M'};
    size_t at = read_number(&tiff, 4, 4);
    uint32_t n = read_number(&tiff, at, 2);

    for (uint32_t i = 0; i < n && at + 2 + 12 * (size_t) i < size; i++) {
        size_t entry = at + 2 + 12 * (size_t) i;

        if (read_number(&tiff, entry, 2) == TAG_ORIENTATION) {
            uint32_t value = read_number(&tiff, entry + 8, 2);

            return value >= 1 && value <= 8 ? (int) value : 1;
        }
    }
    return 1;
}

int
sde_orientation_read(const char *path)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GFileInputStream) stream = g_file_read(file, NULL, NULL);
    g_autofree uint8_t *data = g_malloc0(HEADER_BYTES);
    gsize size = 0, at = 2;

    if (stream == NULL || !g_input_stream_read_all(G_INPUT_STREAM(stream), data,
                                                   HEADER_BYTES, &size, NULL, NULL)) {
        return 1;
    }
    if (size < 4 || data[0] != 0xff || data[1] != 0xd8) {
        return 1;
    }
    /* Segments: 0xff, a marker, a length that counts itself. */
    while (at + 10 < size && data[at] == 0xff && data[at + 1] != 0xda) {
        size_t length = (size_t) data[at + 2] << 8 | data[at + 3];

        if (data[at + 1] == 0xe1 && memcmp(data + at + 4, "Exif\0", 6) == 0 &&
            length > 8) {
            return read_tiff(data + at + 10, MIN(length - 8, size - at - 10));
        }
        at += 2 + length;
    }
    return 1;
}

/* Where pixel (x, y) of the upright width × height picture lies in the stored one. */
static void
find_stored(int orientation, int width, int height, int x, int y, int *sx, int *sy)
{
    bool turned = orientation >= 5;
    int u = turned ? y : x, v = turned ? x : y;
    int last_u = (turned ? height : width) - 1, last_v = (turned ? width : height) - 1;
    bool flip_u =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool flip_v =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;

    *sx = flip_u ? last_u - u : u;
    *sy = flip_v ? last_v - v : v;
}

GeglBuffer *
sde_orientation_apply(GeglBuffer *buffer, int orientation)
{
    const GeglRectangle *extent = gegl_buffer_get_extent(buffer);
    const Babl *format = gegl_buffer_get_format(buffer);
    size_t bytes = (size_t) babl_format_get_bytes_per_pixel(format);
    int width = orientation >= 5 ? extent->height : extent->width;
    int height = orientation >= 5 ? extent->width : extent->height;
    size_t pitch = (size_t) extent->width * bytes, at = 0;

    if (orientation == 1) {
        return buffer;
    }
    GeglBuffer *upright = gegl_buffer_new(GEGL_RECTANGLE(0, 0, width, height), format);
    g_autofree char *stored = g_malloc((size_t) extent->height * pitch);
    g_autofree char *turned = g_malloc((size_t) extent->height * pitch);

    gegl_buffer_get(buffer, extent, 1.0, format, stored, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, at += bytes) {
            int sx, sy;

            find_stored(orientation, width, height, x, y, &sx, &sy);
            memcpy(turned + at, stored + (size_t) sy * pitch + (size_t) sx * bytes,
                   bytes);
        }
    }
    gegl_buffer_set(upright, NULL, 0, format, turned, GEGL_AUTO_ROWSTRIDE);
    g_object_unref(buffer);
    return upright;
}
