/* JSON from strangers: what is not exactly JSON, or not small, never gets in.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <sys/stat.h>

#include "base/json.h"
#include "sde.h"
#include "temp-files.h"

static JsonNode *
parse(const char *text, GError **error)
{
    return sde_json_parse(text, strlen(text), error);
}

static void
assert_refused_bytes(const char *text, size_t length, SdeError code)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = sde_json_parse(text, length, &error);

    if (root != NULL) {
        g_test_message("taken: %.60s", text);
    }
    g_assert_null(root);
    g_assert_error(error, SDE_ERROR, (int) code);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void
test_text_that_is_not_json_is_refused(void)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "{}}",
        "{} {}",
        "{}x",
        "{} null",
        "{}\n// comment",
        "/* comment */{}",
        "# comment\n{}",
        "{'a': 1}",
        "{a: 1}",
        "{\"a\" 1}",
        "{\"a\": }",
        "{\"a\": 1,}",
        "{,}",
        "{\"a\": [1,]}",
        "{\"a\": [,1]}",
        "{\"a\": [1 2]}",
        "{\"a\": [1}",
        "{\"a\": {]}",
        "{\"a\": 1; \"b\": 2}",
        "{\"a\": tru}",
        "{\"a\": True}",
        "{\"a\": None}",
        "{\"a\": undefined}",
        "{\"a\": NaN}",
        "{\"a\": Infinity}",
        "{\"a\": 0x10}",
        "{\"a\": 1.2.3}",
        "{\"a\": 1e}",
        "{\"a\": --1}",
        "{\"a\": \"line\nbreak\"}",
        "{\"a\": \"\x01\"}",
        "{\"a\": \"open}",
        "{\"a\": \"\\",
        "{\"a\": \"nul \\u0000\"}",
        "{\"a\": \"\\q\"}",
        "{\"a\": \"\\u12\"}",
        "\xef\xbb\xbf{}",
        "{\"a\": \"\xff\"}",
        "{\"a\": \"\xc0\x80\"}",
        "{\"a\": \"\xed\xa0\x80\"}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        assert_refused_bytes(texts[i], strlen(texts[i]), SDE_ERROR_FORMAT);
    }
    assert_refused_bytes("{}\0", 3, SDE_ERROR_FORMAT);
    assert_refused_bytes("{\"a\0b\": 1}", 10, SDE_ERROR_FORMAT);
}

static void
test_root_must_be_an_object(void)
{
    static const char *const texts[] = {"[]", "[{}]", "1", "\"text\"", "null", "true"};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        assert_refused_bytes(texts[i], strlen(texts[i]), SDE_ERROR_FORMAT);
    }
}

static void
test_duplicate_keys_are_refused(void)
{
    static const char *const texts[] = {
        "{\"a\": 1, \"a\": 1}",
        "{\"a\": 1, \"b\": 2, \"\\u0061\": 3}",
        "{\"x\": {\"a\": 1, \"a\": 2}}",
        "{\"x\": [{\"a\": {}, \"b\": [{}, {}], \"a\": 2}]}",
        "{\"x\": {\"a\": 1}, \"y\": {\"a\": 1}, \"x\": 1}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        assert_refused_bytes(texts[i], strlen(texts[i]), SDE_ERROR_FORMAT);
    }
}

static void
test_equal_keys_of_different_objects_are_fine(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root =
        parse("{\"a\": {\"a\": {\"a\": []}}, \"b\": [{\"a\": 1}, {\"a\": 1}]}", &error);

    g_assert_no_error(error);
    g_assert_nonnull(root);
}

static char *
nested(int depth)
{
    GString *text = g_string_new("{\"a\": ");

    for (int i = 1; i < depth; i++) {
        g_string_append_c(text, '[');
    }
    for (int i = 1; i < depth; i++) {
        g_string_append_c(text, ']');
    }
    g_string_append(text, depth == 1 ? "0}" : "}");
    return g_string_free(text, FALSE);
}

static void
test_depth_is_bounded(void)
{
    g_autofree char *deepest = nested(SDE_JSON_MAX_DEPTH);
    g_autofree char *deeper = nested(SDE_JSON_MAX_DEPTH + 1);
    g_autofree char *absurd = nested(1000000);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = parse(deepest, &error);

    g_assert_no_error(error);
    g_assert_nonnull(root);
    assert_refused_bytes(deeper, strlen(deeper), SDE_ERROR_TOO_LARGE);
    assert_refused_bytes(absurd, strlen(absurd), SDE_ERROR_TOO_LARGE);
}

