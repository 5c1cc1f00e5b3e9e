/* Explains rows with tables, compiled once for every instruction set. */

#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "tables.h"

#define PASTE(a, b) a##_##b
#define WITH_LEVEL(a, b) PASTE(a, b)
#define AT_LEVEL(name) WITH_LEVEL(name, LEVEL)

int64_t AT_LEVEL(margins)(const Model *, const double *, int64_t, double *);

static const double ADDITIVITY = 1e-9;

enum { BLOCK = 4096 };      /* rows for which a bundle's table stays in the cache */
enum { AHEAD = 16 };        /* rows whose part of the table is asked for early */
enum { WORDS = 32 };

typedef uint16_t words __attribute__((vector_size(64)));

static inline words all_words(uint16_t x) { return x - (words){0}; }

/* Divides a row's sums and checks that they add up to its margin. */
static int finished(const Tables *tables, int64_t k, double *values, double margin) {
    const Model *model = tables->model;
    double explained = tables->expected[k], magnitude = 0.0;
    for (int64_t f = 0; f < model->n_features; f++) {
        double *value = values + f * model->n_outputs + k;
        *value /= model->divisor;
        explained += *value;
        magnitude += fabs(*value);
    }
    return fabs(explained - margin) <= ADDITIVITY * (1.0 + fabs(margin) + magnitude);
}

/* All bundles of one row: first every state, so that the memory is on its way, then the sums. */
static void look_up_one(const Tables *tables, const uint16_t *ranks, int64_t *found, double *values) {
    for (int64_t b = 0; b < tables->n_bundles; b++) {
        const Bundle *bundle = tables->bundles + b;
        const Step *steps = tables->steps + bundle->first_step;
        uint32_t state = (uint32_t)bundle->base;
        for (int s = 0; s < bundle->n_steps; s++)
            state += ranks[steps[s].column] > steps[s].rank ? steps[s].delta : 0;
        found[b] = bundle->table + (int64_t)(uint16_t)state * bundle->n_cells;
        __builtin_prefetch(tables->table + found[b]);
        __builtin_prefetch(tables->table + found[b] + bundle->n_cells - 1);
    }
    for (int64_t b = 0; b < tables->n_bundles; b++) {
        const Bundle *bundle = tables->bundles + b;
        const int32_t *cells = tables->cells + bundle->first_cell;
        const double *add = tables->table + found[b];
        for (int i = 0; i < bundle->n_cells; i++) values[cells[i]] += add[i];
    }
}

/* One bundle of up to BLOCK rows; ranks[column][row]. */
static void look_up_many(const Tables *tables, const Bundle *bundle, const uint16_t *ranks, int n,
                         int64_t n_values, double *values) {
    words state[BLOCK / WORDS];
    const Step *steps = tables->steps + bundle->first_step;
    int n_words = (n + WORDS - 1) / WORDS;
    for (int w = 0; w < n_words; w++) {
        words sum = all_words((uint16_t)bundle->base);
        for (int s = 0; s < bundle->n_steps; s++) {
            words rank;
            memcpy(&rank, ranks + (int64_t)steps[s].column * BLOCK + w * WORDS, sizeof rank);
            sum += (words)(rank > all_words(steps[s].rank)) & all_words(steps[s].delta);
        }
        state[w] = sum;
    }
    const int32_t *cells = tables->cells + bundle->first_cell;
    const double *table = tables->table + bundle->table;
    const uint16_t *states = (const uint16_t *)state;
    for (int r = 0; r < n; r++) {
        const double *add = table + (int64_t)states[r] * bundle->n_cells;
        const double *soon = table + (int64_t)states[r + AHEAD < n ? r + AHEAD : r] * bundle->n_cells;
        __builtin_prefetch(soon);
        __builtin_prefetch(soon + bundle->n_cells - 1);
        double *row = values + r * n_values;
        for (int i = 0; i < bundle->n_cells; i++) row[cells[i]] += add[i];
    }
}

static void against_shares(const Deep *deep, int pattern, double *values) {
    for (int q = 0; q < deep->n_points; q++) {
        double factor[MOST_DEEP], before[MOST_DEEP + 1], t = deep->t[q], after = deep->weight[q] * deep->value;
        before[0] = 1.0;
        for (int i = 0; i < deep->n_bits; i++) {
            factor[i] = (pattern >> i & 1 ? t : 0.0) + (1.0 - t) * deep->share[i];
            before[i + 1] = before[i] * factor[i];
        }
        for (int i = deep->n_bits - 1; i >= 0; i--) {
            values[deep->cells[i]] += ((double)(pattern >> i & 1) - deep->share[i]) * (before[i] * after);
            after *= factor[i];
        }
    }
}

