/* GCC vector types at the width of the CPU level this file is built for.
 *
 * Every file in this folder is compiled once per level (SDE_VARIANT names it) with that
 * level's flags, so all functions here are static: a shared inline function could be
 * emitted once, with the widest instructions, for everybody.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "kernels/kernels.h"

/* WIDTH floats in a vector, PANEL floats in VECTORS vectors, ROWS of a micro-tile: its
 * ROWS × VECTORS sums, VECTORS weights and one broadcast value have to stay in
 * registers. */
#if defined(__AVX512F__)
#define WIDTH 16
#define PANEL 32
#define ROWS  14 /* 31 of 32 registers */
#elif defined(__AVX2__)
#define WIDTH 8
#define PANEL 16
#define ROWS  6 /* 15 of 16 */
#elif defined(__ARM_NEON)
#define WIDTH 4
#define PANEL 16
#define ROWS  5 /* 25 of 32; with 6 GCC, which loads all rows first, spills sums */
#else
#define WIDTH 4
#define PANEL 8
#define ROWS  6 /* 15 of 16 */
#endif
#define VECTORS (PANEL / WIDTH)

/* X(n) for every number of rows that a micro-tile may have. */
#define FOR_5_ROWS(X) X(1) X(2) X(3) X(4) X(5)
#define FOR_6_ROWS(X) FOR_5_ROWS(X) X(6)
#if ROWS == 14
#define FOR_EACH_N_ROWS(X) FOR_6_ROWS(X) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#elif ROWS == 6
#define FOR_EACH_N_ROWS FOR_6_ROWS
#elif ROWS == 5
#define FOR_EACH_N_ROWS FOR_5_ROWS
#endif

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)
/* The name of this level's copy of a function that another file here calls. */
#define LEVEL(name) JOIN(JOIN(JOIN(sde_, SDE_VARIANT), _), name)

typedef float Vec __attribute__((vector_size(WIDTH * 4)));
typedef int VecInt __attribute__((vector_size(WIDTH * 4)));
typedef double VecDouble __attribute__((vector_size(WIDTH * 8)));
/* In memory: aligned as a float, as a double. */
typedef float VecMem __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));
typedef double VecDoubleMem
    __attribute__((vector_size(WIDTH * 8), aligned(8), may_alias));

static inline Vec
vec_load(const float *p)
{
    return *(const VecMem *) (const void *) p;
}

static inline void
vec_store(float *p, Vec v)
{
    *(VecMem *) (void *) p = v;
}

/* Sums of values and of their squares. Differences from the first value are summed:
 * floats, which would lose everything where the mean is far from zero. */
typedef struct {
    Vec first, sum, square;
} VecSums;

static inline void
vec_sums_add(VecSums *sums, Vec v)
{
    const Vec difference = v - sums->first;

    sums->sum += difference;
    sums->square += difference * difference;
}

/* Adds the sums of n values to a vector's doubles. */
static inline void
vec_sums_finish(const VecSums *sums, int n, double *to_sums, double *to_squares)
{
    const VecDouble first = __builtin_convertvector(sums->first, VecDouble);
    const VecDouble sum = __builtin_convertvector(sums->sum, VecDouble);
    const VecDouble square = __builtin_convertvector(sums->square, VecDouble);
    VecDoubleMem *s = (VecDoubleMem *) (void *) to_sums;
    VecDoubleMem *q = (VecDoubleMem *) (void *) to_squares;

    *s += sum + first * (double) n;
    *q += square + first * (sum * 2.0 + first * (double) n);
}

/* x - 0 is x for every x, so compilers drop the subtraction; 0 + x turns -0 into 0. */
static inline Vec
vec_splat(float x)
{
    return x - (Vec) {0};
}

/* NaN in x stays NaN. Lane by lane, compilers see a minimum and a maximum; from masks
 * they make a comparison and a blend. */
static inline Vec
vec_clamp(Vec x, float low, float high)
{
    for (int i = 0; i < WIDTH; i++) {
        x[i] = x[i] < low ? low : x[i];
    }
    for (int i = 0; i < WIDTH; i++) {
        x[i] = x[i] > high ? high : x[i];
    }
    return x;
}

/* e^x for x in -87..88, as 2^n 2^r with |r| <= 1/2, where a polynomial of degree 5
 * (minimax, its coefficients by Lawson's iteration) is good to 7.5e-8. Altogether 3e-7
 * up to |x| = 5, 5e-7 up to 20; without fused multiply-adds 1e-7 |x|. NaN stays NaN. */
static inline Vec
vec_exp_inside(Vec x)
{
    const float log2_e = 1.44269504f;
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to integer */
    const Vec rounded = x * log2_e + magic;
    const Vec r = x * log2_e - (rounded - magic);
    Vec p = vec_splat(1.3276472e-3f);

    p = p * r + 9.6755419e-3f;
    p = p * r + 5.5507131e-2f;
    p = p * r + 2.4022120e-1f;
    p = p * r + 6.9314694e-1f;
    p = p * r + 1.0000001f;

    /* The low bits of `rounded` are n. */
    return p * (Vec) (((VecInt) rounded << 23) + (127 << 23));
}

static inline Vec
vec_exp(Vec x)
{
    return vec_exp_inside(vec_clamp(x, -87.0f, 88.0f));
}
