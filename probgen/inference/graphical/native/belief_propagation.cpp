// Loopy belief propagation (Pearl 1988; Kschischang, Frey & Loeliger 2001), sum- and max-product,
// on factor graphs of any arity.
//
// Messages are kept in logarithms; a factor works on their exponentials, whose largest is 1, and
// again in logarithms where a result is too small to be trusted. A message that is -inf is a
// certainty: it started positive, and only a table's zeros can make it so.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <queue>
#include <utility>
#include <vector>

#include "message_aligned.hpp"
#include "message_contract.hpp"
#include "message_graph.hpp"

namespace {

constexpr double TINY = 1e-280;        // below it, lost products of 1e-308 could show
constexpr double NO_UNDERFLOW = -600;  // nats; no product above it underflows
enum Schedule { FLOODING = 0, SEQUENTIAL = 1, RESIDUAL = 2 };

// Products of the messages that reach each variable, kept up to date: the sum of the finite
// logarithms, and the number of -inf apart from it.
struct Beliefs {
    const MessageGraph& g;
    message::Numbers finite;
    std::vector<int32_t> zeros;

    explicit Beliefs(const MessageGraph& graph)
        : g(graph), finite(graph.state_offsets[graph.variables]), zeros(finite.size()) {}

    void rebuild(const double* messages) {
        std::fill(finite.begin(), finite.end(), 0.0);
        std::fill(zeros.begin(), zeros.end(), 0);
        const int64_t edges = g.scope_offsets[g.factors];
        for (int64_t e = 0; e < edges; ++e) {
            const int64_t from = g.message_offsets[e], to = g.state_offsets[g.scopes[e]];
            const int64_t states = g.cards[g.scopes[e]];
            for (int64_t x = 0; x < states; ++x) add(to + x, messages[from + x], 1);
        }
    }

    void add(int64_t state, double message, int sign) {
        if (message == -INFINITY) zeros[state] += sign;
        else finite[state] += sign * message;
    }

    double of(int64_t state) const { return zeros[state] ? -INFINITY : finite[state]; }

    // The product of all messages to the variable of `edge` but the one along it, scaled so that
    // the largest is 0; false when all are zero.
    bool without(int64_t edge, const double* messages, double* out) const {
        const int64_t v = g.scopes[edge], at = g.state_offsets[v], states = g.cards[v];
        const double* own = messages + g.message_offsets[edge];
        double top = -INFINITY;
        for (int64_t x = 0; x < states; ++x) {
            // A zero along the edge itself may stay: the factor has no mass there either.
            out[x] = zeros[at + x] ? -INFINITY : finite[at + x] - own[x];
            top = std::max(top, out[x]);
        }
        if (top == -INFINITY) return false;
        for (int64_t x = 0; x < states; ++x) out[x] -= top;
        return true;
    }
};

// One factor at a time: what reaches it, and what it sends.
struct Worker {
    const MessageGraph& g;
    const bool maximum;
    int64_t contradiction = -1;  // a variable without a possible state
    message::Numbers log_in, in, out, prefix, rest;
    std::vector<double*> log_in_at, in_at, out_at;
    std::vector<int32_t> dims;

    Worker(const MessageGraph& graph, bool max_product)
        : g(graph), maximum(max_product), prefix(graph.most_prefix), rest(graph.most_table) {
        int64_t arity = 0, states = 0;
        for (int64_t f = 0; f < g.factors; ++f) {
            const int64_t a = g.scope_offsets[f], b = g.scope_offsets[f + 1];
            arity = std::max(arity, b - a);
            states = std::max(states, g.message_offsets[b] - g.message_offsets[a]);
        }
        log_in.resize(states), in.resize(states), out.resize(states);
        log_in_at.resize(arity), in_at.resize(arity), out_at.resize(arity), dims.resize(arity);
    }

    int64_t arity(int64_t f) const { return g.scope_offsets[f + 1] - g.scope_offsets[f]; }

