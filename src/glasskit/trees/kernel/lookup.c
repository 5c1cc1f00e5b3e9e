/* Explains rows with tables, compiled once for every instruction set. */

#include <stdlib.h>
#include <string.h>

#include "columns.h"
#include "patterns.h"
#include "tables.h"
#include "vectors.h"

#define PASTE(a, b) a##_##b
#define WITH_LEVEL(a, b) PASTE(a, b)
#define AT_LEVEL(name) WITH_LEVEL(name, LEVEL)

static const double ADDITIVITY = 1e-9;

enum { BLOCK = 4096 };      /* rows for which a bundle's table stays in the cache */
enum { AHEAD = 32 };        /* rows whose part of the table is asked for early */
enum { WORDS = 32 };
enum { FEW = 24 };          /* rows that are quicker one by one */
enum { WORTH = 8 };         /* patterns of a leaf for each row that make a table of it worth while */
enum { STRIP = 64 };        /* rows ranked together */

typedef uint16_t words __attribute__((vector_size(64)));

static inline words all_words(uint16_t x) { return x - (words){0}; }

/* Everything a call works with. sums[cell][row] for a block; the margins are its last cells. */
typedef struct {
    const Tables *tables;
    uint16_t *ranks;        /* [column][row] */
    double *sums;
    double *room;           /* for the table of a leaf that has none */
    int64_t apart;          /* rows in a line of ranks and sums */
    int64_t n_cells;        /* with the margins */
} Work;

/* ---- bundles ---- */

/* All bundles of one row: first every state, so that the memory is on its way, then the sums. */
static void find_states(const Tables *tables, const uint16_t *ranks, int64_t *found) {
    for (int64_t b = 0; b < tables->n_bundles; b++) {
        const Bundle *bundle = tables->bundles + b;
        const Step *steps = tables->steps + bundle->first_step;
        uint32_t state = (uint32_t)bundle->base;
        for (int s = 0; s < bundle->n_steps; s++)
            state += steps[s].delta & -(uint32_t)(ranks[steps[s].column] > steps[s].rank); /* no branch to guess */
        found[b] = bundle->table + (int64_t)(uint16_t)state * bundle->width;
        for (int w = 0; w < bundle->n_cells; w += WIDTH) __builtin_prefetch(tables->table + found[b] + w);
    }
}

/* Returns what the bundle adds to the margin, its last cell. */
static double add_one(const Tables *tables, const Bundle *bundle, int64_t found, double *sums) {
    const int32_t *cells = tables->cells + bundle->first_cell;
    const double *add = tables->table + found;
    for (int i = 0; i < bundle->n_cells - 1; i++) sums[cells[i]] += add[i];
    return add[bundle->n_cells - 1];
}

/* Adds the lines of a table, one for each row's state, to the block's sums. */
static void add_lines(const double *table, int width, const uint16_t *states, const int32_t *cells, int n_cells,
                      const Work *work, int n) {
    for (int r = 0; r < n; r += LANES) {
        const uint16_t *soon = states + (r + AHEAD < n ? r + AHEAD : r);
        for (int from = 0; from < n_cells; from += WIDTH) {
            lanes line[LANES];
            for (int i = 0; i < LANES; i++) {
                __builtin_prefetch(table + (int64_t)soon[i] * width + from);
                line[i] = load(table + (int64_t)states[r + i] * width + from);
            }
            transpose(line);
            int until = n_cells - from < WIDTH ? n_cells - from : WIDTH;
            for (int i = 0; i < until; i++) {
                double *sum = work->sums + cells[from + i] * work->apart + r;
                store(sum, load(sum) + line[i]);
            }
        }
    }
}

