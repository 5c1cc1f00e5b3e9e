/* The kernels, compiled once for every instruction set (LEVEL names it), the same bits from each. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "model.h"
#include "vectors.h"

#define PASTE(a, b) a##_##b
#define WITH_LEVEL(a, b) PASTE(a, b)
#define AT_LEVEL(name) WITH_LEVEL(name, LEVEL)

enum { SMALL = 128 };    /* nodes of a tree that is better evaluated whole than walked */

#define GROUPS (ROWS_AT_ONCE / LANES)
static const double ADDITIVITY = 1e-9;

/* Eight rows and what is known about them during a walk. */
typedef struct {
    const lanes *columns;   /* [n_columns] */
    const Node *nodes;
    const double *factors;
    lanes *phi;             /* [n_features * n_outputs], moved on to the walk's output */
    mask *met;              /* [n_features]: does the row satisfy all tests of the feature so far? */
    int64_t n_outputs;
    lanes t[QUADRATURE], u[QUADRATURE];
} Group;

typedef struct {
    const Node *first_node;
    const double *weights;
    lanes *w;               /* [n][QUADRATURE]: (o - z) / F of every feature on the path */
    int32_t *feature;       /* [n] */
    int n;
    lanes unmet[QUADRATURE]; /* (o - z) / F for o = 0 */
    lanes *sums;            /* [pairs of features] */
} Pairs;

#define POINTS 1
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS
#define POINTS 2
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS
#define POINTS 3
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS
#define POINTS 4
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS
#define POINTS 5
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS
#define POINTS 6
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS
#define POINTS 7
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS
#define POINTS 8
#include "descend.h"
#include "descend_pairs.h"
#undef POINTS

/* ---- columns ---- */

/* columns[group][column][lane]; lanes beyond the last row hold zeros. */
static void fill_columns(const Model *model, const double *rows, int n, lanes *columns) {
    int64_t n_columns = model->n_columns;
    for (int64_t c = 0; c < n_columns; c++) {
        const Column *column = model->columns + c;
        const double *from = rows + column->feature;
        for (int r = 0; r < (n + LANES - 1) / LANES * LANES; r++) {
            double x = r < n ? compared(model, from[r * model->n_features]) : 0.0;
            double *to = (double *)(columns + (r / LANES) * n_columns + c) + r % LANES;
            *to = column->kind == NAN_GOES_RIGHT ? x : as_column(model, column, x);
        }
    }
}

/* ---- SHAP values ---- */

static lanes walk_down(Group *group, const Walk *walk) {
    lanes above[QUADRATURE], below[QUADRATURE];
    const Node *root = group->nodes + walk->first;
    for (int q = 0; q < walk->n_points; q++) above[q] = every(walk->weight[q]);
    switch (walk->n_points) {
    case 1: return descend_1(group, root, above, below);
    case 2: return descend_2(group, root, above, below);
    case 3: return descend_3(group, root, above, below);
    case 4: return descend_4(group, root, above, below);
    case 5: return descend_5(group, root, above, below);
    case 6: return descend_6(group, root, above, below);
    case 7: return descend_7(group, root, above, below);
    default: return descend_8(group, root, above, below);
    }
}

/* Nodes in lanes: one row, the same bits as descend.h gives it among others. */
typedef struct {
    const double *columns;
    const Node *nodes;
    const double *factors;
    double *phi;
    uint8_t *met;
    int64_t n_outputs;
    lanes t, u;
} One;

static double descend_one(const One *row, const Node *node, const lanes *above, lanes *below) {
    int left = row->columns[node->column] <= node->threshold;
    double *phi = row->phi + (int64_t)node->feature * row->n_outputs;
    uint8_t *met = row->met + node->feature, on_path = 1;
    lanes r, c, rest, from_left, from_right;
    double gain = node->gain[!left], left_leaf, right_leaf;
    if (node->kind & AGAIN) {
        const double *factors = row->factors + node->factors;
        on_path = *met;
        int side = left ? 0 : 1;
        r = on_path ? load(factors + (R_LEFT + side) * QUADRATURE) : every(node->share);
        rest = on_path ? load(factors + (REST_LEFT + side) * QUADRATURE) : every(1.0 - node->share);
        gain = on_path ? gain : 0.0;
    } else {
        lanes base = every(node->share) * row->u;
        r = left ? base + row->t : base;
        if (node->kind == BOTH_LEAVES) {
            *phi += total(*above) * gain;
            *below = every(node->value[1]) + r * every(node->value[0] - node->value[1]);
            return node->value[!left];
        }
        rest = every(1.0 - node->share) * row->u;
        rest = left ? rest : rest + row->t;
    }
    if (node->child[0] >= 0) {
        *met = on_path & left;
        c = *above * r;
        left_leaf = descend_one(row, row->nodes + node->child[0], &c, &from_left);
    } else {
        left_leaf = node->value[0];
        from_left = every(left_leaf);
    }
    if (node->child[1] >= 0) {
        *met = on_path & !left;
        c = *above * rest;
        right_leaf = descend_one(row, row->nodes + node->child[1], &c, &from_right);
    } else {
        right_leaf = node->value[1];
        from_right = every(right_leaf);
    }
    *met = on_path;
    lanes difference = from_left - from_right;
    *below = from_right + r * difference;
    c = *above;
    if (node->kind & AGAIN) c = c * load(row->factors + node->factors + INVERSE * QUADRATURE);
    *phi += total(c * difference) * gain;
    return left ? left_leaf : right_leaf;
}

