/* The inner loops, built once per CPU level and chosen once per process.
 *
 * A kernel is a pure function over floats: no allocation, no errors, no threads. What
 * cuts work into blocks and calls them stands in conv, norm, attention and resample.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum {
    SDE_POINTWISE_NONE,
    SDE_POINTWISE_SILU,
    SDE_POINTWISE_GELU, /* with erf, not the tanh approximation */
    SDE_POINTWISE_RELU,
    SDE_POINTWISE_MISH
} SdePointwise;

/* Upper bounds over all levels, for buffers on the stack. */
#define SDE_MAX_WIDTH  16
#define SDE_MAX_PANEL  32
#define SDE_MAX_WINDOW 64 /* pixels of a Winograd tile's window */

#define SDE_FIT_TERMS 32 /* floats of an equation of a fit, zeros included */

/* What will be read next, where it comes from memory and not from a cache: fetched a
 * little at each step of a product. */
typedef struct {
    const void *begin; /* NULL: nothing */
    size_t size;       /* bytes */
} SdeAhead;

/* Rows of activations, given by pointers so that a convolution needs no copy of its
 * windows: the inner dimension is cut into segments (the taps of a 3×3 window, or the
 * two tensors of a concatenation), and row r of segment s begins at rows[s * n_rows +
 * r]. */
typedef struct {
    const float *const *rows;
    const int *depths; /* floats of each segment */
    int n_rows, n_segments;
    SdeAhead ahead;
} SdePanelInput;

/* The upper half of a float. */
typedef uint16_t SdeBf16;

/* To the nearest, ties to even, as CPUs round; not for NaN. */
static inline SdeBf16
sde_round_bf16(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return (SdeBf16) ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* Puts x into row k of a panel of weights, where multiply() looks for it, or with bf16
 * multiply_bf16(): there the panel takes half the floats. */
static inline void
sde_put_weight(float *weights, int panel, int k, int column, bool bf16, float x)
{
    if (bf16) {
        ((SdeBf16 *) (void *)
             weights)[((size_t) (k / 2) * panel + column) * 2 + k % 2] =
            sde_round_bf16(x);
    } else {
        weights[(size_t) k * panel + column] = x;
    }
}

/* Rows of activations rounded to bfloat16, `stride` values apart. */
typedef struct {
    const SdeBf16 *rows;
    size_t stride;
    int n_rows, depth; /* depth is even */
    SdeAhead ahead;
} SdeBf16Input;

/* What happens to sums when they are written: (sum + addend[c] + residual) * scale. */
typedef struct {
    const float *addend;   /* for the tile's first channel on, as are the next three */
    const float *residual; /* nullable; laid out as the output, may be the output */
    double *sums,
        *squares; /* nullable together: what is written is added, squared too */
    float scale;
} SdeEpilogue;

/* Where a tile's pixels go: rows × cols of them, `channels` of a panel each. */
typedef struct {
    float *out;
    size_t row_stride, stride; /* floats between rows of pixels, between pixels */
    int rows, cols, channels;
} SdeTarget;

/* Winograd's F(side×side,3×3): side × side outputs from a window that is 2 larger each
 * way, by (side + 2)² products. */
typedef struct {
    int side;

    /* A panel's weights, windows[cin][9][panel], to one row of its side + 2 rows of
     * matrices: u[cin][panel], u + step, ... */
    void (*weights)(const float *windows, int cin, int row, float *u, size_t step);
    /* The window's pixels to v[0], v[step], ...; channels % 16 == 0. */
    void (*input)(const float *const *pixels, int channels, float *v, size_t step);
    /* The products m[0], m[step], ... of a panel's channels to pixels. */
    void (*output)(const float *m, size_t step, const SdeEpilogue *epilogue,
                   const SdeTarget *target);
} SdeWinograd;

/* A place in a picture of three planes, and what makes others like it. */
typedef struct {
    const float *planes[3];
    const float *trust;      /* 0..1 of each of their pixels */
    const ptrdiff_t *around; /* n_around: where the neighbours of a pixel are */
    int n_around;
    const float *weights;   /* n_around, times the trust of the other place's */
    const float *values[3]; /* n_around: the neighbours in the planes */
    /* The distance is the weighted mean square of the differences, less so much of the
     * square of their mean: 1 takes no notice of brightness. Channels are added. */
    float mean_gain;
} SdePatch;

typedef struct {
    const char *name;
    int width; /* floats in a vector */
    int rows;  /* rows of a micro-tile: n_rows is best a multiple */
    int panel; /* columns of a weight panel */

    /* out[n_rows][panel] = input × weights[sum of depths][panel]; rows of out are
     * `stride` floats apart. */
    void (*multiply)(const SdePanelInput *input, const float *weights, float *out,
                     size_t stride);
    /* The same over bfloat16, summed in float: weights[depth / 2][panel][2], two of the
     * inner dimension side by side. NULL, as are the two below: not at this level. */
    void (*multiply_bf16)(const SdeBf16Input *input, const void *weights, float *out,
                          size_t stride);
    void (*to_bf16)(const float *x, int n, SdeBf16 *y);
    /* winograd4.input(), rounded. */
    void (*winograd4_input_bf16)(const float *const *pixels, int channels, SdeBf16 *v,
                                 size_t step);
    /* Writes tile[n_rows][panel]'s first n_cols to rows `stride` floats apart. */
    void (*write_tile)(const float *tile, int n_rows, int n_cols,
                       const SdeEpilogue *epilogue, float *out, size_t stride);

    SdeWinograd winograd4, winograd6;

    /* y = f(x * scale[c] + shift[c]); x and y are `pixels` rows of `channels`. */
    void (*scale_shift)(const float *x, size_t pixels, int channels, const float *scale,
                        const float *shift, SdePointwise f, float *y, size_t y_stride);
    /* sums[c] and squares[c] of x over the pixels, in double. */
    void (*channel_sums)(const float *x, size_t pixels, int channels, double *sums,
                         double *squares);
    /* One step of softmax over blocks of a row, whole panels: raises *max to the
     * maximum of scale * score, replaces scores by exp(scale * score - max), adds them
     * to *sum after scaling it, and returns the factor that earlier results of this row
     * must be scaled by. */
    float (*softmax_block)(float *scores, int n, float scale, float *max, float *sum);

    /* distances[i]: how far the neighbours of a place are from those of q + i, i < n; n
     * is a multiple of SDE_MAX_WIDTH. */
    void (*patch_distances)(const SdePatch *patch, size_t q, int n, float *distances);
    /* sums[i][j] += the sum over k of weights[k] rows[k][i] rows[k][j], j <= i; above
     * the diagonal sums are scratch. rows[n], sums: of SDE_FIT_TERMS. */
    void (*add_products)(const float *rows, const float *weights, int n, float *sums);
} SdeKernels;

/* The fastest table for this CPU. SDE_KERNELS=baseline|avx2|avx512|avx512_bf16|neon
 * overrides it, for tests. */
const SdeKernels *sde_kernels_get(void);
/* By name, NULL: the fastest; NULL when this CPU or this build has not got it. */
const SdeKernels *sde_kernels_find(const char *name);
