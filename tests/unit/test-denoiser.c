/* The denoiser behind a U-Net, held against the network called by hand: pixel unshuffle
 * written down a second time, level map, the three predictions, classes, guidance,
 * memory limits, and the refusals. SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/denoiser.h"

#include <math.h>
#include <string.h>

#include "model/bundle.h"
#include "nn/unet.h"
#include "sde.h"
#include "tiny-unet.h"

#define W        12
#define H        8
#define N_PIXELS (W * H)
#define N        (3 * N_PIXELS)
#define ROUNDING 1e-5 /* one network, two orders of a few float operations */

static const TinyUnet level_map_model = {
    .in_channels = 16,
    .out_channels = 12,
    .n_classes = 3,
    .prediction = "v_prediction",
    .sdedit_keys = "\"patch_size\": 2, \"level_map\": true, \"class_names\": "
                   "[\"photo\", \"ink\", \"none\"], \"none_class\": 2, "
                   "\"default_class\": 1"};
static const TinyUnet ordinary_model = {
    .in_channels = 3, .out_channels = 3, .prediction = "epsilon"};

typedef struct {
    char *folder;
    SdeBundle *bundle;
    SdeUnet *unet;
    SdeSchedule *schedule;
    SdeDenoiser *denoiser;
    float x[N], theta[N_PIXELS], theta_max;
    float mean[N]; /* handed over where the model uses one */
} Fixture;

static void
fixture_load(Fixture *fixture, const TinyUnet *tiny, SdePool *pool)
{
    GError *error = NULL;

    fixture->folder = temp_folder_new();
    tiny_unet_write(tiny, fixture->folder);
    fixture->bundle = sde_bundle_load(fixture->folder, &error);
    g_assert_no_error(error);
    fixture->unet = sde_unet_new(&fixture->bundle->unet, fixture->bundle->weights,
                                 SDE_PRECISION_FLOAT, &error);
    g_assert_no_error(error);
    fixture->schedule = sde_schedule_new(&fixture->bundle->scheduler, &error);
    g_assert_no_error(error);
    fixture->denoiser = sde_denoiser_new_unet(fixture->unet, fixture->bundle,
                                              fixture->schedule, pool, 0, &error);
    g_assert_no_error(error);
    sde_rng_fill_normal(5, 0, 0, 0, W, H, 3, fixture->x, 3 * W);
    sde_rng_fill_normal(6, 0, 0, 0, W, H, 3, fixture->mean, 3 * W);
    fixture->theta_max = 1.25f;
    for (int i = 0; i < N_PIXELS; i++) { /* every third pixel is known */
        fixture->theta[i] = i % 3 == 0 ? 0.0f : 1.25f * (float) (i % 5) / 4.0f;
    }
}

static void
fixture_clear(Fixture *fixture)
{
    sde_denoiser_free(fixture->denoiser);
    sde_schedule_free(fixture->schedule);
    sde_unet_free(fixture->unet);
    sde_bundle_free(fixture->bundle);
    temp_folder_free(fixture->folder);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Fixture, fixture_clear)

static SdeDenoiserInput
input_of(const Fixture *fixture)
{
    return (SdeDenoiserInput) {
        .width = W,
        .height = H,
        .x = fixture->x,
        .theta = fixture->denoiser->level_map ? fixture->theta : NULL,
        .mean = fixture->denoiser->uses_mean ? fixture->mean : NULL,
        .theta_max = fixture->theta_max,
        .classes = {.label = -1},
        .guidance = 1.0};
}

static void
run(Fixture *fixture, const SdeDenoiserInput *input, float *x0)
{
    GError *error = NULL;

    g_assert_true(fixture->denoiser->run(fixture->denoiser, input, x0, NULL, &error));
    g_assert_no_error(error);
}

static void
assert_refused(Fixture *fixture, const SdeDenoiserInput *input, SdeError code)
{
    g_autoptr(GError) error = NULL;
    float x0[N];

    x0[0] = 77.0f;
    g_assert_false(fixture->denoiser->run(fixture->denoiser, input, x0, NULL, &error));
    g_assert_error(error, SDE_ERROR, (int) code);
    g_assert_cmpfloat(x0[0], ==, 77.0f);
}

static void
assert_close(const float *found, const float *want, double tolerance)
{
    for (int i = 0; i < N; i++) {
        g_assert_cmpfloat(fabs((double) found[i] - (double) want[i]), <=, tolerance);
    }
}