/* Divides sums and checks them: the first row for which base + sum != margin, or NOTHING_WRONG. */
static int64_t finished(const Model *model, const double *sums, int apart, int k, double *values,
                        double *margin) {
    double explained = model->expected[k], magnitude = 0.0;
    for (int64_t f = 0; f < model->n_features; f++) {
        int64_t cell = f * model->n_outputs + k;
        double value = sums[cell * apart] / model->divisor;
        values[cell] = value;
        explained += value;
        magnitude += fabs(value);
    }
    *margin = *margin / model->divisor + model->base_scores[k];
    double scale = 1.0 + fabs(*margin) + magnitude;
    return fabs(explained - *margin) <= ADDITIVITY * scale;
}

static int64_t shap_of_few(const Model *model, const double *rows, int64_t n, double *values, double *margins) {
    int64_t n_cells = model->n_features * model->n_outputs, wrong = NOTHING_WRONG;
    double *columns = malloc(sizeof(double) * (size_t)(model->n_columns + n_cells + 1) + (size_t)model->n_features);
    if (!columns) return NO_MEMORY;
    double *phi = columns + model->n_columns;
    uint8_t *met = (uint8_t *)(phi + n_cells + 1);
    One one = {columns, NULL, model->factors, NULL, met, model->n_outputs, every(0.0), every(0.0)};
    for (int64_t r = 0; r < n; r++) {
        double *margin = margins + r * model->n_outputs;
        fill_row(model, rows + r * model->n_features, columns, 1);
        memset(phi, 0, sizeof(double) * (size_t)n_cells);
        for (int64_t k = 0; k < model->n_outputs; k++) margin[k] = 0.0;
        for (int64_t w = 0; w < model->n_walks; w++) {
            const Walk *walk = model->walks + w;
            double leaf = walk->leaf;
            if (walk->n_nodes) {
                lanes above = load(walk->weight), below;
                one.nodes = model->nodes;
                one.phi = phi + walk->output;
                one.t = load(walk->t);
                one.u = load(walk->u);
                leaf = descend_one(&one, one.nodes + walk->first, &above, &below);
            }
            if (walk->counts) margin[walk->output] += leaf;
        }
        for (int k = 0; k < model->n_outputs; k++)
            if (!finished(model, phi, 1, k, values + r * n_cells, margin + k) && wrong < 0)
                wrong = r * model->n_outputs + k;
    }
    free(columns);
    return wrong;
}

static void *aligned(size_t n_bytes) {
    size_t rounded = (n_bytes + 63) / 64 * 64;
    return aligned_alloc(64, rounded ? rounded : 64);
}

/* Whether nodes in lanes are quicker than rows in lanes. */
static int few(int64_t n) { return n <= 2; }

