/* Eight rows (or eight quadrature nodes) side by side, in the same IEEE operations on every machine.
 *
 * `lanes` are added and multiplied with C's own operators, which compilers split into whatever the
 * machine has: one AVX-512 register, two of AVX2, four of SSE2. Only comparing and choosing need to
 * know the machine. Nothing here may be fused or reordered: compile with -ffp-contract=off.
 */
#ifndef GLASSKIT_VECTORS_H
#define GLASSKIT_VECTORS_H

#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define LANES 8

typedef double lanes __attribute__((vector_size(64)));
typedef double half_lanes __attribute__((vector_size(32)));

static inline lanes every(double x) { return (lanes){x, x, x, x, x, x, x, x}; }

static inline lanes load(const double *from) {
    lanes loaded;
    memcpy(&loaded, from, sizeof loaded);
    return loaded;
}

#if defined(__AVX512F__) && defined(__AVX512DQ__)

typedef __mmask8 mask; /* bit i is true where lane i is */

static inline mask at_most(lanes x, lanes limit) {
    return _mm512_cmp_pd_mask((__m512d)x, (__m512d)limit, _CMP_LE_OQ);
}
static inline lanes choose(mask where, lanes yes, lanes no) {
    return (lanes)_mm512_mask_blend_pd(where, (__m512d)no, (__m512d)yes);
}
static inline mask both(mask a, mask b) { return (mask)(a & b); }
static inline mask but_not(mask a, mask b) { return (mask)(a & ~b); }
static inline mask opposite(mask a) { return (mask)~a; }

#else

typedef int64_t mask __attribute__((vector_size(64))); /* all bits of lane i are set where it is true */

static inline mask at_most(lanes x, lanes limit) { return (mask)(x <= limit); }
static inline mask both(mask a, mask b) { return a & b; }
static inline mask but_not(mask a, mask b) { return a & ~b; }
static inline mask opposite(mask a) { return ~a; }

#if defined(__AVX2__)
static inline lanes choose(mask where, lanes yes, lanes no) {
    union { lanes all; __m256d part[2]; } w = {(lanes)where}, y = {yes}, n = {no};
    n.part[0] = _mm256_blendv_pd(n.part[0], y.part[0], w.part[0]);
    n.part[1] = _mm256_blendv_pd(n.part[1], y.part[1], w.part[1]);
    return n.all;
}
#else
static inline lanes choose(mask where, lanes yes, lanes no) {
    return (lanes)((where & (mask)yes) | (~where & (mask)no));
}
#endif
#endif

/* The sum over eight nodes in one fixed order; absent nodes count as zero. */
static inline double total(lanes x) {
    union { lanes all; double lane[LANES]; } u = {x};
    double a = u.lane[0] + u.lane[4], b = u.lane[1] + u.lane[5];
    double c = u.lane[2] + u.lane[6], d = u.lane[3] + u.lane[7];
    return (a + c) + (b + d);
}

/* The same sum of vectors, one per node: total() of every lane, bit for bit. */
static inline lanes total_of(const lanes *node, int n) {
    lanes part[4];
    for (int i = 0; i < 4 && i < n; i++) part[i] = i + 4 < n ? node[i] + node[i + 4] : node[i];
    lanes even = n > 2 ? part[0] + part[2] : part[0];
    if (n < 2) return even;
    return even + (n > 3 ? part[1] + part[3] : part[1]);
}

#endif
