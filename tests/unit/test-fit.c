/* The kernels of nonlocal fits against double.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "fit-case.h"

static const int sizes[] = {1, 2, 7, 16, 21, 32, 63};

static void
test_distances_agree_with_double(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_auto(FitCase) c;
        g_autofree double *want = g_new(double, (size_t) sizes[i]);

        make_fit_case(&c, sizes[i]);
        launch(run_distances, &c, 1);
        for (int k = 0; k < c.n; k++) {
            want[k] = expect_distance(&c, k);
        }
        g_assert_cmpfloat(relative_rms(c.distances, want, (size_t) c.n), <=, FIT_ERROR);
    }
}

/* The same patch elsewhere is no distance away; a brighter one hardly. */
static void
test_what_is_alike_is_near(void)
{
    g_auto(FitCase) c;

    make_fit_case(&c, 21);
    for (int brighter = 0; brighter < 2; brighter++) {
        for (int k = 0; k < 3; k++) {
            for (int i = 0; i < FIT_AROUND; i++) {
                c.values[k][i] = c.patch.planes[k][c.place + 4 + (size_t) c.around[i]] +
                                 (float) brighter;
            }
        }
        launch(run_distances, &c, 1);
        /* of three channels, less nine tenths */
        g_assert_cmpfloat(fabs((double) c.distances[4] - 0.3 * brighter), <=, 1e-5);
        g_assert_cmpfloat((double) c.distances[5], >, 0.5);
    }
}

static void
test_products_are_added(void)
{
    for (size_t size = 0; size <= G_N_ELEMENTS(sizes); size++) {
        const int n = size == 0 ? 0 : sizes[size - 1];
        g_auto(FitCase) c;
        float found[SDE_FIT_TERMS * SDE_FIT_TERMS];
        double want[SDE_FIT_TERMS * SDE_FIT_TERMS];
        size_t count = 0;

        make_fit_case(&c, n);
        for (int i = 0; i < SDE_FIT_TERMS; i++) {
            for (int j = 0; j <= i; j++) {
                want[count++] = (double) c.products[i][j] + expect_product(&c, i, j);
            }
        }
        launch(run_products, &c, 1);
        count = 0;
        for (int i = 0; i < SDE_FIT_TERMS; i++) {
            for (int j = 0; j <= i; j++) {
                found[count++] = c.products[i][j];
            }
        }
        g_assert_cmpfloat(relative_rms(found, want, count), <=, FIT_ERROR);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fit/distances", test_distances_agree_with_double);
    g_test_add_func("/fit/alike", test_what_is_alike_is_near);
    g_test_add_func("/fit/products", test_products_are_added);
    return run_tests_of_level();
}
