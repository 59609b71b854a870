/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/style-tones.h"

#include "base/json.h"
#include "sde.h"

/* n numbers, at most SDE_N_TONES, each in low..high. */
static bool
read_numbers(JsonObject *object, const char *key, double low, double high,
             float *numbers, unsigned n, GError **error)
{
    double read[SDE_N_TONES];
    JsonArray *list = NULL;
    unsigned found;

    if (!sde_json_peek_array(object, key, &list, error)) {
        return false;
    }
    found = list != NULL ? json_array_get_length(list) : 0;
    if (found != n) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s': expected %u numbers, found %u", key, n, found);
        return false;
    }
    if (!sde_json_read_numbers(list, key, low, high, read, error)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        numbers[i] = (float) read[i];
    }
    return true;
}

static bool
read_style(JsonObject *object, SdeStyleTones *tones, GError **error)
{
    double deviation = -1.0;
    const char *technique = NULL;

    if (!read_numbers(object, "luma", 0.0, 1.0, tones->luma, SDE_N_TONES, error) ||
        !read_numbers(object, "chroma_mean", -1.0, 1.0, tones->chroma_mean, 3, error) ||
        !sde_json_get_double(object, "chroma_deviation", 0.0, 1.0, &deviation, error)) {
        return false;
    }
    if (deviation < 0.0) {
        g_set_error_literal(error, SDE_ERROR, SDE_ERROR_FORMAT,
                            "'chroma_deviation' is missing");
        return false;
    }
    if (!sde_json_peek_string(object, "technique", &technique, error) ||
        (technique != NULL &&
         !sde_technique_find(technique, &tones->technique, error))) {
        return false;
    }
    tones->chroma_deviation = (float) deviation;
    for (int i = 1; i < SDE_N_TONES; i++) {
        if (tones->luma[i] < tones->luma[i - 1]) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "'luma': number %d is less than the one before", i);
            return false;
        }
    }
    tones->known = true;
    return true;
}

static bool
read_styles(JsonObject *root, GStrv class_names, SdeStyleTones *tones, GError **error)
{
    guint n_found = 0;

    for (guint i = 0; class_names[i] != NULL; i++) {
        JsonObject *style = NULL;

        if (!sde_json_peek_object(root, class_names[i], &style, error)) {
            return false;
        }
        if (style == NULL) {
            continue;
        }
        n_found++;
        if (!read_style(style, &tones[i], error)) {
            g_prefix_error(error, "style '%s': ", class_names[i]);
            return false;
        }
    }
    if (n_found != json_object_get_size(root)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "%u of %u styles are classes of the model, expected all", n_found,
                    json_object_get_size(root));
        return false;
    }
    return true;
}

SdeStyleTones *
sde_style_tones_load(const char *path, GStrv class_names, GError **error)
{
    g_autoptr(JsonNode) root = sde_json_load(path, error);
    g_autofree SdeStyleTones *tones = NULL;

    if (root == NULL) {
        return NULL;
    }
    tones = g_new0(SdeStyleTones, g_strv_length(class_names) + 1);
    if (!read_styles(json_node_get_object(root), class_names, tones, error)) {
        g_autofree char *name = g_filename_display_name(path);

        g_prefix_error(error, "'%s': ", name);
        return NULL;
    }
    return g_steal_pointer(&tones);
}
