/* Tensors by name, as float32, from one safetensors file or a sharded index.
 *
 * Files are read in chunks and widened on the way, so that loading costs no second copy
 * of a large model. Each tensor remembers whether somebody read it: what nobody reads
 * tells that the network is not the one the file was made for. SPDX-License-Identifier:
 * GPL-3.0-or-later */
#include "model/weights.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "sde.h"

#define MAX_SHARDS     1000
#define CHUNK          ((size_t) 65536) /* elements widened at a time */
#define N_UNREAD_SHOWN 3

typedef struct {
    SdeSafetensors *file;
    const SdeTensorInfo *info;
    bool was_read;
} Entry;

struct _SdeWeights {
    GPtrArray *files;    /* SdeSafetensors */
    GPtrArray *entries;  /* Entry, in file order */
    GHashTable *by_name; /* name -> Entry */
    size_t n_parameters;
    const char *dtype;
};

/* ---- what is not taken --------------------------------------------------------------
 */

bool
sde_weights_is_pickle_name(const char *path)
{
    static const char *const suffixes[] = {".bin", ".pt", ".pth", ".ckpt", ".pkl"};

    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        if (g_str_has_suffix(path, suffixes[i])) {
            return true;
        }
    }
    return false;
}

/* Behind another name: a zip archive (torch.save since 1.6), or a bare pickle. Neither
 * start can be that of a safetensors file, whose header would be of absurd length. */
static bool
has_pickle_content(const char *path)
{
    g_autoptr(SdeFile) file = sde_file_open(path, NULL);
    uint8_t head[4] = {0};

    if (file == NULL || !sde_file_read(file, 0, head, sizeof(head), NULL)) {
        return false;
    }
    return memcmp(head, "PK\3\4", 4) == 0 ||
           (head[0] == 0x80 && head[1] >= 2 && head[1] <= 5 &&
            (head[2] == '}' || head[2] == 0x8a || head[2] == 0x95));
}

/* The name of the file stays out of the command: people paste it into a shell. */
static void
set_pickle_error(const char *path, GError **error)
{
    g_autofree char *base = g_path_get_basename(path);
    g_autofree char *name = g_filename_display_name(base);
    g_autofree char *shown = sde_json_excerpt(name);

    g_set_error(
        error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
        "'%s' is a Python pickle, which can run any program when it is loaded; "
        "convert it outside GIMP with: python3 -c 'from safetensors.torch import "
        "save_file; import torch; save_file(torch.load(\"FILE\", "
        "weights_only=True), \"model.safetensors\")'",
        shown);
}

/* Counters that old exports carry along and no network needs. */
static bool
is_ignorable(const SdeTensorInfo *info)
{
    return (info->dtype == SDE_DTYPE_F64 || info->dtype == SDE_DTYPE_I64) &&
           (g_str_has_suffix(info->name, "position_ids") ||
            g_str_has_suffix(info->name, "num_batches_tracked"));
}

static bool
is_readable(const SdeTensorInfo *info)
{
    return info->dtype == SDE_DTYPE_F32 || info->dtype == SDE_DTYPE_F16 ||
           info->dtype == SDE_DTYPE_BF16;
}

/* ---- opening ------------------------------------------------------------------------
 */

static bool
add_tensor(SdeWeights *weights, SdeSafetensors *file, const SdeTensorInfo *info,
           GError **error)
{
    g_autofree char *shown = sde_json_excerpt(info->name);
    const char *dtype = sde_dtype_get_name(info->dtype);

    if (is_ignorable(info)) {
        return true;
    }
    if (!is_readable(info)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "tensor '%s' is stored as %s, expected F32, F16 or BF16", shown,
                    dtype);
        return false;
    }
    if (g_hash_table_contains(weights->by_name, info->name)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "tensor '%s' is in two of the model's files", shown);
        return false;
    }

    Entry *entry = g_new0(Entry, 1);

    entry->file = file;
    entry->info = info;
    g_ptr_array_add(weights->entries, entry);
    g_hash_table_insert(weights->by_name, (gpointer) info->name, entry);
    weights->n_parameters += info->count; /* no overflow: each is in a file */
    if (weights->dtype == NULL) {
        weights->dtype = dtype;
    } else if (strcmp(weights->dtype, dtype) != 0) {
        weights->dtype = "mixed";
    }
    return true;
}

