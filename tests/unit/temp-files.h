/* A temporary folder for tests that need real files, removed with all it holds; and the
 * bytes of safetensors files, sound or not.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>

static inline char *
temp_folder_new(void)
{
    GError *error = NULL;
    char *folder = g_dir_make_tmp("sdedit-test-XXXXXX", &error);

    g_assert_no_error(error);
    return folder;
}

static inline void
temp_folder_free(char *folder)
{
    GDir *dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        char *path = g_build_filename(folder, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR) &&
            !g_file_test(path, G_FILE_TEST_IS_SYMLINK)) {
            temp_folder_free(path);
        } else {
            g_unlink(path);
            g_free(path);
        }
    }
    g_clear_pointer(&dir, g_dir_close);
    g_rmdir(folder);
    g_free(folder);
}

typedef char TempFolder;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TempFolder, temp_folder_free)

/* Writes folder/name, making folders on the way; returns the path. */
static inline char *
temp_file_write(const char *folder, const char *name, const void *bytes, size_t size)
{
    char *path = g_build_filename(folder, name, NULL);
    g_autofree char *parent = g_path_get_dirname(path);
    GError *error = NULL;

    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_file_set_contents_full(path, bytes, (gssize) size, G_FILE_SET_CONTENTS_NONE, 0600,
                             &error);
    g_assert_no_error(error);
    return path;
}

static inline void
temp_text_write(const char *folder, const char *name, const char *text)
{
    g_free(temp_file_write(folder, name, text, strlen(text)));
}

/* u64 header length, header, n_data bytes of data (zeros where data is NULL). */
static inline GByteArray *
safetensors_bytes(const char *header, size_t header_length, const void *data,
                  size_t n_data)
{
    GByteArray *bytes = g_byte_array_new();
    guint64 length = GUINT64_TO_LE((guint64) header_length);
    g_autofree void *zeros = g_malloc0(n_data + 1);

    g_byte_array_append(bytes, (const guint8 *) &length, sizeof(length));
    g_byte_array_append(bytes, (const guint8 *) header, (guint) header_length);
    g_byte_array_append(bytes, data != NULL ? data : zeros, (guint) n_data);
    return bytes;
}

static inline char *
safetensors_write(const char *folder, const char *name, const char *header,
                  const void *data, size_t n_data)
{
    g_autoptr(GByteArray) bytes =
        safetensors_bytes(header, strlen(header), data, n_data);

    return temp_file_write(folder, name, bytes->data, bytes->len);
}
