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
#define BYTE_LINES 8    /* lines that share the reading of one sample; half of them for several */
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

/* sums[r][j] = sum_k u[r][k] q[k][j] for R rows, whose bytes lie `su` apart, and L lines of outputs, `sw` bytes apart.
 * What is read of u serves all lines, what is read of the weights all rows. */
typedef void (*byte_lines)(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t sw, ptrdiff_t groups, int32_t *sums);

INLINE int32_t four_bytes(const uint8_t *u) {
    int32_t x;
    memcpy(&x, u, 4);
    return x;
}

#if defined(__AVX512BW__) && defined(__AVX512F__)
#define BYTE_CHOICE
#define VNNI_LINES(name, R, L) \
    __attribute__((target("avx512vnni"))) static void name(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t sw, \
                                                           ptrdiff_t groups, int32_t *sums) { \
        __m512i c[R * L]; \
        UNROLL for (int i = 0; i < R * L; i++) c[i] = _mm512_setzero_si512(); \
        for (ptrdiff_t g = 0; g < groups; g++) \
            UNROLL for (int r = 0; r < R; r++) { \
                const __m512i x = _mm512_set1_epi32(four_bytes(u + r * su + 4 * g)); \
                UNROLL for (int l = 0; l < L; l++) \
                    c[r * L + l] = _mm512_dpbusd_epi32(c[r * L + l], x, _mm512_loadu_si512(w + l * sw + 64 * g)); \
            } \
        UNROLL for (int i = 0; i < R * L; i++) _mm512_storeu_si512(sums + i * BYTE_LINE, c[i]); \
    }
VNNI_LINES(vnni_1_1, 1, 1)
VNNI_LINES(vnni_1_8, 1, BYTE_LINES)
VNNI_LINES(vnni_4_1, BYTE_ROWS, 1)
VNNI_LINES(vnni_4_4, BYTE_ROWS, BYTE_LINES / 2)
#endif

#if defined(__AVX2__)
#define PAIRS_LINES(name, R, L) \
    static void name(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t sw, ptrdiff_t groups, int32_t *sums) { \
        const __m256i ones = _mm256_set1_epi16(1); \
        __m256i c[2 * R * L]; \
        UNROLL for (int i = 0; i < 2 * R * L; i++) c[i] = _mm256_setzero_si256(); \
        for (ptrdiff_t g = 0; g < groups; g++) \
            UNROLL for (int r = 0; r < R; r++) { \
                const __m256i x = _mm256_set1_epi32(four_bytes(u + r * su + 4 * g)); \
                UNROLL for (int l = 0; l < 2 * L; l++) { \
                    const __m256i q = _mm256_loadu_si256((const __m256i *)(w + l / 2 * sw + 64 * g + l % 2 * 32)); \
                    const __m256i p = _mm256_madd_epi16(_mm256_maddubs_epi16(x, q), ones); \
                    c[2 * r * L + l] = _mm256_add_epi32(c[2 * r * L + l], p); \
                } \
            } \
        UNROLL for (int i = 0; i < 2 * R * L; i++) _mm256_storeu_si256((__m256i *)(sums + i * BYTE_LINE / 2), c[i]); \
    }
#else /* plain loops, which the compiler may turn into vectors */
#define PAIRS_LINES(name, R, L) \
    static void name(const uint8_t *u, ptrdiff_t su, const int8_t *w, ptrdiff_t sw, ptrdiff_t groups, int32_t *sums) { \
        for (int i = 0; i < R * L; i++) { \
            int32_t c[BYTE_LINE] = {0}; \
            for (ptrdiff_t g = 0; g < groups; g++) \
                for (int j = 0; j < BYTE_LINE; j++) \
                    for (int k = 0; k < BYTE_GROUP; k++) \
                        c[j] += (int32_t)u[i / L * su + 4 * g + k] * (int32_t)w[i % L * sw + 64 * g + 4 * j + k]; \
            memcpy(sums + i * BYTE_LINE, c, sizeof c); \
        } \
    }
#endif
PAIRS_LINES(pairs_1_1, 1, 1)
PAIRS_LINES(pairs_1_2, 1, 2)
PAIRS_LINES(pairs_4_1, BYTE_ROWS, 1)

static int has_vnni(void) {
#ifdef BYTE_CHOICE
    return __builtin_cpu_supports("avx512vnni") != 0;
#else
    return 0;
#endif
}

