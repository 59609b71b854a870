/* The U-Net's promises apart from its numbers (test-unet-golden.c): planned memory,
 * bits, refusals, cancelling. SPDX-License-Identifier: GPL-3.0-or-later */
#include "nn/unet.h"

#include <math.h>

#include "base/rng.h"
#include "model/bundle.h"
#include "near.h"
#include "sde.h"
#include "tiny-model.h"

#define IN_CHANNELS  16
#define OUT_CHANNELS 12
#define UNTOUCHED    123.0f

typedef struct {
    TempFolder *folder;
    SdeUnetConfig config;
    SdeWeights *weights;
    SdeUnet *unet;
} Fixture;

static void
set_up(Fixture *f, const void *unused)
{
    g_autoptr(GError) error = NULL;

    f->folder = temp_folder_new();
    tiny_model_write(f->folder);
    sde_bundle_open_unet(f->folder, &f->config, &f->weights, &error);
    g_assert_no_error(error);
    f->unet = sde_unet_new(&f->config, f->weights, SDE_PRECISION_FLOAT, &error);
    g_assert_no_error(error);
}

static void
tear_down(Fixture *f, const void *unused)
{
    sde_unet_free(f->unet);
    sde_weights_free(f->weights);
    temp_folder_free(f->folder);
}

/* A forward pass with everything it needs. */
typedef struct {
    SdeUnetInput input;
    SdeTensor out;
    float *x, *y, timesteps[4], labels[4];
    SdeArena *arena;
    size_t plan;
    GCancellable *cancellable;
    SdeUnetTap tap;
    void *tap_data;
} Pass;

static void
clear_pass(Pass *pass)
{
    g_free(pass->x);
    g_free(pass->y);
    sde_arena_free(pass->arena);
    g_clear_object(&pass->cancellable);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pass, clear_pass)

static void
make_pass(Pass *pass, const SdeUnet *unet, int n, int h, int w, int n_threads)
{
    g_autoptr(GError) error = NULL;
    const SdeTensor sample = {.n = n, .h = h, .w = w, .c = IN_CHANNELS};
    const SdeTensor out = {.n = n, .h = h, .w = w, .c = OUT_CHANNELS};

    *pass = (Pass) {.input = {.sample = sample}, .out = out};
    pass->x = g_new(float, sde_tensor_count(&sample));
    pass->y = g_new(float, sde_tensor_count(&out));
    sde_rng_fill_normal(5, 0, 0, 0, (int) sde_tensor_count(&sample), 1, 1, pass->x,
                        sde_tensor_count(&sample));
    for (size_t i = 0; i < sde_tensor_count(&out); i++) {
        pass->y[i] = UNTOUCHED;
    }
    for (int i = 0; i < 4; i++) {
        pass->timesteps[i] = 10.5f + 300.0f * (float) i;
        pass->labels[i] = (float) (i % 3);
    }
    pass->input.sample.data = pass->x;
    pass->out.data = pass->y;
    pass->plan = sde_unet_plan(unet, n, h, w, n_threads);
    pass->arena = sde_arena_new(pass->plan, &error);
    g_assert_no_error(error);
    pass->cancellable = g_cancellable_new();
}

static bool
run_pass(Pass *pass, const SdeUnet *unet, int n_threads, GError **error)
{
    g_autoptr(SdePool) pool = sde_pool_new(n_threads);

    pass->input.timesteps = pass->timesteps;
    pass->input.class_labels = pass->labels;
    return sde_unet_forward(unet, &pass->input, &pass->out, pass->arena, pool,
                            pass->cancellable, pass->tap, pass->tap_data, error);
}

static void
assert_refused(Pass *pass, const SdeUnet *unet, GQuark domain, int code)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(run_pass(pass, unet, 1, &error));
    g_assert_error(error, domain, code);
    g_assert_cmpfloat(pass->y[0], ==, UNTOUCHED);
    g_assert_cmpuint(sde_arena_mark(pass->arena), ==, 0);
}

