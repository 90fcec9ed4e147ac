/* Convolution as the register tile walked over taps: for each tap, pixels shifted by a constant; no patch matrix.
 *
 * A map is a panel matrix: rows are pixels, columns are channels. Each sum is one accumulator, tap after tap and channel
 * after channel, whatever the tile. */
#ifndef FASTNN_TAPS_H
#define FASTNN_TAPS_H

#include "tile.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memset"))), apply_to = function)
#endif

/* Which pixels and weights belong to a row of targets: of each tap, the distance from a target's first source number to its
 * own, and its first line of weights. */
typedef struct {
    ptrdiff_t count;
    const ptrdiff_t *at, *line;
    ptrdiff_t depth; /* channels of a tap, WIDTH of them in each plane */
} taps;

/* Z[r, :] = start + sum over taps t, channels k of A[at[t] + r, k] W[line[t] + k, :] for R targets of a row.
 * ra: reals between the sources of two targets; sa: between planes; rz: between two targets. */
INLINE void tap_tile(const int R, const int L, const real *A, ptrdiff_t ra, ptrdiff_t sa, const taps *of, const real *W,
                     const real *start, real *Z, ptrdiff_t rz) {
    vec c[MOST][LINE];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < L; l++) c[r][l] = load(start + l * LANES);
    for (ptrdiff_t t = 0; t < of->count; t++) add_products(R, L, c, A + of->at[t], ra, sa, W + of->line[t] * WIDTH, of->depth);
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < LINE; l++) store(Z + r * rz + l * LANES, l < L ? c[r][l] : splat(0));
}

/* A row of n targets, for one panel of W of which `columns` hold anything. */
static void tap_row(ptrdiff_t n, ptrdiff_t columns, const real *A, ptrdiff_t ra, ptrdiff_t sa, const taps *of, const real *W,
                    const real *start, real *Z, ptrdiff_t rz) {
#define CASE(R) case R: tap_tile(R, L, A, RA, sa, of, W, start, Z, rz); break;
#define SHARES(MOST_ROWS, SIZES) \
    for (ptrdiff_t m, parts = (n + MOST_ROWS - 1) / MOST_ROWS; parts > 0; parts--) { \
        m = even_share(n, parts); \
        switch (m) { SIZES(CASE) } \
        n -= m, A += m * RA, Z += m * rz; \
    }
#if LINE > 1
    if (columns <= WIDTH / 2) {
        enum { L = HALF };
#define RA ra
        SHARES(HALF_TILE, EACH_HALF_TILE)
#undef RA
        return;
    }
#endif
    enum { L = LINE };
    if (ra == WIDTH) {
#define RA WIDTH
        SHARES(TILE, EACH_TILE)
#undef RA
    } else {
#define RA ra
        SHARES(TILE, EACH_TILE)
#undef RA
    }
#undef SHARES
#undef CASE
}

/* The same where pixels lie side by side, so that a tap has few numbers or an odd number of them: each line of weights has a
 * tap of its own, and the lines follow one another. */
INLINE void packed_tile(const int R, const int L, const real *A, ptrdiff_t ra, const taps *of, const real *W,
                        const real *start, real *Z, ptrdiff_t rz) {
    vec c[MOST][LINE];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < L; l++) c[r][l] = load(start + l * LANES);
    for (ptrdiff_t t = 0; t < of->count; t++, W += WIDTH) {
        const real *a = A + of->at[t];
        vec b[LINE];
        UNROLL for (int l = 0; l < L; l++) b[l] = load(W + l * LANES);
        UNROLL for (int r = 0; r < R; r++) {
            const vec s = splat(a[r * ra]);
            UNROLL for (int l = 0; l < L; l++) c[r][l] += s * b[l];
            if (L > 1) KEEP(s);
        }
        UNROLL for (int l = 0; l < L; l++) KEEP(b[l]);
    }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < LINE; l++) store(Z + r * rz + l * LANES, l < L ? c[r][l] : splat(0));
}

