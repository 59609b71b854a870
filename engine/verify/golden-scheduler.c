/* Golden cases of the kinds scheduler and repaint_scheduler: trajectories with stored
 * model outputs, so that nothing but the scheduler is on trial.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "verify/golden-case.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "sample/scheduler.h"
#include "sde.h"

#define SIGMA_TOLERANCE 1e-5 /* of init_noise_sigma, relative: stored as float32 */

static SdeScheduler *
load_scheduler(SdeGoldenCase *golden, GError **error)
{
    g_autofree char *path =
        g_build_filename(golden->model, "scheduler_config.json", NULL);
    SdeSchedulerConfig config;
    SdeScheduler *scheduler;

    if (!sde_scheduler_config_load(path, &config, error)) {
        return NULL;
    }
    scheduler = sde_scheduler_new(&config, error);
    sde_scheduler_config_clear(&config);
    return scheduler;
}

static bool
compare_table(SdeGoldenCase *golden, const char *name, const double *table, size_t n,
              GError **error)
{
    g_autofree float *values = g_new(float, n);

    if (!sde_golden_case_has(golden, name)) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        values[i] = (float) table[i];
    }
    return sde_golden_case_compare(golden, name, 0, values, n, error);
}

static bool
compare_tables(SdeGoldenCase *golden, const SdeScheduler *scheduler, GError **error)
{
    const SdeSchedule *schedule = sde_scheduler_peek_schedule(scheduler);
    int n = sde_scheduler_get_n_timesteps(scheduler);
    g_autofree double *timesteps = g_new(double, n);

    for (int i = 0; i < n; i++) {
        timesteps[i] = sde_scheduler_get_timestep(scheduler, i);
    }
    return sde_golden_case_expect_numbers(golden, "timesteps", timesteps, n, error) &&
           compare_table(golden, "betas", schedule->betas, (size_t) schedule->n_train,
                         error) &&
           compare_table(golden, "alphas_cumprod", schedule->alphas_cumprod,
                         (size_t) schedule->n_train, error) &&
           (sde_scheduler_peek_sigmas(scheduler) == NULL ||
            compare_table(golden, "sigmas", sde_scheduler_peek_sigmas(scheduler),
                          (size_t) n + 1, error));
}

static bool
check_init_sigma(SdeGoldenCase *golden, const SdeScheduler *scheduler, GError **error)
{
    JsonObject *expected =
        sde_golden_case_peek_object(golden->object, "expected_values");
    double found = sde_scheduler_get_init_noise_sigma(scheduler);
    double want = expected != NULL
                      ? sde_golden_case_get_double(expected, "init_noise_sigma", found)
                      : found;

    if (fabs(found - want) > SIGMA_TOLERANCE * want) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "init_noise_sigma is %.9g, expected %.9g", found, want);
        return false;
    }
    return true;
}

static bool
set_timesteps(SdeGoldenCase *golden, SdeScheduler *scheduler, GError **error)
{
    JsonObject *options =
        sde_golden_case_peek_object(golden->params, "set_timesteps_kwargs");
    SdeTimestepRequest request = {
        .n_steps = sde_golden_case_get_int(golden->params, "num_inference_steps", 0),
        .jump_length = sde_golden_case_get_int(golden->params, "jump_length", 0),
        .jump_n_sample = sde_golden_case_get_int(golden->params, "jump_n_sample", 0)};
    g_autofree int *list = NULL;
    JsonArray *given = NULL;

    if (options != NULL && !sde_json_peek_array(options, "timesteps", &given, error)) {
        return false;
    }
    if (given != NULL) {
        request.n_timesteps = (int) json_array_get_length(given);
        list = g_new(int, request.n_timesteps);
        for (int i = 0; i < request.n_timesteps; i++) {
            list[i] = (int) json_array_get_int_element(given, (guint) i);
        }
        request.timesteps = list;
    }
    return sde_scheduler_set_timesteps(scheduler, &request, error);
}

/* ---- add_noise and get_velocity -------------------------------------------------- */

/* Timesteps that the images of add_noise.x0 are mixed at; NULL: the case has none. */
static GArray *
list_mix_timesteps(SdeGoldenCase *golden, const SdeScheduler *scheduler)
{
    bool by_index = sde_json_has(golden->params, "add_noise_index");
    const char *name = by_index ? "add_noise_index" : "add_noise_timesteps";
    JsonArray *list = NULL;
    GArray *timesteps;

    if (!sde_json_peek_array(golden->params, name, &list, NULL) || list == NULL) {
        return NULL;
    }
    timesteps = g_array_new(FALSE, FALSE, sizeof(double));
    for (guint i = 0; i < json_array_get_length(list); i++) {
        int entry = (int) json_array_get_int_element(list, i);
        double t = by_index ? sde_scheduler_get_timestep(scheduler, entry) : entry;

        g_array_append_val(timesteps, t);
    }
    return timesteps;
}