/* ---- what holds ---- */

static void
test_plan_is_the_peak_of_the_run(Fixture *f, const void *unused)
{
    const int sizes[][3] = {{1, 2, 2}, {1, 32, 32}, {2, 24, 40}, {3, 64, 16}};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        for (int n_threads = 1; n_threads <= 5; n_threads += 2) {
            g_autoptr(GError) error = NULL;
            g_auto(Pass) pass;

            make_pass(&pass, f->unet, sizes[i][0], sizes[i][1], sizes[i][2], n_threads);
            run_pass(&pass, f->unet, n_threads, &error);
            g_assert_no_error(error);
            g_assert_cmpuint(sde_arena_get_peak(pass.arena), ==, pass.plan);
            g_assert_cmpuint(sde_arena_mark(pass.arena), ==, 0);
        }
    }
}

static void
test_every_thread_count_gives_the_same_bits(Fixture *f, const void *unused)
{
    const int threads[] = {2, 3, 7};
    g_autoptr(GError) error = NULL;
    g_auto(Pass) first;
    const size_t size = (size_t) 2 * 32 * 48 * OUT_CHANNELS * sizeof(float);

    make_pass(&first, f->unet, 2, 32, 48, 1);
    run_pass(&first, f->unet, 1, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_auto(Pass) pass;

        make_pass(&pass, f->unet, 2, 32, 48, threads[i]);
        run_pass(&pass, f->unet, threads[i], &error);
        g_assert_no_error(error);
        g_assert_cmpmem(pass.y, size, first.y, size);
    }
}

