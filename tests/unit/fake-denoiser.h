/* Denoisers in closed form, to put behind the tasks: what they must return is known.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <math.h>
#include <string.h>

#include "sample/denoiser.h"
#include "task/task.h"

#define FAKE_BYTES_PER_PIXEL 100

typedef struct {
    SdeDenoiser base;
    /* Pixels of the data are normal around mean with this deviation, each on its own:
     * D = mean + cos v / (cos^2 v + sin^2) (x - cos mean), v = deviation^2. With
     * base.uses_mean the mean is the input's where there is one. */
    float mean, deviation;
    float offset;          /* of its answer from its input's mean */
    int n_calls, n_guided; /* guided: with guidance other than 1 */
    size_t n_pixels;       /* over all calls */
    float lowest_theta, highest_theta;
    float least_theta, most_theta; /* of the last call; the least above 0 */
    SdeDenoiserInput last;         /* its pointers have expired */
    float last_x;                  /* its first value */
    GCancellable *cancel_at_call_2;
} FakeDenoiser;

static inline size_t
fake_plan(const SdeDenoiser *self, int width, int height)
{
    (void) self;
    return (size_t) width * (size_t) height * FAKE_BYTES_PER_PIXEL;
}

static inline bool
fake_run(SdeDenoiser *base, const SdeDenoiserInput *input, float *x0,
         const SdeSpan *span, GError **error)
{
    FakeDenoiser *self = (FakeDenoiser *) base;
    size_t n = (size_t) input->width * (size_t) input->height;
    double v = (double) self->deviation * (double) self->deviation;

    g_assert_cmpint(input->width % base->size_multiple, ==, 0);
    g_assert_cmpint(input->height % base->size_multiple, ==, 0);
    g_assert_true(base->level_map || input->theta == NULL);
    g_assert_true(base->uses_mean || input->mean == NULL);
    if (++self->n_calls == 2 && self->cancel_at_call_2 != NULL) {
        g_cancellable_cancel(self->cancel_at_call_2);
    }
    if (!sde_span_step(span, 0, 1, error)) {
        return false;
    }
    self->n_guided += input->guidance != 1.0;
    self->n_pixels += n;
    self->last = *input;
    self->last_x = input->x[0];
    self->least_theta = 10.0f;
    self->most_theta = 0.0f;
    for (size_t i = 0; i < n; i++) {
        float angle = input->theta != NULL ? input->theta[i] : input->theta_max;
        double keep = cos((double) angle), noise = sin((double) angle);
        double gain = keep * v / MAX(keep * keep * v + noise * noise, 1e-12);

        g_assert_cmpfloat(angle, <=, input->theta_max);
        self->most_theta = MAX(self->most_theta, angle);
        self->least_theta =
            angle > 0.0f ? MIN(self->least_theta, angle) : self->least_theta;
        self->lowest_theta = MIN(self->lowest_theta, angle);
        self->highest_theta = MAX(self->highest_theta, angle);
        for (size_t c = 3 * i; c < 3 * i + 3; c++) {
            double mean = (double) (input->mean != NULL ? input->mean[c] + self->offset
                                                        : self->mean);

            x0[c] = (float) (mean + gain * ((double) input->x[c] - keep * mean));
        }
    }
    return true;
}

static inline void
fake_free(SdeDenoiser *self)
{
    (void) self;
}

/* The cosine schedule of the default model. */
static inline SdeSchedule *
fake_schedule_new(void)
{
    SdeSchedulerConfig config;
    GError *error = NULL;
    SdeSchedule *schedule;

    sde_scheduler_config_init(&config, SDE_SCHEDULER_DDIM);
    config.beta_schedule = SDE_BETAS_SQUAREDCOS_CAP_V2;
    config.prediction_type = SDE_PREDICTION_V;
    schedule = sde_schedule_new(&config, &error);
    g_assert_no_error(error);
    sde_scheduler_config_clear(&config);
    return schedule;
}

static inline void
fake_init(FakeDenoiser *fake, const SdeSchedule *schedule, bool level_map)
{
    *fake = (FakeDenoiser) {.base = {.level_map = level_map,
                                     .size_multiple = 8,
                                     .sample_size = 64,
                                     .reach = 16,
                                     .n_classes = 0,
                                     .none_class = -1,
                                     .schedule = schedule,
                                     .plan = fake_plan,
                                     .run = fake_run,
                                     .free = fake_free},
                            .mean = 0.25f,
                            .deviation = 0.5f,
                            .lowest_theta = 10.0f};
}

/* A run of `fake` with plenty of memory. */
static inline SdeTask
fake_task(FakeDenoiser *fake)
{
    return (SdeTask) {
        .denoiser = &fake->base, .seed = 7, .memory_limit = (size_t) 1 << 30};
}

/* ---- pictures ---------------------------------------------------------------------
 */

/* Smooth colours between 0.1 and 0.9, rows `gap` floats further apart than needed. */
static inline SdeImage
test_picture_new(int width, int height, size_t gap)
{
    size_t stride = 3 * (size_t) width + gap;
    SdeImage image = {.pixels = g_new0(float, stride *(size_t) height),
                      .width = width,
                      .height = height,
                      .stride = stride};

    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            for (int c = 0; c < 3; c++) {
                image.pixels[(size_t) y * stride + 3 * (size_t) x + (size_t) c] =
                    0.5f +
                    0.4f * sinf(0.11f * (float) x + 0.07f * (float) y + (float) c);
            }
        }
    }
    return image;
}

/* A picture of the same size, all of one value. */
static inline SdeImage
test_picture_like(const SdeImage *image, float value)
{
    SdeImage copy = *image;
    size_t n = image->stride * (size_t) image->height;

    copy.pixels = g_new(float, n);
    for (size_t i = 0; i < n; i++) {
        copy.pixels[i] = value;
    }
    return copy;
}

static inline const float *
test_pixel(const SdeImage *image, int x, int y)
{
    return image->pixels + (size_t) y * image->stride + 3 * (size_t) x;
}

static inline bool
test_same_pixel(const SdeImage *a, const SdeImage *b, int x, int y)
{
    return memcmp(test_pixel(a, x, y), test_pixel(b, x, y), 3 * sizeof(float)) == 0;
}

static inline void
assert_same_picture(const SdeImage *a, const SdeImage *b)
{
    for (int y = 0; y < a->height; y++) {
        for (int x = 0; x < a->width; x++) {
            g_assert_true(test_same_pixel(a, b, x, y));
        }
    }
}

/* All 0 but for a rectangle at 1. */
static inline SdeMask
test_mask_new(int width, int height, SdeRect hole)
{
    float *levels = g_new0(float, (size_t) width *(size_t) height);

    for (int y = hole.y; y < hole.y + hole.height; y++) {
        for (int x = hole.x; x < hole.x + hole.width; x++) {
            levels[(size_t) y * (size_t) width + (size_t) x] = 1.0f;
        }
    }
    return (SdeMask) {
        .levels = levels, .width = width, .height = height, .stride = (size_t) width};
}
