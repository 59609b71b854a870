/* Tiles: cover, weights, choice of size, and one evaluation over all of them.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "task/tiles.h"

#include <math.h>

#include "fake-denoiser.h"
#include "near.h"

/* Products and sums of up to four weights in float. */
#define WEIGHT_TOLERANCE 1e-6
/* The same, times values of up to 1. */
#define BLEND_TOLERANCE 2e-6

typedef struct {
    SdeSchedule *schedule;
    FakeDenoiser fake;
    SdeTask task;
} Fixture;

static void
set_up(Fixture *fixture, const void *level_map)
{
    fixture->schedule = fake_schedule_new();
    fake_init(&fixture->fake, fixture->schedule, level_map != NULL);
    fixture->task = fake_task(&fixture->fake);
}

static void
tear_down(Fixture *fixture, const void *level_map)
{
    sde_schedule_free(fixture->schedule);
}

static SdeTiles *
new_tiles(Fixture *fixture, int width, int height, int size, int overlap)
{
    GError *error = NULL;
    SdeTiles *tiles = sde_tiles_new(&fixture->fake.base, width, height, size, overlap,
                                    fixture->task.memory_limit, &error);

    g_assert_no_error(error);
    return tiles;
}

static void
check_cover(Fixture *fixture, int width, int height, int size, int overlap)
{
    g_autoptr(SdeTiles) tiles = new_tiles(fixture, width, height, size, overlap);
    g_autofree float *sum = g_new0(float, (size_t) width *(size_t) height);

    for (int i = 0; i < sde_tiles_get_count(tiles); i++) {
        SdeRect window = sde_tiles_get_window(tiles, i);

        g_assert_cmpint(window.x, >=, 0);
        g_assert_cmpint(window.y, >=, 0);
        g_assert_cmpint(window.x + window.width, <=, width);
        g_assert_cmpint(window.y + window.height, <=, height);
        g_assert_cmpint(MAX(window.width, window.height), <=, size);
        g_assert_cmpint(window.x % 8 + window.y % 8, ==, 0);
        for (int y = 0; y < window.height; y++) {
            for (int x = 0; x < window.width; x++) {
                float weight = sde_tiles_get_weight(tiles, i, x, y);

                g_assert_true(weight >= 0.0f && weight <= 1.0f);
                sum[(window.y + y) * width + window.x + x] += weight;
            }
        }
    }
    for (int i = 0; i < width * height; i++) {
        assert_near((double) sum[i], 1.0, WEIGHT_TOLERANCE);
    }
}

static void
test_tiles_cover_every_pixel_once(Fixture *fixture, const void *level_map)
{
    const int sides[] = {8, 16, 24, 64, 72, 96, 104, 136, 200, 328};
    const int overlaps[] = {1, 8, 16, 24, 32};

    for (size_t i = 0; i < G_N_ELEMENTS(sides); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(overlaps); j++) {
            check_cover(fixture, sides[i], sides[(i + 3) % G_N_ELEMENTS(sides)], 64,
                        overlaps[j]);
            check_cover(fixture, sides[i], 40, 32, overlaps[j]);
        }
    }
}

static void
test_a_window_border_inside_the_picture_has_no_weight(Fixture *fixture,
                                                      const void *level_map)
{
    g_autoptr(SdeTiles) tiles = new_tiles(fixture, 400, 64, 64, 16);

    for (int i = 0; i < sde_tiles_get_count(tiles); i++) {
        SdeRect window = sde_tiles_get_window(tiles, i);

        g_assert_cmpfloat(sde_tiles_get_weight(tiles, i, 0, 5), ==,
                          window.x == 0 ? 1.0f : 0.0f);
        g_assert_cmpfloat(sde_tiles_get_weight(tiles, i, window.width - 1, 5), ==,
                          window.x + window.width == 400 ? 1.0f : 0.0f);
    }
}

/* ---- evaluation -------------------------------------------------------------------
 */

typedef struct {
    const float *x, *theta;
    size_t width;
} Planes;