/* A batch is its samples one by one, bit for bit. */
static void
test_a_batch_is_its_samples(Fixture *f, const void *unused)
{
    g_autoptr(GError) error = NULL;
    g_auto(Pass) batch;
    const size_t in_count = (size_t) 16 * 24 * IN_CHANNELS;
    const size_t out_size = (size_t) 16 * 24 * OUT_CHANNELS * sizeof(float);

    make_pass(&batch, f->unet, 3, 16, 24, 2);
    run_pass(&batch, f->unet, 2, &error);
    g_assert_no_error(error);
    for (int i = 0; i < 3; i++) {
        g_auto(Pass) one;

        make_pass(&one, f->unet, 1, 16, 24, 1);
        memcpy(one.x, batch.x + (size_t) i * in_count, in_count * sizeof(float));
        one.timesteps[0] = batch.timesteps[i];
        one.labels[0] = batch.labels[i];
        run_pass(&one, f->unet, 1, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(one.y, out_size,
                        batch.y + (size_t) i * out_size / sizeof(float), out_size);
    }
}

static void
test_time_and_class_reach_the_result(Fixture *f, const void *unused)
{
    g_autoptr(GError) error = NULL;
    g_auto(Pass) a, b, c;

    make_pass(&a, f->unet, 1, 8, 8, 1);
    make_pass(&b, f->unet, 1, 8, 8, 1);
    make_pass(&c, f->unet, 1, 8, 8, 1);
    b.timesteps[0] += 0.5f;
    c.labels[0] = 1.0f;
    run_pass(&a, f->unet, 1, &error);
    run_pass(&b, f->unet, 1, &error);
    run_pass(&c, f->unet, 1, &error);
    g_assert_no_error(error);
    g_assert_cmpfloat(a.y[0], !=, b.y[0]);
    g_assert_cmpfloat(a.y[0], !=, c.y[0]);
    g_assert_cmpfloat(a.y[0], !=, UNTOUCHED);
}

static void
test_two_classes_mix(Fixture *f, const void *unused)
{
    const float second = 1.0f, shares[] = {0.0f, 0.5f, 1.0f};
    g_autoptr(GError) error = NULL;
    g_auto(Pass) first, other, none, half, all;
    Pass *const mixed[] = {&none, &half, &all};

    make_pass(&first, f->unet, 1, 8, 8, 1);
    make_pass(&other, f->unet, 1, 8, 8, 1);
    other.labels[0] = second;
    run_pass(&first, f->unet, 1, &error);
    run_pass(&other, f->unet, 1, &error);
    for (int i = 0; i < 3; i++) {
        make_pass(mixed[i], f->unet, 1, 8, 8, 1);
        mixed[i]->input.second_labels = &second;
        mixed[i]->input.mix = &shares[i];
        run_pass(mixed[i], f->unet, 1, &error);
    }
    g_assert_no_error(error);
    g_assert_cmpfloat(none.y[0], ==, first.y[0]);
    assert_near((double) all.y[0], (double) other.y[0], 1e-5);
    g_assert_cmpfloat(half.y[0], !=, first.y[0]);
    g_assert_cmpfloat(half.y[0], !=, other.y[0]);
}

static void
count_name(const char *name, const SdeTensor *hidden, void *data)
{
    GHashTable *names = data;

    g_assert_nonnull(hidden->data);
    g_assert_true(g_hash_table_add(names, g_strdup(name)));
}

static void
test_taps_name_every_part_once_and_change_nothing(Fixture *f, const void *unused)
{
    const char *const expected[] = {
        "time_proj",
        "time_embedding",
        "class_embedding",
        "conv_in",
        "down_blocks.0.resnets.0",
        "down_blocks.0.downsamplers.0",
        "down_blocks.0",
        "down_blocks.1",
        "mid_block.resnets.0",
        "mid_block.attentions.0",
        "mid_block.resnets.1",
        "mid_block",
        "up_blocks.0.resnets.1",
        "up_blocks.0.upsamplers.0",
        "up_blocks.1",
        "conv_norm_out",
        "conv_out",
    };
    g_autoptr(GHashTable) names =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GError) error = NULL;
    g_auto(Pass) plain, tapped;
    const size_t size = (size_t) 16 * 16 * OUT_CHANNELS * sizeof(float);

    make_pass(&plain, f->unet, 1, 16, 16, 1);
    make_pass(&tapped, f->unet, 1, 16, 16, 1);
    tapped.tap = count_name;
    tapped.tap_data = names;
    run_pass(&plain, f->unet, 1, &error);
    run_pass(&tapped, f->unet, 1, &error);
    g_assert_no_error(error);
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_true(g_hash_table_contains(names, expected[i]));
    }
    g_assert_cmpmem(plain.y, size, tapped.y, size);
    g_assert_cmpuint(sde_arena_get_peak(tapped.arena), ==, tapped.plan);
}

static void
test_flop_grows_with_the_area(Fixture *f, const void *unused)
{
    const double small = sde_unet_count_flop(f->unet, 1, 32, 32);

    g_assert_cmpfloat(small, >, 2.0 * 32 * 32 * 9 * 16 * 8);
    /* Attention grows with the square; the time embedding not at all. */
    g_assert_cmpfloat(sde_unet_count_flop(f->unet, 1, 64, 64), >, 3.9 * small);
    g_assert_true(fabs(sde_unet_count_flop(f->unet, 2, 32, 32) - 2 * small) <
                  1e-3 * small);
}

static void
test_size_multiple_follows_the_levels(Fixture *f, const void *unused)
{
    g_assert_cmpint(sde_unet_get_size_multiple(f->unet), ==, 2);
}

/* ---- what is refused ---- */

static void
test_sizes_off_the_multiple_are_refused(Fixture *f, const void *unused)
{
    const int sizes[][2] = {{7, 8}, {8, 7}, {0, 8}, {8, 0}, {1, 1}};

    for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_auto(Pass) pass;

        make_pass(&pass, f->unet, 1, 8, 8, 1);
        pass.input.sample.h = pass.out.h = sizes[i][0];
        pass.input.sample.w = pass.out.w = sizes[i][1];
        assert_refused(&pass, f->unet, SDE_ERROR, SDE_ERROR_INPUT);
    }
}

