/* Time and class embedding (diffusers: Timesteps, TimestepEmbedding).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "nn/embedding.h"

#include <math.h>
#include <string.h>

#include "sde.h"

static SdeTimestepMlp
choose_mlp(int waves, int width)
{
    return (SdeTimestepMlp) {
        sde_params_choose_linear(waves, width, SDE_PRECISION_FLOAT),
        sde_params_choose_linear(width, width, SDE_PRECISION_FLOAT)};
}

SdeEmbedding
sde_embedding_choose(const SdeUnetConfig *config, SdePointwise f)
{
    const int waves = config->block_out_channels[0];
    const int width =
        config->time_embedding_dim > 0 ? config->time_embedding_dim : 4 * waves;

    return (SdeEmbedding) {
        .waves = waves,
        .width = width,
        .cos_first = config->flip_sin_to_cos,
        .freq_shift = config->freq_shift,
        .classes = config->class_embed,
        .n_classes = config->num_class_embeds,
        .f = f,
        .time_mlp = choose_mlp(waves, width),
        .class_mlp = choose_mlp(waves, width),
    };
}

static bool
load_mlp(SdeParams *params, const char *name, SdeTimestepMlp *mlp, GError **error)
{
    g_autofree char *first = g_strconcat(name, ".linear_1", NULL);
    g_autofree char *second = g_strconcat(name, ".linear_2", NULL);
    const char *names[2] = {first, second};

    return sde_params_load_linear(params, names, 1, &mlp->linear1, error) &&
           sde_params_load_linear(params, names + 1, 1, &mlp->linear2, error);
}

bool
sde_embedding_load(SdeParams *params, SdeEmbedding *embedding, GError **error)
{
    if (!load_mlp(params, "time_embedding", &embedding->time_mlp, error)) {
        return false;
    }
    switch (embedding->classes) {
    case SDE_CLASS_LABEL:
        return sde_params_load_table(params, "class_embedding", embedding->n_classes,
                                     embedding->width, &embedding->class_table, error);
    case SDE_CLASS_TIMESTEP:
        return load_mlp(params, "class_embedding", &embedding->class_mlp, error);
    case SDE_CLASS_IDENTITY:
    case SDE_CLASS_NONE:
    default:
        return true;
    }
}

static bool
check_label(const SdeEmbedding *embedding, float label, GError **error)
{
    if (label >= 0.0f && label < (float) embedding->n_classes &&
        label == floorf(label)) {
        return true;
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                "class label %g, expected an integer from 0 to %d", (double) label,
                embedding->n_classes - 1);
    return false;
}

bool
sde_embedding_check_input(const SdeEmbedding *embedding, const SdeUnetInput *input,
                          GError **error)
{
    const float *labels = input->class_labels;

    if (labels != NULL && embedding->classes != SDE_CLASS_LABEL &&
        embedding->classes != SDE_CLASS_TIMESTEP) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "class labels were given, but this network has no classes");
        return false;
    }
    for (int i = 0; i < input->sample.n; i++) {
        if (!isfinite(input->timesteps[i])) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                        "timestep %d is not a finite number", i);
            return false;
        }
        if (labels == NULL || embedding->classes != SDE_CLASS_LABEL) {
            continue;
        }
        if (!check_label(embedding, labels[i], error) ||
            (input->mix != NULL &&
             !check_label(embedding, input->second_labels[i], error))) {
            return false;
        }
    }
    return true;
}

/* n × waves: sines, then cosines, of each value times falling frequencies. */
static void
fill_waves(const SdeEmbedding *embedding, const float *values, int n, float *out)
{
    const int half = embedding->waves / 2;
    const double rate = -log(10000.0) / ((double) half - embedding->freq_shift);

    g_assert(values != NULL);
    memset(out, 0, (size_t) n * embedding->waves * sizeof(float));
    for (int i = 0; i < n; i++) {
        float *row = out + (size_t) i * embedding->waves;
        float *sines = embedding->cos_first ? row + half : row;
        float *cosines = embedding->cos_first ? row : row + half;

        for (int k = 0; k < half; k++) {
            const double angle = (double) values[i] * exp(rate * k);

            sines[k] = (float) sin(angle);
            cosines[k] = (float) cos(angle);
        }
    }
}

static void
activate(SdePointwise f, SdeTensor *x)
{
    const float one = 1.0f, zero = 0.0f;

    sde_kernels_get()->scale_shift(x->data, sde_tensor_count(x), 1, &one, &zero, f,
                                   x->data, 1);
}

