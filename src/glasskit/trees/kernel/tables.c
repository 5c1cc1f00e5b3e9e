/* Builds the tables of tables.h. */

#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "tables.h"

enum { LEAVES = 64 };       /* of a tree that are bundled among themselves */
enum { MOST_BITS = 16 };    /* features on the path of a leaf */
enum { MOST_FEATURES = 128 };

typedef struct {
    int32_t node, side;
} Condition;

typedef struct {
    double value;
    int n_conditions;
    Condition conditions[DEEPEST];
} Leaf;

/* A column as the leaves at hand see it. */
typedef struct {
    int32_t column;
    int n;                  /* thresholds, hence n + 1 intervals */
    uint16_t rank[LEAVES + DEEPEST];
    uint64_t satisfies[LEAVES + DEEPEST + 1]; /* per interval the leaves whose conditions on the column hold */
} Axis;

typedef struct {
    uint64_t leaves;
    double states;
    int n_cells, n_steps;
} Candidate;

typedef struct {
    const Model *model;
    Tables *tables;
    const uint16_t *background; /* [row][column] ranks; NULL for the path's own shares */
    int64_t n_background;
    double most_states;     /* of a bundle */
    double leaf_states;     /* of a leaf that gets a table at all */
    double most_price;      /* doubles of memory for one operation saved */
    int64_t most_bytes;
    int64_t room_deep, room_conditions, room_patterns;
    int64_t room_bundles, room_steps, room_cells, room_table;
    Leaf *leaves;
    int n_leaves;
    Axis *axes;
    int n_axes;
    int32_t features[MOST_FEATURES];
    int n_features;
    uint64_t asks[LEAVES][MOST_FEATURES / 64]; /* the leaf's features, by number in `features` */
    double *measure, *work, *phi;
    uint8_t *pattern_bits;
    int failed;
} Maker;

enum { OUT_OF_MEMORY = 1, TOO_LARGE = 2 };

int64_t glasskit_tables_bytes(const Tables *tables);

static int room(void **array, int64_t *room_now, int64_t wanted, size_t size) {
    if (wanted <= *room_now) return 1;
    int64_t larger = 2 * *room_now > wanted ? 2 * *room_now : wanted;
    void *grown = realloc(*array, size * (size_t)larger);
    if (!grown) return 0;
    *array = grown;
    *room_now = larger;
    return 1;
}

/* ---- ranks ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    if (x != x || y != y) return (y != y) - (x != x) < 0 ? -1 : (y != y) - (x != x) > 0;
    return (x > y) - (x < y);
}

/* The distinct thresholds of every column. */
static int collect_thresholds(Tables *tables) {
    const Model *model = tables->model;
    int64_t *first = calloc((size_t)model->n_columns + 2, sizeof(int64_t));
    double *all = malloc(sizeof(double) * (size_t)(model->n_nodes + 1));
    tables->first_threshold = first;
    tables->thresholds = all;
    if (!first || !all) return OUT_OF_MEMORY;
    int64_t *next = malloc(sizeof(int64_t) * (size_t)(model->n_columns + 1));
    if (!next) return OUT_OF_MEMORY;
    for (int64_t i = 0; i < model->n_nodes; i++) first[model->nodes[i].column + 1]++;
    for (int64_t c = 0; c < model->n_columns; c++) first[c + 1] += first[c];
    memcpy(next, first, sizeof(int64_t) * (size_t)model->n_columns);
    for (int64_t i = 0; i < model->n_nodes; i++)
        all[next[model->nodes[i].column]++] = model->nodes[i].threshold;
    free(next);
    int64_t kept = 0;
    for (int64_t c = 0; c < model->n_columns; c++) {
        int64_t from = first[c], to = first[c + 1], begin = kept;
        qsort(all + from, (size_t)(to - from), sizeof(double), by_value);
        for (int64_t i = from; i < to; i++)
            if (kept == begin || by_value(all + kept - 1, all + i) != 0) all[kept++] = all[i];
        first[c] = begin;
        if (kept - begin > UINT16_MAX - 1) return TOO_LARGE;
    }
    first[model->n_columns] = kept;
    return 0;
}

