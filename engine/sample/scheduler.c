/* The public side of the schedulers: configuration checks, runs, steps by way of the
 * family's functions, mixing in noise. What families build on is in scheduler-parts.c.
 * Arithmetic is in double on float arrays: this mode is for exactness, not for speed.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/scheduler.h"

#include <math.h>
#include <string.h>

#include "sample/scheduler-family.h"

/* What diffusers puts in place of 0 where sigma must stay finite. */
#define TERMINAL_ALPHA_BAR 0x1p-24

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

/* At zero terminal SNR x_T holds no signal: epsilon says nothing about x0 there, sigma
 * is infinite, and PLMS divides by the signal. */
static bool
check_terminal_snr(const SdeScheduler *scheduler, GError **error)
{
    const SdeSchedule *schedule = scheduler->schedule;
    bool needs_signal = scheduler->family->has_sigmas ||
                        scheduler->config.klass == SDE_SCHEDULER_PNDM ||
                        scheduler->config.prediction_type == SDE_PREDICTION_EPSILON;

    if (needs_signal && schedule->alphas_cumprod[schedule->n_train - 1] <= 0.0) {
        g_set_error(
            error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
            "the schedule ends without signal (rescale_betas_zero_snr, or betas "
            "of 1): this scheduler and prediction_type divide by zero there; "
            "expected v_prediction or sample with DDIM, DDPM or LCM");
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
    if (family->check != NULL && !family->check(config, error)) {
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
    if (!check_terminal_snr(scheduler, error)) {
        return NULL;
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
