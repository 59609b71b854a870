/* Pictures in files, through GEGL.
 *
 * GEGL's loaders and savers report trouble only as log messages, so these are caught
 * while they work: the first one is the error. The libraries below them write straight
 * to stderr, which is closed to them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "tool/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tool/orientation.h"

#define MAGIC_BYTES 8

typedef struct {
    const char *loader, *saver;
    const char *endings[2];
    const char *magics[2];
    size_t magic_bytes;
} FileType;

static const FileType file_types[] = {
    {"gegl:png-load", "gegl:png-save", {".png"}, {"\x89PNG"}, 4},
    {"gegl:jpg-load", "gegl:jpg-save", {".jpg", ".jpeg"}, {"\xff\xd8\xff"}, 3},
    {"gegl:tiff-load", "gegl:tiff-save", {".tif", ".tiff"}, {"II*", "MM\0*"}, 3},
};

/* babl takes the conversion of pixels that was fastest when it tried some that are
 * about right, so only exact ones give the same pixels in every run. Its tables of all
 * 8-bit colours take 300 MB and longer to make than photos take to convert. */
void
sde_picture_start(void)
{
    g_setenv("BABL_TOLERANCE", "0.0000000001", FALSE);
    g_setenv("BABL_LUT", "0", FALSE);
    gegl_init(NULL, NULL);
}

/* ---- what GEGL says ---------------------------------------------------------------
 */

static void
note_message(const char *domain, GLogLevelFlags level, const char *message, void *data)
{
    char **first = data;

    if ((level & (G_LOG_LEVEL_WARNING | G_LOG_LEVEL_CRITICAL)) && *first == NULL) {
        *first = g_strdup(message);
        g_strdelimit(*first, "\n\r", ' ');
    }
}

/* Points stderr to nowhere; returns what it pointed to. */
static int
mute_stderr(void)
{
    int kept = dup(STDERR_FILENO), nowhere = g_open("/dev/null", O_WRONLY, 0);

    fflush(stderr);
    if (kept >= 0 && nowhere >= 0) {
        dup2(nowhere, STDERR_FILENO);
    }
    if (nowhere >= 0) {
        close(nowhere);
    }
    return kept;
}

static void
restore_stderr(int kept)
{
    fflush(stderr);
    if (kept >= 0) {
        dup2(kept, STDERR_FILENO);
        close(kept);
    }
}

/* Runs a node and returns what it complained about, or NULL. */
static char *
process(GeglNode *node)
{
    char *complaint = NULL;
    GLogFunc before = g_log_set_default_handler(note_message, &complaint);
    int kept = mute_stderr();

    gegl_node_process(node);
    restore_stderr(kept);
    g_log_set_default_handler(before, NULL);
    return complaint;
}

/* ---- reading ----------------------------------------------------------------------
 */

static const FileType *
type_from_contents(const char *path, GError **error)
{
    char head[MAGIC_BYTES] = {0};
    FILE *file = g_fopen(path, "rb");
    int code = errno;

    if (file == NULL) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code),
                    "cannot open '%s': %s", path, g_strerror(code));
        return NULL;
    }
    size_t n = fread(head, 1, sizeof(head), file);

    fclose(file);
    for (size_t i = 0; n == sizeof(head) && i < G_N_ELEMENTS(file_types); i++) {
        const FileType *type = file_types + i;

        for (int k = 0; k < 2 && type->magics[k] != NULL; k++) {
            if (memcmp(head, type->magics[k], type->magic_bytes) == 0) {
                return type;
            }
        }
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "'%s' is not a PNG, JPEG or TIFF picture", path);
    return NULL;
}

bool
sde_picture_check_source(const char *path, GError **error)
{
    return type_from_contents(path, error) != NULL;
}

static GeglBuffer *
load_buffer(const char *path, GError **error)
{
    const FileType *type = type_from_contents(path, error);
    g_autoptr(GeglNode) graph = NULL;
    g_autofree char *complaint = NULL;
    GeglBuffer *buffer = NULL;
    GeglNode *load, *sink;

    if (type == NULL) {
        return NULL;
    }
    graph = gegl_node_new();
    load = gegl_node_new_child(graph, "operation", type->loader, "path", path, NULL);
    sink = gegl_node_new_child(graph, "operation", "gegl:buffer-sink", "buffer",
                               &buffer, NULL);
    gegl_node_link(load, sink);
    complaint = process(sink);
    if (complaint == NULL && buffer != NULL && gegl_buffer_get_width(buffer) > 0 &&
        gegl_buffer_get_height(buffer) > 0) {
        return sde_orientation_apply(buffer, sde_orientation_read(path));
    }
    g_clear_object(&buffer);
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "cannot read '%s': the file is damaged or incomplete", path);
    return NULL;
}

