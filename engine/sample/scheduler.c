/* What the scheduler families share: configuration checks, timestep spacings, tables of
 * sigmas, the prediction of x0 with clipping and dynamic thresholding, mixing in noise.
 * Arithmetic is in double on float arrays: this mode is for exactness, not for speed.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/scheduler.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sample/scheduler-family.h"

/* What diffusers puts in place of 0 where sigma must stay finite. */
#define TERMINAL_ALPHA_BAR 0x1p-24
#define KARRAS_RHO         7.0

static const SdeSchedulerFamily *
find_family(SdeSchedulerClass klass)
{
    switch (klass) {
    case SDE_SCHEDULER_DDPM:
        return &sde_ddpm_family;
    case SDE_SCHEDULER_DDIM:
        return &sde_ddim_family;
    case SDE_SCHEDULER_DDIM_INVERSE:
        return &sde_ddim_inverse_family;
    case SDE_SCHEDULER_REPAINT:
        return &sde_repaint_family;
    case SDE_SCHEDULER_DPM_SOLVER_MULTISTEP:
        return &sde_dpm_solver_family;
    case SDE_SCHEDULER_EULER:
        return &sde_euler_family;
    case SDE_SCHEDULER_EULER_ANCESTRAL:
        return &sde_euler_ancestral_family;
    case SDE_SCHEDULER_LCM:
        return &sde_lcm_family;
    case SDE_SCHEDULER_PNDM:
        return &sde_pndm_family;
    }
    return NULL;
}

/* At zero terminal SNR x_T holds no signal: epsilon says nothing about x0 there. */
static bool
check_terminal_snr(const SdeSchedulerFamily *family, const SdeSchedulerConfig *config,
                   GError **error)
{
    if (config->rescale_betas_zero_snr && !family->has_sigmas &&
        config->prediction_type == SDE_PREDICTION_EPSILON) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "rescale_betas_zero_snr with prediction_type epsilon divides by "
                    "zero at the last timestep; expected v_prediction or sample");
        return false;
    }
    return true;
}

SdeScheduler *
sde_scheduler_new(const SdeSchedulerConfig *config, GError **error)
{
    g_autoptr(SdeScheduler) scheduler = NULL;
    const SdeSchedulerFamily *family = find_family(config->klass);

    if (family == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "there is no scheduler number %d", (int) config->klass);
        return NULL;
    }
    if (!check_terminal_snr(family, config, error) ||
        (family->check != NULL && !family->check(config, error))) {
        return NULL;
    }
    scheduler = g_new0(SdeScheduler, 1);
    scheduler->family = family;
    scheduler->config = *config;
    scheduler->config.trained_betas = NULL;
    scheduler->timesteps = g_array_new(FALSE, FALSE, sizeof(double));
    scheduler->schedule = sde_schedule_new(config, error);
    if (scheduler->schedule == NULL) {
        return NULL;
    }
    if (config->rescale_betas_zero_snr && family->has_sigmas) {
        scheduler->schedule->alphas_cumprod[scheduler->schedule->n_train - 1] =
            TERMINAL_ALPHA_BAR;
    }
    return g_steal_pointer(&scheduler);
}

static void
forget_history(SdeScheduler *scheduler)
{
    for (int i = 0; i < SDE_MAX_HISTORY; i++) {
        g_clear_pointer(&scheduler->history[i], g_free);
    }
    g_clear_pointer(&scheduler->kept_sample, g_free);
    scheduler->n_history = 0;
    scheduler->n_calls = 0;
}

void
sde_scheduler_free(SdeScheduler *scheduler)
{
    if (scheduler == NULL) {
        return;
    }
    forget_history(scheduler);
    g_array_unref(scheduler->timesteps);
    g_free(scheduler->sigmas);
    sde_schedule_free(scheduler->schedule);
    g_free(scheduler);
}

/* ---- timestep lists -------------------------------------------------------------- */

static bool
check_request(const SdeScheduler *scheduler, const SdeTimestepRequest *request,
              GError **error)
{
    int n_train = scheduler->schedule->n_train;

    if (request->timesteps != NULL && scheduler->config.klass != SDE_SCHEDULER_DDPM) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "only DDPMScheduler takes a list of timesteps");
        return false;
    }
    if (request->timesteps == NULL &&
        (request->n_steps < 1 || request->n_steps > n_train)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "%d steps asked for, expected 1 to %d: the model was trained with "
                    "that many",
                    request->n_steps, n_train);
        return false;
    }
    return true;
}