static bool
compare_mixing(SdeGoldenCase *golden, const SdeScheduler *scheduler, GError **error)
{
    g_autoptr(GArray) timesteps = list_mix_timesteps(golden, scheduler);
    bool has_velocity = sde_golden_case_has(golden, "velocity.out");

    if (timesteps == NULL || !sde_golden_case_has(golden, "add_noise.out")) {
        return true;
    }
    const float *x0 = sde_golden_case_peek(golden, "add_noise.x0", 0, error);
    const float *noise = sde_golden_case_peek(golden, "add_noise.noise", 0, error);

    if (x0 == NULL || noise == NULL) {
        return false;
    }
    size_t total = sde_golden_case_peek_info(golden, "add_noise.x0", NULL)->count;
    size_t count = total / timesteps->len;
    g_autofree float *out = g_new(float, count);

    for (guint b = 0; b < timesteps->len; b++) {
        double t = g_array_index(timesteps, double, b);
        size_t at = b * count;

        if (!sde_scheduler_add_noise(scheduler, t, x0 + at, noise + at, count, out,
                                     error) ||
            !sde_golden_case_compare(golden, "add_noise.out", (int) b, out, count,
                                     error)) {
            return false;
        }
        if (has_velocity &&
            (!sde_scheduler_get_velocity(scheduler, t, x0 + at, noise + at, count, out,
                                         error) ||
             !sde_golden_case_compare(golden, "velocity.out", (int) b, out, count,
                                      error))) {
            return false;
        }
    }
    return true;
}

/* ---- trajectories ---------------------------------------------------------------- */

typedef struct {
    SdeGoldenCase *golden;
    SdeScheduler *scheduler;
    SdeSchedulerStep step;
    size_t total;
    float *x, *x0, *scaled, *first, *second; /* halves of a learned-variance output */
} Trajectory;

static void
trajectory_clear(Trajectory *run)
{
    sde_scheduler_free(run->scheduler);
    g_free(run->x);
    g_free(run->x0);
    g_free(run->scaled);
    g_free(run->first);
    g_free(run->second);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Trajectory, trajectory_clear)

static bool
trajectory_init(Trajectory *run, SdeGoldenCase *golden, GError **error)
{
    const float *x_init = sde_golden_case_peek(golden, "x_init", 0, error);
    const SdeTensorInfo *info;

    run->golden = golden;
    run->scheduler = load_scheduler(golden, error);
    if (x_init == NULL || run->scheduler == NULL ||
        !set_timesteps(golden, run->scheduler, error)) {
        return false;
    }
    info = sde_golden_case_peek_info(golden, "x_init", NULL);
    run->total = info->count;
    run->step.n_images = info->shape[0];
    run->step.count = info->count / info->shape[0];
    run->x = g_memdup2(x_init, run->total * sizeof(float));
    run->x0 = g_new(float, run->total);
    run->scaled = g_new(float, run->total);
    run->first = g_new(float, run->total);
    run->second = g_new(float, run->total);
    return true;
}

/* Output i of the stored model; one with twice the channels is prediction | variance.
 */
static bool
take_model_output(Trajectory *run, int i, GError **error)
{
    size_t count = run->step.count;
    const float *output =
        sde_golden_case_peek_step(run->golden, "model_output", i, 0, error);
    g_autofree char *name = g_strdup_printf("model_output.%03d", i);

    if (output == NULL) {
        return false;
    }
    run->step.model_output = output;
    run->step.variance = NULL;
    if (sde_golden_case_peek_info(run->golden, name, NULL)->count == 2 * run->total) {
        for (size_t n = 0; n < run->step.n_images; n++) {
            memcpy(run->first + n * count, output + 2 * n * count,
                   count * sizeof(float));
            memcpy(run->second + n * count, output + (2 * n + 1) * count,
                   count * sizeof(float));
        }
        run->step.model_output = run->first;
        run->step.variance = run->second;
        return true;
    }
    return sde_golden_case_peek(run->golden, name, run->total, error) != NULL;
}

