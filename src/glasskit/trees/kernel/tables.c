/* Builds the tables of tables.h. */

#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__GLIBC__)
#include <malloc.h>
#endif

#include "columns.h"
#include "patterns.h"
#include "tables.h"

enum { LEAVES = 64 };       /* of a tree that are bundled among themselves */
enum { MOST_BITS = 16 };    /* features on the path of a leaf that gets a table */
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
    const uint16_t *background; /* [column][row] ranks; NULL for the path's own shares */
    int64_t n_background;
    double most_states;     /* of a bundle */
    double leaf_states;     /* of a leaf that gets a table at all */
    double most_price;      /* doubles of memory for one operation saved */
    int64_t most_bytes;
    int64_t room_deep, room_conditions, room_patterns, room_pattern_rows, room_shares;
    int spills;             /* what does not fit is evaluated without a table */
    int64_t room_bundles, room_steps, room_cells, room_table;
    Leaf *leaves;
    int n_leaves;
    Axis *axes;
    int n_axes;
    int32_t features[MOST_FEATURES];
    int n_features;
    uint64_t asks[LEAVES][MOST_FEATURES / 64]; /* the leaf's features, by number in `features` */
    double *measure, *work, *phi, *table;
    int64_t room_for_table;
    uint32_t *seen;         /* [n_background]: patterns */
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

/* The margin is one more cell. */
static int width_of(int n_features) { return (n_features + WIDTH) / WIDTH * WIDTH; }
static double effort(const Candidate *it) { return 8.0 + width_of(it->n_cells) + 0.4 * it->n_steps; }
static double size(const Candidate *it) { return it->states * width_of(it->n_cells); }

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
    int32_t feature[MOST_DEEP];
    double share[MOST_DEEP];
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
    if (known >= 0 || bits->n == MOST_DEEP) return known;
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

/* Fills make->seen with the pattern of features that each background row satisfies. */
static void leaf_patterns(Maker *make, const Leaf *leaf, const Bits *bits) {
    uint32_t *seen = make->seen, all = (bits->n == 32 ? 0 : 1u << bits->n) - 1u;
    int64_t n = make->n_background;
    memset(seen, 0, sizeof(uint32_t) * (size_t)n);
    for (int c = 0; c < leaf->n_conditions; c++) {
        const Node *node = make->model->nodes + leaf->conditions[c].node;
        const uint16_t *ranks = make->background + node->column * n;
        uint16_t limit = (uint16_t)node->factors; /* see number_ranks */
        uint32_t bit = 1u << bit_of(bits, node->feature);
        if (leaf->conditions[c].side)
            for (int64_t r = 0; r < n; r++) seen[r] |= ranks[r] > limit ? 0 : bit;
        else
            for (int64_t r = 0; r < n; r++) seen[r] |= ranks[r] > limit ? bit : 0;
    }
    for (int64_t r = 0; r < n; r++) seen[r] = all & ~seen[r];
}

/* phi[pattern][bit] from the path's shares, by transforming the measure bit by bit at every quadrature node. */
static void phi_from_shares(Maker *make, const Walk *walk, double value, const Bits *bits) {
    int n_bits = bits->n, n_patterns = 1 << n_bits;
    double *work = make->work;
    for (int q = 0; q < n_patterns; q++) {
        make->measure[q] = 1.0;
        for (int i = 0; i < n_bits; i++) make->measure[q] *= q >> i & 1 ? bits->share[i] : 1.0 - bits->share[i];
    }
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

static int add_patterns(Maker *make, const Leaf *leaf, const Bits *bits, Deep *deep);

/* phi[pattern][bit] from the background; returns the share of its rows that reach the leaf. */
static double phi_from_background(Maker *make, const Leaf *leaf, const Bits *bits) {
    Tables *tables = make->tables;
    int n_bits = bits->n, all = (1 << n_bits) - 1, width = width_of(n_bits);
    Deep deep = {.value = leaf->value, .n_bits = n_bits};
    int64_t before = tables->n_patterns;
    if (!add_patterns(make, leaf, bits, &deep) || !room((void **)&make->table, &make->room_for_table, table_room(n_bits), sizeof(double))) {
        make->failed = OUT_OF_MEMORY;
        return 0.0;
    }
    tables->n_patterns = before;
    const double *table = table_against_background(tables, &deep, width, make->table);
    for (int c = 0; c <= all; c++)
        for (int i = 0; i < n_bits; i++) make->phi[(all & ~c) * n_bits + i] = table[(int64_t)c * width + i];
    int64_t last = before + deep.n_patterns - 1;
    return tables->patterns[last] == (uint32_t)all ? (double)tables->pattern_rows[last] / (double)make->n_background : 0.0;
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
    double reach;
    if (make->background) {
        reach = phi_from_background(make, leaf, &bits);
    } else {
        phi_from_shares(make, walk, leaf->value, &bits);
        reach = make->measure[(1 << bits.n) - 1];
    }
    if (make->failed) return;
    tables->expected[walk->output] += leaf->value * reach;
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
        double *to = tables->table + bundle->table + (int64_t)state * bundle->width;
        for (int i = 0; i < bits.n; i++) to[place[i]] += make->phi[pattern * bits.n + i];
        if (pattern == (1 << bits.n) - 1) to[bundle->n_cells - 1] = leaf->value;
    }
}

