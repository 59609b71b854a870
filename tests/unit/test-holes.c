/* Cutting a mask into holes.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/holes.h"

#include "fake-denoiser.h"
#include "task/mask.h"

#define SPECK 3 /* pixels on a side */

static const SdeHoleParams whole = {0}, thin = {.cuts_thin = true};

static void
add_hole(SdeMask *mask, SdeRect hole)
{
    float *levels = (float *) mask->levels;

    for (int y = hole.y; y < hole.y + hole.height; y++) {
        for (int x = hole.x; x < hole.x + hole.width; x++) {
            levels[(size_t) y * mask->stride + (size_t) x] = 1.0f;
        }
    }
}

static SdeHole
get_hole(const GArray *holes, guint i)
{
    return g_array_index(holes, SdeHole, i);
}

static bool
holds(SdeRect outer, SdeRect inner)
{
    SdeRect both = sde_rect_intersect(outer, inner);

    return both.width == inner.width && both.height == inner.height;
}

/* Every masked pixel is in exactly one hole, and every hole in its crop. */
static void
assert_complete(const SdeMask *mask, const GArray *holes)
{
    for (guint i = 0; i < holes->len; i++) {
        g_assert_true(holds(get_hole(holes, i).crop, get_hole(holes, i).bounds));
        for (guint j = 0; j < i; j++) {
            SdeRect both = sde_rect_intersect(get_hole(holes, i).bounds,
                                              get_hole(holes, j).bounds);

            g_assert_cmpint(both.width, ==, 0);
        }
    }
    for (int at = 0; at < mask->width * mask->height; at++) {
        SdeRect pixel = {at % mask->width, at / mask->width, 1, 1};
        int n = 0;

        for (guint i = 0; mask->levels[at] > 0.0f && i < holes->len; i++) {
            n += holds(get_hole(holes, i).bounds, pixel);
        }
        g_assert_cmpint(n, ==, mask->levels[at] > 0.0f ? 1 : 0);
    }
}

static double
count_pixels(const GArray *holes)
{
    double sum = 0.0;

    for (guint i = 0; i < holes->len; i++) {
        sum += (double) get_hole(holes, i).crop.width * get_hole(holes, i).crop.height;
    }
    return sum;
}

static void
test_far_holes_are_separate_and_exact(void)
{
    SdeMask mask = test_mask_new(1000, 700, (SdeRect) {100, 50, 20, 30});
    SdeHoleParams params = {.spread = 5};
    g_autoptr(GArray) holes = NULL;

    add_hole(&mask, (SdeRect) {800, 600, 7, 9});
    holes = sde_holes_find(&mask, &params);
    g_assert_cmpint(holes->len, ==, 2);
    for (guint i = 0; i < 2; i++) {
        SdeHole hole = get_hole(holes, i);

        g_assert_cmpint(hole.bounds.x, ==, i == 0 ? 95 : 795);
        g_assert_cmpint(hole.bounds.width, ==, i == 0 ? 30 : 17);
        g_assert_cmpint(hole.crop.x, ==, hole.bounds.x - 64);
        g_assert_cmpint(hole.crop.height, ==,
                        MIN(hole.bounds.y + hole.bounds.height + 64, 700) -
                            MAX(hole.bounds.y - 64, 0));
        g_assert_false(hole.thin);
    }
    g_free((float *) mask.levels);
}

static void
test_near_holes_are_one(void)
{
    SdeMask mask = test_mask_new(600, 200, (SdeRect) {50, 50, 10, 10});
    SdeHoleParams params = {.context = 64};
    g_autoptr(GArray) holes = NULL;

    add_hole(&mask, (SdeRect) {170, 50, 10, 10});
    add_hole(&mask, (SdeRect) {290, 50, 10, 10});
    holes = sde_holes_find(&mask, &params);
    g_assert_cmpint(holes->len, ==, 1);
    g_assert_cmpint(get_hole(holes, 0).bounds.width, ==, 250);
    g_free((float *) mask.levels);
}

static void
test_every_pixel_is_in_one_hole(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(3);

    for (int round = 0; round < 4; round++) {
        SdeMask mask = test_mask_new(1500, 1100, (SdeRect) {0});
        SdeHoleParams params = {.context = 40, .cuts_thin = round % 2 == 1};
        g_autoptr(GArray) holes = NULL;

        for (int i = 0; i < 25; i++) {
            int longest = round < 2 ? 60 : 400, widest = round < 2 ? 60 : 12;

            add_hole(&mask, (SdeRect) {g_rand_int_range(random, 0, 1100),
                                       g_rand_int_range(random, 0, 1000),
                                       g_rand_int_range(random, 1, longest),
                                       g_rand_int_range(random, 1, widest)});
        }
        holes = sde_holes_find(&mask, &params);
        g_assert_cmpint(holes->len, >, 1);
        assert_complete(&mask, holes);
        g_free((float *) mask.levels);
    }
}

static void
add_diagonal(SdeMask *mask, int first, int n)
{
    for (int i = first; i < first + n; i++) {
        add_hole(mask, (SdeRect) {i, i, 2, 2});
    }
}