    void lay_out(int64_t f) {
        const int64_t first = g.scope_offsets[f], base = g.message_offsets[first];
        for (int64_t j = 0; j < arity(f); ++j) {
            const int64_t at = g.message_offsets[first + j] - base;
            log_in_at[j] = &log_in[at], in_at[j] = &in[at], out_at[j] = &out[at];
            dims[j] = g.cards[g.scopes[first + j]];
        }
    }

    bool receive(int64_t f, const Beliefs& beliefs, const double* messages) {
        lay_out(f);
        for (int64_t j = 0; j < arity(f); ++j) {
            const int64_t edge = g.scope_offsets[f] + j;
            if (beliefs.without(edge, messages, log_in_at[j])) continue;
            contradiction = g.scopes[edge];
            return false;
        }
        return true;
    }

    // The variables of the factor that have a state in `states` (not -1) are held there.
    void fix(int64_t f, const int32_t* states) {
        for (int64_t j = 0; j < arity(f); ++j) {
            const int32_t state = states[g.scopes[g.scope_offsets[f] + j]];
            if (state < 0) continue;
            for (int32_t x = 0; x < dims[j]; ++x) log_in_at[j][x] = x == state ? 0 : -INFINITY;
        }
    }

    // The factor's messages, in nats, into `out`; false when one of them is zero everywhere.
    bool send(int64_t f) {
        const int64_t states = g.message_offsets[g.scope_offsets[f + 1]] -
                               g.message_offsets[g.scope_offsets[f]];
        double floor = g.floors[f];
        for (int64_t i = 0; i < states; ++i) in[i] = std::exp(log_in[i]);
        for (int64_t j = 0; j < arity(f); ++j) floor += lowest(j);  // no product is smaller
        const double* table = g.tables + g.table_offsets[f];
        if (maximum) run<message::LinearMax>(f, table, in_at);
        else run<message::LinearSum>(f, table, in_at);
        bool exact = floor > NO_UNDERFLOW;
        if (!exact) {
            exact = true;
            for (int64_t i = 0; i < states; ++i) exact = exact && out[i] > TINY;
        }
        if (exact) {
            for (int64_t i = 0; i < states; ++i) out[i] = std::log(out[i]);
        } else {
            const double* log_table = g.log_tables + g.table_offsets[f];
            if (maximum) run<message::LogMax>(f, log_table, log_in_at);
            else run<message::LogSum>(f, log_table, log_in_at);
        }
        return normalise(f);
    }

    double lowest(int64_t j) const {
        double least = 0;
        for (int64_t x = 0; x < dims[j]; ++x) {
            const double value = log_in_at[j][x];
            least = value == -INFINITY ? least : std::min(least, value);
        }
        return least;
    }

    template <class Ring>
    void run(int64_t f, const double* table, const std::vector<double*>& from) {
        const int64_t size = g.table_offsets[f + 1] - g.table_offsets[f];
        message::contract<Ring>(table, size, arity(f), dims.data(), from.data(), out_at.data(),
                                prefix.data(), rest.data());
    }

    bool normalise(int64_t f) {
        for (int64_t j = 0; j < arity(f); ++j) {
            double top = -INFINITY;
            for (int64_t x = 0; x < dims[j]; ++x) top = std::max(top, out_at[j][x]);
            if (top == -INFINITY) {
                contradiction = g.scopes[g.scope_offsets[f] + j];
                return false;
            }
            for (int64_t x = 0; x < dims[j]; ++x) out_at[j][x] -= top;
        }
        return true;
    }
};

// The largest change of a number in a message whose largest is 1. Most need no exponential: the
// change is less than that of the logarithm.
double change(const double* was, const double* now, int64_t states) {
    double most = 0;
    for (int64_t x = 0; x < states; ++x) {
        const double high = std::max(was[x], now[x]), low = std::min(was[x], now[x]);
        if (high == low || high - low <= most) continue;
        most = std::max(most, std::exp(high) - std::exp(low));
    }
    return most;
}

double damped(double was, double now, double damping) {
    if (damping == 0 || now == -INFINITY) return now;
    return was == -INFINITY ? was : damping * was + (1 - damping) * now;
}

struct Passing {
    const MessageGraph& g;
    double* messages;
    const double damping;
    Beliefs beliefs;
    Worker worker;
    message::Numbers changes;  // of the messages of the factor just updated, by place

