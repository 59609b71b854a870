/* The denoiser behind a U-Net: packs x and its level map as the network takes them
 * (scaled, pixel unshuffle), turns the network's output (v, epsilon or x0) into x0 with
 * each pixel's own angle, and guides with the "none" class. Owns the working memory of
 * one run. SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/denoiser.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/arena.h"
#include "model/bundle.h"
#include "nn/unet.h"
#include "sde.h"

#define RGB                 3
#define MIB                 (1024.0 * 1024.0)
#define DEFAULT_SAMPLE_SIZE 256 /* pixels, where the model does not say */
/* What a tile's border disturbs, in pixels of the lowest level: the effective receptive
 * field is far smaller than the theoretical one (Luo et al. 2016). */
#define REACH_LOW_PIXELS 2
/* Memory is planned for at least so many threads: the size of tiles hangs on the plan,
 * the result on the tiles, and the result must not hang on the number of threads. */
#define PLANNED_THREADS 16

typedef struct {
    SdeDenoiser base;
    const SdeUnet *unet;
    const SdeBundle *bundle;
    SdePool *pool;
    SdeArena *arena; /* NULL until the first run */
    size_t arena_capacity, memory_limit;
} UnetDenoiser;

/* What one call holds besides the network's own needs. */
typedef struct {
    SdeTensor in, out, none; /* packed; none: the unguided output */
    float *x0;               /* the result, until it is known to be sound */
} Buffers;

static bool
is_guided(const SdeDenoiserInput *input)
{
    return input->guidance != 1.0;
}

/* ---- memory ---------------------------------------------------------------------- */

static SdeTensor
new_tensor(SdeArena *arena, int h, int w, int c)
{
    SdeTensor tensor = {.n = 1, .h = h, .w = w, .c = c};

    tensor.data = sde_arena_alloc(arena, sde_tensor_count(&tensor));
    return tensor;
}

static void
allocate_buffers(const UnetDenoiser *self, int width, int height, SdeArena *arena,
                 Buffers *buffers)
{
    const SdeUnetConfig *config = &self->bundle->unet;
    int w = width / self->bundle->patch_size, h = height / self->bundle->patch_size;

    buffers->in = new_tensor(arena, h, w, config->in_channels);
    buffers->out = new_tensor(arena, h, w, config->out_channels);
    if (self->base.none_class >= 0) {
        buffers->none = new_tensor(arena, h, w, config->out_channels);
    }
    buffers->x0 = sde_arena_alloc(arena, (size_t) width * (size_t) height * RGB);
}

static size_t
plan(const SdeDenoiser *base, int width, int height)
{
    const UnetDenoiser *self = (const UnetDenoiser *) base;
    g_autoptr(SdeArena) dry = sde_arena_new_dry();
    int patch = self->bundle->patch_size;
    int n_threads = self->pool != NULL ? sde_pool_get_n_threads(self->pool) : 1;
    Buffers buffers;

    n_threads = MAX(n_threads, PLANNED_THREADS);

    allocate_buffers(self, width, height, dry, &buffers);
    return sde_arena_get_peak(dry) +
           sde_unet_plan(self->unet, 1, height / patch, width / patch, n_threads);
}

static bool
ensure_arena(UnetDenoiser *self, int width, int height, GError **error)
{
    size_t need = plan(&self->base, width, height);

    if (need <= self->arena_capacity) {
        return true;
    }
    if (self->memory_limit > 0 && need > self->memory_limit) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_TOO_LARGE,
                    "a tile of %d × %d pixels needs %.0f MiB of working memory, the "
                    "limit is %.0f MiB: use smaller tiles or raise the limit",
                    width, height, ceil((double) need / MIB),
                    floor((double) self->memory_limit / MIB));
        return false;
    }
    g_clear_pointer(&self->arena, sde_arena_free);
    self->arena_capacity = 0;
    self->arena = sde_arena_new(need, error);
    if (self->arena == NULL) {
        return false;
    }
    self->arena_capacity = need;
    return true;
}

/* ---- packing --------------------------------------------------------------------- */

