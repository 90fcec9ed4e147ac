/* One sample, or four at once, through dense layers whose weights are bytes: kernels of the predictor's dtype="int8".
 *
 * The weights of an output are w = q s with whole numbers q from -127 to 127 and a scale s for each output. The inputs of a
 * layer are quantized when they come: x = (u - zero) step with whole u from 0 to BYTE_MOST. So
 *     z_j = b_j + step s_j (sum_k u_k q_kj - zero sum_k q_kj),
 * whose sums of whole numbers are exact: their order changes nothing. Twin: fastnn/models/predictors.py. */
#ifndef FASTNN_BYTES_H
#define FASTNN_BYTES_H

#include "row.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* Without VNNI, x86 adds two products in 16 bits: 2 x 127 x 127 fits them, with 8 bits of u it would not. */
#define BYTE_MOST_PAIRS 127
#define BYTE_MOST_VNNI 255
#define BYTE_LINE 16    /* outputs of a line: 64 bytes for 4 inputs each */
#define BYTE_GROUP 4
#define BYTE_ROWS 4     /* samples that share the reading of the weights */
#define BYTE_STACK 4096

typedef struct {
    ptrdiff_t inputs, outputs, padded, groups;
    const int8_t *weights; /* (lines, groups, BYTE_LINE, BYTE_GROUP) */
    const int32_t *sums;   /* of the weights of each output */
    const float *scale, *bias;
    row_layer rest;        /* the activation */
} byte_layer;

#ifdef FASTNN_DOUBLE /* bytes answer for float32 only */
static int has_vnni(void) { return 0; }
static int byte_network(const byte_layer *layers, int count, int vnni, ptrdiff_t widest, const real *x, ptrdiff_t rows,
                        real *out) {
    (void)layers, (void)count, (void)vnni, (void)widest, (void)x, (void)rows, (void)out;
    return 0;
}
#else

/* sums[r][j] = sum_k u[r][k] q[k][j] for R rows, whose bytes lie `su` apart, and one line of outputs. */
typedef void (*byte_line)(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t groups, int32_t *sums);

#if defined(__AVX512BW__) && defined(__AVX512F__)
#define BYTE_VNNI __attribute__((target("avx512vnni")))
#define VNNI_LINE(name, R) \
    BYTE_VNNI static void name(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t groups, int32_t *sums) { \
        __m512i c[2 * R]; \
        for (int r = 0; r < 2 * R; r++) c[r] = _mm512_setzero_si512(); \
        ptrdiff_t g = 0; \
        for (; g + 2 <= groups; g += 2) { \
            const __m512i a = _mm512_loadu_si512(w + 64 * g), b = _mm512_loadu_si512(w + 64 * g + 64); \
            UNROLL for (int r = 0; r < R; r++) { \
                int32_t x, y; \
                memcpy(&x, u + r * su + 4 * g, 4), memcpy(&y, u + r * su + 4 * g + 4, 4); \
                c[2 * r] = _mm512_dpbusd_epi32(c[2 * r], _mm512_set1_epi32(x), a); \
                c[2 * r + 1] = _mm512_dpbusd_epi32(c[2 * r + 1], _mm512_set1_epi32(y), b); \
            } \
        } \
        for (; g < groups; g++) \
            UNROLL for (int r = 0; r < R; r++) { \
                int32_t x; \
                memcpy(&x, u + r * su + 4 * g, 4); \
                c[2 * r] = _mm512_dpbusd_epi32(c[2 * r], _mm512_set1_epi32(x), _mm512_loadu_si512(w + 64 * g)); \
            } \
        UNROLL for (int r = 0; r < R; r++) \
            _mm512_storeu_si512(sums + r * BYTE_LINE, _mm512_add_epi32(c[2 * r], c[2 * r + 1])); \
    }
VNNI_LINE(vnni_line_1, 1)
VNNI_LINE(vnni_line_4, 4)
#define BYTE_CHOICE 1
#endif

#if defined(__AVX2__)
#define PAIRS_LINE(name, R) \
    static void name(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t groups, int32_t *sums) { \
        const __m256i ones = _mm256_set1_epi16(1); \
        __m256i c[2 * R]; \
        UNROLL for (int r = 0; r < 2 * R; r++) c[r] = _mm256_setzero_si256(); \
        for (ptrdiff_t g = 0; g < groups; g++) { \
            const __m256i a = _mm256_loadu_si256((const __m256i *)(w + 64 * g)); \
            const __m256i b = _mm256_loadu_si256((const __m256i *)(w + 64 * g + 32)); \
            UNROLL for (int r = 0; r < R; r++) { \
                int32_t x; \
                memcpy(&x, u + r * su + 4 * g, 4); \
                const __m256i v = _mm256_set1_epi32(x); \
                c[2 * r] = _mm256_add_epi32(c[2 * r], _mm256_madd_epi16(_mm256_maddubs_epi16(v, a), ones)); \
                c[2 * r + 1] = _mm256_add_epi32(c[2 * r + 1], _mm256_madd_epi16(_mm256_maddubs_epi16(v, b), ones)); \
            } \
        } \
        UNROLL for (int r = 0; r < R; r++) { \
            _mm256_storeu_si256((__m256i *)(sums + r * BYTE_LINE), c[2 * r]); \
            _mm256_storeu_si256((__m256i *)(sums + r * BYTE_LINE + 8), c[2 * r + 1]); \
        } \
    }
