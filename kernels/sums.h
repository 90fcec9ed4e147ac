/* Sums over the lines of a panel, in an order that depends on shapes only. */
#ifndef FASTNN_SUMS_H
#define FASTNN_SUMS_H

#include <math.h>

#include "real.h"

/* Long sums are pairwise: blocks of BLOCK lines, each in SPLIT interleaved sums, which hide the latency of the addition,
 * then the halves of the halves. So the error grows with the logarithm of the number of lines only. Source: Higham, "The
 * accuracy of floating point summation", SIAM Journal on Scientific Computing 14, 1993. */
#define BLOCK 64
#define SPLIT 4

/* What is added up: lines x and, for products, d; x^ = (x - mean) scale, with the mean and scale of each column.
 * stops: says, of `who`, whether a long sum shall end, whatever is in it then; or NULL. */
typedef struct {
    const real *x, *d, *mean, *scale;
    int (*stops)(void *who);
    void *who;
} summands;

#define LONG_SUM (1 << 16) /* lines: some milliseconds */

/* Writes some lines of sums over the lines [first, last). */
typedef void (*block_sums)(const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums);

INLINE void pairwise(block_sums block, int count, const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums);

static void halves(block_sums block, int count, const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums) {
    real right[2 * WIDTH];
    if (last - first > LONG_SUM && of->stops && of->stops(of->who)) {
        memset(sums, 0, (size_t)count * LINE_BYTES);
        return;
    }
    const ptrdiff_t middle = first + (last - first + BLOCK) / (2 * BLOCK) * BLOCK;
    pairwise(block, count, of, first, middle, sums);
    pairwise(block, count, of, middle, last, right);
    for (int k = 0; k < count * WIDTH; k++) sums[k] += right[k];
}

INLINE void pairwise(block_sums block, int count, const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums) {
    if (last - first <= BLOCK)
        block(of, first, last, sums);
    else
        halves(block, count, of, first, last, sums);
}

INLINE void store_sum(const vec *c, real *to) { store(to, (c[0] + c[1]) + (c[2] + c[3])); }

/* sum x */
static void plain_sum(const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums) {
    for (int l = 0; l < WIDTH; l += LANES) {
        const real *x = of->x + first * WIDTH + l;
        ptrdiff_t n = last - first;
        vec c[SPLIT] = {0};
        for (; n >= SPLIT; n -= SPLIT, x += SPLIT * WIDTH)
            UNROLL for (int s = 0; s < SPLIT; s++) c[s] += load(x + s * WIDTH);
        for (; n > 0; n--, x += WIDTH) c[0] += load(x);
        store_sum(c, sums + l);
    }
}

/* sum x - mean, sum (x - mean)^2 */
static void sum_of_deviations(const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums) {
    for (int l = 0; l < WIDTH; l += LANES) {
        const real *x = of->x + first * WIDTH + l;
        const vec mean = load(of->mean + l);
        ptrdiff_t n = last - first;
        vec c[SPLIT] = {0}, square[SPLIT] = {0};
        for (; n >= SPLIT; n -= SPLIT, x += SPLIT * WIDTH)
            UNROLL for (int s = 0; s < SPLIT; s++) {
                const vec e = load(x + s * WIDTH) - mean;
                c[s] += e;
                square[s] += e * e;
            }
        for (; n > 0; n--, x += WIDTH) {
            const vec e = load(x) - mean;
            c[0] += e;
            square[0] += e * e;
        }
        store_sum(c, sums + l);
        store_sum(square, sums + WIDTH + l);
    }
}

/* sum d x^, sum d, with the mean and scale of each column. */
static void sum_of_products(const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums) {
    for (int l = 0; l < WIDTH; l += LANES) {
        const real *x = of->x + first * WIDTH + l, *d = of->d + first * WIDTH + l;
        const vec mean = load(of->mean + l), scale = load(of->scale + l);
        ptrdiff_t n = last - first;
        vec c[SPLIT] = {0}, product[SPLIT] = {0};
        for (; n >= SPLIT; n -= SPLIT, x += SPLIT * WIDTH, d += SPLIT * WIDTH)
            UNROLL for (int s = 0; s < SPLIT; s++) {
                c[s] += load(d + s * WIDTH);
                product[s] += load(d + s * WIDTH) * ((load(x + s * WIDTH) - mean) * scale);
            }
        for (; n > 0; n--, x += WIDTH, d += WIDTH) {
            c[0] += load(d);
            product[0] += load(d) * ((load(x) - mean) * scale);
        }
        store_sum(product, sums + l);
        store_sum(c, sums + WIDTH + l);
    }
}

