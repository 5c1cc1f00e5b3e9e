/* A tree ensemble compiled for exact explanation, and what the kernels do with it.
 *
 * The game. A feature inside a coalition follows the row, one outside goes both ways in proportion
 * to the training weight. Write the Shapley weight as an integral over t in [0, 1]; then a feature
 * tested on a path multiplies what arrives at the leaf by
 *
 *     F = t o + (1 - t) z        o: 1 if the row satisfies the path's tests of it, else 0
 *                                z: the share of the training weight that does
 *
 * and phi_i = integral of (o_i - z_i) * v * product of the other features' F. The integrand is a
 * polynomial, so Gauss-Legendre quadrature with ceil(k / 2) nodes t_q is exact for k features.
 *
 * One walk down the tree and up again does it for all leaves at once. Let C_q be the product of the
 * factors from the root to a node (times the quadrature weight), and h_q(child) the sum over the
 * leaves below a child of value times the factors below it. At a node whose feature has the share z
 * on its left side, with u = 1 - t,
 *
 *     R = t o + u z            o: does the row go left?       (1 - R is the right side's factor)
 *     below:  C_left = C R,    C_right = C (t (1 - o) + u (1 - z))
 *     above:  h = h_right + R (h_left - h_right)
 *     phi_feature += (o - z) * sum over q of C_q (h_left - h_right)
 *
 * A feature tested again further down must replace its factor instead of multiplying another one
 * in. With p its share so far and A = t + u p, the ratio of new to old factor is
 *
 *     R = (t + u p z) / A      the row is on the path so far, and goes left
 *         (u p z) / A          on the path so far, goes right
 *         z                    not on the path any more
 *     phi_feature += g * sum over q of C_q / A_q^2 (h_left - h_right),
 *                    g = p (1 - z), -p z or 0 in the three cases
 *
 * which is the first rule for p = 1. Nothing is divided by a factor that may vanish, and all sums
 * are over positive weights, so results are accurate to a few units in the last place.
 */
#ifndef GLASSKIT_MODEL_H
#define GLASSKIT_MODEL_H

#include <stdint.h>

enum { QUADRATURE = 8 };    /* nodes a walk carries; deeper trees are walked once per eight nodes */
enum { DEEPEST = 512 };     /* levels of recursion */
enum { ROWS_AT_ONCE = 128 };

/* How a column is made from a feature's value, so that left is always `column <= threshold`. */
enum column_kind {
    NAN_IS_ZERO,            /* nothing is missing */
    NAN_GOES_LEFT,
    NAN_GOES_RIGHT,
    ZERO_GOES_LEFT,         /* zero (up to LightGBM's tolerance) and NaN are missing */
    ZERO_GOES_RIGHT,
    IN_SET,                 /* 0 where the category goes left, 1 elsewhere */
};

/* IN_SET's flags */
enum { TRUNCATES = 1, NAN_IS_MISSING = 2, ZERO_IS_MISSING = 4, MISSING_GOES_LEFT = 8 };

typedef struct {
    int32_t feature, kind;
    int32_t flags, n_categories;
    int64_t categories;     /* where the set's table of bytes begins */
} Column;

/* What Python hands over: all trees' nodes in one numbering, leaves have left < 0. */
typedef struct {
    int64_t n_trees, n_nodes, n_columns, n_features, n_outputs;
    const int64_t *roots;   /* n_trees + 1: where each tree's nodes begin */
    const int32_t *outputs; /* n_trees */
    const int32_t *left, *right, *column, *feature;
    const double *threshold, *value, *cover;
    const Column *columns;
    const uint8_t *categories;
    int64_t n_categories;
    const double *points, *weights; /* Gauss-Legendre on [0, 1] for n = 1, 2, ...: n entries each, one after another */
    int64_t most_points;
    double divisor;
    const double *base_scores;
    int32_t float32_inputs;
} Description;

enum { BOTH_LEAVES = 1, AGAIN = 2, REMEMBERED = 4 };

typedef struct {
    double threshold;
    double share;           /* z: the left child's share of the weight */
    double gain[2];         /* g when the row goes left, and when it goes right; with two leaves times v_left - v_right */
    double value[2];        /* of children that are leaves */
    int32_t child[2];       /* inner children, else -1 */
    int32_t column, feature;
    int32_t kind;
    int32_t factors;        /* index of the node's first factor array */
} Node;

/* A node's factor arrays, QUADRATURE doubles each.
 *   first test of a feature:  LEFT_BASE u z,  RIGHT_BASE u (1 - z);  with two leaves: h when left, h when right
 *   tested again:             R when left, R when right, 1 - R when left, 1 - R when right, 1 / A^2
 */
enum { R_LEFT, R_RIGHT, REST_LEFT, REST_RIGHT, INVERSE, FACTORS_AGAIN };
enum { LEFT_BASE, RIGHT_BASE, FACTORS_FIRST };

/* One walk: a tree with up to eight of its quadrature nodes. */
typedef struct {
    int64_t first;          /* its root in nodes */
    int32_t n_points, output;
    int32_t counts;         /* whether this walk reports the tree's margin: the tree's first one does */
    int32_t n_nodes;        /* 0: the tree is a single leaf */
    double leaf;
    double t[QUADRATURE], u[QUADRATURE], weight[QUADRATURE];
} Walk;

typedef struct {
    int64_t n_walks, n_nodes, n_factors, n_columns, n_features, n_outputs, n_categories;
    Walk *walks;
    Node *nodes;
    double *factors;
    double *pair_weights;   /* for interactions: 4 arrays per node, made when first asked for */
    Column *columns;
    uint8_t *categories;
    double *base_scores, *expected;
    double divisor;
    int32_t float32_inputs;
} Model;

/* pair_weights of a node: (o - z) / F of its feature towards each child */
enum { TO_LEFT_MET, TO_RIGHT_MET, PAIR_WEIGHTS };

/* The kernels, once per instruction set. Each returns the index (row * outputs + output) of the first
 * row that does not add up, NOTHING_WRONG, or NO_MEMORY. */
enum { NOTHING_WRONG = -1, NO_MEMORY = -2 };

typedef int64_t (*Shap)(const Model *, const double *rows, int64_t n, double *values, double *margins);
typedef int64_t (*Margins)(const Model *, const double *rows, int64_t n, double *margins);
typedef int64_t (*Interactions)(const Model *, const double *rows, int64_t n, double *values, double *margins);

#endif
