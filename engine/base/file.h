/* Regular files, read by position. Not mapped: a file that another program cuts short
 * while it is read must give an error, not a signal. File access errors are GLib's. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct _SdeFile SdeFile;

/* Refuses what is not a regular file: a pipe or device would hang or never end. */
SdeFile *sde_file_open(const char *path, GError **error);
void sde_file_free(SdeFile *file); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeFile, sde_file_free)
/* Bytes in the file when it was opened. */
uint64_t sde_file_get_size(const SdeFile *file);
/* Fills all of `buffer` or fails (then its content is undefined). Thread safe. */
bool sde_file_read(SdeFile *file, uint64_t offset, void *buffer, size_t size,
                   GError **error);
