/* What the tasks share that is too long for a header.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/task.h"

SdeRect
sde_rect_intersect(SdeRect a, SdeRect b)
{
    int left = MAX(a.x, b.x), right = MIN(a.x + a.width, b.x + b.width);
    int top = MAX(a.y, b.y), bottom = MIN(a.y + a.height, b.y + b.height);

    if (right <= left || bottom <= top) {
        return (SdeRect) {0};
    }
    return (SdeRect) {left, top, right - left, bottom - top};
}

SdeRect
sde_rect_unite(SdeRect a, SdeRect b)
{
    int left = MIN(a.x, b.x), right = MAX(a.x + a.width, b.x + b.width);
    int top = MIN(a.y, b.y), bottom = MAX(a.y + a.height, b.y + b.height);

    return (SdeRect) {left, top, right - left, bottom - top};
}

bool
sde_task_check_memory(const SdeTask *task, size_t bytes, int width, int height,
                      const char *advice, GError **error)
{
    if (bytes <= task->memory_limit) {
        return true;
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                "working on %d × %d pixels needs %" G_GSIZE_FORMAT
                " MiB of memory, the limit is %" G_GSIZE_FORMAT " MiB; %s",
                width, height, (bytes >> 20) + 1, task->memory_limit >> 20, advice);
    return false;
}
