/* Reads a golden case and keeps the score: which outputs were compared, the worst error
 * over its tolerance, how much of the tape of random draws was used.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "verify/golden-case.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "sde.h"

/* The reference keeps fractional timesteps in float32: a step of 6e-5 near 1000. */
#define NUMBER_TOLERANCE 1e-4
#define MAX_NUMBER       1e9

/* ---- loading --------------------------------------------------------------------- */

/* case.json names the model relative to the folder of all the cases: walk up to it. */
static char *
find_model(const char *folder, const char *model, GError **error)
{
    g_autofree char *at = g_canonicalize_filename(folder, NULL);

    for (;;) {
        g_autofree char *path = g_build_filename(at, model, NULL);
        g_autofree char *parent = g_path_get_dirname(at);

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            return g_steal_pointer(&path);
        }
        if (strcmp(parent, at) == 0) {
            break;
        }
        g_free(at);
        at = g_steal_pointer(&parent);
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "model folder '%s' not found in '%s' or above it", model, folder);
    return NULL;
}

JsonObject *
sde_golden_case_peek_object(JsonObject *object, const char *name)
{
    JsonObject *found = NULL;

    return sde_json_peek_object(object, name, &found, NULL) ? found : NULL;
}

SdeGoldenCase *
sde_golden_case_load(const char *folder, SdePool *pool, GError **error)
{
    g_autoptr(SdeGoldenCase) golden = g_new0(SdeGoldenCase, 1);
    g_autofree char *json_path = g_build_filename(folder, "case.json", NULL);
    g_autofree char *tensors_path =
        g_build_filename(folder, "tensors.safetensors", NULL);
    const char *model = NULL;

    golden->folder = g_strdup(folder);
    golden->pool = pool;
    golden->values = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    golden->compared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    golden->root = sde_json_load(json_path, error);
    if (golden->root == NULL) {
        return NULL;
    }
    golden->object = json_node_get_object(golden->root);
    if (!sde_json_peek_object(golden->object, "params", &golden->params, error) ||
        !sde_json_peek_string(golden->object, "model", &model, error)) {
        return NULL;
    }
    if (golden->params == NULL || model == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "case.json has no '%s'",
                    model == NULL ? "model" : "params");
        return NULL;
    }
    golden->model = find_model(folder, model, error);
    if (golden->model == NULL) {
        return NULL;
    }
    golden->file = sde_safetensors_open(tensors_path, error);
    return golden->file != NULL ? g_steal_pointer(&golden) : NULL;
}

void
sde_golden_case_free(SdeGoldenCase *golden)
{
    if (golden == NULL) {
        return;
    }
    g_free(golden->folder);
    g_free(golden->model);
    g_clear_pointer(&golden->root, json_node_unref);
    sde_safetensors_free(golden->file);
    g_clear_pointer(&golden->values, g_hash_table_unref);
    g_clear_pointer(&golden->compared, g_hash_table_unref);
    g_free(golden->worst_name);
    g_free(golden->note);
    g_free(golden);
}

int
sde_golden_case_get_int(JsonObject *object, const char *name, int fallback)
{
    int value = fallback;

    sde_json_get_int(object, name, -G_MAXINT, G_MAXINT, &value, NULL);
    return value;
}

double
sde_golden_case_get_double(JsonObject *object, const char *name, double fallback)
{
    double value = fallback;

    sde_json_get_double(object, name, -MAX_NUMBER, MAX_NUMBER, &value, NULL);
    return value;
}

/* ---- tensors --------------------------------------------------------------------- */

bool
sde_golden_case_has(const SdeGoldenCase *golden, const char *name)
{
    return sde_safetensors_find(golden->file, name) != NULL;
}

const SdeTensorInfo *
sde_golden_case_peek_info(SdeGoldenCase *golden, const char *name, GError **error)
{
    const SdeTensorInfo *info = sde_safetensors_find(golden->file, name);

    if (info == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "tensors.safetensors has no '%s'", name);
    }
    return info;
}

static bool
read_floats(SdeSafetensors *file, const SdeTensorInfo *info, float *out, GError **error)
{
    g_autofree uint8_t *bytes = NULL;

    switch (info->dtype) {
    case SDE_DTYPE_F32:
        return sde_safetensors_read(file, info, 0, info->count, out, error);
    case SDE_DTYPE_U8:
        bytes = g_malloc(info->count);
        if (!sde_safetensors_read(file, info, 0, info->count, bytes, error)) {
            return false;
        }
        for (size_t i = 0; i < info->count; i++) {
            out[i] = bytes[i];
        }
        return true;
    default:
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "tensor '%s' is %s, expected F32 or U8", info->name,
                    sde_dtype_get_name(info->dtype));
        return false;
    }
}

const float *
sde_golden_case_peek(SdeGoldenCase *golden, const char *name, size_t count,
                     GError **error)
{
    const SdeTensorInfo *info = sde_golden_case_peek_info(golden, name, error);
    float *known = g_hash_table_lookup(golden->values, name);

    if (info == NULL) {
        return NULL;
    }
    if (count != 0 && info->count != count) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "tensor '%s' has %zu values, expected %zu", name, info->count,
                    count);
        return NULL;
    }
    if (known == NULL) {
        g_autofree float *fresh = g_new(float, info->count);

        if (!read_floats(golden->file, info, fresh, error)) {
            return NULL;
        }
        known = g_steal_pointer(&fresh);
        g_hash_table_insert(golden->values, g_strdup(name), known);
    }
    return known;
}

const float *
sde_golden_case_peek_step(SdeGoldenCase *golden, const char *base, int step,
                          size_t count, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s.%03d", base, step);

    return sde_golden_case_peek(golden, name, count, error);
}