static SdeSafetensors *
add_file(SdeWeights *weights, const char *path, GError **error)
{
    SdeSafetensors *file = sde_safetensors_open(path, error);

    if (file == NULL) {
        if (has_pickle_content(path)) {
            g_clear_error(error);
            set_pickle_error(path, error);
        }
        return NULL;
    }
    g_ptr_array_add(weights->files, file);
    for (size_t i = 0; i < sde_safetensors_count(file); i++) {
        if (!add_tensor(weights, file, sde_safetensors_peek(file, i), error)) {
            g_autofree char *name = g_filename_display_name(path);

            g_prefix_error(error, "'%s': ", name);
            return NULL;
        }
    }
    return file;
}

/* A shard is a file beside its index and nowhere else. */
static bool
check_shard_name(const char *tensor, const char *name, GError **error)
{
    if (name != NULL && strpbrk(name, "/\\:") == NULL && name[0] != '.' &&
        g_str_has_suffix(name, ".safetensors")) {
        return true;
    }

    g_autofree char *shown = sde_json_excerpt(name != NULL ? name : "");
    g_autofree char *shown_tensor = sde_json_excerpt(tensor);

    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "'weight_map' says '%s' for '%s', expected the plain name of a "
                ".safetensors file",
                shown, shown_tensor);
    return false;
}

static SdeSafetensors *
find_or_add_shard(SdeWeights *weights, GHashTable *shards, const char *folder,
                  const char *name, GError **error)
{
    SdeSafetensors *file = g_hash_table_lookup(shards, name);
    g_autofree char *path = NULL;

    if (file != NULL) {
        return file;
    }
    if (g_hash_table_size(shards) >= MAX_SHARDS) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "the index names more than %d files", MAX_SHARDS);
        return NULL;
    }
    path = g_build_filename(folder, name, NULL);
    file = add_file(weights, path, error);
    if (file != NULL) {
        g_hash_table_insert(shards, (gpointer) name, file);
    }
    return file;
}

static bool
add_mapped_tensor(SdeWeights *weights, GHashTable *shards, const char *folder,
                  JsonObject *map, const char *tensor, GError **error)
{
    const char *name = NULL;
    SdeSafetensors *file = NULL;

    if (!sde_json_peek_string(map, tensor, &name, NULL)) {
        name = NULL;
    }
    if (!check_shard_name(tensor, name, error)) {
        return false;
    }
    file = find_or_add_shard(weights, shards, folder, name, error);
    if (file == NULL) {
        return false;
    }
    if (sde_safetensors_find(file, tensor) == NULL) {
        g_autofree char *shown = sde_json_excerpt(tensor);
        g_autofree char *shown_name = sde_json_excerpt(name);

        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "tensor '%s' is not in '%s', where the index says it is", shown,
                    shown_name);
        return false;
    }
    return true;
}

static bool
add_shards(SdeWeights *weights, const char *index_path, JsonObject *map, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(index_path);
    g_autoptr(GHashTable) shards = g_hash_table_new(g_str_hash, g_str_equal);
    JsonObjectIter iter;
    const char *tensor = NULL;

    json_object_iter_init(&iter, map);
    while (json_object_iter_next(&iter, &tensor, NULL)) {
        if (!add_mapped_tensor(weights, shards, folder, map, tensor, error)) {
            return false;
        }
    }
    for (size_t i = 0; i < weights->entries->len; i++) {
        const Entry *entry = weights->entries->pdata[i];

        if (!json_object_has_member(map, entry->info->name)) {
            g_autofree char *shown = sde_json_excerpt(entry->info->name);

            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "tensor '%s' is in a file but not in the index", shown);
            return false;
        }
    }
    return true;
}

