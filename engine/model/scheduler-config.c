/* scheduler_config.json: the noise schedule a model was trained with.
 *
 * Each diffusers class has defaults of its own for the same keys, so the class is read
 * first. Keys that a class does not have are read all the same: they do no harm.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/config.h"

#include <string.h>

#include "model/config-read.h"
#include "sde.h"

#define MAX_TIMESTEPS 10000

static const SdeChoice classes[] = {
    {"DDPMScheduler", SDE_SCHEDULER_DDPM},
    {"DDIMScheduler", SDE_SCHEDULER_DDIM},
    {"DDIMInverseScheduler", SDE_SCHEDULER_DDIM_INVERSE},
    {"RePaintScheduler", SDE_SCHEDULER_REPAINT},
    {"DPMSolverMultistepScheduler", SDE_SCHEDULER_DPM_SOLVER_MULTISTEP},
    {"EulerDiscreteScheduler", SDE_SCHEDULER_EULER},
    {"EulerAncestralDiscreteScheduler", SDE_SCHEDULER_EULER_ANCESTRAL},
    {"LCMScheduler", SDE_SCHEDULER_LCM},
    {"PNDMScheduler", SDE_SCHEDULER_PNDM},
};

static const SdeChoice beta_schedules[] = {
    {"linear", SDE_BETAS_LINEAR},
    {"scaled_linear", SDE_BETAS_SCALED_LINEAR},
    {"squaredcos_cap_v2", SDE_BETAS_SQUAREDCOS_CAP_V2},
    {"sigmoid", SDE_BETAS_SIGMOID},
    {"laplace", SDE_BETAS_LAPLACE},
    {"sqrt", SDE_BETAS_SQRT},
};

static const SdeChoice predictions[] = {
    {"epsilon", SDE_PREDICTION_EPSILON},
    {"v_prediction", SDE_PREDICTION_V},
    {"sample", SDE_PREDICTION_SAMPLE},
};

static const SdeChoice spacings[] = {
    {"leading", SDE_SPACING_LEADING},
    {"linspace", SDE_SPACING_LINSPACE},
    {"trailing", SDE_SPACING_TRAILING},
};

static const SdeChoice variances[] = {
    {"fixed_small", SDE_VARIANCE_FIXED_SMALL},
    {"fixed_small_log", SDE_VARIANCE_FIXED_SMALL_LOG},
    {"fixed_large", SDE_VARIANCE_FIXED_LARGE},
    {"fixed_large_log", SDE_VARIANCE_FIXED_LARGE_LOG},
    {"learned", SDE_VARIANCE_LEARNED},
    {"learned_range", SDE_VARIANCE_LEARNED_RANGE},
};

static const SdeChoice final_sigmas[] = {{"sigma_min", 0}, {"zero", 1}};

/* ---- defaults -----------------------------------------------------------------------
 */

void
sde_scheduler_config_init(SdeSchedulerConfig *config, SdeSchedulerClass klass)
{
    bool spaced_in_sigma = klass == SDE_SCHEDULER_DPM_SOLVER_MULTISTEP ||
                           klass == SDE_SCHEDULER_EULER ||
                           klass == SDE_SCHEDULER_EULER_ANCESTRAL;
    bool clips = klass == SDE_SCHEDULER_DDPM || klass == SDE_SCHEDULER_DDIM ||
                 klass == SDE_SCHEDULER_DDIM_INVERSE || klass == SDE_SCHEDULER_REPAINT;

    *config = (SdeSchedulerConfig) {
        .klass = klass,
        .num_train_timesteps = 1000,
        .beta_schedule = SDE_BETAS_LINEAR,
        .beta_start = 0.0001,
        .beta_end = 0.02,
        .prediction_type = SDE_PREDICTION_EPSILON,
        .timestep_spacing =
            spaced_in_sigma ? SDE_SPACING_LINSPACE : SDE_SPACING_LEADING,
        .variance_type = SDE_VARIANCE_FIXED_SMALL,
        .clip_sample = clips,
        .set_alpha_to_one = klass != SDE_SCHEDULER_PNDM,
        .lower_order_final = true,
        .final_sigma_zero = true,
        .solver_order = 2,
        .original_inference_steps = 50,
        .clip_sample_range = 1,
        .dynamic_thresholding_ratio = 0.995,
        .sample_max_value = 1,
        .timestep_scaling = 10,
    };
    if (klass == SDE_SCHEDULER_LCM) {
        config->beta_schedule = SDE_BETAS_SCALED_LINEAR;
        config->beta_start = 0.00085;
        config->beta_end = 0.012;
    }
}