static uint16_t rank_of_node(const Tables *tables, const Node *node) {
    const double *from = tables->thresholds + tables->first_threshold[node->column];
    if (node->threshold != node->threshold) return 0;
    int64_t rank = 0;
    while (by_value(from + rank, &node->threshold) != 0) rank++;
    return (uint16_t)rank;
}

static int holds(uint16_t rank, uint16_t limit, int side) { return side ? rank > limit : rank <= limit; }

/* ---- candidates ---- */

static int classes(const Axis *axis, uint64_t leaves, int *class_of) {
    int n = 0;
    for (int d = 0; d <= axis->n; d++) {
        uint64_t key = axis->satisfies[d] & leaves;
        int known = 0;
        while (known < d && (axis->satisfies[known] & leaves) != key) known++;
        class_of[d] = known < d ? class_of[known] : n++;
    }
    return n;
}

static Candidate candidate(const Maker *make, uint64_t leaves) {
    Candidate it = {.leaves = leaves, .states = 1.0};
    int class_of[LEAVES + DEEPEST + 1];
    for (int a = 0; a < make->n_axes; a++) {
        int n = classes(make->axes + a, leaves, class_of);
        if (n == 1) continue;
        it.states *= n;
        for (int d = 0; d < make->axes[a].n; d++) it.n_steps += class_of[d] != class_of[d + 1];
    }
    uint64_t asked[MOST_FEATURES / 64] = {0};
    for (uint64_t rest = leaves; rest; rest &= rest - 1)
        for (int w = 0; w < MOST_FEATURES / 64; w++) asked[w] |= make->asks[__builtin_ctzll(rest)][w];
    for (int w = 0; w < MOST_FEATURES / 64; w++) it.n_cells += __builtin_popcountll(asked[w]);
    return it;
}

static double effort(const Candidate *it) { return 4.0 + it->n_cells + 0.4 * it->n_steps; }
static double size(const Candidate *it) { return it->states * it->n_cells; }

/* What a merger costs in memory for every unit of work it saves; HUGE_VAL when it is out of the question. */
static double price(const Maker *make, const Candidate *a, const Candidate *b) {
    Candidate both = candidate(make, a->leaves | b->leaves);
    double saved = effort(a) + effort(b) - effort(&both);
    if (both.states > make->most_states || saved <= 0) return HUGE_VAL;
    return (size(&both) - size(a) - size(b)) / saved;
}

/* Merges the cheapest pair until none is worth it; returns how many candidates are left. */
static int merge(const Maker *make, Candidate *all, int n) {
    double prices[LEAVES][LEAVES];
    for (int a = 0; a < n; a++)
        for (int b = a + 1; b < n; b++) prices[a][b] = price(make, all + a, all + b);
    for (;;) {
        double best = HUGE_VAL;
        int first = 0, second = 0;
        for (int a = 0; a < n; a++)
            for (int b = a + 1; b < n; b++)
                if (prices[a][b] < best) {
                    best = prices[a][b];
                    first = a;
                    second = b;
                }
        if (best > make->most_price) return n;
        all[first] = candidate(make, all[first].leaves | all[second].leaves);
        n--;
        if (second != n) {
            all[second] = all[n];
            for (int a = 0; a < n; a++) {
                if (a < second) prices[a][second] = prices[a][n];
                else if (a > second) prices[second][a] = prices[a][n];
            }
        }
        for (int a = 0; a < n; a++) {
            if (a < first) prices[a][first] = price(make, all + a, all + first);
            else if (a > first) prices[first][a] = price(make, all + first, all + a);
        }
    }
}

/* ---- one leaf's patterns ---- */