#else /* plain loops, which the compiler may turn into vectors */
#define PAIRS_LINE(name, R) \
    static void name(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t groups, int32_t *sums) { \
        for (int r = 0; r < R; r++) { \
            int32_t c[BYTE_LINE] = {0}; \
            for (ptrdiff_t g = 0; g < groups; g++) \
                for (int j = 0; j < BYTE_LINE; j++) \
                    for (int k = 0; k < BYTE_GROUP; k++) \
                        c[j] += (int32_t)u[r * su + 4 * g + k] * (int32_t)w[64 * g + 4 * j + k]; \
            memcpy(sums + r * BYTE_LINE, c, sizeof c); \
        } \
    }
#endif
PAIRS_LINE(pairs_line_1, 1)
PAIRS_LINE(pairs_line_4, 4)

static int has_vnni(void) {
#ifdef BYTE_CHOICE
    return __builtin_cpu_supports("avx512vnni") != 0;
#else
    return 0;
#endif
}

/* Quantizes n numbers to u = round(x / step) + zero, so that 0 stays 0; bytes up to `padded` become 0. */
static void quantize(ptrdiff_t n, ptrdiff_t padded, const float *x, int most, uint8_t *u, float *step, int32_t *zero) {
    float low = 0, high = 0, strange = 0;
    for (ptrdiff_t k = 0; k < n; k++) low = x[k] < low ? x[k] : low;
    for (ptrdiff_t k = 0; k < n; k++) high = x[k] > high ? x[k] : high;
    for (ptrdiff_t k = 0; k < n; k++) strange = x[k] != x[k] ? x[k] : strange;
    const float width = (high - low) / (float)most;
    *step = strange != strange ? strange : width > 0 ? width : 1;
    const float inverse = 1 / *step;
    const int32_t offset = width > 0 ? (int32_t)(-low * inverse + 0.5f) : 0;
    *zero = offset;
    if (!(width < __builtin_inff()) || strange != strange) { /* NaN and infinity reach the outputs through the step */
        *step = (float)__builtin_nanf("");
        memset(u, 0, (size_t)padded);
        return;
    }
    for (ptrdiff_t k = 0; k < n; k++) {
        const int32_t q = (int32_t)__builtin_floorf(x[k] * inverse + 0.5f) + offset;
        u[k] = (uint8_t)(q < 0 ? 0 : q > most ? most : q);
    }
    for (ptrdiff_t k = n; k < padded; k++) u[k] = 0;
}

/* `rows` samples (1 or BYTE_ROWS) through all layers. a: (rows, widest) numbers; u: (rows, widest) bytes. */
static void byte_layers(const byte_layer *layers, int count, int vnni, int rows, const float *x, float *out, float *a,
                        uint8_t *u, ptrdiff_t widest) {
    const int most = vnni ? BYTE_MOST_VNNI : BYTE_MOST_PAIRS;
    byte_line line = rows == 1 ? pairs_line_1 : pairs_line_4;
#ifdef BYTE_CHOICE
    if (vnni) line = rows == 1 ? vnni_line_1 : vnni_line_4;
#endif
    ptrdiff_t sx = layers[0].inputs;
    for (int i = 0; i < count; i++) {
        const byte_layer *layer = layers + i;
        float step[BYTE_ROWS];
        int32_t zero[BYTE_ROWS], sums[BYTE_ROWS * BYTE_LINE];
        for (int r = 0; r < rows; r++)
            quantize(layer->inputs, layer->groups * BYTE_GROUP, x + r * sx, most, u + r * widest, step + r, zero + r);
        const int8_t *w = layer->weights;
        for (ptrdiff_t first = 0; first < layer->padded; first += BYTE_LINE, w += layer->groups * 64) {
            line(u, widest, w, layer->groups, sums);
            for (int r = 0; r < rows; r++)
                for (int j = 0; j < BYTE_LINE; j++) /* padding: scale 0 */
                    a[r * widest + first + j] = layer->bias[first + j] + step[r] * layer->scale[first + j]
                        * (float)(sums[r * BYTE_LINE + j] - zero[r] * layer->sums[first + j]);
        }
        for (int r = 0; r < rows; r++) row_activate(&layer->rest, a + r * widest);
        x = a;
        sx = widest;
    }
    const ptrdiff_t n = layers[count - 1].outputs;
    for (int r = 0; r < rows; r++)
        for (ptrdiff_t k = 0; k < n; k++) out[r * n + k] = a[r * widest + k];
}

/* All rows; 0 where there is no memory. widest: numbers of the widest layer, inputs included, in whole lines. */
static int byte_network(const byte_layer *layers, int count, int vnni, ptrdiff_t widest, const float *x, ptrdiff_t rows,
                        float *out) {
    const ptrdiff_t inputs = layers[0].inputs, outputs = layers[count - 1].outputs;
    float numbers[BYTE_STACK] __attribute__((aligned(LINE_BYTES)));
    uint8_t bytes[BYTE_STACK] __attribute__((aligned(LINE_BYTES)));
    float *a = numbers;
    uint8_t *u = bytes;
    void *memory = NULL;
    if ((rows < BYTE_ROWS ? 1 : BYTE_ROWS) * widest > BYTE_STACK) {
        memory = malloc((size_t)(BYTE_ROWS * widest) * (sizeof(float) + 1));
        if (memory == NULL) return 0;
        a = memory;
        u = (uint8_t *)(a + BYTE_ROWS * widest);
    }
    ptrdiff_t r = 0;
    for (; r + BYTE_ROWS <= rows; r += BYTE_ROWS)
        byte_layers(layers, count, vnni, BYTE_ROWS, x + r * inputs, out + r * outputs, a, u, widest);
    for (; r < rows; r++) byte_layers(layers, count, vnni, 1, x + r * inputs, out + r * outputs, a, u, widest);
    free(memory);
    return 1;
}

#endif
#endif
