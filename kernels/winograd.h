/* Convolutions of 3 x 3 pixels at stride 1 by fewer products: 2 x 2 targets at once, of 4 x 4 sources, by 16 products instead
 * of 36. Source: Winograd, "Arithmetic complexity of computations", 1980; Lavin and Gray, "Fast algorithms for convolutional
 * neural networks", CVPR 2016.
 *
 * Z = A^T [(G W G^T) * (B^T X B)] A: the products of all tiles at one of the 16 places are one product of matrices. */
#ifndef FASTNN_WINOGRAD_H
#define FASTNN_WINOGRAD_H

#include "tile.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((no_builtin("memcpy", "memset"))), apply_to = function)
#endif

#define PLACES 16 /* of a tile of 4 x 4 */

/* Where tile t of a row of n targets begins: the last may overlap the one before it. */
INLINE ptrdiff_t tile_start(ptrdiff_t t, ptrdiff_t n) { return 2 * t + 2 > n ? n - 2 : 2 * t; }

/* U = G W G^T of one panel: `depth` lines at each place. line[3 y + x]: first line of the weights at pixel (y, x). */
static void winograd_weights(const real *W, const ptrdiff_t *line, ptrdiff_t depth, real *U) {
    for (ptrdiff_t k = 0; k < depth; k++)
        for (int l = 0; l < WIDTH; l += LANES) {
            vec half[4][3];
            UNROLL for (int x = 0; x < 3; x++) {
                const vec a = load(W + (line[x] + k) * WIDTH + l), b = load(W + (line[3 + x] + k) * WIDTH + l);
                const vec c = load(W + (line[6 + x] + k) * WIDTH + l), even = splat((real)0.5) * (a + c);
                half[0][x] = a, half[1][x] = even + splat((real)0.5) * b;
                half[2][x] = even - splat((real)0.5) * b, half[3][x] = c;
            }
            UNROLL for (int y = 0; y < 4; y++) {
                real *u = U + (4 * y * depth + k) * WIDTH + l;
                const vec even = splat((real)0.5) * (half[y][0] + half[y][2]), odd = splat((real)0.5) * half[y][1];
                store(u, half[y][0]), store(u + depth * WIDTH, even + odd);
                store(u + 2 * depth * WIDTH, even - odd), store(u + 3 * depth * WIDTH, half[y][2]);
            }
        }
}

/* V = B^T X B of the tiles of two rows of n targets, one panel. row: reals between two rows of the source A; place: of V. */
static void winograd_source(ptrdiff_t n, const real *A, ptrdiff_t row, real *V, ptrdiff_t place) {
    for (ptrdiff_t t = 0; 2 * t < n; t++, V += WIDTH)
        UNROLL for (int l = 0; l < WIDTH; l += LANES) {
            const real *a = A + tile_start(t, n) * WIDTH + l;
            vec half[4][4];
            UNROLL for (int x = 0; x < 4; x++) {
                const vec x0 = load(a + x * WIDTH), x1 = load(a + row + x * WIDTH);
                const vec x2 = load(a + 2 * row + x * WIDTH), x3 = load(a + 3 * row + x * WIDTH);
                half[0][x] = x0 - x2, half[1][x] = x1 + x2, half[2][x] = x2 - x1, half[3][x] = x1 - x3;
            }
            UNROLL for (int y = 0; y < 4; y++) {
                real *v = V + 4 * y * place + l;
                store(v, half[y][0] - half[y][2]), store(v + place, half[y][1] + half[y][2]);
                store(v + 2 * place, half[y][2] - half[y][1]), store(v + 3 * place, half[y][1] - half[y][3]);
            }
        }
}

/* Z = start + A^T P A of the same tiles, P the products. */
static void winograd_target(ptrdiff_t n, const real *P, ptrdiff_t place, const real *start, real *Z, ptrdiff_t row) {
    for (ptrdiff_t t = 0; 2 * t < n; t++, P += WIDTH)
        UNROLL for (int l = 0; l < WIDTH; l += LANES) {
            real *z = Z + tile_start(t, n) * WIDTH + l;
            const vec s = load(start + l);
            vec half[2][4];
            UNROLL for (int x = 0; x < 4; x++) {
                const real *p = P + x * place + l;
                const vec p0 = load(p), p1 = load(p + 4 * place), p2 = load(p + 8 * place), p3 = load(p + 12 * place);
                half[0][x] = p0 + p1 + p2, half[1][x] = p1 - p2 - p3;
            }
            UNROLL for (int y = 0; y < 2; y++) {
                store(z + y * row, half[y][0] + half[y][1] + half[y][2] + s);
                store(z + y * row + WIDTH, half[y][1] - half[y][2] - half[y][3] + s);
            }
        }
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

#endif
