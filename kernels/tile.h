/* The register tile: every product of the library is forward_panel, forward_row or gradient_panel.
 *
 * All operands are panel matrices (see README.md). Each output element is summed by one accumulator, in the order of the
 * summation index, whatever the shape of the tile: so results do not depend on how rows or threads are divided. */
#ifndef FASTNN_TILE_H
#define FASTNN_TILE_H

#include "real.h"

#if defined(__clang__) /* Clang 14 would fill and store the accumulators by memcpy, and so keep them in memory */
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memset"))), apply_to = function)
#endif

#define MOST 16 /* accumulator lines of the largest tile: R, P and N are constants, so what is unused costs nothing */

/* Z[r, :] = start + sum_k A[r, k] W[k, :] for R rows and one panel of W.
 * A, W, Z point at their first row; sa is the distance between panels in reals. */
INLINE void forward_tile(const int R, const real *A, ptrdiff_t sa, const real *W, ptrdiff_t depth, const real *start,
                         real *Z) {
    vec c[MOST][LINE];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < LINE; l++) c[r][l] = load(start + l * LANES);
    for (; depth > 0; depth -= WIDTH, A += sa) {
        const ptrdiff_t n = depth < WIDTH ? depth : WIDTH;
        for (ptrdiff_t k = 0; k < n; k++, W += WIDTH) {
            vec b[LINE];
            UNROLL for (int l = 0; l < LINE; l++) b[l] = load(W + l * LANES);
            UNROLL for (int r = 0; r < R; r++) {
                const vec a = splat(A[r * WIDTH + k]);
                UNROLL for (int l = 0; l < LINE; l++) c[r][l] += a * b[l];
            }
        }
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < LINE; l++) store(Z + r * WIDTH + l * LANES, c[r][l]);
}

/* Z[p, :] = start[p] + sum_k A[k] W[p, k, :] for one row and P panels: sw, ss, sz are their distances. */
INLINE void forward_wide_tile(const int P, const real *A, ptrdiff_t sa, const real *W, ptrdiff_t sw, ptrdiff_t depth,
                              const real *start, ptrdiff_t ss, real *Z, ptrdiff_t sz) {
    vec c[MOST][LINE];
    UNROLL for (int p = 0; p < P; p++)
        UNROLL for (int l = 0; l < LINE; l++) c[p][l] = load(start + p * ss + l * LANES);
    for (; depth > 0; depth -= WIDTH, A += sa) {
        const ptrdiff_t n = depth < WIDTH ? depth : WIDTH;
        for (ptrdiff_t k = 0; k < n; k++, W += WIDTH) {
            const vec a = splat(A[k]);
            UNROLL for (int p = 0; p < P; p++)
                UNROLL for (int l = 0; l < LINE; l++) c[p][l] += a * load(W + p * sw + l * LANES);
        }
    }
    UNROLL for (int p = 0; p < P; p++)
        UNROLL for (int l = 0; l < LINE; l++) store(Z + p * sz + l * LANES, c[p][l]);
}

/* Lines that the optimizer will read as soon as a gradient is there: N lines of the weights and of each of its slots.
 * Where they exceed the caches, fetching them during the product hides most of the wait. */
typedef struct {
    const real *weights;
    ptrdiff_t distance; /* between the weights and the first slot, and between slots */
    int count;          /* of weights and slots together; 0: nothing will be read */
} soon;

/* G[i, :] = sum_r A[r, i] D[r, :] for N inputs i of one panel of A. */
INLINE void gradient_tile(const int N, const real *A, const real *D, ptrdiff_t rows, real *G, soon next) {
    vec c[MOST][LINE];
    UNROLL for (int i = 0; i < N; i++)
        UNROLL for (int l = 0; l < LINE; l++) c[i][l] = splat(0);
    for (ptrdiff_t r = 0; r < rows; r++, A += WIDTH, D += WIDTH) {
        if (r < N)
            for (int i = 0; i < next.count; i++) prefetch(next.weights + i * next.distance + r * WIDTH);
        vec b[LINE];
        UNROLL for (int l = 0; l < LINE; l++) b[l] = load(D + l * LANES);
        UNROLL for (int i = 0; i < N; i++) {
            const vec a = splat(A[i]);
            UNROLL for (int l = 0; l < LINE; l++) c[i][l] += a * b[l];
        }
    }
    UNROLL for (int i = 0; i < N; i++)
        UNROLL for (int l = 0; l < LINE; l++) store(G + i * WIDTH + l * LANES, c[i][l]);
}