typedef struct {
    int32_t feature[MOST_BITS];
    double share[MOST_BITS];
    int n;
} Bits;

/* The feature's bit, or -1 when the leaf does not ask for it. */
static int bit_of(const Bits *bits, int32_t feature) {
    for (int i = 0; i < bits->n; i++)
        if (bits->feature[i] == feature) return i;
    return -1;
}

static int new_bit_of(Bits *bits, int32_t feature) {
    int known = bit_of(bits, feature);
    if (known >= 0 || bits->n == MOST_BITS) return known;
    bits->feature[bits->n] = feature;
    bits->share[bits->n] = 1.0;
    return bits->n++;
}

static int bits_of(const Maker *make, const Leaf *leaf, Bits *bits) {
    bits->n = 0;
    for (int c = 0; c < leaf->n_conditions; c++) {
        const Node *node = make->model->nodes + leaf->conditions[c].node;
        int bit = new_bit_of(bits, node->feature);
        if (bit < 0) return 0;
        bits->share[bit] *= leaf->conditions[c].side ? 1.0 - node->share : node->share;
    }
    return 1;
}

/* Which of the leaf's features a background row satisfies. */
static int background_pattern(const Maker *make, const Leaf *leaf, const Bits *bits, int64_t row) {
    const uint16_t *ranks = make->background + row * make->model->n_columns;
    int pattern = (1 << bits->n) - 1;
    for (int c = 0; c < leaf->n_conditions; c++) {
        const Node *node = make->model->nodes + leaf->conditions[c].node;
        uint16_t limit = (uint16_t)node->factors; /* see number_ranks */
        if (!holds(ranks[node->column], limit, leaf->conditions[c].side))
            pattern &= ~(1 << bit_of(bits, node->feature));
    }
    return pattern;
}

static void fill_measure(Maker *make, const Leaf *leaf, const Bits *bits) {
    int n_patterns = 1 << bits->n;
    double *measure = make->measure;
    memset(measure, 0, sizeof(double) * (size_t)n_patterns);
    if (!make->background) {
        for (int q = 0; q < n_patterns; q++) {
            measure[q] = 1.0;
            for (int i = 0; i < bits->n; i++) measure[q] *= q >> i & 1 ? bits->share[i] : 1.0 - bits->share[i];
        }
        return;
    }
    for (int64_t r = 0; r < make->n_background; r++) measure[background_pattern(make, leaf, bits, r)] += 1.0;
    for (int q = 0; q < n_patterns; q++) measure[q] /= (double)make->n_background;
}

/* phi[pattern][bit], by transforming the measure bit by bit at every quadrature node. */
static void fill_phi(Maker *make, const Walk *walk, double value, int n_bits) {
    int n_patterns = 1 << n_bits;
    double *work = make->work;
    memset(make->phi, 0, sizeof(double) * (size_t)(n_patterns * n_bits));
    for (int q = 0; q < walk->n_points; q++) {
        double t = walk->t[q], u = walk->u[q], weight = walk->weight[q] * value;
        for (int i = 0; i < n_bits; i++) {
            memcpy(work, make->measure, sizeof(double) * (size_t)n_patterns);
            for (int j = 0; j < n_bits; j++) {
                int bit = 1 << j;
                for (int p = 0; p < n_patterns; p++) {
                    if (p & bit) continue;
                    double absent = work[p], present = work[p | bit];
                    work[p] = j == i ? -present : u * present;
                    work[p | bit] = j == i ? absent : t * absent + present;
                }
            }
            for (int p = 0; p < n_patterns; p++) make->phi[p * n_bits + i] += weight * work[p];
        }
    }
}

/* ---- bundles ---- */

typedef struct {
    int axis, stride, n;
    int of[LEAVES + DEEPEST + 1];   /* class of every interval */
    int example[LEAVES + DEEPEST + 1]; /* an interval of every class */
} Digit;

