/* Elementary functions without branches, so that a plain loop over them becomes vector code on every level.
 *
 * Bounds, tested in tests/test_kernels.py over the whole range: exp 2 ULP, expm1 2 ULP, tanh 3 ULP, sigmoid 3 ULP,
 * log1p of [0, 1] 3 ULP, log 3 ULP, softplus 3 ULP; erfc to 4 ULP of 1. NaN stays NaN, overflow gives infinity,
 * underflow goes through the subnormals to zero. */
#ifndef FASTNN_VMATH_H
#define FASTNN_VMATH_H

#include "real.h"

#ifdef FASTNN_DOUBLE
#define MANTISSA 52
#define EXPONENT_BIAS 1023
#define ROUNDER 0x1.8p52 /* adding it rounds to an integer, left in the low bits */
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define EXP_LEAST -746.0
#define EXP_MOST 710.0
#define EXPM1_LEAST -708.0
#define EXPM1_MOST 709.782712893384
#define LEAST_NORMAL 0x1p-1022
#define real_sqrt __builtin_sqrt
#define real_fabs __builtin_fabs
#define real_copysign __builtin_copysign
#else
#define MANTISSA 23
#define EXPONENT_BIAS 127
#define ROUNDER 0x1.8p23f
#define LN2_HIGH 0x1.62e4p-1f
#define LN2_LOW 0x1.7f7d1cp-20f
#define EXP_LEAST -104.0f
#define EXP_MOST 89.0f
#define EXPM1_LEAST -87.0f
#define EXPM1_MOST 88.72283f
#define LEAST_NORMAL 0x1p-126f
#define real_sqrt __builtin_sqrtf
#define real_fabs __builtin_fabsf
#define real_copysign __builtin_copysignf
#endif

#define LOG_SPACING ((real)-0.69314718055994530942 * MANTISSA) /* of the spacing of the numbers behind 1 */

typedef union { real value; real_bits bits; } real_view;

/* Unsigned, as n may be anything where the argument was not finite: signed overflow is undefined. */
INLINE real power_of_two(real_bits n) {
    return ((real_view){.bits = (real_bits)(((real_word)n + EXPONENT_BIAS) << MANTISSA)}).value;
}

/* x = n ln 2 + r with |r| <= ln(2) / 2; returns e^r - 1 by its Taylor series, n through the pointer. */
INLINE real reduced_expm1(real x, real_bits *n) {
    const real_view t = {.value = x * (real)1.4426950408889634074 + ROUNDER};
    const real k = t.value - ROUNDER;
    const real r = (x - k * LN2_HIGH) - k * LN2_LOW;
    *n = (real_bits)((real_word)t.bits - (real_word)((real_view){.value = ROUNDER}).bits);
#ifdef FASTNN_DOUBLE
    real q = 1.0 / 6227020800;
    q = q * r + 1.0 / 479001600;
    q = q * r + 1.0 / 39916800;
    q = q * r + 1.0 / 3628800;
    q = q * r + 1.0 / 362880;
    q = q * r + 1.0 / 40320;
    q = q * r + 1.0 / 5040;
#else
    real q = 1.0f / 5040;
#endif
    q = q * r + (real)(1.0 / 720);
    q = q * r + (real)(1.0 / 120);
    q = q * r + (real)(1.0 / 24);
    q = q * r + (real)(1.0 / 6);
    q = q * r + (real)0.5;
    return q * r * r + r;
}

INLINE real real_exp(real x) {
    real_bits n;
    x = x < EXP_LEAST ? EXP_LEAST : x;
    x = x > EXP_MOST ? EXP_MOST : x;
    const real p = 1 + reduced_expm1(x, &n);
    const real_bits half = n >> 1; /* two factors reach the subnormals and infinity, where one power of two cannot */
    return p * power_of_two(half) * power_of_two(n - half);
}

INLINE real real_expm1(real x) {
    real_bits n;
    const real overflow = x > EXPM1_MOST ? (real)__builtin_inf() : 0;
    x = x < EXPM1_LEAST ? EXPM1_LEAST : x;
    x = x > EXPM1_MOST ? EXPM1_MOST : x;
    const real p = reduced_expm1(x, &n);
    const real half = power_of_two(n - 1); /* 2^n itself may be too large */
    return 2 * (half * p + (half - (real)0.5)) + overflow;
}

INLINE real real_tanh(real x) {
    const real u = real_fabs(x);
    const real e = real_expm1(u > 20 ? (real)40 : 2 * u); /* tanh 20 is 1 to the last bit */
    return real_copysign(e / (e + 2), x);
}