#define FORWARD(R) case R: forward_tile(R, A, sa, W, depth, start, Z); break;
#define WIDE(P) forward_wide_tile(P, A, sa, W + p * sw, sw, depth, start + p * ss, ss, Z + p * sz, sz)
#define GRADIENT(N) case N: gradient_tile(N, A, D, rows, G, next); break;

/* Forward product of any number of rows with one panel of W. */
static void forward_panel(ptrdiff_t rows, const real *A, ptrdiff_t sa, const real *W, ptrdiff_t depth,
                          const real *start, real *Z) {
    for (; rows > 0; rows -= TILE, A += TILE * WIDTH, Z += TILE * WIDTH) {
        switch (rows < TILE ? rows : TILE) {
            FORWARD(1) FORWARD(2)
#if TILE > 2
            FORWARD(3) FORWARD(4) FORWARD(5) FORWARD(6)
#endif
#if TILE > 6
            FORWARD(7) FORWARD(8) FORWARD(9) FORWARD(10) FORWARD(11)
            FORWARD(12) FORWARD(13) FORWARD(14) FORWARD(15) FORWARD(16)
#endif
        }
    }
}

/* Forward product of one row with many panels of W: wide in columns, to hide the latency that few rows leave bare. */
static void forward_row(const real *A, ptrdiff_t sa, const real *W, ptrdiff_t sw, ptrdiff_t panels, ptrdiff_t depth,
                        const real *start, ptrdiff_t ss, real *Z, ptrdiff_t sz) {
    ptrdiff_t p = 0;
    for (; p + 4 <= panels; p += 4) WIDE(4);
    for (; p + 2 <= panels; p += 2) WIDE(2);
    for (; p < panels; p++) WIDE(1);
}

/* Weight gradient of `inputs` <= WIDTH inputs of one panel of A with one panel of D. */
static void gradient_panel(ptrdiff_t inputs, const real *A, const real *D, ptrdiff_t rows, real *G, soon next) {
#if TILE >= 16
#define GRADIENT_TILE WIDTH /* a whole line of A at once */
#else
#define GRADIENT_TILE TILE
#endif
    /* Even shares (16 = 6 + 5 + 5) keep more accumulators busy than full tiles and a rest (6 + 6 + 4). */
    for (ptrdiff_t parts = (inputs + GRADIENT_TILE - 1) / GRADIENT_TILE; parts > 0; parts--) {
        const ptrdiff_t n = (inputs + parts - 1) / parts;
        switch (n) {
            GRADIENT(1) GRADIENT(2)
#if TILE > 2
            GRADIENT(3) GRADIENT(4) GRADIENT(5) GRADIENT(6)
#endif
#if TILE > 6
            GRADIENT(7) GRADIENT(8)
#if WIDTH > 8
            GRADIENT(9) GRADIENT(10) GRADIENT(11) GRADIENT(12) GRADIENT(13) GRADIENT(14) GRADIENT(15) GRADIENT(16)
#endif
#endif
        }
        inputs -= n, A += n, G += n * WIDTH, next.weights += n * WIDTH;
    }
}