    Passing(const MessageGraph& graph, double* start, bool maximum, double keep)
        : g(graph), messages(start), damping(keep), beliefs(graph), worker(graph, maximum),
          changes(worker.dims.size()) {}

    // Computes a factor's messages and writes them, damped, to `target`; returns the largest
    // change before damping, or -1.
    double update(int64_t f, double* target) {
        if (!worker.receive(f, beliefs, messages) || !worker.send(f)) return -1;
        double most = 0;
        for (int64_t j = 0; j < worker.arity(f); ++j) {
            const int64_t at = g.message_offsets[g.scope_offsets[f] + j];
            changes[j] = change(messages + at, worker.out_at[j], worker.dims[j]);
            most = std::max(most, changes[j]);
            for (int64_t x = 0; x < worker.dims[j]; ++x) {
                const double was = messages[at + x];
                target[at + x] = damped(was, worker.out_at[j][x], damping);
            }
        }
        return most;
    }

    // The same, and the beliefs follow at once.
    double update_now(int64_t f) {
        const int64_t first = g.scope_offsets[f], base = g.message_offsets[first];
        message::Numbers& fresh = scratch;
        fresh.resize(worker.out.size());
        const double most = update(f, fresh.data() - base);
        if (most < 0) return most;
        for (int64_t j = 0; j < worker.arity(f); ++j) {
            const int64_t at = g.message_offsets[first + j];
            const int64_t state = g.state_offsets[g.scopes[first + j]];
            for (int64_t x = 0; x < worker.dims[j]; ++x) {
                beliefs.add(state + x, messages[at + x], -1);
                messages[at + x] = fresh[at - base + x];
                beliefs.add(state + x, messages[at + x], 1);
            }
        }
        return most;
    }

    message::Numbers scratch;

    double flood() {
        const int64_t size = g.message_offsets[g.scope_offsets[g.factors]];
        scratch.resize(size);
        beliefs.rebuild(messages);
        double most = 0;
        for (int64_t f = 0; f < g.factors; ++f) {
            const double moved = update(f, scratch.data());
            if (moved < 0) return moved;
            most = std::max(most, moved);
        }
        for (int64_t i = 0; i < size; ++i) messages[i] = scratch[i];
        return most;
    }

    // There and back along the breadth-first order: on a tree, one of each is exact.
    double sweep(bool back) {
        beliefs.rebuild(messages);
        double most = 0;
        for (int64_t i = 0; i < g.factors; ++i) {
            const double moved = update_now(g.order[back ? g.factors - 1 - i : i]);
            if (moved < 0) return moved;
            most = std::max(most, moved);
        }
        return most;
    }
};

// Residual scheduling (Elidan, McGraw & Koller 2006) with the cheap bound of Sutton & McCallum
// (2007): the variable whose incoming messages changed most since it last spoke goes first.
struct Residuals {
    Passing& passing;
    const MessageGraph& g;
    message::Numbers waiting;
    std::priority_queue<std::pair<double, int64_t>> queue;

    explicit Residuals(Passing& p) : passing(p), g(p.g), waiting(p.g.variables, 0.0) {}

    void add_changes(int64_t f) {
        for (int64_t j = 0; j < passing.worker.arity(f); ++j) {
            const int64_t v = g.scopes[g.scope_offsets[f] + j];
            if (passing.changes[j] <= 0) continue;
            waiting[v] += passing.changes[j];
            queue.emplace(waiting[v], v);
        }
    }

    // As many updates of factors as a sweep has; returns the largest change, or -1.
    double sweep(double tolerance) {
        double most = 0;
        passing.beliefs.rebuild(passing.messages);
        for (int64_t done = 0; done < g.factors && !queue.empty();) {
            const auto [priority, v] = queue.top();
            queue.pop();
            if (priority != waiting[v] || priority < tolerance) continue;
            waiting[v] = 0;
            for (int64_t i = g.edge_offsets[v]; i < g.edge_offsets[v + 1]; ++i, ++done) {
                const int64_t f = g.edge_factors[g.variable_edges[i]];
                const double moved = passing.update_now(f);
                if (moved < 0) return moved;
                most = std::max(most, moved);
                add_changes(f);
            }
        }
        return most;
    }