/* The same with a mean and a scale for each line: 2 WIDTH numbers for WIDTH lines. BLOCK is a multiple of WIDTH. */
static void sum_of_line_products(const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums) {
    for (int l = 0; l < WIDTH; l += LANES) {
        const real *x = of->x + first * WIDTH + l, *d = of->d + first * WIDTH + l;
        vec c[2] = {0}, product[2] = {0};
        for (ptrdiff_t r = first; r < last; r++, x += WIDTH, d += WIDTH) {
            const ptrdiff_t at = r / WIDTH * 2 * WIDTH + r % WIDTH;
            c[r & 1] += load(d);
            product[r & 1] += load(d) * ((load(x) - of->mean[at]) * of->scale[at]);
        }
        store(sums + l, product[0] + product[1]);
        store(sums + WIDTH + l, c[0] + c[1]);
    }
}

/* sum d x where x < 0 */
static void sum_of_negative_products(const summands *of, ptrdiff_t first, ptrdiff_t last, real *sums) {
    for (int l = 0; l < WIDTH; l += LANES) {
        const real *x = of->x + first * WIDTH + l, *d = of->d + first * WIDTH + l;
        vec c[2] = {0};
        for (ptrdiff_t r = first; r < last; r++, x += WIDTH, d += WIDTH) {
            const vec v = load(x);
            c[r & 1] += load(d) * (vec)((vec_index)v & (v < 0));
        }
        store(sums + l, c[0] + c[1]);
    }
}

/* G[:] = sum_r D[r, :]: the gradient of the bias. */
static void bias_gradient(const real *D, ptrdiff_t rows, real *G, int (*stops)(void *who), void *who) {
    const summands of = {.x = D, .stops = stops, .who = who};
    pairwise(plain_sum, 1, &of, 0, rows, G);
}

/* Mean and variance of each column over n lines. The deviations from a first mean, which is rounded, correct it; where the
 * correction is not small beside them, as in a column of equal numbers, they are measured again. */
static void moments(ptrdiff_t n, const real *x, real *mean, real *variance, int (*stops)(void *who), void *who) {
    real sums[2 * WIDTH];
    const summands of = {.x = x, .mean = mean, .stops = stops, .who = who};
    int rough = 1;
    pairwise(plain_sum, 1, &of, 0, n, sums);
    for (int k = 0; k < WIDTH; k++) mean[k] = sums[k] / (real)n;
    for (int i = 0; rough && i < 2; i++) {
        rough = 0;
        pairwise(sum_of_deviations, 2, &of, 0, n, sums);
        for (int k = 0; k < WIDTH; k++) {
            const real shift = sums[k] / (real)n, square = sums[WIDTH + k] / (real)n;
            mean[k] += shift;
            variance[k] = square - shift * shift;
            rough |= shift != 0 && !(shift * shift < square / 64);
        }
    }
}

/* The sum of a line, by halves: sixteen additions one after another would wait for each other. */
INLINE double line_sum(double *sum) {
    UNROLL for (int half = WIDTH / 2; half > 0; half /= 2)
        UNROLL for (int k = 0; k < half; k++) sum[k] += sum[k + half];
    return sum[0];
}

/* Squares are added up in double: that of 1e20 is infinite as float32. */

/* g += 2 l2 w over n reals, a multiple of WIDTH; returns the sum of w^2. */
static double penalize_squares(ptrdiff_t n, const real *restrict w, real *restrict g, real l2) {
    double c[WIDTH] = {0};
    for (; n > 0; n -= WIDTH, w += WIDTH, g += WIDTH)
        for (int k = 0; k < WIDTH; k++) {
            g[k] += 2 * l2 * w[k];
            c[k] += (double)w[k] * (double)w[k];
        }
    return line_sum(c);
}

#define DOWN 0x1p-600 /* and the square of a double of 1e200, where it is not scaled by this */

static double sum_of_squares(ptrdiff_t n, const real *x, double factor) {
    double c[WIDTH] = {0};
    for (; n > 0; n -= WIDTH, x += WIDTH)
        for (int k = 0; k < WIDTH; k++) c[k] += (factor * (double)x[k]) * (factor * (double)x[k]);
    return line_sum(c);
}

/* |x| of n reals, a multiple of WIDTH, in lanes that do not depend on the vector length. */
static double norm(ptrdiff_t n, const real *x) {
    const double squares = sum_of_squares(n, x, 1);
    return squares < INFINITY ? sqrt(squares) : sqrt(sum_of_squares(n, x, DOWN)) / DOWN;
}

/* |w| of each column over n lines. */
static void column_norms(ptrdiff_t n, const real *w, double *norms) {
    double c[WIDTH] = {0}, down[WIDTH] = {0};
    for (ptrdiff_t i = 0; i < n; i++)
        for (int k = 0; k < WIDTH; k++) c[k] += (double)w[i * WIDTH + k] * (double)w[i * WIDTH + k];
    for (int k = 0; k < WIDTH; k++)
        if (!(c[k] < INFINITY)) {
            for (ptrdiff_t i = 0; i < n; i++) down[k] += (DOWN * (double)w[i * WIDTH + k]) * (DOWN * (double)w[i * WIDTH + k]);
            norms[k] = sqrt(down[k]) / DOWN;
        } else {
            norms[k] = sqrt(c[k]);
        }
}

#endif
