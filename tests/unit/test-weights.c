/* Weights: exact widening of each dtype, shards, and refusals that name the culprit.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <math.h>

#include "model/weights.h"
#include "sde.h"
#include "temp-files.h"

/* One tensor "w" of n elements, stored as `dtype` with these little-endian bytes. */
static SdeWeights *
open_one(const char *dtype, size_t n, const void *bytes, size_t n_bytes, GError **error)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *header = g_strdup_printf(
        "{\"w\":{\"dtype\":\"%s\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", dtype, n,
        n_bytes);
    g_autofree char *path =
        safetensors_write(folder, "m.safetensors", header, bytes, n_bytes);

    return sde_weights_open(path, error);
}

static bool
read_one(const char *dtype, size_t n, const void *bytes, size_t n_bytes, float *out,
         GError **error)
{
    g_autoptr(SdeWeights) weights = open_one(dtype, n, bytes, n_bytes, error);
    int shape = (int) n;

    g_assert_nonnull(weights);
    return sde_weights_read(weights, "w", &shape, 1, out, error);
}

/* ---- widening -----------------------------------------------------------------------
 */

/* The definition of IEEE half precision, value by value. */
static double
half_value(unsigned half)
{
    double sign = (half & 0x8000) != 0 ? -1 : 1;
    int exponent = (int) (half >> 10 & 31);
    double mantissa = half & 1023;

    return exponent == 0 ? sign * ldexp(mantissa, -24)
                         : sign * ldexp(mantissa + 1024, exponent - 25);
}

static void
test_every_finite_half_widens_exactly(void)
{
    enum { N = 65536 - 2048 };
    g_autofree guint16 *stored = g_new(guint16, N);
    g_autofree float *found = g_new(float, N);
    size_t n = 0;

    for (unsigned half = 0; half < 65536; half++) {
        if ((half >> 10 & 31) != 31) {
            stored[n++] = GUINT16_TO_LE((guint16) half);
        }
    }
    g_assert_cmpuint(n, ==, N);
    g_assert_true(read_one("F16", N, stored, 2 * N, found, NULL));
    for (size_t i = 0; i < N; i++) {
        double expected = half_value(GUINT16_FROM_LE(stored[i]));

        g_assert_true((double) found[i] == expected);
        g_assert_true(!signbit(found[i]) == !signbit(expected)); /* -0 stays -0 */
    }
}

static void
test_bfloat_is_the_upper_half_of_a_float(void)
{
    const float values[] = {0, -0.0f, 1, -1, 3.140625f, 1e30f, -1e-30f, 9.1835e-41f};
    enum { N = G_N_ELEMENTS(values) };
    guint16 stored[N];
    float found[N];

    for (size_t i = 0; i < N; i++) {
        guint32 bits = 0;

        memcpy(&bits, &values[i], sizeof(bits));
        stored[i] = GUINT16_TO_LE((guint16) (bits >> 16));
    }
    g_assert_true(read_one("BF16", N, stored, sizeof(stored), found, NULL));
    for (size_t i = 0; i < N; i++) {
        /* bfloat16 keeps 8 bits of mantissa; denormals keep less. */
        g_assert_cmpfloat_with_epsilon(found[i], values[i],
                                       fabsf(values[i]) / 128 + 1e-40f);
        g_assert_true(!signbit(found[i]) == !signbit(values[i]));
    }
    g_assert_true(found[2] == 1 && found[4] == 3.140625f);
}

static void
test_floats_are_copied(void)
{
    const float values[] = {0, -0.0f, 1.5f, 1e-40f, 3.4e38f, -1e-3f};
    float found[G_N_ELEMENTS(values)];

    g_assert_true(
        read_one("F32", G_N_ELEMENTS(values), values, sizeof(values), found, NULL));
    g_assert_cmpmem(found, sizeof(found), values, sizeof(values));
}

static void
test_tensors_longer_than_a_chunk_are_whole(void)
{
    enum { N = 200001 };
    g_autofree float *values = g_new(float, N);
    g_autofree float *found = g_new(float, N);

    for (int i = 0; i < N; i++) {
        values[i] = (float) i;
    }
    g_assert_true(read_one("F32", N, values, N * sizeof(float), found, NULL));
    g_assert_cmpmem(found, N * sizeof(float), values, N * sizeof(float));
}

