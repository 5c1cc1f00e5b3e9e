/* A row's features as columns, the form in which nodes compare them (columns.py says how they are chosen). */
#ifndef GLASSKIT_COLUMNS_H
#define GLASSKIT_COLUMNS_H

#include <math.h>

#include "model.h"

static const double ZERO_TOLERANCE = (double)1e-35f; /* LightGBM's kZeroThreshold */

static inline double in_set(const Model *model, const Column *column, double x) {
    int is_nan = x != x, left;
    double number = is_nan ? 0.0 : x;
    if ((is_nan && (column->flags & NAN_IS_MISSING)) ||
        (fabs(number) <= ZERO_TOLERANCE && (column->flags & ZERO_IS_MISSING))) {
        left = (column->flags & MISSING_GOES_LEFT) != 0;
    } else {
        double lowest = column->flags & TRUNCATES ? -1.0 : 0.0;
        int is_category = (x > lowest || x == 0.0) && x < column->n_categories && column->n_categories > 0;
        left = is_category && model->categories[column->categories + (int64_t)x];
    }
    return left ? 0.0 : 1.0;
}

static inline double as_column(const Model *model, const Column *column, double x) {
    int is_nan = x != x, is_zero = is_nan || fabs(x) <= ZERO_TOLERANCE;
    switch (column->kind) {
    case NAN_IS_ZERO: return is_nan ? 0.0 : x;
    case NAN_GOES_LEFT: return is_nan ? -INFINITY : x;
    case NAN_GOES_RIGHT: return x; /* NaN is never at most a threshold */
    case ZERO_GOES_LEFT: return is_zero ? -INFINITY : x;
    case ZERO_GOES_RIGHT: return is_zero ? NAN : x;
    default: return in_set(model, column, x);
    }
}

static inline double compared(const Model *model, double x) {
    return model->float32_inputs ? (double)(float)x : x;
}

/* The columns of one row, `apart` doubles from each other. */
static inline void fill_row(const Model *model, const double *row, double *out, int apart) {
    for (int64_t c = 0; c < model->n_columns; c++) {
        const Column *column = model->columns + c;
        out[c * apart] = as_column(model, column, compared(model, row[column->feature]));
    }
}

#endif