/* A steps_offset can push the first entry beyond the schedule. */
static bool
check_timesteps(const GArray *timesteps, int n_train, GError **error)
{
    for (guint i = 0; i < timesteps->len; i++) {
        double t = g_array_index(timesteps, double, i);

        if (t < 0.0 || t > n_train - 1.0) {
            g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                        "the list of timesteps contains %g, expected 0 to %d: ask for "
                        "fewer steps or change steps_offset",
                        t, n_train - 1);
            return false;
        }
    }
    return true;
}

bool
sde_scheduler_set_timesteps(SdeScheduler *scheduler, const SdeTimestepRequest *request,
                            GError **error)
{
    g_autoptr(GArray) fresh = g_array_new(FALSE, FALSE, sizeof(double));
    GArray *old = scheduler->timesteps;
    double *old_sigmas = scheduler->sigmas;
    int old_n_steps = scheduler->n_steps;

    if (!check_request(scheduler, request, error)) {
        return false;
    }
    scheduler->timesteps = g_array_ref(fresh);
    scheduler->sigmas = NULL;
    scheduler->n_steps = request->n_steps;
    if (!scheduler->family->set_timesteps(scheduler, request, error) ||
        !check_timesteps(fresh, scheduler->schedule->n_train, error)) {
        g_array_unref(scheduler->timesteps);
        g_free(scheduler->sigmas);
        scheduler->timesteps = old;
        scheduler->sigmas = old_sigmas;
        scheduler->n_steps = old_n_steps;
        return false;
    }
    g_array_unref(old);
    g_free(old_sigmas);
    forget_history(scheduler);
    return true;
}

int
sde_scheduler_get_n_timesteps(const SdeScheduler *scheduler)
{
    return (int) scheduler->timesteps->len;
}

double
sde_scheduler_get_timestep(const SdeScheduler *scheduler, int index)
{
    g_assert(index >= 0 && index < (int) scheduler->timesteps->len);

    return g_array_index(scheduler->timesteps, double, index);
}

int
sde_scheduler_timestep(const SdeScheduler *scheduler, int index)
{
    return (int) sde_scheduler_get_timestep(scheduler, index);
}

void
sde_scheduler_append_spaced(SdeScheduler *scheduler, int n_points)
{
    int n_train = scheduler->schedule->n_train;
    int stride = n_train / n_points;

    for (int i = 0; i < n_points; i++) {
        int left = n_points - 1 - i;
        double t = 0.0;

        switch (scheduler->config.timestep_spacing) {
        case SDE_SPACING_LEADING:
            t = (double) left * stride + scheduler->config.steps_offset;
            break;
        case SDE_SPACING_LINSPACE:
            t = n_points > 1 ? (n_train - 1.0) * left / (n_points - 1) : 0.0;
            break;
        case SDE_SPACING_TRAILING: /* rint: halves to even, as numpy */
            t = rint(n_train - i * ((double) n_train / n_points)) - 1.0;
            break;
        }
        g_array_append_val(scheduler->timesteps, t);
    }
}

void
sde_scheduler_round_timesteps(SdeScheduler *scheduler)
{
    for (guint i = 0; i < scheduler->timesteps->len; i++) {
        double *t = &g_array_index(scheduler->timesteps, double, i);

        *t = rint(*t);
    }
}

/* ---- tables ---------------------------------------------------------------------- */

const double *
sde_scheduler_peek_sigmas(const SdeScheduler *scheduler)
{
    return scheduler->sigmas;
}

const SdeSchedule *
sde_scheduler_peek_schedule(const SdeScheduler *scheduler)
{
    return scheduler->schedule;
}

double
sde_scheduler_alpha_bar(const SdeScheduler *scheduler, int t)
{
    if (t < 0) {
        return scheduler->config.set_alpha_to_one
                   ? 1.0
                   : scheduler->schedule->alphas_cumprod[0];
    }
    g_assert(t < scheduler->schedule->n_train);
    return scheduler->schedule->alphas_cumprod[t];
}

SdeMix
sde_scheduler_mix_at(const SdeScheduler *scheduler, int t)
{
    double alpha_bar = sde_scheduler_alpha_bar(scheduler, t);

    return (SdeMix) {sqrt(alpha_bar), sqrt(1.0 - alpha_bar), 1.0};
}

