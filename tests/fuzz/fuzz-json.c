/* JSON: what the limits let through is JSON, small, and reads the same when written
 * out. SPDX-License-Identifier: GPL-3.0-or-later */
#include "fuzz.h"

#include <glib.h>
#include <string.h>

#include "base/json.h"

static int
measure_depth(JsonNode *node)
{
    int deepest = 0;

    if (JSON_NODE_HOLDS_OBJECT(node)) {
        g_autoptr(GList) values = json_object_get_values(json_node_get_object(node));

        for (GList *l = values; l != NULL; l = l->next) {
            int depth = measure_depth(l->data);

            deepest = MAX(deepest, depth);
        }
        return deepest + 1;
    }
    if (JSON_NODE_HOLDS_ARRAY(node)) {
        g_autoptr(GList) values = json_array_get_elements(json_node_get_array(node));

        for (GList *l = values; l != NULL; l = l->next) {
            int depth = measure_depth(l->data);

            deepest = MAX(deepest, depth);
        }
        return deepest + 1;
    }
    g_assert_nonnull(sde_json_describe(node));
    return 0;
}

static void
use_getters(JsonObject *object)
{
    g_autoptr(GList) keys = json_object_get_members(object);

    for (GList *l = keys; l != NULL; l = l->next) {
        const char *key = l->data;
        g_autofree char *excerpt = sde_json_excerpt(key);
        int number = 5;
        double real = 0.5;
        bool truth = false;
        const char *word = NULL;

        g_assert_true(g_utf8_validate(excerpt, -1, NULL));
        if (sde_json_get_int(object, key, -10, 10, &number, NULL)) {
            g_assert_true(number >= -10 && number <= 10);
        }
        if (sde_json_get_double(object, key, -1, 1, &real, NULL)) {
            g_assert_true(real >= -1 && real <= 1);
        }
        sde_json_get_bool(object, key, &truth, NULL);
        if (sde_json_peek_string(object, key, &word, NULL) && word != NULL) {
            g_assert_true(g_utf8_validate(word, -1, NULL));
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) root = sde_json_parse((const char *) data, size, &error);

    g_assert_true((root == NULL) == (error != NULL));
    if (root == NULL) {
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    g_assert_cmpint(measure_depth(root), <=, SDE_JSON_MAX_DEPTH);
    use_getters(json_node_get_object(root));

    g_autofree char *text = json_to_string(root, FALSE);

    /* 1e999 is a number that only the getters refuse, and no JSON when written out. */
    if (strstr(text, "inf") != NULL) {
        return 0;
    }

    g_autoptr(JsonNode) again = sde_json_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    g_assert_true(json_node_equal(root, again));
    return 0;
}
