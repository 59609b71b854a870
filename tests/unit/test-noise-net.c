/* The noise network's file, and how its guesses become an estimate. What it computes is
 * checked by a golden case. SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/noise-net.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "fake-denoiser.h"
#include "model/weights.h"
#include "near.h"
#include "sde.h"
#include "task/noise-level.h"
#include "task/noise-sample.h"
#include "temp-files.h"

enum { WIDTH = 8, N_LAYERS = 10, SIDE = 200 };

/* ---- a file in which every weight is 0 but the last biases --------------------------
 */

typedef struct {
    const char *name;
    int cout, cin, side;
} Layer;

static const Layer layers[N_LAYERS] = {
    {"conv_in", WIDTH, 12, 3},    {"convs.0", WIDTH, WIDTH, 3},
    {"convs.1", WIDTH, WIDTH, 3}, {"convs.2", WIDTH, WIDTH, 3},
    {"convs.3", WIDTH, WIDTH, 3}, {"convs.4", WIDTH, WIDTH, 3},
    {"convs.5", WIDTH, WIDTH, 3}, {"convs.6", WIDTH, WIDTH, 3},
    {"context", WIDTH, WIDTH, 1}, {"conv_out", 2, WIDTH, 1},
};

static size_t
add_tensor(GString *header, const char *name, const char *part, const char *shape,
           size_t begin, size_t count)
{
    size_t end = begin + 4 * count;

    g_string_append_printf(
        header,
        "%s\"%s.%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
        begin == 0 ? "" : ",", name, part, shape, begin, end);
    return end;
}

/* A network that sees the same noise everywhere. `missing` is left out, `narrow` has an
 * input channel less. */
static char *
write_net(const char *folder, double sigma, double log_spread, const char *missing,
          const char *narrow)
{
    g_autoptr(GString) header = g_string_new("{");
    g_autofree float *values = NULL;
    size_t end = 0;

    for (size_t i = 0; i < N_LAYERS; i++) {
        const Layer *l = &layers[i];
        int cin = l->cin - (g_strcmp0(narrow, l->name) == 0);
        g_autofree char *weight =
            g_strdup_printf("%d,%d,%d,%d", l->cout, cin, l->side, l->side);
        g_autofree char *bias = g_strdup_printf("%d", l->cout);

        if (g_strcmp0(missing, l->name) != 0) {
            end = add_tensor(header, l->name, "weight", weight, end,
                             (size_t) l->cout * cin * l->side * l->side);
            end = add_tensor(header, l->name, "bias", bias, end, l->cout);
        }
    }
    g_string_append_c(header, '}');
    values = g_malloc0(end);
    values[end / 4 - 2] = (float) log(sigma * sigma + SDE_NOISE_FLOOR);
    values[end / 4 - 1] = (float) log_spread;
    return safetensors_write(folder, "model.safetensors", header->str, values, end);
}

static SdeNoiseNet *
open_file(const char *path, GError **error)
{
    g_autoptr(SdeWeights) weights = sde_weights_open(path, error);

    return weights != NULL ? sde_noise_net_new(weights, error) : NULL;
}

static SdeNoiseNet *
open_net(const char *folder, const char *missing, const char *narrow, GError **error)
{
    g_autofree char *path = write_net(folder, 7.0, 0.0, missing, narrow);

    return open_file(path, error);
}

static void
test_a_missing_or_misshapen_tensor_is_named(void)
{
    for (size_t i = 0; i < 2 * N_LAYERS; i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();
        g_autoptr(GError) error = NULL;
        const char *name = layers[i / 2].name;
        g_autoptr(SdeNoiseNet) net = open_net(folder, i % 2 == 0 ? name : NULL,
                                              i % 2 == 1 ? name : NULL, &error);

        g_assert_null(net);
        g_assert_error(error, SDE_ERROR, SDE_ERROR_FORMAT);
        g_assert_nonnull(strstr(error->message, name));
    }
}

/* ---- from guesses to a level --------------------------------------------------------
 */

/* Grey, dark to bright; noise is in neighbours alike where `correlated`. */
static SdeImage
noisy_picture(bool correlated)
{
    SdeImage image = test_picture_new(SIDE, SIDE, 0);
    size_t pitch = 3 * (SIDE + 1);
    g_autofree float *noise = g_new(float, pitch *(SIDE + 1));

    sde_rng_fill_normal(3, 1, 0, 0, SIDE + 1, SIDE + 1, 3, noise, pitch);
    for (size_t y = 0; y < SIDE; y++) {
        for (size_t i = 0; i < 3 * SIDE; i++) {
            const float *at = noise + y * pitch + i;
            float n =
                correlated ? 0.5f * (at[0] + at[3] + at[pitch] + at[pitch + 3]) : at[0];

            image.pixels[y * image.stride + i] =
                0.2f + 0.6f * (float) y / SIDE + 12.0f / 255.0f * n;
        }
    }
    return image;
}

static void
test_the_network_is_asked_about_correlated_noise_alone(void)
{
    for (int i = 0; i < 2; i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();
        g_autoptr(GError) error = NULL;
        g_autoptr(SdeNoiseNet) net = open_net(folder, NULL, NULL, &error);
        SdeImage image = noisy_picture(i == 1);
        SdeNoise level;

        g_assert_no_error(error);
        sde_noise_level_estimate(&image, NULL, net, NULL, NULL, &level);
        g_assert_true(level.is_correlated == (i == 1));
        assert_near(level.sigma, i == 1 ? 7.0 : 12.0, i == 1 ? 0.01 : 1.2);
        g_assert_true(i == 0 || sde_noise_level_is_uniform(&level));
        g_free(image.pixels);
    }
}

