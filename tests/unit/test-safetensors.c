/* safetensors: each rule of the format has a file here that breaks it and only it.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <unistd.h>

#include "base/json.h"
#include "model/safetensors.h"
#include "sde.h"
#include "temp-files.h"

#define GOOD_HEADER                                                       \
    "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}," \
    "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]}}"
#define GOOD_DATA 32

static SdeSafetensors *
open_bytes(const void *bytes, size_t size, GError **error)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *path = temp_file_write(folder, "x.safetensors", bytes, size);

    return sde_safetensors_open(path, error);
}

static SdeSafetensors *
open_header(const char *header, size_t n_data, GError **error)
{
    g_autoptr(GByteArray) bytes =
        safetensors_bytes(header, strlen(header), NULL, n_data);

    return open_bytes(bytes->data, bytes->len, error);
}

static void
assert_refused_bytes(const void *bytes, size_t size, SdeError code)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeSafetensors) file = open_bytes(bytes, size, &error);

    if (file != NULL) {
        g_test_message("taken: %.100s", (const char *) bytes + 8);
    }
    g_assert_null(file);
    g_assert_error(error, SDE_ERROR, (int) code);
    g_assert_nonnull(strstr(error->message, "x.safetensors"));
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void
assert_refused(const char *header, size_t n_data)
{
    g_autoptr(GByteArray) bytes =
        safetensors_bytes(header, strlen(header), NULL, n_data);

    assert_refused_bytes(bytes->data, bytes->len, SDE_ERROR_FORMAT);
}

static void
assert_taken(const char *header, size_t n_data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeSafetensors) file = open_header(header, n_data, &error);

    g_assert_no_error(error);
    g_assert_nonnull(file);
}

/* One tensor "a" with the given dtype, shape and offsets. */
static char *
one(const char *dtype, const char *shape, const char *offsets)
{
    return g_strdup_printf("{\"a\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}",
                           dtype, shape, offsets);
}

static void
assert_one_refused(const char *dtype, const char *shape, const char *offsets,
                   size_t n_data)
{
    g_autofree char *header = one(dtype, shape, offsets);

    assert_refused(header, n_data);
}

/* ---- what is taken ------------------------------------------------------------------
 */

static void
test_tensors_are_found_with_shape_and_place(void)
{
    g_autoptr(SdeSafetensors) file = open_header(GOOD_HEADER, GOOD_DATA, NULL);
    const SdeTensorInfo *a = sde_safetensors_find(file, "a");
    const SdeTensorInfo *b = sde_safetensors_find(file, "b");

    g_assert_cmpuint(sde_safetensors_count(file), ==, 2);
    g_assert_true(sde_safetensors_peek(file, 0) == a);
    g_assert_true(sde_safetensors_peek(file, 1) == b);
    g_assert_null(sde_safetensors_find(file, "c"));
    g_assert_cmpint(a->rank, ==, 2);
    g_assert_cmpuint(a->shape[0], ==, 2);
    g_assert_cmpuint(a->shape[1], ==, 3);
    g_assert_cmpuint(a->count, ==, 6);
    g_assert_cmpint(a->dtype, ==, SDE_DTYPE_F32);
    g_assert_cmpint(b->dtype, ==, SDE_DTYPE_F16);
    g_assert_cmpuint(b->n_bytes, ==, 8);
}

static void
test_data_is_read_from_the_middle(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    guint8 data[GOOD_DATA], found[8] = {0};

    for (int i = 0; i < GOOD_DATA; i++) {
        data[i] = (guint8) (i + 100);
    }

    g_autofree char *path =
        safetensors_write(folder, "m.safetensors", GOOD_HEADER, data, sizeof(data));
    g_autoptr(SdeSafetensors) file = sde_safetensors_open(path, NULL);

    g_assert_true(
        sde_safetensors_read(file, sde_safetensors_find(file, "a"), 2, 2, found, NULL));
    g_assert_cmpmem(found, 8, data + 8, 8);
    g_assert_true(
        sde_safetensors_read(file, sde_safetensors_find(file, "b"), 1, 3, found, NULL));
    g_assert_cmpmem(found, 6, data + 26, 6);
}

static void
test_order_in_the_header_is_free(void)
{
    assert_taken("{\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[24,32]},"
                 "\"a\":{\"data_offsets\":[0,24],\"shape\":[2,3],\"dtype\":\"F32\"}}",
                 32);
}