/* One bundle of up to BLOCK rows. */
static void add_many(const Work *work, const Bundle *bundle, words *states, int n) {
    const Tables *tables = work->tables;
    const Step *steps = tables->steps + bundle->first_step;
    for (int w = 0; w * WORDS < n; w++) {
        words sum = all_words((uint16_t)bundle->base);
        for (int s = 0; s < bundle->n_steps; s++) {
            words rank;
            memcpy(&rank, work->ranks + steps[s].column * work->apart + w * WORDS, sizeof rank);
            sum += (words)(rank > all_words(steps[s].rank)) & all_words(steps[s].delta);
        }
        states[w] = sum;
    }
    add_lines(tables->table + bundle->table, bundle->width, (const uint16_t *)states,
              tables->cells + bundle->first_cell, bundle->n_cells, work, n);
}

/* ---- leaves without a table ---- */

/* The features of the leaf that a row does not satisfy; its ranks are `apart` from each other. */
static uint32_t unmet_of(const Tables *tables, const Deep *deep, const uint16_t *ranks, int64_t apart) {
    const DeepCondition *conditions = tables->conditions + deep->first_condition;
    uint32_t unmet = 0;
    for (int c = 0; c < deep->n_conditions; c++)
        unmet |= (uint32_t)((ranks[conditions[c].column * apart] > conditions[c].rank) != conditions[c].side)
                 << conditions[c].bit;
    return unmet;
}

static void add_deep_one(const Work *work, const Deep *deep, int row) {
    const Tables *tables = work->tables;
    const int32_t *cells = tables->cells + deep->first_cell;
    double phi[MOST_DEEP], *sums = work->sums + row;
    uint32_t unmet = unmet_of(tables, deep, work->ranks + row, work->apart);
    if (!deep->n_patterns) one_against_shares(tables, deep, unmet, phi);
    if (!deep->n_patterns || one_against_background(tables, deep, unmet, phi))
        for (int i = 0; i < deep->n_bits; i++) sums[cells[i] * work->apart] += phi[i];
    if (!unmet) sums[cells[deep->n_bits] * work->apart] += deep->value;
}

static void add_deep_many(const Work *work, const Deep *deep, words *states, int n) {
    const Tables *tables = work->tables;
    if (!deep->n_patterns || deep->n_bits > MOST_TABLED || (1 << deep->n_bits) > WORTH * n) {
        for (int r = 0; r < n; r++) add_deep_one(work, deep, r);
        return;
    }
    const DeepCondition *conditions = tables->conditions + deep->first_condition;
    for (int w = 0; w * WORDS < n; w++) {
        words unmet = all_words(0);
        for (int c = 0; c < deep->n_conditions; c++) {
            words rank, bit = all_words((uint16_t)(1 << conditions[c].bit));
            memcpy(&rank, work->ranks + conditions[c].column * work->apart + w * WORDS, sizeof rank);
            words above = (words)(rank > all_words(conditions[c].rank));
            unmet |= (conditions[c].side ? ~above : above) & bit;
        }
        states[w] = unmet;
    }
    int n_cells = deep->n_bits + 1, width = (n_cells + WIDTH - 1) / WIDTH * WIDTH;
    const double *table = table_against_background(tables, deep, width, work->room);
    add_lines(table, width, (const uint16_t *)states, tables->cells + deep->first_cell, n_cells, work, n);
}

/* ---- rows ---- */

/* Ranks of up to STRIP rows in one column: the same halving for all of them. */
static void rank_strip(const Tables *tables, int64_t column, const double *x, int n, uint16_t *ranks) {
    const double *from = tables->thresholds + tables->first_threshold[column];
    int64_t count = tables->first_threshold[column + 1] - tables->first_threshold[column];
    int64_t all = count, low[STRIP], skipped = count > 0 && from[0] != from[0];
    for (int r = 0; r < n; r++) low[r] = skipped;
    for (count -= skipped; count > 0;) {
        int64_t half = (count + 1) / 2;
        for (int r = 0; r < n; r++) low[r] += from[low[r] + half - 1] < x[r] ? half : 0;
        count -= half;
    }
    for (int r = 0; r < n; r++) ranks[r] = (uint16_t)(x[r] != x[r] ? all : low[r]);
}