/* Both branches from e^-|x|, which does not overflow: far on the left the result goes through the subnormals. */
INLINE real real_sigmoid(real x) {
    const real e = real_exp(-real_fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/* log(1 + u) for 0 <= u <= 1, by the series of 2 atanh(u / (2 + u)). */
INLINE real real_log1p(real u) {
    const real s = u / (2 + u), t = s * s;
#ifdef FASTNN_DOUBLE
    real q = 1.0 / 35;
    q = q * t + 1.0 / 33;
    q = q * t + 1.0 / 31;
    q = q * t + 1.0 / 29;
    q = q * t + 1.0 / 27;
    q = q * t + 1.0 / 25;
    q = q * t + 1.0 / 23;
    q = q * t + 1.0 / 21;
    q = q * t + 1.0 / 19;
    q = q * t + 1.0 / 17;
#else
    real q = 1.0f / 17;
#endif
    q = q * t + (real)(1.0 / 15);
    q = q * t + (real)(1.0 / 13);
    q = q * t + (real)(1.0 / 11);
    q = q * t + (real)(1.0 / 9);
    q = q * t + (real)(1.0 / 7);
    q = q * t + (real)(1.0 / 5);
    q = q * t + (real)(1.0 / 3);
    return 2 * s + 2 * s * (q * t);
}

/* log(1 + e^x) without overflow. */
INLINE real real_softplus(real x) { return (x > 0 ? x : 0) + real_log1p(real_exp(-real_fabs(x))); }

/* Natural logarithm: x = m 2^n with sqrt(1/2) <= m < sqrt(2), log m by the series of 2 atanh((m - 1) / (m + 1)). */
INLINE real real_log(real x) {
    const real_bits shift = x < power_of_two(1 - EXPONENT_BIAS) ? MANTISSA : 0; /* subnormals */
    real_view v = {.value = x * (shift ? power_of_two(MANTISSA) : 1)};
    const real_bits root = ((real_view){.value = (real)0.70710678118654752440}).bits;
    const real_bits n = (real_bits)((real_word)v.bits - (real_word)root) >> MANTISSA; /* words: a negative x may overflow */
    v.bits = (real_bits)((real_word)v.bits - ((real_word)n << MANTISSA));
    const real s = (v.value - 1) / (v.value + 1), t = s * s, k = (real)(n - shift);
#ifdef FASTNN_DOUBLE
    real q = 1.0 / 23;
    q = q * t + 1.0 / 21;
    q = q * t + 1.0 / 19;
    q = q * t + 1.0 / 17;
    q = q * t + 1.0 / 15;
    q = q * t + 1.0 / 13;
    q = q * t + 1.0 / 11;
#else
    real q = 1.0f / 11;
#endif
    q = q * t + (real)(1.0 / 9);
    q = q * t + (real)(1.0 / 7);
    q = q * t + (real)(1.0 / 5);
    q = q * t + (real)(1.0 / 3);
    const real y = k * LN2_HIGH + (2 * s + (2 * s * (q * t) + k * LN2_LOW));
    const real special = x == 0 ? -(real)__builtin_inf() : (x > 0 ? x : (real)__builtin_nan(""));
    return x > 0 && x < (real)__builtin_inf() ? y : special;
}

/* 1 - erf(x) = t exp(-x^2 + P(t)) for x >= 0, t = 2 / (2 + x), P a Chebyshev series (the form of Press et al., Numerical
 * Recipes, 6.2; coefficients computed anew with 60 digits). Absolute error below 4 ULP of 1. */
INLINE real real_erfc(real x) {
    static const double C[28] = {
        -1.3026537197817094, 0.64196979235649021, 0.019476473204185836, -0.0095615147868086323,
        -0.00094659534448203692, 0.00036683949785276145, 4.2523324806907769e-05, -2.0278578112534242e-05,
        -1.6242900046470256e-06, 1.3036558355805232e-06, 1.5626441722066142e-08, -8.5238095914926541e-08,
        6.5290544390988515e-09, 5.0593434955514693e-09, -9.9136415649303307e-10, -2.273651222931836e-10,
        9.646791102015527e-11, 2.3940380830391146e-12, -6.8860275264975532e-12, 8.9448792730907253e-13,
        3.1309213993429581e-13, -1.1270822361367252e-13, 3.8109052551892321e-16, 7.1060976136092371e-15,
        -1.5230282014571043e-15, -9.4574945712912334e-17, 1.210237189224279e-16, -2.8166630877471771e-17};
    const real z = real_fabs(x), t = 2 / (2 + z), u = 4 * t - 2;
    real d = 0, e = 0;
    UNROLL for (int k = sizeof(real) == 8 ? 27 : 12; k > 0; k--) { /* Clenshaw's recurrence */
        const real f = u * d - e + (real)C[k];
        e = d;
        d = f;
    }
    const real y = t * real_exp(-z * z + (real)0.5 * ((real)C[0] + u * d) - e);
    return x < 0 ? 2 - y : y;
}

/* WIDTH normal numbers from WIDTH random words, by pairs: sqrt(-2 log u) cos, sin(2 pi v) (Box and Muller 1958). */
INLINE void real_normals(const uint32_t *restrict words, real *restrict out) {
    for (int k = 0; k < WIDTH / 2; k++) {
        const real u = ((real)words[k] + (real)0.5) * (real)0x1p-32, v = (real)(int32_t)words[k + WIDTH / 2];
        const real radius = real_sqrt(-2 * real_log(u < 1 ? u : 1));
        const real quarter = (v * (real)0x1p-30 + ROUNDER) - ROUNDER;        /* 2 pi v = pi / 2 (quarter + rest) */
        const real x = (v * (real)0x1p-30 - quarter) * (real)1.5707963267948966, t = x * x;
        real s = (real)(-1.0 / 1307674368000), c = (real)(1.0 / 20922789888000);
        s = s * t + (real)(1.0 / 6227020800), c = c * t - (real)(1.0 / 87178291200);
        s = s * t - (real)(1.0 / 39916800), c = c * t + (real)(1.0 / 479001600);
        s = s * t + (real)(1.0 / 362880), c = c * t - (real)(1.0 / 3628800);
        s = s * t - (real)(1.0 / 5040), c = c * t + (real)(1.0 / 40320);
        s = s * t + (real)(1.0 / 120), c = c * t - (real)(1.0 / 720);
        s = s * t - (real)(1.0 / 6), c = c * t + (real)(1.0 / 24);
        s = s * t * x + x, c = (c * t - (real)0.5) * t + 1;
        const int turn = (int)quarter & 3;
        const real a = turn & 1 ? s : c, b = turn & 1 ? c : s;
        out[k] = radius * (turn == 1 || turn == 2 ? -a : a);
        out[k + WIDTH / 2] = radius * (turn >= 2 ? -b : b);
    }
}

#endif
