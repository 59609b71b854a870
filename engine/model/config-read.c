/* Values of config files that come from a fixed list.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/config-read.h"

#include <string.h>

#include "sde.h"

bool
sde_config_find_choice(const char *key, const char *word, const SdeChoice *choices,
                       size_t n_choices, int *value, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);
    g_autofree char *shown = NULL;

    for (size_t i = 0; i < n_choices; i++) {
        if (strcmp(choices[i].name, word) == 0) {
            *value = choices[i].value;
            return true;
        }
        g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", choices[i].name);
    }
    shown = sde_json_excerpt(word);
    g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                "'%s': '%s' is not supported; supported: %s", key, shown, known->str);
    return false;
}

bool
sde_config_get_choice(JsonObject *object, const char *key, const SdeChoice *choices,
                      size_t n_choices, int *value, GError **error)
{
    const char *word = NULL;

    if (!sde_json_peek_string(object, key, &word, error)) {
        return false;
    }
    return word == NULL ||
           sde_config_find_choice(key, word, choices, n_choices, value, error);
}

bool
sde_config_require_word(JsonObject *object, const char *key, const char *word,
                        GError **error)
{
    const SdeChoice only = {word, 0};
    int value = 0;

    return sde_config_get_choice(object, key, &only, 1, &value, error);
}

bool
sde_config_require_false(JsonObject *object, const char *key, GError **error)
{
    bool value = false;

    if (!sde_json_get_bool(object, key, &value, error)) {
        return false;
    }
    if (value) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "'%s': true is not supported", key);
    }
    return !value;
}

bool
sde_config_require_null(JsonObject *object, const char *key, GError **error)
{
    if (sde_json_has(object, key)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "'%s': only null is supported, found %s", key,
                    sde_json_describe(json_object_get_member(object, key)));
        return false;
    }
    return true;
}