SdeMix
sde_scheduler_mix_from_sigma(double sigma, double x_scale)
{
    double signal = 1.0 / sqrt(sigma * sigma + 1.0);

    return (SdeMix) {signal, sigma * signal, x_scale};
}

double
sde_scheduler_sigma_of(const SdeScheduler *scheduler, int t)
{
    double alpha_bar = scheduler->schedule->alphas_cumprod[t];

    return sqrt((1.0 - alpha_bar) / alpha_bar);
}

void
sde_scheduler_fill_sigmas(SdeScheduler *scheduler, double final_sigma)
{
    guint n = scheduler->timesteps->len;

    g_assert(scheduler->sigmas == NULL);

    scheduler->sigmas = g_new(double, n + 1);
    for (guint i = 0; i < n; i++) {
        double t = g_array_index(scheduler->timesteps, double, i);
        int below = (int) CLAMP(floor(t), 0.0, scheduler->schedule->n_train - 1.0);
        double sigma = sde_scheduler_sigma_of(scheduler, below);

        if (t > below && below + 1 < scheduler->schedule->n_train) {
            sigma +=
                (t - below) * (sde_scheduler_sigma_of(scheduler, below + 1) - sigma);
        }
        scheduler->sigmas[i] = sigma;
    }
    scheduler->sigmas[n] = final_sigma;
}

/* Timestep with that sigma, linear in log sigma between the integers. */
static double
sigma_to_t(const SdeScheduler *scheduler, double sigma)
{
    double log_sigma = log(fmax(sigma, 1e-10));
    int low = 0, high = scheduler->schedule->n_train - 1;

    if (high == 0) {
        return 0.0;
    }
    while (high - low > 1) {
        int middle = low + (high - low) / 2;

        if (log(sde_scheduler_sigma_of(scheduler, middle)) <= log_sigma) {
            low = middle;
        } else {
            high = middle;
        }
    }
    double below = log(sde_scheduler_sigma_of(scheduler, low));
    double above = log(sde_scheduler_sigma_of(scheduler, high));

    return low + CLAMP((log_sigma - below) / (above - below), 0.0, 1.0);
}

void
sde_scheduler_fill_karras(SdeScheduler *scheduler, double sigma_min, double sigma_max,
                          double final_sigma)
{
    guint n = scheduler->timesteps->len;
    double from = pow(sigma_max, 1.0 / KARRAS_RHO);
    double to = pow(sigma_min, 1.0 / KARRAS_RHO);

    g_free(scheduler->sigmas);
    scheduler->sigmas = g_new(double, n + 1);
    for (guint i = 0; i < n; i++) {
        double part = n > 1 ? (double) i / (n - 1) : 0.0;
        double sigma = pow(from + part * (to - from), KARRAS_RHO);

        scheduler->sigmas[i] = sigma;
        g_array_index(scheduler->timesteps, double, i) = sigma_to_t(scheduler, sigma);
    }
    scheduler->sigmas[n] = final_sigma;
}

/* diffusers: the first sigma where the list starts at the end of the schedule. */
double
sde_scheduler_get_init_noise_sigma(const SdeScheduler *scheduler)
{
    bool is_euler = scheduler->config.klass == SDE_SCHEDULER_EULER ||
                    scheduler->config.klass == SDE_SCHEDULER_EULER_ANCESTRAL;
    double sigma;

    if (!is_euler) {
        return 1.0;
    }
    sigma = scheduler->sigmas != NULL
                ? scheduler->sigmas[0]
                : sde_scheduler_sigma_of(scheduler, scheduler->schedule->n_train - 1);
    return scheduler->config.timestep_spacing == SDE_SPACING_LEADING
               ? sqrt(sigma * sigma + 1.0)
               : sigma;
}

/* ---- x0 -------------------------------------------------------------------------- */

static int
compare_floats(const void *a, const void *b)
{
    float x = *(const float *) a, y = *(const float *) b;

    return (x > y) - (x < y);
}

/* Quantile with linear interpolation between the two ranks next to it. */
static double
quantile_of_magnitude(const float *values, size_t count, double ratio)
{
    g_autofree float *sorted = g_new(float, count);
    double rank = ratio * (double) (count - 1);
    size_t below = (size_t) rank;

    for (size_t i = 0; i < count; i++) {
        sorted[i] = fabsf(values[i]);
    }
    qsort(sorted, count, sizeof(float), compare_floats);
    double low = (double) sorted[below];

    return below + 1 < count
               ? low + (rank - (double) below) * ((double) sorted[below + 1] - low)
               : low;
}