/* y = linear_2(SiLU(linear_1(waves of the values))) */
static void
run_mlp(SdeForward *forward, const SdeEmbedding *embedding, const SdeTimestepMlp *mlp,
        const float *values, const char *waves_name, SdeTensor *y)
{
    SdeCompute *compute = &forward->compute;
    const size_t mark = sde_arena_mark(compute->arena);
    SdeTensor waves = sde_compute_alloc(compute, 1, 1, y->w, embedding->waves);
    SdeTensor hidden = sde_compute_alloc(compute, 1, 1, y->w, embedding->width);

    if (!sde_compute_is_dry(compute)) {
        fill_waves(embedding, values, y->w, waves.data);
        if (waves_name != NULL) {
            sde_forward_tap(forward, &waves, "%s", waves_name);
        }
    }
    sde_conv_run(compute, &mlp->linear1, &(SdeConvInput) {.x = &waves}, &hidden);
    if (!sde_compute_is_dry(compute)) {
        activate(SDE_POINTWISE_SILU, &hidden);
    }
    sde_conv_run(compute, &mlp->linear2, &(SdeConvInput) {.x = &hidden}, y);
    sde_arena_release(compute->arena, mark);
}

/* Without labels: class 0, as if the network had never heard of the others. */
static const float *
look_up_class(const SdeEmbedding *embedding, const float *labels, int i)
{
    const size_t label = labels == NULL ? 0 : (size_t) labels[i];

    return embedding->class_table + label * (size_t) embedding->width;
}

static void
look_up_classes(const SdeEmbedding *embedding, const SdeUnetInput *input, SdeTensor *y)
{
    for (int i = 0; i < y->w; i++) {
        const float *first = look_up_class(embedding, input->class_labels, i);
        const float *second = look_up_class(embedding, input->second_labels, i);
        const float mix = input->mix != NULL ? input->mix[i] : 0.0f;
        float *row = y->data + (size_t) i * (size_t) y->c;

        for (int c = 0; c < y->c; c++) {
            row[c] = mix > 0.0f ? first[c] + mix * (second[c] - first[c]) : first[c];
        }
    }
}

static void
add(SdeTensor *y, const float *x)
{
    for (size_t i = 0; i < sde_tensor_count(y); i++) {
        y->data[i] += x[i];
    }
}

static void
add_classes(SdeForward *forward, const SdeEmbedding *embedding,
            const SdeUnetInput *input, SdeTensor *time)
{
    SdeCompute *compute = &forward->compute;
    const size_t mark = sde_arena_mark(compute->arena);
    SdeTensor classes = sde_compute_alloc(compute, 1, 1, time->w, time->c);

    if (embedding->classes == SDE_CLASS_TIMESTEP) {
        const size_t mark_zeros = sde_arena_mark(compute->arena);
        float *zeros = sde_arena_alloc(compute->arena, (size_t) time->w);

        if (zeros != NULL) {
            memset(zeros, 0, (size_t) time->w * sizeof(float));
        }
        run_mlp(forward, embedding, &embedding->class_mlp,
                input->class_labels != NULL ? input->class_labels : zeros, NULL,
                &classes);
        sde_arena_release(compute->arena, mark_zeros);
    } else if (!sde_compute_is_dry(compute)) {
        look_up_classes(embedding, input, &classes);
    }
    if (!sde_compute_is_dry(compute)) {
        sde_forward_tap(forward, &classes, "class_embedding");
        add(time, classes.data);
    }
    sde_arena_release(compute->arena, mark);
}

void
sde_embedding_run(SdeForward *forward, const SdeEmbedding *embedding,
                  const SdeUnetInput *input, int n)
{
    SdeCompute *compute = &forward->compute;
    SdeTensor time = sde_compute_alloc(compute, 1, 1, n, embedding->width);

    run_mlp(forward, embedding, &embedding->time_mlp, input->timesteps, "time_proj",
            &time);
    if (!sde_compute_is_dry(compute)) {
        sde_forward_tap(forward, &time, "time_embedding");
    }
    if (embedding->classes == SDE_CLASS_LABEL ||
        embedding->classes == SDE_CLASS_TIMESTEP) {
        add_classes(forward, embedding, input, &time);
    }
    if (!sde_compute_is_dry(compute)) {
        if (embedding->classes == SDE_CLASS_IDENTITY && input->class_vectors != NULL) {
            add(&time, input->class_vectors);
        }
        activate(embedding->f, &time);
    }
    forward->time = time;
}