static int32_t margin_cell(const Model *model, int32_t output) {
    return (int32_t)(model->n_features * model->n_outputs) + output;
}

/* A bundle with room for its cells and states, all zero; NULL when it does not fit or memory ran out. */
static Bundle *new_bundle(Maker *make, int n_cells, int64_t n_states) {
    Tables *tables = make->tables;
    int width = width_of(n_cells - 1);
    int64_t n_table = n_states * width;
    if (n_states > 1 && glasskit_tables_bytes(tables) + n_table * (int64_t)sizeof(double) > make->most_bytes) {
        make->failed = TOO_LARGE;
        return NULL;
    }
    if (!room((void **)&tables->bundles, &make->room_bundles, tables->n_bundles + 1, sizeof(Bundle)) ||
        !room((void **)&tables->cells, &make->room_cells, tables->n_cells + n_cells, sizeof(int32_t)) ||
        !room((void **)&tables->table, &make->room_table, tables->n_table + n_table, sizeof(double))) {
        make->failed = OUT_OF_MEMORY;
        return NULL;
    }
    Bundle *bundle = tables->bundles + tables->n_bundles++;
    *bundle = (Bundle){.table = tables->n_table, .first_step = (int32_t)tables->n_steps, .width = width,
                       .first_cell = (int32_t)tables->n_cells, .n_cells = n_cells};
    memset(tables->table + bundle->table, 0, sizeof(double) * (size_t)n_table);
    tables->n_cells += n_cells;
    tables->n_table += n_table;
    return bundle;
}

/* A tree that is a single leaf moves the margin alone. */
static void add_single_leaf(Maker *make, const Walk *walk) {
    Bundle *bundle = new_bundle(make, 1, 1);
    if (!bundle) return;
    make->tables->cells[bundle->first_cell] = margin_cell(make->model, walk->output);
    make->tables->table[bundle->table] = walk->leaf;
    make->tables->expected[walk->output] += walk->leaf;
}

static void add_bundle(Maker *make, const Walk *walk, const Candidate *chosen) {
    Tables *tables = make->tables;
    int n_states = (int)chosen->states, n_cells = 0;
    Bundle *bundle = new_bundle(make, chosen->n_cells + 1, n_states);
    if (!bundle) return;
    Digit *digits = malloc(sizeof(Digit) * (size_t)make->n_axes);
    if (!digits) {
        make->failed = OUT_OF_MEMORY;
        return;
    }
    int32_t *cells = tables->cells + bundle->first_cell;
    for (int f = 0; f < make->n_features; f++)
        for (uint64_t rest = chosen->leaves; rest; rest &= rest - 1)
            if (make->asks[__builtin_ctzll(rest)][f / 64] >> (f % 64) & 1) {
                cells[n_cells++] = (int32_t)(make->features[f] * make->model->n_outputs + walk->output);
                break;
            }
    cells[n_cells] = margin_cell(make->model, walk->output);
    int n_digits = digits_of(make, chosen->leaves, digits);
    add_steps(make, bundle, digits, n_digits);
    for (uint64_t rest = chosen->leaves; rest && !make->failed; rest &= rest - 1)
        add_leaf(make, walk, bundle, __builtin_ctzll(rest), digits, n_digits, n_states);
    free(digits);
}

