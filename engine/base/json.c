/* json-glib behind strict limits.
 *
 * json-glib forgives much (comments, and of two equal keys it keeps the last) and older
 * versions recurse without limit. So one pass over the text comes first: it tells
 * strings from structure and refuses what JSON has not, before json-glib sees it.
 * Duplicate keys show while json-glib parses: an object that ends with fewer members
 * than it was given. SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "sde.h"

#define EXCERPT_CHARS 60

/* ---- the pass over the text -------------------------------------------------------
 */

typedef struct {
    const char *text;
    size_t length, i;
    int depth;
    size_t n_values; /* commas and openers: no fewer than values, but for the first */
    GString *clean;  /* the text with null for -Infinity */
} Scan;

static bool
refuse(const Scan *scan, const char *what, GError **error)
{
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "not valid JSON: %s at byte %" G_GSIZE_FORMAT, what, scan->i);
    return false;
}

static bool
starts_with(const Scan *scan, const char *word)
{
    size_t n = strlen(word);

    return scan->length - scan->i >= n && memcmp(scan->text + scan->i, word, n) == 0;
}

/* From the opening quote to behind the closing one. */
static bool
scan_string(Scan *scan, GError **error)
{
    size_t begin = scan->i++;

    while (scan->i < scan->length) {
        unsigned char c = (unsigned char) scan->text[scan->i];

        if (c < 0x20) {
            return refuse(scan, "a control character inside a string", error);
        }
        if (starts_with(scan, "\\u0000")) {
            return refuse(scan, "a NUL character inside a string", error);
        }
        scan->i++;
        if (c == '"') {
            g_string_append_len(scan->clean, scan->text + begin,
                                (gssize) (scan->i - begin));
            return true;
        }
        if (c == '\\' && scan->i < scan->length) {
            scan->i++;
        }
    }
    return refuse(scan, "a string without end", error);
}

/* Python's json module writes this where diffusers has no bound. */
static bool
scan_minus_infinity(Scan *scan)
{
    static const char word[] = "-Infinity";

    if (!starts_with(scan, word)) {
        return false;
    }
    g_string_append(scan->clean, "null");
    scan->i += strlen(word);
    return true;
}

static bool
scan_structure(Scan *scan, GError **error)
{
    char c = scan->text[scan->i];

    if (c == '{' || c == '[') {
        scan->depth++;
        scan->n_values++;
    } else if (c == '}' || c == ']') {
        scan->depth--;
    } else if (c == ',') {
        scan->n_values++;
    } else if (strchr(" \t\r\n:+-.", c) == NULL && !g_ascii_isalnum(c)) {
        return refuse(scan, "an unexpected character", error);
    }
    if (scan->depth < 0) {
        return refuse(scan, "a bracket that closes nothing", error);
    }
    if (scan->depth > SDE_JSON_MAX_DEPTH || scan->n_values > SDE_JSON_MAX_VALUES) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "JSON is deeper than %d levels or has more than %" G_GSIZE_FORMAT
                    " values",
                    SDE_JSON_MAX_DEPTH, SDE_JSON_MAX_VALUES);
        return false;
    }
    g_string_append_c(scan->clean, c);
    scan->i++;
    return true;
}

static GString *
scan_text(const char *text, size_t length, GError **error)
{
    Scan scan = {.text = text, .length = length};
    g_autoptr(GString) clean = NULL;

    if (length > SDE_JSON_MAX_SIZE) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "JSON of %" G_GSIZE_FORMAT " bytes, at most %" G_GSIZE_FORMAT
                    " are read",
                    length, SDE_JSON_MAX_SIZE);
        return NULL;
    }
    /* Refuses NUL bytes too. */
    if (!g_utf8_validate_len(text, length, NULL)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "not valid JSON: the text is not UTF-8");
        return NULL;
    }
    clean = g_string_sized_new(length + 1);
    scan.clean = clean;
    while (scan.i < length) {
        bool fine = text[scan.i] == '"'
                        ? scan_string(&scan, error)
                        : scan_minus_infinity(&scan) || scan_structure(&scan, error);

        if (!fine) {
            return NULL;
        }
    }
    return g_steal_pointer(&clean);
}

/* ---- parsing ------------------------------------------------------------------------
 */

typedef struct {
    GArray *open; /* unsigned: members seen so far, for each object not yet closed */
    char *duplicate_in; /* a member of the object that has a key twice */
    bool found;
} Members;