static void packed_row(ptrdiff_t n, ptrdiff_t columns, const real *A, ptrdiff_t ra, const taps *of, const real *W,
                       const real *start, real *Z, ptrdiff_t rz) {
#define CASE(R) case R: packed_tile(R, L, A, ra, of, W, start, Z, rz); break;
#define SHARES(MOST_ROWS, SIZES) \
    for (ptrdiff_t m, parts = (n + MOST_ROWS - 1) / MOST_ROWS; parts > 0; parts--) { \
        m = even_share(n, parts); \
        switch (m) { SIZES(CASE) } \
        n -= m, A += m * ra, Z += m * rz; \
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

/* The pixels over which a weight gradient sums: images x height x width of them, and the reals between two of each in A
 * (the operand with taps) and in D. */
typedef struct {
    ptrdiff_t images, height, width;
    ptrdiff_t image_a, row_a, pixel_a;
    ptrdiff_t image_d, row_d, pixel_d;
} pixels;

/* G[i, :] += sum over pixels of A[at[i]] D[:] for N lines of weights; side_by_side: at[i] = at[0] + i. */
INLINE void tap_gradient_tile(const int N, const int L, const int side_by_side, const real *A, const ptrdiff_t *at,
                              ptrdiff_t pixel_a, const real *D, ptrdiff_t pixel_d, const pixels *of, real *G) {
    vec c[MOST][LINE];
    ptrdiff_t from[MOST];
    UNROLL for (int i = 0; i < N; i++) from[i] = side_by_side ? i : at[i] - at[0];
    A += at[0];
    UNROLL for (int i = 0; i < N; i++)
        UNROLL for (int l = 0; l < L; l++) c[i][l] = splat(0);
    for (ptrdiff_t n = 0; n < of->images; n++)
        for (ptrdiff_t y = 0; y < of->height; y++) {
            const real *a = A + n * of->image_a + y * of->row_a, *d = D + n * of->image_d + y * of->row_d;
            for (ptrdiff_t x = 0; x < of->width; x++, a += pixel_a, d += pixel_d) {
                vec b[LINE];
                UNROLL for (int l = 0; l < L; l++) b[l] = load(d + l * LANES);
                UNROLL for (int i = 0; i < N; i++) {
                    const vec s = splat(a[from[i]]);
                    UNROLL for (int l = 0; l < L; l++) c[i][l] += s * b[l];
                    if (L > 1) KEEP(s);
                }
                UNROLL for (int l = 0; l < L; l++) KEEP(b[l]);
            }
        }
    UNROLL for (int i = 0; i < N; i++)
        UNROLL for (int l = 0; l < L; l++) store(G + i * WIDTH + l * LANES, load(G + i * WIDTH + l * LANES) + c[i][l]);
}

/* The same for n <= WIDTH lines, D a panel of which `columns` hold anything. */
static void tap_gradient(ptrdiff_t n, ptrdiff_t columns, const real *A, const ptrdiff_t *at, const real *D, const pixels *of,
                         real *G) {
#define CASE(N) case N: if (N <= WIDTH) tap_gradient_tile(N, L, NEIGHBOURS, A, at, PIXEL_A, D, PIXEL_D, of, G); break;
#define SHARES(MOST_LINES, SIZES) \
    for (ptrdiff_t m, parts = (n + MOST_LINES - 1) / MOST_LINES; parts > 0; parts--) { \
        m = even_share(n, parts); \
        SIZES(CASE) \
        n -= m, at += m, G += m * WIDTH; \
    }
#define EITHER(SIZES) \
    if (at[m - 1] - at[0] == m - 1 && of->pixel_a == WIDTH && of->pixel_d == WIDTH) { \
        enum { NEIGHBOURS = 1, PIXEL_A = WIDTH, PIXEL_D = WIDTH }; \
        switch (m) { SIZES } \
    } else { \
        enum { NEIGHBOURS = 0 }; \
        const ptrdiff_t PIXEL_A = of->pixel_a, PIXEL_D = of->pixel_d; \
        switch (m) { SIZES } \
    }
#define LINES_EITHER(F) EITHER(EACH_TILE(F))
#define HALF_LINES_EITHER(F) EITHER(EACH_HALF_TILE(F))
#if LINE > 1
    if (columns <= WIDTH / 2) {
        enum { L = HALF };
        SHARES(HALF_TILE, HALF_LINES_EITHER)
        return;
    }
#endif
    enum { L = LINE };
    SHARES(TILE, LINES_EITHER)
#undef HALF_LINES_EITHER
#undef LINES_EITHER
#undef EITHER
#undef SHARES
#undef CASE
}

/* Where each output channel sees few inputs of its own (depthwise, groups): the lanes of a line go their own ways.
 *
 * Z[r, :] = start + sum over taps t, planes k of A[k][at[t] + r, :] W[line[t] + k, :], lane by lane. */
#define LANE_TILE (TILE < 4 ? TILE : 4)

INLINE void lane_tile(const int R, const real *A, ptrdiff_t ra, ptrdiff_t sa, const taps *of, const real *W, const real *start,
                      real *Z, ptrdiff_t rz) {
    vec c[MOST][LINE];
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < LINE; l++) c[r][l] = load(start + l * LANES);
    for (ptrdiff_t t = 0; t < of->count; t++)
        for (ptrdiff_t k = 0; k < of->depth; k++) {
            const real *a = A + of->at[t] + k * sa, *w = W + (of->line[t] + k) * WIDTH;
            UNROLL for (int l = 0; l < LINE; l++) {
                const vec b = load(w + l * LANES);
                UNROLL for (int r = 0; r < R; r++) c[r][l] += load(a + r * ra + l * LANES) * b;
            }
        }
    UNROLL for (int r = 0; r < R; r++)
        UNROLL for (int l = 0; l < LINE; l++) store(Z + r * rz + l * LANES, c[r][l]);
}

static void lane_row(ptrdiff_t n, const real *A, ptrdiff_t ra, ptrdiff_t sa, const taps *of, const real *W, const real *start,
                     real *Z, ptrdiff_t rz) {
    for (; n >= LANE_TILE; n -= LANE_TILE, A += LANE_TILE * ra, Z += LANE_TILE * rz)
        lane_tile(LANE_TILE, A, ra, sa, of, W, start, Z, rz);
    for (; n > 0; n--, A += ra, Z += rz) lane_tile(1, A, ra, sa, of, W, start, Z, rz);
}

/* G[i, :] += sum over pixels of A[at[i], :] D[:], lane by lane, for n lines. */
static void lane_gradient(ptrdiff_t n, const real *A, const ptrdiff_t *at, const real *D, const pixels *of, real *G) {
    for (ptrdiff_t i = 0; i < n; i++, G += WIDTH) {
        vec c[LINE];
        UNROLL for (int l = 0; l < LINE; l++) c[l] = splat(0);
        for (ptrdiff_t m = 0; m < of->images; m++)
            for (ptrdiff_t y = 0; y < of->height; y++) {
                const real *a = A + at[i] + m * of->image_a + y * of->row_a, *d = D + m * of->image_d + y * of->row_d;
                for (ptrdiff_t x = 0; x < of->width; x++, a += of->pixel_a, d += of->pixel_d)
                    UNROLL for (int l = 0; l < LINE; l++) c[l] += load(a + l * LANES) * load(d + l * LANES);
            }
        UNROLL for (int l = 0; l < LINE; l++) store(G + l * LANES, load(G + l * LANES) + c[l]);
    }
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
