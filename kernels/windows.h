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

/* The number of a tap in as many bytes as the largest needs. */
typedef uint8_t vec_bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
typedef int32_t vec_words __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE int tap_bytes(const Geometry *g) { return g->window_height * g->window_width <= 256 ? 1 : 4; }

INLINE void store_taps(const int bytes, void *to, ptrdiff_t at, vec_index taps) {
    if (bytes == 1) *(vec_bytes *)((uint8_t *)to + at) = __builtin_convertvector(taps, vec_bytes);
    if (bytes == 4) *(vec_words *)((int32_t *)to + at) = __builtin_convertvector(taps, vec_words);
}

INLINE vec_index load_taps(const int bytes, const void *from, ptrdiff_t at) {
    if (bytes == 1) return __builtin_convertvector(*(const vec_bytes *)((const uint8_t *)from + at), vec_index);
    return __builtin_convertvector(*(const vec_words *)((const int32_t *)from + at), vec_index);
}

/* y = the largest x of each window, of equals the first; NaN is larger than all. which: its tap, unless bytes is 0. */
INLINE void max_pool_tile(const int bytes, const Geometry *g, ptrdiff_t begin, ptrdiff_t end, const real *x, real *y,
                          void *which) {
    ptrdiff_t to = begin * g->out_width * WIDTH;
    EACH_WINDOW(g, rows, columns)
        vec best[LINE];
        vec_index tap[LINE];
        const real_bits start = (real_bits)(rows.first * g->window_width + columns.first);
        UNROLL for (int l = 0; l < LINE; l++) best[l] = splat(-INFINITY), tap[l] = (vec_index){0} + start;
        EACH_TAP(g, rows, columns)
            const vec_index number = (vec_index){0} + (real_bits)(ky * g->window_width + kx);
            UNROLL for (int l = 0; l < LINE; l++) {
                const vec next = load(x + at + l * LANES);
                const vec_index larger = ~(next <= best[l]) & (best[l] == best[l]);
                best[l] = chosen(larger, next, best[l]);
                if (bytes) tap[l] = (number & larger) | (tap[l] & ~larger);
            }
        END_TAP
        UNROLL for (int l = 0; l < LINE; l++) {
            store(y + to + l * LANES, best[l]);
            store_taps(bytes, which, to + l * LANES, tap[l]);
        }
        to += WIDTH;
    END_WINDOW
}

/* which: NULL where nobody will ask. */
static void max_pool(const Geometry *g, ptrdiff_t begin, ptrdiff_t end, const real *x, real *y, void *which) {
    if (!which)
        max_pool_tile(0, g, begin, end, x, y, which);
    else if (tap_bytes(g) == 1)
        max_pool_tile(1, g, begin, end, x, y, which);
    else
        max_pool_tile(4, g, begin, end, x, y, which);
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
