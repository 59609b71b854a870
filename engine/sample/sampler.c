/* The native samplers: a table of functions that turn two angles (now, next) into the
 * weights of a linear combination, and one loop that applies it pixel by pixel. With
 * x = cos(a) x0 + sin(a) e the noise estimate is e = (x - cos(a) D) / sin(a);
 * everything is written with sines and cosines, so pure noise (a = pi/2, sigma
 * infinite) and clean pixels (a = 0) need no special care beyond not dividing by zero.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "sample/sampler.h"

#include <math.h>
#include <string.h>

#define CHANNELS 3

typedef struct {
    double now, next,
        previous; /* angles; previous < 0: there is no D of the last step */
    double eta;
} Angles;

typedef struct {
    float x, d, previous_d, noise;
} Weights;

typedef Weights (*WeightFunc)(const Angles *angles);

/* DDIM, Song et al. 2021, equation 12: fresh is the standard deviation of new noise. */
static Weights
weights_with_fresh_noise(const Angles *angles, double fresh)
{
    double next_noise = sin(angles->next);
    double kept = sqrt(fmax(next_noise * next_noise - fresh * fresh, 0.0));
    double kx = kept / sin(angles->now);

    return (Weights) {.x = (float) kx,
                      .d = (float) (cos(angles->next) - kx * cos(angles->now)),
                      .noise = (float) fresh};
}

/* Standard deviation of the DDPM posterior (eta = 1), from the two angles:
 * beta-tilde = (1 - a') / (1 - a) (1 - a / a') with a = cos^2(now), a' = cos^2(next).
 */
static double
posterior_deviation(const Angles *angles)
{
    double ratio = cos(angles->now) / cos(angles->next);

    return sin(angles->next) / sin(angles->now) * sqrt(fmax(1.0 - ratio * ratio, 0.0));
}

static Weights
weigh_ddim(const Angles *angles)
{
    return weights_with_fresh_noise(angles, angles->eta * posterior_deviation(angles));
}

static Weights
weigh_ddpm(const Angles *angles)
{
    return weights_with_fresh_noise(angles, posterior_deviation(angles));
}

/* DPM-Solver++(2M), Lu et al. 2022, algorithm 2, with lambda = log(cos / sin) per
 * pixel. First order where there is no last D, at the step to 0 (lambda infinite), and
 * where the last step came from pure noise (1 / r = 0 there anyway). */
static Weights
weigh_dpmpp_2m(const Angles *angles)
{
    Weights weights = weights_with_fresh_noise(angles, 0.0); /* the first-order step */

    if (angles->next > 0.0 && angles->previous > angles->now &&
        angles->previous < G_PI_2) {
        double lambda = -log(tan(angles->now));
        double h = -log(tan(angles->next)) - lambda;
        double h_last = lambda + log(tan(angles->previous));
        double half_inverse_r = h / (2.0 * h_last);
        double d = (double) weights.d;

        weights.d = (float) (d * (1.0 + half_inverse_r));
        weights.previous_d = (float) (-d * half_inverse_r);
    }
    return weights;
}

/* Euler in the variance-exploding view, y = x / cos, sigma = tan:
 *     y' = y + (sigma' - sigma) (y - D) / sigma
 * written back to x; s is sigma' / sigma, so infinity stays out of it. */
static Weights
weights_euler(const Angles *angles, double s)
{
    double back = cos(angles->next);

    return (Weights) {.x = (float) s, .d = (float) (back - s * cos(angles->now))};
}

static Weights
weigh_euler(const Angles *angles)
{
    return weights_euler(angles, sin(angles->next) / sin(angles->now));
}

/* k-diffusion's ancestral step: Euler down to sigma_down, then noise of sigma_up, where
 *     sigma_up^2 = sigma'^2 (sigma^2 - sigma'^2) / sigma^2
 *     sigma_down^2 = sigma'^2 - sigma_up^2, that is sigma_down = sigma'^2 / sigma */
static Weights
weigh_euler_ancestral(const Angles *angles)
{
    double inverse_sigma = cos(angles->now) / sin(angles->now);
    double sigma_next = tan(angles->next);
    double ratio = sigma_next * inverse_sigma; /* sigma' / sigma, 0 from pure noise */
    double s = sin(angles->next) / sin(angles->now) * ratio;
    Weights weights = weights_euler(angles, s);

    weights.noise = (float) (sin(angles->next) * sqrt(fmax(1.0 - ratio * ratio, 0.0)));
    return weights;
}

/* Multistep consistency sampling: forget x, noise D afresh (Luo et al. 2023). */
static Weights
weigh_lcm(const Angles *angles)
{
    return (Weights) {.d = (float) cos(angles->next),
                      .noise = (float) sin(angles->next)};
}

static const struct {
    const char *name;
    WeightFunc weigh;
    bool fresh_noise, keeps_d;
} methods[SDE_N_SAMPLERS] = {
    [SDE_SAMPLER_DDIM] = {"ddim", weigh_ddim, false, false},
    [SDE_SAMPLER_DDPM] = {"ddpm", weigh_ddpm, true, false},
    [SDE_SAMPLER_DPMPP_2M] = {"dpmpp-2m", weigh_dpmpp_2m, false, true},
    [SDE_SAMPLER_EULER] = {"euler", weigh_euler, false, false},
    [SDE_SAMPLER_EULER_ANCESTRAL] = {"euler-ancestral", weigh_euler_ancestral, true,
                                     false},
    [SDE_SAMPLER_LCM] = {"lcm", weigh_lcm, true, false},
};

const char *
sde_sampler_get_name(SdeSampler sampler)
{
    g_return_val_if_fail(sampler >= 0 && sampler < SDE_N_SAMPLERS, NULL);

    return methods[sampler].name;
}