static void
fetch(SdeRect window, float *x, float *theta, float *mean, void *data)
{
    const Planes *planes = data;

    for (int y = 0; y < window.height; y++) {
        size_t from = (size_t) (window.y + y) * planes->width + (size_t) window.x;
        size_t to = (size_t) y * (size_t) window.width;

        memcpy(x + 3 * to, planes->x + 3 * from, 3 * (size_t) window.width * 4);
        if (theta != NULL) {
            memcpy(theta + to, planes->theta + from, (size_t) window.width * 4);
        }
    }
}

enum { WIDTH = 168, HEIGHT = 104, N = WIDTH * HEIGHT };

/* D of a WIDTH × HEIGHT picture with a graded map, in tiles of this size. */
static float *
denoise_in_views(Fixture *fixture, int size, int n_views, const float *selection)
{
    g_autoptr(SdeTiles) tiles = new_tiles(fixture, WIDTH, HEIGHT, size, 0);
    g_autofree float *x = g_new(float, 3 * N), *theta = g_new(float, N);
    Planes planes = {.x = x, .theta = theta, .width = WIDTH};
    SdeTilesInput input = {.fetch = fetch,
                           .data = &planes,
                           .has_theta = true,
                           .theta_max = 1.0f,
                           .classes = {.label = -1},
                           .guidance = 1.0,
                           .n_views = n_views};
    float *d = g_new(float, 3 * N);
    GError *error = NULL;

    for (int i = 0; i < 3 * N; i++) {
        x[i] = sinf(0.37f * (float) i);
        theta[i / 3] = (float) (i / 3 % WIDTH) / (float) WIDTH;
    }
    if (selection != NULL) {
        sde_tiles_select(tiles, selection);
    }
    sde_tiles_denoise(tiles, &fixture->task, &input, d, NULL, &error);
    g_assert_no_error(error);
    return d;
}

static float *
denoise_in_tiles(Fixture *fixture, int size, const float *selection)
{
    return denoise_in_views(fixture, size, 1, selection);
}

static void
test_a_pointwise_result_does_not_depend_on_the_tiles(Fixture *fixture,
                                                     const void *level_map)
{
    const int sizes[] = {24, 40, 64, 96};
    g_autofree float *whole = denoise_in_tiles(fixture, 512, NULL);

    g_assert_cmpint(fixture->fake.n_calls, ==, 1);
    for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++) {
        g_autofree float *d = denoise_in_tiles(fixture, sizes[k], NULL);

        for (int i = 0; i < 3 * N; i++) {
            assert_near((double) d[i], (double) whole[i], BLEND_TOLERANCE);
        }
    }
}

/* Each view is another picture to the network, and is laid back before it counts. */
static void
test_views_are_mirrored_and_laid_back(Fixture *fixture, const void *level_map)
{
    const int corners[] = {0, WIDTH - 1, N - 1, N - WIDTH};
    g_autofree float *whole = denoise_in_tiles(fixture, 512, NULL);

    for (int n_views = 1; n_views <= 4; n_views++) {
        g_autofree float *d = NULL;

        fixture->fake.n_calls = 0;
        d = denoise_in_views(fixture, 512, n_views, NULL);
        g_assert_cmpint(fixture->fake.n_calls, ==, n_views);
        g_assert_cmpfloat(fixture->fake.last_x, ==,
                          sinf(0.37f * (float) (3 * corners[n_views - 1])));
        for (int i = 0; i < 3 * N; i++) {
            assert_near((double) d[i], (double) whole[i], BLEND_TOLERANCE);
        }
    }
}

static void
test_only_tiles_with_a_level_are_run(Fixture *fixture, const void *level_map)
{
    g_autofree float *selection = g_new0(float, N);
    g_autofree float *d = NULL;
    g_autofree float *whole = denoise_in_tiles(fixture, 512, NULL);

    selection[3 * WIDTH + 3] = 0.01f;
    fixture->fake.n_calls = 0;
    d = denoise_in_tiles(fixture, 64, selection);
    g_assert_cmpint(fixture->fake.n_calls, ==, 1);
    assert_near((double) d[3 * (3 * WIDTH + 3)], (double) whole[3 * (3 * WIDTH + 3)],
                BLEND_TOLERANCE);
    g_assert_cmpfloat(d[3 * (N - 1)], ==, 0.0f);
}

