/* Elementary functions without branches, so that a plain loop over them becomes vector code on every level.
 *
 * Bounds, tested in tests/test_kernels.py over the whole range: exp 2 ULP, expm1 2 ULP, tanh 3 ULP, sigmoid 3 ULP,
 * log1p of [0, 1] 3 ULP. NaN stays NaN, overflow gives infinity, underflow goes through the subnormals to zero. */
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
#define EXPM1_MOST 709.0
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
#define EXPM1_MOST 88.0f
#define real_sqrt __builtin_sqrtf
#define real_fabs __builtin_fabsf
#define real_copysign __builtin_copysignf
#endif

typedef union { real value; real_bits bits; } real_view;

INLINE real power_of_two(real_bits n) {
    return ((real_view){.bits = (n + EXPONENT_BIAS) << MANTISSA}).value;
}

/* x = n ln 2 + r with |r| <= ln(2) / 2; returns e^r - 1 by its Taylor series, n through the pointer. */
INLINE real reduced_expm1(real x, real_bits *n) {
    const real_view t = {.value = x * (real)1.4426950408889634074 + ROUNDER};
    const real k = t.value - ROUNDER;
    const real r = (x - k * LN2_HIGH) - k * LN2_LOW;
    *n = t.bits - ((real_view){.value = ROUNDER}).bits;
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
    const real s = power_of_two(n);
    return s * p + (s - 1) + overflow;
}

INLINE real real_tanh(real x) {
    const real u = real_fabs(x);
    const real e = real_expm1(u > 20 ? (real)40 : 2 * u); /* tanh 20 is 1 to the last bit */
    return real_copysign(e / (e + 2), x);
}

INLINE real real_sigmoid(real x) { return 1 / (1 + real_exp(-x)); }

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
    const real_bits n = (v.bits - root) >> MANTISSA;
    v.bits -= n << MANTISSA;
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

#endif