bool
sde_sampler_from_name(const char *name, SdeSampler *sampler, GError **error)
{
    g_autoptr(GString) known = g_string_new(NULL);

    g_return_val_if_fail(name != NULL && sampler != NULL, false);

    for (int i = 0; i < SDE_N_SAMPLERS; i++) {
        if (strcmp(name, methods[i].name) == 0) {
            *sampler = (SdeSampler) i;
            return true;
        }
        g_string_append_printf(known, "%s%s", i > 0 ? ", " : "", methods[i].name);
    }
    g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                "there is no sampler '%s'; expected one of %s", name, known->str);
    return false;
}

struct _SdeSamplerState {
    SdeSampler sampler;
    double eta;
    size_t n_pixels;
    float *previous_d;     /* n_pixels × 3; NULL where the method keeps none */
    float *previous_theta; /* n_pixels */
    bool has_previous;
};

bool
sde_sampler_needs_noise(SdeSampler sampler, double eta)
{
    return methods[sampler].fresh_noise || (sampler == SDE_SAMPLER_DDIM && eta > 0.0);
}

size_t
sde_sampler_plan(SdeSampler sampler, size_t n_pixels)
{
    return methods[sampler].keeps_d ? n_pixels * (CHANNELS + 1) * sizeof(float) : 0;
}

SdeSamplerState *
sde_sampler_state_new(SdeSampler sampler, double eta, size_t n_pixels, GError **error)
{
    SdeSamplerState *state;

    if ((int) sampler < 0 || sampler >= SDE_N_SAMPLERS) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT,
                    "there is no sampler number %d; expected 0 to %d", (int) sampler,
                    SDE_N_SAMPLERS - 1);
        return NULL;
    }
    if (sampler == SDE_SAMPLER_DDIM && !(eta >= 0.0 && eta <= 1.0)) {
        g_set_error(error, SDE_ERROR, SDE_ERROR_INPUT, "eta is %g, expected 0 to 1",
                    eta);
        return NULL;
    }
    state = g_new0(SdeSamplerState, 1);
    state->sampler = sampler;
    state->eta = eta;
    state->n_pixels = n_pixels;
    if (methods[sampler].keeps_d) {
        state->previous_d = g_new(float, n_pixels *CHANNELS);
        state->previous_theta = g_new(float, n_pixels);
    }
    return state;
}

void
sde_sampler_state_free(SdeSamplerState *state)
{
    if (state == NULL) {
        return;
    }
    g_free(state->previous_d);
    g_free(state->previous_theta);
    g_free(state);
}

static void
combine(float *x, const float *d, const float *previous_d, const float *noise,
        const Weights *weights)
{
    for (int c = 0; c < CHANNELS; c++) {
        float sum = weights->x * x[c] + weights->d * d[c];

        if (previous_d != NULL) {
            sum += weights->previous_d * previous_d[c];
        }
        if (noise != NULL) {
            sum += weights->noise * noise[c];
        }
        x[c] = sum;
    }
}

/* Angles of the pixel; true when they differ from those before: the weights are worked
 * out anew only then, as most maps are flat over wide areas. */
static bool
take_angles(Angles *angles, float now, float next, float previous)
{
    Angles last = *angles;

    angles->now = (double) now;
    angles->next = (double) next;
    angles->previous = (double) previous;
    return angles->now != last.now || angles->next != last.next ||
           angles->previous != last.previous;
}

void
sde_sampler_step(SdeSamplerState *state, float *x, const float *d,
                 const float *theta_now, const float *theta_next, const float *noise)
{
    bool keeps_d = methods[state->sampler].keeps_d;
    bool use_previous = keeps_d && state->has_previous;
    bool use_noise = sde_sampler_needs_noise(state->sampler, state->eta);
    Angles angles = {.now = -1.0, .eta = state->eta};
    Weights weights = {0};

    g_assert(!use_noise || noise != NULL);

    for (size_t i = 0; i < state->n_pixels; i++) {
        size_t at = i * CHANNELS;
        float previous = use_previous ? state->previous_theta[i] : -1.0f;

        if (!(theta_next[i] < theta_now[i])) {
            continue;
        }
        if (take_angles(&angles, theta_now[i], theta_next[i], previous)) {
            weights = methods[state->sampler].weigh(&angles);
        }
        combine(x + at, d + at, use_previous ? state->previous_d + at : NULL,
                use_noise ? noise + at : NULL, &weights);
    }
    if (keeps_d) {
        memcpy(state->previous_d, d, state->n_pixels * CHANNELS * sizeof(float));
        memcpy(state->previous_theta, theta_now, state->n_pixels * sizeof(float));
        state->has_previous = true;
    }
}

void
sde_sampler_renoise(SdeSamplerState *state, float *x, const float *theta_now,
                    const float *theta_next, const float *noise)
{
    Angles angles = {.now = -1.0};
    float keep = 1.0f, fresh = 0.0f;

    for (size_t i = 0; i < state->n_pixels; i++) {
        if (!(theta_next[i] > theta_now[i])) {
            continue;
        }
        if (take_angles(&angles, theta_now[i], theta_next[i], -1.0f)) {
            double ratio = cos(angles.next) / cos(angles.now);

            keep = (float) ratio;
            fresh = (float) sqrt(fmax(1.0 - ratio * ratio, 0.0));
        }
        for (size_t c = 0; c < CHANNELS; c++) {
            x[i * CHANNELS + c] =
                keep * x[i * CHANNELS + c] + fresh * noise[i * CHANNELS + c];
        }
    }
    state->has_previous = false;
}
