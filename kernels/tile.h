/* The register tile: every product of the library is forward_panel, forward_row, forward_dot or gradient_panel.
 *
 * All operands are panel matrices (see README.md). Each output element is summed by one accumulator, in the order of the
 * summation index, whatever the shape of the tile: so results do not depend on how rows or threads are divided. Only
 * forward_dot has one accumulator for each lane of a line. */
#ifndef FASTNN_TILE_H
#define FASTNN_TILE_H

#include "real.h"

#if defined(__clang__) /* Clang 14 would fill and store the accumulators by memcpy, and so keep them in memory */
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memset"))), apply_to = function)
#endif

#define MOST 16 /* accumulator lines of the largest tile: R, P and N are constants, so what is unused costs nothing */

/* Inputs of a block: what a product needs of W stays in the second-level cache for all rows. A longer sum goes on from Z. */
#define DEPTH 2048

/* A panel of which at most half the columns hold anything needs half of each line only, and room for twice the rows. */
#define HALF (LINE / 2)
#define HALF_TILE (2 * TILE)

/* c[r] += sum_k A[r, k] W[k, :] for R rows and L vectors of one panel of W. A and W point at their first row; ra is the
 * distance between rows of A, sa that between panels, in reals. */
INLINE void add_products(const int R, const int L, vec (*c)[LINE], const real *A, ptrdiff_t ra, ptrdiff_t sa, const real *W,
                         ptrdiff_t depth) {
    for (; depth > 0; depth -= WIDTH, A += sa) {
        const ptrdiff_t n = depth < WIDTH ? depth : WIDTH;
        for (ptrdiff_t k = 0; k < n; k++, W += WIDTH) {
            vec b[LINE];
            UNROLL for (int l = 0; l < L; l++) b[l] = load(W + l * LANES);
            UNROLL for (int r = 0; r < R; r++) {
                const vec a = splat(A[r * ra + k]);
                UNROLL for (int l = 0; l < L; l++) c[r][l] += a * b[l];
                if (L > 1) KEEP(a);
            }
            UNROLL for (int l = 0; l < L; l++) KEEP(b[l]);
        }
    }
}

/* Z[r, :] = start[r] + sum_k A[r, k] W[k, :]; zeros in the rest of Z's lines. ss is the distance between rows of `start`. */
INLINE void forward_tile(const int R, const int L, const real *A, ptrdiff_t sa, const real *W, ptrdiff_t depth,
                         const real *start, ptrdiff_t ss, real *Z) {
    vec c[MOST][LINE];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < L; l++) c[r][l] = load(start + r * ss + l * LANES);
    add_products(R, L, c, A, WIDTH, sa, W, depth);
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < LINE; l++) store(Z + r * WIDTH + l * LANES, l < L ? c[r][l] : splat(0));
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

/* G[i, :] = sum_r A[r, i] D[r, :] for N inputs i of one panel of A and L vectors of D; zeros in the rest of G's lines. */
INLINE void gradient_tile(const int N, const int L, const real *A, const real *D, ptrdiff_t rows, real *G) {
    vec c[MOST][LINE];
    UNROLL for (int i = 0; i < N; i++)
        UNROLL for (int l = 0; l < L; l++) c[i][l] = splat(0);
    for (; rows > 0; rows--, A += WIDTH, D += WIDTH) {
        vec b[LINE];
        UNROLL for (int l = 0; l < L; l++) b[l] = load(D + l * LANES);
        UNROLL for (int i = 0; i < N; i++) {
            const vec a = splat(A[i]);
            UNROLL for (int l = 0; l < L; l++) c[i][l] += a * b[l];
            if (L > 1) KEEP(a);
        }
        UNROLL for (int l = 0; l < L; l++) KEEP(b[l]);
    }
    UNROLL for (int i = 0; i < N; i++)
        UNROLL for (int l = 0; l < LINE; l++) store(G + i * WIDTH + l * LANES, l < L ? c[i][l] : splat(0));
}

/* F(n) for each n up to a number that is TILE or twice that. */
#define EACH_2(F) F(1) F(2)
#define EACH_4(F) EACH_2(F) F(3) F(4)
#define EACH_6(F) EACH_4(F) F(5) F(6)
#define EACH_12(F) EACH_6(F) F(7) F(8) F(9) F(10) F(11) F(12)
#define EACH_16(F) EACH_12(F) F(13) F(14) F(15) F(16)
#if TILE == 2
#define EACH_TILE EACH_2
#define EACH_HALF_TILE EACH_4
#elif TILE == 6
#define EACH_TILE EACH_6
#define EACH_HALF_TILE EACH_12
#else
#define EACH_TILE EACH_16
#endif