typedef struct {
    const SdeDenoiserInput *input;
    const SdeBundle *bundle;
    Buffers *buffers;
    atomic_bool is_finite;
} Packing;

/* Offset of pixel (y, x) in a tensor that torch.pixel_unshuffle would give: there is
 * its first channel, and each of the others patch * patch samples further on. */
static size_t
packed_at(const SdeTensor *tensor, int patch, int y, int x)
{
    size_t pixel = (size_t) (y / patch) * (size_t) tensor->w + (size_t) (x / patch);

    return pixel * (size_t) tensor->c + (size_t) (y % patch * patch + x % patch);
}

static float
theta_of(const SdeDenoiserInput *input, size_t pixel)
{
    return input->theta != NULL ? input->theta[pixel] : input->theta_max;
}

static float
mean_of(const SdeDenoiserInput *input, size_t at)
{
    return input->mean != NULL ? input->mean[at] : 0.0f;
}

/* What the network sees of x: x itself, or with posterior_input E[x0 | x] for x0 ~
 * N(mean, 1). Where a pixel is mostly noise that is the mean, not the noise, and what
 * the network predicts is the difference to the mean: everything is of x0 - mean. */
static void
pack_row(size_t y, int thread, void *data)
{
    const Packing *packing = data;
    const SdeDenoiserInput *input = packing->input;
    const SdeBundle *bundle = packing->bundle;
    const SdeTensor *in = &packing->buffers->in;
    const float to_level = (float) (4.0 / G_PI); /* 0..pi/2 becomes -1..1 */
    const size_t step = (size_t) bundle->patch_size * (size_t) bundle->patch_size;
    float theta = -1.0f, signal = 1.0f;

    for (int x = 0; x < input->width; x++) {
        size_t pixel = y * (size_t) input->width + (size_t) x;
        float *packed = in->data + packed_at(in, bundle->patch_size, (int) y, x);

        if (theta_of(input, pixel) != theta) {
            theta = theta_of(input, pixel);
            signal = bundle->posterior_input ? cosf(theta) : 1.0f;
        }
        for (size_t c = 0; c < RGB; c++) {
            size_t at = pixel * RGB + c;
            float mean = mean_of(input, at);

            packed[c * step] = signal * (input->x[at] - signal * mean) + mean;
        }
        if (bundle->level_map) {
            packed[RGB * step] = to_level * theta - 1.0f;
        }
    }
}

static float
to_x0(SdePrediction prediction, float x, float output, float signal, float noise)
{
    switch (prediction) {
    case SDE_PREDICTION_V:
        return signal * x - noise * output;
    case SDE_PREDICTION_EPSILON:
        return (x - noise * output) / signal;
    case SDE_PREDICTION_SAMPLE:
        break;
    }
    return output;
}

static void
unpack_row(size_t y, int thread, void *data)
{
    Packing *packing = data;
    const SdeDenoiserInput *input = packing->input;
    const SdePrediction prediction = packing->bundle->scheduler.prediction_type;
    const int patch = packing->bundle->patch_size;
    const SdeTensor *out = &packing->buffers->out;
    const size_t step = (size_t) patch * (size_t) patch;
    float theta = -1.0f, signal = 1.0f, noise = 0.0f, *x0 = packing->buffers->x0;
    bool finite = true;

    for (int x = 0; x < input->width; x++) {
        size_t pixel = y * (size_t) input->width + (size_t) x;
        const float *packed = out->data + packed_at(out, patch, (int) y, x);

        if (theta_of(input, pixel) != theta) {
            theta = theta_of(input, pixel);
            signal = cosf(theta);
            noise = sinf(theta);
        }
        for (size_t c = 0; c < RGB; c++) {
            size_t at = pixel * RGB + c;
            float mean = mean_of(input, at);

            x0[at] = to_x0(prediction, input->x[at] - signal * mean, packed[c * step],
                           signal, noise) +
                     mean;
            finite = finite && isfinite(x0[at]);
        }
    }
    if (!finite) {
        packing->is_finite = false;
    }
}

/* ---- running --------------------------------------------------------------------- */