static bool
open_index(SdeWeights *weights, const char *path, GError **error)
{
    g_autoptr(JsonNode) root = sde_json_load(path, error);
    g_autofree char *name = g_filename_display_name(path);
    JsonObject *map = NULL;

    if (root == NULL) {
        return false;
    }
    if (!sde_json_peek_object(json_node_get_object(root), "weight_map", &map, error)) {
        g_prefix_error(error, "'%s': ", name);
        return false;
    }
    if (map == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "'%s' has no 'weight_map'",
                    name);
        return false;
    }
    if (!add_shards(weights, path, map, error)) {
        g_prefix_error(error, "'%s': ", name);
        return false;
    }
    return true;
}

SdeWeights *
sde_weights_open(const char *path, GError **error)
{
    g_autoptr(SdeWeights) weights = NULL;

    if (sde_weights_is_pickle_name(path)) {
        set_pickle_error(path, error);
        return NULL;
    }
    weights = g_new0(SdeWeights, 1);
    weights->files =
        g_ptr_array_new_with_free_func((GDestroyNotify) sde_safetensors_free);
    weights->entries = g_ptr_array_new_with_free_func(g_free);
    weights->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    if (g_str_has_suffix(path, ".json")) {
        if (!open_index(weights, path, error)) {
            return NULL;
        }
    } else if (add_file(weights, path, error) == NULL) {
        return NULL;
    }
    if (weights->entries->len == 0) {
        g_autofree char *name = g_filename_display_name(path);

        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "'%s' holds no tensors", name);
        return NULL;
    }
    return g_steal_pointer(&weights);
}

void
sde_weights_free(SdeWeights *weights)
{
    if (weights == NULL) {
        return;
    }
    g_hash_table_unref(weights->by_name);
    g_ptr_array_unref(weights->entries);
    g_ptr_array_unref(weights->files);
    g_free(weights);
}

/* ---- widening -----------------------------------------------------------------------
 */

static uint32_t
load_u16(const uint8_t *bytes)
{
    return (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8;
}

static void
store_bits(float *out, uint32_t bits)
{
    memcpy(out, &bits, sizeof(bits));
}

static void
widen_f32(const uint8_t *restrict in, float *restrict out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        store_bits(out + i, load_u16(in + 4 * i) | load_u16(in + 4 * i + 2) << 16);
    }
}

static void
widen_bf16(const uint8_t *restrict in, float *restrict out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        store_bits(out + i, load_u16(in + 2 * i) << 16);
    }
}

/* Exponent and mantissa move up to where float32 has them; a multiplication by 2^112
 * then corrects the exponent's bias, of denormals too. Infinity and NaN (exponent 31)
 * come out as numbers >= 65536, and are given the exponent of float32's own. */
static void
widen_f16(const uint8_t *restrict in, float *restrict out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t half = load_u16(in + 2 * i);
        uint32_t bits = (half & 0x7fffu) << 13;
        float magnitude = 0;

        memcpy(&magnitude, &bits, sizeof(bits));
        magnitude *= 0x1p112f;
        memcpy(&bits, &magnitude, sizeof(bits));
        bits |= magnitude >= 65536.0f ? 0x7f800000u : 0u;
        store_bits(out + i, bits | (half & 0x8000u) << 16);
    }
}

static bool
all_finite(const float *values, size_t count)
{
    uint32_t n_bad = 0;

    for (size_t i = 0; i < count; i++) {
        uint32_t bits = 0;

        memcpy(&bits, values + i, sizeof(bits));
        n_bad += (bits & 0x7f800000u) == 0x7f800000u;
    }
    return n_bad == 0;
}

static void
widen(SdeDtype dtype, const uint8_t *in, float *out, size_t count)
{
    switch (dtype) {
    case SDE_DTYPE_F32:
        widen_f32(in, out, count);
        break;
    case SDE_DTYPE_F16:
        widen_f16(in, out, count);
        break;
    case SDE_DTYPE_BF16:
        widen_bf16(in, out, count);
        break;
    default:
        g_assert_not_reached(); /* refused when the file was opened */
    }
}

/* ---- reading ------------------------------------------------------------------------
 */

bool
sde_weights_has(const SdeWeights *weights, const char *name)
{
    return g_hash_table_contains(weights->by_name, name);
}