static float *
allocate(size_t width, size_t height, size_t channels, GError **error)
{
    float *pixels = sde_image_try_alloc(width * height * channels);

    if (pixels == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "there is no memory for a picture of %" G_GSIZE_FORMAT
                    " × %" G_GSIZE_FORMAT " pixels",
                    width, height);
    }
    return pixels;
}

static void
read_pixels(GeglBuffer *buffer, const char *format, int channels, float *pixels)
{
    gegl_buffer_get(buffer, gegl_buffer_get_extent(buffer), 1.0, babl_format(format),
                    pixels,
                    gegl_buffer_get_width(buffer) * channels * (int) sizeof(float),
                    GEGL_ABYSS_NONE);
}

SdePicture *
sde_picture_load(const char *path, GError **error)
{
    GeglBuffer *buffer = load_buffer(path, error);
    SdePicture *picture;
    size_t width, height;

    if (buffer == NULL) {
        return NULL;
    }
    picture = g_new0(SdePicture, 1);
    width = (size_t) gegl_buffer_get_width(buffer);
    height = (size_t) gegl_buffer_get_height(buffer);
    picture->buffer = buffer;
    picture->image = (SdeImage) {.pixels = allocate(width, height, 3, error),
                                 .width = (int) width,
                                 .height = (int) height,
                                 .stride = width * 3};
    if (picture->image.pixels == NULL) {
        sde_picture_free(picture);
        return NULL;
    }
    read_pixels(buffer, "R'G'B' float", 3, picture->image.pixels);
    return picture;
}

bool
sde_picture_new_result(const SdePicture *picture, SdeImage *result, GError **error)
{
    *result = picture->image;
    result->pixels =
        allocate((size_t) result->width, (size_t) result->height, 3, error);
    return result->pixels != NULL;
}

void
sde_picture_free(SdePicture *picture)
{
    if (picture == NULL) {
        return;
    }
    g_clear_object(&picture->buffer);
    g_free(picture->image.pixels);
    g_free(picture);
}

bool
sde_picture_load_mask(const char *path, SdeMask *mask, GError **error)
{
    g_autoptr(GeglBuffer) buffer = load_buffer(path, error);
    size_t width, height;
    float *levels;

    if (buffer == NULL) {
        return false;
    }
    width = (size_t) gegl_buffer_get_width(buffer);
    height = (size_t) gegl_buffer_get_height(buffer);
    levels = allocate(width, height, 1, error);
    if (levels == NULL) {
        return false;
    }
    read_pixels(buffer, "Y' float", 1, levels);
    *mask = (SdeMask) {.levels = levels,
                       .width = (int) width,
                       .height = (int) height,
                       .stride = width};
    return true;
}

/* ---- writing ----------------------------------------------------------------------
 */

static const FileType *
type_from_name(const char *path, GError **error)
{
    g_autofree char *lower = g_ascii_strdown(path, -1);

    for (size_t i = 0; i < G_N_ELEMENTS(file_types); i++) {
        for (int k = 0; k < 2 && file_types[i].endings[k] != NULL; k++) {
            if (g_str_has_suffix(lower, file_types[i].endings[k])) {
                return file_types + i;
            }
        }
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                "'%s' has no ending that names a file type: use .png, .jpg or .tif",
                path);
    return NULL;
}

bool
sde_picture_check_target(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);

    if (type_from_name(path, error) == NULL) {
        return false;
    }
    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_ISDIR, "'%s' is a folder", path);
        return false;
    }
    if (g_access(folder, W_OK) != 0) {
        int code = errno;

        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code),
                    "cannot write to the folder '%s': %s", folder, g_strerror(code));
        return false;
    }
    return true;
}

