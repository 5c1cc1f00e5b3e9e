/* A row against one background row at a time (pairs.py has the mathematics).
 *
 * Both walk down a tree together. Where they part, the node's feature belongs to the row on the row's side (A)
 * and to the background row on the other (B), and further down it follows that side. A leaf below knows a = |A|
 * and b = |B|; what it gives to every feature of A, and takes from every one of B, is added up on the way back. */
#include <stdint.h>
#include <stdlib.h>

typedef struct {
    int64_t n_trees, n_nodes, n_features, n_outputs, n_weights;
    const int64_t *roots, *outputs, *left, *right, *feature;
    const double *value;
    const double *weights; /* s! c! / (s + c + 1)! at [s, c] */
} Pairs;

enum { UNSEEN, OF_ROW, OF_OTHER };

typedef struct {
    const Pairs *pairs;
    const uint8_t *row, *other; /* whether each goes left at every node */
    double factor;
    double *values;             /* n_features */
    double *by_pair;            /* n_features squared, above the path's order; NULL if nobody asks */
    uint8_t *side;              /* n_features */
    int64_t *in_a, *in_b;       /* the features of A and of B, in the order of the path */
} Meeting;

typedef struct {
    double gain, loss;
} Sums;

static double weight(const Meeting *m, int64_t s, int64_t c) { return m->pairs->weights[s * m->pairs->n_weights + c]; }

static void add_pairs(Meeting *m, double value, int64_t a, int64_t b) {
    int64_t n = m->pairs->n_features;
    if (a > 1) {
        double share = 0.5 * value * weight(m, a - 2, b);
        for (int64_t i = 0; i < a; i++)
            for (int64_t j = i + 1; j < a; j++) m->by_pair[m->in_a[i] * n + m->in_a[j]] += share;
    }
    if (b > 1) {
        double share = 0.5 * value * weight(m, b - 2, a);
        for (int64_t i = 0; i < b; i++)
            for (int64_t j = i + 1; j < b; j++) m->by_pair[m->in_b[i] * n + m->in_b[j]] += share;
    }
    if (a && b) {
        double share = -0.5 * value * weight(m, a - 1, b - 1);
        for (int64_t i = 0; i < a; i++)
            for (int64_t j = 0; j < b; j++) m->by_pair[m->in_a[i] * n + m->in_b[j]] += share;
    }
}

static Sums walk(Meeting *m, int64_t node, int64_t a, int64_t b) {
    const Pairs *p = m->pairs;
    while (p->left[node] >= 0) {
        int64_t feature = p->feature[node];
        int row = m->row[node], other = m->other[node], side = m->side[feature];
        if (row == other || side != UNSEEN) {
            node = (side == OF_OTHER ? other : row) ? p->left[node] : p->right[node];
            continue;
        }
        m->side[feature] = OF_ROW;
        m->in_a[a] = feature;
        Sums mine = walk(m, row ? p->left[node] : p->right[node], a + 1, b);
        m->side[feature] = OF_OTHER;
        m->in_b[b] = feature;
        Sums its = walk(m, other ? p->left[node] : p->right[node], a, b + 1);
        m->side[feature] = UNSEEN;
        m->values[feature] += mine.gain - its.loss;
        return (Sums){mine.gain + its.gain, mine.loss + its.loss};
    }
    double value = p->value[node] * m->factor;
    if (m->by_pair) add_pairs(m, value, a, b);
    return (Sums){a ? value * weight(m, a - 1, b) : 0.0, b ? value * weight(m, b - 1, a) : 0.0};
}

/* Adds to values (n, K, F) and, if it is given, to by_pair (n, K, F, F), of which i, j and j, i are to be added up.
 * rows and others: n and m times n_nodes bytes. factors: (n, m, K). Returns 0 if there is no memory. */
__attribute__((visibility("default"))) int64_t glasskit_pairs(
    const Pairs *p, const uint8_t *rows, int64_t n, const uint8_t *others, int64_t n_others, const double *factors,
    double *values, double *by_pair) {
    int64_t f = p->n_features, k = p->n_outputs;
    Meeting m = {.pairs = p};
    m.side = calloc(f + 1, 1);
    m.in_a = malloc(sizeof(int64_t) * 2 * (f + 1));
    int64_t enough = m.side && m.in_a;
    m.in_b = enough ? m.in_a + f + 1 : NULL;
    for (int64_t i = 0; enough && i < n; i++) {
        m.row = rows + i * p->n_nodes;
        for (int64_t tree = 0; tree < p->n_trees; tree++) {
            int64_t output = p->outputs[tree];
            m.values = values + (i * k + output) * f;
            m.by_pair = by_pair ? by_pair + (i * k + output) * f * f : NULL;
            for (int64_t j = 0; j < n_others; j++) {
                m.other = others + j * p->n_nodes;
                m.factor = factors[(i * n_others + j) * k + output];
                walk(&m, p->roots[tree], 0, 0);
            }
        }
    }
    free(m.side);
    free(m.in_a);
    return enough;
}
