// Swendsen-Wang clusters (Swendsen & Wang 1987; Edwards & Sokal 1988) for ferromagnets whose
// coupling may differ from edge to edge and from state to state, in any external field.
//
// The density is prod_v exp(field[v][x_v]) prod_e exp(c[e][k] if both ends are in state k else 0).
// An edge whose ends agree in state k is open with probability 1 - exp(-c[e][k]); the vertices
// joined by open edges then take one common state, drawn with weight
// prod exp(field) prod over open edges (exp(c) - 1): the field needs no ghost spin.
// Chains are rows, so a chain works in the cache; randoms depend on (key, sweep, edge or vertex,
// chain) alone.
#include <cmath>
#include <cstdint>
#include <vector>

#include "counter_random.hpp"

struct Ferromagnet {
    int64_t vertices, edges, stride;  // stride: most states of a vertex
    const int32_t* cards;             // (vertices)
    const int32_t* ends;              // (edges, 2)
    const double* open;               // (edges, stride) probability of an open edge
    const double* weight;             // (edges, stride) log(exp(c) - 1), or null: the same for all
    const double* field;              // (vertices, stride)
};

namespace {

struct Clusters {
    std::vector<int32_t> parent;
    std::vector<uint8_t> opened, state;
    std::vector<double> log_weight, probability, uniform;

    explicit Clusters(const Ferromagnet& m)
        : parent(m.vertices), opened(m.edges), state(m.vertices),
          log_weight(m.vertices * m.stride), probability(m.vertices * m.stride),
          uniform(m.edges) {}

    int32_t find(int32_t v) {
        while (parent[v] != v) {
            parent[v] = parent[parent[v]];
            v = parent[v];
        }
        return v;
    }

    void open_edges(const Ferromagnet& m, const uint8_t* x, uint64_t key, uint64_t sweep,
                    uint64_t chain) {
        const uint64_t numbers = m.edges + m.vertices;
        for (int64_t e = 0; e < m.edges; ++e) {
            const uint64_t row = counter::row(key, sweep, e, numbers);
            uniform[e] = counter::uniform64(counter::bits(row, chain));
        }
        for (int64_t v = 0; v < m.vertices; ++v) parent[v] = (int32_t)v;
        for (int64_t e = 0; e < m.edges; ++e) {
            const int32_t a = m.ends[2 * e], b = m.ends[2 * e + 1];
            opened[e] = x[a] == x[b] && uniform[e] < m.open[e * m.stride + x[a]];
            if (!opened[e]) continue;
            const int32_t ra = find(a), rb = find(b);
            // The smaller index becomes the root, so the numbering of clusters is canonical.
            if (ra < rb) parent[rb] = ra;
            if (rb < ra) parent[ra] = rb;
        }
    }

    void weigh(const Ferromagnet& m) {
        const int64_t s = m.stride;
        for (int64_t i = 0; i < m.vertices * s; ++i) log_weight[i] = 0;
        for (int64_t v = 0; v < m.vertices; ++v) {
            parent[v] = find((int32_t)v);
            for (int64_t k = 0; k < s; ++k) log_weight[parent[v] * s + k] += m.field[v * s + k];
        }
        if (!m.weight) return;
        for (int64_t e = 0; e < m.edges; ++e) {
            if (!opened[e]) continue;
            double* of = &log_weight[parent[m.ends[2 * e]] * s];
            for (int64_t k = 0; k < s; ++k) of[k] += m.weight[e * s + k];
        }
    }

    // Probabilities of the states of the cluster with this root, and one state drawn from them.
    void draw(const Ferromagnet& m, int64_t root, double u) {
        const double* l = &log_weight[root * m.stride];
        double* p = &probability[root * m.stride];
        const int64_t states = m.cards[root];
        double top = l[0], total = 0;
        for (int64_t k = 1; k < states; ++k) top = l[k] > top ? l[k] : top;
        for (int64_t k = 0; k < states; ++k) total += p[k] = std::exp(l[k] - top);
        u *= total;
        double below = 0;
        int64_t chosen = 0;
        for (int64_t k = 0; k < states; ++k) {
            if (p[k] > 0 && (below == 0 || u >= below)) chosen = k;
            below += p[k];
        }
        for (int64_t k = 0; k < states; ++k) p[k] /= total;
        state[root] = (uint8_t)chosen;
    }

    void sweep(const Ferromagnet& m, uint8_t* x, uint64_t key, uint64_t sweep, uint64_t chain,
               double* sums) {
        const uint64_t numbers = m.edges + m.vertices;
        open_edges(m, x, key, sweep, chain);
        weigh(m);
        for (int64_t v = 0; v < m.vertices; ++v) {
            if (parent[v] == v) {
                const uint64_t row = counter::row(key, sweep, m.edges + v, numbers);
                draw(m, v, counter::uniform64(counter::bits(row, chain)));
            }
            x[v] = state[parent[v]];
            if (!sums) continue;
            for (int64_t k = 0; k < m.cards[v]; ++k)
                sums[v * m.stride + k] += probability[parent[v] * m.stride + k];
        }
    }
};

}  // namespace

// `sweeps` sweeps of the chains begin..end-1 of `states` (chains, vertices), in place. Every state
// after a sweep goes to draws[chain * draw_stride + sweep * vertices] unless draws is null; the
// clusters' state probabilities are added to sums (chains, vertices, stride) unless it is null.
extern "C" __attribute__((visibility("default"))) void probgen_swendsen_wang(
    const Ferromagnet* model, uint8_t* states, uint64_t key, uint64_t first_sweep, int64_t sweeps,
    int64_t begin, int64_t end, uint8_t* draws, int64_t draw_stride, double* sums) {
    const Ferromagnet& m = *model;
    Clusters clusters(m);
    for (int64_t chain = begin; chain < end; ++chain) {
        uint8_t* x = states + chain * m.vertices;
        double* sum = sums ? sums + chain * m.vertices * m.stride : nullptr;
        for (int64_t t = 0; t < sweeps; ++t) {
            clusters.sweep(m, x, key, first_sweep + t, chain, sum);
            if (!draws) continue;
            uint8_t* out = draws + chain * draw_stride + t * m.vertices;
            for (int64_t v = 0; v < m.vertices; ++v) out[v] = x[v];
        }
    }
}