/* A line of which only the first number is not zero. */
INLINE void store_first(real *line, real x) {
    UNROLL for (int l = 0; l < LINE; l++) store(line + l * LANES, splat(0));
    line[0] = x;
}

/* The number in the first of `parts` even shares: 6 + 6 + 5 + 5 + 5 + 5 keep more accumulators busy than 5 x 6 + 2. */
INLINE ptrdiff_t even_share(ptrdiff_t n, ptrdiff_t parts) { return (n + parts - 1) / parts; }

/* Forward product of any number of rows with one panel of W of which `columns` hold anything.
 * ss = 0: every row begins with the line `start`, the bias; ss = WIDTH: each with its own, sums go on from Z. */
static void forward_panel(ptrdiff_t rows, ptrdiff_t columns, const real *A, ptrdiff_t sa, const real *W, ptrdiff_t depth,
                          const real *start, ptrdiff_t ss, real *Z) {
#define CASE(R) case R: forward_tile(R, L, A, sa, W, depth, start, ss, Z); break;
#define SHARES(MOST_ROWS, SIZES) \
    for (ptrdiff_t n, parts = (rows + MOST_ROWS - 1) / MOST_ROWS; parts > 0; parts--) { \
        n = even_share(rows, parts); \
        switch (n) { SIZES(CASE) } \
        rows -= n, A += n * WIDTH, start += n * ss, Z += n * WIDTH; \
    }
#if LINE > 1
    if (columns <= WIDTH / 2) {
        enum { L = HALF };
        SHARES(HALF_TILE, EACH_HALF_TILE)
        return;
    }
#endif
    enum { L = LINE };
    SHARES(TILE, EACH_TILE)
#undef SHARES
#undef CASE
}

/* Forward product of one row with many panels of W: wide in columns, to hide the latency that few rows leave bare. */
static void forward_row(const real *A, ptrdiff_t sa, const real *W, ptrdiff_t sw, ptrdiff_t panels, ptrdiff_t depth,
                        const real *start, ptrdiff_t ss, real *Z, ptrdiff_t sz) {
#define WIDE(P) forward_wide_tile(P, A, sa, W + p * sw, sw, depth, start + p * ss, ss, Z + p * sz, sz)
    ptrdiff_t p = 0;
    for (; p + 4 <= panels; p += 4) WIDE(4);
    for (; p + 2 <= panels; p += 2) WIDE(2);
    for (; p < panels; p++) WIDE(1);
#undef WIDE
}

/* Lines that the optimizer will read as soon as a gradient is there: those of the weights and of each of its slots.
 * Where they exceed the caches, fetching them during the product hides most of the wait. */
typedef struct {
    const real *weights;
    ptrdiff_t distance; /* between the weights and the first slot, and between slots */
    int count;          /* of weights and slots together; 0: nothing will be read */
} soon;

INLINE void prefetch_lines(soon *next, ptrdiff_t n) {
    for (int i = 0; i < next->count; i++)
        for (ptrdiff_t k = 0; k < n; k++) prefetch(next->weights + i * next->distance + k * WIDTH);
    next->weights += n * WIDTH;
}

/* Weight gradient of `inputs` <= WIDTH inputs of one panel of A with one panel of D of which `columns` hold anything. */
static void gradient_panel(ptrdiff_t inputs, ptrdiff_t columns, const real *A, const real *D, ptrdiff_t rows, real *G,
                           soon next) {
#define CASE(N) case N: if (N <= WIDTH) gradient_tile(N, L, A, D, rows, G); break;
#define SHARES(MOST_INPUTS, SIZES) \
    for (ptrdiff_t n, parts = (inputs + MOST_INPUTS - 1) / MOST_INPUTS; parts > 0; parts--) { \
        n = even_share(inputs, parts); \
        prefetch_lines(&next, n); \
        switch (n) { SIZES(CASE) } \
        inputs -= n, A += n, G += n * WIDTH; \
    }
#if LINE > 1
    if (columns <= WIDTH / 2) {
        enum { L = HALF };
        SHARES(HALF_TILE, EACH_HALF_TILE)
        return;
    }
#endif
    enum { L = LINE };
    SHARES(TILE, EACH_TILE)
#undef SHARES
#undef CASE
}