static void
on_object_start(JsonParser *parser, gpointer data)
{
    Members *members = data;
    unsigned none = 0;

    g_array_append_val(members->open, none);
}

static void
on_object_member(JsonParser *parser, JsonObject *object, const char *name,
                 gpointer data)
{
    Members *members = data;

    if (members->open->len > 0) {
        unsigned *n_seen =
            &g_array_index(members->open, unsigned, members->open->len - 1);

        (*n_seen)++;
        if (!members->found && json_object_get_size(object) < *n_seen) {
            members->found = true;
            members->duplicate_in = sde_json_excerpt(name);
        }
    }
}

static void
on_object_end(JsonParser *parser, JsonObject *object, gpointer data)
{
    Members *members = data;

    if (members->open->len > 0) {
        g_array_set_size(members->open, members->open->len - 1);
    }
}

static JsonParser *
new_strict_parser(Members *members)
{
    JsonParser *parser = json_parser_new_immutable();

#if JSON_CHECK_VERSION(1, 10, 0)
    json_parser_set_strict(parser, TRUE);
#endif
    g_signal_connect(parser, "object-start", G_CALLBACK(on_object_start), members);
    g_signal_connect(parser, "object-member", G_CALLBACK(on_object_member), members);
    g_signal_connect(parser, "object-end", G_CALLBACK(on_object_end), members);
    return parser;
}

static JsonNode *
parse_clean(const char *text, size_t length, Members *members, GError **error)
{
    g_autoptr(JsonParser) parser = new_strict_parser(members);
    g_autoptr(JsonNode) root = NULL;
    g_autoptr(GError) cause = NULL;

    if (!json_parser_load_from_data(parser, text, (gssize) length, &cause)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "not valid JSON: %s",
                    cause->message);
        return NULL;
    }
    if (members->found) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "not valid JSON: the key '%s' is there twice",
                    members->duplicate_in);
        return NULL;
    }
    root = json_parser_steal_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "expected a JSON object, found %s", sde_json_describe(root));
        return NULL;
    }
    return g_steal_pointer(&root);
}

JsonNode *
sde_json_parse(const char *text, size_t length, GError **error)
{
    g_autoptr(GString) clean = scan_text(text, length, error);
    g_autoptr(GArray) open = g_array_new(FALSE, FALSE, sizeof(unsigned));
    Members members = {.open = open};
    JsonNode *root = NULL;

    if (clean == NULL) {
        return NULL;
    }
    root = parse_clean(clean->str, clean->len, &members, error);
    g_free(members.duplicate_in);
    return root;
}

JsonNode *
sde_json_load(const char *path, GError **error)
{
    g_autoptr(SdeFile) file = sde_file_open(path, error);
    g_autofree char *text = NULL;
    g_autofree char *name = NULL;
    JsonNode *root = NULL;

    if (file == NULL) {
        return NULL;
    }
    name = g_filename_display_name(path);
    if (sde_file_get_size(file) > SDE_JSON_MAX_SIZE) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "'%s' has %" G_GUINT64_FORMAT " bytes, at most %" G_GSIZE_FORMAT
                    " are read",
                    name, sde_file_get_size(file), SDE_JSON_MAX_SIZE);
        return NULL;
    }

    size_t length = (size_t) sde_file_get_size(file);

    text = g_malloc(length + 1);
    if (!sde_file_read(file, 0, text, length, error)) {
        return NULL;
    }
    root = sde_json_parse(text, length, error);
    if (root == NULL) {
        g_prefix_error(error, "'%s': ", name);
    }
    return root;
}

/* ---- values -------------------------------------------------------------------------
 */

const char *
sde_json_describe(JsonNode *node)
{
    if (node == NULL) {
        return "nothing";
    }
    switch (json_node_get_node_type(node)) {
    case JSON_NODE_OBJECT:
        return "an object";
    case JSON_NODE_ARRAY:
        return "a list";
    case JSON_NODE_NULL:
        return "null";
    case JSON_NODE_VALUE:
        break;
    }
    switch (json_node_get_value_type(node)) {
    case G_TYPE_BOOLEAN:
        return "true or false";
    case G_TYPE_STRING:
        return "a string";
    case G_TYPE_INT64:
        return "a whole number";
    default:
        return "a number";
    }
}