/* ---- the network by hand --------------------------------------------------------- */

/* torch.pixel_unshuffle by its definition: out[c p p + dy p + dx][y][x] =
 * in[c][y p + dy][x p + dx]; here from `planes` (channels × H × W) to channels last. */
static void
unshuffle(const float *planes, int channels, int p, float *out)
{
    int w = W / p, h = H / p, packed = channels * p * p;

    for (int k = 0; k < packed; k++) {
        int c = k / (p * p), dy = k % (p * p) / p, dx = k % p;

        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                out[(y * w + x) * packed + k] =
                    planes[c * N_PIXELS + (y * p + dy) * W + x * p + dx];
            }
        }
    }
}

/* What the network sees of a value: E[x0 | x] for x0 ~ N(mean, 1), or x. */
static float
seen_value(const Fixture *fixture, int i)
{
    float c = cosf(fixture->theta[i / 3]), s = sinf(fixture->theta[i / 3]);

    return fixture->bundle->posterior_input
               ? c * fixture->x[i] + s * s * fixture->mean[i]
               : fixture->x[i];
}

/* The network's output for the fixture's x, as H × W × 3. */
static void
run_by_hand(Fixture *fixture, int label, float *output)
{
    int p = fixture->bundle->patch_size, channels = fixture->bundle->level_map ? 4 : 3;
    float planes[4 * N_PIXELS], packed[4 * N_PIXELS], result[2 * N];
    float class_label = (float) label;
    float timestep =
        (float) sde_schedule_t_at(fixture->schedule, (double) fixture->theta_max);
    size_t bytes = sde_unet_plan(fixture->unet, 1, H / p, W / p, 1);
    g_autoptr(SdeArena) arena = sde_arena_new(bytes, NULL);
    int out_channels = fixture->bundle->unet.out_channels;
    SdeTensor out = {.data = result, .n = 1, .h = H / p, .w = W / p, .c = out_channels};
    SdeUnetInput input = {.sample = {packed, 1, H / p, W / p, channels * p * p},
                          .timesteps = &timestep,
                          .class_labels = label >= 0 ? &class_label : NULL};

    for (int i = 0; i < N_PIXELS; i++) {
        for (int c = 0; c < 3; c++) {
            planes[c * N_PIXELS + i] = seen_value(fixture, 3 * i + c);
        }
        planes[3 * N_PIXELS + i] = fixture->theta[i] * (float) (4.0 / G_PI) - 1.0f;
    }
    unshuffle(planes, channels, p, packed);
    g_assert_true(sde_unet_forward(fixture->unet, &input, &out, arena, NULL, NULL, NULL,
                                   NULL, NULL));
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) {
            for (int c = 0; c < 3; c++) {
                int k = c * p * p + y % p * p + x % p;

                output[(y * W + x) * 3 + c] =
                    result[(y / p * (W / p) + x / p) * out_channels + k];
            }
        }
    }
}

/* x0 by the formula of the prediction, with each pixel's own angle. */
static void
turn_into_x0(const Fixture *fixture, const float *output, float *x0)
{
    for (int i = 0; i < N; i++) {
        float theta =
            fixture->denoiser->level_map ? fixture->theta[i / 3] : fixture->theta_max;
        float c = cosf(theta), s = sinf(theta);
        float mean = fixture->denoiser->uses_mean ? fixture->mean[i] : 0.0f;
        float x = fixture->x[i] - c * mean; /* everything is of x0 - mean */

        switch (fixture->bundle->scheduler.prediction_type) {
        case SDE_PREDICTION_V:
            x0[i] = c * x - s * output[i] + mean;
            break;
        case SDE_PREDICTION_EPSILON:
            x0[i] = (x - s * output[i]) / c + mean;
            break;
        case SDE_PREDICTION_SAMPLE:
            x0[i] = output[i] + mean;
            break;
        }
    }
}

static void
test_d_is_the_network_with_each_pixels_own_angle(void)
{
    const char *const predictions[] = {"v_prediction", "epsilon", "sample"};
    const char *const keys[] = {
        level_map_model.sdedit_keys,
        "\"patch_size\": 2, \"level_map\": true, \"posterior_input\": true"};

    for (size_t k = 0; k < 2 * G_N_ELEMENTS(predictions); k++) {
        TinyUnet tiny = level_map_model;
        g_auto(Fixture) fixture = {0};
        float output[N], want[N], x0[N];

        tiny.prediction = predictions[k / 2];
        tiny.sdedit_keys = keys[k % 2];
        fixture_load(&fixture, &tiny, NULL);
        g_assert_cmpint(fixture.bundle->posterior_input, ==, k % 2);
        SdeDenoiserInput input = input_of(&fixture);

        input.classes.label = 0;
        run(&fixture, &input, x0);
        run_by_hand(&fixture, 0, output);
        turn_into_x0(&fixture, output, want);
        assert_close(x0, want, ROUNDING);
    }
}

