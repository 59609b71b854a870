/* One .safetensors file.
 *
 * Everything the header says is checked before anything is believed: sizes by checked
 * arithmetic, and the tensors' byte ranges must tile the rest of the file exactly, so
 * that none overlap, none lie outside and no bytes hide between them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/safetensors.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "sde.h"

#define LENGTH_BYTES 8 /* of the header's length in front of it */

static const struct {
    const char *name;
    size_t size;
} dtypes[SDE_N_DTYPES] = {
    [SDE_DTYPE_F32] = {"F32", 4},         [SDE_DTYPE_F16] = {"F16", 2},
    [SDE_DTYPE_BF16] = {"BF16", 2},       [SDE_DTYPE_F64] = {"F64", 8},
    [SDE_DTYPE_I64] = {"I64", 8},         [SDE_DTYPE_I32] = {"I32", 4},
    [SDE_DTYPE_I16] = {"I16", 2},         [SDE_DTYPE_I8] = {"I8", 1},
    [SDE_DTYPE_U64] = {"U64", 8},         [SDE_DTYPE_U32] = {"U32", 4},
    [SDE_DTYPE_U16] = {"U16", 2},         [SDE_DTYPE_U8] = {"U8", 1},
    [SDE_DTYPE_BOOL] = {"BOOL", 1},       [SDE_DTYPE_F8_E4M3] = {"F8_E4M3", 1},
    [SDE_DTYPE_F8_E5M2] = {"F8_E5M2", 1},
};

struct _SdeSafetensors {
    SdeFile *file;
    JsonNode *header;    /* keeps the names alive */
    GArray *tensors;     /* SdeTensorInfo, by begin */
    GHashTable *by_name; /* name -> SdeTensorInfo in tensors */
};

const char *
sde_dtype_get_name(SdeDtype dtype)
{
    return dtypes[dtype].name;
}

size_t
sde_dtype_get_size(SdeDtype dtype)
{
    return dtypes[dtype].size;
}

/* ---- one entry of the header -------------------------------------------------------
 */

/* Every message about a tensor names it. */
static bool G_GNUC_PRINTF(3, 4)
    refuse(const char *name, GError **error, const char *format, ...)
{
    g_autofree char *shown = sde_json_excerpt(name);
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "tensor '%s': %s", shown, what);
    return false;
}

/* A whole number >= 0 that fits: json-glib turns what is too large into the largest. */
static bool
get_size(JsonArray *list, unsigned index, uint64_t *size)
{
    JsonNode *node = json_array_get_element(list, index);

    if (!JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_INT64) {
        return false;
    }

    gint64 number = json_node_get_int(node);

    *size = (uint64_t) number;
    return number >= 0 && number < G_MAXINT64;
}

static bool
parse_dtype(JsonObject *entry, SdeTensorInfo *tensor, GError **error)
{
    const char *name = NULL;

    if (!sde_json_peek_string(entry, "dtype", &name, NULL) || name == NULL) {
        return refuse(tensor->name, error, "has no dtype");
    }
    for (int i = 0; i < SDE_N_DTYPES; i++) {
        if (strcmp(dtypes[i].name, name) == 0) {
            tensor->dtype = (SdeDtype) i;
            return true;
        }
    }

    g_autofree char *shown = sde_json_excerpt(name);

    return refuse(tensor->name, error, "has the unknown dtype '%s'", shown);
}

static bool
parse_shape(JsonObject *entry, SdeTensorInfo *tensor, GError **error)
{
    JsonArray *shape = NULL;

    if (!sde_json_peek_array(entry, "shape", &shape, NULL) || shape == NULL) {
        return refuse(tensor->name, error, "has no shape");
    }
    if (json_array_get_length(shape) > SDE_MAX_RANK) {
        return refuse(tensor->name, error, "has %u dimensions, at most %d are read",
                      json_array_get_length(shape), SDE_MAX_RANK);
    }
    tensor->rank = (int) json_array_get_length(shape);
    tensor->count = 1;
    for (int i = 0; i < tensor->rank; i++) {
        uint64_t size = 0;

        if (!get_size(shape, (unsigned) i, &size) || size > SIZE_MAX) {
            return refuse(tensor->name, error,
                          "dimension %d is not a whole number in range", i);
        }
        tensor->shape[i] = (size_t) size;
        if (!g_size_checked_mul(&tensor->count, tensor->count, (size_t) size)) {
            return refuse(tensor->name, error,
                          "has more elements than a size can hold");
        }
    }
    return true;
}