/* ---- leaves without a table ---- */

/* The background's distinct patterns at a leaf, by sorting: measure[] would have to hold all 2^k. */
static int by_number(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* How many background rows have which pattern: by counting where there are few patterns, else by sorting. */
static int add_patterns(Maker *make, const Leaf *leaf, const Bits *bits, Deep *deep) {
    Tables *tables = make->tables;
    int64_t n = make->n_background, most = bits->n < 31 && n > (1 << bits->n) ? 1 << bits->n : n;
    if (!room((void **)&tables->patterns, &make->room_patterns, tables->n_patterns + most + PATTERNS, sizeof(uint32_t)) ||
        !room((void **)&tables->pattern_rows, &make->room_pattern_rows, tables->n_patterns + most + PATTERNS, sizeof(uint32_t)))
        return 0;
    uint32_t *patterns = tables->patterns + tables->n_patterns, *rows = tables->pattern_rows + tables->n_patterns;
    uint32_t *seen = make->seen;
    int64_t found = 0;
    leaf_patterns(make, leaf, bits);
    if (most < n) {
        uint32_t *counts = (uint32_t *)make->work;
        memset(counts, 0, sizeof(uint32_t) * (size_t)most);
        for (int64_t r = 0; r < n; r++) counts[seen[r]]++;
        for (int64_t q = 0; q < most; q++)
            if (counts[q]) {
                patterns[found] = (uint32_t)q;
                rows[found++] = counts[q];
            }
    } else {
        qsort(seen, (size_t)n, sizeof(uint32_t), by_number);
        for (int64_t from = 0, to; from < n; from = to) {
            for (to = from; to < n && seen[to] == seen[from]; to++) continue;
            patterns[found] = seen[from];
            rows[found++] = (uint32_t)(to - from);
        }
    }
    deep->first_pattern = tables->n_patterns;
    deep->n_patterns = (int32_t)found;
    tables->n_patterns += found;
    return 1;
}

static int make_room_for_deep(Maker *make, const Leaf *leaf, const Bits *bits) {
    Tables *tables = make->tables;
    return room((void **)&tables->deep, &make->room_deep, tables->n_deep + 1, sizeof(Deep)) &&
           room((void **)&tables->conditions, &make->room_conditions, tables->n_conditions + leaf->n_conditions,
                sizeof(DeepCondition)) &&
           room((void **)&tables->shares, &make->room_shares, tables->n_shares + bits->n, sizeof(double)) &&
           room((void **)&tables->cells, &make->room_cells, tables->n_cells + bits->n + 1, sizeof(int32_t));
}

static void add_deep(Maker *make, const Walk *walk, const Leaf *leaf) {
    Tables *tables = make->tables;
    Bits bits;
    if (!bits_of(make, leaf, &bits) || (!make->background && bits.n > MOST_SHARES)) {
        make->failed = TOO_LARGE;
        return;
    }
    if (!make_room_for_deep(make, leaf, &bits)) {
        make->failed = OUT_OF_MEMORY;
        return;
    }
    Deep deep = {.value = leaf->value, .n_bits = bits.n, .n_conditions = leaf->n_conditions,
                 .walk = (int32_t)(walk - make->model->walks), .first_condition = tables->n_conditions,
                 .first_share = tables->n_shares, .first_cell = tables->n_cells, .before = tables->n_bundles};
    double reach = 1.0;
    for (int i = 0; i < bits.n; i++) {
        tables->cells[tables->n_cells++] = (int32_t)(bits.feature[i] * make->model->n_outputs + walk->output);
        if (!make->background) tables->shares[tables->n_shares++] = bits.share[i];
        reach *= bits.share[i];
    }
    tables->cells[tables->n_cells++] = margin_cell(make->model, walk->output);
    for (int c = 0; c < leaf->n_conditions; c++) {
        const Node *node = make->model->nodes + leaf->conditions[c].node;
        tables->conditions[tables->n_conditions++] =
            (DeepCondition){node->column, (uint16_t)node->factors, (uint8_t)leaf->conditions[c].side,
                            (uint8_t)bit_of(&bits, node->feature)};
    }
    if (make->background) {
        if (!add_patterns(make, leaf, &bits, &deep)) make->failed = OUT_OF_MEMORY;
        else {
            int64_t last = tables->n_patterns - 1;
            uint32_t all = (bits.n == 32 ? 0 : 1u << bits.n) - 1u;
            reach = tables->patterns[last] == all ? (double)tables->pattern_rows[last] / (double)make->n_background : 0.0;
        }
    }
    tables->expected[walk->output] += leaf->value * reach;
    tables->deep[tables->n_deep++] = deep;
    if (!make->spills && glasskit_tables_bytes(tables) > make->most_bytes) make->failed = TOO_LARGE;
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
        int is_short = bits_of(make, make->leaves + l, &bits) && bits.n <= MOST_BITS;
        all[n] = candidate(make, 1ULL << l);
        if (is_short && all[n].states <= make->leaf_states) n++;
        else add_deep(make, walk, make->leaves + l);
    }
    if (!make->failed) n = merge(make, all, n);
    for (int i = 0; i < n && !make->failed; i++) {
        add_bundle(make, walk, all + i);
        if (make->failed != TOO_LARGE || !make->spills) continue;
        make->failed = 0;
        for (uint64_t rest = all[i].leaves; rest && !make->failed; rest &= rest - 1)
            add_deep(make, walk, make->leaves + __builtin_ctzll(rest));
    }
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
    tables->n_deep = tables->n_conditions = tables->n_patterns = tables->n_shares = 0;
    tables->n_bundles = tables->n_steps = tables->n_cells = tables->n_table = 0;
    memset(tables->expected, 0, sizeof(double) * (size_t)tables->model->n_outputs);
}