static bool
take_step(Trajectory *run, int i, GError **error)
{
    run->step.index = i;
    run->step.x = run->x;
    run->step.noise = NULL;
    if (!take_model_output(run, i, error)) {
        return false;
    }
    if (sde_scheduler_needs_noise(run->scheduler, i, run->step.eta)) {
        run->step.noise = sde_golden_case_draw(run->golden, run->total, error);
        if (run->step.noise == NULL) {
            return false;
        }
    }
    return sde_scheduler_step(run->scheduler, &run->step, run->x, run->x0, error);
}

static bool
compare_if_stored(Trajectory *run, const char *name, int i, const float *values,
                  GError **error)
{
    return !sde_golden_case_has(run->golden, name) ||
           sde_golden_case_compare(run->golden, name, i, values, run->total, error);
}

bool
sde_golden_run_scheduler(SdeGoldenCase *golden, GError **error)
{
    g_auto(Trajectory) run = {0};
    JsonObject *options = sde_golden_case_peek_object(golden->params, "step_kwargs");

    if (!trajectory_init(&run, golden, error) ||
        !compare_tables(golden, run.scheduler, error) ||
        !check_init_sigma(golden, run.scheduler, error) ||
        !compare_mixing(golden, run.scheduler, error)) {
        return false;
    }
    if (options != NULL) {
        run.step.eta = sde_golden_case_get_double(options, "eta", 0.0);
        if (!sde_json_get_bool(options, "use_clipped_model_output",
                               &run.step.use_clipped_output, error)) {
            return false;
        }
    }
    for (int i = 0; i < sde_scheduler_get_n_timesteps(run.scheduler); i++) {
        sde_scheduler_scale_model_input(run.scheduler, i, run.x, run.total, run.scaled);
        if (!compare_if_stored(&run, "scaled_model_input", i, run.scaled, error) ||
            !take_step(&run, i, error) ||
            !compare_if_stored(&run, "prev_sample", i, run.x, error) ||
            !compare_if_stored(&run, "pred_original_sample", i, run.x0, error)) {
            return false;
        }
    }
    return true;
}

/* ---- RePaint --------------------------------------------------------------------- */

static bool
check_op(Trajectory *run, int i, GError **error)
{
    JsonObject *expected =
        sde_golden_case_peek_object(run->golden->object, "expected_values");
    JsonArray *ops = NULL;
    bool undo = sde_scheduler_is_undo(run->scheduler, i), want_undo;

    if (expected == NULL || !sde_json_peek_array(expected, "ops", &ops, error) ||
        ops == NULL || (int) json_array_get_length(ops) <= i) {
        return true;
    }
    want_undo = g_str_has_prefix(json_array_get_string_element(ops, (guint) i), "undo");
    if (undo != want_undo) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "entry %d is %s, expected %s",
                    i, undo ? "an undo" : "a step", want_undo ? "an undo" : "a step");
        return false;
    }
    return true;
}

static bool
undo(Trajectory *run, int i, GError **error)
{
    for (int draw = 0; draw < sde_scheduler_get_undo_draws(run->scheduler); draw++) {
        const float *noise = sde_golden_case_draw(run->golden, run->total, error);

        if (noise == NULL) {
            return false;
        }
        sde_scheduler_undo(run->scheduler, i, draw, run->x, noise, run->total);
    }
    return true;
}

bool
sde_golden_run_repaint_scheduler(SdeGoldenCase *golden, GError **error)
{
    g_auto(Trajectory) run = {0};
    g_autofree float *mask = NULL;

    if (!trajectory_init(&run, golden, error) ||
        !compare_tables(golden, run.scheduler, error)) {
        return false;
    }
    mask = sde_golden_case_spread_mask(golden, "mask", "x_init", error);
    run.step.eta = sde_golden_case_get_double(golden->params, "eta", 0.0);
    run.step.mask = mask;
    run.step.original =
        sde_golden_case_peek(golden, "original_image", run.total, error);
    if (mask == NULL || run.step.original == NULL) {
        return false;
    }
    for (int i = 0; i < sde_scheduler_get_n_timesteps(run.scheduler); i++) {
        bool up = sde_scheduler_is_undo(run.scheduler, i);

        if (!check_op(&run, i, error) ||
            !(up ? undo(&run, i, error) : take_step(&run, i, error)) ||
            !sde_golden_case_compare(golden, "x_after_op", i, run.x, run.total,
                                     error)) {
            return false;
        }
    }
    return true;
}