static bool
parse_offsets(JsonObject *entry, SdeTensorInfo *tensor, GError **error)
{
    JsonArray *offsets = NULL;
    uint64_t begin = 0, end = 0;
    size_t n_bytes = 0;

    if (!sde_json_peek_array(entry, "data_offsets", &offsets, NULL) ||
        offsets == NULL || json_array_get_length(offsets) != 2 ||
        !get_size(offsets, 0, &begin) || !get_size(offsets, 1, &end)) {
        return refuse(tensor->name, error,
                      "expected data_offsets of two whole numbers >= 0");
    }
    if (end < begin) {
        return refuse(tensor->name, error,
                      "ends at byte %" G_GUINT64_FORMAT
                      " before it begins at %" G_GUINT64_FORMAT,
                      end, begin);
    }
    if (!g_size_checked_mul(&n_bytes, tensor->count, dtypes[tensor->dtype].size) ||
        n_bytes != end - begin) {
        return refuse(tensor->name, error,
                      "its shape of %" G_GSIZE_FORMAT
                      " %s elements does not fill its %" G_GUINT64_FORMAT " bytes",
                      tensor->count, dtypes[tensor->dtype].name, end - begin);
    }
    tensor->begin = begin; /* from the end of the header, for now */
    tensor->n_bytes = n_bytes;
    return true;
}

static bool
parse_tensor(SdeSafetensors *file, const char *name, JsonNode *node, GError **error)
{
    SdeTensorInfo tensor = {.name = name};

    if (strlen(name) > SDE_SAFETENSORS_MAX_NAME) {
        return refuse(name, error, "the name is longer than %d bytes",
                      SDE_SAFETENSORS_MAX_NAME);
    }
    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        return refuse(name, error, "expected an object, found %s",
                      sde_json_describe(node));
    }

    JsonObject *entry = json_node_get_object(node);

    if (!parse_dtype(entry, &tensor, error) || !parse_shape(entry, &tensor, error) ||
        !parse_offsets(entry, &tensor, error)) {
        return false;
    }
    if (json_object_get_size(entry) != 3) {
        return refuse(name, error, "has keys other than dtype, shape and data_offsets");
    }
    g_array_append_val(file->tensors, tensor);
    return true;
}

static bool
check_metadata(JsonNode *node, GError **error)
{
    bool fine = JSON_NODE_HOLDS_OBJECT(node);

    if (fine) {
        g_autoptr(GList) values = json_object_get_values(json_node_get_object(node));

        for (GList *l = values; l != NULL; l = l->next) {
            fine = fine && JSON_NODE_HOLDS_VALUE((JsonNode *) l->data) &&
                   json_node_get_value_type(l->data) == G_TYPE_STRING;
        }
    }
    if (!fine) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'__metadata__': expected an object of strings");
    }
    return fine;
}

/* ---- the header as a whole ----------------------------------------------------------
 */

static bool
parse_entries(SdeSafetensors *file, GError **error)
{
    JsonObject *entries = json_node_get_object(file->header);
    JsonObjectIter iter;
    const char *name = NULL;
    JsonNode *node = NULL;

    if (json_object_get_size(entries) > SDE_SAFETENSORS_MAX_TENSORS) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "%u tensors, at most %d are read", json_object_get_size(entries),
                    SDE_SAFETENSORS_MAX_TENSORS);
        return false;
    }
    json_object_iter_init(&iter, entries);
    while (json_object_iter_next(&iter, &name, &node)) {
        bool fine = strcmp(name, "__metadata__") == 0
                        ? check_metadata(node, error)
                        : parse_tensor(file, name, node, error);

        if (!fine) {
            return false;
        }
    }
    return true;
}

/* Empty tensors stand before the one that begins at the same byte. */
static int
compare_by_place(const void *a, const void *b)
{
    const SdeTensorInfo *left = a, *right = b;

    if (left->begin != right->begin) {
        return left->begin < right->begin ? -1 : 1;
    }
    if (left->n_bytes != right->n_bytes) {
        return left->n_bytes < right->n_bytes ? -1 : 1;
    }
    return strcmp(left->name, right->name);
}

/* Sorts the tensors, checks that they tile the data, makes `begin` count from the start
 * of the file. */
