/* The U-Net against networks of huggingface/diffusers with random weights: the golden
 * cases of kind "unet2d", and those of the default model's kind in tests/golden. Where
 * the large set is not at hand (SDE_GOLDEN, or ../shared/golden beside the sources),
 * its cases say so and skip. SPDX-License-Identifier: GPL-3.0-or-later */
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "model/bundle.h"
#include "nn/unet.h"

#ifndef SDE_SOURCE_ROOT
#error "SDE_SOURCE_ROOT is the folder of the top meson.build"
#endif

static const char *const cases[] = {
    "unet_attn_hd8",
    "unet_bf16_timestep_class",
    "unet_center_f16",
    "unet_church_like",
    "unet_church_like_oldattn",
    "unet_cifar10_like",
    "unet_cifar10_like_oldattn_f16",
    "unet_eps_sensitive",
    "unet_no_mid_sharded",
    "unet_resnet_down_blocks",
    "unet_resnet_sampling",
    "unet_scale_shift_class",
};

static char *
find_golden(void)
{
    const char *given = g_getenv("SDE_GOLDEN");
    g_autofree char *beside =
        g_build_filename(SDE_SOURCE_ROOT, "../shared/golden", NULL);
    const char *folder = given != NULL ? given : beside;

    return g_file_test(folder, G_FILE_TEST_IS_DIR) ? g_strdup(folder) : NULL;
}

/* ---- one case ---- */

typedef struct {
    JsonParser *parser;
    JsonObject *root;
    SdeWeights *tensors;
} Case;

static float *
read_tensor(SdeWeights *tensors, const char *name, SdeTensor *view)
{
    size_t stored[SDE_MAX_RANK];
    int shape[4] = {1, 1, 1, 1};
    int rank = 0;
    g_autoptr(GError) error = NULL;

    g_assert_true(sde_weights_get_shape(tensors, name, stored, &rank));
    g_assert_cmpint(rank, <=, 4);
    for (int i = 0; i < rank; i++) {
        shape[i] = (int) stored[i];
    }
    /* Embeddings are rows × width: pixels in a row, so to say. */
    *view =
        rank == 2
            ? (SdeTensor) {.n = 1, .h = 1, .w = shape[0], .c = shape[1]}
            : (SdeTensor) {.n = shape[0], .h = shape[2], .w = shape[3], .c = shape[1]};

    const size_t count = sde_tensor_count(view);
    const size_t plane = (size_t) view->h * view->w;
    g_autofree float *planes = g_new(float, count);
    float *data = g_new(float, count);

    sde_weights_read(tensors, name, shape, rank, planes, &error);
    g_assert_no_error(error);
    if (rank == 2) {
        memcpy(data, planes, count * sizeof(float));
    }
    for (size_t i = 0; rank == 4 && i < count; i++) {
        const size_t c = i % view->c;
        const size_t pixel = i / view->c % plane;
        const size_t n = i / view->c / plane;

        data[i] = planes[(n * view->c + c) * plane + pixel];
    }
    view->data = data;
    return data;
}

/* Largest difference, as a share of what the case allows. */
static double
compare(const Case *c, const char *name, const SdeTensor *found)
{
    SdeTensor want = {0};
    g_autofree float *data = read_tensor(c->tensors, name, &want);
    JsonObject *all = json_object_get_object_member(c->root, "tolerance");
    JsonObject *of_this = json_object_get_object_member(all, name);
    const double allowed = json_object_get_double_member(of_this, "max_abs_err");
    double worst = 0;

    g_assert_cmpuint(sde_tensor_count(found), ==, sde_tensor_count(&want));
    g_assert_cmpint(found->c, ==, want.c);
    for (size_t i = 0; i < sde_tensor_count(&want); i++) {
        const double difference = fabs((double) found->data[i] - (double) data[i]);

        worst = difference <= worst ? worst : difference; /* NaN counts as worst */
    }
    return worst / allowed;
}

/* Shows in verbose runs where a difference starts; the final output decides. */
static void
on_tap(const char *name, const SdeTensor *tensor, void *data)
{
    const Case *c = data;
    g_autofree char *full = g_strconcat("tap.", name, NULL);

    if (sde_weights_has(c->tensors, full)) {
        g_test_message("%s: %.3f of the tolerance", full, compare(c, full, tensor));
    }
}

/* A number for all samples, or a list with one for each. */
static float *
read_numbers(JsonObject *params, const char *key, int n)
{
    JsonNode *node = json_object_get_member(params, key);

    if (node == NULL) {
        return NULL;
    }

    float *numbers = g_new(float, n);

    for (int i = 0; i < n; i++) {
        numbers[i] = JSON_NODE_HOLDS_ARRAY(node)
                         ? (float) json_array_get_double_element(
                               json_node_get_array(node), (guint) i)
                         : (float) json_node_get_double(node);
    }
    return numbers;
}

static double
run_case(Case *c, const char *golden, int n_threads)
{
    g_autoptr(GError) error = NULL;
    JsonObject *params = json_object_get_object_member(c->root, "params");
    g_autofree char *model =
        g_build_filename(golden, json_object_get_string_member(c->root, "model"), NULL);
    SdeUnetConfig config;
    g_autoptr(SdeWeights) weights = NULL;

    sde_bundle_open_unet(model, &config, &weights, &error);
    g_assert_no_error(error);

    g_autoptr(SdeUnet) unet =
        sde_unet_new(&config, weights, SDE_PRECISION_FLOAT, &error);

    g_assert_no_error(error);

    SdeUnetInput input = {0};
    g_autofree float *sample = read_tensor(c->tensors, "sample", &input.sample);
    const int n = input.sample.n, h = input.sample.h, w = input.sample.w;
    g_autofree float *timesteps = read_numbers(params, "timestep", n);
    g_autofree float *labels = read_numbers(params, "class_labels", n);
    SdeTensor out = {.n = n, .h = h, .w = w, .c = config.out_channels};
    g_autofree float *result = g_new0(float, sde_tensor_count(&out));
    const size_t plan = sde_unet_plan(unet, n, h, w, n_threads);
    g_autoptr(SdeArena) arena = sde_arena_new(plan, &error);
    g_autoptr(SdePool) pool = sde_pool_new(n_threads);

    input.timesteps = timesteps;
    input.class_labels = labels;
    out.data = result;
    sde_unet_forward(unet, &input, &out, arena, pool, NULL, on_tap, c, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(sde_arena_get_peak(arena), ==, plan);
    return compare(c, "out", &out);
}

static void
test_output_agrees_with_diffusers(const void *data)
{
    const char *name = data;
    g_autofree char *golden = find_golden();

    if (golden == NULL) {
        g_test_skip("no golden cases: set SDE_GOLDEN to their folder");
        return;
    }

    g_autoptr(GError) error = NULL;
    g_autofree char *json = g_build_filename(golden, "unet2d", name, "case.json", NULL);
    g_autofree char *file =
        g_build_filename(golden, "unet2d", name, "tensors.safetensors", NULL);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(SdeWeights) tensors = sde_weights_open(file, &error);

    g_assert_no_error(error);
    json_parser_load_from_file(parser, json, &error);
    g_assert_no_error(error);

    Case c = {.parser = parser,
              .root = json_node_get_object(json_parser_get_root(parser)),
              .tensors = tensors};

    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        const double share = run_case(&c, golden, n_threads);

        g_test_message("%s: %.3f of the tolerance", name, share);
        g_assert_cmpfloat(share, <=, 1.0);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/unet/golden/", cases[i], NULL);

        g_test_add_data_func(path, cases[i], test_output_agrees_with_diffusers);
    }
    return g_test_run();
}
