/* gimp-sdedit: the engine's public interface, the only header that outside code
 * includes.
 *
 * Pictures are RGB floats, sRGB-encoded, 0..1 (values outside are allowed in and kept
 * outside the mask; the model sees them clipped). Rows are `stride` floats apart.
 * Nothing here prints; every failure is one GError, and a failed call leaves its result
 * untouched. SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

G_BEGIN_DECLS

/* Cancelled is G_IO_ERROR_CANCELLED; file access errors are GLib's own. */
typedef enum {
    SDE_ERROR_FORMAT,      /* damaged file or folder */
    SDE_ERROR_UNSUPPORTED, /* sound, but a model or option this engine does not run */
    SDE_ERROR_TOO_LARGE, /* over the memory limit or a size cap; message has numbers */
    SDE_ERROR_NUMERIC,   /* NaN or infinity in weights, input or result */
    SDE_ERROR_INPUT      /* a value or picture that makes no sense: empty mask, ... */
} SdeError;
#define SDE_ERROR (sde_error_quark())
GQuark sde_error_quark(void);

/* ---- models ---------------------------------------------------------------------- */

typedef struct _SdeModel SdeModel; /* counted, fixed after load, shared by threads */

typedef enum {
    SDE_CAP_INPAINT = 1 << 0,
    SDE_CAP_DENOISE = 1 << 1,
    SDE_CAP_RESTYLE = 1 << 2,
    SDE_CAP_STYLES = 1 << 3,    /* has class labels to choose from */
    SDE_CAP_GUIDANCE = 1 << 4,  /* has a "none" class: classifier-free guidance works */
    SDE_CAP_LEVEL_MAP = 1 << 5, /* takes a noise level per pixel */
} SdeCaps;

/* Of a network's convolutions and attention. Where the CPU has no bfloat16
 * instructions, or slow ones (Intel's), all three are float32. tests/bench/HISTORY.md
 * says how far apart results are. */
typedef enum {
    SDE_PRECISION_FLOAT, /* float32: 1e-5 of the largest value */
    SDE_PRECISION_MIXED, /* bfloat16 but for convolutions by Winograd's method */
    SDE_PRECISION_BF16,  /* bfloat16, all but small maps and the ends of the network */
} SdePrecision;
/* The fastest that is as good as float32 to 60 dB. Walks of many steps amplify
 * rounding, one evaluation does not. */
#define SDE_DENOISE_PRECISION SDE_PRECISION_BF16
#define SDE_INPAINT_PRECISION SDE_PRECISION_MIXED
#define SDE_RESTYLE_PRECISION SDE_PRECISION_MIXED

/* Loads a Hugging Face diffusers folder (flat, or with unet/ and scheduler/). */
SdeModel *sde_model_load(const char *folder, SdePrecision precision,
                         GCancellable *cancel, GError **error);
SdeModel *sde_model_ref(SdeModel *model);
void sde_model_unref(SdeModel *model); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeModel, sde_model_unref)
SdeCaps sde_model_get_caps(const SdeModel *model);

/* Facts for people; strings belong to the model. */
typedef struct {
    const char *name;    /* folder's base name */
    const char *network; /* e.g. "UNet2DModel" */
    const char *dtype; /* dtype of the stored weights: "F32", "F16", "BF16", "mixed" */
    const char *prediction; /* "epsilon", "v_prediction" or "sample" */
    size_t n_parameters;
    int n_timesteps;   /* T of the training schedule */
    int sample_size;   /* the network's own input side, in pixels of the picture */
    int patch_size;    /* pixel-unshuffle factor in front of the network; 1: none */
    int size_multiple; /* tiles are multiples of this many pixels of the picture */
    int n_styles;      /* class labels without the "none" class; 0: none */
    int default_style; /* of restyling; -1: none */
    /* n_steps and guidance that suit this kind of model */
    int restyle_steps;
    double restyle_guidance;
} SdeModelInfo;
void sde_model_get_info(const SdeModel *model, SdeModelInfo *info);
/* 0 <= style < n_styles; a name always exists ("3" when the folder has no names). */
const char *sde_model_peek_style_name(const SdeModel *model, int style);
/* -1 and SDE_ERROR_INPUT, with the known names in the message, when there is no such.
 */
int sde_model_find_style(const SdeModel *model, const char *name, GError **error);
/* Working memory (bytes) and floating point operations of one evaluation. */
bool sde_model_estimate(const SdeModel *model, int width, int height, size_t *bytes,
                        double *flop, GError **error);

/* ---- pictures -------------------------------------------------------------------- */

/* Both borrow their floats. Mask: 1 = repaint, 0 = keep, between = soft. */
typedef struct {
    float *pixels;
    int width, height;
    size_t stride; /* floats from row to row, at least 3 * width */
} SdeImage;
typedef struct {
    const float *levels;
    int width, height;
    size_t stride; /* floats from row to row, at least width */
} SdeMask;