static void
test_brackets_inside_strings_do_not_count(void)
{
    g_autofree char *brackets = g_strnfill(1000, '[');
    g_autofree char *text =
        g_strdup_printf("{\"%s\": \"}\\\"%s\\\\\"}", brackets, brackets);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = parse(text, &error);

    g_assert_no_error(error);
    g_assert_nonnull(root);
}

static void
test_size_and_number_of_values_are_bounded(void)
{
    size_t length = SDE_JSON_MAX_SIZE + 1;
    g_autofree char *spaces = g_strnfill(length, ' ');
    g_autoptr(GString) list = g_string_new("{\"a\": [0");

    spaces[0] = '{';
    spaces[length - 1] = '}';
    assert_refused_bytes(spaces, length, SDE_ERROR_TOO_LARGE);
    for (size_t i = 0; i < SDE_JSON_MAX_VALUES; i++) {
        g_string_append(list, ",0");
    }
    g_string_append(list, "]}");
    assert_refused_bytes(list->str, list->len, SDE_ERROR_TOO_LARGE);
}

static void
test_getters_read_what_is_there(void)
{
    g_autoptr(JsonNode) root = parse("{\"i\": -7, \"d\": 2.5, \"w\": 3, \"b\": true, "
                                     "\"s\": \"\\u00e4\", \"l\": [1], \"o\": {}, "
                                     "\"n\": null, \"low\": -Infinity}",
                                     NULL);
    JsonObject *object = json_node_get_object(root);
    int i = 0;
    double d = 0, w = 0;
    bool b = false;
    const char *s = NULL;
    JsonArray *l = NULL;
    JsonObject *o = NULL;

    g_assert_true(sde_json_get_int(object, "i", -7, 7, &i, NULL));
    g_assert_true(sde_json_get_double(object, "d", 2.5, 3, &d, NULL));
    g_assert_true(sde_json_get_double(object, "w", 0, 3, &w, NULL));
    g_assert_true(sde_json_get_bool(object, "b", &b, NULL));
    g_assert_true(sde_json_peek_string(object, "s", &s, NULL));
    g_assert_true(sde_json_peek_array(object, "l", &l, NULL));
    g_assert_true(sde_json_peek_object(object, "o", &o, NULL));
    g_assert_cmpint(i, ==, -7);
    g_assert_cmpfloat(d, ==, 2.5);
    g_assert_cmpfloat(w, ==, 3);
    g_assert_true(b);
    g_assert_cmpstr(s, ==, "ä");
    g_assert_cmpuint(json_array_get_length(l), ==, 1);
    g_assert_nonnull(o);
    g_assert_true(sde_json_has(object, "i"));
    g_assert_false(sde_json_has(object, "n"));
    g_assert_false(sde_json_has(object, "low"));
    g_assert_false(sde_json_has(object, "missing"));
}

static void
test_missing_and_null_keep_the_default(void)
{
    static const char *const keys[] = {"missing", "n"};
    g_autoptr(JsonNode) root = parse("{\"n\": null}", NULL);
    JsonObject *object = json_node_get_object(root);

    for (size_t k = 0; k < G_N_ELEMENTS(keys); k++) {
        int i = 5;
        double d = 6;
        bool b = true;
        const char *s = "default";
        JsonArray *l = NULL;

        g_assert_true(sde_json_get_int(object, keys[k], 0, 1, &i, NULL));
        g_assert_true(sde_json_get_double(object, keys[k], 0, 1, &d, NULL));
        g_assert_true(sde_json_get_bool(object, keys[k], &b, NULL));
        g_assert_true(sde_json_peek_string(object, keys[k], &s, NULL));
        g_assert_true(sde_json_peek_array(object, keys[k], &l, NULL));
        g_assert_cmpint(i, ==, 5);
        g_assert_cmpfloat(d, ==, 6);
        g_assert_true(b);
        g_assert_cmpstr(s, ==, "default");
        g_assert_null(l);
    }
}

static void
assert_no_int(JsonObject *object, const char *key)
{
    g_autoptr(GError) error = NULL;
    int value = 42;

    g_assert_false(sde_json_get_int(object, key, -100, 100, &value, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, key));
    g_assert_cmpint(value, ==, 42);
}