static int digits_of(const Maker *make, uint64_t leaves, Digit *digits) {
    int n = 0, stride = 1;
    for (int a = 0; a < make->n_axes; a++) {
        Digit *digit = digits + n;
        digit->n = classes(make->axes + a, leaves, digit->of);
        if (digit->n == 1) continue;
        for (int d = make->axes[a].n; d >= 0; d--) digit->example[digit->of[d]] = d;
        digit->axis = a;
        digit->stride = stride;
        stride *= digit->n;
        n++;
    }
    return n;
}

static void add_steps(Maker *make, Bundle *bundle, const Digit *digits, int n_digits) {
    Tables *tables = make->tables;
    bundle->first_step = (int32_t)tables->n_steps;
    for (int i = 0; i < n_digits; i++) {
        const Axis *axis = make->axes + digits[i].axis;
        bundle->base += digits[i].of[0] * digits[i].stride;
        for (int d = 0; d < axis->n; d++) {
            int moved = (digits[i].of[d + 1] - digits[i].of[d]) * digits[i].stride;
            if (!moved) continue;
            if (!room((void **)&tables->steps, &make->room_steps, tables->n_steps + 1, sizeof(Step))) {
                make->failed = OUT_OF_MEMORY;
                return;
            }
            tables->steps[tables->n_steps++] = (Step){axis->column, axis->rank[d], (uint16_t)moved};
        }
    }
    bundle->n_steps = (int32_t)tables->n_steps - bundle->first_step;
}

static int cell_of(const int32_t *cells, int n, int32_t cell) {
    for (int i = 0; i < n; i++)
        if (cells[i] == cell) return i;
    return -1;
}

/* Adds one leaf's contributions to every state of its bundle. */
static void add_leaf(Maker *make, const Walk *walk, const Bundle *bundle, int which, const Digit *digits,
                     int n_digits, int n_states) {
    const Leaf *leaf = make->leaves + which;
    Tables *tables = make->tables;
    Bits bits;
    int place[MOST_BITS];
    bits_of(make, leaf, &bits);
    fill_measure(make, leaf, &bits);
    fill_phi(make, walk, leaf->value, bits.n);
    tables->expected[walk->output] += leaf->value * make->measure[(1 << bits.n) - 1];
    for (int i = 0; i < bits.n; i++)
        place[i] = cell_of(tables->cells + bundle->first_cell, bundle->n_cells,
                           (int32_t)(bits.feature[i] * make->model->n_outputs + walk->output));
    int bit_of_digit[LEAVES + DEEPEST];
    for (int i = 0; i < n_digits; i++)
        bit_of_digit[i] = bit_of(&bits, make->model->columns[make->axes[digits[i].axis].column].feature);
    int possible = (1 << bits.n) - 1;
    for (int a = 0; a < make->n_axes; a++) {
        /* No digit stands for a column on which the path contradicts itself. */
        uint64_t ever = 0;
        for (int d = 0; d <= make->axes[a].n; d++) ever |= make->axes[a].satisfies[d];
        if (!(ever >> which & 1)) possible &= ~(1 << bit_of(&bits, make->model->columns[make->axes[a].column].feature));
    }
    for (int state = 0; state < n_states; state++) {
        int pattern = possible;
        for (int i = 0; i < n_digits; i++) {
            int class = state / digits[i].stride % digits[i].n;
            uint64_t satisfied = make->axes[digits[i].axis].satisfies[digits[i].example[class]];
            if (!(satisfied >> which & 1)) pattern &= ~(1 << bit_of_digit[i]);
        }
        double *to = tables->table + bundle->table + (int64_t)state * bundle->n_cells;
        for (int i = 0; i < bits.n; i++) to[place[i]] += make->phi[pattern * bits.n + i];
    }
}