static void
limit_x0(const SdeScheduler *scheduler, float *x0, size_t n_images, size_t count)
{
    const SdeSchedulerConfig *config = &scheduler->config;
    double range = config->clip_sample_range;

    if (scheduler->family->thresholds && config->thresholding) {
        for (size_t n = 0; n < n_images; n++) {
            float *image = x0 + n * count;
            double s =
                quantile_of_magnitude(image, count, config->dynamic_thresholding_ratio);

            s = fmin(fmax(s, 1.0), config->sample_max_value);
            for (size_t i = 0; i < count; i++) {
                image[i] = (float) (CLAMP((double) image[i], -s, s) / s);
            }
        }
    } else if (scheduler->family->clips && config->clip_sample) {
        for (size_t i = 0; i < n_images * count; i++) {
            x0[i] = (float) CLAMP((double) x0[i], -range, range);
        }
    }
}

void
sde_scheduler_predict_x0(const SdeScheduler *scheduler, const SdeMix *mix,
                         const SdeSchedulerStep *step, float *x0)
{
    for (size_t i = 0; i < step->n_images * step->count; i++) {
        double x = (double) step->x[i] / mix->x_scale;
        double out = (double) step->model_output[i];

        switch (scheduler->config.prediction_type) {
        case SDE_PREDICTION_EPSILON:
            out = (x - mix->noise * out) / mix->signal;
            break;
        case SDE_PREDICTION_V:
            out = mix->signal * x - mix->noise * out;
            break;
        case SDE_PREDICTION_SAMPLE:
            break;
        }
        x0[i] = (float) out;
    }
    limit_x0(scheduler, x0, step->n_images, step->count);
}

double
sde_scheduler_epsilon(const SdeScheduler *scheduler, const SdeMix *mix, double x,
                      double model_output)
{
    x /= mix->x_scale;
    switch (scheduler->config.prediction_type) {
    case SDE_PREDICTION_V:
        return mix->signal * model_output + mix->noise * x;
    case SDE_PREDICTION_SAMPLE:
        return (x - mix->signal * model_output) / mix->noise;
    case SDE_PREDICTION_EPSILON:
        break;
    }
    return model_output;
}

/* ---- steps ----------------------------------------------------------------------- */

bool
sde_scheduler_needs_noise(const SdeScheduler *scheduler, int index, double eta)
{
    return scheduler->family->needs_noise != NULL &&
           scheduler->family->needs_noise(scheduler, index, eta);
}

bool
sde_scheduler_step(SdeScheduler *scheduler, const SdeSchedulerStep *step,
                   float *prev_sample, float *x0, GError **error)
{
    const char *missing = NULL;
    bool learned = scheduler->config.klass == SDE_SCHEDULER_DDPM &&
                   (scheduler->config.variance_type == SDE_VARIANCE_LEARNED ||
                    scheduler->config.variance_type == SDE_VARIANCE_LEARNED_RANGE);

    if (step->index < 0 || step->index >= (int) scheduler->timesteps->len) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT, "step %d of %u", step->index,
                    scheduler->timesteps->len);
        return false;
    }
    if (!(step->eta >= 0.0 && step->eta <= 1.0)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT, "eta is %g, expected 0 to 1",
                    step->eta);
        return false;
    }
    if (step->noise == NULL &&
        sde_scheduler_needs_noise(scheduler, step->index, step->eta)) {
        missing = "noise";
    } else if (learned && step->variance == NULL) {
        missing = "the predicted variance";
    } else if (scheduler->config.klass == SDE_SCHEDULER_REPAINT &&
               (step->original == NULL || step->mask == NULL)) {
        missing = "original and mask";
    }
    if (missing != NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT, "step %d needs %s", step->index,
                    missing);
        return false;
    }
    scheduler->family->step(scheduler, step, prev_sample, x0);
    return true;
}

void
sde_scheduler_scale_model_input(const SdeScheduler *scheduler, int index,
                                const float *x, size_t count, float *out)
{
    double scale = 1.0;

    if (scheduler->family->has_sigmas) {
        scale = 1.0 / scheduler->family->mix(scheduler, index).x_scale;
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = (float) (scale * (double) x[i]);
    }
}

