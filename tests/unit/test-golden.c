/* The runner of golden cases must not let anything pass that was not compared: each
 * test spoils a sound case in one way. SPDX-License-Identifier: GPL-3.0-or-later */
#include <glib/gstdio.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "temp-files.h"
#include "verify/golden.h"

/* DDIM in one step at t = 0 with prediction_type sample: the result is the output. */
#define SCHEDULER                                                          \
    "{\"_class_name\": \"DDIMScheduler\", \"num_train_timesteps\": 1000, " \
    "\"prediction_type\": \"sample\", \"clip_sample\": false}"
#define CASE                                                          \
    "{\"kind\": \"scheduler\", \"model\": \"models/ddim\", "          \
    "\"params\": {\"num_inference_steps\": 1, \"step_kwargs\": {}}, " \
    "\"noise_tape\": [], \"expected_values\": {\"timesteps\": [0]}, " \
    "\"tensors\": {\"x_init\": {\"role\": \"input\"}, "               \
    "\"prev_sample\": {\"role\": \"output\"}}, "                      \
    "\"tolerance\": {\"prev_sample\": {\"max_abs_err\": 0.001}}}"
#define HEADER                                                                    \
    "{\"x_init\":{\"dtype\":\"F32\",\"shape\":[1,1,1,2],\"data_offsets\":[0,8]}," \
    "\"model_output.000\":{\"dtype\":\"F32\",\"shape\":[1,1,1,2],"                \
    "\"data_offsets\":[8,16]},"                                                   \
    "\"prev_sample\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,2],"                   \
    "\"data_offsets\":[16,24]}}"

typedef struct {
    const char *find, *replace; /* in case.json; NULL: as it is */
    const char *scheduler;      /* NULL: SCHEDULER */
    float error;                /* added to the stored result */
    bool no_tensors, no_model;
} Spoiled;

static void
write_case(const char *folder, const Spoiled *spoiled)
{
    const float data[6] = {0.5f, -0.5f, 0.25f, 0.75f, 0.25f, 0.75f + spoiled->error};
    g_auto(GStrv) parts =
        g_strsplit(CASE, spoiled->find != NULL ? spoiled->find : "\n", -1);
    g_autofree char *text =
        g_strjoinv(spoiled->replace != NULL ? spoiled->replace : "", parts);

    g_assert_true(spoiled->find == NULL || g_strv_length(parts) > 1);
    temp_text_write(folder, "group/one/case.json", text);
    if (!spoiled->no_tensors) {
        g_free(safetensors_write(folder, "group/one/tensors.safetensors", HEADER, data,
                                 sizeof(data)));
    }
    if (!spoiled->no_model) {
        temp_text_write(folder, "models/ddim/scheduler_config.json",
                        spoiled->scheduler != NULL ? spoiled->scheduler : SCHEDULER);
    }
}

/* Runs what lies in the folder; the text that was printed. */
static char *
run_folder(const char *folder, int *exit_code, SdeGoldenCounts *counts)
{
    const char *const folders[] = {folder, NULL};
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    *exit_code = sde_golden_run(folders, 1, out, counts);
    fclose(out);
    return text;
}

static void
assert_outcome(const Spoiled *spoiled, const SdeGoldenCounts *want, const char *word)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    SdeGoldenCounts counts;
    int exit_code;

    write_case(folder, spoiled);
    char *text = run_folder(folder, &exit_code, &counts);

    g_assert_cmpint(counts.n_passed, ==, want->n_passed);
    g_assert_cmpint(counts.n_failed, ==, want->n_failed);
    g_assert_cmpint(counts.n_skipped, ==, want->n_skipped);
    g_assert_cmpint(exit_code, ==, want->n_failed > 0 ? 1 : 0);
    g_assert_nonnull(strstr(text, word));
    free(text); /* open_memstream's */
}

static const SdeGoldenCounts one_passed = {.n_passed = 1};
static const SdeGoldenCounts one_failed = {.n_failed = 1};
static const SdeGoldenCounts one_skipped = {.n_skipped = 1};

static void
test_a_sound_case_passes(void)
{
    assert_outcome(&(Spoiled) {0}, &one_passed, "pass group/one 0 (prev_sample)");
    assert_outcome(&(Spoiled) {0}, &one_passed, "\n1 passed, 0 failed, 0 skipped\n");
    assert_outcome(&(Spoiled) {.error = 0.0009f}, &one_passed, "pass");
}

static void
test_a_value_beyond_its_tolerance_fails(void)
{
    assert_outcome(&(Spoiled) {.error = 0.0011f}, &one_failed, "FAIL group/one");
    assert_outcome(&(Spoiled) {.error = -0.5f}, &one_failed, "FAIL group/one 500");
    assert_outcome(&(Spoiled) {.error = INFINITY}, &one_failed, "FAIL");
    assert_outcome(&(Spoiled) {.error = NAN}, &one_failed, "FAIL");
}

