/* Explanations looked up instead of computed.
 *
 * What a leaf contributes to every feature depends only on which features of its path the row
 * satisfies: with k features there are 2^k patterns, and all can be evaluated beforehand. Leaves of
 * a tree that ask for much the same are bundled: a bundle's state is a mixed-radix number with one
 * digit for every column it looks at, the digit being the interval the column's value lies in, and
 * its table holds for every state the summed contributions of its leaves, and the value of the leaf
 * that a row in this state has reached. Explaining a row means ranking each column among its
 * thresholds, finding every bundle's state and adding up; the margin comes out in tree order.
 *
 * The background enters through a leaf's measure alone: the share of background rows that satisfy
 * each pattern q of its features (interventional SHAP), or the product of the path's shares
 * (path-dependent SHAP). With factors t o_l + (1 - t) q_l as in model.h, averaged over q,
 *
 *     phi_i(pattern o) = v * integral over t of  sum over q of  measure(q) (o_i - q_i)
 *                        * product over l != i of (t o_l + (1 - t) q_l)
 *
 * and since every factor depends on one bit of o and of q, the sum is a product of 2 x 2 transforms,
 * one for each bit. Leaves that get no table are in patterns.h.
 */
#ifndef GLASSKIT_TABLES_H
#define GLASSKIT_TABLES_H

#include "model.h"

enum { WIDTH = 8 };         /* a state takes a multiple of so many doubles: whole cache lines */

typedef struct {
    int32_t column;
    uint16_t rank, delta;   /* ranks above this one move the state by delta (modulo 2^16) */
} Step;

typedef struct {
    int64_t table;          /* where its first state begins */
    int32_t first_step, n_steps;
    int32_t first_cell, n_cells; /* the last cell is the margin of the bundle's output */
    int32_t width;          /* doubles of one state */
    int32_t base;           /* the state of a row with all ranks zero */
} Bundle;

enum { MOST_SHARES = 16 };  /* features on the path of a leaf without a background: eight quadrature nodes are enough */
enum { MOST_DEEP = 32 };    /* and with one: patterns are words of 32 bits */
enum { STRATA = MOST_DEEP + 8 };

/* A leaf with more patterns than are worth a table: evaluated from its measure for every row. */
typedef struct {
    double value;
    int32_t n_bits, n_conditions, walk, n_patterns; /* the background's patterns; none: the path's shares */
    int64_t first_condition, first_pattern, first_cell, first_share;
    int64_t before;         /* bundles that come before it, so that margins add up in tree order */
} Deep;

typedef struct {
    int32_t column;
    uint16_t rank;
    uint8_t side, bit;
} DeepCondition;

typedef struct {
    const Model *model;
    int64_t n_deep, n_conditions, n_patterns, n_shares, n_background;
    Deep *deep;
    DeepCondition *conditions;
    uint32_t *patterns, *pattern_rows; /* which features background rows satisfy, and how many rows do */
    double *shares;
    double met[MOST_DEEP + 1][STRATA], unmet[MOST_DEEP + 1][STRATA]; /* see patterns.h */
    int64_t n_bundles, n_steps, n_cells, n_table;
    Bundle *bundles;
    Step *steps;
    int32_t *cells;         /* feature * n_outputs + output, of every bundle's table columns; then margins */
    double *table;
    int64_t *first_threshold; /* [n_columns + 1] */
    double *thresholds;     /* ascending in every column; NaN, which nothing is at most, comes first */
    double *expected;
} Tables;

typedef int64_t (*Lookup)(const Tables *, const double *rows, int64_t n, double *values, double *margins);

/* How many of a column's thresholds the value is not at most. */
static inline uint16_t rank_of(const Tables *tables, int64_t column, double value) {
    const double *from = tables->thresholds + tables->first_threshold[column];
    int64_t n = tables->first_threshold[column + 1] - tables->first_threshold[column];
    if (value != value) return (uint16_t)n;
    int64_t low = n > 0 && from[0] != from[0];
    for (int64_t count = n - low; count > 0;) {
        int64_t half = (count + 1) / 2;
        low += half & -(int64_t)(from[low + half - 1] < value);
        count -= half;
    }
    return (uint16_t)low;
}

#endif