static void
test_absurd_sizes_are_refused_and_plan_as_such(Fixture *f, const void *unused)
{
    g_auto(Pass) pass;

    g_assert_cmpuint(sde_unet_plan(f->unet, 1, 1 << 14, 1 << 14, 1), ==, SIZE_MAX);
    g_assert_cmpuint(sde_unet_plan(f->unet, 1 << 30, 1 << 30, 1 << 30, 1), ==,
                     SIZE_MAX);
    g_assert_true(isinf(sde_unet_count_flop(f->unet, 1, 1 << 14, 1 << 14)));
    make_pass(&pass, f->unet, 1, 8, 8, 1);
    pass.input.sample.h = pass.out.h = 1 << 14;
    pass.input.sample.w = pass.out.w = 1 << 14;
    assert_refused(&pass, f->unet, SDE_ERROR, SDE_ERROR_TOO_LARGE);
}

static void
test_other_channels_are_refused(Fixture *f, const void *unused)
{
    g_auto(Pass) in, out;

    make_pass(&in, f->unet, 1, 8, 8, 1);
    in.input.sample.c--;
    assert_refused(&in, f->unet, SDE_ERROR, SDE_ERROR_INPUT);
    make_pass(&out, f->unet, 1, 8, 8, 1);
    out.out.c--;
    assert_refused(&out, f->unet, SDE_ERROR, SDE_ERROR_INPUT);
}

static void
test_a_result_of_another_size_is_refused(Fixture *f, const void *unused)
{
    g_auto(Pass) pass;

    make_pass(&pass, f->unet, 2, 8, 8, 1);
    pass.out.n = 1;
    assert_refused(&pass, f->unet, SDE_ERROR, SDE_ERROR_INPUT);
}

static void
test_labels_that_are_no_class_are_refused(Fixture *f, const void *unused)
{
    const float labels[] = {-1.0f, 3.0f, 0.5f, NAN, 1e30f};

    for (size_t i = 0; i < G_N_ELEMENTS(labels); i++) {
        g_auto(Pass) pass;

        make_pass(&pass, f->unet, 1, 8, 8, 1);
        pass.labels[0] = labels[i];
        assert_refused(&pass, f->unet, SDE_ERROR, SDE_ERROR_INPUT);
    }
}

static void
test_timesteps_that_are_no_number_are_refused(Fixture *f, const void *unused)
{
    const float timesteps[] = {NAN, INFINITY, -INFINITY};

    for (size_t i = 0; i < G_N_ELEMENTS(timesteps); i++) {
        g_auto(Pass) pass;

        make_pass(&pass, f->unet, 1, 8, 8, 1);
        pass.timesteps[0] = timesteps[i];
        assert_refused(&pass, f->unet, SDE_ERROR, SDE_ERROR_INPUT);
    }
}