bool
sde_scheduler_is_undo(const SdeScheduler *scheduler, int index)
{
    return scheduler->config.klass == SDE_SCHEDULER_REPAINT && index > 0 &&
           sde_scheduler_get_timestep(scheduler, index) >
               sde_scheduler_get_timestep(scheduler, index - 1);
}

int
sde_scheduler_get_undo_draws(const SdeScheduler *scheduler)
{
    return scheduler->jump_stride;
}

/* One training step of the forward process, from the timestep that the list stood at
 * before entry `index`. */
void
sde_scheduler_undo(const SdeScheduler *scheduler, int index, int draw, float *x,
                   const float *noise, size_t count)
{
    g_assert(sde_scheduler_is_undo(scheduler, index));
    g_assert(draw >= 0 && draw < scheduler->jump_stride);

    int t = sde_scheduler_timestep(scheduler, index - 1) + draw;
    double beta = scheduler->schedule->betas[t];
    double keep = sqrt(1.0 - beta), fresh = sqrt(beta);

    for (size_t i = 0; i < count; i++) {
        x[i] = (float) (keep * (double) x[i] + fresh * (double) noise[i]);
    }
}

/* ---- memory of multistep methods ------------------------------------------------- */

void
sde_scheduler_remember(SdeScheduler *scheduler, const float *output, size_t count,
                       int keep)
{
    g_assert(keep >= 1 && keep <= SDE_MAX_HISTORY);
    g_assert(scheduler->n_history == 0 || scheduler->history_count == count);

    if (scheduler->n_history == keep) {
        g_free(scheduler->history[0]);
        memmove(scheduler->history, scheduler->history + 1,
                (size_t) (keep - 1) * sizeof(float *));
        scheduler->n_history--;
    }
    scheduler->history_count = count;
    scheduler->history[scheduler->n_history++] =
        g_memdup2(output, count * sizeof(float));
}

const float *
sde_scheduler_recall(const SdeScheduler *scheduler, int age)
{
    g_assert(age >= 1 && age <= scheduler->n_history);

    return scheduler->history[scheduler->n_history - age];
}

/* ---- mixing ---------------------------------------------------------------------- */

/* Position of t in the list. */
static bool
find_entry(const SdeScheduler *scheduler, double t, int *index, GError **error)
{
    for (guint i = 0; i < scheduler->timesteps->len; i++) {
        if (g_array_index(scheduler->timesteps, double, i) == t) {
            *index = (int) i;
            return true;
        }
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT, "%g is not in the list of timesteps",
                t);
    return false;
}

/* Position of t in the training schedule. */
static bool
find_train_step(const SdeScheduler *scheduler, double t, int *index, GError **error)
{
    if (!(t >= 0.0 && t <= scheduler->schedule->n_train - 1.0) || t != floor(t)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "timestep is %g, expected an integer from 0 to %d", t,
                    scheduler->schedule->n_train - 1);
        return false;
    }
    *index = (int) t;
    return true;
}

bool
sde_scheduler_add_noise(const SdeScheduler *scheduler, double t, const float *x0,
                        const float *noise, size_t count, float *out, GError **error)
{
    SdeMix mix;
    int index;

    if (scheduler->family->has_sigmas) {
        if (!find_entry(scheduler, t, &index, error)) {
            return false;
        }
        mix = scheduler->family->mix(scheduler, index);
    } else {
        if (!find_train_step(scheduler, t, &index, error)) {
            return false;
        }
        mix = sde_scheduler_mix_at(scheduler, index);
    }
    for (size_t i = 0; i < count; i++) {
        double mixed = mix.signal * (double) x0[i] + mix.noise * (double) noise[i];

        out[i] = (float) (mix.x_scale * mixed);
    }
    return true;
}

/* The Euler schedulers of diffusers take alphas_cumprod at the timestep's position in
 * the list, not at the timestep. Kept: to be the same is the purpose of this mode. */
bool
sde_scheduler_get_velocity(const SdeScheduler *scheduler, double t, const float *x0,
                           const float *noise, size_t count, float *out, GError **error)
{
    SdeMix mix;
    int index;

    if (!(scheduler->family->has_sigmas ? find_entry : find_train_step)(
            scheduler, t, &index, error)) {
        return false;
    }
    mix = sde_scheduler_mix_at(scheduler, index);
    for (size_t i = 0; i < count; i++) {
        out[i] = (float) (mix.signal * (double) noise[i] - mix.noise * (double) x0[i]);
    }
    return true;
}