static void
test_wrong_types_and_absurd_numbers_are_refused(void)
{
    static const char *const no_ints[] = {"half", "word", "list", "object", "truth",
                                          "big",  "low",  "huge", "tiny",   "exp"};
    static const char *const no_doubles[] = {"word", "list", "object", "truth", "exp"};
    g_autoptr(JsonNode) root =
        parse("{\"half\": 0.5, \"word\": \"1\", \"list\": [1], \"object\": {}, "
              "\"truth\": true, \"big\": 101, \"low\": -101, "
              "\"huge\": 99999999999999999999999, \"tiny\": -99999999999999999999999, "
              "\"exp\": 1e999}",
              NULL);
    JsonObject *object = json_node_get_object(root);

    for (size_t i = 0; i < G_N_ELEMENTS(no_ints); i++) {
        assert_no_int(object, no_ints[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(no_doubles); i++) {
        g_autoptr(GError) error = NULL;
        double value = 42;

        g_assert_false(
            sde_json_get_double(object, no_doubles[i], -1e300, 1e300, &value, &error));
        g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
        g_assert_cmpfloat(value, ==, 42);
    }

    bool b = true;
    const char *s = NULL;
    JsonArray *l = NULL;
    JsonObject *o = NULL;

    g_assert_false(sde_json_get_bool(object, "big", &b, NULL));
    g_assert_false(sde_json_get_bool(object, "word", &b, NULL));
    g_assert_false(sde_json_peek_string(object, "big", &s, NULL));
    g_assert_false(sde_json_peek_string(object, "list", &s, NULL));
    g_assert_false(sde_json_peek_array(object, "object", &l, NULL));
    g_assert_false(sde_json_peek_object(object, "list", &o, NULL));
}

static void
test_load_names_the_file(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *good = temp_file_write(folder, "good.json", "{\"a\": 1}", 8);
    g_autofree char *bad = temp_file_write(folder, "bad.json", "{\"a\": 1", 7);
    g_autofree char *missing = g_build_filename(folder, "missing.json", NULL);
    g_autoptr(JsonNode) root = sde_json_load(good, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(root);
    g_assert_null(sde_json_load(bad, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
    g_assert_nonnull(strstr(error->message, "bad.json"));
    g_clear_error(&error);
    g_assert_null(sde_json_load(missing, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT);
    g_assert_nonnull(strstr(error->message, "missing.json"));
}

static void
test_load_refuses_what_is_no_regular_file(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *pipe = g_build_filename(folder, "pipe", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    g_assert_null(sde_json_load(pipe, &error)); /* and does not wait for a writer */
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
    g_clear_error(&error);
    g_assert_null(sde_json_load("/dev/zero", &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL);
    g_clear_error(&error);
    g_assert_null(sde_json_load(folder, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_ISDIR);
}

static void
test_excerpts_are_short_and_harmless(void)
{
    g_autofree char *plain = sde_json_excerpt("plain name");
    g_autofree char *escape = sde_json_excerpt("\x1b[31mred\x07\n");
    g_autofree char *broken = sde_json_excerpt("a\xff"
                                               "b");
    g_autofree char *wide = g_strnfill(100000, 'x');
    g_autofree char *cut = sde_json_excerpt(wide);

    g_assert_cmpstr(plain, ==, "plain name");
    g_assert_cmpstr(escape, ==, "?[31mred??");
    g_assert_true(g_utf8_validate(broken, -1, NULL));
    g_assert_cmpuint(strlen(cut), <, 100);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/text-that-is-not-json-is-refused",
                    test_text_that_is_not_json_is_refused);
    g_test_add_func("/json/root-must-be-an-object", test_root_must_be_an_object);
    g_test_add_func("/json/duplicate-keys-are-refused",
                    test_duplicate_keys_are_refused);
    g_test_add_func("/json/equal-keys-of-different-objects-are-fine",
                    test_equal_keys_of_different_objects_are_fine);
    g_test_add_func("/json/depth-is-bounded", test_depth_is_bounded);
    g_test_add_func("/json/brackets-inside-strings-do-not-count",
                    test_brackets_inside_strings_do_not_count);
    g_test_add_func("/json/size-and-number-of-values-are-bounded",
                    test_size_and_number_of_values_are_bounded);
    g_test_add_func("/json/getters-read-what-is-there",
                    test_getters_read_what_is_there);
    g_test_add_func("/json/missing-and-null-keep-the-default",
                    test_missing_and_null_keep_the_default);
    g_test_add_func("/json/wrong-types-and-absurd-numbers-are-refused",
                    test_wrong_types_and_absurd_numbers_are_refused);
    g_test_add_func("/json/load-names-the-file", test_load_names_the_file);
    g_test_add_func("/json/load-refuses-what-is-no-regular-file",
                    test_load_refuses_what_is_no_regular_file);
    g_test_add_func("/json/excerpts-are-short-and-harmless",
                    test_excerpts_are_short_and_harmless);
    return g_test_run();
}
