/* Views of a picture: rows and columns in reverse order.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/views.h"

#include <stddef.h>

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

void
sde_view_change(float *pixels, int width, int height, int n_channels, int from, int to)
{
    int change = reversed_in(from) ^ reversed_in(to);
    size_t pitch = (size_t) width * (size_t) n_channels;

    for (int y = 0; (change & COLUMNS) != 0 && y < height; y++) {
        reverse_columns(pixels + (size_t) y * pitch, width, n_channels);
    }
    for (int y = 0; (change & ROWS) != 0 && y < height / 2; y++) {
        swap(pixels + (size_t) y * pitch, pixels + (size_t) (height - 1 - y) * pitch,
             pitch);
    }
}
