/* json-glib behind strict limits, for files that strangers wrote.
 *
 * Beyond JSON itself: one object at the top, nothing behind it, valid UTF-8, no
 * duplicate keys, no NUL, at most SDE_JSON_MAX_SIZE bytes, SDE_JSON_MAX_DEPTH levels
 * and SDE_JSON_MAX_VALUES values. One word more than JSON has: -Infinity, which
 * diffusers writes for "no lower bound", reads as null. Errors: SDE_ERROR_FORMAT or
 * _TOO_LARGE. */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>
#include <stddef.h>

#define SDE_JSON_MAX_SIZE   ((size_t) 16 << 20)
#define SDE_JSON_MAX_DEPTH  64
#define SDE_JSON_MAX_VALUES ((size_t) 300000)

/* The root, an object; json_node_unref when done (g_autoptr works). */
JsonNode *sde_json_parse(const char *text, size_t length, GError **error);
JsonNode *sde_json_load(const char *path, GError **error);

/* Each leaves *value alone, so that it keeps the caller's default, when the key is
 * missing or null; another type or a number outside min..max is SDE_ERROR_FORMAT. */
bool sde_json_get_int(JsonObject *object, const char *key, int min, int max, int *value,
                      GError **error);
bool sde_json_get_double(JsonObject *object, const char *key, double min, double max,
                         double *value, GError **error);
bool sde_json_get_bool(JsonObject *object, const char *key, bool *value,
                       GError **error);
/* All elements of the array, which stands under `key`; another type or a number outside
 * min..max is SDE_ERROR_FORMAT, which names the element. */
bool sde_json_read_numbers(JsonArray *array, const char *key, double min, double max,
                           double *numbers, GError **error);
/* Lent by the object. */
bool sde_json_peek_string(JsonObject *object, const char *key, const char **value,
                          GError **error);
bool sde_json_peek_array(JsonObject *object, const char *key, JsonArray **value,
                         GError **error);
bool sde_json_peek_object(JsonObject *object, const char *key, JsonObject **value,
                          GError **error);
/* Present and not null? */
bool sde_json_has(JsonObject *object, const char *key);
/* "the number 3", "an array", ...: what stands there, for messages. */
const char *sde_json_describe(JsonNode *node);
/* A string from a file, made fit for a message: short, one line, no control characters.
 */
char *sde_json_excerpt(const char *text);