/* The class the network gets for what the caller asked. */
static int
choose_class(const UnetDenoiser *self, int asked)
{
    if (asked >= 0) {
        return asked;
    }
    if (self->bundle->default_class >= 0) {
        return self->bundle->default_class;
    }
    return MAX(self->bundle->none_class, 0);
}

static bool
check_input(const UnetDenoiser *self, const SdeDenoiserInput *input, GError **error)
{
    int unit = self->base.size_multiple;
    const SdeClasses *classes = &input->classes;
    int highest =
        classes->mix > 0.0f ? MAX(classes->label, classes->second) : classes->label;

    if (input->width < unit || input->height < unit || input->width % unit != 0 ||
        input->height % unit != 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "a tile has %d × %d pixels, expected multiples of %d", input->width,
                    input->height, unit);
        return false;
    }
    if (self->bundle->unet.class_embed == SDE_CLASS_LABEL
            ? highest >= self->base.n_classes
            : self->bundle->unet.class_embed == SDE_CLASS_NONE && highest >= 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "class %d asked for, but the model has %d classes", highest,
                    self->base.n_classes);
        return false;
    }
    if (input->mean != NULL && !self->base.uses_mean) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "a first guess was given, but the model takes none");
        return false;
    }
    if (is_guided(input) && self->base.none_class < 0) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "guidance %g asked for, but the model has no \"none\" class",
                    input->guidance);
        return false;
    }
    return true;
}

static bool
evaluate(UnetDenoiser *self, const SdeDenoiserInput *input, SdeClasses classes,
         const SdeTensor *in, SdeTensor *out, const SdeSpan *span, GError **error)
{
    double t = sde_schedule_t_at(self->base.schedule, (double) input->theta_max);
    /* below 0 only networks with a level map have seen anything */
    float timestep = (float) (self->base.level_map ? t : MAX(t, 0.0));
    float label = (float) classes.label, second = (float) classes.second;
    bool has_classes = self->bundle->unet.class_embed != SDE_CLASS_NONE;
    SdeUnetInput unet_input = {.sample = *in,
                               .timesteps = &timestep,
                               .class_labels = has_classes ? &label : NULL};

    if (has_classes && classes.mix > 0.0f) {
        unet_input.second_labels = &second;
        unet_input.mix = &classes.mix;
    }

    return sde_unet_forward(self->unet, &unet_input, out, self->arena, self->pool,
                            span != NULL ? span->cancellable : NULL, NULL, NULL, error);
}

typedef struct {
    SdeTensor *out;
    const SdeTensor *none;
    float guidance;
} Guiding;

/* out = none + guidance (out - none) */
static void
guide_row(size_t y, int thread, void *data)
{
    const Guiding *guiding = data;
    size_t n = (size_t) guiding->out->w * (size_t) guiding->out->c;
    float *out = guiding->out->data + y * n;
    const float *none = guiding->none->data + y * n;

    for (size_t i = 0; i < n; i++) {
        out[i] = none[i] + guiding->guidance * (out[i] - none[i]);
    }
}

static bool
run_in_arena(UnetDenoiser *self, const SdeDenoiserInput *input, float *x0,
             const SdeSpan *span, GError **error)
{
    int n_passes = is_guided(input) ? 2 : 1;
    size_t height = (size_t) input->height;
    SdeClasses classes = input->classes, none = {.label = self->base.none_class};
    Buffers buffers;
    Packing packing = {input, self->bundle, &buffers, true};

    classes.label = choose_class(self, classes.label);
    allocate_buffers(self, input->width, input->height, self->arena, &buffers);
    sde_parallel_for(self->pool, height, NULL, pack_row, &packing);
    if (!sde_span_step(span, 0, n_passes, error) ||
        !evaluate(self, input, classes, &buffers.in, &buffers.out, span, error)) {
        return false;
    }
    if (n_passes == 2) {
        if (!sde_span_step(span, 1, n_passes, error) ||
            !evaluate(self, input, none, &buffers.in, &buffers.none, span, error)) {
            return false;
        }
        sde_parallel_for(
            self->pool, (size_t) buffers.out.h, NULL, guide_row,
            &(Guiding) {&buffers.out, &buffers.none, (float) input->guidance});
    }
    sde_parallel_for(self->pool, height, NULL, unpack_row, &packing);
    if (!packing.is_finite) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_NUMERIC,
                    "the network's result is not finite (noise angle %g)",
                    (double) input->theta_max);
        return false;
    }
    memcpy(x0, buffers.x0, (size_t) input->width * height * RGB * sizeof(float));
    return true;
}