static void rank_rows(const Work *work, const double *rows, int n) {
    const Model *model = work->tables->model;
    for (int from = 0; from < n; from += STRIP) {
        int strip = n - from < STRIP ? n - from : STRIP;
        const double *strip_rows = rows + from * model->n_features;
        for (int64_t c = 0; c < model->n_columns; c++) {
            const Column *column = model->columns + c;
            double x[STRIP];
            for (int r = 0; r < strip; r++) {
                double given = compared(model, strip_rows[r * model->n_features + column->feature]);
                x[r] = column->kind == NAN_GOES_RIGHT ? given : as_column(model, column, given);
            }
            rank_strip(work->tables, c, x, strip, work->ranks + c * work->apart + from);
        }
    }
}

/* The values and the margin of a row alone from its sums; whether they add up. */
static int finished(const Work *work, int64_t k, double *values, double *margin) {
    const Model *model = work->tables->model;
    double explained = work->tables->expected[k], magnitude = 0.0;
    for (int64_t f = 0; f < model->n_features; f++) {
        int64_t cell = f * model->n_outputs + k;
        double value = work->sums[cell] / model->divisor;
        values[cell] = value;
        explained += value;
        magnitude += fabs(value);
    }
    double sum = work->sums[model->n_features * model->n_outputs + k];
    *margin = sum / model->divisor + model->base_scores[k];
    return fabs(explained - *margin) <= ADDITIVITY * (1.0 + fabs(*margin) + magnitude);
}

/* The same for eight rows in lanes; the first row that does not add up, or LANES. */
static int finished_group(const Work *work, int row, int n, int64_t k, double *values, double *margins) {
    const Model *model = work->tables->model;
    int64_t n_outputs = model->n_outputs, n_values = model->n_features * n_outputs;
    lanes divisor = every(model->divisor), explained = every(work->tables->expected[k]), magnitude = every(0.0);
    for (int64_t from = 0; from < model->n_features; from += LANES) {
        lanes line[LANES];
        int wide = (int)(model->n_features - from < LANES ? model->n_features - from : LANES);
        for (int i = 0; i < LANES; i++) {
            if (i >= wide) {
                line[i] = every(0.0);
                continue;
            }
            line[i] = load(work->sums + ((from + i) * n_outputs + k) * work->apart + row) / divisor;
            explained += line[i];
            magnitude += magnitude_of(line[i]);
        }
        transpose(line);
        for (int r = 0; r < n; r++) {
            double *to = values + r * n_values + from * n_outputs + k;
            if (n_outputs == 1 && wide == LANES) store(to, line[r]);
            else
                for (int i = 0; i < wide; i++) to[i * n_outputs] = line[r][i];
        }
    }
    lanes margin = load(work->sums + (n_values + k) * work->apart + row) / divisor + every(model->base_scores[k]);
    for (int r = n - 1, first = LANES;; r--) {
        if (r < 0) return first;
        margins[r * n_outputs + k] = margin[r];
        double scale = 1.0 + fabs(margin[r]) + magnitude[r];
        if (!(fabs(explained[r] - margin[r]) <= ADDITIVITY * scale)) first = r;
    }
}

static void one_row(const Work *work, int64_t *found) {
    const Tables *tables = work->tables;
    const Deep *deep = tables->deep, *end = deep + tables->n_deep;
    find_states(tables, work->ranks, found);
    for (int64_t b = 0; b <= tables->n_bundles; b++) {
        for (; deep < end && deep->before == b; deep++) add_deep_one(work, deep, 0);
        if (b == tables->n_bundles) break;
        const Bundle *bundle = tables->bundles + b;
        work->sums[tables->cells[bundle->first_cell + bundle->n_cells - 1]] += add_one(tables, bundle, found[b], work->sums);
    }
}

