/* Philox4x32-10, a counter-based generator: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3"
 * (SC 2011). Number i of stream s under a seed is a pure function of (seed, s, i): no state, no order, no threads. */
#ifndef FASTNN_PHILOX_H
#define FASTNN_PHILOX_H

#include <stdint.h>
#include <string.h>

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
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define PAIR(a, b) ((a) << 32 | (b))
#else
#define PAIR(a, b) ((a) | (b) << 32)
#endif

/* 32-bit words in 64-bit lanes, so that products fit; the x86 instruction for just that, since 64-bit products are slow. */
#if defined(__SSE2__)
#include <immintrin.h>
#endif
#if defined(__AVX512F__)
#define LANES64 8
#define MULTIPLY(a, b) ((u64)_mm512_mul_epu32((__m512i)(a), (__m512i)((u64){0} + (b))))
#elif defined(__AVX2__)
#define LANES64 4
#define MULTIPLY(a, b) ((u64)_mm256_mul_epu32((__m256i)(a), (__m256i)((u64){0} + (b))))
#elif defined(__SSE2__)
#define LANES64 2
#define MULTIPLY(a, b) ((u64)_mm_mul_epu32((__m128i)(a), (__m128i)((u64){0} + (b))))
#else
#define LANES64 2
#define MULTIPLY(a, b) ((a) * (b))
#endif
typedef uint64_t u64 __attribute__((vector_size(8 * LANES64)));

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
    uint64_t low_pair[BLOCKS], high_pair[BLOCKS], pairs[2 * BLOCKS]; /* two words each, as they lie in memory */
    for (int i = 0; i < PARTS; i++) {
        const u64 first = PAIR(c0[i], c1[i]), second = PAIR(c2[i], c3[i]);
        memcpy(low_pair + i * LANES64, &first, sizeof first);
        memcpy(high_pair + i * LANES64, &second, sizeof second);
    }
    for (int b = 0; b < BLOCKS; b++) pairs[2 * b] = low_pair[b], pairs[2 * b + 1] = high_pair[b];
    memcpy(out, pairs, sizeof pairs);
}

#endif