/* The same where D has one column: G[i, 0] = sum_r A[r, i] D[r, 0], whole lines of A at once. */
static void gradient_column(ptrdiff_t inputs, const real *A, const real *D, ptrdiff_t rows, real *G, soon next) {
    vec c[LINE];
    real line[WIDTH];
    prefetch_lines(&next, inputs);
    UNROLL for (int l = 0; l < LINE; l++) c[l] = splat(0);
    for (; rows > 0; rows--, A += WIDTH, D += WIDTH) {
        const vec d = splat(D[0]);
        UNROLL for (int l = 0; l < LINE; l++) c[l] += load(A + l * LANES) * d;
    }
    UNROLL for (int l = 0; l < LINE; l++) store(line + l * LANES, c[l]);
    for (ptrdiff_t i = 0; i < inputs; i++) store_first(G + i * WIDTH, line[i]);
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

INLINE void transpose_lanes(vec *v) {
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
}

INLINE void transpose_square(const real *from, real *to) {
    vec v[LANES];
    UNROLL for (int i = 0; i < LANES; i++) v[i] = load(from + i * WIDTH);
    transpose_lanes(v);
    UNROLL for (int i = 0; i < LANES; i++) store(to + i * WIDTH, v[i]);
}

/* Forward product where W has one column: Z[r, 0] = start[r, 0] + sum_k A[r, k] W[k, 0] for depth <= DEPTH.
 *
 * Lane k of a line sums the inputs k, k + WIDTH, ...; then the lanes are added by halves: the order depends on depth only.
 * LANES rows at a time: their sums, transposed, are added as vectors. */
static void forward_dot(ptrdiff_t rows, const real *A, ptrdiff_t sa, const real *W, ptrdiff_t depth, const real *start,
                        ptrdiff_t ss, real *Z) {
    real w[DEPTH], sums[LANES * LANES], z[LANES];
    real_bits exists[WIDTH]; /* of the last line of A: what stands in its padding must not count, not even as 0 * NaN */
    const ptrdiff_t whole = depth / WIDTH, rest = depth % WIDTH;
    for (ptrdiff_t k = 0; k < depth; k++) w[k] = W[k * WIDTH];
    for (ptrdiff_t k = depth; k < (whole + (rest > 0)) * WIDTH; k++) w[k] = 0;
    for (int k = 0; k < WIDTH; k++) exists[k] = -(k < rest);
    for (; rows > 0; rows -= LANES, A += LANES * WIDTH, Z += LANES * WIDTH, start += LANES * ss) {
        const int n = rows < LANES ? (int)rows : LANES;
        for (int r = 0; r < LANES; r++) {
            const real *a = A + (r < n ? r : 0) * WIDTH;
            vec c[LINE];
            UNROLL for (int l = 0; l < LINE; l++) c[l] = splat(0);
            for (ptrdiff_t p = 0; p < whole; p++, a += sa)
                UNROLL for (int l = 0; l < LINE; l++) c[l] += load(a + l * LANES) * load(w + p * WIDTH + l * LANES);
            if (rest > 0)
                UNROLL for (int l = 0; l < LINE; l++) {
                    const vec x = (vec)((vec_index)load(a + l * LANES) & *(const vec_index *)(exists + l * LANES));
                    c[l] += x * load(w + whole * WIDTH + l * LANES);
                }
            UNROLL for (int half = LINE / 2; half > 0; half /= 2)
                UNROLL for (int l = 0; l < half; l++) c[l] += c[l + half];
            store(sums + r * LANES, c[0]);
        }
        vec v[LANES];
        UNROLL for (int k = 0; k < LANES; k++) v[k] = load(sums + k * LANES);
        transpose_lanes(v);
        UNROLL for (int half = LANES / 2; half > 0; half /= 2)
            UNROLL for (int k = 0; k < half; k++) v[k] += v[k + half];
        store(z, v[0]);
        for (int r = 0; r < n; r++) store_first(Z + r * WIDTH, start[r * ss] + z[r]);
    }
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
    if (rows < WIDTH) {
        memcpy(full, W, (size_t)rows * WIDTH * sizeof(real));
        memset(full + rows * WIDTH, 0, (size_t)(WIDTH - rows) * WIDTH * sizeof(real));
        W = full;
    }
    for (int i = 0; i < WIDTH; i += LANES)
        for (int j = 0; j < columns; j += LANES) transpose_square(W + i * WIDTH + j, T + j * WIDTH + i);
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
