/* What this machine can do at its best: the yardstick of the benchmarks. */
#ifndef FASTNN_MEASURE_H
#define FASTNN_MEASURE_H

#include <time.h>

#include "real.h"

/* The most floating-point operations per second that this core can do: independent FMAs on registers alone. */
static double fma_rate(double seconds) {
    enum { CHAINS = 12, TURNS = 10000 };
    struct timespec start, stop;
    double elapsed = 0, operations = 0;
    static volatile real half = (real)0.5; /* what the compiler cannot foresee, it cannot leave out */
    vec c[CHAINS], a = splat(half), b = splat(2 * half);
    UNROLL for (int i = 0; i < CHAINS; i++) c[i] = splat((real)i * half);
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (elapsed < seconds) {
        for (int turn = 0; turn < TURNS; turn++) {
            __asm__ volatile(""); /* keeps the loop, costs nothing */
            UNROLL for (int i = 0; i < CHAINS; i++) c[i] = c[i] * a + b;
        }
        operations += 2.0 * TURNS * CHAINS * LANES;
        clock_gettime(CLOCK_MONOTONIC, &stop);
        elapsed = (double)(stop.tv_sec - start.tv_sec) + 1e-9 * (double)(stop.tv_nsec - start.tv_nsec);
    }
    UNROLL for (int i = 1; i < CHAINS; i++) c[0] += c[i];
    volatile real sink = c[0][0];
    (void)sink;
    return operations / elapsed;
}

/* Seconds in which this core reads so many reals once, the best of many times: from the cache that they fit. */
static double read_seconds(const real *x, ptrdiff_t n, int times) {
    struct timespec start, stop;
    double best = 1e9;
    for (int turn = 0; turn < times; turn++) {
        vec c[8];
        UNROLL for (int i = 0; i < 8; i++) c[i] = splat(0);
        clock_gettime(CLOCK_MONOTONIC, &start);
        for (ptrdiff_t k = 0; k + 8 * LANES <= n; k += 8 * LANES)
            UNROLL for (int i = 0; i < 8; i++) c[i] += load(x + k + i * LANES);
        clock_gettime(CLOCK_MONOTONIC, &stop);
        UNROLL for (int i = 1; i < 8; i++) c[0] += c[i];
        volatile real sink = c[0][0];
        (void)sink;
        const double elapsed = (double)(stop.tv_sec - start.tv_sec) + 1e-9 * (double)(stop.tv_nsec - start.tv_nsec);
        best = elapsed < best ? elapsed : best;
    }
    return best;
}

#endif