static void
test_an_unknown_kind_is_skipped_and_named(void)
{
    assert_outcome(&(Spoiled) {.find = "\"scheduler\", \"model\"",
                               .replace = "\"teapot\", \"model\""},
                   &one_skipped, "skip group/one: kind 'teapot'");
}

static void
test_outputs_that_nobody_computed_fail(void)
{
    /* x_init counts as an output: the runner never compares it */
    assert_outcome(&(Spoiled) {.find = "\"input\"", .replace = "\"output\""},
                   &one_failed, "'x_init'");
    /* an output that is not in the file */
    assert_outcome(&(Spoiled) {.find = "\"prev_sample\": {\"role\"",
                               .replace = "\"missing\": {\"role\""},
                   &one_failed, "'missing'");
}

static void
test_noise_that_nobody_drew_fails(void)
{
    assert_outcome(
        &(Spoiled) {.find = "\"noise_tape\": []",
                    .replace = "\"noise_tape\": [{\"name\": \"noise.000\"}]"},
        &one_failed, "0 random draws were made, expected 1");
}

static void
test_noise_that_is_missing_fails(void)
{
    assert_outcome(&(Spoiled) {.find = "\"step_kwargs\": {}",
                               .replace = "\"step_kwargs\": {\"eta\": 1.0}"},
                   &one_failed, "noise.000");
}

static void
test_expected_numbers_are_compared(void)
{
    assert_outcome(&(Spoiled) {.find = "[0]", .replace = "[1]"}, &one_failed,
                   "timesteps: value 0 is 0, expected 1");
    assert_outcome(&(Spoiled) {.find = "[0]", .replace = "[0, 0]"}, &one_failed,
                   "timesteps: 1 values, expected 2");
    assert_outcome(&(Spoiled) {.find = "\"timesteps\": [0]",
                               .replace = "\"init_noise_sigma\": 14.6"},
                   &one_failed, "init_noise_sigma");
}

static void
test_a_case_without_tolerance_fails(void)
{
    assert_outcome(&(Spoiled) {.find = "max_abs_err", .replace = "max"}, &one_failed,
                   "no tolerance for 'prev_sample'");
    assert_outcome(&(Spoiled) {.find = "0.001", .replace = "-1"}, &one_failed,
                   "no tolerance");
}

static void
test_broken_cases_fail(void)
{
    assert_outcome(&(Spoiled) {.find = "{\"kind\"", .replace = "{kind"}, &one_failed,
                   "FAIL group/one: ");
    assert_outcome(&(Spoiled) {.no_tensors = true}, &one_failed, "tensors.safetensors");
    assert_outcome(&(Spoiled) {.no_model = true}, &one_failed, "models/ddim");
    assert_outcome(&(Spoiled) {.find = "\"params\"", .replace = "\"other\""},
                   &one_failed, "no 'params'");
    assert_outcome(&(Spoiled) {.scheduler = "{"}, &one_failed, "FAIL");
    assert_outcome(&(Spoiled) {.find = "\"num_inference_steps\": 1",
                               .replace = "\"num_inference_steps\": 0"},
                   &one_failed, "0 steps");
}

static void
test_a_folder_without_cases_fails(void)
{
    g_autoptr(TempFolder) folder = temp_folder_new();
    g_autofree char *missing = g_build_filename(folder, "missing", NULL);
    SdeGoldenCounts counts;
    int exit_code;
    char *text = run_folder(folder, &exit_code, &counts);

    g_assert_cmpint(exit_code, ==, 1);
    g_assert_cmpint(counts.n_failed, ==, 1);
    free(text);
    text = run_folder(missing, &exit_code, &counts);
    g_assert_cmpint(exit_code, ==, 1);
    g_assert_cmpint(counts.n_failed, ==, 1);
    free(text);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/golden/sound", test_a_sound_case_passes);
    g_test_add_func("/golden/value", test_a_value_beyond_its_tolerance_fails);
    g_test_add_func("/golden/unknown", test_an_unknown_kind_is_skipped_and_named);
    g_test_add_func("/golden/output", test_outputs_that_nobody_computed_fail);
    g_test_add_func("/golden/unused", test_noise_that_nobody_drew_fails);
    g_test_add_func("/golden/no-noise", test_noise_that_is_missing_fails);
    g_test_add_func("/golden/numbers", test_expected_numbers_are_compared);
    g_test_add_func("/golden/tolerance", test_a_case_without_tolerance_fails);
    g_test_add_func("/golden/broken", test_broken_cases_fail);
    g_test_add_func("/golden/empty", test_a_folder_without_cases_fails);
    return g_test_run();
}
