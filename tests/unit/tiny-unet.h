/* A model folder with a tiny network of random weights: two levels, no attention. Small
 * enough to run hundreds of times, odd enough that a swapped channel shows.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

#include "base/rng.h"
#include "temp-files.h"

typedef struct {
    int in_channels, out_channels;
    int n_classes;           /* 0: none */
    const char *prediction;  /* "v_prediction", ... */
    const char *sdedit_keys; /* inside the "sdedit" object; NULL: no model_index.json */
} TinyUnet;

typedef struct {
    GString *header;
    GByteArray *data;
} TinyWeights;

static inline void
tiny_add_shape(TinyWeights *weights, const char *name, const int *shape, int rank,
               float center)
{
    size_t begin = weights->data->len, count = 1;
    g_autofree float *values = NULL;

    g_string_append_printf(weights->header, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[",
                           weights->header->len > 1 ? "," : "", name);
    for (int i = 0; i < rank; i++) {
        count *= (size_t) shape[i];
        g_string_append_printf(weights->header, "%s%d", i > 0 ? "," : "", shape[i]);
    }
    values = g_new(float, count);
    sde_rng_fill_normal(3, g_str_hash(name), 0, 0, (int) count, 1, 1, values, count);
    for (size_t i = 0; i < count; i++) {
        values[i] = center + 0.15f * values[i];
    }
    g_byte_array_append(weights->data, (const guint8 *) values,
                        (guint) (count * sizeof(float)));
    g_string_append_printf(weights->header, "],\"data_offsets\":[%zu,%zu]}", begin,
                           begin + count * sizeof(float));
}

/* name.weight: out × in × side × side (side 0: a linear layer), and name.bias. */
static inline void
tiny_add_layer(TinyWeights *weights, const char *name, int out, int in, int side)
{
    g_autofree char *weight = g_strdup_printf("%s.weight", name);
    g_autofree char *bias = g_strdup_printf("%s.bias", name);
    const int shape[] = {out, in, side, side};

    tiny_add_shape(weights, weight, shape, side > 0 ? 4 : 2, 0.0f);
    tiny_add_shape(weights, bias, &out, 1, 0.0f);
}

static inline void
tiny_add_norm(TinyWeights *weights, const char *name, int channels)
{
    g_autofree char *weight = g_strdup_printf("%s.weight", name);
    g_autofree char *bias = g_strdup_printf("%s.bias", name);

    tiny_add_shape(weights, weight, &channels, 1, 1.0f);
    tiny_add_shape(weights, bias, &channels, 1, 0.0f);
}

static inline void
tiny_add_resnet(TinyWeights *weights, const char *name, int in, int out)
{
    g_autofree char *norm1 = g_strdup_printf("%s.norm1", name);
    g_autofree char *conv1 = g_strdup_printf("%s.conv1", name);
    g_autofree char *time = g_strdup_printf("%s.time_emb_proj", name);
    g_autofree char *norm2 = g_strdup_printf("%s.norm2", name);
    g_autofree char *conv2 = g_strdup_printf("%s.conv2", name);
    g_autofree char *shortcut = g_strdup_printf("%s.conv_shortcut", name);

    tiny_add_norm(weights, norm1, in);
    tiny_add_layer(weights, conv1, out, in, 3);
    tiny_add_layer(weights, time, out, 32, 0);
    tiny_add_norm(weights, norm2, out);
    tiny_add_layer(weights, conv2, out, out, 3);
    if (in != out) {
        tiny_add_layer(weights, shortcut, out, in, 1);
    }
}

static inline void
tiny_write_weights(const TinyUnet *tiny, const char *folder)
{
    TinyWeights weights = {g_string_new("{"), g_byte_array_new()};
    const int classes[] = {tiny->n_classes, 32};

    tiny_add_layer(&weights, "time_embedding.linear_1", 32, 8, 0);
    tiny_add_layer(&weights, "time_embedding.linear_2", 32, 32, 0);
    if (tiny->n_classes > 0) {
        tiny_add_shape(&weights, "class_embedding.weight", classes, 2, 0.0f);
    }
    tiny_add_layer(&weights, "conv_in", 8, tiny->in_channels, 3);
    tiny_add_resnet(&weights, "down_blocks.0.resnets.0", 8, 8);
    tiny_add_layer(&weights, "down_blocks.0.downsamplers.0.conv", 8, 8, 3);
    tiny_add_resnet(&weights, "down_blocks.1.resnets.0", 8, 16);
    tiny_add_resnet(&weights, "mid_block.resnets.0", 16, 16);
    tiny_add_resnet(&weights, "mid_block.resnets.1", 16, 16);
    tiny_add_resnet(&weights, "up_blocks.0.resnets.0", 32, 16);
    tiny_add_resnet(&weights, "up_blocks.0.resnets.1", 24, 16);
    tiny_add_layer(&weights, "up_blocks.0.upsamplers.0.conv", 16, 16, 3);
    tiny_add_resnet(&weights, "up_blocks.1.resnets.0", 24, 8);
    tiny_add_resnet(&weights, "up_blocks.1.resnets.1", 16, 8);
    tiny_add_norm(&weights, "conv_norm_out", 8);
    tiny_add_layer(&weights, "conv_out", tiny->out_channels, 8, 3);
    g_string_append_c(weights.header, '}');
    g_free(safetensors_write(folder, "unet/diffusion_pytorch_model.safetensors",
                             weights.header->str, weights.data->data,
                             weights.data->len));
    g_string_free(weights.header, TRUE);
    g_byte_array_unref(weights.data);
}

/* Writes unet/, scheduler/ and, where asked for, model_index.json. */
static inline void
tiny_unet_write(const TinyUnet *tiny, const char *folder)
{
    g_autofree char *classes =
        tiny->n_classes > 0
            ? g_strdup_printf(", \"num_class_embeds\": %d", tiny->n_classes)
            : g_strdup("");
    g_autofree char *config = g_strdup_printf(
        "{\"_class_name\": \"UNet2DModel\", \"sample_size\": 8, \"in_channels\": %d, "
        "\"out_channels\": %d, \"block_out_channels\": [8, 16], "
        "\"down_block_types\": [\"DownBlock2D\", \"DownBlock2D\"], "
        "\"up_block_types\": [\"UpBlock2D\", \"UpBlock2D\"], \"layers_per_block\": 1, "
        "\"norm_num_groups\": 4, \"add_attention\": false%s}",
        tiny->in_channels, tiny->out_channels, classes);
    g_autofree char *scheduler = g_strdup_printf(
        "{\"_class_name\": \"DDIMScheduler\", \"num_train_timesteps\": 1000, "
        "\"beta_schedule\": \"squaredcos_cap_v2\", \"prediction_type\": \"%s\"}",
        tiny->prediction);

    temp_text_write(folder, "unet/config.json", config);
    temp_text_write(folder, "scheduler/scheduler_config.json", scheduler);
    if (tiny->sdedit_keys != NULL) {
        g_autofree char *index = g_strdup_printf(
            "{\"_class_name\": \"DDIMPipeline\", \"sdedit\": {%s}}", tiny->sdedit_keys);

        temp_text_write(folder, "model_index.json", index);
    }
    tiny_write_weights(tiny, folder);
}
