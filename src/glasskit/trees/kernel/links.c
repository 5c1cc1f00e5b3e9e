/* exp, logistic, log(1 + exp) and softmax: glasskit/exponentials.py operation by operation, so that both
 * give the same bits. That file explains the method. Compile without contraction. */
#include <math.h>
#include <stdint.h>
#include <string.h>

enum { STEPS = 32, FIRST_POWER = 3 };

typedef struct {
    double first, rest;
} Pair;

static const double TO_WHOLE = 6755399441055744.0, SPLITTER = 134217729.0;
static const double LOWEST = -746.0, HIGHEST = 710.0, NEGLIGIBLE = 1.0 / (1ll << 60);

static double power_of_two(int64_t exponent) {
    int64_t bits = (exponent + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

static inline Pair exponential(const double *constants, double x, double extra) {
    if (x != x) return (Pair){x, 0.0};
    double clipped = x < LOWEST ? LOWEST : x > HIGHEST ? HIGHEST : x;
    double steps = (clipped * constants[0] + TO_WHOLE) - TO_WHOLE;
    double r = (clipped - steps * constants[1]) - steps * constants[2];
    r = r + extra;
    double power =
        r + r * r * (0.5 + r * (1.0 / 6 + r * (1.0 / 24 + r * (1.0 / 120 + r * (1.0 / 720)))));
    int64_t whole = (int64_t)steps;
    double head = constants[FIRST_POWER + (whole & 31)], tail = constants[FIRST_POWER + STEPS + (whole & 31)];
    double rest = tail + head * power;
    double first = head + rest, second = rest - (first - head);
    int64_t exponent = whole >> 5;
    int64_t once = exponent < -1021 ? -1021 : exponent > 1023 ? 1023 : exponent;
    double scale = power_of_two(once), again = power_of_two(exponent - once);
    first = first * scale * again;
    second = second * scale * again;
    return (Pair){first, isinf(first) ? 0.0 : second};
}

static inline Pair plus(double whole, Pair pair) {
    double first = whole + pair.first;
    return (Pair){first, ((whole - first) + pair.first) + pair.rest};
}

static inline Pair sum(Pair one, Pair other) {
    double first = one.first + other.first, back = first - one.first;
    double rest = (one.first - (first - back)) + (other.first - back);
    return (Pair){first, rest + (one.rest + other.rest)};
}

static inline Pair split(double x) {
    double turned = SPLITTER * x, high = turned - (turned - x);
    return (Pair){high, x - high};
}

static inline Pair quotient(Pair above, Pair below) {
    double first = above.first / below.first, product = first * below.first;
    Pair one = split(first), other = split(below.first);
    double left = (((one.first * other.first - product) + one.first * other.rest) + one.rest * other.first)
                  + one.rest * other.rest;
    double rest = ((above.first - product) - left) + (above.rest - first * below.rest);
    return (Pair){first, rest / below.first};
}

static double logistic(const double *constants, double x) {
    Pair small = exponential(constants, -fabs(x), 0.0);
    Pair share = quotient(x >= 0 ? (Pair){1.0, 0.0} : small, plus(1.0, small));
    return share.first + share.rest;
}

static double log1p_exp(const double *constants, double x) {
    if (x != x) return x;
    if (x < LOWEST) x = LOWEST;
    Pair small = exponential(constants, -fabs(x), 0.0), share = quotient(small, plus(2.0, small));
    double square = share.first * share.first, series = 1.0 / 37;
    for (int n = 35; n >= 3; n -= 2) series = series * square + 1.0 / n;
    double rest = 2.0 * (share.rest + share.first * square * series), first = 2.0 * share.first;
    if (x > 0) {
        double sums = x + first, back = sums - x;
        double left = isinf(x) ? 0.0 : (x - (sums - back)) + (first - back);
        return sums + (left + rest);
    }
    return small.first < NEGLIGIBLE ? small.first : first + rest;
}

static void softmax(const double *constants, const double *x, int64_t n, double *out) {
    double highest = x[0];
    for (int64_t k = 1; k < n; k++) highest = x[k] > highest || x[k] != x[k] ? x[k] : highest;
    Pair total = {0.0, 0.0};
    for (int turn = 0; turn < 2; turn++) {
        for (int64_t k = 0; k < n; k++) {
            double shifted = x[k] - highest, back = shifted - x[k];
            double extra = (x[k] - (shifted - back)) - (highest + back);
            Pair part = exponential(constants, shifted, isfinite(extra) ? extra : 0.0);
            if (!turn) {
                total = k ? sum(total, part) : part;
            } else {
                Pair share = quotient(part, total);
                out[k] = share.first + share.rest;
            }
        }
    }
}

#define VISIBLE __attribute__((visibility("default")))

VISIBLE void glasskit_exp(const double *constants, const double *x, int64_t n, int64_t n_each, double *out) {
    for (int64_t i = 0; i < n * n_each; i++) out[i] = exponential(constants, x[i], 0.0).first;
}

VISIBLE void glasskit_logistic(const double *constants, const double *x, int64_t n, int64_t n_each, double *out) {
    for (int64_t i = 0; i < n * n_each; i++) out[i] = logistic(constants, x[i]);
}

VISIBLE void glasskit_log1p_exp(const double *constants, const double *x, int64_t n, int64_t n_each, double *out) {
    for (int64_t i = 0; i < n * n_each; i++) out[i] = log1p_exp(constants, x[i]);
}

/* n rows of n_each classes */
VISIBLE void glasskit_softmax(const double *constants, const double *x, int64_t n, int64_t n_each, double *out) {
    for (int64_t row = 0; row < n; row++) softmax(constants, x + row * n_each, n_each, out + row * n_each);
}
