// Metropolis-Hastings over directed acyclic graphs whose score is a sum over families.
//
// A graph is one 64-bit set of parents per node; the log weight of every allowed set of parents
// of every node is tabulated. Three moves:
// - edge (Madigan & York 1995): a pair of nodes and one of the two other states of the edge
//   between them (absent, forward, backward), both uniform: a symmetric proposal;
// - family (Goudie & Mukherjee 2016): all parents of one node, drawn from their conditional;
// - reversal (Grzegorczyk & Husmeier 2008): an edge is turned round while the parents of both
//   ends are drawn anew.
// `dag_walk.py` has the same walk in Python, draw for draw.
#include <cmath>
#include <cstdint>
#include <limits>

struct Walk {
    int64_t nodes, sets;        // sets: allowed sets of parents of each node
    const uint64_t* masks;      // (nodes, sets), ascending for each node
    const double* weights;      // (nodes, sets) log weight, nats
    uint64_t key;               // of the random numbers of this chain
    uint64_t counter;           // random numbers used so far
    double family, reversal;    // probabilities of these moves
    int64_t tried[3], taken[3];  // edge, family, reversal
};

namespace {

constexpr uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;
constexpr double NONE = -std::numeric_limits<double>::infinity();

// SplitMix64 (Steele, Lea & Flood 2014), 53 bits.
double uniform(Walk& w) {
    uint64_t z = w.key + (++w.counter) * GOLDEN;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

uint64_t bit(int64_t node) { return 1ull << node; }

// Position of a set of parents, or -1 when it is not allowed.
int64_t find(const Walk& w, int64_t node, uint64_t mask) {
    const uint64_t* masks = w.masks + node * w.sets;
    int64_t low = 0, high = w.sets;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (masks[middle] < mask) low = middle + 1;
        else high = middle;
    }
    return low < w.sets && masks[low] == mask ? low : -1;
}

double weight(const Walk& w, int64_t node, uint64_t mask) {
    const int64_t k = find(w, node, mask);
    return k < 0 ? NONE : w.weights[node * w.sets + k];
}

// The node and all its descendants.
uint64_t descendants(const Walk& w, const uint64_t* parents, int64_t node) {
    uint64_t found = bit(node);
    for (bool grown = true; grown;) {
        grown = false;
        for (int64_t v = 0; v < w.nodes; ++v) {
            if (!(found & bit(v)) && (parents[v] & found)) {
                found |= bit(v);
                grown = true;
            }
        }
    }
    return found;
}

// Sum (log) over the sets that hold `needed` and avoid `barred`; draws one when `drawn` is given.
double sum_sets(Walk& w, int64_t node, uint64_t needed, uint64_t barred, uint64_t* drawn) {
    const uint64_t* masks = w.masks + node * w.sets;
    const double* weights = w.weights + node * w.sets;
    double top = NONE;
    for (int64_t k = 0; k < w.sets; ++k) {
        const bool fits = (masks[k] & needed) == needed && !(masks[k] & barred);
        if (fits && weights[k] > top) top = weights[k];
    }
    if (top == NONE) return NONE;
    double sum = 0;
    for (int64_t k = 0; k < w.sets; ++k) {
        if ((masks[k] & needed) == needed && !(masks[k] & barred)) sum += std::exp(weights[k] - top);
    }
    if (drawn) {
        double left = uniform(w) * sum;
        for (int64_t k = 0; k < w.sets; ++k) {
            if ((masks[k] & needed) != needed || (masks[k] & barred)) continue;
            const double share = std::exp(weights[k] - top);
            if (share > 0) *drawn = masks[k];  // rounding may leave a remainder: keep the last
            left -= share;
            if (left < 0) break;
        }
    }
    return top + std::log(sum);
}

int64_t count_edges(const Walk& w, const uint64_t* parents) {
    int64_t edges = 0;
    for (int64_t v = 0; v < w.nodes; ++v) edges += __builtin_popcountll(parents[v]);
    return edges;
}

bool move_edge(Walk& w, uint64_t* parents) {
    int64_t a = (int64_t)(uniform(w) * w.nodes), b = (int64_t)(uniform(w) * (w.nodes - 1));
    if (b >= a) ++b;
    if (a > b) {
        const int64_t c = a;
        a = b;
        b = c;
    }
    const bool forward = parents[b] & bit(a), backward = parents[a] & bit(b);
    const bool coin = uniform(w) < 0.5;
    const bool to_forward = !forward && (backward ? coin : !coin);
    const bool to_backward = !backward && coin;
    const uint64_t old_a = parents[a], old_b = parents[b];
    const uint64_t new_a = (old_a & ~bit(b)) | (to_backward ? bit(b) : 0);
    const uint64_t new_b = (old_b & ~bit(a)) | (to_forward ? bit(a) : 0);
    const double gain = weight(w, a, new_a) + weight(w, b, new_b) - weight(w, a, old_a) -
                        weight(w, b, old_b);
    const double u = uniform(w);
    if (!(std::log(u) < gain)) return false;
    parents[a] = old_a & ~bit(b);
    parents[b] = old_b & ~bit(a);
    const bool cyclic = (to_forward && (descendants(w, parents, b) & bit(a))) ||
                        (to_backward && (descendants(w, parents, a) & bit(b)));
    parents[a] = cyclic ? old_a : new_a;
    parents[b] = cyclic ? old_b : new_b;
    return !cyclic;
}

bool move_family(Walk& w, uint64_t* parents) {
    const int64_t node = (int64_t)(uniform(w) * w.nodes);
    const uint64_t old = parents[node];
    sum_sets(w, node, 0, descendants(w, parents, node), &parents[node]);
    return parents[node] != old;
}

bool move_reversal(Walk& w, uint64_t* parents) {
    const int64_t edges = count_edges(w, parents);
    if (edges == 0) return false;
    int64_t chosen = (int64_t)(uniform(w) * edges), tail = 0, head = 0;
    for (int64_t v = 0; v < w.nodes; ++v) {
        for (int64_t u = 0; u < w.nodes; ++u) {
            if ((parents[v] & bit(u)) && chosen-- == 0) {
                tail = u;
                head = v;
            }
        }
    }
    const uint64_t old_tail = parents[tail], old_head = parents[head];
    // Both ends are orphaned; then the tail is given parents with the head among them.
    parents[tail] = parents[head] = 0;
    const uint64_t below_tail = descendants(w, parents, tail);
    const uint64_t below_head = descendants(w, parents, head);
    uint64_t new_tail = 0, new_head = 0;
    const double to_tail = sum_sets(w, tail, bit(head), below_tail, &new_tail);
    const double from_head = sum_sets(w, head, bit(tail), below_head, nullptr);
    parents[tail] = new_tail;
    const double to_head =
        to_tail == NONE ? NONE : sum_sets(w, head, 0, descendants(w, parents, head), &new_head);
    parents[tail] = 0;
    parents[head] = old_head;
    const double from_tail = sum_sets(w, tail, 0, descendants(w, parents, tail), nullptr);
    parents[tail] = new_tail;
    parents[head] = new_head;
    const double edge_choice = std::log((double)edges) - std::log((double)count_edges(w, parents));
    const double ratio = edge_choice + to_tail + to_head - from_head - from_tail;
    const double u = uniform(w);
    if (to_tail != NONE && std::log(u) < ratio) return true;
    parents[tail] = old_tail;
    parents[head] = old_head;
    return false;
}

void step(Walk& w, uint64_t* parents) {
    const double u = uniform(w);
    const int move = u < w.family ? 1 : u < w.family + w.reversal ? 2 : 0;
    const bool moved = move == 1   ? move_family(w, parents)
                       : move == 2 ? move_reversal(w, parents)
                                   : move_edge(w, parents);
    ++w.tried[move];
    w.taken[move] += moved;
}

}  // namespace

// `draws` times `thin` steps from `parents` (nodes), which ends at the last graph; writes the
// graph, its log weight and the share of accepted steps after every `thin`. Stops early, and
// returns how many draws are done, when `stop` is set.
extern "C" __attribute__((visibility("default"))) int64_t probgen_dag_walk(
    Walk* walk, uint64_t* parents, int64_t draws, int64_t thin, uint64_t* graphs,
    double* log_weights, double* accepted, const volatile int32_t* stop) {
    Walk& w = *walk;
    for (int64_t d = 0; d < draws; ++d) {
        const int64_t before = w.taken[0] + w.taken[1] + w.taken[2];
        for (int64_t t = 0; t < thin; ++t) {
            if (*stop) return d;
            step(w, parents);
        }
        const int64_t after = w.taken[0] + w.taken[1] + w.taken[2];
        double total = 0;
        for (int64_t v = 0; v < w.nodes; ++v) {
            graphs[d * w.nodes + v] = parents[v];
            total += weight(w, v, parents[v]);
        }
        log_weights[d] = total;
        accepted[d] = (double)(after - before) / (double)thin;
    }
    return draws;
}
