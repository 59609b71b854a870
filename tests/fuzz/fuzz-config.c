/* Configs: whatever is taken keeps the promises of config.h, on which the network and
 * the schedules rely; and these two take it, or refuse it, without trouble.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE /* memfd_create */
#include "fuzz.h"

#include <glib.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "model/config.h"
#include "nn/unet.h"
#include "sample/schedule.h"

/* A file with one tensor, which no network is content with. */
static SdeWeights *
open_small_weights(void)
{
    static const char header[] =
        "{\"conv_in.bias\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":[0,64]}}";
    uint64_t length = GUINT64_TO_LE((uint64_t) strlen(header));
    char data[64] = {0};
    int fd = memfd_create("weights", MFD_CLOEXEC);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    g_assert_cmpint(write(fd, &length, sizeof(length)), ==, sizeof(length));
    g_assert_cmpint(write(fd, header, strlen(header)), ==, (gssize) strlen(header));
    g_assert_cmpint(write(fd, data, sizeof(data)), ==, sizeof(data));

    SdeWeights *weights = sde_weights_open(path, NULL);

    close(fd);
    g_assert_nonnull(weights);
    return weights;
}

/* However large the network that a config describes, it ends at the missing tensors. */
static void
check_network(const SdeUnetConfig *config)
{
    g_autoptr(SdeWeights) weights = open_small_weights();
    g_autoptr(GError) error = NULL;
    g_autoptr(SdeUnet) unet =
        sde_unet_new(config, weights, SDE_PRECISION_FLOAT, &error);

    g_assert_null(unet);
    g_assert_nonnull(error);
}

static void
check_schedule(const SdeSchedulerConfig *config)
{
    g_autoptr(SdeSchedule) schedule = sde_schedule_new(config, NULL);
    double last_theta = 0;

    if (schedule == NULL) {
        return;
    }
    for (int t = 0; t < schedule->n_train; t++) {
        double theta = sde_schedule_theta_at(schedule, t);

        g_assert_true(schedule->alphas_cumprod[t] >= 0 &&
                      schedule->alphas_cumprod[t] <= 1);
        g_assert_true(theta >= last_theta && theta <= G_PI_2);
        g_assert_true(isfinite(sde_schedule_t_at(schedule, theta)));
        last_theta = theta;
    }
}

static void
check_unet(const SdeUnetConfig *config)
{
    g_assert_true(config->n_levels >= 1 && config->n_levels <= SDE_MAX_LEVELS);
    g_assert_true(config->in_channels >= 1 && config->in_channels <= 8192);
    g_assert_true(config->out_channels >= 1 && config->out_channels <= 8192);
    g_assert_true(config->sample_size >= 0 && config->sample_size <= 4096);
    g_assert_true(config->layers_per_block >= 1 && config->layers_per_block <= 64);
    g_assert_true(config->norm_eps > 0 && isfinite(config->freq_shift));
    g_assert_true(config->mid_block_scale_factor > 0);
    g_assert_true((config->class_embed != SDE_CLASS_LABEL) ||
                  config->num_class_embeds > 0);
    g_assert_true(config->block_out_channels[0] % 2 == 0);
    for (int i = 0; i < config->n_levels; i++) {
        int channels = config->block_out_channels[i];

        g_assert_true(channels >= 1 && channels <= 8192);
        g_assert_cmpint(channels % config->norm_num_groups, ==, 0);
        if (config->attention_head_dim > 0 &&
            config->down_block_types[i] == SDE_BLOCK_ATTENTION) {
            g_assert_cmpint(channels % config->attention_head_dim, ==, 0);
        }
        g_assert_true(config->down_block_types[i] <= SDE_BLOCK_RESNET);
        g_assert_true(config->up_block_types[i] <= SDE_BLOCK_RESNET);
    }
}

static void
check_scheduler(const SdeSchedulerConfig *config)
{
    g_assert_true(config->klass <= SDE_SCHEDULER_PNDM);
    g_assert_true(config->num_train_timesteps >= 1 &&
                  config->num_train_timesteps <= 10000);
    g_assert_true(config->beta_start >= 0 && config->beta_start <= 1);
    g_assert_true(config->beta_end >= 0 && config->beta_end <= 1);
    g_assert_true(config->steps_offset >= 0 &&
                  config->steps_offset < config->num_train_timesteps);
    g_assert_true(config->solver_order >= 1 && config->solver_order <= 2);
    g_assert_true(config->clip_sample_range > 0 && config->sample_max_value > 0);
    g_assert_true((config->beta_schedule == SDE_BETAS_TRAINED) ==
                  (config->trained_betas != NULL));
    for (int i = 0; config->trained_betas != NULL && i < config->num_train_timesteps;
         i++) {
        g_assert_true(config->trained_betas[i] >= 0 && config->trained_betas[i] <= 1);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *) data;
    g_autoptr(GError) unet_error = NULL;
    g_autoptr(GError) scheduler_error = NULL;
    SdeUnetConfig unet;
    SdeSchedulerConfig scheduler;

    if (sde_unet_config_parse(text, (gssize) size, &unet, &unet_error)) {
        check_unet(&unet);
        check_network(&unet);
    } else {
        g_assert_true(g_utf8_validate(unet_error->message, -1, NULL));
    }
    if (sde_scheduler_config_parse(text, (gssize) size, &scheduler, &scheduler_error)) {
        check_scheduler(&scheduler);
        check_schedule(&scheduler);
        sde_scheduler_config_clear(&scheduler);
    } else {
        g_assert_true(g_utf8_validate(scheduler_error->message, -1, NULL));
    }
    return 0;
}
