/* Runs a fuzz target over its corpus and over mutations of it, the same ones every
 * time.
 *
 *     fuzz-NAME CORPUS [FIRST [COUNT]]
 *
 * Each mutation is a function of its number alone, so that a crash, which prints its
 * number, can be repeated with FIRST and a COUNT of 1.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

#define DEFAULT_COUNT 5000
#define MAX_SIZE      65536
#define MAX_CHANGES   6

static volatile sig_atomic_t
    current; /* the mutation that is running, for the handler */

/* What random bytes would not find: JSON's words and numbers where arithmetic breaks.
 */
static const char *const tokens[] = {
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\\",
    "{}",
    "[]",
    "\"\":",
    "null",
    "true",
    "-Infinity",
    "NaN",
    "0",
    "-1",
    "1e999",
    "1e-999",
    "0.5",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "\\u0000",
    "\\ud800",
    "\xff",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
};

static void
report_crash(int number)
{
    char line[] = "fuzz: crashed at mutation 0000000000\n";
    unsigned long n = (unsigned long) current;

    for (size_t i = sizeof(line) - 3; n > 0; i--) {
        line[i] = (char) ('0' + n % 10);
        n /= 10;
    }
    (void) !write(STDERR_FILENO, line, sizeof(line) - 1);
    signal(number, SIG_DFL);
    raise(number);
}

static GPtrArray *
load_corpus(const char *folder)
{
    GPtrArray *corpus = g_ptr_array_new_with_free_func((GDestroyNotify) g_bytes_unref);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name = NULL;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_ptr_array_add(names, g_build_filename(folder, name, NULL));
    }
    /* A folder has no order of its own; mutations need one. */
    g_ptr_array_sort_values(names, (GCompareFunc) strcmp);
    for (size_t i = 0; i < names->len; i++) {
        char *bytes = NULL;
        gsize size = 0;
        GError *error = NULL;

        g_file_get_contents(names->pdata[i], &bytes, &size, &error);
        g_assert_no_error(error);
        g_ptr_array_add(corpus, g_bytes_new_take(bytes, size));
    }
    g_assert_cmpuint(corpus->len, >, 0);
    return corpus;
}

static unsigned
below(GRand *random, size_t end)
{
    return end > 0 ? (unsigned) g_rand_int_range(random, 0, (gint32) end) : 0;
}

static void
insert(GByteArray *input, size_t at, const void *bytes, size_t size)
{
    size_t old = input->len;

    if (size == 0) {
        return; /* memcpy() wants a pointer even then */
    }
    g_byte_array_set_size(input, (guint) (old + size));
    memmove(input->data + at + size, input->data + at, old - at);
    memcpy(input->data + at, bytes, size);
}

static void
change(GByteArray *input, GRand *random, GPtrArray *corpus)
{
    size_t at = below(random, input->len + 1);
    size_t rest = input->len - at;
    size_t wanted = 1 + (size_t) below(random, 24);
    size_t length = MIN(rest, wanted);
    const char *token = tokens[below(random, G_N_ELEMENTS(tokens))];
    GBytes *other = corpus->pdata[below(random, corpus->len)];
    gsize other_size = 0;
    const guint8 *other_data = g_bytes_get_data(other, &other_size);
    size_t other_at = below(random, other_size);

    switch (below(random, 7)) {
    case 0:
        if (rest > 0) {
            input->data[at] ^= (guint8) (1u << below(random, 8));
        }
        break;
    case 1:
        if (rest > 0) {
            input->data[at] = (guint8) below(random, 256);
        }
        break;
    case 2:
        g_byte_array_remove_range(input, (guint) at, (guint) length);
        break;
    case 3: {
        g_autofree guint8 *copy = g_memdup2(input->data + at, length);

        insert(input, below(random, input->len + 1), copy, length);
        break;
    }
    case 4:
        insert(input, at, token, strlen(token));
        break;
    case 5: /* a token in place of what stands there */
        g_byte_array_remove_range(input, (guint) at, (guint) length);
        insert(input, at, token, strlen(token));
        break;
    default: /* the end of another file */
        g_byte_array_set_size(input, (guint) at);
        g_byte_array_append(input, other_data + other_at,
                            (guint) (other_size - other_at));
    }
}

static void
run_mutation(GPtrArray *corpus, unsigned number)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(number);
    GBytes *seed = corpus->pdata[number % corpus->len];
    g_autoptr(GByteArray) input = g_byte_array_new();
    g_autofree guint8 *exact = NULL;
    unsigned n_changes =
        1 + below(random, 1 + below(random, MAX_CHANGES)); /* mostly few */

    g_byte_array_append(input, g_bytes_get_data(seed, NULL),
                        (guint) g_bytes_get_size(seed));
    /* The first round takes the corpus as it is. */
    for (unsigned i = 0; number >= corpus->len && i < n_changes; i++) {
        change(input, random, corpus);
    }
    g_byte_array_set_size(input, MIN(input->len, MAX_SIZE));
    /* Without slack behind it, so that reading past the end shows under ASan. */
    exact = g_memdup2(input->data, input->len);
    LLVMFuzzerTestOneInput(exact, input->len);
}

int
main(int argc, char **argv)
{
    unsigned first = argc > 2 ? (unsigned) strtoul(argv[2], NULL, 10) : 0;
    unsigned count = argc > 3 ? (unsigned) strtoul(argv[3], NULL, 10) : DEFAULT_COUNT;
    g_autoptr(GPtrArray) corpus = NULL;

    g_assert_cmpint(argc, >, 1);
    signal(SIGABRT, report_crash);
    signal(SIGTRAP, report_crash);
    corpus = load_corpus(argv[1]);
    for (unsigned i = first; i < first + count; i++) {
        current = (sig_atomic_t) i;
        run_mutation(corpus, i);
    }
    return 0;
}
