/* Texture for the middle of holes. SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/patches.h"

#include "fake-denoiser.h"
#include "near.h"
#include "test-area.h"

enum { SIDE = 104, PADDED = 112, N = PADDED * PADDED };
#define CONTRAST 0.4f /* of the texture */

typedef struct {
    SdeArea area;
    SdeTask task;
    SdeRect hole;
} Fixture;

/* Stripes of four pixels, grey in the hole; the padding is of another colour. */
static void
set_up_hole(Fixture *fixture, SdeRect hole)
{
    SdeArea *area = &fixture->area;

    fixture->hole = hole;
    for (int i = 0; i < N; i++) {
        int x = i % PADDED, y = i / PADDED;
        bool inside = test_lies_in(hole, x, y), padding = x >= SIDE || y >= SIDE;
        float stripe = (x + y / 3) % 4 < 2 ? -CONTRAST : CONTRAST;
        float value = padding ? 0.9f : inside ? 0.0f : stripe;

        area->levels[i] = inside ? 1.0f : 0.0f;
        for (int c = 0; c < 3; c++) {
            area->out[3 * i + c] = value;
        }
    }
}

static void
set_up(Fixture *fixture, const void *data)
{
    fixture->task = (SdeTask) {.seed = 5};
    fixture->area = test_area_new(SIDE, PADDED);
    set_up_hole(fixture, (SdeRect) {20, 24, 50, 60});
}

static void
tear_down(Fixture *fixture, const void *data)
{
    test_area_clear(&fixture->area);
}

static void
fill(Fixture *fixture)
{
    GError *error = NULL;

    g_assert_true(sde_patches_fill(&fixture->area, &fixture->task, NULL, &error));
    g_assert_no_error(error);
}

/* Standard deviation in a rectangle. */
static double
measure_contrast(const Fixture *fixture, SdeRect rect)
{
    double sum = 0.0, square = 0.0, n = 0.0;

    for (int y = rect.y; y < rect.y + rect.height; y++) {
        for (int x = rect.x; x < rect.x + rect.width; x++) {
            double value = (double) fixture->area.out[3 * (y * PADDED + x)];

            sum += value;
            square += value * value;
            n += 1.0;
        }
    }
    return sqrt(MAX(square / n - sum * sum / n / n, 0.0));
}

static void
test_texture_goes_on_in_the_middle(Fixture *fixture, const void *data)
{
    const SdeRect middle = {36, 40, 18, 28};

    g_assert_cmpfloat(measure_contrast(fixture, middle), ==, 0.0);
    fill(fixture);
    g_assert_cmpfloat(measure_contrast(fixture, middle), >, 0.7 * (double) CONTRAST);
    g_assert_cmpfloat(measure_contrast(fixture, middle), <, 1.3 * (double) CONTRAST);
}

/* Mean colour of a rect after the network said: orange, so strong. */
static void
fill_orange(Fixture *fixture, float strength, SdeRect rect, double mean[3])
{
    for (int i = 0; i < N; i++) {
        if (fixture->area.levels[i] > 0.0f) {
            fixture->area.out[3 * i] = strength;
            fixture->area.out[3 * i + 2] = -strength;
        }
    }
    fill(fixture);
    mean[0] = mean[1] = mean[2] = 0.0;
    for (int i = 0; i < N; i++) {
        for (int c = 0; test_lies_in(rect, i % PADDED, i / PADDED) && c < 3; c++) {
            mean[c] += (double) fixture->area.out[3 * i + c] / rect.width / rect.height;
        }
    }
}

static void
test_coarse_colors_are_kept_near_the_rim(Fixture *fixture, const void *data)
{
    double mean[3];

    fill_orange(fixture, 0.3f, (SdeRect) {30, 40, 6, 28}, mean);
    assert_near(mean[0], 0.3, 0.1);
    assert_near(mean[1], 0.0, 0.1);
    assert_near(mean[2], -0.3, 0.1);
}

static void
test_deep_colors_are_those_around(Fixture *fixture, const void *data)
{
    double mean[3];

    set_up_hole(fixture, (SdeRect) {12, 12, 80, 80});
    fill_orange(fixture, 0.6f, (SdeRect) {46, 46, 12, 12}, mean);
    assert_near(mean[0], mean[1], 0.03);
    assert_near(mean[2], mean[1], 0.03);
}

static void
test_a_small_difference_at_the_rim_goes_on_inwards(Fixture *fixture, const void *data)
{
    double mean[3];

    set_up_hole(fixture, (SdeRect) {12, 12, 80, 80});
    fill_orange(fixture, 0.06f, (SdeRect) {46, 46, 12, 12}, mean);
    assert_near(mean[0] - mean[1], 0.05, 0.02);
    assert_near(mean[2] - mean[1], -0.05, 0.02);
}