static void
test_a_mean_is_for_models_that_use_one(void)
{
    g_auto(Fixture) fixture = {0};

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    g_assert_false(fixture.denoiser->uses_mean);
    input.mean = fixture.mean;
    assert_refused(&fixture, &input, SDE_ERROR_INPUT);
}

static void
test_ordinary_models_take_one_angle(void)
{
    const char *const predictions[] = {"v_prediction", "epsilon", "sample"};

    for (size_t k = 0; k < G_N_ELEMENTS(predictions); k++) {
        TinyUnet tiny = ordinary_model;
        g_auto(Fixture) fixture = {0};
        float output[N], want[N], x0[N];

        tiny.prediction = predictions[k];
        fixture_load(&fixture, &tiny, NULL);
        SdeDenoiserInput input = input_of(&fixture);

        run(&fixture, &input, x0);
        run_by_hand(&fixture, -1, output);
        turn_into_x0(&fixture, output, want);
        assert_close(x0, want, ROUNDING);
    }
}

static void
test_learned_variance_is_left_out(void)
{
    TinyUnet tiny = ordinary_model;
    g_auto(Fixture) fixture = {0};
    float output[N], want[N], x0[N];

    tiny.out_channels = 6;
    fixture_load(&fixture, &tiny, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    run(&fixture, &input, x0);
    run_by_hand(&fixture, -1, output);
    turn_into_x0(&fixture, output, want);
    assert_close(x0, want, ROUNDING);
}

static void
test_known_pixels_come_back_bit_for_bit(void)
{
    g_auto(Fixture) fixture = {0};
    float x0[N];
    int n_other = 0;

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    run(&fixture, &input, x0);
    for (int i = 0; i < N; i++) {
        if (fixture.theta[i / 3] == 0.0f) {
            g_assert_cmpfloat(x0[i], ==, fixture.x[i]);
        } else {
            n_other += x0[i] != fixture.x[i];
        }
    }
    g_assert_cmpint(n_other, >, N / 3);
}

static void
test_a_flat_map_equals_no_map(void)
{
    g_auto(Fixture) fixture = {0};
    float with[N], without[N];

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    for (int i = 0; i < N_PIXELS; i++) {
        fixture.theta[i] = fixture.theta_max;
    }
    run(&fixture, &input, with);
    input.theta = NULL;
    run(&fixture, &input, without);
    g_assert_cmpmem(with, sizeof(with), without, sizeof(without));
}

/* ---- classes and guidance -------------------------------------------------------- */

static void
test_classes_differ_and_minus_one_is_the_default(void)
{
    g_auto(Fixture) fixture = {0};
    float of_class[3][N], of_default[N];

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    g_assert_cmpint(fixture.denoiser->n_classes, ==, 3);
    g_assert_cmpint(fixture.denoiser->none_class, ==, 2);
    for (int label = 0; label < 3; label++) {
        input.classes.label = label;
        run(&fixture, &input, of_class[label]);
    }
    input.classes.label = -1;
    run(&fixture, &input, of_default);
    g_assert_cmpmem(of_default, sizeof(of_default), of_class[1], sizeof(of_class[1]));
    g_assert_true(memcmp(of_class[0], of_class[1], sizeof(of_class[0])) != 0);
    g_assert_true(memcmp(of_class[1], of_class[2], sizeof(of_class[0])) != 0);
}

static void
test_guidance_goes_from_none_through_the_class(void)
{
    g_auto(Fixture) fixture = {0};
    const double scales[] = {0.0, 0.5, 1.0, 3.0};
    float none[N], of_class[N], guided[N], want[N];

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    input.classes.label = 2;
    run(&fixture, &input, none);
    input.classes.label = 0;
    run(&fixture, &input, of_class);
    for (size_t k = 0; k < G_N_ELEMENTS(scales); k++) {
        input.guidance = scales[k];
        run(&fixture, &input, guided);
        for (int i = 0; i < N; i++) {
            want[i] = none[i] + (float) scales[k] * (of_class[i] - none[i]);
        }
        assert_close(guided, want, ROUNDING);
    }
}

/* ---- memory and threads ---------------------------------------------------------- */

static void
test_a_tile_over_the_limit_is_refused_with_numbers(void)
{
    g_auto(Fixture) fixture = {0};
    g_autoptr(GError) error = NULL;
    float x0[N] = {77.0f};

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);
    size_t need = fixture.denoiser->plan(fixture.denoiser, W, H);
    g_autoptr(SdeDenoiser) tight = sde_denoiser_new_unet(
        fixture.unet, fixture.bundle, fixture.schedule, NULL, need - 1, NULL);
    g_autoptr(SdeDenoiser) enough = sde_denoiser_new_unet(
        fixture.unet, fixture.bundle, fixture.schedule, NULL, need, NULL);

    g_assert_false(tight->run(tight, &input, x0, NULL, &error));
    g_assert_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE);
    g_assert_nonnull(strstr(error->message, "12 × 8"));
    g_assert_nonnull(strstr(error->message, "MiB"));
    g_assert_cmpfloat(x0[0], ==, 77.0f);
    g_assert_true(enough->run(enough, &input, x0, NULL, NULL));
}

