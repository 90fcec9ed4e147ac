/* Sums over the lines of a panel, in an order that depends on shapes only. */
#ifndef FASTNN_SUMS_H
#define FASTNN_SUMS_H

#include "real.h"

/* G[:] = sum_r D[r, :]: the gradient of the bias, in four interleaved sums, to hide the latency of the addition. */
static void bias_gradient(const real *D, ptrdiff_t rows, real *G) {
    vec c[4][LINE];
    UNROLL for (int s = 0; s < 4; s++)
        UNROLL for (int l = 0; l < LINE; l++) c[s][l] = splat(0);
    for (; rows >= 4; rows -= 4, D += 4 * WIDTH)
        UNROLL for (int s = 0; s < 4; s++)
            UNROLL for (int l = 0; l < LINE; l++) c[s][l] += load(D + s * WIDTH + l * LANES);
    for (; rows > 0; rows--, D += WIDTH)
        UNROLL for (int l = 0; l < LINE; l++) c[0][l] += load(D + l * LANES);
    UNROLL for (int l = 0; l < LINE; l++) store(G + l * LANES, (c[0][l] + c[1][l]) + (c[2][l] + c[3][l]));
}

/* The sum of a line, by halves: sixteen additions one after another would wait for each other. */
INLINE double line_sum(const real *line) {
    double sum[WIDTH];
    UNROLL for (int k = 0; k < WIDTH; k++) sum[k] = (double)line[k];
    UNROLL for (int half = WIDTH / 2; half > 0; half /= 2)
        UNROLL for (int k = 0; k < half; k++) sum[k] += sum[k + half];
    return sum[0];
}

/* g += 2 l2 w over n reals, a multiple of WIDTH; returns the sum of w^2. */
static double penalize_squares(ptrdiff_t n, const real *restrict w, real *restrict g, real l2) {
    vec c[LINE], twice = splat(2 * l2);
    UNROLL for (int l = 0; l < LINE; l++) c[l] = splat(0);
    for (; n > 0; n -= WIDTH, w += WIDTH, g += WIDTH)
        UNROLL for (int l = 0; l < LINE; l++) {
            const vec x = load(w + l * LANES);
            store(g + l * LANES, load(g + l * LANES) + twice * x);
            c[l] += x * x;
        }
    real line[WIDTH];
    UNROLL for (int l = 0; l < LINE; l++) store(line + l * LANES, c[l]);
    return line_sum(line);
}

/* Sum of x^2 over n reals, n a multiple of WIDTH, in lanes that do not depend on the vector length. */
static double sum_of_squares(ptrdiff_t n, const real *x) {
    real c[WIDTH] = {0};
    for (; n > 0; n -= WIDTH, x += WIDTH)
        for (int k = 0; k < WIDTH; k++) c[k] += x[k] * x[k];
    return line_sum(c);
}

#endif