float *
sde_golden_case_spread_mask(SdeGoldenCase *golden, const char *name, const char *like,
                            GError **error)
{
    const SdeTensorInfo *info = sde_golden_case_peek_info(golden, like, error);
    const float *mask = sde_golden_case_peek(golden, name, 0, error);
    float *spread;

    if (info == NULL || mask == NULL) {
        return NULL;
    }
    if (info->rank != 4 || sde_safetensors_find(golden->file, name)->count !=
                               info->shape[2] * info->shape[3]) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s' does not have the height and width of '%s'", name, like);
        return NULL;
    }
    size_t pixels = info->shape[2] * info->shape[3];

    spread = g_new(float, info->count);
    for (size_t i = 0; i < info->count; i++) {
        spread[i] = mask[i % pixels];
    }
    return spread;
}

const float *
sde_golden_case_draw(SdeGoldenCase *golden, size_t count, GError **error)
{
    return sde_golden_case_peek_step(golden, "noise", golden->n_draws++, count, error);
}

/* ---- comparing ------------------------------------------------------------------- */

static bool
get_tolerance(SdeGoldenCase *golden, const char *name, double *tolerance,
              GError **error)
{
    JsonObject *all = sde_golden_case_peek_object(golden->object, "tolerance");
    JsonObject *own = all != NULL ? sde_golden_case_peek_object(all, name) : NULL;

    *tolerance = -1.0;
    if (own != NULL) {
        *tolerance = sde_golden_case_get_double(
            own, "max_abs_err",
            sde_golden_case_get_double(own, "max_abs_diff_u8", -1.0));
    }
    if (!(*tolerance > 0.0)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "case.json has no tolerance for '%s'", name);
        return false;
    }
    return true;
}

static void
keep_score(SdeGoldenCase *golden, const char *name, double error_ratio)
{
    if (golden->worst_name == NULL || error_ratio > golden->worst) {
        golden->worst = error_ratio;
        g_free(golden->worst_name);
        golden->worst_name = g_strdup(name);
    }
}

bool
sde_golden_case_compare(SdeGoldenCase *golden, const char *name, int index,
                        const float *values, size_t count, GError **error)
{
    const float *stored = sde_golden_case_peek(golden, name, 0, error);
    size_t begin = (size_t) index * count, *seen;
    double tolerance, worst = 0.0;

    if (stored == NULL || !get_tolerance(golden, name, &tolerance, error)) {
        return false;
    }
    if (begin + count > sde_safetensors_find(golden->file, name)->count) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s' has too few values for part %d of %zu", name, index, count);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        double difference = fabs((double) values[i] - (double) stored[begin + i]);

        worst = difference <= worst ? worst : difference; /* a NaN stays */
    }
    keep_score(golden, name, isnan(worst) ? (double) INFINITY : worst / tolerance);

    seen = g_hash_table_lookup(golden->compared, name);
    if (seen == NULL) {
        seen = g_new0(size_t, 1);
        g_hash_table_insert(golden->compared, g_strdup(name), seen);
    }
    *seen += count;
    return true;
}

static bool
check_output_seen(SdeGoldenCase *golden, const char *name, GError **error)
{
    const SdeTensorInfo *info = sde_golden_case_peek_info(golden, name, error);
    const size_t *seen = g_hash_table_lookup(golden->compared, name);

    if (info == NULL) {
        return false;
    }
    if (seen == NULL || *seen != info->count) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "%zu values of output '%s' were computed, expected %zu",
                    seen != NULL ? *seen : 0, name, info->count);
        return false;
    }
    return true;
}

bool
sde_golden_case_check_complete(SdeGoldenCase *golden, GError **error)
{
    JsonObject *tensors = sde_golden_case_peek_object(golden->object, "tensors");
    JsonArray *tape = NULL;
    g_autoptr(GList) names = tensors != NULL ? json_object_get_members(tensors) : NULL;
    int n_draws = 0;

    for (GList *at = names; at != NULL; at = at->next) {
        JsonObject *tensor = sde_golden_case_peek_object(tensors, at->data);
        const char *role = NULL;

        if (tensor != NULL && sde_json_peek_string(tensor, "role", &role, NULL) &&
            g_strcmp0(role, "output") == 0 &&
            !check_output_seen(golden, at->data, error)) {
            return false;
        }
    }
    if (!sde_json_peek_array(golden->object, "noise_tape", &tape, error)) {
        return false;
    }
    n_draws = tape != NULL ? (int) json_array_get_length(tape) : 0;
    if (golden->n_draws != n_draws) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "%d random draws were made, expected %d", golden->n_draws, n_draws);
        return false;
    }
    return true;
}

bool
sde_golden_case_expect_numbers(SdeGoldenCase *golden, const char *name,
                               const double *values, int n, GError **error)
{
    JsonObject *expected =
        sde_golden_case_peek_object(golden->object, "expected_values");
    JsonArray *list = NULL;

    if (expected == NULL || !sde_json_has(expected, name)) {
        return true;
    }
    if (!sde_json_peek_array(expected, name, &list, error)) {
        return false;
    }
    if ((int) json_array_get_length(list) != n) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "%s: %d values, expected %u",
                    name, n, json_array_get_length(list));
        return false;
    }
    for (int i = 0; i < n; i++) {
        double want = json_array_get_double_element(list, (guint) i);

        if (!(fabs(values[i] - want) <= NUMBER_TOLERANCE)) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                        "%s: value %d is %.9g, expected %.9g", name, i, values[i],
                        want);
            return false;
        }
    }
    return true;
}