/* ---- reading ------------------------------------------------------------------------
 */

/* What the keys below would change is not in this engine. */
static bool
check_not_run(JsonObject *object, GError **error)
{
    static const char *const not_true[] = {
        "use_lu_lambdas",  "use_beta_sigmas",      "use_exponential_sigmas",
        "use_flow_sigmas", "use_dynamic_shifting",
    };
    static const char *const not_set[] = {"lambda_min_clipped", "sigma_min",
                                          "sigma_max"};

    for (size_t i = 0; i < G_N_ELEMENTS(not_true); i++) {
        if (!sde_config_require_false(object, not_true[i], error)) {
            return false;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(not_set); i++) {
        if (!sde_config_require_null(object, not_set[i], error)) {
            return false;
        }
    }
    return sde_config_require_word(object, "algorithm_type", "dpmsolver++", error) &&
           sde_config_require_word(object, "solver_type", "midpoint", error) &&
           sde_config_require_word(object, "interpolation_type", "linear", error) &&
           sde_config_require_word(object, "timestep_type", "discrete", error);
}

static bool
read_words(JsonObject *object, SdeSchedulerConfig *config, GError **error)
{
    int betas = (int) config->beta_schedule;
    int prediction = (int) config->prediction_type;
    int spacing = (int) config->timestep_spacing;
    int variance = (int) config->variance_type;
    int final_zero = config->final_sigma_zero;

    if (!sde_config_get_choice(object, "beta_schedule", beta_schedules,
                               G_N_ELEMENTS(beta_schedules), &betas, error) ||
        !sde_config_get_choice(object, "prediction_type", predictions,
                               G_N_ELEMENTS(predictions), &prediction, error) ||
        !sde_config_get_choice(object, "timestep_spacing", spacings,
                               G_N_ELEMENTS(spacings), &spacing, error) ||
        !sde_config_get_choice(object, "variance_type", variances,
                               G_N_ELEMENTS(variances), &variance, error) ||
        !sde_config_get_choice(object, "final_sigmas_type", final_sigmas,
                               G_N_ELEMENTS(final_sigmas), &final_zero, error)) {
        return false;
    }
    config->beta_schedule = (SdeBetaSchedule) betas;
    config->prediction_type = (SdePrediction) prediction;
    config->timestep_spacing = (SdeSpacing) spacing;
    config->variance_type = (SdeVariance) variance;
    config->final_sigma_zero = final_zero != 0;
    return true;
}

static bool
read_switches(JsonObject *object, SdeSchedulerConfig *config, GError **error)
{
    const struct {
        const char *key;
        bool *value;
    } switches[] = {
        {"clip_sample", &config->clip_sample},
        {"thresholding", &config->thresholding},
        {"set_alpha_to_one", &config->set_alpha_to_one},
        {"rescale_betas_zero_snr", &config->rescale_betas_zero_snr},
        {"use_karras_sigmas", &config->use_karras_sigmas},
        {"skip_prk_steps", &config->skip_prk_steps},
        {"lower_order_final", &config->lower_order_final},
        {"euler_at_final", &config->euler_at_final},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(switches); i++) {
        if (!sde_json_get_bool(object, switches[i].key, switches[i].value, error)) {
            return false;
        }
    }
    return true;
}

static bool
read_numbers(JsonObject *object, SdeSchedulerConfig *config, GError **error)
{
    const struct {
        const char *key;
        double min, max;
        double *value;
    } numbers[] = {
        {"beta_start", 0, 1, &config->beta_start},
        {"beta_end", 0, 1, &config->beta_end},
        {"clip_sample_range", 1e-6, 1e6, &config->clip_sample_range},
        {"dynamic_thresholding_ratio", 0, 1, &config->dynamic_thresholding_ratio},
        {"sample_max_value", 1e-6, 1e6, &config->sample_max_value},
        {"eta", 0, 1, &config->eta},
        {"timestep_scaling", 1e-6, 1e6, &config->timestep_scaling},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        if (!sde_json_get_double(object, numbers[i].key, numbers[i].min, numbers[i].max,
                                 numbers[i].value, error)) {
            return false;
        }
    }
    return sde_json_get_int(object, "num_train_timesteps", 1, MAX_TIMESTEPS,
                            &config->num_train_timesteps, error) &&
           sde_json_get_int(object, "solver_order", 1, 3, &config->solver_order,
                            error) &&
           sde_json_get_int(object, "steps_offset", 0, MAX_TIMESTEPS,
                            &config->steps_offset, error) &&
           sde_json_get_int(object, "original_inference_steps", 1, MAX_TIMESTEPS,
                            &config->original_inference_steps, error);
}

static bool
read_trained_betas(JsonObject *object, SdeSchedulerConfig *config, GError **error)
{
    JsonArray *list = NULL;
    g_autofree double *betas = NULL;

    if (!sde_json_peek_array(object, "trained_betas", &list, error)) {
        return false;
    }
    if (list == NULL) {
        return true;
    }
    if (json_array_get_length(list) != (guint) config->num_train_timesteps) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'trained_betas': expected %d numbers, found %u",
                    config->num_train_timesteps, json_array_get_length(list));
        return false;
    }
    betas = g_new0(double, config->num_train_timesteps);
    if (!sde_json_read_numbers(list, "trained_betas", 0, 1, betas, error)) {
        return false;
    }
    config->trained_betas = g_steal_pointer(&betas);
    config->beta_schedule = SDE_BETAS_TRAINED;
    return true;
}

