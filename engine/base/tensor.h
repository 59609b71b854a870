/* A view of n × h × w × c floats, channels last, densely packed. Owns nothing. */
#pragma once

#include <stddef.h>

typedef struct {
    float *data; /* NULL in a dry run */
    int n, h, w, c;
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
