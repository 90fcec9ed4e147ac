/* One sample through dense layers, for the predictor: plain rows instead of panels, and no buffer but two on the stack.
 *
 * A layer's outputs are divided into blocks of as many vectors as keep the units busy; the weights of a block stand one
 * after another in the order in which they are read: a bias, then a line of the block for each input. Narrow layers use
 * half or quarter vectors. A block with few vectors sums in several accumulators, its inputs by turns: the order depends
 * on the shape of the layer only. */
#ifndef FASTNN_ROW_H
#define FASTNN_ROW_H

#include "vmath.h"
#include <stdlib.h>

#define ROW_STACK 4096 /* reals of each of the two buffers on the stack */

#define ROW_NARROWEST (VECTOR_BYTES / 16) /* a vector has 16 bytes or more: 1, or it may be halved, or quartered */
#if ROW_NARROWEST >= 2
typedef real half_vec __attribute__((vector_size(VECTOR_BYTES / 2), aligned(REAL_BYTES), may_alias));
#endif
#if ROW_NARROWEST >= 4
typedef real quarter_vec __attribute__((vector_size(VECTOR_BYTES / 4), aligned(REAL_BYTES), may_alias));
#endif

#define ROW_VECTORS 8 /* accumulators: what hides the latency of a fused multiply-add */

typedef void (*row_activation)(ptrdiff_t n, real *a, const double *h);

typedef struct {
    ptrdiff_t inputs, outputs;
    ptrdiff_t padded;     /* reals that the layer writes: whole vectors */
    const real *weights;
    int narrow;           /* 2, 4: half or a quarter of a vector holds all outputs; 1: whole vectors */
    int kind;             /* ROW_... */
    row_activation activation;
    double parameters[4];
} row_layer;

enum { ROW_LINEAR, ROW_RELU, ROW_ELEMENTWISE, ROW_SOFTMAX, ROW_LOG_SOFTMAX };

/* z = b + x W for one block of V vectors of type T, S inputs at a time, each with accumulators of its own. */
#define ROW_BLOCK(name, T) \
    INLINE const real *name(const int V, const int S, const real *x, ptrdiff_t n, const real *w, real *z) { \
        enum { L = sizeof(T) / REAL_BYTES }; \
        T c[ROW_VECTORS]; \
        UNROLL for (int v = 0; v < V; v++) c[v] = *(const T *)(w + v * L); \
        UNROLL for (int v = V; v < S * V; v++) c[v] = (T){0}; \
        w += V * L; \
        for (; n >= S; n -= S, x += S) \
            UNROLL for (int s = 0; s < S; s++, w += V * L) { \
                const T a = x[s] - (T){0}; \
                UNROLL for (int v = 0; v < V; v++) c[s * V + v] += a * *(const T *)(w + v * L); \
            } \
        for (; n > 0; n--, x++, w += V * L) { \
            const T a = x[0] - (T){0}; \
            UNROLL for (int v = 0; v < V; v++) c[v] += a * *(const T *)(w + v * L); \
        } \
        UNROLL for (int half = S / 2; half > 0; half /= 2) \
            UNROLL for (int v = 0; v < half * V; v++) c[v] += c[v + half * V]; \
        UNROLL for (int v = 0; v < V; v++) *(T *)(z + v * L) = c[v]; \
        return w; \
    }

ROW_BLOCK(row_block, vec)
#if ROW_NARROWEST >= 2
ROW_BLOCK(row_half, half_vec)
#endif
#if ROW_NARROWEST >= 4
ROW_BLOCK(row_quarter, quarter_vec)
#endif

/* Vectors of the widest block: with AVX-512 four, twice; else eight. Reading an input then serves as many products. */
#if VECTOR_BYTES == 64
#define ROW_MOST 4
#else
#define ROW_MOST 8
#endif