/* A scratch over the whole picture: not the whole picture is looked at. */
static void
test_a_thin_line_is_cut(void)
{
    SdeMask mask = test_mask_new(1600, 1600, (SdeRect) {0});
    g_autoptr(GArray) one = NULL, several = NULL;

    add_diagonal(&mask, 100, 1400);
    one = sde_holes_find(&mask, &whole);
    several = sde_holes_find(&mask, &thin);
    g_assert_cmpint(one->len, ==, 1);
    assert_complete(&mask, several);
    g_assert_cmpfloat(count_pixels(several), <, 0.2 * count_pixels(one));
    for (guint i = 0; i < several->len; i++) {
        g_assert_true(get_hole(several, i).thin);
    }
    g_free((float *) mask.levels);
}

static void
test_specks_cost_no_more_than_their_number(void)
{
    SdeMask mask = test_mask_new(1600, 1600, (SdeRect) {0});
    g_autoptr(GArray) holes = NULL;

    for (int i = 0; i < 64; i++) {
        add_hole(&mask, (SdeRect) {40 + i % 8 * 200, 40 + i / 8 * 200, SPECK, SPECK});
    }
    holes = sde_holes_find(&mask, &thin);
    g_assert_cmpint(holes->len, ==, 64);
    assert_complete(&mask, holes);
    g_assert_cmpfloat(count_pixels(holes), <=, 64.0 * (SPECK + 64) * (SPECK + 64));
    g_free((float *) mask.levels);
}

/* What is deep stays whole, with a line through it; far from it the line is cut. */
static void
test_what_is_deep_is_never_cut(void)
{
    SdeRect deep = {500, 480, 300, 330};
    SdeMask mask = test_mask_new(1600, 1600, deep);
    g_autoptr(GArray) holes = NULL;
    int n_deep = 0;

    add_diagonal(&mask, 20, 1500);
    holes = sde_holes_find(&mask, &thin);
    assert_complete(&mask, holes);
    g_assert_cmpint(holes->len, >, 4);
    for (guint i = 0; i < holes->len; i++) {
        SdeHole hole = get_hole(holes, i);

        if (!hole.thin) {
            g_assert_true(holds(hole.bounds, deep));
            g_assert_cmpint(hole.bounds.width, <, 480);
            g_assert_cmpint(hole.crop.x, <=, hole.bounds.x - 150);
            n_deep++;
        }
    }
    g_assert_cmpint(n_deep, ==, 1);
    g_free((float *) mask.levels);
}

/* The limit is 6 pixels to what is known, grown by what is spread. */
static void
test_thin_is_counted_with_what_is_spread(void)
{
    for (int spread = 0; spread < 8; spread++) {
        for (int width = 4; width < 16; width++) {
            SdeMask mask = test_mask_new(400, 300, (SdeRect) {150, 50, width, 200});
            SdeHoleParams params = {.spread = spread, .cuts_thin = true};
            g_autoptr(GArray) holes = sde_holes_find(&mask, &params);

            g_assert_cmpint(get_hole(holes, 0).thin, ==,
                            spread < SDE_THIN_DEPTH &&
                                (width + 1) / 2 <= SDE_THIN_DEPTH - spread);
            g_free((float *) mask.levels);
        }
    }
}

static void
test_what_is_spread_is_in_a_hole(void)
{
    SdeMask mask = test_mask_new(640, 640, (SdeRect) {0}), grown;
    SdeHoleParams params = {.spread = 3, .cuts_thin = true};
    g_autoptr(GArray) holes = NULL;
    g_autofree float *levels = g_new(float, 640 * 640);
    g_autofree float *scratch = g_new(float, 640 * 640);

    add_diagonal(&mask, 5, 630);
    holes = sde_holes_find(&mask, &params);
    g_assert_cmpint(holes->len, >, 1);
    sde_mask_read(&mask, (SdeRect) {0, 0, 640, 640}, levels);
    sde_mask_spread(levels, 640, 640, 3, 0, scratch);
    grown = (SdeMask) {levels, 640, 640, 640};
    assert_complete(&grown, holes);
    g_free((float *) mask.levels);
}

static void
test_nothing_has_no_holes(void)
{
    SdeMask mask = test_mask_new(100, 90, (SdeRect) {0});
    g_autoptr(GArray) holes = sde_holes_find(&mask, &thin);

    g_assert_cmpint(holes->len, ==, 0);
    g_free((float *) mask.levels);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/holes/far", test_far_holes_are_separate_and_exact);
    g_test_add_func("/holes/near", test_near_holes_are_one);
    g_test_add_func("/holes/complete", test_every_pixel_is_in_one_hole);
    g_test_add_func("/holes/line", test_a_thin_line_is_cut);
    g_test_add_func("/holes/specks", test_specks_cost_no_more_than_their_number);
    g_test_add_func("/holes/deep", test_what_is_deep_is_never_cut);
    g_test_add_func("/holes/thin", test_thin_is_counted_with_what_is_spread);
    g_test_add_func("/holes/spread", test_what_is_spread_is_in_a_hole);
    g_test_add_func("/holes/none", test_nothing_has_no_holes);
    return g_test_run();
}