/* Memory for pixels, of undefined content, in large pages where the system has them.
 * NULL: there is none left. g_free when done. */
float *sde_image_try_alloc(size_t n_floats);

/* Pixels of a picture. */
typedef struct {
    int x, y, width, height;
} SdeRect;

/* ---- runs ------------------------------------------------------------------------ */

/* Runs in the thread that called the engine; fraction 0..1 only grows. `step` of
 * `n_steps` counts network passes over the picture. */
typedef struct {
    double fraction;
    int step, n_steps;
    double seconds_left; /* estimate; negative while unknown */
} SdeProgress;
typedef void (*SdeProgressFunc)(const SdeProgress *progress, void *data);

typedef struct { /* how to run; zeros are the defaults */
    uint64_t seed;
    int n_threads;             /* 0: every core this process may use */
    size_t memory_limit;       /* bytes of working memory; 0: a quarter of RAM */
    GCancellable *cancellable; /* nullable, as is progress */
    SdeProgressFunc progress;
    void *user_data;
    /* Nullable; for previews: only these pixels of the result are asked for, and come
     * nearly as they would in the whole. All others are either as in the source or as
     * they would be anyway. */
    const SdeRect *part;
} SdeRun;

/* SdeSampler: one step each, all in x0 form (engine/sample/sampler.h). */
typedef enum {
    SDE_SAMPLER_DDIM,
    SDE_SAMPLER_DDPM,
    SDE_SAMPLER_DPMPP_2M,
    SDE_SAMPLER_EULER,
    SDE_SAMPLER_EULER_ANCESTRAL,
    SDE_SAMPLER_LCM,
    SDE_N_SAMPLERS
} SdeSampler;
const char *sde_sampler_get_name(SdeSampler sampler); /* "ddim", "dpmpp-2m", ... */
bool sde_sampler_from_name(const char *name, SdeSampler *sampler, GError **error);

/* MODEL: what the network expects there, E[x0] given the surroundings (the first of
 * n_steps, as the mean of four mirrored evaluations). The walk from t0 then adds what
 * an expectation lacks, the more the deeper in the hole, and the middle of a large hole
 * gets its texture from patches of the surroundings. Thin holes are done with the mean,
 * of two evaluations, and what the surroundings say of them (nonlocal autoregression).
 * Models without a level map fill smoothly instead, and walk. */
typedef enum {
    SDE_FILL_ORIGINAL,
    SDE_FILL_SMOOTH,
    SDE_FILL_NOISE,
    SDE_FILL_MODEL
} SdeFill;

/* What is common to the sampled tasks. */
typedef struct {
    int n_steps;     /* network evaluations per pixel, 1..1000 */
    double strength; /* t0 / T, 0..1: where noising stops and denoising starts */
    SdeSampler sampler;
    double eta;       /* DDIM only, 0..1: 0 deterministic, 1 as DDPM */
    int tile_size;    /* pixels; 0: chosen from the model and the memory limit */
    int tile_overlap; /* pixels; 0: as far as the model sees clearly */
    int max_side;     /* work at most at this size and carry the change up; 0: native */
} SdeSampling;
#define SDE_SAMPLING_INIT(steps, t0) {.n_steps = (steps), .strength = (t0)}

typedef struct {
    SdeSampling sampling;
    SdeFill fill; /* what the hole holds before it is noised */
    int context;  /* pixels of surroundings the model sees; 0: from the hole size */
    int grow, feather; /* pixels; change the mask before the run */
    int n_resample;    /* RePaint's r: 1 none; ordinary models only */
    bool match_colors; /* shift the fill to meet its border */
    double grain;      /* 0..1: share of the photo's noise that the fill gets */
} SdeInpaintParams;
#define SDE_INPAINT_PARAMS_INIT             \
    {.sampling = SDE_SAMPLING_INIT(9, 0.8), \
     .fill = SDE_FILL_MODEL,                \
     .n_resample = 1,                       \
     .grain = 1}

/* How much work a fill is worth. Sets n_steps and n_resample: for a model with level
 * maps to 5, 9 or 25 and 1; for an ordinary one, where they are RePaint's T and r
 * (Lugmayr et al. 2022; j is n_steps / 25, at least 1), to 10, 20 or 50 and 3. */
typedef enum { SDE_QUALITY_FAST, SDE_QUALITY_BETTER, SDE_QUALITY_BEST } SdeQuality;
void sde_model_set_quality(const SdeModel *model, SdeQuality quality,
                           SdeInpaintParams *params);

#define SDE_NOISE_GRID 8 /* cells of a picture on a side, at most */

