/* One walk with POINTS quadrature nodes for eight rows in lanes; model.h has the mathematics.
 * Included once for every number of nodes, so that loops over them unroll. */

#define JOINED(a, b) a##b
#define NAMED(a, b) JOINED(a, b)
#define DESCEND NAMED(descend_, POINTS)

/* above: C_q. Fills below with h_q and returns the value of the leaf each row reaches. */
static lanes DESCEND(const Group *rows, const Node *node, const lanes *above, lanes *below) {
    const double *factors = rows->factors + node->factors;
    mask left = at_most(rows->columns[node->column], every(node->threshold));
    lanes *phi = rows->phi + (int64_t)node->feature * rows->n_outputs;

    if (node->kind == BOTH_LEAVES) {
        *phi += total_of(above, POINTS) * choose(left, every(node->gain[0]), every(node->gain[1]));
        for (int q = 0; q < POINTS; q++)
            below[q] = choose(left, every(factors[q]), every(factors[QUADRATURE + q]));
        return choose(left, every(node->value[0]), every(node->value[1]));
    }

    int again = node->kind & AGAIN;
    mask on_path = left, *met = rows->met + node->feature;
    lanes gain = choose(left, every(node->gain[0]), every(node->gain[1]));
    lanes r[POINTS], c[POINTS], from_left[POINTS], from_right[POINTS], left_leaf, right_leaf;
    if (again) {
        on_path = *met;
        gain = choose(on_path, gain, every(0.0));
        for (int q = 0; q < POINTS; q++)
            r[q] = choose(on_path,
                          choose(left, every(factors[R_LEFT * QUADRATURE + q]),
                                 every(factors[R_RIGHT * QUADRATURE + q])),
                          every(node->share));
    } else {
        for (int q = 0; q < POINTS; q++) {
            lanes base = every(factors[LEFT_BASE * QUADRATURE + q]);
            r[q] = choose(left, base + rows->t[q], base);
        }
    }

    if (node->child[0] >= 0) {
        if (node->kind & REMEMBERED) *met = again ? both(on_path, left) : left;
        for (int q = 0; q < POINTS; q++) c[q] = above[q] * r[q];
        left_leaf = DESCEND(rows, rows->nodes + node->child[0], c, from_left);
    } else {
        left_leaf = every(node->value[0]);
        for (int q = 0; q < POINTS; q++) from_left[q] = left_leaf;
    }

    if (node->child[1] >= 0) {
        if (node->kind & REMEMBERED) *met = again ? but_not(on_path, left) : opposite(left);
        if (again)
            for (int q = 0; q < POINTS; q++)
                c[q] = above[q] * choose(on_path,
                                         choose(left, every(factors[REST_LEFT * QUADRATURE + q]),
                                                every(factors[REST_RIGHT * QUADRATURE + q])),
                                         every(1.0 - node->share));
        else
            for (int q = 0; q < POINTS; q++) {
                lanes base = every(factors[RIGHT_BASE * QUADRATURE + q]);
                c[q] = above[q] * choose(left, base, base + rows->t[q]);
            }
        right_leaf = DESCEND(rows, rows->nodes + node->child[1], c, from_right);
    } else {
        right_leaf = every(node->value[1]);
        for (int q = 0; q < POINTS; q++) from_right[q] = right_leaf;
    }
    if (again) *met = on_path;

    for (int q = 0; q < POINTS; q++) {
        lanes difference = from_left[q] - from_right[q];
        below[q] = from_right[q] + r[q] * difference;
        lanes weight = again ? above[q] * every(factors[INVERSE * QUADRATURE + q]) : above[q];
        c[q] = weight * difference;
    }
    *phi += total_of(c, POINTS) * gain;
    return choose(left, left_leaf, right_leaf);
}

#undef DESCEND
#undef NAMED
#undef JOINED
