/* Compiles an ensemble into walks (model.h), and hands calls to the kernels of this machine. */

#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "tables.h"

#if defined(_WIN32)
#define PUBLIC __declspec(dllexport)
#else
#define PUBLIC __attribute__((visibility("default")))
#endif

/* ---- building ---- */

typedef struct {
    const Description *given;
    Model *model;
    int64_t room_nodes, room_factors;
    double *fraction;       /* [n_features]: p, the feature's share on the current path */
    int32_t *tests;         /* [n_features]: how often the path tests it */
    int64_t *last;          /* [n_features]: the last node that did */
    int failed;
} Builder;

static double share_of_left(const Description *given, int64_t node) {
    double left = given->cover[given->left[node]], right = given->cover[given->right[node]];
    return left + right > 0 ? left / (left + right) : 0.5;
}

/* The largest number of distinct features on a path from here. */
static int most_features(Builder *build, int64_t node, int distinct) {
    const Description *given = build->given;
    if (given->left[node] < 0) return distinct;
    int32_t feature = given->feature[node];
    if (build->tests[feature]++ == 0) distinct++;
    int left = most_features(build, given->left[node], distinct);
    int right = most_features(build, given->right[node], distinct);
    build->tests[feature]--;
    return left > right ? left : right;
}

static double expected_value(const Description *given, int64_t node) {
    if (given->left[node] < 0) return given->value[node];
    double z = share_of_left(given, node);
    return z * expected_value(given, given->left[node]) + (1.0 - z) * expected_value(given, given->right[node]);
}

static double *new_factors(Builder *build, Node *node, int n_arrays) {
    Model *model = build->model;
    int64_t n = (int64_t)n_arrays * QUADRATURE;
    if (model->n_factors + n > build->room_factors) {
        build->room_factors = 2 * build->room_factors + n;
        double *grown = realloc(model->factors, sizeof(double) * (size_t)build->room_factors);
        if (!grown) {
            build->failed = 1;
            return NULL;
        }
        model->factors = grown;
    }
    double *factors = model->factors + model->n_factors;
    memset(factors, 0, sizeof(double) * (size_t)n);
    node->factors = (int32_t)model->n_factors;
    model->n_factors += n;
    return factors;
}

static void set_factors(Builder *build, const Walk *walk, Node *node, double p) {
    int again = node->kind & AGAIN;
    double z = node->share, rest = 1.0 - z, difference = node->value[0] - node->value[1];
    double *factors = new_factors(build, node, again ? FACTORS_AGAIN : FACTORS_FIRST);
    if (!factors) return;
    node->gain[0] = p * rest;
    node->gain[1] = -(p * z);
    for (int q = 0; q < walk->n_points; q++) {
        double t = walk->t[q], u = walk->u[q], a = t + u * p;
        if (again) {
            factors[R_LEFT * QUADRATURE + q] = (t + u * p * z) / a;
            factors[R_RIGHT * QUADRATURE + q] = u * p * z / a;
            factors[REST_LEFT * QUADRATURE + q] = u * p * rest / a;
            factors[REST_RIGHT * QUADRATURE + q] = (t + u * p * rest) / a;
            factors[INVERSE * QUADRATURE + q] = 1.0 / (a * a);
        } else if (node->kind & BOTH_LEAVES) {
            double base = z * u;
            factors[q] = node->value[1] + (base + t) * difference;
            factors[QUADRATURE + q] = node->value[1] + base * difference;
        } else {
            factors[LEFT_BASE * QUADRATURE + q] = z * u;
            factors[RIGHT_BASE * QUADRATURE + q] = rest * u;
        }
    }
    if (node->kind & BOTH_LEAVES) {
        node->gain[0] *= difference;
        node->gain[1] *= difference;
    }
}

static int64_t add_node(Builder *build) {
    Model *model = build->model;
    if (model->n_nodes == build->room_nodes) {
        build->room_nodes = 2 * build->room_nodes + 64;
        Node *grown = realloc(model->nodes, sizeof(Node) * (size_t)build->room_nodes);
        if (!grown) {
            build->failed = 1;
            return -1;
        }
        model->nodes = grown;
    }
    return model->n_nodes++;
}

