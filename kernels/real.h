/* The number type and the panel: one source for float32 and float64 and for every instruction-set level.
 *
 * A panel row is one cache line of WIDTH reals. A vector register holds LANES of them, a line LINE vectors.
 * Compile with -DFASTNN_DOUBLE for float64. */
#ifndef FASTNN_REAL_H
#define FASTNN_REAL_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__) ? __clang_major__ < 14 : !defined(__GNUC__) || __GNUC__ < 11
#error "fastnn needs GCC 11 or newer, or Clang 14 or newer"
#endif

#define INLINE static inline __attribute__((always_inline))

/* Loops over accumulators and lanes must vanish: an array that is indexed at run time lives in memory, not in registers. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

#ifdef FASTNN_DOUBLE
typedef double real;
typedef int64_t real_bits;
typedef uint64_t real_word;
#define REAL_BYTES 8
#else
typedef float real;
typedef int32_t real_bits;
typedef uint32_t real_word;
#define REAL_BYTES 4
#endif

/* Arguments of the elementwise kernels: what is read and what is written never overlap. */
typedef const real *restrict reals_in;
typedef real *restrict reals_out;

#define LINE_BYTES 64
#define WIDTH (LINE_BYTES / REAL_BYTES)

/* TILE: rows of the register tile. TILE * LINE accumulators must fit the registers and hide the latency of an FMA. */
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#define TILE 16
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#define TILE 6
#elif defined(__aarch64__)
#define VECTOR_BYTES 16
#define TILE 6
#else
#define VECTOR_BYTES 16
#define TILE 2
#endif
#define LANES (VECTOR_BYTES / REAL_BYTES)
#define LINE (LINE_BYTES / VECTOR_BYTES)

typedef real vec __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BYTES), may_alias));
typedef real_bits vec_index __attribute__((vector_size(VECTOR_BYTES), aligned(REAL_BYTES), may_alias));

/* The floating-point mode of this thread. Training sets NO_SUBNORMALS: moments of weights without a gradient decay into
 * subnormal numbers, where some CPUs take a hundred cycles for an operation. Python runs in its own mode always. */
#if defined(__SSE2__)
#define NO_SUBNORMALS 0x8040u
INLINE unsigned floating_mode(void) { return __builtin_ia32_stmxcsr(); }
INLINE void set_floating_mode(unsigned mode) { __builtin_ia32_ldmxcsr(mode); }
#elif defined(__aarch64__)
#define NO_SUBNORMALS 0u
INLINE unsigned floating_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return (unsigned)mode;
}
INLINE void set_floating_mode(unsigned mode) { __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode) : "memory"); }
#else
#define NO_SUBNORMALS 0u
INLINE unsigned floating_mode(void) { return 0; }
INLINE void set_floating_mode(unsigned mode) { (void)mode; }
#endif

/* Says that x is still needed here. GCC would else put the last sum of a loop into x's register, and move it back each turn. */
#if defined(__clang__) || !(defined(__x86_64__) || defined(__aarch64__))
#define KEEP(x) (void)(x)
#elif defined(__x86_64__)
#define KEEP(x) __asm__("" : : "v"(x))
#else
#define KEEP(x) __asm__("" : : "w"(x))
#endif

INLINE vec load(const real *p) { return *(const vec *)p; }
INLINE void store(real *p, vec x) { *(vec *)p = x; }
INLINE void prefetch(const void *p) { __builtin_prefetch(p); }
INLINE vec splat(real x) { return x - (vec){0}; }

#endif