static void against_background(const Tables *tables, const Deep *deep, int pattern, double *values) {
    int all = (1 << deep->n_bits) - 1;
    double phi[MOST_DEEP] = {0};
    for (int64_t p = 0; p < deep->n_patterns; p++) {
        const Pattern *other = tables->patterns + deep->first_pattern + p;
        if ((pattern | other->pattern) != all) continue;
        int only_row = pattern & ~other->pattern, only_other = other->pattern & ~pattern;
        int a = __builtin_popcount((unsigned)only_row), b = __builtin_popcount((unsigned)only_other);
        for (int rest = only_row; rest; rest &= rest - 1)
            phi[__builtin_ctz((unsigned)rest)] += other->weight * tables->orders[a - 1][b];
        for (int rest = only_other; rest; rest &= rest - 1)
            phi[__builtin_ctz((unsigned)rest)] -= other->weight * tables->orders[b - 1][a];
    }
    for (int i = 0; i < deep->n_bits; i++) values[deep->cells[i]] += deep->value * phi[i];
}

/* ranks of one row, `apart` from each other */
static void add_deep_leaves(const Tables *tables, const uint16_t *ranks, int64_t apart, double *values) {
    for (int64_t d = 0; d < tables->n_deep; d++) {
        const Deep *deep = tables->deep + d;
        const DeepCondition *conditions = tables->conditions + deep->first_condition;
        int pattern = (1 << deep->n_bits) - 1;
        for (int c = 0; c < deep->n_conditions; c++)
            if ((ranks[conditions[c].column * apart] > conditions[c].rank) != conditions[c].side)
                pattern &= ~(1 << conditions[c].bit);
        if (deep->n_patterns) against_background(tables, deep, pattern, values);
        else against_shares(deep, pattern, values);
    }
}

int64_t AT_LEVEL(lookup)(const Tables *tables, const double *rows, int64_t n, double *values, double *margins) {
    const Model *model = tables->model;
    int64_t n_columns = model->n_columns, n_features = model->n_features, n_outputs = model->n_outputs;
    int64_t n_values = n_features * n_outputs, wrong = NOTHING_WRONG;
    size_t scratch = sizeof(int64_t) * (size_t)tables->n_bundles;
    int64_t *found = malloc(scratch + sizeof(uint16_t) * (size_t)((n_columns + 1) * BLOCK));
    if (!found) return NO_MEMORY;
    uint16_t *ranks = (uint16_t *)(found + tables->n_bundles);
    memset(ranks, 0, sizeof(uint16_t) * (size_t)(n_columns * BLOCK));
    for (int64_t start = 0; start < n; start += BLOCK) {
        int n_rows = (int)(n - start < BLOCK ? n - start : BLOCK);
        const double *block = rows + start * n_features;
        double *out = values + start * n_values;
        int apart = n_rows == 1 ? 1 : BLOCK;
        memset(out, 0, sizeof(double) * (size_t)(n_rows * n_values));
        for (int64_t c = 0; c < n_columns; c++) {
            const Column *column = model->columns + c;
            for (int r = 0; r < n_rows; r++) {
                double x = compared(model, block[r * n_features + column->feature]);
                ranks[c * apart + r] = rank_of(tables, c, as_column(model, column, x));
            }
        }
        if (n_rows == 1) look_up_one(tables, ranks, found, out);
        else
            for (int64_t b = 0; b < tables->n_bundles; b++)
                look_up_many(tables, tables->bundles + b, ranks, n_rows, n_values, out);
        for (int r = 0; r < n_rows; r++) add_deep_leaves(tables, ranks + r, apart, out + r * n_values);
        if (AT_LEVEL(margins)(model, block, n_rows, margins + start * n_outputs) == NO_MEMORY) {
            wrong = NO_MEMORY;
            break;
        }
        for (int64_t r = 0; r < n_rows; r++)
            for (int64_t k = 0; k < n_outputs; k++)
                if (!finished(tables, k, out + r * n_values, margins[(start + r) * n_outputs + k]) && wrong < 0)
                    wrong = (start + r) * n_outputs + k;
    }
    free(found);
    return wrong;
}
