/* The golden suite: runs every case below the folders given. Exit code 77 (skipped)
 * when a folder does not exist: the large set is not part of this repository.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <stdlib.h>

#include "verify/golden.h"

#define EXIT_SKIPPED 77 /* meson's convention */

int
main(int argc, char **argv)
{
    int n_threads = argc > 1 ? (int) g_ascii_strtoll(argv[1], NULL, 10) : 0;

    if (argc < 3 || n_threads < 1 || n_threads > 256) {
        g_printerr("usage: run-golden THREADS FOLDER...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        if (!g_file_test(argv[i], G_FILE_TEST_IS_DIR)) {
            g_print("skipped: there is no folder %s\n", argv[i]);
            return EXIT_SKIPPED;
        }
    }
    return sde_golden_run((const char *const *) argv + 2, n_threads, stdout, NULL);
}