char *
sde_json_excerpt(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize) strnlen(text, 1024));
    bool cut = g_utf8_strlen(valid, -1) > EXCERPT_CHARS;
    g_autofree char *head = g_utf8_substring(valid, 0, cut ? EXCERPT_CHARS : -1);
    GString *line = g_string_new(NULL);

    for (const char *p = head; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        g_string_append_unichar(line, g_unichar_isprint(c) ? c : '?');
    }
    if (cut) {
        g_string_append(line, "…");
    }
    return g_string_free(line, FALSE);
}

bool
sde_json_has(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);

    return node != NULL && !JSON_NODE_HOLDS_NULL(node);
}

static bool
refuse_type(const char *key, const char *expected, JsonNode *node, GError **error)
{
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "'%s': expected %s, found %s", key,
                expected, sde_json_describe(node));
    return false;
}

static bool
holds_value(JsonNode *node, GType type)
{
    return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == type;
}

bool
sde_json_get_int(JsonObject *object, const char *key, int min, int max, int *value,
                 GError **error)
{
    if (!sde_json_has(object, key)) {
        return true;
    }

    JsonNode *node = json_object_get_member(object, key);

    if (!holds_value(node, G_TYPE_INT64)) {
        return refuse_type(key, "a whole number", node, error);
    }

    gint64 number = json_node_get_int(node);

    if (number < min || number > max) {
        g_set_error(
            error, SDE_ERROR, SDE_ERROR_FORMAT,
            "'%s': expected a whole number from %d to %d, found %" G_GINT64_FORMAT, key,
            min, max, number);
        return false;
    }
    *value = (int) number;
    return true;
}

bool
sde_json_get_double(JsonObject *object, const char *key, double min, double max,
                    double *value, GError **error)
{
    if (!sde_json_has(object, key)) {
        return true;
    }

    JsonNode *node = json_object_get_member(object, key);

    if (!holds_value(node, G_TYPE_INT64) && !holds_value(node, G_TYPE_DOUBLE)) {
        return refuse_type(key, "a number", node, error);
    }

    double number = json_node_get_double(node);

    if (!isfinite(number) || number < min || number > max) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s': expected a number from %g to %g, found %g", key, min, max,
                    number);
        return false;
    }
    *value = number;
    return true;
}

bool
sde_json_read_numbers(JsonArray *array, const char *key, double min, double max,
                      double *numbers, GError **error)
{
    for (unsigned i = 0; i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        bool is_number =
            holds_value(node, G_TYPE_INT64) || holds_value(node, G_TYPE_DOUBLE);
        double number = is_number ? json_node_get_double(node) : 0.0;

        if (!is_number || !(number >= min && number <= max)) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "'%s': number %u is not from %g to %g", key, i, min, max);
            return false;
        }
        numbers[i] = number;
    }
    return true;
}

bool
sde_json_get_bool(JsonObject *object, const char *key, bool *value, GError **error)
{
    if (!sde_json_has(object, key)) {
        return true;
    }

    JsonNode *node = json_object_get_member(object, key);

    if (!holds_value(node, G_TYPE_BOOLEAN)) {
        return refuse_type(key, "true or false", node, error);
    }
    *value = json_node_get_boolean(node);
    return true;
}

bool
sde_json_peek_string(JsonObject *object, const char *key, const char **value,
                     GError **error)
{
    if (!sde_json_has(object, key)) {
        return true;
    }

    JsonNode *node = json_object_get_member(object, key);

    if (!holds_value(node, G_TYPE_STRING)) {
        return refuse_type(key, "a string", node, error);
    }
    *value = json_node_get_string(node);
    return true;
}

bool
sde_json_peek_array(JsonObject *object, const char *key, JsonArray **value,
                    GError **error)
{
    if (!sde_json_has(object, key)) {
        return true;
    }

    JsonNode *node = json_object_get_member(object, key);

    if (!JSON_NODE_HOLDS_ARRAY(node)) {
        return refuse_type(key, "a list", node, error);
    }
    *value = json_node_get_array(node);
    return true;
}

bool
sde_json_peek_object(JsonObject *object, const char *key, JsonObject **value,
                     GError **error)
{
    if (!sde_json_has(object, key)) {
        return true;
    }

    JsonNode *node = json_object_get_member(object, key);

    if (!JSON_NODE_HOLDS_OBJECT(node)) {
        return refuse_type(key, "an object", node, error);
    }
    *value = json_node_get_object(node);
    return true;
}
