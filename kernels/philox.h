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

/* PHILOX_WORDS words for lines of `width` elements, beginning with line `row` of panel `panel`: element k of line r takes
 * word k % 4 of block (r, panel * width / 4 + k / 4). Sixteen blocks side by side, so that the loops become vector code. */
static inline void philox_lines(uint64_t seed, uint64_t stream, uint64_t row, uint64_t panel, int width,
                                uint32_t *restrict out) {
    enum { BLOCKS = PHILOX_WORDS / 4 };
    uint32_t c0[BLOCKS], c1[BLOCKS], c2[BLOCKS], c3[BLOCKS];
    const int quarters = width / 4;
    for (int b = 0; b < BLOCKS; b++) {
        c0[b] = (uint32_t)(panel * quarters + b % quarters);
        c1[b] = (uint32_t)(row + b / quarters);
        c2[b] = (uint32_t)stream;
        c3[b] = (uint32_t)(stream >> 32);
    }
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
        for (int b = 0; b < BLOCKS; b++) {
            const uint64_t p0 = (uint64_t)c0[b] * 0xD2511F53u, p1 = (uint64_t)c2[b] * 0xCD9E8D57u;
            c0[b] = (uint32_t)(p1 >> 32) ^ c1[b] ^ k0;
            c2[b] = (uint32_t)(p0 >> 32) ^ c3[b] ^ k1;
            c1[b] = (uint32_t)p1;
            c3[b] = (uint32_t)p0;
        }
    for (int b = 0; b < BLOCKS; b++) out[4 * b] = c0[b], out[4 * b + 1] = c1[b], out[4 * b + 2] = c2[b], out[4 * b + 3] = c3[b];
}

#endif