static bool
place_tensors(SdeSafetensors *file, uint64_t data_begin, GError **error)
{
    uint64_t data_size = sde_file_get_size(file->file) - data_begin;
    uint64_t end = 0;

    g_array_sort(file->tensors, compare_by_place);
    for (unsigned i = 0; i < file->tensors->len; i++) {
        SdeTensorInfo *tensor = &g_array_index(file->tensors, SdeTensorInfo, i);

        if (tensor->begin != end) {
            return refuse(tensor->name, error,
                          "begins at byte %" G_GUINT64_FORMAT
                          " of the data, expected %" G_GUINT64_FORMAT,
                          tensor->begin, end);
        }
        if (tensor->n_bytes > data_size - end) {
            return refuse(tensor->name, error, "reaches beyond the end of the file");
        }
        end += tensor->n_bytes;
        tensor->begin += data_begin;
        g_hash_table_insert(file->by_name, (gpointer) tensor->name, tensor);
    }
    if (end != data_size) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "the tensors fill %" G_GUINT64_FORMAT
                    " bytes, but the file has %" G_GUINT64_FORMAT " bytes of data",
                    end, data_size);
        return false;
    }
    return true;
}

static bool
check_header_length(uint64_t length, uint64_t file_size, GError **error)
{
    if (length > SDE_SAFETENSORS_MAX_HEADER || length > file_size - LENGTH_BYTES) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "the header claims %" G_GUINT64_FORMAT
                    " bytes, in a file of %" G_GUINT64_FORMAT
                    " bytes: not a safetensors file, or only part of one",
                    length, file_size);
        return false;
    }
    if (length > SDE_JSON_MAX_SIZE) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "the header has %" G_GUINT64_FORMAT
                    " bytes, at most %" G_GSIZE_FORMAT " are read",
                    length, SDE_JSON_MAX_SIZE);
        return false;
    }
    return true;
}

static bool
parse_header(SdeSafetensors *file, GError **error)
{
    uint64_t size = sde_file_get_size(file->file);
    uint64_t length = 0;
    g_autofree char *text = NULL;

    if (size < LENGTH_BYTES) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "%" G_GUINT64_FORMAT " bytes are too few for a safetensors file",
                    size);
        return false;
    }
    if (!sde_file_read(file->file, 0, &length, LENGTH_BYTES, error)) {
        return false;
    }
    length = GUINT64_FROM_LE(length);
    if (!check_header_length(length, size, error)) {
        return false;
    }
    text = g_malloc((size_t) length + 1);
    if (!sde_file_read(file->file, LENGTH_BYTES, text, (size_t) length, error)) {
        return false;
    }
    file->header = sde_json_parse(text, (size_t) length, error);
    return file->header != NULL && parse_entries(file, error) &&
           place_tensors(file, LENGTH_BYTES + length, error);
}

SdeSafetensors *
sde_safetensors_open(const char *path, GError **error)
{
    g_autoptr(SdeSafetensors) file = g_new0(SdeSafetensors, 1);

    file->tensors = g_array_new(FALSE, FALSE, sizeof(SdeTensorInfo));
    file->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    file->file = sde_file_open(path, error);
    if (file->file == NULL) {
        return NULL;
    }
    if (!parse_header(file, error)) {
        g_autofree char *name = g_filename_display_name(path);

        g_prefix_error(error, "'%s': ", name);
        return NULL;
    }
    return g_steal_pointer(&file);
}

void
sde_safetensors_free(SdeSafetensors *file)
{
    if (file == NULL) {
        return;
    }
    g_hash_table_unref(file->by_name);
    g_array_unref(file->tensors);
    g_clear_pointer(&file->header, json_node_unref);
    sde_file_free(file->file);
    g_free(file);
}

size_t
sde_safetensors_count(const SdeSafetensors *file)
{
    return file->tensors->len;
}

const SdeTensorInfo *
sde_safetensors_peek(const SdeSafetensors *file, size_t index)
{
    g_assert(index < file->tensors->len);
    return &g_array_index(file->tensors, SdeTensorInfo, index);
}

const SdeTensorInfo *
sde_safetensors_find(const SdeSafetensors *file, const char *name)
{
    return g_hash_table_lookup(file->by_name, name);
}

bool
sde_safetensors_read(SdeSafetensors *file, const SdeTensorInfo *tensor, size_t first,
                     size_t count, void *out, GError **error)
{
    size_t size = dtypes[tensor->dtype].size;

    g_assert(first <= tensor->count && count <= tensor->count - first);
    return sde_file_read(file->file, tensor->begin + (uint64_t) first * size, out,
                         count * size, error);
}