bool
sde_weights_get_shape(const SdeWeights *weights, const char *name,
                      size_t shape[SDE_MAX_RANK], int *rank)
{
    const Entry *entry = g_hash_table_lookup(weights->by_name, name);

    if (entry == NULL) {
        return false;
    }
    memcpy(shape, entry->info->shape, sizeof(entry->info->shape));
    *rank = entry->info->rank;
    return true;
}

static char *
format_shape(const size_t *shape, int rank)
{
    GString *text = g_string_new("[");

    for (int i = 0; i < rank; i++) {
        g_string_append_printf(text, "%s%" G_GSIZE_FORMAT, i > 0 ? ", " : "", shape[i]);
    }
    g_string_append_c(text, ']');
    return g_string_free(text, FALSE);
}

static bool
check_shape(const SdeTensorInfo *info, const int *shape, int rank, GError **error)
{
    size_t wanted[SDE_MAX_RANK] = {0};

    g_assert(rank >= 0 && rank <= SDE_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        g_assert(shape[i] >= 0);
        wanted[i] = (size_t) shape[i];
    }
    if (info->rank == rank &&
        memcmp(info->shape, wanted, (size_t) rank * sizeof(size_t)) == 0) {
        return true;
    }

    g_autofree char *expected = format_shape(wanted, rank);
    g_autofree char *found = format_shape(info->shape, info->rank);

    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "tensor '%s' has the shape %s, expected %s", info->name, found,
                expected);
    return false;
}

static bool
read_widened(const Entry *entry, float *out, GError **error)
{
    const SdeTensorInfo *info = entry->info;
    g_autofree uint8_t *raw =
        g_malloc(MIN(CHUNK, info->count) * sde_dtype_get_size(info->dtype));

    for (size_t first = 0; first < info->count; first += CHUNK) {
        size_t count = MIN(CHUNK, info->count - first);

        if (!sde_safetensors_read(entry->file, info, first, count, raw, error)) {
            return false;
        }
        widen(info->dtype, raw, out + first, count);
        if (!all_finite(out + first, count)) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_NUMERIC,
                        "tensor '%s' holds infinity or NaN", info->name);
            return false;
        }
    }
    return true;
}

static Entry *
find_checked(const SdeWeights *weights, const char *name, const int *shape, int rank,
             GError **error)
{
    Entry *entry = g_hash_table_lookup(weights->by_name, name);

    if (entry == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "tensor '%s' is missing", name);
        return NULL;
    }
    return check_shape(entry->info, shape, rank, error) ? entry : NULL;
}

bool
sde_weights_check(const SdeWeights *weights, const char *name, const int *shape,
                  int rank, GError **error)
{
    return find_checked(weights, name, shape, rank, error) != NULL;
}

bool
sde_weights_read(SdeWeights *weights, const char *name, const int *shape, int rank,
                 float *out, GError **error)
{
    Entry *entry = find_checked(weights, name, shape, rank, error);

    if (entry == NULL || !read_widened(entry, out, error)) {
        return false;
    }
    entry->was_read = true;
    return true;
}

bool
sde_weights_check_all_read(const SdeWeights *weights, GError **error)
{
    g_autoptr(GString) names = g_string_new(NULL);
    size_t n_unread = 0;

    for (size_t i = 0; i < weights->entries->len; i++) {
        const Entry *entry = weights->entries->pdata[i];

        if (!entry->was_read && n_unread++ < N_UNREAD_SHOWN) {
            g_autofree char *shown = sde_json_excerpt(entry->info->name);

            g_string_append_printf(names, "%s'%s'", names->len > 0 ? ", " : "", shown);
        }
    }
    if (n_unread == 0) {
        return true;
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "the file has %" G_GSIZE_FORMAT
                " tensors that the network does not use: %s%s",
                n_unread, names->str, n_unread > N_UNREAD_SHOWN ? ", …" : "");
    return false;
}

size_t
sde_weights_count_parameters(const SdeWeights *weights)
{
    return weights->n_parameters;
}

const char *
sde_weights_peek_dtype(const SdeWeights *weights)
{
    return weights->dtype;
}