static bool
run(SdeDenoiser *base, const SdeDenoiserInput *input, float *x0, const SdeSpan *span,
    GError **error)
{
    UnetDenoiser *self = (UnetDenoiser *) base;

    if (!check_input(self, input, error) ||
        !ensure_arena(self, input->width, input->height, error)) {
        return false;
    }
    size_t mark = sde_arena_mark(self->arena);
    bool ok = run_in_arena(self, input, x0, span, error);

    sde_arena_release(self->arena, mark);
    return ok;
}

/* ---- construction ---------------------------------------------------------------- */

static bool
check_model(const SdeBundle *bundle, const SdeSchedule *schedule, GError **error)
{
    const SdeUnetConfig *unet = &bundle->unet;
    bool ends_without_signal = bundle->scheduler.rescale_betas_zero_snr ||
                               schedule->alphas_cumprod[schedule->n_train - 1] <= 0.0;
    int per_channel = bundle->patch_size * bundle->patch_size;
    int in = (RGB + (bundle->level_map ? 1 : 0)) * per_channel;
    int out = RGB * per_channel;

    if (unet->in_channels != in ||
        (unet->out_channels != out && unet->out_channels != 2 * out)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "the network takes %d channels and gives %d, expected %d and %d "
                    "(RGB%s, patch size %d)",
                    unet->in_channels, unet->out_channels, in, out,
                    bundle->level_map ? " and a level map" : "", bundle->patch_size);
        return false;
    }
    if (unet->class_embed == SDE_CLASS_IDENTITY) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "the network has class_embed_type identity: there is no embedding "
                    "to give it");
        return false;
    }
    if (ends_without_signal &&
        bundle->scheduler.prediction_type == SDE_PREDICTION_EPSILON) {
        g_set_error(
            error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
            "the schedule ends without signal (rescale_betas_zero_snr, or betas "
            "of 1), where prediction_type epsilon divides by zero; expected "
            "v_prediction or sample");
        return false;
    }
    return true;
}

static void
free_unet_denoiser(SdeDenoiser *base)
{
    UnetDenoiser *self = (UnetDenoiser *) base;

    sde_arena_free(self->arena);
    g_free(self);
}

SdeDenoiser *
sde_denoiser_new_unet(const SdeUnet *unet, const SdeBundle *bundle,
                      const SdeSchedule *schedule, SdePool *pool, size_t memory_limit,
                      GError **error)
{
    UnetDenoiser *self;
    int patch = bundle->patch_size;
    int sample_size = bundle->unet.sample_size * patch;

    if (!check_model(bundle, schedule, error)) {
        return NULL;
    }
    self = g_new0(UnetDenoiser, 1);
    self->unet = unet;
    self->bundle = bundle;
    self->pool = pool;
    self->memory_limit = memory_limit;
    self->base = (SdeDenoiser) {
        .level_map = bundle->level_map,
        .uses_mean = bundle->posterior_input,
        .filling_gain = bundle->filling_gain,
        .n_filling_gain = bundle->n_filling_gain,
        .tones = bundle->tones,
        .size_multiple = sde_unet_get_size_multiple(unet) * patch,
        .sample_size = sample_size > 0 ? sample_size : DEFAULT_SAMPLE_SIZE,
        .reach = REACH_LOW_PIXELS * sde_unet_get_size_multiple(unet) * patch,
        .n_classes = bundle->unet.class_embed == SDE_CLASS_LABEL
                         ? bundle->unet.num_class_embeds
                         : 0,
        .none_class = bundle->none_class,
        .schedule = schedule,
        .plan = plan,
        .run = run,
        .free = free_unet_denoiser,
    };
    return &self->base;
}

void
sde_denoiser_free(SdeDenoiser *denoiser)
{
    if (denoiser != NULL) {
        denoiser->free(denoiser);
    }
}