static void
test_values_that_are_not_finite_are_refused(void)
{
    static const guint16 halves[] = {0x7c00, 0xfc00, 0x7c01, 0x7e00, 0xffff};
    static const guint16 bfloats[] = {0x7f80, 0xff80, 0x7f81, 0x7fc0, 0xffff};
    static const float floats[] = {INFINITY, -INFINITY, NAN};
    float found[70000];

    for (size_t i = 0; i < G_N_ELEMENTS(halves); i++) {
        guint16 half[2] = {0, GUINT16_TO_LE(halves[i])};
        guint16 bfloat[2] = {0, GUINT16_TO_LE(bfloats[i])};
        g_autoptr(GError) error = NULL;

        g_assert_false(read_one("F16", 2, half, 4, found, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_NUMERIC);
        g_clear_error(&error);
        g_assert_false(read_one("BF16", 2, bfloat, 4, found, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_NUMERIC);
        g_assert_nonnull(strstr(error->message, "'w'"));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(floats); i++) {
        g_autofree float *many = g_new0(float, 70000);
        g_autoptr(GError) error = NULL;

        many[69999] = floats[i];
        g_assert_false(read_one("F32", 70000, many, 280000, found, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_NUMERIC);
    }
}

/* ---- names and shapes ---------------------------------------------------------------
 */

#define TWO_TENSORS                                                       \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}," \
    "\"b\":{\"dtype\":\"BF16\",\"shape\":[4],\"data_offsets\":[24,32]}}"

static SdeWeights *
open_two(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *path =
        safetensors_write(folder, "m.safetensors", TWO_TENSORS, NULL, 32);

    return sde_weights_open(path, NULL);
}

static void
test_facts_are_those_of_the_file(void)
{
    g_autoptr(SdeWeights) weights = open_two();
    g_autoptr(SdeWeights) one = open_one("F16", 2, "\0\0\0\0", 4, NULL);
    size_t shape[SDE_MAX_RANK];
    int rank = 0;

    g_assert_true(sde_weights_has(weights, "a"));
    g_assert_false(sde_weights_has(weights, "c"));
    g_assert_true(sde_weights_get_shape(weights, "a", shape, &rank));
    g_assert_cmpint(rank, ==, 2);
    g_assert_cmpuint(shape[1], ==, 3);
    g_assert_false(sde_weights_get_shape(weights, "c", shape, &rank));
    g_assert_cmpuint(sde_weights_count_parameters(weights), ==, 10);
    g_assert_cmpstr(sde_weights_peek_dtype(weights), ==, "mixed");
    g_assert_cmpstr(sde_weights_peek_dtype(one), ==, "F16");
}

static void
test_missing_tensor_is_named(void)
{
    g_autoptr(SdeWeights) weights = open_two();
    g_autoptr(GError) error = NULL;
    int shape = 4;
    float out = 77;

    g_assert_false(
        sde_weights_read(weights, "conv_in.weight", &shape, 1, &out, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "'conv_in.weight'"));
    g_assert_false(sde_weights_check(weights, "conv_in.weight", &shape, 1, NULL));
    g_assert_true(out == 77);
}

static void
test_other_shapes_are_refused_with_both_shapes(void)
{
    static const struct {
        int shape[3], rank;
    } wrong[] = {{{3, 2}, 2}, {{6}, 1}, {{2, 3, 1}, 3}, {{2, 4}, 2}, {{0}, 0}};
    g_autoptr(SdeWeights) weights = open_two();
    float out[16];

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(
            sde_weights_read(weights, "a", wrong[i].shape, wrong[i].rank, out, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
        g_assert_nonnull(
            strstr(error->message, "'a' has the shape [2, 3], expected ["));
    }
}

static void
test_unread_tensors_are_named(void)
{
    g_autoptr(SdeWeights) weights = open_two();
    g_autoptr(GError) error = NULL;
    float out[6];

    g_assert_true(sde_weights_read(weights, "a", (int[]) {2, 3}, 2, out, NULL));
    g_assert_true(
        sde_weights_check(weights, "b", (int[]) {4}, 1, NULL)); /* no reading */
    g_assert_false(sde_weights_check_all_read(weights, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "'b'"));
    g_assert_null(strstr(error->message, "'a'"));
    g_assert_true(sde_weights_read(weights, "b", (int[]) {4}, 1, out, NULL));
    g_assert_true(sde_weights_check_all_read(weights, NULL));
}

static void
test_other_dtypes_are_refused(void)
{
    static const struct {
        const char *name;
        size_t size;
    } dtypes[] = {{"F64", 8}, {"I64", 8}, {"I32", 4}, {"U8", 1}, {"F8_E4M3", 1}};

    for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(open_one(dtypes[i].name, 1, NULL, dtypes[i].size, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, dtypes[i].name));
    }
}

static void
test_counters_of_old_exports_are_ignored(void)
{
    static const char header[] =
        "{\"emb.position_ids\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}"
        ","
        "\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}";
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *path =
        safetensors_write(folder, "m.safetensors", header, NULL, 12);
    g_autoptr(SdeWeights) weights = sde_weights_open(path, NULL);
    float out = 1;

    g_assert_nonnull(weights);
    g_assert_false(sde_weights_has(weights, "emb.position_ids"));
    g_assert_true(sde_weights_read(weights, "w", (int[]) {1}, 1, &out, NULL));
    g_assert_true(sde_weights_check_all_read(weights, NULL));
}

/* ---- what is no weights file --------------------------------------------------------
 */

static void
test_pickles_are_refused_with_how_to_convert(void)
{
    static const char *const names[] = {"diffusion_pytorch_model.bin", "model.pt",
                                        "model.pth", "model.ckpt", "model.pkl"};

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(sde_weights_open(names[i], &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED);
        g_assert_nonnull(strstr(error->message, "save_file(torch.load(\"FILE\""));
        g_assert_nonnull(strstr(error->message, names[i]));
    }
}

static void
test_pickle_under_another_name_is_refused_as_such(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *zip =
        temp_file_write(folder, "a.safetensors", "PK\3\4 and the rest", 17);
    g_autofree char *pickle =
        temp_file_write(folder, "b.safetensors", "\x80\2}q\0X\1\0\0\0a", 12);

    g_assert_null(sde_weights_open(zip, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED);
    g_assert_nonnull(strstr(error->message, "weights_only=True"));
    g_clear_error(&error);
    g_assert_null(sde_weights_open(pickle, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED);
}

static void
test_missing_and_empty_files_are_refused(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *missing = g_build_filename(folder, "none.safetensors", NULL);
    g_autofree char *hollow =
        safetensors_write(folder, "hollow.safetensors", "{}", NULL, 0);

    g_assert_null(sde_weights_open(missing, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_clear_error(&error);
    g_assert_null(sde_weights_open(hollow, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
}

/* ---- shards -------------------------------------------------------------------------
 */

#define TENSOR(name) \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"

static char *
write_shards(const char *folder, const char *index)
{
    const float one = 1, two = 2;

    g_free(safetensors_write(folder, "1.safetensors", "{" TENSOR("a") "}", &one, 4));
    g_free(safetensors_write(folder, "2.safetensors", "{" TENSOR("b") "}", &two, 4));
    g_free(safetensors_write(folder, "same.safetensors", "{" TENSOR("a") "}", &one, 4));
    g_free(
        safetensors_write(folder, "sub/1.safetensors", "{" TENSOR("a") "}", &one, 4));
    g_free(safetensors_write(folder, "two.safetensors",
                             "{" TENSOR("a") ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],"
                                             "\"data_offsets\":[4,8]}}",
                             NULL, 8));
    return temp_file_write(folder, "m.safetensors.index.json", index, strlen(index));
}

static void
test_shards_are_one_model(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *index =
        write_shards(folder, "{\"metadata\":{\"total_size\":8},\"weight_map\":"
                             "{\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"}}");
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeWeights) weights = sde_weights_open(index, &error);
    float a = 0, b = 0;

    g_assert_no_error(error);
    g_assert_true(sde_weights_read(weights, "a", (int[]) {1}, 1, &a, NULL));
    g_assert_true(sde_weights_read(weights, "b", (int[]) {1}, 1, &b, NULL));
    g_assert_true(a == 1 && b == 2);
    g_assert_cmpuint(sde_weights_count_parameters(weights), ==, 2);
    g_assert_true(sde_weights_check_all_read(weights, NULL));
}

static void
assert_index_refused(const char *index, GQuark domain, int code)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *path = write_shards(folder, index);
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeWeights) weights = sde_weights_open(path, &error);

    if (weights != NULL) {
        g_test_message("taken: %s", index);
    }
    g_assert_null(weights);
    g_assert_error(error, domain, code);
    g_assert_nonnull(strstr(error->message, "index.json"));
}

static void
test_damaged_indexes_are_refused(void)
{
    static const char *const indexes[] = {
        "{}",
        "[]",
        "{\"weight_map\":null}",
        "{\"weight_map\":[]}",
        "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":{\"a\":null}}",
        "{\"weight_map\":{}}",
        /* not in that file, in a file but not in the index, in two files */
        "{\"weight_map\":{\"a\":\"2.safetensors\"}}",
        "{\"weight_map\":{\"a\":\"two.safetensors\"}}",
        "{\"weight_map\":{\"a\":\"1.safetensors\",\"b\":\"two.safetensors\"}}",
        "{\"weight_map\":{\"a\":\"1.safetensors\",\"a\":\"1.safetensors\"}}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(indexes); i++) {
        assert_index_refused(indexes[i], SDE_ERROR, SDE_ERROR_FORMAT);
    }
    assert_index_refused("{\"weight_map\":{\"a\":\"none.safetensors\"}}", G_FILE_ERROR,
                         G_FILE_ERROR_NOENT);
}

static void
test_shards_lie_beside_the_index(void)
{
    static const char *const names[] = {
        "sub/1.safetensors",
        "../1.safetensors",
        "/etc/passwd",
        "./1.safetensors",
        "..",
        ".",
        "",
        "1.bin",
        "sub\\\\1.safetensors",
        "m.safetensors.index.json",
        "1.safetensors/",
        "c:1.safetensors",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *index =
            g_strdup_printf("{\"weight_map\":{\"a\":\"%s\"}}", names[i]);

        assert_index_refused(index, SDE_ERROR, SDE_ERROR_FORMAT);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/weights/" name, function)
    ADD("every-finite-half-widens-exactly", test_every_finite_half_widens_exactly);
    ADD("bfloat-is-the-upper-half", test_bfloat_is_the_upper_half_of_a_float);
    ADD("floats-are-copied", test_floats_are_copied);
    ADD("longer-than-a-chunk", test_tensors_longer_than_a_chunk_are_whole);
    ADD("not-finite-is-refused", test_values_that_are_not_finite_are_refused);
    ADD("facts-are-those-of-the-file", test_facts_are_those_of_the_file);
    ADD("missing-tensor-is-named", test_missing_tensor_is_named);
    ADD("other-shapes-are-refused", test_other_shapes_are_refused_with_both_shapes);
    ADD("unread-tensors-are-named", test_unread_tensors_are_named);
    ADD("other-dtypes-are-refused", test_other_dtypes_are_refused);
    ADD("counters-are-ignored", test_counters_of_old_exports_are_ignored);
    ADD("pickles-are-refused", test_pickles_are_refused_with_how_to_convert);
    ADD("hidden-pickles-are-refused",
        test_pickle_under_another_name_is_refused_as_such);
    ADD("missing-and-empty-files", test_missing_and_empty_files_are_refused);
    ADD("shards-are-one-model", test_shards_are_one_model);
    ADD("damaged-indexes-are-refused", test_damaged_indexes_are_refused);
    ADD("shards-lie-beside-the-index", test_shards_lie_beside_the_index);
#undef ADD
    return g_test_run();
}
