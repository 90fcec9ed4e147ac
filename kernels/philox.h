/* Philox4x32-10, a counter-based generator: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3"
 * (SC 2011). Number i of stream s under a seed is a pure function of (seed, s, i): no state, no order, no threads. */
#ifndef FASTNN_PHILOX_H
#define FASTNN_PHILOX_H

#include <stdint.h>

static inline __attribute__((always_inline)) void philox(uint64_t seed, uint64_t stream, uint64_t block,
                                                         uint32_t out[4]) {
    uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        const uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

#define PHILOX_WORDS 64

/* 32-bit words in 64-bit lanes, so that products fit; the x86 instruction for just that, where 64-bit products are slow. */
#if defined(__AVX512DQ__)
#define LANES64 8
#define MULTIPLY(a, b) ((a) * (b))
#elif defined(__AVX2__)
#define LANES64 4
#define MULTIPLY(a, b) ((u64)__builtin_ia32_pmuludq256((i32)(a), (i32)((u64){0} + (b))))
#elif defined(__SSE2__)
#define LANES64 2
#define MULTIPLY(a, b) ((u64)__builtin_ia32_pmuludq128((i32)(a), (i32)((u64){0} + (b))))
#else
#define LANES64 2
#define MULTIPLY(a, b) ((a) * (b))
#endif
typedef uint64_t u64 __attribute__((vector_size(8 * LANES64)));
typedef int32_t i32 __attribute__((vector_size(8 * LANES64)));

/* PHILOX_WORDS words for lines of `width` elements, beginning with line `row` of panel `panel`: element k of line r takes
 * word k % 4 of block (r, panel * width / 4 + k / 4). Sixteen blocks side by side, so that the loops become vector code. */
static inline void philox_lines(uint64_t seed, uint64_t stream, uint64_t row, uint64_t panel, int width,
                                uint32_t *restrict out) {
    enum { BLOCKS = PHILOX_WORDS / 4, PARTS = BLOCKS / LANES64 };
    const u64 low = (u64){0} + 0xFFFFFFFFu;
    u64 c0[PARTS], c1[PARTS], c2[PARTS], c3[PARTS];
    const int quarters = width / 4;
    for (int b = 0; b < BLOCKS; b++) {
        c0[b / LANES64][b % LANES64] = (uint32_t)(panel * quarters + b % quarters);
        c1[b / LANES64][b % LANES64] = (uint32_t)(row + b / quarters);
    }
    for (int i = 0; i < PARTS; i++) c2[i] = (u64){0} + (uint32_t)stream, c3[i] = (u64){0} + (stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int i = 0; i < PARTS; i++) {
            const u64 p0 = MULTIPLY(c0[i], 0xD2511F53u), p1 = MULTIPLY(c2[i], 0xCD9E8D57u);
            c0[i] = (p1 >> 32) ^ c1[i] ^ k0;
            c2[i] = (p0 >> 32) ^ c3[i] ^ k1;
            c1[i] = p1 & low;
            c3[i] = p0 & low;
        }
    for (int b = 0; b < BLOCKS; b++) {
        out[4 * b] = (uint32_t)c0[b / LANES64][b % LANES64];
        out[4 * b + 1] = (uint32_t)c1[b / LANES64][b % LANES64];
        out[4 * b + 2] = (uint32_t)c2[b / LANES64][b % LANES64];
        out[4 * b + 3] = (uint32_t)c3[b / LANES64][b % LANES64];
    }
}

#endif