/* ---- choice of size ---------------------------------------------------------------
 */

static void
test_less_memory_gives_smaller_tiles_then_an_error_with_numbers(Fixture *fixture,
                                                                const void *level_map)
{
    GError *error = NULL;
    size_t bytes = (size_t) 1 << 26;
    int last = 1 << 20, n = 0;

    for (;; bytes = bytes * 9 / 10) {
        g_autoptr(SdeTiles) tiles =
            sde_tiles_new(&fixture->fake.base, 1024, 1024, 0, 0, bytes, &error);

        if (tiles == NULL) {
            break;
        }
        g_assert_cmpuint(sde_tiles_plan(tiles, &fixture->fake.base), <=, bytes);
        g_assert_cmpint(sde_tiles_get_window(tiles, 0).width, <=, last);
        last = sde_tiles_get_window(tiles, 0).width;
        n++;
    }
    g_assert_cmpint(n, >, 5);
    g_assert_cmpint(last, <=, 64);
    g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
    g_assert_nonnull(strstr(error->message, "MiB"));
    g_assert_nonnull(strstr(error->message, "raise the memory limit"));
    g_clear_error(&error);
}

static void
test_an_ordinary_model_works_at_its_own_size(Fixture *fixture, const void *level_map)
{
    g_autoptr(SdeTiles) tiles = new_tiles(fixture, 1024, 1024, 0, 0);

    g_assert_cmpint(sde_tiles_get_window(tiles, 0).width, <=,
                    fixture->fake.base.sample_size);
}

static void
test_mirror_repeats_no_edge(Fixture *fixture, const void *level_map)
{
    const int expected[] = {2, 1, 0, 1, 2, 3, 2, 1, 0, 1, 2};

    for (int i = -2; i <= 8; i++) {
        g_assert_cmpint(sde_mirror_index(i, 4), ==, expected[i + 2]);
        g_assert_cmpint(sde_mirror_index(i, 1), ==, 0);
    }
}

static void
test_crop_clips_and_mirrors(Fixture *fixture, const void *level_map)
{
    SdeImage image = test_picture_new(5, 4, 2);
    float out[8 * 8 * 3];

    image.pixels[0] = 7.0f;
    sde_tiles_crop(&image, (SdeRect) {0, 0, 5, 4}, 8, 8, out);
    g_assert_cmpfloat(out[0], ==, 1.0f);
    for (int y = 0; y < 8; y++) {
        for (int x = 0; x < 8; x++) {
            const float *from =
                test_pixel(&image, sde_mirror_index(x, 5), sde_mirror_index(y, 4));

            g_assert_cmpfloat(out[(y * 8 + x) * 3 + 1], ==, 2.0f * from[1] - 1.0f);
        }
    }
    g_free(image.pixels);
}

#define ADD(name, level_map, func) \
    g_test_add("/tiles/" name, Fixture, level_map, set_up, func, tear_down)

int
main(int argc, char **argv)
{
    const char *yes = "level map";

    g_test_init(&argc, &argv, NULL);
    ADD("cover", yes, test_tiles_cover_every_pixel_once);
    ADD("border", yes, test_a_window_border_inside_the_picture_has_no_weight);
    ADD("pointwise", yes, test_a_pointwise_result_does_not_depend_on_the_tiles);
    ADD("views", yes, test_views_are_mirrored_and_laid_back);
    ADD("select", yes, test_only_tiles_with_a_level_are_run);
    ADD("memory", yes, test_less_memory_gives_smaller_tiles_then_an_error_with_numbers);
    ADD("ordinary", NULL, test_an_ordinary_model_works_at_its_own_size);
    ADD("mirror", yes, test_mirror_repeats_no_edge);
    ADD("crop", yes, test_crop_clips_and_mirrors);
    return g_test_run();
}
