/* Gaussian noise as a function of place, not of call order.
 *
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) is
 * a keyed bijection of 128-bit counters: key = seed, counter = (x, y, stream, 0). Its
 * four words per pixel become four normals by Box-Muller, one for each channel.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/rng.h"

#include <glib.h>
#include <math.h>

#define PHILOX_ROUNDS 10
#define PHILOX_M0     0xD2511F53u
#define PHILOX_M1     0xCD9E8D57u
#define PHILOX_W0     0x9E3779B9u /* golden ratio */
#define PHILOX_W1     0xBB67AE85u /* sqrt(3) - 1 */

void
sde_rng_philox(const uint32_t counter[4], uint64_t seed, uint32_t out[4])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = (uint32_t) seed, k1 = (uint32_t) (seed >> 32);

    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t) PHILOX_M0 * c0;
        uint64_t p1 = (uint64_t) PHILOX_M1 * c2;

        c0 = (uint32_t) (p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t) (p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t) p1;
        c3 = (uint32_t) p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Two independent standard normals. The first word is moved into (0, 1]: log(0) never.
 */
static void
box_muller(uint32_t a, uint32_t b, float *out)
{
    double radius = sqrt(-2.0 * log((a + 1.0) * 0x1p-32));
    double angle = 2.0 * G_PI * (b * 0x1p-32);

    out[0] = (float) (radius * cos(angle));
    out[1] = (float) (radius * sin(angle));
}

void
sde_rng_fill_normal(uint64_t seed, uint32_t stream, int x0, int y0, int width,
                    int height, int channels, float *out, size_t stride)
{
    g_assert(channels >= 1 && channels <= 4);
    for (int y = 0; y < height; y++) {
        float *row = out + (size_t) y * stride;

        for (int x = 0; x < width; x++) {
            uint32_t counter[4] = {(uint32_t) x0 + (uint32_t) x,
                                   (uint32_t) y0 + (uint32_t) y, stream, 0};
            uint32_t bits[4];
            float normals[4];

            sde_rng_philox(counter, seed, bits);
            box_muller(bits[0], bits[1], normals);
            if (channels > 2) {
                box_muller(bits[2], bits[3], normals + 2);
            }
            for (int c = 0; c < channels; c++) {
                row[(size_t) x * (size_t) channels + (size_t) c] = normals[c];
            }
        }
    }
}