static void
test_white_space_around_the_header_is_taken(void)
{
    assert_taken(" \t\r\n" GOOD_HEADER, GOOD_DATA);
    assert_taken(GOOD_HEADER " \t\r\n    ", GOOD_DATA);
}

static void
test_metadata_of_strings_is_taken(void)
{
    assert_taken("{\"__metadata__\":{\"format\":\"pt\",\"n\":\"1\"},"
                 "\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]}}",
                 3);
    assert_taken("{\"__metadata__\":{}}", 0);
}

static void
test_scalars_and_empty_tensors_are_taken(void)
{
    g_autofree char *scalar = one("\"F32\"", "[]", "[0,4]");
    g_autofree char *empty = one("\"F32\"", "[0]", "[0,0]");
    g_autofree char *empty_later = one("\"F32\"", "[5,0,7]", "[0,0]");

    assert_taken(scalar, 4);
    assert_taken(empty, 0);
    assert_taken(empty_later, 0);
    assert_taken("{}", 0);
    /* Two empty ones at the place where a third begins. */
    assert_taken("{\"c\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
                 "\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
                 "\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[2,2]}}",
                 2);
}

static void
test_every_dtype_has_its_size(void)
{
    for (int i = 0; i < SDE_N_DTYPES; i++) {
        size_t size = 5 * sde_dtype_get_size((SdeDtype) i);
        g_autofree char *dtype =
            g_strdup_printf("\"%s\"", sde_dtype_get_name((SdeDtype) i));
        g_autofree char *offsets = g_strdup_printf("[0,%zu]", size);
        g_autofree char *header = one(dtype, "[5]", offsets);

        assert_taken(header, size);
    }
}

/* ---- what is refused ----------------------------------------------------------------
 */

static void
test_files_too_short_for_a_length_are_refused(void)
{
    for (size_t n = 0; n < 8; n++) {
        assert_refused_bytes("\0\0\0\0\0\0\0\0", n, SDE_ERROR_FORMAT);
    }
}

static void
test_header_lengths_that_lie_are_refused(void)
{
    static const guint64 lengths[] = {0,
                                      1,
                                      sizeof(GOOD_HEADER) - 2,
                                      sizeof(GOOD_HEADER),
                                      100000000,
                                      100000001,
                                      (guint64) 1 << 32,
                                      (guint64) 1 << 63,
                                      UINT64_MAX,
                                      UINT64_MAX - 7,
                                      UINT64_MAX - 8};
    g_autoptr(GByteArray) bytes =
        safetensors_bytes(GOOD_HEADER, strlen(GOOD_HEADER), NULL, GOOD_DATA);

    for (size_t i = 0; i < G_N_ELEMENTS(lengths); i++) {
        guint64 length = GUINT64_TO_LE(lengths[i]);

        memcpy(bytes->data, &length, sizeof(length));
        assert_refused_bytes(bytes->data, bytes->len, SDE_ERROR_FORMAT);
    }
}

static void
test_headers_over_the_format_limit_are_refused(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    guint64 length = GUINT64_TO_LE((guint64) SDE_SAFETENSORS_MAX_HEADER + 1);
    g_autofree char *path = temp_file_write(folder, "x.safetensors", &length, 8);
    g_autoptr(GError) error = NULL;

    /* A hole in the file: the length is true, and still too much. */
    g_assert_cmpint(truncate(path, 200000000), ==, 0);
    g_assert_null(sde_safetensors_open(path, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
    g_clear_error(&error);

    length = GUINT64_TO_LE((guint64) SDE_JSON_MAX_SIZE + 1);
    g_free(temp_file_write(folder, "x.safetensors", &length, 8));
    g_assert_cmpint(truncate(path, 200000000), ==, 0);
    g_assert_null(sde_safetensors_open(path, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
}

static void
test_headers_that_are_not_json_objects_are_refused(void)
{
    static const char *const headers[] = {
        "", "   ", "[]", "null", "\"text\"", "{", "{}x", "{\"a\":}", "{\"a\xff\":1}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(headers); i++) {
        assert_refused(headers[i], 0);
    }
}

static void
test_data_must_end_with_the_file(void)
{
    assert_refused(GOOD_HEADER, GOOD_DATA - 1);
    assert_refused(GOOD_HEADER, GOOD_DATA + 1);
    assert_refused(GOOD_HEADER, 0);
    assert_refused("{}", 1);
}

static void
test_holes_and_overlaps_are_refused(void)
{
    static const char *const offsets_of_b[] = {"[25,33]", "[28,36]", "[20,28]",
                                               "[0,8]",   "[23,31]", "[16,24]"};

    for (size_t i = 0; i < G_N_ELEMENTS(offsets_of_b); i++) {
        g_autofree char *header = g_strdup_printf(
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
            "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":%s}}",
            offsets_of_b[i]);

        for (size_t n_data = 24; n_data <= 36; n_data += 2) {
            assert_refused(header, n_data);
        }
    }
    assert_one_refused("\"U8\"", "[4]", "[4,8]", 8); /* hole at the start */
    /* An empty tensor inside another one. */
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                   "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[2,2]}}",
                   4);
}

static void
test_many_tensors_on_the_same_bytes_are_refused(void)
{
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]},"
                   "\"b\":{\"dtype\":\"U8\",\"shape\":[8],\"data_offsets\":[0,8]}}",
                   8);
}