/* Puts the changed pixels of a row into the buffer, in the buffer's own format. */
static void
store_row(SdePicture *picture, const float *from, int y, float *rgba, char *own,
          char *changed)
{
    const Babl *format = gegl_buffer_get_format(picture->buffer);
    const Babl *rgba_format = babl_format("R'G'B'A float");
    size_t bytes = (size_t) babl_format_get_bytes_per_pixel(format);
    const GeglRectangle *extent = gegl_buffer_get_extent(picture->buffer);
    GeglRectangle row = {extent->x, extent->y + y, extent->width, 1};
    const float *before = picture->image.pixels + (size_t) y * picture->image.stride;

    gegl_buffer_get(picture->buffer, &row, 1.0, rgba_format, rgba, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    gegl_buffer_get(picture->buffer, &row, 1.0, format, own, GEGL_AUTO_ROWSTRIDE,
                    GEGL_ABYSS_NONE);
    for (int x = 0; x < row.width; x++) {
        memcpy(rgba + 4 * (size_t) x, from + 3 * (size_t) x, 3 * sizeof(float));
    }
    babl_process(babl_fish(rgba_format, format), rgba, changed, row.width);
    for (int x = 0; x < row.width; x++) {
        size_t at = 3 * (size_t) x;

        /* Bits are what is compared.
         * NOLINTNEXTLINE(bugprone-suspicious-memory-comparison) */
        if (memcmp(before + at, from + at, 3 * sizeof(float)) != 0) {
            memcpy(own + (size_t) x * bytes, changed + (size_t) x * bytes, bytes);
        }
    }
    gegl_buffer_set(picture->buffer, &row, 0, format, own, GEGL_AUTO_ROWSTRIDE);
}

static void
store(SdePicture *picture, const SdeImage *result)
{
    const Babl *format = gegl_buffer_get_format(picture->buffer);
    size_t width = (size_t) result->width;
    size_t bytes = (size_t) babl_format_get_bytes_per_pixel(format);
    g_autofree float *rgba = g_new(float, width * 4);
    g_autofree char *own = g_malloc(width * bytes);
    g_autofree char *changed = g_malloc(width * bytes);

    for (int y = 0; y < result->height; y++) {
        store_row(picture, result->pixels + (size_t) y * result->stride, y, rgba, own,
                  changed);
    }
}

static GeglNode *
add_saver(GeglNode *graph, const FileType *type, const SdePicture *picture,
          const char *path)
{
    GeglNode *save =
        gegl_node_new_child(graph, "operation", type->saver, "path", path, NULL);
    const Babl *format = gegl_buffer_get_format(picture->buffer);

    /* TIFF keeps every precision by itself; PNG has 8 and 16 bits. */
    if (g_str_equal(type->saver, "gegl:png-save")) {
        bool is_8_bit = babl_format_get_type(format, 0) == babl_type("u8");

        gegl_node_set(save, "bitdepth", is_8_bit ? 8 : 16, NULL);
    } else if (g_str_equal(type->saver, "gegl:jpg-save")) {
        gegl_node_set(save, "quality", 95, NULL);
    }
    return save;
}

static bool
write_file(const FileType *type, const SdePicture *picture, const char *path,
           GError **error)
{
    g_autoptr(GeglNode) graph = gegl_node_new();
    GeglNode *source = gegl_node_new_child(graph, "operation", "gegl:buffer-source",
                                           "buffer", picture->buffer, NULL);
    GeglNode *save = add_saver(graph, type, picture, path);
    g_autofree char *complaint = NULL;
    GStatBuf status;

    gegl_node_link(source, save);
    complaint = process(save);
    if (complaint == NULL && g_stat(path, &status) == 0 && status.st_size > 0) {
        return true;
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_IO, "cannot write '%s': %s", path,
                complaint != NULL ? complaint : "nothing was written");
    return false;
}

/* A name in the same folder, so that the rename cannot cross file systems. */
static char *
part_name(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *name = g_strdup_printf(".%08x-%s", g_random_int(), base);

    return g_build_filename(folder, name, NULL);
}

bool
sde_picture_save(SdePicture *picture, const SdeImage *result, const char *path,
                 GError **error)
{
    const FileType *type = type_from_name(path, error);
    g_autofree char *part = part_name(path);

    if (type == NULL) {
        return false;
    }
    store(picture, result);
    if (!write_file(type, picture, part, error)) {
        g_unlink(part);
        return false;
    }
    if (g_rename(part, path) != 0) {
        int code = errno;

        g_unlink(part);
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(code),
                    "cannot write '%s': %s", path, g_strerror(code));
        return false;
    }
    return true;
}