/* Adds the inner node and all below it, parents first; returns its index. */
static int32_t add_subtree(Builder *build, Walk *walk, int64_t from) {
    const Description *given = build->given;
    if (given->left[from] < 0 || build->failed) return -1;
    int64_t at = add_node(build);
    if (at < 0) return -1;
    int64_t children[2] = {given->left[from], given->right[from]};
    int32_t feature = given->feature[from];
    Node node = {.threshold = given->threshold[from], .share = share_of_left(given, from),
                 .column = given->column[from], .feature = feature};
    int leaves = 0;
    for (int side = 0; side < 2; side++)
        if (given->left[children[side]] < 0) {
            node.value[side] = given->value[children[side]];
            leaves++;
        }
    double p = build->tests[feature] ? build->fraction[feature] : 1.0;
    if (build->tests[feature]) {
        node.kind = AGAIN;
        build->model->nodes[build->last[feature]].kind |= REMEMBERED;
    } else if (leaves == 2) {
        node.kind = BOTH_LEAVES;
    }
    set_factors(build, walk, &node, p);
    build->model->nodes[at] = node;

    int64_t last = build->last[feature];
    build->tests[feature]++;
    for (int side = 0; side < 2; side++) {
        build->last[feature] = at;
        build->fraction[feature] = p * (side ? 1.0 - node.share : node.share);
        int32_t child = add_subtree(build, walk, children[side]);
        if (build->failed) break;
        build->model->nodes[at].child[side] = child;
    }
    build->tests[feature]--;
    build->last[feature] = last;
    build->fraction[feature] = p;
    walk->n_nodes++;
    return (int32_t)at;
}

/* A tree with k features needs ceil(k / 2) quadrature nodes, eight of them a walk. */
static void add_walks(Builder *build, int64_t tree) {
    const Description *given = build->given;
    Model *model = build->model;
    int64_t root = given->roots[tree];
    int n_points = (most_features(build, root, 0) + 1) / 2;
    const double *points = given->points + (int64_t)n_points * (n_points - 1) / 2;
    const double *weights = given->weights + (int64_t)n_points * (n_points - 1) / 2;
    for (int from = 0; from == 0 || from < n_points; from += QUADRATURE) {
        Walk walk = {.first = model->n_nodes, .output = given->outputs[tree], .counts = from == 0};
        walk.n_points = n_points - from < QUADRATURE ? n_points - from : QUADRATURE;
        for (int q = 0; q < walk.n_points; q++) {
            walk.t[q] = points[from + q];
            walk.u[q] = 1.0 - points[from + q];
            walk.weight[q] = weights[from + q];
        }
        if (given->left[root] < 0) walk.leaf = given->value[root];
        else add_subtree(build, &walk, root);
        model->walks[model->n_walks++] = walk;
    }
}

static void *copied(const void *from, size_t n_bytes) {
    void *to = malloc(n_bytes ? n_bytes : 1);
    if (to && n_bytes) memcpy(to, from, n_bytes);
    return to;
}

PUBLIC void glasskit_free(Model *model) {
    if (!model) return;
    free(model->walks);
    free(model->nodes);
    free(model->factors);
    free(model->pair_weights);
    free(model->columns);
    free(model->categories);
    free(model->base_scores);
    free(model->expected);
    free(model);
}

/* The compiled model, or NULL when memory ran out. */
PUBLIC Model *glasskit_build(const Description *given) {
    Model *model = calloc(1, sizeof *model);
    if (!model) return NULL;
    size_t n_features = (size_t)given->n_features;
    int64_t walks_each = (given->most_points + QUADRATURE - 1) / QUADRATURE;
    model->n_columns = given->n_columns;
    model->n_features = given->n_features;
    model->n_outputs = given->n_outputs;
    model->divisor = given->divisor;
    model->float32_inputs = given->float32_inputs;
    model->columns = copied(given->columns, sizeof(Column) * (size_t)given->n_columns);
    model->categories = copied(given->categories, (size_t)given->n_categories);
    model->base_scores = copied(given->base_scores, sizeof(double) * (size_t)given->n_outputs);
    model->expected = calloc((size_t)given->n_outputs, sizeof(double));
    model->walks = malloc(sizeof(Walk) * (size_t)(given->n_trees * (walks_each ? walks_each : 1) + 1));
    Builder build = {.given = given, .model = model,
                     .fraction = calloc(n_features + 1, sizeof(double)),
                     .tests = calloc(n_features + 1, sizeof(int32_t)),
                     .last = calloc(n_features + 1, sizeof(int64_t))};
    build.failed = !(model->columns && model->categories && model->base_scores && model->expected &&
                     model->walks && build.fraction && build.tests && build.last);
    for (int64_t tree = 0; tree < given->n_trees && !build.failed; tree++) {
        add_walks(&build, tree);
        model->expected[given->outputs[tree]] += expected_value(given, given->roots[tree]);
        if (model->n_factors > INT32_MAX || model->n_nodes > INT32_MAX) build.failed = 1;
    }
    for (int64_t k = 0; k < given->n_outputs && !build.failed; k++)
        model->expected[k] = model->expected[k] / model->divisor + model->base_scores[k];
    free(build.fraction);
    free(build.tests);
    free(build.last);
    if (!build.failed) return model;
    glasskit_free(model);
    return NULL;
}