    double first_sweep() {
        double most = 0;
        passing.beliefs.rebuild(passing.messages);
        for (int64_t f = 0; f < g.factors; ++f) {
            const double moved = passing.update_now(f);
            if (moved < 0) return moved;
            most = std::max(most, moved);
            add_changes(f);
        }
        return most;
    }
};

// The factor's belief, in nats and not normalised, into `table`.
void weigh(const MessageGraph& g, int64_t f, Worker& worker, double* table) {
    const int64_t size = g.table_offsets[f + 1] - g.table_offsets[f], arity = worker.arity(f);
    const int64_t at = message::multiply_out<message::LogSum>(
        arity, worker.dims.data(), worker.log_in_at.data(), worker.prefix.data());
    const double* prefix = worker.prefix.data() + at;
    const double* last = worker.log_in_at[arity - 1];
    const double* log_table = g.log_tables + g.table_offsets[f];
    const int64_t d = worker.dims[arity - 1], width = size / d;
    for (int64_t p = 0; p < width; ++p)
        for (int64_t x = 0; x < d; ++x) table[p * d + x] = log_table[p * d + x] + prefix[p] + last[x];
}

// Normalises exp(logs) in place; returns the logarithm of their sum, -inf when all are zero.
double normalise_exp(double* logs, int64_t size) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < size; ++i) top = std::max(top, logs[i]);
    if (top == -INFINITY) return top;
    for (int64_t i = 0; i < size; ++i) logs[i] = std::exp(logs[i] - top);
    for (int64_t i = 0; i < size; ++i) sum += logs[i];
    const double scale = 1 / sum;
    for (int64_t i = 0; i < size; ++i) logs[i] *= scale;
    return top + std::log(sum);
}

}  // namespace

// Passes messages for up to `sweeps` sweeps or until no message changes by `tolerance`.
// residuals[i] is the largest change in sweep i. Returns the number of sweeps done, or
// -1 - v where variable v has no possible state.
extern "C" __attribute__((visibility("default"))) int64_t probgen_pass_messages(
    const MessageGraph* graph, double* messages, int32_t maximum, int32_t schedule, double damping,
    int64_t first, int64_t sweeps, double tolerance, double* residuals) {
    Passing passing(*graph, messages, maximum != 0, damping);
    Residuals waiting(passing);
    for (int64_t i = 0; i < sweeps; ++i) {
        const bool direct = schedule == RESIDUAL && !waiting.queue.empty();
        const double most = schedule == FLOODING     ? passing.flood()
                            : schedule == SEQUENTIAL ? passing.sweep((first + i) % 2 == 0)
                            : direct                 ? waiting.sweep(tolerance)
                                                     : waiting.first_sweep();
        if (most < 0) return -1 - passing.worker.contradiction;
        residuals[i] = most;
        // Only a full sweep proves that nothing changes any more.
        if (most < tolerance && !direct) return i + 1;
    }
    return sweeps;
}

