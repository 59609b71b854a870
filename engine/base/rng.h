/* Gaussian noise as a function of (seed, stream, x, y, channel): Philox4x32-10 (Salmon
 * et al. 2011) and Box-Muller. The same pixel gets the same noise whatever tile, order
 * or thread asks for it. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Standard normal noise for the rectangle (x0, y0, width, height) of the endless field
 * (seed, stream); x0, y0 may be negative. out: height rows `stride` floats apart, each
 * width × channels; 1 <= channels <= 4. */
void sde_rng_fill_normal(uint64_t seed, uint32_t stream, int x0, int y0, int width,
                         int height, int channels, float *out, size_t stride);

/* The generator underneath, as published: ten rounds, key = seed (low word first). */
void sde_rng_philox(const uint32_t counter[4], uint64_t seed, uint32_t out[4]);
