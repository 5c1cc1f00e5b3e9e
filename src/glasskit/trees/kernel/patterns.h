/* One leaf against a background, from how often background rows satisfy which of its k features.
 *
 * Let c be the features of the path that the row does not satisfy, b their number, q a background
 * row's pattern. Nothing reaches the leaf unless q contains c; then exactly c belongs to the background
 * alone, and the a = k - |q| features outside q to the row alone. With S_a(c) the number of background
 * rows whose q contains c and lacks a features, and s! r! / (s + r + 1)! the weight of an order,
 *
 *     phi_i = - v / n  sum over a of S_a(c) (b-1)! a! / (a+b)!                          i in c
 *     phi_i =   v / n  sum over a > 0 of (S_a(c) - S_a(c with i)) (a-1)! b! / (a+b)!    i not in c
 *
 * S counts rows, so it is exact however it is found: by looking at the patterns one after another for
 * one row, or for all c at once by adding up supersets. Both go through `weighed`, so bits agree.
 */
#ifndef GLASSKIT_PATTERNS_H
#define GLASSKIT_PATTERNS_H

#include "tables.h"
#include "vectors.h"

enum { MOST_TABLED = 13 };  /* features of a leaf whose table is worth making for a block of rows */

static inline int n_strata(const Deep *deep) { return deep->n_bits / LANES + 1; } /* groups of LANES */

static inline double weighed(const double *counts, const double *weights, int groups) {
    lanes sum = load(counts) * load(weights);
    for (int g = 1; g < groups; g++) sum += load(counts + g * LANES) * load(weights + g * LANES);
    return total(sum);
}

/* phi of one leaf for the row that does not satisfy the features `unmet`. Returns 0 if all are zero. */
static inline int one_against_background(const Tables *tables, const Deep *deep, uint32_t unmet, double *phi) {
    const uint32_t *patterns = tables->patterns + deep->first_pattern;
    const uint32_t *n_rows = tables->pattern_rows + deep->first_pattern;
    int groups = n_strata(deep), k = deep->n_bits, b = __builtin_popcount(unmet), found = 0;
    uint32_t free = (k == 32 ? 0 : 1u << k) - 1u;
    double counts[STRATA] = {0}, with[MOST_DEEP][STRATA];
    free &= ~unmet;
    for (int from = 0; from < deep->n_patterns; from += PATTERNS) {
        uint32_t containing_all = containing(patterns + from, unmet);
        if (deep->n_patterns - from < PATTERNS) containing_all &= (1u << (deep->n_patterns - from)) - 1u;
        if (containing_all && !found)
            for (uint32_t rest = free; rest; rest &= rest - 1)
                memset(with[__builtin_ctz(rest)], 0, sizeof(double) * (size_t)(groups * LANES));
        for (found |= containing_all != 0; containing_all; containing_all &= containing_all - 1) {
            int p = from + __builtin_ctz(containing_all), a = k - __builtin_popcount(patterns[p]);
            counts[a] += n_rows[p];
            for (uint32_t rest = patterns[p] & free; rest; rest &= rest - 1)
                with[__builtin_ctz(rest)][a] += n_rows[p];
        }
    }
    if (!found) return 0;
    double scale = deep->value / (double)tables->n_background;
    double reached = weighed(counts, tables->met[b], groups), lost = weighed(counts, tables->unmet[b], groups);
    for (int i = 0; i < k; i++)
        phi[i] = unmet >> i & 1 ? -(scale * lost)
                                : scale * (reached - weighed(with[i], tables->met[b], groups));
    return 1;
}

/* How many doubles of room `table_against_background` needs. */
static inline int64_t table_room(int n_bits) {
    int64_t n = (int64_t)1 << n_bits;
    return n * ((n_bits / LANES + 1) * LANES + (n_bits + WIDTH) / WIDTH * WIDTH + 2);
}

/* The leaf's table for every pattern of unmet features, `width` doubles each, the margin last. */
static double *table_against_background(const Tables *tables, const Deep *deep, int width, double *room) {
    int k = deep->n_bits, groups = n_strata(deep), n = 1 << k, stride = groups * LANES;
    double *table = room, *counts = table + (int64_t)n * width, *reached = counts + (int64_t)n * stride, *over = reached + n;
    memset(counts, 0, sizeof(double) * (size_t)(n * stride));
    for (int p = 0; p < deep->n_patterns; p++) {
        uint32_t pattern = tables->patterns[deep->first_pattern + p];
        counts[(int64_t)pattern * stride + k - __builtin_popcount(pattern)] = tables->pattern_rows[deep->first_pattern + p];
    }
    for (int bit = 1; bit < n; bit <<= 1)
        for (int from = 0; from < n; from += 2 * bit) {
            double *less = counts + (int64_t)from * stride, *more = less + (int64_t)bit * stride;
            for (int i = 0; i < bit * stride; i++) less[i] += more[i];
        }
    double scale = deep->value / (double)tables->n_background;
    for (int c = 0; c < n; c++) {
        int b = __builtin_popcount((unsigned)c);
        reached[c] = weighed(counts + (int64_t)c * stride, tables->met[b], groups);
        over[c] = b ? weighed(counts + (int64_t)c * stride, tables->met[b - 1], groups) : 0.0;
    }
    for (int c = 0; c < n; c++) {
        double *row = table + (int64_t)c * width;
        double lost = weighed(counts + (int64_t)c * stride, tables->unmet[__builtin_popcount((unsigned)c)], groups);
        for (int i = 0; i < k; i++)
            row[i] = c >> i & 1 ? -(scale * lost) : scale * (reached[c] - over[c | 1 << i]);
        row[k] = c ? 0.0 : deep->value;
        for (int i = k + 1; i < width; i++) row[i] = 0.0;
    }
    return table;
}

/* phi of one leaf without a background, for the row that does not satisfy the features `unmet`. */
static inline void one_against_shares(const Tables *tables, const Deep *deep, uint32_t unmet, double *phi) {
    const Walk *walk = tables->model->walks + deep->walk;
    const double *share = tables->shares + deep->first_share;
    for (int i = 0; i < deep->n_bits; i++) phi[i] = 0.0;
    for (int q = 0; q < walk->n_points; q++) {
        double factor[MOST_SHARES], before[MOST_SHARES + 1], t = walk->t[q], after = walk->weight[q] * deep->value;
        before[0] = 1.0;
        for (int i = 0; i < deep->n_bits; i++) {
            factor[i] = (unmet >> i & 1 ? 0.0 : t) + (1.0 - t) * share[i];
            before[i + 1] = before[i] * factor[i];
        }
        for (int i = deep->n_bits - 1; i >= 0; i--) {
            phi[i] += ((unmet >> i & 1 ? 0.0 : 1.0) - share[i]) * (before[i] * after);
            after *= factor[i];
        }
    }
}

#endif