static void add_bundle(Maker *make, const Walk *walk, const Candidate *chosen) {
    Tables *tables = make->tables;
    int n_states = (int)chosen->states;
    int64_t n_table = (int64_t)n_states * chosen->n_cells;
    if (glasskit_tables_bytes(tables) + n_table * (int64_t)sizeof(double) > make->most_bytes) {
        make->failed = TOO_LARGE;
        return;
    }
    Digit *digits = malloc(sizeof(Digit) * (size_t)make->n_axes);
    if (!digits || !room((void **)&tables->bundles, &make->room_bundles, tables->n_bundles + 1, sizeof(Bundle)) ||
        !room((void **)&tables->cells, &make->room_cells, tables->n_cells + chosen->n_cells, sizeof(int32_t)) ||
        !room((void **)&tables->table, &make->room_table, tables->n_table + n_table, sizeof(double))) {
        free(digits);
        make->failed = OUT_OF_MEMORY;
        return;
    }
    Bundle bundle = {.table = tables->n_table, .first_cell = (int32_t)tables->n_cells, .n_cells = chosen->n_cells};
    int32_t *cells = tables->cells + bundle.first_cell;
    int n_cells = 0;
    for (int f = 0; f < make->n_features; f++)
        for (uint64_t rest = chosen->leaves; rest; rest &= rest - 1)
            if (make->asks[__builtin_ctzll(rest)][f / 64] >> (f % 64) & 1) {
                cells[n_cells++] = (int32_t)(make->features[f] * make->model->n_outputs + walk->output);
                break;
            }
    int n_digits = digits_of(make, chosen->leaves, digits);
    add_steps(make, &bundle, digits, n_digits);
    memset(tables->table + bundle.table, 0, sizeof(double) * (size_t)n_table);
    tables->n_cells += n_cells;
    tables->n_table += n_table;
    for (uint64_t rest = chosen->leaves; rest && !make->failed; rest &= rest - 1)
        add_leaf(make, walk, &bundle, __builtin_ctzll(rest), digits, n_digits, n_states);
    tables->bundles[tables->n_bundles++] = bundle;
    free(digits);
}

/* ---- leaves too deep for a table ---- */

/* The background's distinct patterns at a leaf, by sorting: measure[] would have to hold all 2^k. */
static int by_number(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static int add_patterns(Maker *make, const Leaf *leaf, const Bits *bits, Deep *deep) {
    Tables *tables = make->tables;
    int64_t n = make->n_background;
    int32_t *seen = malloc(sizeof(int32_t) * (size_t)n);
    if (!seen || !room((void **)&tables->patterns, &make->room_patterns, tables->n_patterns + n, sizeof(Pattern))) {
        free(seen);
        return 0;
    }
    for (int64_t r = 0; r < n; r++) seen[r] = background_pattern(make, leaf, bits, r);
    qsort(seen, (size_t)n, sizeof(int32_t), by_number);
    deep->first_pattern = tables->n_patterns;
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from; to < n && seen[to] == seen[from]; to++) continue;
        tables->patterns[tables->n_patterns++] = (Pattern){seen[from], (double)(to - from) / (double)n};
    }
    deep->n_patterns = tables->n_patterns - deep->first_pattern;
    free(seen);
    return 1;
}

