/* The JSON files of a diffusers folder as bounded plain structs. Missing keys get the
 * defaults of diffusers; a key with a value that this engine does not run is refused by
 * name (SDE_ERROR_UNSUPPORTED); a wrong type or absurd number is SDE_ERROR_FORMAT. */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define SDE_MAX_LEVELS 16

typedef enum {
    SDE_PREDICTION_EPSILON,
    SDE_PREDICTION_V,
    SDE_PREDICTION_SAMPLE
} SdePrediction;

/* ---- scheduler_config.json ---- */

typedef enum {
    SDE_SCHEDULER_DDPM,
    SDE_SCHEDULER_DDIM,
    SDE_SCHEDULER_DDIM_INVERSE,
    SDE_SCHEDULER_REPAINT,
    SDE_SCHEDULER_DPM_SOLVER_MULTISTEP,
    SDE_SCHEDULER_EULER,
    SDE_SCHEDULER_EULER_ANCESTRAL,
    SDE_SCHEDULER_LCM,
    SDE_SCHEDULER_PNDM
} SdeSchedulerClass;

typedef enum {
    SDE_BETAS_LINEAR,
    SDE_BETAS_SCALED_LINEAR,
    SDE_BETAS_SQUAREDCOS_CAP_V2,
    SDE_BETAS_SIGMOID,
    SDE_BETAS_LAPLACE,
    SDE_BETAS_SQRT, /* alphas_cumprod = 1 - sqrt(t / T + s), Li et al. 2022, s = 1e-4 */
    SDE_BETAS_TRAINED
} SdeBetaSchedule;

typedef enum {
    SDE_SPACING_LEADING,
    SDE_SPACING_LINSPACE,
    SDE_SPACING_TRAILING
} SdeSpacing;

typedef enum {
    SDE_VARIANCE_FIXED_SMALL,
    SDE_VARIANCE_FIXED_SMALL_LOG,
    SDE_VARIANCE_FIXED_LARGE,
    SDE_VARIANCE_FIXED_LARGE_LOG,
    SDE_VARIANCE_LEARNED,
    SDE_VARIANCE_LEARNED_RANGE
} SdeVariance;

typedef struct {
    SdeSchedulerClass klass;
    int num_train_timesteps; /* 1..10000 */
    SdeBetaSchedule beta_schedule;
    double beta_start, beta_end;
    double *trained_betas; /* num_train_timesteps, or NULL */
    SdePrediction prediction_type;
    SdeSpacing timestep_spacing;
    SdeVariance variance_type;
    bool clip_sample, thresholding, set_alpha_to_one, rescale_betas_zero_snr;
    bool use_karras_sigmas, skip_prk_steps, lower_order_final, euler_at_final;
    bool final_sigma_zero; /* final_sigmas_type "zero", else "sigma_min" */
    int solver_order, steps_offset, original_inference_steps;
    double clip_sample_range, dynamic_thresholding_ratio, sample_max_value, eta;
    double timestep_scaling;
} SdeSchedulerConfig;

bool sde_scheduler_config_parse(const char *json, gssize length,
                                SdeSchedulerConfig *config, GError **error);
bool sde_scheduler_config_load(const char *path, SdeSchedulerConfig *config,
                               GError **error);
void sde_scheduler_config_clear(SdeSchedulerConfig *config);
/* Defaults of the named diffusers class; used when a folder has no scheduler. */
void sde_scheduler_config_init(SdeSchedulerConfig *config, SdeSchedulerClass klass);

/* ---- unet/config.json ---- */

typedef enum {
    SDE_BLOCK_PLAIN,     /* DownBlock2D, UpBlock2D */
    SDE_BLOCK_ATTENTION, /* AttnDownBlock2D, AttnUpBlock2D */
    SDE_BLOCK_RESNET     /* ResnetDownsampleBlock2D, ResnetUpsampleBlock2D */
} SdeBlockType;

typedef enum { SDE_ACT_SILU, SDE_ACT_GELU, SDE_ACT_RELU, SDE_ACT_MISH } SdeActivation;

typedef enum {
    SDE_CLASS_NONE,
    SDE_CLASS_LABEL,    /* num_class_embeds: an embedding table */
    SDE_CLASS_TIMESTEP, /* class_embed_type "timestep" */
    SDE_CLASS_IDENTITY  /* class_embed_type "identity" */
} SdeClassEmbed;

typedef struct {
    int sample_size; /* 0: not given */
    int in_channels, out_channels;
    int n_levels;
    int block_out_channels[SDE_MAX_LEVELS];
    SdeBlockType down_block_types[SDE_MAX_LEVELS], up_block_types[SDE_MAX_LEVELS];
    int layers_per_block;
    int attention_head_dim;   /* 0: null, one head of all channels */
    int attn_norm_num_groups; /* 0: null */
    int norm_num_groups;
    double norm_eps;
    SdeActivation act_fn;
    int downsample_padding;                  /* 0 or 1 */
    bool downsample_resnet, upsample_resnet; /* downsample_type "resnet" */
    bool center_input_sample, flip_sin_to_cos, scale_shift;
    double freq_shift, mid_block_scale_factor;
    bool has_mid_block, add_attention;
    SdeClassEmbed class_embed;
    int num_class_embeds;   /* 0: null */
    int time_embedding_dim; /* 0: 4 * block_out_channels[0] */
} SdeUnetConfig;

bool sde_unet_config_parse(const char *json, gssize length, SdeUnetConfig *config,
                           GError **error);
bool sde_unet_config_load(const char *path, SdeUnetConfig *config, GError **error);