static int make_tables(Maker *make) {
    const Model *model = make->model;
    Condition path[DEEPEST];
    for (int64_t w = 0; w < model->n_walks && !make->failed; w++) {
        const Walk *walk = model->walks + w;
        if (!walk->counts) {
            if (!make->background) make->failed = TOO_LARGE; /* a walk alone has not all its quadrature nodes */
        } else if (!walk->n_nodes) {
            add_single_leaf(make, walk);
        } else {
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
    free(tables->pattern_rows);
    free(tables->shares);
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
            ranks[c * n + r] = rank_of(tables, c, columns[c]);
    }
    free(columns);
    return ranks;
}

/* s! r! / (s + r + 1)! */
static double order_weight(int s, int r) {
    double ways = 1.0; /* s + r over s */
    for (int i = 1; i <= s; i++) ways = ways * (r + i) / i;
    return 1.0 / ((s + r + 1) * ways);
}

static void weigh_orders(Tables *tables) {
    for (int b = 0; b <= MOST_DEEP; b++)
        for (int a = 0; a <= MOST_DEEP; a++) {
            tables->met[b][a] = a ? order_weight(a - 1, b) : 0.0;
            tables->unmet[b][a] = b ? order_weight(b - 1, a) : 0.0;
        }
}

/* What a table of its own would take for every leaf below that has at most so many patterns, in doubles. */
static double separate_size(const Model *model, int32_t at, int32_t *tests, int n_features, double most_patterns) {
    const Node *node = model->nodes + at;
    double sum = 0.0;
    if (tests[node->feature]++ == 0) n_features++;
    for (int side = 0; side < 2; side++) {
        double n_patterns = ldexp(1.0, n_features);
        if (node->child[side] >= 0) sum += separate_size(model, node->child[side], tests, n_features, most_patterns);
        else if (n_patterns <= most_patterns) sum += n_patterns * width_of(n_features);
    }
    tests[node->feature]--;
    return sum;
}

/* Larger bundles are quicker: begins with large ones and goes down until they fit. */
static int try_limits(Maker *make) {
    static const struct { double bundle, leaf, price; } limits[] = {
        {2048, 4096, 1000}, {512, 4096, 200}, {256, 2048, 50}, {128, 1024, 10}, {64, 128, 5}};
    enum { N_LIMITS = sizeof limits / sizeof *limits };
    const Model *model = make->model;
    int32_t *tests = calloc((size_t)model->n_features + 1, sizeof(int32_t));
    if (!tests) return OUT_OF_MEMORY;
    int failed = TOO_LARGE;
    for (int i = 0; i < N_LIMITS && failed == TOO_LARGE; i++) {
        int is_last = i == N_LIMITS - 1;
        double size = 0.0;
        for (int64_t w = 0; w < model->n_walks && !is_last; w++)
            if (model->walks[w].counts && model->walks[w].n_nodes)
                size += separate_size(model, (int32_t)model->walks[w].first, tests, 0, limits[i].leaf);
        if (size * sizeof(double) > 2.0 * (double)make->most_bytes) continue; /* not worth trying */
        make->failed = make->n_leaves = 0;
        make->most_states = limits[i].bundle;
        make->leaf_states = limits[i].leaf;
        make->most_price = limits[i].price;
        make->spills = is_last && make->background;
        forget(make->tables);
        failed = make_tables(make);
        if (!failed && !make->background && make->tables->n_deep * 20 > model->n_nodes) failed = TOO_LARGE;
    }
    free(tests);
    return failed;
}

enum { LARGE_PAGE = 2 << 20 };

/* Moves the table to whole cache lines and, where there are any, to large pages: rows jump about in it. */
static int settle(Tables *tables) {
    size_t n_bytes = sizeof(double) * (size_t)tables->n_table, page = n_bytes < LARGE_PAGE ? 64 : LARGE_PAGE;
    size_t rounded = (n_bytes + page - 1) / page * page;
    double *settled = aligned_alloc(page, rounded ? rounded : page);
    if (!settled) return OUT_OF_MEMORY;
#if defined(MADV_HUGEPAGE)
    if (page == LARGE_PAGE) madvise(settled, rounded, MADV_HUGEPAGE); /* a hint: it may be refused */
#endif
    if (n_bytes) memcpy(settled, tables->table, n_bytes);
    free(tables->table);
    tables->table = settled;
    return 0;
}

/* The tables of a model in at most so many bytes, or NULL: *why says whether memory ran out or they would be
 * too large. Without a background they give path-dependent values. The model must outlive them. */
PUBLIC Tables *glasskit_tables(const Model *model, const double *background, int64_t n_background,
                               int64_t most_bytes, int32_t *why) {
    Tables *tables = calloc(1, sizeof *tables);
    *why = OUT_OF_MEMORY;
    if (!tables) return NULL;
    tables->model = model;
    tables->n_background = n_background;
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
    make.seen = malloc(sizeof(uint32_t) * (size_t)(n_background + 1));
    if (!make.failed && (!ranked.nodes || (background && !ranks) || !make.leaves || !make.axes ||
                         !make.measure || !make.work || !make.phi || !make.seen))
        make.failed = OUT_OF_MEMORY;
    weigh_orders(tables);
    int failed = make.failed ? make.failed : try_limits(&make);
    for (int64_t k = 0; !failed && k < model->n_outputs; k++)
        tables->expected[k] = tables->expected[k] / model->divisor + model->base_scores[k];
    if (!failed) failed = settle(tables);
    free(ranked.nodes);
    free(ranks);
    free(make.leaves);
    free(make.axes);
    free(make.measure);
    free(make.work);
    free(make.phi);
    free(make.table);
    free(make.seen);
    *why = failed;
    if (failed) {
        glasskit_free_tables(tables);
        tables = NULL;
    }
#if defined(__GLIBC__)
    malloc_trim(0); /* the room they grew in goes back to the system */
#endif
    return tables;
}

PUBLIC void glasskit_tables_expected(const Tables *tables, double *expected) {
    memcpy(expected, tables->expected, sizeof(double) * (size_t)tables->model->n_outputs);
}

PUBLIC int64_t glasskit_tables_bytes(const Tables *tables) {
    return tables->n_deep * (int64_t)sizeof(Deep) + tables->n_conditions * (int64_t)sizeof(DeepCondition) +
           tables->n_patterns * 2 * (int64_t)sizeof(uint32_t) + tables->n_shares * (int64_t)sizeof(double) +
           tables->n_table * (int64_t)sizeof(double) + tables->n_steps * (int64_t)sizeof(Step) +
           tables->n_bundles * (int64_t)sizeof(Bundle) + tables->n_cells * (int64_t)sizeof(int32_t);
}
