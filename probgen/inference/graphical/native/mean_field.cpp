// Naive mean field by coordinate ascent: each variable's distribution in turn becomes the best
// one given the others. A table is split into its finite entries (zeros replaced by 0) and the
// indicator of its zeros, so that the mass on impossible states is counted exactly.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "message_aligned.hpp"
#include "message_contract.hpp"
#include "message_graph.hpp"

struct MeanFieldTables {
    const double* finite;     // as log_tables, with 0 for -inf
    const double* forbidden;  // 1 where a log table is -inf, else 0
    const uint8_t* has_zeros;  // (factors)
};

namespace {

struct Expectation {
    const MessageGraph& g;
    const double* q;
    message::Numbers prefix, rest, out;
    std::vector<const double*> in;
    std::vector<int32_t> dims;

    Expectation(const MessageGraph& graph, const double* beliefs)
        : g(graph), q(beliefs), prefix(graph.most_prefix), rest(graph.most_table),
          out(graph.most_states) {}

    // Expectation of a factor's table given each state of the variable at place j, in `out`.
    void of(const double* tables, int64_t f, int64_t j) {
        const int64_t first = g.scope_offsets[f], arity = g.scope_offsets[f + 1] - first;
        in.resize(arity), dims.resize(arity);
        for (int64_t i = 0; i < arity; ++i) {
            const int32_t v = g.scopes[first + i];
            dims[i] = g.cards[v], in[i] = q + g.state_offsets[v];
        }
        const int64_t at = g.table_offsets[f];
        message::expect(tables + at, g.table_offsets[f + 1] - at, arity, dims.data(), in.data(),
                        j, out.data(), prefix.data(), rest.data());
    }
};

}  // namespace

// Up to `sweeps` sweeps, until no probability changes by `tolerance`; changes[i] is the largest
// change in sweep i. The logarithms are multiplied by `power` (annealing) and each forbidden
// state costs `penalty` nats; an infinite penalty puts a variable on those states alone that
// meet the least forbidden mass. Returns the number of sweeps done.
extern "C" __attribute__((visibility("default"))) int64_t probgen_mean_field(
    const MessageGraph* graph, const MeanFieldTables* tables, double* q, double power,
    double penalty, int64_t sweeps, double tolerance, double* changes) {
    const MessageGraph& g = *graph;
    Expectation expectation(g, q);
    message::Numbers score(g.most_states), mass(g.most_states);
    for (int64_t sweep = 0; sweep < sweeps; ++sweep) {
        double most = 0;
        for (int64_t v = 0; v < g.variables; ++v) {
            const int64_t card = g.cards[v];
            double* own = q + g.state_offsets[v];
            for (int64_t x = 0; x < card; ++x) score[x] = mass[x] = 0;
            for (int64_t k = g.edge_offsets[v]; k < g.edge_offsets[v + 1]; ++k) {
                const int64_t edge = g.variable_edges[k], f = g.edge_factors[edge];
                expectation.of(tables->finite, f, edge - g.scope_offsets[f]);
                for (int64_t x = 0; x < card; ++x) score[x] += expectation.out[x];
                if (!tables->has_zeros[f]) continue;
                expectation.of(tables->forbidden, f, edge - g.scope_offsets[f]);
                for (int64_t x = 0; x < card; ++x) mass[x] += expectation.out[x];
            }
            const double least = *std::min_element(mass.begin(), mass.begin() + card);
            double top = -INFINITY, sum = 0;
            for (int64_t x = 0; x < card; ++x) {
                score[x] *= power;
                if (penalty < INFINITY) score[x] -= penalty * mass[x];
                else if (mass[x] > least + 1e-12) score[x] = -INFINITY;
                top = std::max(top, score[x]);
            }
            for (int64_t x = 0; x < card; ++x) sum += score[x] = std::exp(score[x] - top);
            for (int64_t x = 0; x < card; ++x) {
                const double now = score[x] / sum;
                most = std::max(most, std::abs(now - own[x]));
                own[x] = now;
            }
        }
        changes[sweep] = most;
        if (most < tolerance) return sweep + 1;
    }
    return sweeps;
}

// The parts of the evidence lower bound: expected finite logarithms, expected number of forbidden
// tables, entropy (nats).
extern "C" __attribute__((visibility("default"))) void probgen_mean_field_bound(
    const MessageGraph* graph, const MeanFieldTables* tables, const double* q, double* parts) {
    const MessageGraph& g = *graph;
    Expectation expectation(g, q);
    double energy = 0, forbidden = 0, entropy = 0;
    for (int64_t f = 0; f < g.factors; ++f) {
        const int32_t v = g.scopes[g.scope_offsets[f]];
        const double* own = q + g.state_offsets[v];
        expectation.of(tables->finite, f, 0);
        for (int32_t x = 0; x < g.cards[v]; ++x) energy += own[x] * expectation.out[x];
        if (!tables->has_zeros[f]) continue;
        expectation.of(tables->forbidden, f, 0);
        for (int32_t x = 0; x < g.cards[v]; ++x) forbidden += own[x] * expectation.out[x];
    }
    for (int64_t i = 0; i < g.state_offsets[g.variables]; ++i)
        if (q[i] > 0) entropy -= q[i] * std::log(q[i]);
    parts[0] = energy, parts[1] = forbidden, parts[2] = entropy;
}
