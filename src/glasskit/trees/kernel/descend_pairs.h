/* One walk for interaction values with POINTS quadrature nodes and eight rows in lanes.
 *
 * On top of descend.h every feature j on the path keeps W_j = (o_j - z_j) / F_j per quadrature node;
 * what a node adds to phi_i it adds, times W_j, to the pair (i, j). When a feature is tested again
 * its new W takes the place of the old one, and the increments add up to the last one's. */

#define JOINED(a, b) a##b
#define NAMED(a, b) JOINED(a, b)
#define DESCEND NAMED(descend_pairs_, POINTS)

static lanes DESCEND(const Group *rows, Pairs *pairs, const Node *node, const lanes *above, lanes *below) {
    const double *factors = rows->factors + node->factors;
    const double *weights = pairs->weights + (node - pairs->first_node) * (PAIR_WEIGHTS * QUADRATURE);
    mask left = at_most(rows->columns[node->column], every(node->threshold));
    int again = node->kind & AGAIN, leaves = node->kind & BOTH_LEAVES;
    mask on_path = left, *met = rows->met + node->feature;
    lanes gain = choose(left, every(node->gain[0]), every(node->gain[1]));
    lanes r[POINTS], c[POINTS], from_left[POINTS], from_right[POINTS], before[POINTS];
    lanes left_leaf = every(node->value[0]), right_leaf = every(node->value[1]);

    int place = pairs->n;   /* of the node's feature among those on the path */
    if (again) {
        for (place = 0; pairs->feature[place] != node->feature;) place++;
        on_path = *met;
        gain = choose(on_path, gain, every(0.0));
        for (int q = 0; q < POINTS; q++) before[q] = pairs->w[place * QUADRATURE + q];
    } else {
        pairs->feature[pairs->n++] = node->feature;
    }
    for (int q = 0; q < POINTS; q++) {
        if (again) {
            r[q] = choose(on_path,
                          choose(left, every(factors[R_LEFT * QUADRATURE + q]),
                                 every(factors[R_RIGHT * QUADRATURE + q])),
                          every(node->share));
        } else {
            lanes base = leaves ? every(node->share) * rows->u[q] : every(factors[LEFT_BASE * QUADRATURE + q]);
            r[q] = choose(left, base + rows->t[q], base);
        }
    }
    lanes *w = pairs->w + place * QUADRATURE;
    if (node->child[0] >= 0) {
        *met = again ? both(on_path, left) : left;
        for (int q = 0; q < POINTS; q++) {
            c[q] = above[q] * r[q];
            w[q] = choose(*met, every(weights[TO_LEFT_MET * QUADRATURE + q]), pairs->unmet[q]);
        }
        left_leaf = DESCEND(rows, pairs, rows->nodes + node->child[0], c, from_left);
    } else {
        for (int q = 0; q < POINTS; q++) from_left[q] = left_leaf;
    }
    if (node->child[1] >= 0) {
        *met = again ? but_not(on_path, left) : opposite(left);
        for (int q = 0; q < POINTS; q++) {
            lanes rest;
            if (again) {
                rest = choose(on_path,
                              choose(left, every(factors[REST_LEFT * QUADRATURE + q]),
                                     every(factors[REST_RIGHT * QUADRATURE + q])),
                              every(1.0 - node->share));
            } else {
                lanes base = every(factors[RIGHT_BASE * QUADRATURE + q]);
                rest = choose(left, base, base + rows->t[q]);
            }
            c[q] = above[q] * rest;
            w[q] = choose(*met, every(weights[TO_RIGHT_MET * QUADRATURE + q]), pairs->unmet[q]);
        }
        right_leaf = DESCEND(rows, pairs, rows->nodes + node->child[1], c, from_right);
    } else {
        for (int q = 0; q < POINTS; q++) from_right[q] = right_leaf;
    }
    if (again) {
        *met = on_path;
        for (int q = 0; q < POINTS; q++) w[q] = before[q];
    } else {
        pairs->n--;
    }

    for (int q = 0; q < POINTS; q++) {
        lanes difference = leaves ? every(1.0) : from_left[q] - from_right[q];
        below[q] = from_right[q] + r[q] * (from_left[q] - from_right[q]);
        lanes weight = again ? above[q] * every(factors[INVERSE * QUADRATURE + q]) : above[q];
        c[q] = weight * difference * gain;
    }
    rows->phi[node->feature] += total_of(c, POINTS);
    for (int j = 0; j < pairs->n; j++) {
        if (j == place) continue;
        lanes product[POINTS];
        for (int q = 0; q < POINTS; q++) product[q] = c[q] * pairs->w[j * QUADRATURE + q];
        int32_t a = node->feature, b = pairs->feature[j];
        int64_t cell = a > b ? (int64_t)a * (a - 1) / 2 + b : (int64_t)b * (b - 1) / 2 + a;
        pairs->sums[cell] += total_of(product, POINTS);
    }
    return choose(left, left_leaf, right_leaf);
}

#undef DESCEND
#undef NAMED
#undef JOINED