/* The least and the largest of n numbers and 0, and whether all are finite: 0 where they are, else NaN. */
static void range_of(ptrdiff_t n, const float *x, float *low, float *high, float *strange) {
    vec least = {0}, most = {0}, odd = {0};
    float first[LANES], last[LANES], sum[LANES];
    ptrdiff_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        const vec v = load(x + k);
        const vec_index less = v < least, more = v > most;
        least = (vec)((less & (vec_index)v) | (~less & (vec_index)least));
        most = (vec)((more & (vec_index)v) | (~more & (vec_index)most));
        odd += v - v;
    }
    store(first, least), store(last, most), store(sum, odd);
    *low = *high = *strange = 0;
    for (int i = 0; i < LANES; i++) {
        *low = first[i] < *low ? first[i] : *low;
        *high = last[i] > *high ? last[i] : *high;
        *strange += sum[i];
    }
    for (; k < n; k++) {
        *low = x[k] < *low ? x[k] : *low;
        *high = x[k] > *high ? x[k] : *high;
        *strange += x[k] - x[k];
    }
}

/* Quantizes n numbers to u = round(x / step) + zero, so that 0 stays 0; bytes up to `padded` become 0. */
static void quantize(ptrdiff_t n, ptrdiff_t padded, const float *restrict x, int most, uint8_t *restrict u, float *step,
                     int32_t *zero) {
    float low, high, strange;
    range_of(n, x, &low, &high, &strange);
    const float width = (high - low) / (float)most;
    if (strange != 0 || !(width < __builtin_inff())) { /* NaN and infinity reach the outputs through the step */
        *step = __builtin_nanf("");
        *zero = 0;
        memset(u, 0, (size_t)padded);
        return;
    }
    *step = width > 0 ? width : 1;
    const float inverse = 1 / *step;
    *zero = (int32_t)(-low * inverse + 0.5f);
    const float shift = (float)*zero + 0.5f; /* so that no sum is below 0, but by its rounding: then it becomes 0 too */
    for (ptrdiff_t k = 0; k < n; k++) {
        const int32_t q = (int32_t)(x[k] * inverse + shift);
        u[k] = (uint8_t)(q > most ? most : q);
    }
    for (ptrdiff_t k = n; k < padded; k++) u[k] = 0;
}

/* `rows` samples (1 or BYTE_ROWS) through all layers. a: (rows, widest) numbers; u: (rows, widest) bytes. */
static void byte_layers(const byte_layer *layers, int count, int vnni, int rows, const float *x, float *out, float *a,
                        uint8_t *u, ptrdiff_t widest) {
    const int most = vnni ? BYTE_MOST_VNNI : BYTE_MOST_PAIRS;
    byte_lines one = rows == 1 ? pairs_1_1 : pairs_4_1, several = rows == 1 ? pairs_1_2 : pairs_4_1;
    int wide = rows == 1 ? 2 : 1;
#ifdef BYTE_CHOICE
    if (vnni) {
        one = rows == 1 ? vnni_1_1 : vnni_4_1;
        several = rows == 1 ? vnni_1_8 : vnni_4_4;
        wide = rows == 1 ? BYTE_LINES : BYTE_LINES / 2;
    }
#endif
    ptrdiff_t sx = layers[0].inputs;
    for (int i = 0; i < count; i++) {
        const byte_layer *layer = layers + i;
        float step[BYTE_ROWS];
        int32_t zero[BYTE_ROWS], sums[BYTE_ROWS * BYTE_LINES * BYTE_LINE];
        for (int r = 0; r < rows; r++)
            quantize(layer->inputs, layer->groups * BYTE_GROUP, x + r * sx, most, u + r * widest, step + r, zero + r);
        const ptrdiff_t sw = layer->groups * 64;
        for (ptrdiff_t first = 0, n; first < layer->padded; first += n * BYTE_LINE) {
            n = layer->padded - first >= wide * BYTE_LINE ? wide : 1;
            (n == 1 ? one : several)(u, widest, layer->weights + first / BYTE_LINE * sw, sw, layer->groups, sums);
            for (int r = 0; r < rows; r++) {
                const int32_t *sum = sums + r * n * BYTE_LINE;
                float *z = a + r * widest + first;
                for (ptrdiff_t j = 0; j < n * BYTE_LINE; j++) /* padding: scale 0 */
                    z[j] = layer->bias[first + j] + step[r] * layer->scale[first + j]
                        * (float)(sum[j] - zero[r] * layer->sums[first + j]);
            }
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
