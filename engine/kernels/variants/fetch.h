/* Fetching into the second-level cache, a little at each step of a product.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/kernels.h"

typedef struct {
    const char *next;
    size_t step; /* bytes; 0 fetches what is in the cache already */
} Fetch;

/* `steps` until all is fetched; `near` is something that is read anyway. */
static inline Fetch
fetch_plan(const SdeAhead *ahead, size_t steps, const void *near)
{
    if (ahead->begin == NULL || steps == 0) {
        return (Fetch) {near, 0};
    }
    return (Fetch) {ahead->begin, (ahead->size + steps - 1) / steps};
}

static inline void
fetch_step(Fetch *fetch)
{
    __builtin_prefetch(fetch->next, 0, 2);
    fetch->next += fetch->step;
}

static inline void
fetch_skip(Fetch *fetch, size_t steps)
{
    fetch->next += steps * fetch->step;
}
