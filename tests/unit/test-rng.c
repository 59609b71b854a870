/* Noise field: the published generator, normal numbers, one value per place.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"

#define SIDE 512
#define N    ((size_t) SIDE * SIDE * 3)

/* Random123's known answers for philox4x32, 10 rounds (kat_vectors). */
static void
test_philox_gives_the_published_vectors(void)
{
    static const struct {
        uint32_t counter[4];
        uint64_t key;
        uint32_t out[4];
    } known[] = {
        {{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         0xffffffffffffffff,
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         0x299f31d0a4093822,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        uint32_t out[4];

        sde_rng_philox(known[i].counter, known[i].key, out);
        g_assert_cmpmem(out, sizeof(out), known[i].out, sizeof(known[i].out));
    }
}

static float *
new_field(uint64_t seed, uint32_t stream)
{
    float *field = g_new(float, N);

    sde_rng_fill_normal(seed, stream, 0, 0, SIDE, SIDE, 3, field, SIDE * 3);
    return field;
}

/* Of N independent values, mean power is 1 +- sqrt(2 / N) and so on; 5 standard
 * deviations, so that a sound generator never fails and a scaled one always does. */
static void
test_moments_are_those_of_a_normal(void)
{
    g_autofree float *field = new_field(42, 0);
    double sums[5] = {0};
    double n = (double) N;

    for (size_t i = 0; i < N; i++) {
        double power = 1;

        for (int k = 1; k <= 4; k++) {
            power *= (double) field[i];
            sums[k] += power;
        }
    }
    g_assert_cmpfloat_with_epsilon(sums[1] / n, 0, 5 * sqrt(1 / n));
    g_assert_cmpfloat_with_epsilon(sums[2] / n, 1, 5 * sqrt(2 / n));
    g_assert_cmpfloat_with_epsilon(sums[3] / n, 0, 5 * sqrt(15 / n));
    g_assert_cmpfloat_with_epsilon(sums[4] / n, 3, 5 * sqrt(96 / n));
}

/* Share of values below a few quantiles against the normal distribution function. */
static void
test_distribution_is_normal(void)
{
    static const double at[] = {-3, -2, -1, -0.3, 0, 0.3, 1, 2, 3};
    g_autofree float *field = new_field(7, 1);

    for (size_t k = 0; k < G_N_ELEMENTS(at); k++) {
        double p = 0.5 * erfc(-at[k] / G_SQRT2);
        size_t n_below = 0;

        for (size_t i = 0; i < N; i++) {
            n_below += (double) field[i] < at[k];
        }
        g_assert_cmpfloat_with_epsilon((double) n_below / (double) N, p,
                                       5 * sqrt(p * (1 - p) / (double) N));
    }
}

static double
correlation(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (double) a[i] * (double) b[i];
    }
    return sum / (double) n;
}

static void
test_neighbours_seeds_and_streams_are_independent(void)
{
    g_autofree float *field = new_field(1, 0);
    g_autofree float *next_seed = new_field(2, 0);
    g_autofree float *high_seed = new_field(1 + (UINT64_C(1) << 32), 0);
    g_autofree float *next_stream = new_field(1, 1);
    double tolerance = 5 / sqrt((double) N - SIDE * 3);

    for (size_t lag = 1; lag <= 4; lag++) { /* channels and the next pixel */
        g_assert_cmpfloat_with_epsilon(correlation(field, field + lag, N - lag), 0,
                                       tolerance);
    }
    g_assert_cmpfloat_with_epsilon(correlation(field, field + SIDE * 3, N - SIDE * 3),
                                   0, tolerance);
    g_assert_cmpfloat_with_epsilon(correlation(field, next_seed, N), 0, tolerance);
    g_assert_cmpfloat_with_epsilon(correlation(field, high_seed, N), 0, tolerance);
    g_assert_cmpfloat_with_epsilon(correlation(field, next_stream, N), 0, tolerance);
}

static void
test_tiles_cut_from_one_field(void)
{
    static const struct {
        int x0, y0, width, height;
    } tiles[] = {{0, 0, 9, 7}, {-5, -3, 20, 11}, {3, 2, 1, 1}, {-20, 9, 31, 4}};
    enum { X0 = -32, Y0 = -16, WIDTH = 96, HEIGHT = 48, CHANNELS = 3 };
    g_autofree float *whole = g_new(float, WIDTH *HEIGHT *CHANNELS);

    sde_rng_fill_normal(9, 5, X0, Y0, WIDTH, HEIGHT, CHANNELS, whole, WIDTH * CHANNELS);
    for (size_t t = 0; t < G_N_ELEMENTS(tiles); t++) {
        int width = tiles[t].width, height = tiles[t].height;
        size_t stride = (size_t) width * CHANNELS + 5;
        g_autofree float *tile = g_new(float, stride *(size_t) height);

        sde_rng_fill_normal(9, 5, tiles[t].x0, tiles[t].y0, width, height, CHANNELS,
                            tile, stride);
        for (int y = 0; y < height; y++) {
            size_t at = (size_t) ((tiles[t].y0 - Y0 + y) * WIDTH + tiles[t].x0 - X0);
            size_t row = (size_t) width * CHANNELS * sizeof(float);

            g_assert_cmpmem(tile + (size_t) y * stride, row, whole + at * CHANNELS,
                            row);
        }
    }
}

static void
test_gap_between_rows_is_not_touched(void)
{
    float out[2 * 8];

    for (int i = 0; i < 16; i++) {
        out[i] = 99;
    }
    sde_rng_fill_normal(1, 1, 0, 0, 2, 2, 3, out, 8);
    g_assert_true(out[6] == 99 && out[7] == 99 && out[14] == 99 && out[15] == 99);
}

static void
test_fewer_channels_are_the_first_ones(void)
{
    float four[4 * 4], one[4];

    sde_rng_fill_normal(3, 2, 10, 20, 4, 1, 4, four, 16);
    sde_rng_fill_normal(3, 2, 10, 20, 4, 1, 1, one, 4);
    for (int x = 0; x < 4; x++) {
        g_assert_true(four[4 * x] == one[x]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rng/philox-gives-the-published-vectors",
                    test_philox_gives_the_published_vectors);
    g_test_add_func("/rng/moments-are-those-of-a-normal",
                    test_moments_are_those_of_a_normal);
    g_test_add_func("/rng/distribution-is-normal", test_distribution_is_normal);
    g_test_add_func("/rng/neighbours-seeds-and-streams-are-independent",
                    test_neighbours_seeds_and_streams_are_independent);
    g_test_add_func("/rng/tiles-cut-from-one-field", test_tiles_cut_from_one_field);
    g_test_add_func("/rng/gap-between-rows-is-not-touched",
                    test_gap_between_rows_is_not_touched);
    g_test_add_func("/rng/fewer-channels-are-the-first-ones",
                    test_fewer_channels_are_the_first_ones);
    return g_test_run();
}
