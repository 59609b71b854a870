/* Regular files, read by position.
 *
 * Every file that the engine reads comes through here, so that pipes, devices and files
 * that shrink while they are read are thought of once.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sde.h"

#define MAX_READ ((size_t) 1 << 30) /* one read() takes no more than 2 GiB on Linux */

struct _SdeFile {
    char *path;
    int fd;
    uint64_t size;
};

static void
set_error_from_errno(GError **error, const char *path, int code)
{
    g_autofree char *name = g_filename_display_name(path);

    g_set_error(error, G_FILE_ERROR, (int) g_file_error_from_errno(code),
                "cannot read '%s': %s", name, g_strerror(code));
}

static bool
check_regular(SdeFile *file, GError **error)
{
    struct stat info;

    if (fstat(file->fd, &info) != 0) {
        set_error_from_errno(error, file->path, errno);
        return false;
    }
    if (S_ISDIR(info.st_mode)) {
        set_error_from_errno(error, file->path, EISDIR);
        return false;
    }
    if (!S_ISREG(info.st_mode)) {
        g_autofree char *name = g_filename_display_name(file->path);

        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "cannot read '%s': expected a regular file, found a device or pipe",
                    name);
        return false;
    }
    file->size = (uint64_t) info.st_size;
    return true;
}

SdeFile *
sde_file_open(const char *path, GError **error)
{
    g_autoptr(SdeFile) file = g_new0(SdeFile, 1);

    file->path = g_strdup(path);
    /* Without O_NONBLOCK the open itself would wait for the writer of a pipe. */
    file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (file->fd < 0) {
        set_error_from_errno(error, path, errno);
        return NULL;
    }
    if (!check_regular(file, error)) {
        return NULL;
    }
    return g_steal_pointer(&file);
}

void
sde_file_free(SdeFile *file)
{
    if (file == NULL) {
        return;
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    g_free(file->path);
    g_free(file);
}

uint64_t
sde_file_get_size(const SdeFile *file)
{
    return file->size;
}

bool
sde_file_read(SdeFile *file, uint64_t offset, void *buffer, size_t size, GError **error)
{
    char *out = buffer;

    while (size > 0) {
        ssize_t n = pread(file->fd, out, MIN(size, MAX_READ), (off_t) offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            set_error_from_errno(error, file->path, errno);
            return false;
        }
        if (n == 0) {
            g_autofree char *name = g_filename_display_name(file->path);

            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "'%s' ends %" G_GSIZE_FORMAT " bytes too early", name, size);
            return false;
        }
        out += n;
        offset += (uint64_t) n;
        size -= (size_t) n;
    }
    return true;
}
