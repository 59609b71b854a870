/* Finds golden cases below folders, hands each to the runner of its kind, and prints
 * how it went. SPDX-License-Identifier: GPL-3.0-or-later */
#include "verify/golden.h"

#include <string.h>

#include "base/json.h"
#include "verify/golden-case.h"

#define MAX_FOLDER_DEPTH 16

typedef struct {
    const char *name;
    bool (*run)(SdeGoldenCase *golden, GError **error);
} Kind;

static const Kind kinds[] = {
    {"scheduler", sde_golden_run_scheduler},
    {"repaint_scheduler", sde_golden_run_repaint_scheduler},
    {"unet2d", sde_golden_run_unet2d},
    {"denoiser", sde_golden_run_denoiser},
    {"noise_net", sde_golden_run_noise_net},
    {"pixel", sde_golden_run_pixel},
    {"pixel_pipeline", sde_golden_run_pixel_pipeline},
};

static const Kind *
find_kind(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* ---- finding --------------------------------------------------------------------- */

static int
compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool
find_cases(const char *folder, int depth, GPtrArray *found, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, error);
    const char *name;

    if (dir == NULL) {
        return false;
    }
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);

        if (strcmp(name, "case.json") == 0) {
            g_ptr_array_add(found, g_strdup(folder));
        } else if (depth < MAX_FOLDER_DEPTH && g_file_test(path, G_FILE_TEST_IS_DIR) &&
                   !find_cases(path, depth + 1, found, error)) {
            return false;
        }
    }
    return true;
}

/* ---- running --------------------------------------------------------------------- */

typedef struct {
    FILE *out;
    SdePool *pool;
    SdeGoldenCounts counts;
} Report;

static void
report_failure(Report *report, const char *name, const char *why)
{
    fprintf(report->out, "FAIL %s: %s\n", name, why);
    report->counts.n_failed++;
}

static void
report_score(Report *report, const char *name, const SdeGoldenCase *golden)
{
    bool passed = golden->worst <= 1.0;

    fprintf(report->out, "%s %s %.3g (%s)%s%s\n", passed ? "pass" : "FAIL", name,
            golden->worst, golden->worst_name,
            !passed && golden->note != NULL ? "; " : "",
            !passed && golden->note != NULL ? golden->note : "");
    if (passed) {
        report->counts.n_passed++;
    } else {
        report->counts.n_failed++;
    }
}

/* The kind of the case in this folder; NULL: case.json cannot be read. */
static char *
read_kind(const char *folder, GError **error)
{
    g_autofree char *path = g_build_filename(folder, "case.json", NULL);
    g_autoptr(JsonNode) root = sde_json_load(path, error);
    const char *kind = NULL;

    if (root == NULL ||
        !sde_json_peek_string(json_node_get_object(root), "kind", &kind, error)) {
        return NULL;
    }
    return g_strdup(kind != NULL ? kind : "");
}

static void
run_case(Report *report, const char *folder, const char *name)
{
    g_autoptr(SdeGoldenCase) golden = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *kind_name = read_kind(folder, &error);
    const Kind *kind = kind_name != NULL ? find_kind(kind_name) : NULL;

    if (kind_name == NULL) {
        report_failure(report, name, error->message);
        return;
    }
    if (kind == NULL) {
        fprintf(report->out, "skip %s: kind '%s' is not run yet\n", name, kind_name);
        report->counts.n_skipped++;
        return;
    }
    golden = sde_golden_case_load(folder, report->pool, &error);
    if (golden == NULL || !kind->run(golden, &error) ||
        !sde_golden_case_check_complete(golden, &error)) {
        report_failure(report, name, error->message);
    } else if (golden->worst_name == NULL) {
        report_failure(report, name, "the case has no outputs to compare");
    } else {
        report_score(report, name, golden);
    }
}

static void
run_folder(Report *report, const char *folder)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    size_t skip = strlen(folder);

    if (!find_cases(folder, 0, found, &error)) {
        report_failure(report, folder, error->message);
        return;
    }
    if (found->len == 0) {
        report_failure(report, folder, "no case.json in or below this folder");
        return;
    }
    g_ptr_array_sort(found, compare_paths);
    for (guint i = 0; i < found->len; i++) {
        const char *path = g_ptr_array_index(found, i), *name = path + skip;

        while (*name == G_DIR_SEPARATOR) {
            name++;
        }
        run_case(report, path, *name != '\0' ? name : path);
        fflush(report->out);
    }
}

int
sde_golden_run(const char *const *folders, int n_threads, FILE *out,
               SdeGoldenCounts *counts)
{
    Report report = {.out = out, .pool = sde_pool_new(n_threads)};

    for (int i = 0; folders[i] != NULL; i++) {
        run_folder(&report, folders[i]);
    }
    sde_pool_free(report.pool);
    fprintf(out, "%d passed, %d failed, %d skipped\n", report.counts.n_passed,
            report.counts.n_failed, report.counts.n_skipped);
    if (counts != NULL) {
        *counts = report.counts;
    }
    return report.counts.n_failed == 0 &&
                   report.counts.n_passed + report.counts.n_skipped > 0
               ? 0
               : 1;
}