static void
test_cancelled_before_it_starts(Fixture *f, const void *unused)
{
    g_auto(Pass) pass;

    make_pass(&pass, f->unet, 1, 8, 8, 1);
    g_cancellable_cancel(pass.cancellable);
    assert_refused(&pass, f->unet, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

typedef struct {
    const char *at;
    GCancellable *cancellable;
    int n_after;
} Stop;

static void
cancel_at(const char *name, const SdeTensor *hidden, void *data)
{
    Stop *stop = data;

    stop->n_after += g_cancellable_is_cancelled(stop->cancellable) ? 1 : 0;
    if (g_str_equal(name, stop->at)) {
        g_cancellable_cancel(stop->cancellable);
    }
}

static void
test_cancelled_under_way_stops_at_once(Fixture *f, const void *unused)
{
    const char *const places[] = {"conv_in", "down_blocks.1.resnets.0",
                                  "mid_block.resnets.0", "up_blocks.1.resnets.0",
                                  "conv_norm_out"};

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        g_auto(Pass) pass;

        make_pass(&pass, f->unet, 1, 8, 8, 1);

        Stop stop = {.at = places[i], .cancellable = pass.cancellable};

        pass.tap = cancel_at;
        pass.tap_data = &stop;
        assert_refused(&pass, f->unet, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        /* A layer may still pass by, doing nothing, before the next look. */
        g_assert_cmpint(stop.n_after, <=, 2);
    }
}

/* ---- weights that do not fit ---- */

/* Opens the tiny model with one thing changed in its configuration. */
static void
assert_config_refused(Fixture *f, const SdeUnetConfig *config, int code,
                      const char *word)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeWeights) weights = NULL;
    SdeUnetConfig unchanged;

    sde_bundle_open_unet(f->folder, &unchanged, &weights, &error);
    g_assert_no_error(error);
    g_assert_null(sde_unet_new(config, weights, SDE_PRECISION_FLOAT, &error));
    g_assert_error(error, SDE_ERROR, code);
    g_assert_nonnull(strstr(error->message, word));
}

static void
test_missing_tensors_are_named(Fixture *f, const void *unused)
{
    SdeUnetConfig config = f->config;

    config.layers_per_block = 2;
    assert_config_refused(f, &config, SDE_ERROR_FORMAT, "resnets.1");
}

static void
test_extra_tensors_are_named(Fixture *f, const void *unused)
{
    SdeUnetConfig config = f->config;

    config.add_attention = false;
    assert_config_refused(f, &config, SDE_ERROR_FORMAT, "mid_block.attentions.0");
}

static void
test_misshapen_tensors_are_named(Fixture *f, const void *unused)
{
    SdeUnetConfig config = f->config;

    config.out_channels = 11;
    assert_config_refused(f, &config, SDE_ERROR_FORMAT, "conv_out.weight");
}

static void
test_groups_that_do_not_divide_are_refused(Fixture *f, const void *unused)
{
    SdeUnetConfig config = f->config;

    config.norm_num_groups = 3;
    assert_config_refused(f, &config, SDE_ERROR_UNSUPPORTED, "3 groups");
    config = f->config;
    config.attn_norm_num_groups = 5;
    assert_config_refused(f, &config, SDE_ERROR_UNSUPPORTED, "5 groups");
}

static void
test_heads_wider_than_the_block_are_refused(Fixture *f, const void *unused)
{
    SdeUnetConfig config = f->config;

    config.attention_head_dim = 64;
    assert_config_refused(f, &config, SDE_ERROR_UNSUPPORTED, "attention_head_dim");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name) \
    g_test_add("/unet/" #name, Fixture, NULL, set_up, test_##name, tear_down)
    ADD(plan_is_the_peak_of_the_run);
    ADD(every_thread_count_gives_the_same_bits);
    ADD(a_batch_is_its_samples);
    ADD(time_and_class_reach_the_result);
    ADD(two_classes_mix);
    ADD(taps_name_every_part_once_and_change_nothing);
    ADD(flop_grows_with_the_area);
    ADD(size_multiple_follows_the_levels);
    ADD(sizes_off_the_multiple_are_refused);
    ADD(absurd_sizes_are_refused_and_plan_as_such);
    ADD(other_channels_are_refused);
    ADD(a_result_of_another_size_is_refused);
    ADD(labels_that_are_no_class_are_refused);
    ADD(timesteps_that_are_no_number_are_refused);
    ADD(cancelled_before_it_starts);
    ADD(cancelled_under_way_stops_at_once);
    ADD(missing_tensors_are_named);
    ADD(extra_tensors_are_named);
    ADD(misshapen_tensors_are_named);
    ADD(groups_that_do_not_divide_are_refused);
    ADD(heads_wider_than_the_block_are_refused);
#undef ADD
    return g_test_run();
}
