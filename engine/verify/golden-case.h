/* One golden case: its parameters, tensors, tape of random draws, and the comparison of
 * what the engine computed with what is stored. Tensors are floats in the reference's
 * layout (n × c × h × w).
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "base/parallel.h"
#include "model/config.h"
#include "model/safetensors.h"

typedef struct {
    char *folder, *model; /* the model's path */
    JsonNode *root;
    JsonObject *object, *params;
    SdeSafetensors *file;
    GHashTable *values;   /* name -> float array, as read so far */
    GHashTable *compared; /* name of output -> elements compared so far */
    int n_draws;          /* of noise, taken from the tape */
    double worst;         /* largest error over its tolerance; infinity for NaN */
    char *worst_name;
    char *note; /* nullable: where a failure begins */
    SdePool *pool;
} SdeGoldenCase;

SdeGoldenCase *sde_golden_case_load(const char *folder, SdePool *pool, GError **error);
void sde_golden_case_free(SdeGoldenCase *golden); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SdeGoldenCase, sde_golden_case_free)

bool sde_golden_case_has(const SdeGoldenCase *golden, const char *name);
const SdeTensorInfo *sde_golden_case_peek_info(SdeGoldenCase *golden, const char *name,
                                               GError **error);
/* Values of a whole tensor; lent. `count` (when not 0) is the count expected. */
const float *sde_golden_case_peek(SdeGoldenCase *golden, const char *name, size_t count,
                                  GError **error);
/* "base.012" */
const float *sde_golden_case_peek_step(SdeGoldenCase *golden, const char *base,
                                       int step, size_t count, GError **error);
/* A mask of one channel (n × 1 × h × w), repeated for every channel of `like`; owned.
 */
float *sde_golden_case_spread_mask(SdeGoldenCase *golden, const char *name,
                                   const char *like, GError **error);
/* The next random draw of the tape. */
const float *sde_golden_case_draw(SdeGoldenCase *golden, size_t count, GError **error);

/* Compares `count` values with the elements of an output from index * count on. An
 * error means that the case and the engine disagree about shapes, not about values. */
bool sde_golden_case_compare(SdeGoldenCase *golden, const char *name, int index,
                             const float *values, size_t count, GError **error);
/* Every output compared in full, every draw used? */
bool sde_golden_case_check_complete(SdeGoldenCase *golden, GError **error);

/* expected_values.NAME against numbers; true when the case has no such key. */
bool sde_golden_case_expect_numbers(SdeGoldenCase *golden, const char *name,
                                    const double *values, int n, GError **error);

/* OBJECT.NAME, or `fallback` when it is missing. */
int sde_golden_case_get_int(JsonObject *object, const char *name, int fallback);
double sde_golden_case_get_double(JsonObject *object, const char *name,
                                  double fallback);
/* NULL when it is missing. */
JsonObject *sde_golden_case_peek_object(JsonObject *object, const char *name);

/* ---- kinds: each runs a loaded case; an error is a failure ---- */

bool sde_golden_run_scheduler(SdeGoldenCase *golden, GError **error);
bool sde_golden_run_repaint_scheduler(SdeGoldenCase *golden, GError **error);
bool sde_golden_run_noise_net(SdeGoldenCase *golden, GError **error);
bool sde_golden_run_denoiser(SdeGoldenCase *golden, GError **error);
bool sde_golden_run_unet2d(SdeGoldenCase *golden, GError **error);
bool sde_golden_run_pixel(SdeGoldenCase *golden, GError **error);
bool sde_golden_run_pixel_pipeline(SdeGoldenCase *golden, GError **error);
