/* Pieces that are copied from two places. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/stitch.h"

#include <math.h>
#include <string.h>

#include "near.h"

/* Known pixels to the left of BEGIN and from END on; up to MIDDLE what lies between is
 * copied from the former, then from the latter. */
enum { WIDTH = 64, HEIGHT = 24, N = WIDTH * HEIGHT, BEGIN = 16, MIDDLE = 30, END = 46 };

typedef struct {
    float values[N][3];
    int sources[N];
} Picture;

static void
set_up(Picture *picture, float (*value)(int x, int y))
{
    for (int i = 0; i < N; i++) {
        int x = i % WIDTH, y = i / WIDTH;
        int from = x < BEGIN || x >= END ? x : x < MIDDLE ? x - BEGIN : x + WIDTH - END;

        g_assert(from < BEGIN || from >= END);
        picture->sources[i] = y * WIDTH + from;
        for (int c = 0; c < 3; c++) {
            picture->values[i][c] = value(from, y) * (1.0f - 0.2f * (float) c);
        }
    }
}

static void
stitch(Picture *picture)
{
    const SdeStitch job = {WIDTH, HEIGHT, 3, picture->values[0], picture->sources};
    GError *error = NULL;

    g_assert_true(sde_stitch_run(&job, NULL, &error));
    g_assert_no_error(error);
}

/* The greatest difference between neighbours in a row, from x to x + n. */
static float
find_greatest_step(const Picture *picture, int x, int n)
{
    float greatest = 0.0f;

    for (int y = 0; y < HEIGHT; y++) {
        for (int i = y * WIDTH + x; i < y * WIDTH + x + n; i++) {
            float step = picture->values[i + 1][0] - picture->values[i][0];

            greatest = MAX(greatest, fabsf(step));
        }
    }
    return greatest;
}

static float
two_skies(int x, int y)
{
    return x < WIDTH / 2 ? 0.10f : 0.16f;
}

static float
two_things(int x, int y)
{
    return x < WIDTH / 2 ? -0.9f : 0.9f;
}

/* To the right of what is copied from the left the picture goes on as the other piece
 * does. */
static float
edge(int x, int y)
{
    return x < MIDDLE - BEGIN ? 0.10f : 0.16f;
}

static void
test_a_small_step_is_spread(void)
{
    Picture before, after;

    set_up(&before, two_skies);
    after = before;
    stitch(&after);

    assert_near((double) find_greatest_step(&before, 0, WIDTH - 1), 0.06, 1e-6);
    g_assert_cmpfloat(find_greatest_step(&after, 0, WIDTH - 1), <, 0.01);
    for (int i = 0; i < N; i++) {
        if (after.sources[i] == i) {
            g_assert_cmpmem(before.values[i], sizeof(before.values[i]), after.values[i],
                            sizeof(after.values[i]));
        }
    }
}

static void
test_a_great_step_stays(void)
{
    Picture picture;

    set_up(&picture, two_things);
    stitch(&picture);
    assert_near((double) find_greatest_step(&picture, MIDDLE - 1, 1), 1.8, 1e-3);
}

static void
test_an_edge_of_the_sources_stays(void)
{
    Picture picture;

    set_up(&picture, edge);
    stitch(&picture);
    assert_near((double) find_greatest_step(&picture, MIDDLE - 1, 1), 0.06, 0.002);
}

/* A slope of four pixels, again and again to the edge of a picture that is large enough
 * for threads: each step is small, and all of them would make another colour. */
enum { LENGTH = 320, ROWS = 64 };

static void
stitch_slopes(float (*values)[3], SdePool *pool)
{
    g_autofree int *sources = g_new(int, LENGTH *ROWS);
    const SdeStitch job = {LENGTH, ROWS, 3, values[0], sources};
    GError *error = NULL;

    for (int i = 0; i < LENGTH * ROWS; i++) {
        int x = i % LENGTH;
        int from = x < BEGIN ? x : x % 4 + 4;

        sources[i] = i - x + from;
        for (int c = 0; c < 3; c++) {
            values[i][c] = 0.02f * (float) from;
        }
    }
    g_assert_true(sde_stitch_run(&job, pool, &error));
    g_assert_no_error(error);
}

static void
test_shifts_do_not_add_up(void)
{
    static float values[LENGTH * ROWS][3];

    stitch_slopes(values, NULL);
    for (int x = LENGTH / 2 - 10; x < LENGTH / 2 + 10; x++) {
        assert_near((double) values[ROWS / 2 * LENGTH + x][0], 0.11, 0.06);
    }
}

static void
test_threads_do_not_show(void)
{
    g_autoptr(SdePool) pool = sde_pool_new(3);
    static float one[LENGTH * ROWS][3], several[LENGTH * ROWS][3];

    stitch_slopes(one, NULL);
    stitch_slopes(several, pool);
    g_assert_cmpmem(one, sizeof(one), several, sizeof(several));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stitch/a-small-step-is-spread", test_a_small_step_is_spread);
    g_test_add_func("/stitch/a-great-step-stays", test_a_great_step_stays);
    g_test_add_func("/stitch/an-edge-of-the-sources-stays",
                    test_an_edge_of_the_sources_stays);
    g_test_add_func("/stitch/shifts-do-not-add-up", test_shifts_do_not_add_up);
    g_test_add_func("/stitch/threads-do-not-show", test_threads_do_not_show);
    return g_test_run();
}