static void
test_memory_grows_to_the_largest_tile_and_serves_smaller_ones(void)
{
    g_auto(Fixture) fixture = {0};
    float small[3 * 4 * 4], again[3 * 4 * 4], large[N];

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture), part = input;

    part.width = part.height = 4;
    run(&fixture, &part, small);
    run(&fixture, &input, large);
    run(&fixture, &part, again);
    g_assert_cmpmem(small, sizeof(small), again, sizeof(again));
    g_assert_cmpuint(fixture.denoiser->plan(fixture.denoiser, 4, 4), <,
                     fixture.denoiser->plan(fixture.denoiser, W, H));
}

static void
test_threads_do_not_change_a_bit(void)
{
    const int counts[] = {1, 2, 3, 7};
    float first[N], x0[N];

    for (size_t k = 0; k < G_N_ELEMENTS(counts); k++) {
        g_autoptr(SdePool) pool = sde_pool_new(counts[k]);
        g_auto(Fixture) fixture = {0};

        fixture_load(&fixture, &level_map_model, pool);
        SdeDenoiserInput input = input_of(&fixture);

        run(&fixture, &input, k == 0 ? first : x0);
        if (k > 0) {
            g_assert_cmpmem(first, sizeof(first), x0, sizeof(x0));
        }
    }
}

static void
test_facts_are_in_picture_pixels(void)
{
    g_auto(Fixture) fixture = {0};

    fixture_load(&fixture, &level_map_model, NULL);
    g_assert_cmpint(fixture.denoiser->size_multiple, ==, 4); /* patch 2, one halving */
    g_assert_cmpint(fixture.denoiser->sample_size, ==, 16);
    g_assert_cmpint(fixture.denoiser->reach, >, 0);
    g_assert_true(fixture.denoiser->level_map);
}

/* ---- refusals -------------------------------------------------------------------- */

static void
test_tiles_of_odd_size_are_refused(void)
{
    const int sizes[][2] = {{11, 8}, {12, 6}, {0, 8}, {12, -4}, {2, 2}};
    g_auto(Fixture) fixture = {0};

    fixture_load(&fixture, &level_map_model, NULL);
    for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++) {
        SdeDenoiserInput input = input_of(&fixture);

        input.width = sizes[k][0];
        input.height = sizes[k][1];
        assert_refused(&fixture, &input, SDE_ERROR_INPUT);
    }
}