PUBLIC void glasskit_expected(const Model *model, double *expected) {
    memcpy(expected, model->expected, sizeof(double) * (size_t)model->n_outputs);
}

PUBLIC int64_t glasskit_bytes(const Model *model) {
    int64_t pairs = model->pair_weights ? model->n_nodes * PAIR_WEIGHTS * QUADRATURE : 0;
    return model->n_nodes * (int64_t)sizeof(Node) + (model->n_factors + pairs) * (int64_t)sizeof(double) +
           model->n_walks * (int64_t)sizeof(Walk);
}

/* ---- pair weights ---- */

static void weigh(Model *model, const Walk *walk, int64_t at, double *fraction, char *seen) {
    const Node *node = model->nodes + at;
    double *weights = model->pair_weights + at * PAIR_WEIGHTS * QUADRATURE;
    double p = seen[node->feature] ? fraction[node->feature] : 1.0;
    char was = seen[node->feature];
    seen[node->feature] = 1;
    for (int side = 0; side < 2; side++) {
        double z = p * (side ? 1.0 - node->share : node->share);
        for (int q = 0; q < walk->n_points; q++)
            weights[side * QUADRATURE + q] = (1.0 - z) / (z * walk->u[q] + walk->t[q]);
        fraction[node->feature] = z;
        if (node->child[side] >= 0) weigh(model, walk, node->child[side], fraction, seen);
    }
    seen[node->feature] = was;
    fraction[node->feature] = p;
}

/* Must have run before interactions are asked for. Returns 0, or NO_MEMORY. */
PUBLIC int64_t glasskit_prepare_pairs(Model *model) {
    size_t n_features = (size_t)model->n_features + 1;
    double *fraction = calloc(n_features, sizeof(double));
    char *seen = calloc(n_features, 1);
    if (!model->pair_weights)
        model->pair_weights = calloc((size_t)(model->n_nodes * PAIR_WEIGHTS * QUADRATURE + 1), sizeof(double));
    int ready = fraction && seen && model->pair_weights;
    for (int64_t w = 0; ready && w < model->n_walks; w++)
        if (model->walks[w].n_nodes) weigh(model, model->walks + w, model->walks[w].first, fraction, seen);
    free(fraction);
    free(seen);
    return ready ? 0 : NO_MEMORY;
}

/* ---- instruction sets ---- */

#define DECLARE(level)                                                                                      \
    int64_t shap_##level(const Model *, const double *, int64_t, double *, double *);                       \
    int64_t interactions_##level(const Model *, const double *, int64_t, double *, double *);               \
    int64_t margins_##level(const Model *, const double *, int64_t, double *);                              \
    int64_t lookup_##level(const Tables *, const double *, int64_t, double *, double *);

DECLARE(plain)
#if defined(__x86_64__)
DECLARE(avx2)
DECLARE(avx512)
static const Shap shap_at[] = {shap_plain, shap_avx2, shap_avx512};
static const Interactions interactions_at[] = {interactions_plain, interactions_avx2, interactions_avx512};
static const Margins margins_at[] = {margins_plain, margins_avx2, margins_avx512};
static const Lookup lookup_at[] = {lookup_plain, lookup_avx2, lookup_avx512};
#else
static const Shap shap_at[] = {shap_plain};
static const Interactions interactions_at[] = {interactions_plain};
static const Margins margins_at[] = {margins_plain};
static const Lookup lookup_at[] = {lookup_plain};
#endif

/* The best instruction set of this machine: 0 plain, 1 AVX2, 2 AVX-512. */
PUBLIC int32_t glasskit_best_level(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return 2;
    if (__builtin_cpu_supports("avx2")) return 1;
#endif
    return 0;
}

PUBLIC int64_t glasskit_shap(const Model *model, int32_t level, const double *rows, int64_t n, double *values,
                             double *margins) {
    return shap_at[level](model, rows, n, values, margins);
}

PUBLIC int64_t glasskit_interactions(const Model *model, int32_t level, const double *rows, int64_t n,
                                     double *values, double *margins) {
    return interactions_at[level](model, rows, n, values, margins);
}

PUBLIC int64_t glasskit_margins(const Model *model, int32_t level, const double *rows, int64_t n,
                                double *margins) {
    return margins_at[level](model, rows, n, margins);
}

PUBLIC int64_t glasskit_lookup(const Tables *tables, int32_t level, const double *rows, int64_t n, double *values,
                               double *margins) {
    return lookup_at[level](tables, rows, n, values, margins);
}