static void
test_offsets_that_are_no_range_are_refused(void)
{
    static const char *const offsets[] = {"[4,0]",
                                          "[-4,0]",
                                          "[0,-4]",
                                          "[0]",
                                          "[]",
                                          "[0,4,8]",
                                          "[0,4.0]",
                                          "[0.0,4]",
                                          "[\"0\",\"4\"]",
                                          "[null,4]",
                                          "[true,4]",
                                          "4",
                                          "null",
                                          "{}",
                                          "[0,[4]]",
                                          "[0,9223372036854775807]",
                                          "[9223372036854775807,9223372036854775807]",
                                          "[0,18446744073709551620]",
                                          "[18446744073709551612,0]"};

    for (size_t i = 0; i < G_N_ELEMENTS(offsets); i++) {
        assert_one_refused("\"F32\"", "[1]", offsets[i], 4);
    }
    assert_one_refused("\"F32\"", "[2]", "[0,8]", 4); /* beyond the file */
}

static void
test_shapes_that_do_not_fill_the_bytes_are_refused(void)
{
    static const char *const shapes[] = {"[2]",   "[0]",     "[1,2]",  "[-1]",
                                         "[1.0]", "[\"1\"]", "[null]", "[[1]]",
                                         "1",     "null",    "{}",     "[true]"};

    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        assert_one_refused("\"F32\"", shapes[i], "[0,4]", 4);
    }
    assert_one_refused("\"F16\"", "[1]", "[0,3]", 3);
}

static void
test_shapes_that_overflow_are_refused(void)
{
    static const char *const shapes[] =
        {"[4294967296,4294967296]", /* 2^64 is 0 in 64 bits */
         "[4294967296,4294967296,1]",
         "[4611686018427387904]", /* times 4 bytes is 2^64 */
         "[4611686018427387905]", /* ... is 4 */
         "[9223372036854775807]",
         "[9223372036854775808]",
         "[18446744073709551617]",
         "[2147483648,2147483648,4]",
         "[0,9223372036854775808]"};

    for (size_t i = 0; i < G_N_ELEMENTS(shapes); i++) {
        assert_one_refused("\"F32\"", shapes[i], "[0,0]", 0);
        assert_one_refused("\"F32\"", shapes[i], "[0,4]", 4);
    }
}

static void
test_too_many_dimensions_are_refused(void)
{
    g_autofree char *eight = one("\"F32\"", "[1,1,1,1,1,1,1,1]", "[0,4]");

    assert_taken(eight, 4);
    assert_one_refused("\"F32\"", "[1,1,1,1,1,1,1,1,1]", "[0,4]", 4);
}

static void
test_unknown_dtypes_are_refused(void)
{
    static const char *const dtypes[] = {"\"f32\"", "\"F4\"",   "\"\"", "null",
                                         "1",       "\"F32 \"", "[]",   "\"C64\""};

    for (size_t i = 0; i < G_N_ELEMENTS(dtypes); i++) {
        assert_one_refused(dtypes[i], "[1]", "[0,4]", 4);
    }
}

static void
test_entries_must_have_three_keys(void)
{
    assert_refused("{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4);
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4);
    assert_refused("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],"
                   "\"more\":1}}",
                   4);
    assert_refused("{\"a\":[\"F32\",[1],[0,4]]}", 4);
    assert_refused("{\"a\":null}", 0);
    assert_refused("{\"a\":1}", 0);
}

static void
test_duplicate_names_are_refused(void)
{
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
                   "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                   1);
    assert_refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"shape\":[1],"
                   "\"data_offsets\":[0,1]}}",
                   1);
}

