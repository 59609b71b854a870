/* A view of n × h × w × c floats, channels last, densely packed. Owns nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    float *data; /* NULL in a dry run */
    int n, h, w, c;
    /* A convolution that writes this map, of one sample, also writes behind the floats
     * 2 × c doubles: each channel's sum, then each channel's sum of squares. */
    bool summed;
} SdeTensor;

static inline size_t
sde_tensor_pixels(const SdeTensor *t)
{
    return (size_t) t->n * (size_t) t->h * (size_t) t->w;
}

static inline size_t
sde_tensor_count(const SdeTensor *t)
{
    return sde_tensor_pixels(t) * (size_t) t->c;
}

/* Where the sums begin, in floats after data: aligned for doubles. */
static inline size_t
sde_tensor_find_sums(const SdeTensor *t)
{
    return (sde_tensor_count(t) + 1) / 2 * 2;
}

static inline double *
sde_tensor_peek_sums(const SdeTensor *t)
{
    return (double *) (void *) (t->data + sde_tensor_find_sums(t));
}

/* Floats that the map and its sums take. */
static inline size_t
sde_tensor_size(const SdeTensor *t)
{
    const size_t sums = 2 * (size_t) t->c * (sizeof(double) / sizeof(float));

    return t->summed ? sde_tensor_find_sums(t) + sums : sde_tensor_count(t);
}
