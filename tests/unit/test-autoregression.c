/* Thin holes from the picture itself. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/autoregression.h"

#include <math.h>
#include <string.h>

#include "near.h"
#include "test-area.h"

enum { SIDE = 72, PADDED = 80, N = PADDED * PADDED };

typedef struct {
    SdeArea area;
    SdeTask task;
    float truth[3 * N];
} Fixture;

/* Makes a hole, in which the picture is guessed with half of its contrast. */
static void
dig(Fixture *fixture, SdeRect hole)
{
    for (int i = 0; i < N; i++) {
        for (int c = 0; test_lies_in(hole, i % PADDED, i / PADDED) && c < 3; c++) {
            fixture->area.levels[i] = 1.0f;
            fixture->area.out[3 * i + c] = 0.5f * fixture->truth[3 * i + c];
        }
    }
}

/* Waves across each other, which their neighbours say exactly; the padding is white. */
static void
set_up(Fixture *fixture, const void *data)
{
    fixture->task = (SdeTask) {.seed = 5};
    fixture->area = test_area_new(SIDE, PADDED);
    for (int i = 0; i < N; i++) {
        float x = (float) (i % PADDED), y = (float) (i / PADDED);
        bool padding = i % PADDED >= SIDE || i / PADDED >= SIDE;

        for (int c = 0; c < 3; c++) {
            float wave = 0.4f * sinf(0.9f * x + 0.5f * y + (float) c) +
                         0.2f * sinf(0.3f * x - 0.8f * y);

            fixture->truth[3 * i + c] = padding ? 1.0f : wave;
        }
    }
    memcpy(fixture->area.out, fixture->truth, sizeof(fixture->truth));
}

static void
tear_down(Fixture *fixture, const void *data)
{
    test_area_clear(&fixture->area);
}

static void
refine(Fixture *fixture)
{
    GError *error = NULL;

    g_assert_true(
        sde_autoregression_refine(&fixture->area, &fixture->task, NULL, &error));
    g_assert_no_error(error);
}

/* Root mean square in a rectangle. */
static double
measure_error(const Fixture *fixture, SdeRect rect)
{
    double sum = 0.0;

    for (int i = 0; i < N; i++) {
        for (int c = 3 * i; test_lies_in(rect, i % PADDED, i / PADDED) && c < 3 * i + 3;
             c++) {
            double error = (double) (fixture->area.out[c] - fixture->truth[c]);

            sum += error * error / (3 * rect.width * rect.height);
        }
    }
    return sqrt(sum);
}

static void
test_waves_go_on_in_a_scratch(Fixture *fixture, const void *data)
{
    const SdeRect scratches[] = {{10, 30, 50, 1}, {0, 0, 2, SIDE}, {40, 0, 3, 60}};

    for (size_t i = 0; i < G_N_ELEMENTS(scratches); i++) {
        dig(fixture, scratches[i]);
    }
    refine(fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(scratches); i++) { /* of 0.16 each */
        g_assert_cmpfloat(measure_error(fixture, scratches[i]), <, i == 0 ? 0.03 : 0.1);
    }
}

static void
assert_same_outside(const Fixture *fixture, SdeRect rect, const float *before)
{
    for (int i = 0; i < N; i++) {
        if (!test_lies_in(rect, i % PADDED, i / PADDED)) {
            g_assert_cmpmem(fixture->area.out + 3 * i, 3 * sizeof(float),
                            before + 3 * i, 3 * sizeof(float));
        }
    }
}

static void
test_all_but_thin_holes_stays_bit_for_bit(Fixture *fixture, const void *data)
{
    const SdeRect thin = {40, 5, 2, 60}, deep = {4, 20, 14, 30};
    const SdeRect beside = {18, 30, 5, 2}; /* the deep hole, which it belongs to */
    g_autofree float *before = NULL;

    dig(fixture, thin);
    dig(fixture, deep);
    dig(fixture, beside);
    before = g_memdup2(fixture->area.out, sizeof(fixture->truth));
    refine(fixture);
    assert_same_outside(fixture, thin, before);
    g_assert_cmpfloat(measure_error(fixture, thin), <, 0.05);
}

/* No hole, nothing but hole, and too little around one. */
static void
test_without_a_picture_guesses_stay(Fixture *fixture, const void *data)
{
    const SdeRect known = {30, 30, 6, 6};

    refine(fixture);
    g_assert_cmpmem(fixture->area.out, sizeof(fixture->truth), fixture->truth,
                    sizeof(fixture->truth));
    for (int i = 0; i < N; i++) { /* lines of known pixels, few of them */
        fixture->area.levels[i] =
            test_lies_in(known, i % PADDED, i / PADDED) && i % 2 == 0 ? 0.0f : 1.0f;
    }
    refine(fixture);
    g_assert_cmpmem(fixture->area.out, sizeof(fixture->truth), fixture->truth,
                    sizeof(fixture->truth));
}

static void
test_an_even_picture_stays_even(Fixture *fixture, const void *data)
{
    const SdeRect hole = {20, 20, 30, 3};

    for (int i = 0; i < 3 * N; i++) {
        fixture->area.out[i] = fixture->truth[i] = i % 3 == 0 ? 1.0f : -0.3f;
    }
    dig(fixture, hole);
    refine(fixture);
    g_assert_cmpfloat(measure_error(fixture, hole), <, 0.02);
    for (int i = 0; i < 3 * N; i++) {
        g_assert_true(fabsf(fixture->area.out[i]) <= 1.0f);
    }
}

static void
test_threads_do_not_show(Fixture *fixture, const void *data)
{
    g_autoptr(SdePool) pool = sde_pool_new(3);
    g_autofree float *before = NULL, *once = NULL;

    for (int y = 3; y < SIDE; y += 8) {
        dig(fixture, (SdeRect) {y / 2, y, 50, 2});
    }
    before = g_memdup2(fixture->area.out, sizeof(fixture->truth));
    refine(fixture);
    once = g_memdup2(fixture->area.out, sizeof(fixture->truth));
    memcpy(fixture->area.out, before, sizeof(fixture->truth));
    fixture->task.pool = pool;
    refine(fixture);
    g_assert_cmpmem(fixture->area.out, sizeof(fixture->truth), once,
                    sizeof(fixture->truth));
}

static void
test_a_cancelled_refinement_is_an_error(Fixture *fixture, const void *data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SdeSpan span = {.end = 1.0, .cancellable = cancellable};
    GError *error = NULL;

    dig(fixture, (SdeRect) {20, 20, 30, 3});
    g_cancellable_cancel(cancellable);
    g_assert_false(
        sde_autoregression_refine(&fixture->area, &fixture->task, &span, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, func) \
    g_test_add("/autoregression/" name, Fixture, NULL, set_up, func, tear_down)
    ADD("waves", test_waves_go_on_in_a_scratch);
    ADD("exact", test_all_but_thin_holes_stays_bit_for_bit);
    ADD("nothing", test_without_a_picture_guesses_stay);
    ADD("even", test_an_even_picture_stays_even);
    ADD("threads", test_threads_do_not_show);
    ADD("cancel", test_a_cancelled_refinement_is_an_error);
    return g_test_run();
}
