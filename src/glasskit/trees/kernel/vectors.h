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

static inline lanes magnitude_of(lanes x) {
    int64_t sign __attribute__((vector_size(64))) = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX,
                                                     INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
    return (lanes)((__typeof__(sign))x & sign);
}

static inline void store(double *to, lanes from) { memcpy(to, &from, sizeof from); }

#if defined(__AVX512F__) && defined(__AVX512DQ__)

/* Lane j of vector i becomes lane i of vector j. */
static inline void transpose(lanes v[LANES]) {
    __m512d pairs[LANES], fours[LANES];
    for (int i = 0; i < LANES; i += 2) {
        pairs[i] = _mm512_unpacklo_pd((__m512d)v[i], (__m512d)v[i + 1]);
        pairs[i + 1] = _mm512_unpackhi_pd((__m512d)v[i], (__m512d)v[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; j++) {
            fours[i + j] = _mm512_shuffle_f64x2(pairs[i + j], pairs[i + j + 2], 0x88);
            fours[i + j + 2] = _mm512_shuffle_f64x2(pairs[i + j], pairs[i + j + 2], 0xdd);
        }
    for (int j = 0; j < 4; j++) {
        v[j] = (lanes)_mm512_shuffle_f64x2(fours[j], fours[j + 4], 0x88);
        v[j + 4] = (lanes)_mm512_shuffle_f64x2(fours[j], fours[j + 4], 0xdd);
    }
}

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

#if defined(__AVX2__)
/* Four by four: lane j of from[i] becomes lane i of to[j]. */
static inline void transpose_quarter(const __m256d from[4], __m256d to[4]) {
    __m256d a = _mm256_unpacklo_pd(from[0], from[1]), b = _mm256_unpackhi_pd(from[0], from[1]);
    __m256d c = _mm256_unpacklo_pd(from[2], from[3]), d = _mm256_unpackhi_pd(from[2], from[3]);
    to[0] = _mm256_permute2f128_pd(a, c, 0x20);
    to[1] = _mm256_permute2f128_pd(b, d, 0x20);
    to[2] = _mm256_permute2f128_pd(a, c, 0x31);
    to[3] = _mm256_permute2f128_pd(b, d, 0x31);
}
static inline void transpose(lanes v[LANES]) {
    union { lanes all; __m256d part[2]; } w[LANES];
    __m256d from[4], to[2][2][4];
    for (int i = 0; i < LANES; i++) w[i].all = v[i];
    for (int rows = 0; rows < 2; rows++)
        for (int half = 0; half < 2; half++) {
            for (int i = 0; i < 4; i++) from[i] = w[4 * rows + i].part[half];
            transpose_quarter(from, to[half][rows]);
        }
    for (int i = 0; i < LANES; i++) {
        w[i].part[0] = to[i / 4][0][i % 4];
        w[i].part[1] = to[i / 4][1][i % 4];
        v[i] = w[i].all;
    }
}
#else
static inline void transpose(lanes v[LANES]) {
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < i; j++) {
            double kept = v[i][j];
            v[i][j] = v[j][i];
            v[j][i] = kept;
        }
}
#endif

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

enum { PATTERNS = 16 };

/* Which of sixteen patterns contain all the bits: bit i for the i-th. */
static inline uint32_t containing(const uint32_t *patterns, uint32_t bits) {
#if defined(__AVX512F__)
    __m512i wanted = _mm512_set1_epi32((int)bits);
    return _mm512_cmpeq_epi32_mask(_mm512_and_si512(_mm512_loadu_si512(patterns), wanted), wanted);
#elif defined(__AVX2__)
    __m256i wanted = _mm256_set1_epi32((int)bits);
    __m256i low = _mm256_loadu_si256((const __m256i *)patterns), high = _mm256_loadu_si256((const __m256i *)patterns + 1);
    low = _mm256_cmpeq_epi32(_mm256_and_si256(low, wanted), wanted);
    high = _mm256_cmpeq_epi32(_mm256_and_si256(high, wanted), wanted);
    return (uint32_t)_mm256_movemask_ps((__m256)low) | (uint32_t)_mm256_movemask_ps((__m256)high) << 8;
#else
    uint32_t found = 0;
    for (int i = 0; i < PATTERNS; i++) found |= (uint32_t)((patterns[i] & bits) == bits) << i;
    return found;
#endif
}

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
