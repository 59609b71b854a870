/* Golden cases of the kinds pixel (loops built from a network and a scheduler) and
 * pixel_pipeline (the pipelines of diffusers, called as they are).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "sample/scheduler.h"
#include "sde.h"
#include "verify/golden-net.h"

typedef struct {
    SdeGoldenCase *golden;
    SdeGoldenNet net;
    int h, w;
    size_t total; /* floats of the one picture */
    float *x, *x0, *output;
    double eta;
    const float *original, *mask; /* RePaint; nullable */
    int n_evaluations;
    GArray *evaluated, *visited; /* double: timesteps of the network, of the list */
} PixelRun;

static void
pixel_run_clear(PixelRun *run)
{
    sde_golden_net_clear(&run->net);
    g_free(run->x);
    g_free(run->x0);
    g_free(run->output);
    g_clear_pointer(&run->evaluated, g_array_unref);
    g_clear_pointer(&run->visited, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PixelRun, pixel_run_clear)

/* `like` names a tensor of the picture's size, 1 × c × h × w. */
static bool
pixel_run_init(PixelRun *run, SdeGoldenCase *golden, const char *like, GError **error)
{
    const SdeTensorInfo *info = sde_golden_case_peek_info(golden, like, error);

    run->golden = golden;
    run->evaluated = g_array_new(FALSE, FALSE, sizeof(double));
    run->visited = g_array_new(FALSE, FALSE, sizeof(double));
    if (info == NULL ||
        !sde_golden_net_init(&run->net, golden->model, golden->pool, error)) {
        return false;
    }
    if (info->rank != 4 || info->shape[0] != 1 ||
        info->shape[1] != (size_t) run->net.config.in_channels ||
        run->net.config.in_channels != run->net.config.out_channels) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'%s' is not one picture with the network's %d channels", like,
                    run->net.config.in_channels);
        return false;
    }
    run->h = (int) info->shape[2];
    run->w = (int) info->shape[3];
    run->total = info->count;
    run->x = g_new(float, run->total);
    run->x0 = g_new(float, run->total);
    run->output = g_new(float, run->total);
    return true;
}

/* ---- schedulers ------------------------------------------------------------------ */

/* The model's scheduler_config.json read as `class_name`, with overrides, as diffusers'
 * from_config does. */
static SdeScheduler *
build_scheduler(SdeGoldenCase *golden, const char *class_name, GError **error)
{
    g_autofree char *path =
        g_build_filename(golden->model, "scheduler", "scheduler_config.json", NULL);
    g_autoptr(JsonNode) root = sde_json_load(path, error);
    JsonObject *overrides =
        sde_golden_case_peek_object(golden->params, "scheduler_overrides");
    g_autoptr(GList) names = NULL;
    g_autofree char *text = NULL;
    SdeSchedulerConfig config;
    SdeScheduler *scheduler;

    if (root == NULL) {
        return NULL;
    }
    JsonObject *object = json_node_get_object(root);

    json_object_set_string_member(object, "_class_name", class_name);
    names = overrides != NULL ? json_object_get_members(overrides) : NULL;
    for (GList *at = names; at != NULL; at = at->next) {
        json_object_set_member(object, at->data,
                               json_object_dup_member(overrides, at->data));
    }
    text = json_to_string(root, FALSE);
    if (!sde_scheduler_config_parse(text, -1, &config, error)) {
        return NULL;
    }
    scheduler = sde_scheduler_new(&config, error);
    sde_scheduler_config_clear(&config);
    return scheduler;
}

static SdeScheduler *
start_scheduler(PixelRun *run, const char *class_name, JsonObject *options,
                GError **error)
{
    g_autoptr(SdeScheduler) scheduler = build_scheduler(run->golden, class_name, error);
    SdeTimestepRequest request = {
        .n_steps = sde_golden_case_get_int(options, "num_inference_steps", 0),
        .jump_length = sde_golden_case_get_int(options, "jump_length", 0),
        .jump_n_sample = sde_golden_case_get_int(options, "jump_n_sample", 0)};

    if (scheduler == NULL || !sde_scheduler_set_timesteps(scheduler, &request, error)) {
        return NULL;
    }
    return g_steal_pointer(&scheduler);
}

static bool
peek_scheduler_name(SdeGoldenCase *golden, const char **name, GError **error)
{
    *name = NULL;
    if (!sde_json_peek_string(golden->params, "scheduler", name, error)) {
        return false;
    }
    if (*name == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "params has no scheduler");
        return false;
    }
    return true;
}

/* ---- one evaluation and one step ------------------------------------------------- */

static bool
evaluate(PixelRun *run, double t, GError **error)
{
    float timestep = (float) t;
    SdeGoldenNetInput input = {
        .n = 1, .h = run->h, .w = run->w, .x = run->x, .timesteps = &timestep};

    g_array_append_val(run->evaluated, t);
    return sde_golden_net_run(&run->net, &input, run->output, error);
}