int64_t AT_LEVEL(shap)(const Model *model, const double *rows, int64_t n, double *values, double *margins) {
    if (few(n)) return shap_of_few(model, rows, n, values, margins);
    int64_t n_cells = model->n_features * model->n_outputs, wrong = NOTHING_WRONG;
    int64_t n_groups = n < ROWS_AT_ONCE ? (n + LANES - 1) / LANES : GROUPS;
    int64_t n_lanes = n_groups * (model->n_columns + n_cells + model->n_outputs);
    lanes *columns = aligned(sizeof(lanes) * (size_t)n_lanes + sizeof(mask) * (size_t)model->n_features);
    if (!columns) return NO_MEMORY;
    lanes *phi = columns + n_groups * model->n_columns;
    lanes *leaves = phi + n_groups * n_cells;
    Group group = {.factors = model->factors, .nodes = model->nodes,
                   .met = (mask *)(columns + n_lanes), .n_outputs = model->n_outputs};
    for (int64_t start = 0; start < n; start += ROWS_AT_ONCE) {
        int n_rows = (int)(n - start < ROWS_AT_ONCE ? n - start : ROWS_AT_ONCE);
        int in_use = (n_rows + LANES - 1) / LANES;
        fill_columns(model, rows + start * model->n_features, n_rows, columns);
        memset(phi, 0, sizeof(lanes) * (size_t)(n_groups * (n_cells + model->n_outputs)));
        for (int64_t w = 0; w < model->n_walks; w++) {
            const Walk *walk = model->walks + w;
            for (int q = 0; q < walk->n_points; q++) group.t[q] = every(walk->t[q]);
            for (int g = 0; g < in_use; g++) {
                lanes leaf = every(walk->leaf);
                if (walk->n_nodes) {
                    group.columns = columns + g * model->n_columns;
                    group.phi = phi + g * n_cells + walk->output;
                    leaf = walk_down(&group, walk);
                }
                if (walk->counts) leaves[g * model->n_outputs + walk->output] += leaf;
            }
        }
        for (int r = 0; r < n_rows; r++) {
            int64_t row = start + r;
            const double *sums = (const double *)(phi + (r / LANES) * n_cells) + r % LANES;
            for (int k = 0; k < model->n_outputs; k++) {
                double *margin = margins + row * model->n_outputs + k;
                *margin = ((const double *)(leaves + (r / LANES) * model->n_outputs + k))[r % LANES];
                if (!finished(model, sums, LANES, k, values + row * n_cells, margin) && wrong < 0)
                    wrong = row * model->n_outputs + k;
            }
        }
    }
    free(columns);
    return wrong;
}

/* ---- margins alone ---- */

/* The leaf each of eight rows reaches, by choosing at every node, children before parents. */
static lanes choose_leaves(const Model *model, const Walk *walk, const lanes *columns, lanes *chosen) {
    const Node *nodes = model->nodes + walk->first;
    for (int i = walk->n_nodes - 1; i >= 0; i--) {
        const Node *node = nodes + i;
        lanes left = node->child[0] < 0 ? every(node->value[0]) : chosen[node->child[0] - walk->first];
        lanes right = node->child[1] < 0 ? every(node->value[1]) : chosen[node->child[1] - walk->first];
        chosen[i] = choose(at_most(columns[node->column], every(node->threshold)), left, right);
    }
    return chosen[0];
}

static double walk_to_leaf(const Model *model, const Walk *walk, const double *columns) {
    const Node *node = model->nodes + walk->first;
    if (!walk->n_nodes) return walk->leaf;
    for (;;) {
        int side = !(columns[node->column * LANES] <= node->threshold);
        if (node->child[side] < 0) return node->value[side];
        node = model->nodes + node->child[side];
    }
}

int64_t AT_LEVEL(margins)(const Model *model, const double *rows, int64_t n, double *margins) {
    lanes *columns = aligned(sizeof(lanes) * (size_t)(model->n_columns + SMALL + model->n_outputs));
    if (!columns) return NO_MEMORY;
    lanes *chosen = columns + model->n_columns, *sums = chosen + SMALL;
    for (int64_t start = 0; start < n; start += LANES) {
        int n_rows = (int)(n - start < LANES ? n - start : LANES);
        fill_columns(model, rows + start * model->n_features, n_rows, columns);
        memset(sums, 0, sizeof(lanes) * (size_t)model->n_outputs);
        for (int64_t w = 0; w < model->n_walks; w++) {
            const Walk *walk = model->walks + w;
            double *sum = (double *)(sums + walk->output);
            if (!walk->counts) continue;
            if (n_rows > 2 && walk->n_nodes && walk->n_nodes <= SMALL)
                sums[walk->output] += choose_leaves(model, walk, columns, chosen);
            else
                for (int r = 0; r < n_rows; r++)
                    sum[r] += walk_to_leaf(model, walk, (const double *)columns + r);
        }
        for (int r = 0; r < n_rows; r++)
            for (int64_t k = 0; k < model->n_outputs; k++)
                margins[(start + r) * model->n_outputs + k] =
                    ((const double *)(sums + k))[r] / model->divisor + model->base_scores[k];
    }
    free(columns);
    return NOTHING_WRONG;
}

/* ---- interactions ---- */

