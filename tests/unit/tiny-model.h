/* A model folder small enough to run in a test: a level-map network of patch size 2
 * with the classes "red", "blue" and "none", random weights, diffusers layout.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "base/rng.h"
#include "temp-files.h"

#define TINY_WIDTH 8 /* channels of every block */

typedef struct {
    GString *header;
    GByteArray *data;
    uint32_t n_tensors;
} TinyWeights;

/* A tensor of up to four dimensions (0: none), normal around `mean`. */
static inline void
tiny_add(TinyWeights *weights, const char *name, int a, int b, int c, int d, float mean,
         float deviation)
{
    const int shape[] = {a, b, c, d};
    g_autoptr(GString) text = g_string_new(NULL);
    int count = 1;
    guint begin = weights->data->len;

    for (int i = 0; i < 4 && shape[i] > 0; i++) {
        g_string_append_printf(text, "%s%d", i > 0 ? "," : "", shape[i]);
        count *= shape[i];
    }
    g_autofree float *values = g_new(float, (size_t) count);

    sde_rng_fill_normal(11, weights->n_tensors, 0, 0, count, 1, 1, values,
                        (size_t) count);
    for (int i = 0; i < count; i++) {
        values[i] = mean + deviation * values[i];
    }
    g_byte_array_append(weights->data, (const guint8 *) values,
                        (guint) count * (guint) sizeof(float));
    g_string_append_printf(weights->header,
                           "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],"
                           "\"data_offsets\":[%u,%u]}",
                           weights->n_tensors > 0 ? "," : "", name, text->str, begin,
                           weights->data->len);
    weights->n_tensors++;
}

/* name.weight and name.bias; kernel 0: a linear layer. */
static inline void
tiny_add_layer(TinyWeights *weights, const char *name, int out, int in, int kernel)
{
    g_autofree char *weight = g_strconcat(name, ".weight", NULL);
    g_autofree char *bias = g_strconcat(name, ".bias", NULL);
    float fan = (float) (in * MAX(kernel * kernel, 1));

    tiny_add(weights, weight, out, in, kernel, kernel, 0.0f, 1.0f / sqrtf(fan));
    tiny_add(weights, bias, out, 0, 0, 0, 0.0f, 0.1f);
}

static inline void
tiny_add_norm(TinyWeights *weights, const char *name, int channels)
{
    g_autofree char *weight = g_strconcat(name, ".weight", NULL);
    g_autofree char *bias = g_strconcat(name, ".bias", NULL);

    tiny_add(weights, weight, channels, 0, 0, 0, 1.0f, 0.1f);
    tiny_add(weights, bias, channels, 0, 0, 0, 0.0f, 0.1f);
}

static inline void
tiny_add_resnet(TinyWeights *weights, const char *name, int in)
{
    const int width = TINY_WIDTH;
    g_autofree char *norm1 = g_strconcat(name, ".norm1", NULL);
    g_autofree char *conv1 = g_strconcat(name, ".conv1", NULL);
    g_autofree char *time = g_strconcat(name, ".time_emb_proj", NULL);
    g_autofree char *norm2 = g_strconcat(name, ".norm2", NULL);
    g_autofree char *conv2 = g_strconcat(name, ".conv2", NULL);
    g_autofree char *shortcut = g_strconcat(name, ".conv_shortcut", NULL);

    tiny_add_norm(weights, norm1, in);
    tiny_add_layer(weights, conv1, width, in, 3);
    tiny_add_layer(weights, time, width, 4 * width, 0);
    tiny_add_norm(weights, norm2, width);
    tiny_add_layer(weights, conv2, width, width, 3);
    if (in != width) {
        tiny_add_layer(weights, shortcut, width, in, 1);
    }
}

static inline void
tiny_add_up_block(TinyWeights *weights, int block)
{
    for (int i = 0; i < 2; i++) {
        g_autofree char *name = g_strdup_printf("up_blocks.%d.resnets.%d", block, i);

        tiny_add_resnet(weights, name, 2 * TINY_WIDTH);
    }
}

static inline void
tiny_add_network(TinyWeights *weights)
{
    const int width = TINY_WIDTH;
    const char *projections[] = {"to_q", "to_k", "to_v", "to_out.0"};

    tiny_add_layer(weights, "conv_in", width, 16, 3);
    tiny_add_layer(weights, "time_embedding.linear_1", 4 * width, width, 0);
    tiny_add_layer(weights, "time_embedding.linear_2", 4 * width, 4 * width, 0);
    tiny_add(weights, "class_embedding.weight", 3, 4 * width, 0, 0, 0.0f, 1.0f);
    tiny_add_resnet(weights, "down_blocks.0.resnets.0", width);
    tiny_add_layer(weights, "down_blocks.0.downsamplers.0.conv", width, width, 3);
    tiny_add_resnet(weights, "down_blocks.1.resnets.0", width);
    tiny_add_resnet(weights, "mid_block.resnets.0", width);
    tiny_add_norm(weights, "mid_block.attentions.0.group_norm", width);
    for (int i = 0; i < 4; i++) {
        g_autofree char *name =
            g_strdup_printf("mid_block.attentions.0.%s", projections[i]);

        tiny_add_layer(weights, name, width, width, 0);
    }
    tiny_add_resnet(weights, "mid_block.resnets.1", width);
    tiny_add_up_block(weights, 0);
    tiny_add_layer(weights, "up_blocks.0.upsamplers.0.conv", width, width, 3);
    tiny_add_up_block(weights, 1);
    tiny_add_norm(weights, "conv_norm_out", width);
    tiny_add_layer(weights, "conv_out", 12, width, 3);
}

static inline void
tiny_model_write(const char *folder)
{
    TinyWeights weights = {.header = g_string_new("{"), .data = g_byte_array_new()};

    tiny_add_network(&weights);
    g_string_append(weights.header, "}");
    g_free(safetensors_write(folder, "unet/diffusion_pytorch_model.safetensors",
                             weights.header->str, weights.data->data,
                             weights.data->len));
    g_string_free(weights.header, TRUE);
    g_byte_array_unref(weights.data);
    temp_text_write(
        folder, "model_index.json",
        "{\"_class_name\":\"DDPMPipeline\",\"unet\":[\"diffusers\",\"UNet2DModel\"],"
        "\"scheduler\":[\"diffusers\",\"DDIMScheduler\"],"
        "\"sdedit\":{\"patch_size\":2,\"level_map\":true,"
        "\"class_names\":[\"red\",\"blue\",\"none\"],\"none_class\":2,"
        "\"default_class\":0}}");
    temp_text_write(folder, "scheduler/scheduler_config.json",
                    "{\"_class_name\":\"DDIMScheduler\",\"num_train_timesteps\":1000,"
                    "\"beta_schedule\":\"squaredcos_cap_v2\","
                    "\"prediction_type\":\"v_prediction\",\"clip_sample\":true}");
    temp_text_write(
        folder, "unet/config.json",
        "{\"_class_name\":\"UNet2DModel\",\"sample_size\":32,\"in_channels\":16,"
        "\"out_channels\":12,\"block_out_channels\":[8,8],\"layers_per_block\":1,"
        "\"down_block_types\":[\"DownBlock2D\",\"DownBlock2D\"],"
        "\"up_block_types\":[\"UpBlock2D\",\"UpBlock2D\"],\"norm_num_groups\":4,"
        "\"attention_head_dim\":null,\"num_class_embeds\":3}");
}
