/* What the two config readers share: values out of a fixed list, and options that only
 * have one value which this engine runs. Private to engine/model. */
#pragma once

#include "base/json.h"

typedef struct {
    const char *name;
    int value;
} SdeChoice;

/* A word from the list; any other is SDE_ERROR_UNSUPPORTED, naming the key, the word
 * and the list. Missing or null leaves *value. */
bool sde_config_get_choice(JsonObject *object, const char *key,
                           const SdeChoice *choices, size_t n_choices, int *value,
                           GError **error);
/* Looks a word up that does not stand under a key of its own. */
bool sde_config_find_choice(const char *key, const char *word, const SdeChoice *choices,
                            size_t n_choices, int *value, GError **error);
/* SDE_ERROR_UNSUPPORTED unless the key is missing, null, or has this value. */
bool sde_config_require_word(JsonObject *object, const char *key, const char *word,
                             GError **error);
bool sde_config_require_false(JsonObject *object, const char *key, GError **error);
bool sde_config_require_null(JsonObject *object, const char *key, GError **error);