static lanes walk_pairs(Group *group, Pairs *pairs, const Walk *walk) {
    lanes above[QUADRATURE], below[QUADRATURE];
    const Node *root = group->nodes + walk->first;
    for (int q = 0; q < walk->n_points; q++) above[q] = every(walk->weight[q]);
    switch (walk->n_points) {
    case 1: return descend_pairs_1(group, pairs, root, above, below);
    case 2: return descend_pairs_2(group, pairs, root, above, below);
    case 3: return descend_pairs_3(group, pairs, root, above, below);
    case 4: return descend_pairs_4(group, pairs, root, above, below);
    case 5: return descend_pairs_5(group, pairs, root, above, below);
    case 6: return descend_pairs_6(group, pairs, root, above, below);
    case 7: return descend_pairs_7(group, pairs, root, above, below);
    default: return descend_pairs_8(group, pairs, root, above, below);
    }
}

/* One row's matrix: half of every pair on either side of the diagonal, on it what is left of phi. */
static int write_matrix(const Model *model, const double *phi, const double *sums, int k, double *values,
                        double *margin) {
    int64_t n = model->n_features, n_outputs = model->n_outputs;
    double explained = model->expected[k], magnitude = 0.0;
    for (int64_t i = 0; i < n; i++) values[(i * n + i) * n_outputs + k] = phi[i * LANES] / model->divisor;
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < i; j++) {
            double half = 0.5 * sums[(i * (i - 1) / 2 + j) * LANES] / model->divisor;
            values[(i * n + j) * n_outputs + k] = values[(j * n + i) * n_outputs + k] = half;
            values[(i * n + i) * n_outputs + k] -= half;
            values[(j * n + j) * n_outputs + k] -= half;
        }
    for (int64_t i = 0; i < n * n; i++) {
        explained += values[i * n_outputs + k];
        magnitude += fabs(values[i * n_outputs + k]);
    }
    *margin = *margin / model->divisor + model->base_scores[k];
    return fabs(explained - *margin) <= ADDITIVITY * (1.0 + fabs(*margin) + magnitude);
}

int64_t AT_LEVEL(interactions)(const Model *model, const double *rows, int64_t n, double *values, double *margins) {
    int64_t n_features = model->n_features, wrong = NOTHING_WRONG;
    int64_t n_pairs = n_features * (n_features - 1) / 2;
    int64_t on_path = n_features < DEEPEST ? n_features : DEEPEST;
    int64_t n_sums = n_features + n_pairs, n_lanes = model->n_columns + n_sums + on_path * QUADRATURE;
    lanes *columns = aligned(sizeof(lanes) * (size_t)n_lanes +
                             (sizeof(mask) + sizeof(int32_t)) * (size_t)n_features + 64);
    if (!columns) return NO_MEMORY;
    lanes *phi = columns + model->n_columns, *w = phi + n_sums;
    mask *met = (mask *)(w + on_path * QUADRATURE);
    Group group = {.columns = columns, .nodes = model->nodes, .factors = model->factors, .phi = phi,
                   .met = met, .n_outputs = 1};
    Pairs pairs = {.first_node = model->nodes, .weights = model->pair_weights, .w = w,
                   .feature = (int32_t *)(met + n_features), .sums = phi + n_features};
    for (int64_t start = 0; start < n; start += LANES) {
        int n_rows = (int)(n - start < LANES ? n - start : LANES);
        fill_columns(model, rows + start * n_features, n_rows, columns);
        for (int k = 0; k < model->n_outputs; k++) {
            lanes leaves = every(0.0);
            memset(phi, 0, sizeof(lanes) * (size_t)n_sums);
            for (int64_t i = 0; i < model->n_walks; i++) {
                const Walk *walk = model->walks + i;
                if (walk->output != k) continue;
                lanes leaf = every(walk->leaf);
                if (walk->n_nodes) {
                    for (int q = 0; q < walk->n_points; q++) {
                        group.t[q] = every(walk->t[q]);
                        group.u[q] = every(walk->u[q]);
                        pairs.unmet[q] = every(-1.0 / walk->u[q]);
                    }
                    pairs.n = 0;
                    leaf = walk_pairs(&group, &pairs, walk);
                }
                if (walk->counts) leaves += leaf;
            }
            for (int r = 0; r < n_rows; r++) {
                double *margin = margins + (start + r) * model->n_outputs + k;
                *margin = ((const double *)&leaves)[r];
                double *matrix = values + (start + r) * n_features * n_features * model->n_outputs;
                if (!write_matrix(model, (const double *)phi + r, (const double *)(phi + n_features) + r, k,
                                  matrix, margin) && wrong < 0)
                    wrong = (start + r) * model->n_outputs + k;
            }
        }
    }
    free(columns);
    return wrong;
}