static bool
check_together(const SdeSchedulerConfig *config, GError **error)
{
    if (config->solver_order == 3) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_UNSUPPORTED,
                    "'solver_order': 3 is not supported; supported: 1, 2");
        return false;
    }
    if (config->steps_offset >= config->num_train_timesteps) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_FORMAT,
                    "'steps_offset' %d is not less than 'num_train_timesteps' %d",
                    config->steps_offset, config->num_train_timesteps);
        return false;
    }
    return true;
}

static bool
read_scheduler(JsonObject *object, SdeSchedulerConfig *config, GError **error)
{
    int klass = SDE_SCHEDULER_DDPM;

    if (!sde_config_get_choice(object, "_class_name", classes, G_N_ELEMENTS(classes),
                               &klass, error)) {
        return false;
    }
    sde_scheduler_config_init(config, (SdeSchedulerClass) klass);
    return check_not_run(object, error) && read_words(object, config, error) &&
           read_switches(object, config, error) &&
           read_numbers(object, config, error) && check_together(config, error) &&
           read_trained_betas(object, config, error);
}

bool
sde_scheduler_config_parse(const char *json, gssize length, SdeSchedulerConfig *config,
                           GError **error)
{
    size_t size = length < 0 ? strlen(json) : (size_t) length;
    g_autoptr(JsonNode) root = sde_json_parse(json, size, error);
    SdeSchedulerConfig read = {0};

    if (root == NULL || !read_scheduler(json_node_get_object(root), &read, error)) {
        return false;
    }
    *config = read;
    return true;
}

bool
sde_scheduler_config_load(const char *path, SdeSchedulerConfig *config, GError **error)
{
    g_autoptr(JsonNode) root = sde_json_load(path, error);
    SdeSchedulerConfig read = {0};

    if (root == NULL) {
        return false;
    }
    if (!read_scheduler(json_node_get_object(root), &read, error)) {
        g_autofree char *name = g_filename_display_name(path);

        g_prefix_error(error, "'%s': ", name);
        return false;
    }
    *config = read;
    return true;
}

void
sde_scheduler_config_clear(SdeSchedulerConfig *config)
{
    g_clear_pointer(&config->trained_betas, g_free);
}