static void
test_metadata_of_other_than_strings_is_refused(void)
{
    assert_refused("{\"__metadata__\":{\"a\":1}}", 0);
    assert_refused("{\"__metadata__\":{\"a\":null}}", 0);
    assert_refused("{\"__metadata__\":{\"a\":{}}}", 0);
    assert_refused("{\"__metadata__\":[]}", 0);
    assert_refused("{\"__metadata__\":\"text\"}", 0);
}

static void
test_long_names_are_refused(void)
{
    g_autofree char *longest = g_strnfill(SDE_SAFETENSORS_MAX_NAME, 'n');
    g_autofree char *longer = g_strnfill(SDE_SAFETENSORS_MAX_NAME + 1, 'n');
    const char *rest = "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    g_autofree char *fine = g_strconcat("{\"", longest, rest, NULL);
    g_autofree char *bad = g_strconcat("{\"", longer, rest, NULL);

    assert_taken(fine, 1);
    assert_refused(bad, 1);
}

static void
test_number_of_tensors_is_bounded(void)
{
    g_autoptr(GString) header = g_string_new("{");
    g_autoptr(GError) error = NULL;

    for (int i = 0; i <= SDE_SAFETENSORS_MAX_TENSORS; i++) {
        g_string_append_printf(
            header, "%s\"%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
            i > 0 ? "," : "", i);
    }
    g_string_append_c(header, '}');
    g_assert_null(open_header(header->str, 0, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
}

static void
test_file_that_shrinks_after_open_is_an_error(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *path =
        safetensors_write(folder, "m.safetensors", GOOD_HEADER, NULL, GOOD_DATA);
    g_autoptr(SdeSafetensors) file = sde_safetensors_open(path, NULL);
    g_autoptr(GError) error = NULL;
    float values[6];

    g_assert_cmpint(truncate(path, 100), ==, 0);
    g_assert_false(sde_safetensors_read(file, sde_safetensors_find(file, "a"), 0, 6,
                                        values, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
}

static void
test_every_truncation_is_refused(void)
{
    g_autoptr(GByteArray) bytes =
        safetensors_bytes(GOOD_HEADER, strlen(GOOD_HEADER), NULL, GOOD_DATA);

    for (size_t n = 0; n < bytes->len; n++) {
        assert_refused_bytes(bytes->data, n, SDE_ERROR_FORMAT);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add_func("/safetensors/" name, function)
    ADD("tensors-are-found", test_tensors_are_found_with_shape_and_place);
    ADD("data-is-read-from-the-middle", test_data_is_read_from_the_middle);
    ADD("order-in-the-header-is-free", test_order_in_the_header_is_free);
    ADD("white-space-is-taken", test_white_space_around_the_header_is_taken);
    ADD("metadata-of-strings-is-taken", test_metadata_of_strings_is_taken);
    ADD("scalars-and-empty-tensors", test_scalars_and_empty_tensors_are_taken);
    ADD("every-dtype-has-its-size", test_every_dtype_has_its_size);
    ADD("too-short", test_files_too_short_for_a_length_are_refused);
    ADD("header-lengths-that-lie", test_header_lengths_that_lie_are_refused);
    ADD("headers-over-the-limit", test_headers_over_the_format_limit_are_refused);
    ADD("headers-not-json-objects", test_headers_that_are_not_json_objects_are_refused);
    ADD("data-must-end-with-the-file", test_data_must_end_with_the_file);
    ADD("holes-and-overlaps", test_holes_and_overlaps_are_refused);
    ADD("many-on-the-same-bytes", test_many_tensors_on_the_same_bytes_are_refused);
    ADD("offsets-no-range", test_offsets_that_are_no_range_are_refused);
    ADD("shapes-not-filling", test_shapes_that_do_not_fill_the_bytes_are_refused);
    ADD("shapes-that-overflow", test_shapes_that_overflow_are_refused);
    ADD("too-many-dimensions", test_too_many_dimensions_are_refused);
    ADD("unknown-dtypes", test_unknown_dtypes_are_refused);
    ADD("three-keys", test_entries_must_have_three_keys);
    ADD("duplicate-names", test_duplicate_names_are_refused);
    ADD("metadata-not-strings", test_metadata_of_other_than_strings_is_refused);
    ADD("long-names", test_long_names_are_refused);
    ADD("number-of-tensors", test_number_of_tensors_is_bounded);
    ADD("file-that-shrinks", test_file_that_shrinks_after_open_is_an_error);
    ADD("every-truncation", test_every_truncation_is_refused);
#undef ADD
    return g_test_run();
}