static void many_rows(const Work *work, words *states, int n) {
    const Tables *tables = work->tables;
    const Deep *deep = tables->deep, *end = deep + tables->n_deep;
    int whole = (n + LANES - 1) / LANES * LANES;
    for (int64_t b = 0; b <= tables->n_bundles; b++) {
        for (; deep < end && deep->before == b; deep++) add_deep_many(work, deep, states, n);
        if (b < tables->n_bundles) add_many(work, tables->bundles + b, states, whole);
    }
}

/* How many doubles the largest table of a leaf without one takes. */
static int64_t largest_room(const Tables *tables) {
    int64_t largest = 0;
    for (int64_t d = 0; d < tables->n_deep; d++) {
        int n_bits = tables->deep[d].n_bits;
        if (n_bits <= MOST_TABLED && table_room(n_bits) > largest) largest = table_room(n_bits);
    }
    return largest;
}

static int64_t explain(Work *work, const double *rows, int64_t n, int at_once, int64_t *found, words *states,
                       double *values, double *margins) {
    const Model *model = work->tables->model;
    int64_t n_values = model->n_features * model->n_outputs, wrong = NOTHING_WRONG;
    for (int64_t start = 0; start < n; start += at_once) {
        int n_rows = (int)(n - start < at_once ? n - start : at_once);
        memset(work->sums, 0, sizeof(double) * (size_t)(work->n_cells * work->apart));
        rank_rows(work, rows + start * model->n_features, n_rows);
        if (at_once == 1) one_row(work, found);
        else many_rows(work, states, n_rows);
        for (int r = 0; r < n_rows; r += LANES)
            for (int64_t k = 0; k < model->n_outputs; k++) {
                int group = n_rows - r < LANES ? n_rows - r : LANES, bad;
                double *to = values + (start + r) * n_values, *margin = margins + (start + r) * model->n_outputs;
                if (at_once == 1) bad = finished(work, k, to, margin + k) ? LANES : 0;
                else bad = finished_group(work, r, group, k, to, margin);
                int64_t cell = (start + r + bad) * model->n_outputs + k;
                if (bad < LANES && (wrong < 0 || cell < wrong)) wrong = cell;
            }
    }
    return wrong;
}

int64_t AT_LEVEL(lookup)(const Tables *tables, const double *rows, int64_t n, double *values, double *margins) {
    const Model *model = tables->model;
    int at_once = n <= FEW ? 1 : (int)(n < BLOCK ? (n + WORDS - 1) / WORDS * WORDS : BLOCK);
    int64_t apart = at_once == 1 ? 1 : at_once + WORDS; /* not a power of two, which caches dislike */
    Work work = {.tables = tables, .apart = apart, .n_cells = (model->n_features + 1) * model->n_outputs};
    size_t n_states = at_once == 1 ? sizeof(int64_t) * (size_t)tables->n_bundles : sizeof(uint16_t) * (size_t)at_once;
    size_t n_sums = sizeof(double) * (size_t)(work.n_cells * apart);
    size_t n_ranks = sizeof(uint16_t) * (size_t)(model->n_columns * apart);
    size_t n_room = at_once == 1 ? 0 : sizeof(double) * (size_t)largest_room(tables);
    n_states = (n_states + 63) / 64 * 64;
    n_sums = (n_sums + 63) / 64 * 64;
    n_ranks = (n_ranks + 63) / 64 * 64;
    char *all = aligned_alloc(64, n_states + n_sums + n_ranks + (n_room + 63) / 64 * 64 + 64);
    if (!all) return NO_MEMORY;
    work.sums = (double *)(all + n_states);
    work.ranks = (uint16_t *)(all + n_states + n_sums);
    work.room = (double *)(all + n_states + n_sums + n_ranks);
    memset(work.ranks, 0, n_ranks);
    int64_t wrong = explain(&work, rows, n, at_once, (int64_t *)all, (words *)all, values, margins);
    free(all);
    return wrong;
}
