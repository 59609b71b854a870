/* Golden cases of the kind unet2d: one forward pass. The stored outputs of submodules
 * (tap.*) have no tolerance of their own: they tell where a wrong result begins.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>

#include "base/json.h"
#include "sde.h"
#include "verify/golden-net.h"

/* Relative to the tap's largest value: far above rounding, far below a wrong formula.
 */
#define TAP_TOLERANCE 1e-3

/* params.NAME as n floats: a number for all or a list. NULL and no error: not there. */
static bool
read_numbers(SdeGoldenCase *golden, const char *name, int n, float **values,
             GError **error)
{
    JsonNode *node = json_object_get_member(golden->params, name);

    *values = NULL;
    if (node == NULL || JSON_NODE_HOLDS_NULL(node)) {
        return true;
    }
    *values = g_new(float, n);
    if (JSON_NODE_HOLDS_VALUE(node)) {
        for (int i = 0; i < n; i++) {
            (*values)[i] = (float) json_node_get_double(node);
        }
        return true;
    }
    if (JSON_NODE_HOLDS_ARRAY(node) &&
        (int) json_array_get_length(json_node_get_array(node)) == n) {
        JsonArray *list = json_node_get_array(node);

        for (int i = 0; i < n; i++) {
            (*values)[i] = (float) json_array_get_double_element(list, (guint) i);
        }
        return true;
    }
    g_clear_pointer(values, g_free);
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                "params.%s is neither a number nor a list of %d", name, n);
    return false;
}

/* Worst difference and largest value; the tensor is channels last, stored is not. */
static double
measure_tap(const SdeTensor *hidden, const float *stored)
{
    size_t pixels = (size_t) hidden->h * (size_t) hidden->w, c = (size_t) hidden->c;
    double worst = 0.0, largest = 0.0;

    for (size_t i = 0; i < sde_tensor_count(hidden); i++) {
        size_t n = i / (pixels * c), pixel = i / c % pixels;
        double want = (double) stored[(n * c + i % c) * pixels + pixel];
        double difference = fabs((double) hidden->data[i] - want);

        worst = difference <= worst ? worst : difference;
        largest = fmax(largest, fabs(want));
    }
    return largest > 0.0 ? worst / largest : worst;
}

static void
watch_tap(const char *name, const SdeTensor *hidden, void *data)
{
    SdeGoldenCase *golden = data;
    g_autofree char *tap = g_strdup_printf("tap.%s", name);
    const float *stored;
    double error_ratio;

    if (golden->note != NULL || hidden->data == NULL ||
        !sde_golden_case_has(golden, tap)) {
        return;
    }
    stored = sde_golden_case_peek(golden, tap, sde_tensor_count(hidden), NULL);
    error_ratio = stored != NULL ? measure_tap(hidden, stored) : (double) INFINITY;
    if (!(error_ratio <= TAP_TOLERANCE)) {
        golden->note = g_strdup_printf("begins at %s: off by %.2g of its largest value",
                                       name, error_ratio);
    }
}

bool
sde_golden_run_unet2d(SdeGoldenCase *golden, GError **error)
{
    g_auto(SdeGoldenNet) net = {0};
    g_autofree float *timesteps = NULL, *classes = NULL, *out = NULL;
    const SdeTensorInfo *info = sde_golden_case_peek_info(golden, "sample", error);
    size_t n_out;

    if (info == NULL ||
        !sde_golden_net_init(&net, golden->model, golden->pool, error)) {
        return false;
    }
    if (info->rank != 4 || info->shape[1] != (size_t) net.config.in_channels) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'sample' is not n × %d × h × w", net.config.in_channels);
        return false;
    }
    SdeGoldenNetInput input = {.n = (int) info->shape[0],
                               .h = (int) info->shape[2],
                               .w = (int) info->shape[3],
                               .tap = watch_tap,
                               .tap_data = golden};

    if (!read_numbers(golden, "timestep", input.n, &timesteps, error) ||
        !read_numbers(golden, "class_labels", input.n, &classes, error)) {
        return false;
    }
    if (timesteps == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "params has no timestep");
        return false;
    }
    input.timesteps = timesteps;
    input.classes = classes;
    input.x = sde_golden_case_peek(golden, "sample", 0, error);
    n_out = info->count / info->shape[1] * (size_t) net.config.out_channels;
    out = g_new(float, n_out);
    return input.x != NULL && sde_golden_net_run(&net, &input, out, error) &&
           sde_golden_case_compare(golden, "out", 0, out, n_out, error);
}