static bool
advance(PixelRun *run, SdeScheduler *scheduler, int index, GError **error)
{
    SdeSchedulerStep step = {.index = index,
                             .n_images = 1,
                             .count = run->total,
                             .x = run->x,
                             .model_output = run->output,
                             .eta = run->eta,
                             .original = run->original,
                             .mask = run->mask};

    if (sde_scheduler_needs_noise(scheduler, index, run->eta)) {
        step.noise = sde_golden_case_draw(run->golden, run->total, error);
        if (step.noise == NULL) {
            return false;
        }
    }
    return sde_scheduler_step(scheduler, &step, run->x, run->x0, error);
}

static bool
compare(PixelRun *run, const char *name, int index, const float *values, GError **error)
{
    return sde_golden_case_compare(run->golden, name, index, values, run->total, error);
}

static bool
expect_timesteps(SdeGoldenCase *golden, const char *name, const GArray *timesteps,
                 GError **error)
{
    return sde_golden_case_expect_numbers(
        golden, name, (const double *) timesteps->data, (int) timesteps->len, error);
}

static void
visit(PixelRun *run, const SdeScheduler *scheduler, int index)
{
    double t = sde_scheduler_get_timestep(scheduler, index);

    g_array_append_val(run->visited, t);
}

/* ---- kind pixel ------------------------------------------------------------------ */

/* The part outside the mask, put back as noisy as the next step expects it. */
static bool
put_back(PixelRun *run, const SdeScheduler *scheduler, int next, const float *image,
         const float *noise, const float *mask, GError **error)
{
    g_autofree float *known = g_memdup2(image, run->total * sizeof(float));

    if (next < sde_scheduler_get_n_timesteps(scheduler) &&
        !sde_scheduler_add_noise(scheduler, sde_scheduler_get_timestep(scheduler, next),
                                 image, noise, run->total, known, error)) {
        return false;
    }
    for (size_t i = 0; i < run->total; i++) {
        run->x[i] = (1.0f - mask[i]) * known[i] + mask[i] * run->x[i];
    }
    return true;
}

static bool
run_sdedit(PixelRun *run, const char *class_name, bool masked, GError **error)
{
    SdeGoldenCase *golden = run->golden;
    g_autoptr(SdeScheduler) scheduler =
        start_scheduler(run, class_name, golden->params, error);
    const float *image = sde_golden_case_peek(golden, "image", run->total, error);
    const float *noise = sde_golden_case_peek(golden, "noise_init", run->total, error);
    g_autofree float *mask = NULL;

    if (scheduler == NULL || image == NULL || noise == NULL) {
        return false;
    }
    if (masked) {
        mask = sde_golden_case_spread_mask(golden, "mask", "image", error);
        if (mask == NULL) {
            return false;
        }
    }
    int n = sde_scheduler_get_n_timesteps(scheduler);
    double strength = sde_golden_case_get_double(golden->params, "strength", 1.0);
    int first = n - MIN((int) (n * strength), n);

    if (first >= n) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "strength %g of %d steps leaves none", strength, n);
        return false;
    }
    if (!sde_scheduler_add_noise(scheduler,
                                 sde_scheduler_get_timestep(scheduler, first), image,
                                 noise, run->total, run->x, error) ||
        !compare(run, "x_noised", 0, run->x, error)) {
        return false;
    }
    for (int i = first; i < n; i++) {
        visit(run, scheduler, i);
        if (!evaluate(run, sde_scheduler_get_timestep(scheduler, i), error) ||
            !compare(run, "model_out", i - first, run->output, error) ||
            !advance(run, scheduler, i, error) ||
            (masked && !put_back(run, scheduler, i + 1, image, noise, mask, error)) ||
            !compare(run, "x", i - first, run->x, error)) {
            return false;
        }
    }
    return compare(run, "final", 0, run->x, error) &&
           expect_timesteps(golden, "timesteps", run->visited, error);
}

static bool
run_inversion(PixelRun *run, const char *class_name, GError **error)
{
    SdeGoldenCase *golden = run->golden;
    g_autoptr(SdeScheduler) up =
        start_scheduler(run, "DDIMInverseScheduler", golden->params, error);
    g_autoptr(SdeScheduler) down =
        start_scheduler(run, class_name, golden->params, error);
    const float *image = sde_golden_case_peek(golden, "image", run->total, error);

    if (up == NULL || down == NULL || image == NULL) {
        return false;
    }
    memcpy(run->x, image, run->total * sizeof(float));
    for (int i = 0; i < sde_scheduler_get_n_timesteps(up); i++) {
        visit(run, up, i);
        if (!evaluate(run, sde_scheduler_get_timestep(up, i), error) ||
            !advance(run, up, i, error) ||
            !compare(run, "inverted", i, run->x, error)) {
            return false;
        }
    }
    if (!expect_timesteps(golden, "inverse_timesteps", run->visited, error)) {
        return false;
    }
    g_array_set_size(run->visited, 0);
    for (int i = 0; i < sde_scheduler_get_n_timesteps(down); i++) {
        visit(run, down, i);
        if (!evaluate(run, sde_scheduler_get_timestep(down, i), error) ||
            !compare(run, "model_out", i, run->output, error) ||
            !advance(run, down, i, error) || !compare(run, "x", i, run->x, error)) {
            return false;
        }
    }
    return compare(run, "final", 0, run->x, error) &&
           expect_timesteps(golden, "timesteps", run->visited, error);
}

