/* Where models lie: the one that ships in models/default beside the executable, the
 * user's own in sdedit-models in the GIMP profile, or anywhere else by path.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "models.h"

#include "intl.h"
#include <libgimp/gimp.h>

static char *
get_user_folder(void)
{
    return g_build_filename(gimp_directory(), "sdedit-models", NULL);
}

static char *
find_default(GError **error)
{
    g_autofree char *program_folder = g_path_get_dirname(gimp_get_progname());
    g_autofree char *folder =
        g_build_filename(program_folder, "models", "default", NULL);

    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, GIMP_PLUG_IN_ERROR, 0,
                    _("The model that comes with the plug-in is missing: there is no "
                      "folder “%s”. Install the plug-in again, or choose a model."),
                    gimp_filename_to_utf8(folder));
        return NULL;
    }
    return g_steal_pointer(&folder);
}

static char *
find_by_name(const char *name, GError **error)
{
    g_autofree char *user_folder = get_user_folder();
    g_autofree char *folder = g_build_filename(user_folder, name, NULL);

    if (!g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        g_set_error(
            error, GIMP_PLUG_IN_ERROR, 0,
            _("There is no model “%s”: give the whole path of a model folder, or "
              "put the folder into “%s”."),
            name, gimp_filename_to_utf8(user_folder));
        return NULL;
    }
    return g_steal_pointer(&folder);
}

char *
sde_models_find(const char *model, GError **error)
{
    if (model == NULL || model[0] == '\0') {
        return find_default(error);
    }
    if (!g_path_is_absolute(model)) {
        return find_by_name(model, error);
    }
    if (!g_file_test(model, G_FILE_TEST_IS_DIR)) {
        g_set_error(error, GIMP_PLUG_IN_ERROR, 0,
                    _("There is no model folder “%s”. A model is a folder in diffusers "
                      "format, not a single file."),
                    gimp_filename_to_utf8(model));
        return NULL;
    }
    return g_strdup(model);
}

static int
compare_names(const void *a, const void *b)
{
    return g_utf8_collate(*(const char *const *) a, *(const char *const *) b);
}

GStrv
sde_models_list(void)
{
    g_autofree char *user_folder = get_user_folder();
    g_autoptr(GDir) dir = g_dir_open(user_folder, 0, NULL);
    GPtrArray *names = g_ptr_array_new();
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *folder = g_build_filename(user_folder, name, NULL);

        if (g_file_test(folder, G_FILE_TEST_IS_DIR)) {
            g_ptr_array_add(names, g_strdup(name));
        }
    }
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    return (GStrv) g_ptr_array_free(names, FALSE);
}