/* Square transpose of LANES x LANES reals, by exchanging ever larger off-diagonal blocks (Eklundh 1972). */
#define LOW(i, s) (((i) & (s)) ? LANES + (i) - (s) : (i))
#define HIGH(i, s) (((i) & (s)) ? LANES + (i) : (i) + (s))
#if LANES == 2
#define EACH(F, s) F(0, s), F(1, s)
#elif LANES == 4
#define EACH(F, s) F(0, s), F(1, s), F(2, s), F(3, s)
#elif LANES == 8
#define EACH(F, s) F(0, s), F(1, s), F(2, s), F(3, s), F(4, s), F(5, s), F(6, s), F(7, s)
#else
#define EACH(F, s) F(0, s), F(1, s), F(2, s), F(3, s), F(4, s), F(5, s), F(6, s), F(7, s), F(8, s), F(9, s), F(10, s), \
    F(11, s), F(12, s), F(13, s), F(14, s), F(15, s)
#endif
#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else /* which GCC 11 does not know */
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vec_index){__VA_ARGS__})
#endif
#define EXCHANGE(s) UNROLL for (int i = 0; i < LANES; i++) if (!(i & s)) { \
        const vec low = SHUFFLE(v[i], v[i + s], EACH(LOW, s)); \
        v[i + s] = SHUFFLE(v[i], v[i + s], EACH(HIGH, s)); \
        v[i] = low; \
    }

INLINE void transpose_square(const real *from, real *to) {
    vec v[LANES];
    UNROLL for (int i = 0; i < LANES; i++) v[i] = load(from + i * WIDTH);
    EXCHANGE(1)
#if LANES > 2
    EXCHANGE(2)
#endif
#if LANES > 4
    EXCHANGE(4)
#endif
#if LANES > 8
    EXCHANGE(8)
#endif
    UNROLL for (int i = 0; i < LANES; i++) store(to + i * WIDTH, v[i]);
}

/* T[j, i] = W[i, j] for a square of WIDTH x WIDTH of which only some rows and columns hold anything; zeros elsewhere. */
static void transpose_corner(const real *W, int rows, int columns, real *T) {
    real full[WIDTH * WIDTH];
    if (rows * columns <= 4 * WIDTH) { /* so few that moving them one by one is faster */
        memset(T, 0, (size_t)columns * WIDTH * sizeof(real));
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++) T[j * WIDTH + i] = W[i * WIDTH + j];
        return;
    }
    memcpy(full, W, (size_t)rows * WIDTH * sizeof(real));
    memset(full + rows * WIDTH, 0, (size_t)(WIDTH - rows) * WIDTH * sizeof(real));
    for (int i = 0; i < WIDTH; i += LANES)
        for (int j = 0; j < columns; j += LANES) transpose_square(full + i * WIDTH + j, T + j * WIDTH + i);
}

/* T[j, i] = W[i, j] for inputs [first, first + WIDTH) and all `outputs`: the operand of the input gradient.
 * Inputs beyond `inputs` become zeros. T has room for `outputs` rounded up to WIDTH rows. */
static void transpose_panel(const real *W, ptrdiff_t sw, ptrdiff_t first, ptrdiff_t inputs, ptrdiff_t outputs, real *T) {
    const ptrdiff_t rows = inputs - first;
    for (W += first * WIDTH; outputs > 0; outputs -= WIDTH, W += sw, T += WIDTH * WIDTH) {
        if (rows < WIDTH || outputs < WIDTH) {
            transpose_corner(W, rows < WIDTH ? (int)rows : WIDTH, outputs < WIDTH ? (int)outputs : WIDTH, T);
            continue;
        }
        /* The panels lie far apart: without this hint each block would wait for the memory. */
        UNROLL for (int i = 0; i < WIDTH; i++) __builtin_prefetch(W + 3 * sw + i * WIDTH);
        for (int i = 0; i < WIDTH; i += LANES)
            for (int j = 0; j < WIDTH; j += LANES) transpose_square(W + i * WIDTH + j, T + j * WIDTH + i);
    }
}

/* The other way: D[r, j] = T[j, r] for one block of WIDTH samples r; columns beyond `outputs` become zeros. */
static void transpose_back(const real *T, ptrdiff_t outputs, real *D, ptrdiff_t sd) {
    for (; outputs > 0; outputs -= WIDTH, T += WIDTH * WIDTH, D += sd) transpose_panel(T, 0, 0, outputs, WIDTH, D);
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