bool
sde_golden_run_pixel(SdeGoldenCase *golden, GError **error)
{
    g_auto(PixelRun) run = {0};
    JsonObject *options = sde_golden_case_peek_object(golden->params, "step_kwargs");
    const char *flow = NULL, *class_name = NULL;

    if (!sde_json_peek_string(golden->params, "flow", &flow, error) ||
        !peek_scheduler_name(golden, &class_name, error) ||
        !pixel_run_init(&run, golden, "image", error)) {
        return false;
    }
    run.eta = options != NULL ? sde_golden_case_get_double(options, "eta", 0.0) : 0.0;
    if (g_strcmp0(flow, "inversion") == 0) {
        return run_inversion(&run, class_name, error);
    }
    if (g_strcmp0(flow, "sdedit") == 0 || g_strcmp0(flow, "sdedit_masked") == 0) {
        return run_sdedit(&run, class_name, strcmp(flow, "sdedit_masked") == 0, error);
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT, "flow '%s' is not known",
                flow != NULL ? flow : "");
    return false;
}

/* ---- kind pixel_pipeline --------------------------------------------------------- */

static bool
undo(PixelRun *run, const SdeScheduler *scheduler, int index, GError **error)
{
    for (int draw = 0; draw < sde_scheduler_get_undo_draws(scheduler); draw++) {
        const float *noise = sde_golden_case_draw(run->golden, run->total, error);

        if (noise == NULL) {
            return false;
        }
        sde_scheduler_undo(scheduler, index, draw, run->x, noise, run->total);
    }
    return true;
}

static bool
compare_pictures(PixelRun *run, GError **error)
{
    g_autofree float *picture = g_new(float, run->total);

    for (size_t i = 0; i < run->total; i++) {
        picture[i] = CLAMP(run->x[i] / 2.0f + 0.5f, 0.0f, 1.0f);
    }
    if (!compare(run, "image_01", 0, picture, error)) {
        return false;
    }
    for (size_t i = 0; i < run->total; i++) {
        picture[i] = rintf(picture[i] * 255.0f);
    }
    return !sde_golden_case_has(run->golden, "image_u8") ||
           compare(run, "image_u8", 0, picture, error);
}

static bool
run_pipeline(PixelRun *run, SdeScheduler *scheduler, GError **error)
{
    SdeGoldenCase *golden = run->golden;
    const float *start = sde_golden_case_draw(golden, run->total, error);

    if (start == NULL) {
        return false;
    }
    memcpy(run->x, start, run->total * sizeof(float));
    for (int i = 0; i < sde_scheduler_get_n_timesteps(scheduler); i++) {
        visit(run, scheduler, i);
        if (sde_scheduler_is_undo(scheduler, i)) {
            if (!undo(run, scheduler, i, error)) {
                return false;
            }
            continue;
        }
        if (!compare(run, "unet_in", run->n_evaluations, run->x, error) ||
            !evaluate(run, sde_scheduler_get_timestep(scheduler, i), error) ||
            !compare(run, "unet_out", run->n_evaluations, run->output, error) ||
            !advance(run, scheduler, i, error)) {
            return false;
        }
        run->n_evaluations++;
    }
    return compare_pictures(run, error) &&
           expect_timesteps(golden, "unet_timesteps", run->evaluated, error) &&
           expect_timesteps(golden, "scheduler_timesteps", run->visited, error);
}

static bool
is_known_pipeline(const char *name)
{
    const char *const known[] = {"DDIMPipeline", "DDPMPipeline", "RePaintPipeline",
                                 NULL};

    return name != NULL && g_strv_contains(known, name);
}

bool
sde_golden_run_pixel_pipeline(SdeGoldenCase *golden, GError **error)
{
    g_auto(PixelRun) run = {0};
    g_autoptr(SdeScheduler) scheduler = NULL;
    g_autofree float *mask = NULL;
    JsonObject *call = sde_golden_case_peek_object(golden->params, "call");
    const char *pipeline = NULL, *class_name = NULL;

    if (!sde_json_peek_string(golden->params, "pipeline", &pipeline, error) ||
        !peek_scheduler_name(golden, &class_name, error)) {
        return false;
    }
    if (!is_known_pipeline(pipeline) || call == NULL) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "pipeline '%s' is not known, or params has no call",
                    pipeline != NULL ? pipeline : "");
        return false;
    }
    if (!pixel_run_init(&run, golden, "image_01", error)) {
        return false;
    }
    scheduler = start_scheduler(&run, class_name, call, error);
    if (scheduler == NULL) {
        return false;
    }
    run.eta = sde_golden_case_get_double(call, "eta", 0.0);
    if (strcmp(pipeline, "RePaintPipeline") == 0) {
        run.original = sde_golden_case_peek(golden, "image", run.total, error);
        mask = sde_golden_case_spread_mask(golden, "mask", "image_01", error);
        run.mask = mask;
        if (run.original == NULL || mask == NULL) {
            return false;
        }
    }
    return run_pipeline(&run, scheduler, error);
}