// Beliefs of variables and (unless null) of factors, each summing to one, and the Bethe
// approximation of the log partition function (Yedidia, Freeman & Weiss 2005): each variable's
// and factor's log normaliser, less that of each edge. Returns 0, or -1 - v as above.
extern "C" __attribute__((visibility("default"))) int64_t probgen_beliefs(
    const MessageGraph* graph, const double* messages, double* variables, double* factors,
    double* log_partition) {
    const MessageGraph& g = *graph;
    Beliefs beliefs(g);
    Worker worker(g, false);
    beliefs.rebuild(messages);
    message::Numbers table(g.most_table), joint(g.most_states);
    double total = 0;
    for (int64_t v = 0; v < g.variables; ++v) {
        double* belief = variables + g.state_offsets[v];
        for (int64_t x = 0; x < g.cards[v]; ++x) belief[x] = beliefs.of(g.state_offsets[v] + x);
        const double log_sum = normalise_exp(belief, g.cards[v]);
        if (log_sum == -INFINITY) return -1 - v;
        total += log_sum;
    }
    for (int64_t f = 0; f < g.factors; ++f) {
        if (!worker.receive(f, beliefs, messages)) return -1 - worker.contradiction;
        double* belief = factors ? factors + g.table_offsets[f] : table.data();
        weigh(g, f, worker, belief);
        const double log_sum = normalise_exp(belief, g.table_offsets[f + 1] - g.table_offsets[f]);
        if (log_sum == -INFINITY) return -1 - g.scopes[g.scope_offsets[f]];
        total += log_sum;
        for (int64_t j = 0; j < worker.arity(f); ++j) {
            const double* message = messages + g.message_offsets[g.scope_offsets[f] + j];
            for (int64_t x = 0; x < worker.dims[j]; ++x)
                joint[x] = message[x] + worker.log_in_at[j][x];
            total -= normalise_exp(joint.data(), worker.dims[j]);
        }
    }
    *log_partition = total;
    return 0;
}

// A configuration from max-product messages: variables are fixed one after the other, breadth
// first, each at its best state given those before it. On a tree that is a mode, also with ties.
extern "C" __attribute__((visibility("default"))) void probgen_decode(
    const MessageGraph* graph, const double* messages, int32_t* states) {
    const MessageGraph& g = *graph;
    Beliefs beliefs(g);
    Worker worker(g, true);
    beliefs.rebuild(messages);
    message::Numbers score(g.most_states);
    std::fill(states, states + g.variables, -1);
    for (int64_t i = 0; i < g.variables; ++i) {
        const int64_t v = g.variable_order[i], card = g.cards[v];
        for (int64_t x = 0; x < card; ++x) score[x] = 0;
        for (int64_t k = g.edge_offsets[v]; k < g.edge_offsets[v + 1]; ++k) {
            const int64_t edge = g.variable_edges[k], f = g.edge_factors[edge];
            const double* message = messages + g.message_offsets[edge];
            if (worker.receive(f, beliefs, messages)) {
                worker.fix(f, states);
                if (worker.send(f)) message = worker.out_at[edge - g.scope_offsets[f]];
            }
            for (int64_t x = 0; x < card; ++x) score[x] += message[x];
        }
        states[v] = (int32_t)(std::max_element(score.begin(), score.begin() + card) -
                              score.begin());
    }
}

// Iterated conditional modes (Besag 1986): each variable in turn goes to its best state given
// the others, for up to `sweeps` sweeps or until none moves. Returns the number of moves. An
// impossible configuration counts as less bad the fewer tables forbid it.
extern "C" __attribute__((visibility("default"))) int64_t probgen_improve(
    const MessageGraph* graph, int32_t* states, int64_t sweeps) {
    constexpr double forbidden = -1e30;
    const MessageGraph& g = *graph;
    message::Numbers score(g.most_states);
    int64_t moves = 0;
    for (int64_t sweep = 0; sweep < sweeps; ++sweep) {
        const int64_t before = moves;
        for (int64_t v = 0; v < g.variables; ++v) {
            for (int64_t x = 0; x < g.cards[v]; ++x) score[x] = 0;
            for (int64_t k = g.edge_offsets[v]; k < g.edge_offsets[v + 1]; ++k) {
                const int64_t edge = g.variable_edges[k], f = g.edge_factors[edge];
                int64_t at = g.table_offsets[f], stride = 1, own = 1;
                for (int64_t e = g.scope_offsets[f + 1] - 1; e >= g.scope_offsets[f]; --e) {
                    const int64_t u = g.scopes[e];
                    if (e == edge) own = stride;
                    else at += stride * states[u];
                    stride *= g.cards[u];
                }
                for (int64_t x = 0; x < g.cards[v]; ++x)
                    score[x] += std::max(g.log_tables[at + own * x], forbidden);
            }
            int64_t best = states[v];
            for (int64_t x = 0; x < g.cards[v]; ++x) best = score[x] > score[best] ? x : best;
            moves += best != states[v];
            states[v] = (int32_t)best;
        }
        if (moves == before) break;
    }
    return moves;
}