static void add_deep(Maker *make, const Walk *walk, const Leaf *leaf, const Bits *bits) {
    Tables *tables = make->tables;
    if (!room((void **)&tables->deep, &make->room_deep, tables->n_deep + 1, sizeof(Deep)) ||
        !room((void **)&tables->conditions, &make->room_conditions, tables->n_conditions + leaf->n_conditions,
              sizeof(DeepCondition))) {
        make->failed = OUT_OF_MEMORY;
        return;
    }
    Deep deep = {.value = leaf->value, .n_bits = bits->n, .n_conditions = leaf->n_conditions,
                 .first_condition = tables->n_conditions, .n_points = walk->n_points};
    double reach = 1.0;
    memcpy(deep.t, walk->t, sizeof deep.t);
    memcpy(deep.weight, walk->weight, sizeof deep.weight);
    for (int i = 0; i < bits->n; i++) {
        deep.cells[i] = (int32_t)(bits->feature[i] * make->model->n_outputs + walk->output);
        deep.share[i] = bits->share[i];
        reach *= bits->share[i];
    }
    for (int c = 0; c < leaf->n_conditions; c++) {
        const Node *node = make->model->nodes + leaf->conditions[c].node;
        tables->conditions[tables->n_conditions++] =
            (DeepCondition){node->column, (uint16_t)node->factors, (uint8_t)leaf->conditions[c].side,
                            (uint8_t)bit_of(bits, node->feature)};
    }
    if (make->background) {
        if (!add_patterns(make, leaf, bits, &deep)) make->failed = OUT_OF_MEMORY;
        else {
            const Pattern *last = tables->patterns + tables->n_patterns - 1;
            reach = last->pattern == (1 << bits->n) - 1 ? last->weight : 0.0;
        }
    }
    tables->expected[walk->output] += leaf->value * reach;
    tables->deep[tables->n_deep++] = deep;
    if (glasskit_tables_bytes(tables) > make->most_bytes) make->failed = TOO_LARGE;
}

/* ---- trees ---- */

static Axis *axis_of(Maker *make, int32_t column) {
    for (int a = 0; a < make->n_axes; a++)
        if (make->axes[a].column == column) return make->axes + a;
    Axis *axis = make->axes + make->n_axes++;
    axis->column = column;
    axis->n = 0;
    return axis;
}

static void note_rank(Axis *axis, uint16_t rank) {
    int at = 0;
    while (at < axis->n && axis->rank[at] < rank) at++;
    if (at < axis->n && axis->rank[at] == rank) return;
    memmove(axis->rank + at + 1, axis->rank + at, sizeof(uint16_t) * (size_t)(axis->n - at));
    axis->rank[at] = rank;
    axis->n++;
}

static void note_feature(Maker *make, int leaf, int32_t feature) {
    int f = 0;
    while (f < make->n_features && make->features[f] != feature) f++;
    if (f == MOST_FEATURES) {
        make->failed = TOO_LARGE;
        return;
    }
    if (f == make->n_features) make->features[make->n_features++] = feature;
    make->asks[leaf][f / 64] |= 1ULL << (f % 64);
}

/* Bundles the leaves gathered so far and forgets them. */
static void flush(Maker *make, const Walk *walk) {
    const Node *nodes = make->model->nodes;
    make->n_axes = make->n_features = 0;
    memset(make->asks, 0, sizeof make->asks);
    for (int l = 0; l < make->n_leaves && !make->failed; l++)
        for (int c = 0; c < make->leaves[l].n_conditions; c++) {
            const Node *node = nodes + make->leaves[l].conditions[c].node;
            note_rank(axis_of(make, node->column), (uint16_t)node->factors);
            note_feature(make, l, node->feature);
        }
    for (int a = 0; a < make->n_axes; a++) {
        Axis *axis = make->axes + a;
        for (int d = 0; d <= axis->n; d++) axis->satisfies[d] = ~0ULL;
    }
    for (int l = 0; l < make->n_leaves; l++)
        for (int c = 0; c < make->leaves[l].n_conditions; c++) {
            const Node *node = nodes + make->leaves[l].conditions[c].node;
            Axis *axis = axis_of(make, node->column);
            for (int d = 0; d <= axis->n; d++) {
                uint16_t rank = d < axis->n ? axis->rank[d] : (uint16_t)(axis->rank[axis->n - 1] + 1);
                if (!holds(rank, (uint16_t)node->factors, make->leaves[l].conditions[c].side))
                    axis->satisfies[d] &= ~(1ULL << l);
            }
        }
    Candidate all[LEAVES];
    int n = 0;
    for (int l = 0; l < make->n_leaves && !make->failed; l++) {
        Bits bits;
        if (!bits_of(make, make->leaves + l, &bits)) make->failed = TOO_LARGE;
        all[n] = candidate(make, 1ULL << l);
        if (all[n].states <= make->leaf_states) n++;
        else if (!make->failed) add_deep(make, walk, make->leaves + l, &bits);
    }
    if (!make->failed) n = merge(make, all, n);
    for (int i = 0; i < n && !make->failed; i++) add_bundle(make, walk, all + i);
    make->n_leaves = 0;
}

