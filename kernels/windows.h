/* The largest and the mean numbers of the windows of a map: some rows of windows, [begin, end), of one panel at a time. */
#ifndef FASTNN_WINDOWS_H
#define FASTNN_WINDOWS_H

#include <math.h>

#include "real.h"

/* Field by field as GEOMETRY in fastnn/operations/base.py. Pixel o of the small map and tap k of the window belong to pixel
 * o stride + k dilation - top (or left) of the large one. */
typedef struct {
    int64_t height, width, out_height, out_width;
    int64_t window_height, window_width, stride_y, stride_x, dilation_y, dilation_x;
    int64_t top, left, groups;
} Geometry;

/* The taps [first, last) of a window along one axis that lie inside the map; `from` is where tap 0 would be. */
typedef struct {
    ptrdiff_t from, first, last;
} reach;

INLINE reach reach_of(ptrdiff_t from, ptrdiff_t length, ptrdiff_t window, ptrdiff_t dilation) {
    reach r = {from, 0, window};
    if (from < 0) r.first = (-from + dilation - 1) / dilation;
    if (from + (window - 1) * dilation >= length) r.last = from < length ? (length - from + dilation - 1) / dilation : 0;
    return r;
}

#define EACH_WINDOW(g, ROWS, COLUMNS) \
    for (ptrdiff_t row = begin; row < end; row++) { \
        const reach ROWS = reach_of(row * g->stride_y - g->top, g->height, g->window_height, g->dilation_y); \
        for (ptrdiff_t column = 0; column < g->out_width; column++) { \
            const reach COLUMNS = reach_of(column * g->stride_x - g->left, g->width, g->window_width, g->dilation_x);
#define END_WINDOW }}

#define EACH_TAP(g, ROWS, COLUMNS) \
    for (ptrdiff_t ky = ROWS.first; ky < ROWS.last; ky++) \
        for (ptrdiff_t kx = COLUMNS.first; kx < COLUMNS.last; kx++) { \
            const ptrdiff_t at = \
                ((ROWS.from + ky * g->dilation_y) * g->width + COLUMNS.from + kx * g->dilation_x) * WIDTH;
#define END_TAP }

/* Rows of windows that are some milliseconds of work. */
INLINE ptrdiff_t windows_at_once(const Geometry *g) {
    const double taps = (double)g->out_width * (double)g->window_height * (double)g->window_width;
    return taps < 1 << 20 ? (ptrdiff_t)((1 << 20) / taps) : 1;
}

INLINE vec chosen(vec_index which, vec x, vec y) { return (vec)(((vec_index)x & which) | ((vec_index)y & ~which)); }

/* The number of a tap in as many bytes as the largest needs. Each conversion doubles or halves the width: of a longer way
 * GCC makes a loop over the lanes. */
typedef uint8_t vec_bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int16_t vec_shorts __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
typedef int32_t vec_words __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE int tap_bytes(const Geometry *g) { return g->window_height * g->window_width <= 256 ? 1 : 4; }

INLINE void store_taps(const int bytes, void *to, ptrdiff_t at, vec_index taps) {
    const vec_words words = __builtin_convertvector(taps, vec_words);
    if (bytes == 1)
        *(vec_bytes *)((uint8_t *)to + at) = __builtin_convertvector(__builtin_convertvector(words, vec_shorts), vec_bytes);
    if (bytes == 4) *(vec_words *)((int32_t *)to + at) = words;
}

INLINE vec_index load_taps(const int bytes, const void *from, ptrdiff_t at) {
    vec_words words;
    if (bytes == 1)
        words = __builtin_convertvector(
            __builtin_convertvector(*(const vec_bytes *)((const uint8_t *)from + at), vec_shorts), vec_words);
    else
        words = *(const vec_words *)((const int32_t *)from + at);
    return __builtin_convertvector(words, vec_index);
}

/* The numbers of one tap, where they are larger than the best of those before. */
INLINE void take_larger(const int bytes, const real *x, ptrdiff_t number, vec *best, vec_index *tap) {
    UNROLL for (int l = 0; l < LINE; l++) {
        const vec next = load(x + l * LANES);
        const vec_index larger = ~(next <= best[l]) & (best[l] == best[l]);
        best[l] = chosen(larger, next, best[l]);
        if (bytes) tap[l] = (((vec_index){0} + (real_bits)number) & larger) | (tap[l] & ~larger);
    }
}

/* y = the largest x of each window, of equals the first, but at least `lowest`; NaN is larger than all. which: its tap,
 * unless bytes is 0. ry: reals between two pixels of y. two: windows of 2 x 2 pixels side by side. */
INLINE void max_pool_tile(const int bytes, const int two, const Geometry *g, ptrdiff_t begin, ptrdiff_t end, real lowest, const real *x,
                          real *y, ptrdiff_t ry, void *which) {
    y += begin * g->out_width * ry;
    ptrdiff_t to = begin * g->out_width * WIDTH;
    EACH_WINDOW(g, rows, columns)
        vec best[LINE];
        vec_index tap[LINE];
        const real_bits start = (real_bits)(rows.first * g->window_width + columns.first);
        UNROLL for (int l = 0; l < LINE; l++) best[l] = splat(lowest), tap[l] = (vec_index){0} + start;
        if (two && rows.last - rows.first == 2 && columns.last - columns.first == 2) {
            const real *a = x + (rows.from * g->width + columns.from) * WIDTH;
            UNROLL for (int k = 0; k < 4; k++) take_larger(bytes, a + (k / 2 * g->width + k % 2) * WIDTH, k, best, tap);
        } else {
            EACH_TAP(g, rows, columns)
                take_larger(bytes, x + at, ky * g->window_width + kx, best, tap);
            END_TAP
        }
        UNROLL for (int l = 0; l < LINE; l++) {
            store(y + l * LANES, best[l]);
            store_taps(bytes, which, to + l * LANES, tap[l]);
        }
        y += ry;
        to += WIDTH;
    END_WINDOW
}

/* which: NULL where nobody will ask. */
static void max_pool(const Geometry *g, ptrdiff_t begin, ptrdiff_t end, real lowest, const real *x, real *y, ptrdiff_t ry,
                     void *which) {
    const int two = g->window_height == 2 && g->window_width == 2 && g->dilation_y == 1 && g->dilation_x == 1;
    if (!which && two)
        max_pool_tile(0, 1, g, begin, end, lowest, x, y, ry, which);
    else if (!which)
        max_pool_tile(0, 0, g, begin, end, lowest, x, y, ry, which);
    else if (two)
        max_pool_tile(1, 1, g, begin, end, lowest, x, y, ry, which);
    else if (tap_bytes(g) == 1)
        max_pool_tile(1, 0, g, begin, end, lowest, x, y, ry, which);
    else
        max_pool_tile(4, 0, g, begin, end, lowest, x, y, ry, which);
}

/* Whether each pixel lies in at most one window, and in one at least. */
INLINE int windows_apart(const Geometry *g) {
    return g->stride_y >= g->window_height && g->stride_x >= g->window_width && g->dilation_y == 1 && g->dilation_x == 1;
}
INLINE int windows_cover(const Geometry *g) {
    return g->stride_y == g->window_height && g->stride_x == g->window_width && g->top == 0 && g->left == 0
           && g->out_height * g->stride_y >= g->height && g->out_width * g->stride_x >= g->width;
}

/* dx of y = the x at `which`, of max_pool; the first rows of windows come first. */
INLINE void max_pool_back_tile(const int bytes, const int apart, const Geometry *g, ptrdiff_t begin, ptrdiff_t end,
                               const real *d, const void *which, real *dx) {
    ptrdiff_t from = begin * g->out_width * WIDTH;
    EACH_WINDOW(g, rows, columns)
        vec slope[LINE];
        vec_index tap[LINE];
        UNROLL for (int l = 0; l < LINE; l++) {
            slope[l] = load(d + from + l * LANES);
            tap[l] = load_taps(bytes, which, from + l * LANES);
        }
        EACH_TAP(g, rows, columns)
            const vec_index number = (vec_index){0} + (real_bits)(ky * g->window_width + kx);
            UNROLL for (int l = 0; l < LINE; l++) {
                vec part = (vec)((vec_index)slope[l] & (tap[l] == number));
                if (!apart) part += load(dx + at + l * LANES);
                store(dx + at + l * LANES, part);
            }
        END_TAP
        from += WIDTH;
    END_WINDOW
}

static void max_pool_back(const Geometry *g, ptrdiff_t begin, ptrdiff_t end, const real *d, const void *which, real *dx) {
    if (begin == 0 && !(windows_apart(g) && windows_cover(g))) memset(dx, 0, (size_t)(g->height * g->width) * LINE_BYTES);
    if (tap_bytes(g) == 4)
        max_pool_back_tile(4, 0, g, begin, end, d, which, dx);
    else if (windows_apart(g))
        max_pool_back_tile(1, 1, g, begin, end, d, which, dx);
    else
        max_pool_back_tile(1, 0, g, begin, end, d, which, dx);
}

/* Pixels [x, x + n) of row y of dx in max_pool_back, where windows lie apart and the first begins with row 0. rd: reals
 * between two pixels of d. */
INLINE void max_unpool_row(const int bytes, const ptrdiff_t width, const Geometry *g, ptrdiff_t y, ptrdiff_t x, ptrdiff_t n,
                           const real *d, ptrdiff_t rd, const void *which, real *to) {
    const ptrdiff_t row = y / g->stride_y, ky = y % g->stride_y;
    ptrdiff_t from = row * g->out_width * WIDTH, at = -g->left - x;
    const int whole = g->stride_x == width && at <= 0 && at + g->out_width * width >= n;
    if (row >= g->out_height || ky >= g->window_height || !whole) memset(to, 0, (size_t)n * LINE_BYTES);
    if (row >= g->out_height || ky >= g->window_height) return;
    d += row * g->out_width * rd;
    if (ky == 0 && rd != WIDTH && row + 1 < g->out_height) /* lines of the next windows lie far apart */
        for (ptrdiff_t column = 0; column < g->out_width; column++) prefetch(d + (g->out_width + column) * rd);
    for (ptrdiff_t column = 0; column < g->out_width; column++, d += rd, from += WIDTH, at += g->stride_x) {
        vec slope[LINE];
        vec_index tap[LINE];
        UNROLL for (int l = 0; l < LINE; l++) {
            slope[l] = load(d + l * LANES);
            tap[l] = load_taps(bytes, which, from + l * LANES);
        }
        const int inside = at >= 0 && at + width <= n;
        const ptrdiff_t first = at < 0 ? -at : 0, last = at + width > n ? n - at : width;
        if (width == 2 && inside) {
            UNROLL for (int kx = 0; kx < 2; kx++) {
                const vec_index number = (vec_index){0} + (real_bits)(ky * width + kx);
                UNROLL for (int l = 0; l < LINE; l++)
                    store(to + (at + kx) * WIDTH + l * LANES, (vec)((vec_index)slope[l] & (tap[l] == number)));
            }
            continue;
        }
        for (ptrdiff_t kx = first; kx < last; kx++) {
            const vec_index number = (vec_index){0} + (real_bits)(ky * width + kx);
            UNROLL for (int l = 0; l < LINE; l++)
                store(to + (at + kx) * WIDTH + l * LANES, (vec)((vec_index)slope[l] & (tap[l] == number)));
        }
    }
}

static void max_unpool(const Geometry *g, ptrdiff_t y, ptrdiff_t x, ptrdiff_t n, const real *d, ptrdiff_t rd,
                       const void *which, real *to) {
    if (tap_bytes(g) == 4)
        max_unpool_row(4, g->window_width, g, y, x, n, d, rd, which, to);
    else if (g->window_width == 2)
        max_unpool_row(1, 2, g, y, x, n, d, rd, which, to);
    else
        max_unpool_row(1, g->window_width, g, y, x, n, d, rd, which, to);
}

/* y = the mean x of each window, of the taps that lie inside the map: row by row, then the rows, so that the error of large
 * windows stays small. */
static void average_pool(const Geometry *g, ptrdiff_t begin, ptrdiff_t end, const real *x, real *y) {
    y += begin * g->out_width * WIDTH;
    EACH_WINDOW(g, rows, columns)
        const vec scale = splat((real)1 / (real)((rows.last - rows.first) * (columns.last - columns.first)));
        vec sum[LINE];
        UNROLL for (int l = 0; l < LINE; l++) sum[l] = splat(0);
        for (ptrdiff_t ky = rows.first; ky < rows.last; ky++) {
            const real *from = x + ((rows.from + ky * g->dilation_y) * g->width + columns.from) * WIDTH;
            vec line[LINE];
            UNROLL for (int l = 0; l < LINE; l++) line[l] = splat(0);
            for (ptrdiff_t kx = columns.first; kx < columns.last; kx++)
                UNROLL for (int l = 0; l < LINE; l++) line[l] += load(from + kx * g->dilation_x * WIDTH + l * LANES);
            UNROLL for (int l = 0; l < LINE; l++) sum[l] += line[l];
        }
        UNROLL for (int l = 0; l < LINE; l++) store(y + l * LANES, sum[l] * scale);
        y += WIDTH;
    END_WINDOW
}

/* dx of y = sum x / count, of average_pool; the first rows of windows come first. */
static void average_pool_back(const Geometry *g, ptrdiff_t begin, ptrdiff_t end, const real *d, real *dx) {
    d += begin * g->out_width * WIDTH;
    if (begin == 0) memset(dx, 0, (size_t)(g->height * g->width) * LINE_BYTES);
    EACH_WINDOW(g, rows, columns)
        const vec scale = splat((real)1 / (real)((rows.last - rows.first) * (columns.last - columns.first)));
        EACH_TAP(g, rows, columns)
            UNROLL for (int l = 0; l < LINE; l++)
                store(dx + at + l * LANES, load(dx + at + l * LANES) + load(d + l * LANES) * scale);
        END_TAP
        d += WIDTH;
    END_WINDOW
}

#endif