static void
test_known_pixels_and_the_rim_stay_bit_for_bit(Fixture *fixture, const void *data)
{
    g_autofree float *before = g_memdup2(fixture->area.out, 3 * N * sizeof(float));
    const SdeRect inner = {22, 26, 46, 56}; /* two pixels from the rim */

    fill(fixture);
    for (int i = 0; i < N; i++) {
        if (!test_lies_in(inner, i % PADDED, i / PADDED)) {
            g_assert_cmpmem(fixture->area.out + 3 * i, 3 * sizeof(float),
                            before + 3 * i, 3 * sizeof(float));
        }
    }
}

static void
test_shallow_holes_and_lonely_ones_stay_as_they_are(Fixture *fixture, const void *data)
{
    const SdeRect holes[] = {{20, 24, 4, 60}, {2, 2, SIDE - 4, SIDE - 4}, {0, 0, 0, 0}};

    for (size_t i = 0; i < G_N_ELEMENTS(holes); i++) {
        set_up_hole(fixture, holes[i]);
        g_autofree float *before = g_memdup2(fixture->area.out, 3 * N * sizeof(float));

        fill(fixture);
        g_assert_cmpmem(fixture->area.out, 3 * N * sizeof(float), before,
                        3 * N * sizeof(float));
    }
}

static void
test_a_border_is_filled(Fixture *fixture, const void *data)
{
    set_up_hole(fixture, (SdeRect) {0, 0, 40, SIDE});
    fill(fixture);
    g_assert_cmpfloat(measure_contrast(fixture, (SdeRect) {2, 20, 18, 60}), >,
                      0.7 * (double) CONTRAST);
}

/* Another hole and the padding are bright; nothing of them may be copied. */
static void
test_only_known_pixels_are_copied(Fixture *fixture, const void *data)
{
    for (int i = 0; i < N; i++) {
        if (test_lies_in((SdeRect) {80, 10, 20, 80}, i % PADDED, i / PADDED)) {
            fixture->area.levels[i] = 0.01f;
            fixture->area.out[3 * i] = 0.9f;
        }
    }
    for (int i = 0; i < N; i++) { /* what is sought is bright */
        if (test_lies_in(fixture->hole, i % PADDED, i / PADDED)) {
            fixture->area.out[3 * i] = fixture->area.out[3 * i + 1] = 0.9f;
        }
    }
    fill(fixture);
    /* so it has stripes, as all that is known has */
    g_assert_cmpfloat(measure_contrast(fixture, (SdeRect) {36, 40, 18, 28}), >, 0.2);
}

static void
test_threads_do_not_show_and_seeds_do(Fixture *fixture, const void *data)
{
    g_autoptr(SdePool) pool = sde_pool_new(3);
    g_autofree float *before = g_memdup2(fixture->area.out, 3 * N * sizeof(float));
    g_autofree float *once = NULL;

    for (int i = 0; i < N; i++) { /* noise, so that a seed has a choice */
        before[3 * i] += (float) (i * 7919 % 101) * 0.002f *
                         (fixture->area.levels[i] > 0.0f ? 0.0f : 1.0f);
    }
    memcpy(fixture->area.out, before, 3 * N * sizeof(float));
    fill(fixture);
    once = g_memdup2(fixture->area.out, 3 * N * sizeof(float));
    memcpy(fixture->area.out, before, 3 * N * sizeof(float));
    fixture->task.pool = pool;
    fill(fixture);
    g_assert_cmpmem(fixture->area.out, 3 * N * sizeof(float), once,
                    3 * N * sizeof(float));
    memcpy(fixture->area.out, before, 3 * N * sizeof(float));
    fixture->task.seed = 6;
    fill(fixture);
    g_assert_true(memcmp(fixture->area.out, once, 3 * N * sizeof(float)) != 0);
}

static void
test_a_cancelled_fill_is_an_error(Fixture *fixture, const void *data)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SdeSpan span = {.end = 1.0, .cancellable = cancellable};
    GError *error = NULL;

    g_cancellable_cancel(cancellable);
    g_assert_false(sde_patches_fill(&fixture->area, &fixture->task, &span, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_clear_error(&error);
}

#define ADD(name, func) \
    g_test_add("/patches/" name, Fixture, NULL, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("texture", test_texture_goes_on_in_the_middle);
    ADD("colors", test_coarse_colors_are_kept_near_the_rim);
    ADD("deep-colors", test_deep_colors_are_those_around);
    ADD("film", test_a_small_difference_at_the_rim_goes_on_inwards);
    ADD("exact", test_known_pixels_and_the_rim_stay_bit_for_bit);
    ADD("nothing", test_shallow_holes_and_lonely_ones_stay_as_they_are);
    ADD("border", test_a_border_is_filled);
    ADD("sources", test_only_known_pixels_are_copied);
    ADD("threads", test_threads_do_not_show_and_seeds_do);
    ADD("cancel", test_a_cancelled_fill_is_an_error);
    return g_test_run();
}