static void gather(Maker *make, const Walk *walk, int32_t at, Condition *path, int depth) {
    const Node *node = make->model->nodes + at;
    for (int side = 0; side < 2 && !make->failed; side++) {
        path[depth] = (Condition){at, side};
        if (node->child[side] >= 0) {
            gather(make, walk, node->child[side], path, depth + 1);
            continue;
        }
        Leaf *leaf = make->leaves + make->n_leaves++;
        leaf->value = node->value[side];
        leaf->n_conditions = depth + 1;
        memcpy(leaf->conditions, path, sizeof(Condition) * (size_t)(depth + 1));
        if (make->n_leaves == LEAVES) flush(make, walk);
    }
}

/* A private copy of the nodes whose `factors` is the rank of the threshold instead. */
static Node *number_ranks(const Tables *tables) {
    const Model *model = tables->model;
    Node *nodes = malloc(sizeof(Node) * (size_t)(model->n_nodes + 1));
    for (int64_t i = 0; nodes && i < model->n_nodes; i++) {
        nodes[i] = model->nodes[i];
        nodes[i].factors = rank_of_node(tables, nodes + i);
    }
    return nodes;
}

static void forget(Tables *tables) {
    tables->n_deep = tables->n_conditions = tables->n_patterns = 0;
    tables->n_bundles = tables->n_steps = tables->n_cells = tables->n_table = 0;
    memset(tables->expected, 0, sizeof(double) * (size_t)tables->model->n_outputs);
}

static int make_tables(Maker *make) {
    const Model *model = make->model;
    Condition path[DEEPEST];
    for (int64_t w = 0; w < model->n_walks && !make->failed; w++) {
        const Walk *walk = model->walks + w;
        if (!walk->counts) make->failed = TOO_LARGE;
        else if (!walk->n_nodes) make->tables->expected[walk->output] += walk->leaf;
        else {
            gather(make, walk, (int32_t)walk->first, path, 0);
            if (make->n_leaves && !make->failed) flush(make, walk);
        }
    }
    return make->failed;
}

void glasskit_free_tables(Tables *tables);

#if defined(__GNUC__)
#define PUBLIC __attribute__((visibility("default")))
#endif

PUBLIC void glasskit_free_tables(Tables *tables) {
    if (!tables) return;
    free(tables->deep);
    free(tables->conditions);
    free(tables->patterns);
    free(tables->bundles);
    free(tables->steps);
    free(tables->cells);
    free(tables->table);
    free(tables->first_threshold);
    free(tables->thresholds);
    free(tables->expected);
    free(tables);
}

static uint16_t *background_ranks(const Tables *tables, const double *background, int64_t n) {
    const Model *model = tables->model;
    double *columns = malloc(sizeof(double) * (size_t)(model->n_columns + 1));
    uint16_t *ranks = malloc(sizeof(uint16_t) * (size_t)(n * model->n_columns + 1));
    for (int64_t r = 0; columns && ranks && r < n; r++) {
        fill_row(model, background + r * model->n_features, columns, 1);
        for (int64_t c = 0; c < model->n_columns; c++)
            ranks[r * model->n_columns + c] = rank_of(tables, c, columns[c]);
    }
    free(columns);
    return ranks;
}