static void row_product(const row_layer *layer, const real *x, real *z) {
    const real *w = layer->weights;
    const ptrdiff_t n = layer->inputs;
#if ROW_NARROWEST >= 2
    if (layer->narrow == 2) {
        row_half(1, 8, x, n, w, z);
        return;
    }
#endif
#if ROW_NARROWEST >= 4
    if (layer->narrow == 4) {
        row_quarter(1, 8, x, n, w, z);
        return;
    }
#endif
    ptrdiff_t vectors = layer->padded / LANES;
    for (; vectors >= ROW_MOST; vectors -= ROW_MOST, z += ROW_MOST * LANES)
        w = row_block(ROW_MOST, ROW_VECTORS / ROW_MOST, x, n, w, z);
    switch (vectors) {
#if ROW_MOST == 8
    case 7: row_block(7, 1, x, n, w, z); break;
    case 6: row_block(6, 1, x, n, w, z); break;
    case 5: row_block(5, 1, x, n, w, z); break;
    case 4: row_block(4, 2, x, n, w, z); break;
#endif
    case 3: row_block(3, 2, x, n, w, z); break;
    case 2: row_block(2, 4, x, n, w, z); break;
    case 1: row_block(1, 8, x, n, w, z); break;
    }
}

/* Softmax, or its logarithm, of one row: `padded` reals, of which n exist. */
static void row_softmax(ptrdiff_t n, ptrdiff_t padded, real *z, int log) {
    real most = z[0], total = 0;
    for (ptrdiff_t k = 1; k < n; k++) most = z[k] > most ? z[k] : most;
    for (ptrdiff_t k = n; k < padded; k++) z[k] = -(real)__builtin_inf();
    if (log) {
        for (ptrdiff_t k = 0; k < n; k++) total += real_exp(z[k] - most);
        total = most + real_log(total);
        for (ptrdiff_t k = 0; k < n; k++) z[k] = z[k] - total;
        return;
    }
    for (ptrdiff_t k = 0; k < padded; k++) z[k] = real_exp(z[k] - most);
    for (ptrdiff_t k = 0; k < n; k++) total += z[k];
    total = 1 / total;
    for (ptrdiff_t k = 0; k < padded; k++) z[k] *= total;
}

static void row_activate(const row_layer *layer, real *z) {
    switch (layer->kind) {
    case ROW_RELU:
        for (ptrdiff_t k = 0; k < layer->padded; k++) z[k] = z[k] < 0 ? 0 : z[k]; /* NaN stays */
        break;
    case ROW_ELEMENTWISE: layer->activation(layer->padded, z, layer->parameters); break;
    case ROW_SOFTMAX: row_softmax(layer->outputs, layer->padded, z, 0); break;
    case ROW_LOG_SOFTMAX: row_softmax(layer->outputs, layer->padded, z, 1); break;
    }
}

/* The outputs of one sample x, written at the end: `out` may be x. a, b: room for the widest layer. */
INLINE void row_layers(const row_layer *layers, int count, const real *x, real *out, real *a, real *b) {
    for (int i = 0; i < count; i++) {
        real *z = i % 2 ? b : a;
        row_product(layers + i, x, z);
        row_activate(layers + i, z);
        x = z;
    }
    const ptrdiff_t n = layers[count - 1].outputs;
    for (ptrdiff_t k = 0; k < n; k++) out[k] = x[k];
}

/* The same for several rows; 0 where there is no memory. widest: reals of each buffer. */
static int row_network(const row_layer *layers, int count, ptrdiff_t widest, const real *x, ptrdiff_t rows, real *out) {
    const ptrdiff_t inputs = layers[0].inputs, outputs = layers[count - 1].outputs;
    if (widest <= ROW_STACK) {
        real a[ROW_STACK] __attribute__((aligned(LINE_BYTES))), b[ROW_STACK] __attribute__((aligned(LINE_BYTES)));
        for (ptrdiff_t r = 0; r < rows; r++) row_layers(layers, count, x + r * inputs, out + r * outputs, a, b);
        return 1;
    }
    real *a = malloc(2 * (size_t)widest * sizeof(real));
    if (a == NULL) return 0;
    for (ptrdiff_t r = 0; r < rows; r++) row_layers(layers, count, x + r * inputs, out + r * outputs, a, a + widest);
    free(a);
    return 1;
}

#endif