/* The noise of a photo in 8-bit units (0..255). */
typedef struct {
    double sigma; /* standard deviation, over the whole picture and the channels */
    /* Poisson-Gaussian, of red, green and blue: variance = slope * value + offset for
     * values 0..1, held between lowest^2 and highest^2. */
    double slope[3], offset[3], lowest[3], highest[3];
    bool is_correlated; /* from pixel to pixel, as after demosaicing, JPEG, resizing */
    double doubtful;    /* deviation of what may be noise or fine texture; 0: nothing */
    /* Times that the deviation differs from place to place: in the middles of columns x
     * rows cells of a picture of width x height. */
    int columns, rows, width, height;
    double gains[SDE_NOISE_GRID * SDE_NOISE_GRID];
    double lowest_gain, highest_gain; /* of them; 1: the same everywhere */
} SdeNoise;

typedef struct {
    int n_steps; /* network evaluations per pixel, 1..1000: one gives the mean of what
                  * the photo may have been, two or three more of its detail */
    int n_views; /* 1, 2 or 4: each evaluation is the mean over so many mirrored views,
                  * nearer to the truth by 0.1 to 0.2 dB, for so many times the work */
    double noise_level;      /* sigma in 8-bit units, 0..255; negative: estimate */
    const SdeNoise *known;   /* nullable: what sde_estimate_noise() has found in this
                              * picture, taken where noise_level is negative */
    double strength;         /* 0..1: 0 returns the source bit for bit, 1 removes all */
    double luminance, color; /* 0..1: share of the strength on Y' and on Cb, Cr */
    double keep_grain; /* 0..1: part of the fine luminance grain that is put back */
    int tile_size, tile_overlap; /* as in SdeSampling */
    SdeNoise
        *used; /* nullable: the noise that was assumed is written here on success */
} SdeDenoiseParams;
#define SDE_DENOISE_PARAMS_INIT \
    {.n_steps = 1,              \
     .n_views = 1,              \
     .noise_level = -1,         \
     .strength = 1,             \
     .luminance = 1,            \
     .color = 1}

typedef struct {
    SdeSampling sampling;
    int style;             /* class label; -1: the model's default */
    int second_style;      /* mixed in, if `mix` is above 0 */
    double mix;            /* 0..1: share of the second style */
    double guidance;       /* classifier-free guidance scale in the first half of the
                            * steps, 1: none */
    double keep_colors;    /* 0..1: hold the source's coarse colours (ILVR), and not the
                            * style's, if the model says what these are */
    double keep_structure; /* 0..1: noise the source's edges less */
    double marks;          /* 0..1: draw over what the network painted with the strokes,
                            * lines or pigment of the style's technique, if the model
                            * names one (styles/tones.json); of two styles the one that
                            * has the larger share is drawn */
    int n_passes;          /* 1..16: paint so many times, each on the last result */
    bool invert;           /* start from the noise that DDIM inversion finds, not from
                            * fresh noise; keeps the layout, costs n_steps - 1
                            * evaluations more */
} SdeRestyleParams;
/* Strokes have the size that they were learnt in when a photo is painted small. */
#define SDE_RESTYLE_DETAIL 1024 /* max_side */
#define SDE_RESTYLE_PARAMS_INIT                                                    \
    {.sampling = {.n_steps = 12, .strength = 0.5, .max_side = SDE_RESTYLE_DETAIL}, \
     .style = -1,                                                                  \
     .guidance = 1,                                                                \
     .marks = 1,                                                                   \
     .n_passes = 1}

/* Pixels on a side of a block of JPEG. The network knows files from where a block
 * begins: a part of a photo is best handed over from multiples of this on. */
#define SDE_FILE_BLOCK 8

/* `result` is the caller's memory, has the size of `source`, may not overlap it, and is
 * written only on success. Outside the (grown, feathered) mask it equals `source` bit
 * for bit. `mask` may be NULL for denoise and restyle: the whole picture. Runs on one
 * model may go on in several threads. Same model, inputs, seed and machine: same bits,
 * whatever n_threads. */
bool sde_inpaint(SdeModel *model, const SdeImage *source, const SdeMask *mask,
                 const SdeInpaintParams *params, const SdeRun *run, SdeImage *result,
                 GError **error);
bool sde_denoise(SdeModel *model, const SdeImage *source, const SdeMask *mask,
                 const SdeDenoiseParams *params, const SdeRun *run, SdeImage *result,
                 GError **error);
bool sde_restyle(SdeModel *model, const SdeImage *source, const SdeMask *mask,
                 const SdeRestyleParams *params, const SdeRun *run, SdeImage *result,
                 GError **error);

/* What sde_denoise assumes with this model when noise_level is negative; NULL: a model
 * without a network for that. One without SDE_CAP_LEVEL_MAP uses sigma alone. `noise`
 * is written only on success. Nothing of `run` counts but its threads and its
 * cancellable. */
bool sde_estimate_noise(const SdeModel *model, const SdeImage *source,
                        const SdeMask *mask, const SdeRun *run, SdeNoise *noise,
                        GError **error);

G_END_DECLS
