/* Views of a picture: rows and columns in reverse order.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/views.h"

enum { COLUMNS = 1, ROWS = 2 };

/* What is reversed in a view: of two that follow each other, one differs (Gray code).
 */
static int
reversed_in(int view)
{
    return view ^ (view >> 1);
}

static void
swap(float *a, float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float held = a[i];

        a[i] = b[i];
        b[i] = held;
    }
}

static void
reverse_columns(float *row, int width, int n_channels)
{
    size_t n = (size_t) n_channels;

    for (int x = 0; x < width / 2; x++) {
        swap(row + (size_t) x * n, row + (size_t) (width - 1 - x) * n, n);
    }
}

typedef struct {
    float *pixels;
    int width, height, n_channels;
    int change; /* COLUMNS, ROWS, or both */
} Change;

/* Row y and the one as far from the other end. */
static void
change_rows(size_t y, int thread, void *data)
{
    const Change *change = data;
    size_t pitch = (size_t) change->width * (size_t) change->n_channels;
    float *row = change->pixels + y * pitch;
    float *other = change->pixels + ((size_t) change->height - 1 - y) * pitch;

    if ((change->change & COLUMNS) != 0) {
        reverse_columns(row, change->width, change->n_channels);
        if (other != row) {
            reverse_columns(other, change->width, change->n_channels);
        }
    }
    if ((change->change & ROWS) != 0 && other != row) {
        swap(row, other, pitch);
    }
}

void
sde_view_change(SdePool *pool, float *pixels, int width, int height, int n_channels,
                int from, int to)
{
    Change change = {pixels, width, height, n_channels,
                     reversed_in(from) ^ reversed_in(to)};

    if (change.change == 0) {
        return;
    }
    sde_parallel_for(pool, ((size_t) height + 1) / 2, NULL, change_rows, &change);
}