static int
count_cells(const SdeNoiseOctaves *sums)
{
    int n = 0;

    for (int i = 0; i < SDE_NOISE_BINS; i++) {
        n += sums->n[i];
        if (sums->n[i] > 0) {
            assert_near(sums->value[i], (i + 0.5) / SDE_NOISE_BINS,
                        0.5 / SDE_NOISE_BINS);
            assert_near(sums->variance[i], 49.0, 0.1);
        }
    }
    return n;
}

static void
test_cells_count_where_the_mask_is(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeNoiseNet) net = open_net(folder, NULL, NULL, &error);
    g_autofree float *levels = g_new0(float, SIDE *SIDE);
    SdeImage image = noisy_picture(true);
    SdeMask mask = {levels, SIDE, SIDE, SIDE};
    SdeNoiseOctaves sums;
    double sure = 0.0;

    g_assert_no_error(error);
    g_assert_true(sde_noise_sample(net, &image, NULL, NULL, NULL, &sums, &sure));
    g_assert_cmpint(count_cells(&sums), ==,
                    (SIDE / SDE_NOISE_CELL) * (SIDE / SDE_NOISE_CELL));
    for (int y = 40; y < 80; y++) {
        for (int x = 100; x < 180; x++) {
            levels[y * SIDE + x] = 1.0f;
        }
    }
    g_assert_true(sde_noise_sample(net, &image, &mask, NULL, NULL, &sums, &sure));
    g_assert_cmpint(count_cells(&sums), >=, 4 * 9); /* not on the grid */
    g_assert_cmpint(count_cells(&sums), <=, 5 * 10);
    image.width = SDE_NOISE_CELL - 1;
    g_assert_false(sde_noise_sample(net, &image, NULL, NULL, NULL, &sums, &sure));
    g_free(image.pixels);
}

static void
test_a_cancelled_sample_says_nothing(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeNoiseNet) net = open_net(folder, NULL, NULL, &error);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    SdeImage image = noisy_picture(true);
    SdeNoiseOctaves sums;
    double sure = 0.0;

    g_cancellable_cancel(cancellable);
    g_assert_false(
        sde_noise_sample(net, &image, NULL, NULL, cancellable, &sums, &sure));
    g_free(image.pixels);
}

/* Less where it is surer, and where the noise is stronger. */
static void
test_doubt_is_by_how_strong_the_noise_is(void)
{
    const struct {
        double sigma, log_spread;
    } cases[] = {{7.0, -1.5}, {7.0, 0.5}, {2.0, -1.5}, {0.0, 0.0}};
    SdeImage image = noisy_picture(true);

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();
        g_autoptr(GError) error = NULL;
        double sigma = cases[i].sigma, log_spread = cases[i].log_spread, doubt = -99.0;
        g_autofree char *path = write_net(folder, sigma, log_spread, NULL, NULL);
        g_autoptr(SdeNoiseNet) net = open_file(path, &error);
        SdeNoiseOctaves sums;

        g_assert_no_error(error);
        g_assert_true(sde_noise_sample(net, &image, NULL, NULL, NULL, &sums, &doubt));
        assert_near(doubt, log_spread - 0.5 * log(sigma * sigma + SDE_NOISE_FLOOR),
                    0.01);
    }
    g_free(image.pixels);
}

/* Ripples, weaker to the left: no two blocks are alike. Statistics alone take them for
 * texture, a network that is sure overrules them, one that is half sure goes half way.
 */
static void
test_a_sure_network_overrules_statistics(void)
{
    const double log_spreads[] = {2.0, -1.5, -0.45};
    double sigmas[3];
    SdeImage image = test_picture_new(SIDE, SIDE, 0);

    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            float across = (float) x / SIDE;
            float ripple = sinf(0.9f * (float) x + 0.5f * (float) y) +
                           0.5f * sinf(1.9f * (float) x - 1.3f * (float) y);

            for (int c = 0; c < 3; c++) {
                image.pixels[(size_t) y * image.stride + 3 * (size_t) x + (size_t) c] +=
                    0.2f * across * across * ripple;
            }
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(log_spreads); i++) {
        g_autoptr(TempFolder) folder = temp_folder_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *path = write_net(folder, 7.0, log_spreads[i], NULL, NULL);
        g_autoptr(SdeNoiseNet) net = open_file(path, &error);
        SdeNoise level;

        g_assert_no_error(error);
        sde_noise_level_estimate(&image, NULL, net, NULL, NULL, &level);
        g_assert_true(level.is_correlated == (i > 0));
        assert_near(level.doubtful, 7.0, 0.01);
        sigmas[i] = level.sigma;
    }
    assert_near(sigmas[1], 7.0, 0.01);
    g_assert_cmpfloat(sigmas[2], <, 0.9 * sigmas[1]);
    g_assert_cmpfloat(sigmas[2], >, 1.1 * sigmas[0]);
    g_free(image.pixels);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/noise-net/a-missing-or-misshapen-tensor-is-named",
                    test_a_missing_or_misshapen_tensor_is_named);
    g_test_add_func("/noise-net/the-network-is-asked-about-correlated-noise-alone",
                    test_the_network_is_asked_about_correlated_noise_alone);
    g_test_add_func("/noise-net/cells-count-where-the-mask-is",
                    test_cells_count_where_the_mask_is);
    g_test_add_func("/noise-net/doubt-is-by-how-strong-the-noise-is",
                    test_doubt_is_by_how_strong_the_noise_is);
    g_test_add_func("/noise-net/a-sure-network-overrules-statistics",
                    test_a_sure_network_overrules_statistics);
    g_test_add_func("/noise-net/a-cancelled-sample-says-nothing",
                    test_a_cancelled_sample_says_nothing);
    return g_test_run();
}