/* The tables of a model in at most so many bytes, or NULL: *why says whether memory ran out or they would be
 * too large. Without a background they give path-dependent values. The model must outlive them. */
PUBLIC Tables *glasskit_tables(const Model *model, const double *background, int64_t n_background,
                               int64_t most_bytes, int32_t *why) {
    Tables *tables = calloc(1, sizeof *tables);
    *why = OUT_OF_MEMORY;
    if (!tables) return NULL;
    tables->model = model;
    tables->expected = calloc((size_t)model->n_outputs, sizeof(double));
    Model ranked = *model;
    Maker make = {.model = &ranked, .tables = tables, .n_background = n_background, .most_bytes = most_bytes};
    make.failed = tables->expected ? collect_thresholds(tables) : OUT_OF_MEMORY;
    ranked.nodes = make.failed ? NULL : number_ranks(tables);
    uint16_t *ranks = background && !make.failed ? background_ranks(tables, background, n_background) : NULL;
    size_t n_patterns = 1 << MOST_BITS;
    make.background = ranks;
    make.leaves = malloc(sizeof(Leaf) * LEAVES);
    make.axes = malloc(sizeof(Axis) * (LEAVES + DEEPEST));
    make.measure = malloc(sizeof(double) * n_patterns);
    make.work = malloc(sizeof(double) * n_patterns);
    make.phi = malloc(sizeof(double) * n_patterns * MOST_BITS);
    if (!make.failed && (!ranked.nodes || (background && !ranks) || !make.leaves || !make.axes ||
                         !make.measure || !make.work || !make.phi))
        make.failed = OUT_OF_MEMORY;
    for (int a = 0; a <= MOST_DEEP; a++)
        for (int b = 0; b <= MOST_DEEP; b++) {
            double ways = 1.0; /* a + b over a */
            for (int i = 1; i <= a; i++) ways = ways * (b + i) / i;
            tables->orders[a][b] = 1.0 / ((a + b + 1) * ways);
        }
    /* Larger bundles are quicker: begin with large ones and go down until they fit. */
    static const struct { double bundle, leaf, price; } limits[] = {
        {1024, 4096, 400}, {256, 2048, 100}, {128, 1024, 20}, {1, 256, 0}, {1, 1, 0}};
    int failed = make.failed ? make.failed : TOO_LARGE;
    for (int i = 0; i < 5 && failed == TOO_LARGE && !(make.failed && i == 0); i++) {
        make.failed = make.n_leaves = 0;
        make.most_states = limits[i].bundle;
        make.leaf_states = limits[i].leaf;
        make.most_price = limits[i].price;
        forget(tables);
        failed = make_tables(&make);
        if (!failed && !background && tables->n_deep * 20 > model->n_nodes) failed = TOO_LARGE;
    }
    for (int64_t k = 0; !failed && k < model->n_outputs; k++)
        tables->expected[k] = tables->expected[k] / model->divisor + model->base_scores[k];
    free(ranked.nodes);
    free(ranks);
    free(make.leaves);
    free(make.axes);
    free(make.measure);
    free(make.work);
    free(make.phi);
    *why = failed;
    if (!failed) return tables;
    glasskit_free_tables(tables);
    return NULL;
}

PUBLIC void glasskit_tables_expected(const Tables *tables, double *expected) {
    memcpy(expected, tables->expected, sizeof(double) * (size_t)tables->model->n_outputs);
}

PUBLIC int64_t glasskit_tables_bytes(const Tables *tables) {
    return tables->n_deep * (int64_t)sizeof(Deep) + tables->n_conditions * (int64_t)sizeof(DeepCondition) +
           tables->n_patterns * (int64_t)sizeof(Pattern) + tables->n_table * (int64_t)sizeof(double) + tables->n_steps * (int64_t)sizeof(Step) +
           tables->n_bundles * (int64_t)sizeof(Bundle) + tables->n_cells * (int64_t)sizeof(int32_t);
}