static void
test_classes_that_do_not_exist_are_refused(void)
{
    g_auto(Fixture) fixture = {0}, ordinary = {0};

    fixture_load(&fixture, &level_map_model, NULL);
    fixture_load(&ordinary, &ordinary_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    input.classes.label = 3;
    assert_refused(&fixture, &input, SDE_ERROR_INPUT);
    input = input_of(&ordinary);
    input.classes.label = 0;
    assert_refused(&ordinary, &input, SDE_ERROR_INPUT);
}

static void
test_guidance_without_a_none_class_is_refused(void)
{
    TinyUnet tiny = level_map_model;
    g_auto(Fixture) fixture = {0};

    tiny.sdedit_keys = "\"patch_size\": 2, \"level_map\": true";
    fixture_load(&fixture, &tiny, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    input.guidance = 2.0;
    assert_refused(&fixture, &input, SDE_ERROR_INPUT);
}

static void
test_not_a_number_is_refused(void)
{
    g_auto(Fixture) fixture = {0};

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    fixture.x[17] = NAN;
    assert_refused(&fixture, &input, SDE_ERROR_NUMERIC);
    fixture.x[17] = INFINITY;
    assert_refused(&fixture, &input, SDE_ERROR_NUMERIC);
    fixture.x[17] = 0.0f;
    float x0[N];

    run(&fixture, &input, x0); /* and nothing stays behind */
}

static void
test_a_cancelled_run_stops(void)
{
    g_auto(Fixture) fixture = {0};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(GError) error = NULL;
    SdeSpan span = {.begin = 0.0, .end = 1.0, .cancellable = cancellable};
    float x0[N] = {77.0f};

    fixture_load(&fixture, &level_map_model, NULL);
    SdeDenoiserInput input = input_of(&fixture);

    g_cancellable_cancel(cancellable);
    g_assert_false(fixture.denoiser->run(fixture.denoiser, &input, x0, &span, &error));
    g_assert_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    g_assert_cmpfloat(x0[0], ==, 77.0f);
}

static void
assert_model_unsupported(const Fixture *fixture, const SdeBundle *bundle)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeDenoiser) denoiser = sde_denoiser_new_unet(
        fixture->unet, bundle, fixture->schedule, NULL, 0, &error);

    g_assert_null(denoiser);
    g_assert_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED);
}

static void
test_networks_of_another_kind_are_refused(void)
{
    g_auto(Fixture) fixture = {0};

    fixture_load(&fixture, &level_map_model, NULL);
    SdeBundle bundle = *fixture.bundle;

    bundle.patch_size = 1;
    assert_model_unsupported(&fixture, &bundle);
    bundle = *fixture.bundle;
    bundle.level_map = false;
    assert_model_unsupported(&fixture, &bundle);
    bundle = *fixture.bundle;
    bundle.unet.out_channels = 16;
    assert_model_unsupported(&fixture, &bundle);
    bundle = *fixture.bundle;
    bundle.unet.class_embed = SDE_CLASS_IDENTITY;
    assert_model_unsupported(&fixture, &bundle);
    bundle = *fixture.bundle;
    bundle.scheduler.rescale_betas_zero_snr = true;
    bundle.scheduler.prediction_type = SDE_PREDICTION_EPSILON;
    assert_model_unsupported(&fixture, &bundle);
    /* the same end without the flag: betas of 1 */
    bundle.scheduler.rescale_betas_zero_snr = false;
    fixture.schedule->alphas_cumprod[fixture.schedule->n_train - 1] = 0.0;
    assert_model_unsupported(&fixture, &bundle);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/denoiser/by-hand",
                    test_d_is_the_network_with_each_pixels_own_angle);
    g_test_add_func("/denoiser/mean", test_a_mean_is_for_models_that_use_one);
    g_test_add_func("/denoiser/ordinary", test_ordinary_models_take_one_angle);
    g_test_add_func("/denoiser/learned", test_learned_variance_is_left_out);
    g_test_add_func("/denoiser/known", test_known_pixels_come_back_bit_for_bit);
    g_test_add_func("/denoiser/flat", test_a_flat_map_equals_no_map);
    g_test_add_func("/denoiser/classes",
                    test_classes_differ_and_minus_one_is_the_default);
    g_test_add_func("/denoiser/guidance",
                    test_guidance_goes_from_none_through_the_class);
    g_test_add_func("/denoiser/limit",
                    test_a_tile_over_the_limit_is_refused_with_numbers);
    g_test_add_func("/denoiser/growth",
                    test_memory_grows_to_the_largest_tile_and_serves_smaller_ones);
    g_test_add_func("/denoiser/threads", test_threads_do_not_change_a_bit);
    g_test_add_func("/denoiser/facts", test_facts_are_in_picture_pixels);
    g_test_add_func("/denoiser/size", test_tiles_of_odd_size_are_refused);
    g_test_add_func("/denoiser/no-class", test_classes_that_do_not_exist_are_refused);
    g_test_add_func("/denoiser/no-none", test_guidance_without_a_none_class_is_refused);
    g_test_add_func("/denoiser/nan", test_not_a_number_is_refused);
    g_test_add_func("/denoiser/cancel", test_a_cancelled_run_stops);
    g_test_add_func("/denoiser/unsupported", test_networks_of_another_kind_are_refused);
    return g_test_run();
}
