// Elimination orders: greedy rules compete, with random ties, while that is cheap beside the sums.
// The amount of search is counted in operations, not in seconds, so the outcome is the same on
// every machine.
#include <cstring>
#include <memory>

#include "elimination_graph.hpp"
#include "elimination_cliques.hpp"
#include "counter_random.hpp"

namespace elimination {

// Greedy rules; each eliminates variables without missing edges first (simplicial ones).
enum Rule { MIN_FILL, WEIGHTED_MIN_FILL, MIN_WEIGHT, RULES };

struct Price {
    int32_t stage = 0;
    double first = 0, second = 0;
    uint64_t tie = 0;
    bool operator<(const Price& other) const {
        if (stage != other.stage) return stage < other.stage;
        if (first != other.first) return first < other.first;
        if (second != other.second) return second < other.second;
        return tie < other.tie;
    }
};

// A binary heap of variables in which prices may change.
class Queue {
   public:
    explicit Queue(std::vector<Price> prices)
        : prices_(std::move(prices)), heap_(prices_.size()), at_(prices_.size()) {
        for (size_t v = 0; v < heap_.size(); ++v) heap_[v] = at_[v] = (int32_t)v;
        for (size_t i = heap_.size() / 2; i-- > 0;) sink(i);
    }

    bool empty() const { return heap_.empty(); }

    int32_t pop() {
        const int32_t best = heap_[0];
        place(0, heap_.back());
        heap_.pop_back();
        if (!heap_.empty()) sink(0);
        return best;
    }

    void change(int32_t v, const Price& price) {
        const bool less = price < prices_[v];
        prices_[v] = price;
        less ? rise(at_[v]) : sink(at_[v]);
    }

   private:
    void place(size_t i, int32_t v) {
        heap_[i] = v;
        at_[v] = (int32_t)i;
    }

    void rise(size_t i) {
        const int32_t v = heap_[i];
        while (i > 0 && prices_[v] < prices_[heap_[(i - 1) / 2]]) {
            place(i, heap_[(i - 1) / 2]);
            i = (i - 1) / 2;
        }
        place(i, v);
    }

    void sink(size_t i) {
        const int32_t v = heap_[i];
        for (;;) {
            size_t child = 2 * i + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && prices_[heap_[child + 1]] < prices_[heap_[child]])
                ++child;
            if (!(prices_[heap_[child]] < prices_[v])) break;
            place(i, heap_[child]);
            i = child;
        }
        place(i, v);
    }

    std::vector<Price> prices_;
    std::vector<int32_t> heap_, at_;
};

// One greedy elimination; false when a table outgrows `most` bits.
bool eliminate(Graph& graph, Rule rule, uint64_t round, const int32_t* stages, double most,
               Order& order) {
    const uint64_t n = (uint64_t)graph.variables();
    uint64_t asked = 0;
    auto price = [&](int32_t v) {
        Price result;
        if (stages) result.stage = stages[v];
        if (rule == MIN_WEIGHT) {
            result.first = graph.fill(v) > 0 ? graph.size(v) : -1;
        } else {
            result.first = (double)graph.fill(v);
            if (round == 0) result.second = graph.size(v);
        }
        result.tie = round ? counter::mix(round * counter::GOLDEN + asked++) : (uint64_t)v;
        return result;
    };
    std::vector<Price> prices(n);
    for (uint64_t v = 0; v < n; ++v) prices[v] = price((int32_t)v);
    Queue queue(std::move(prices));
    std::vector<int32_t> touched;
    while (!queue.empty()) {
        const int32_t v = queue.pop();
        if (graph.size(v) > most) return false;
        graph.eliminate(v, order, touched);
        for (int32_t u : touched) queue.change(u, price(u));
    }
    return true;
}

// The search ends when it has cost half of an operation for each table entry, or when so many
// rounds have brought nothing; large tables are worth more patience.
constexpr int64_t MOST_WORK = 100'000'000;
constexpr double WORK_PER_ENTRY = 0.5, LARGE_BITS = 25;
constexpr uint64_t MOST_ROUNDS = 1000, PATIENCE = 12, LARGE_PATIENCE = 80;

bool spent(int64_t work, double bits) {
    return (double)work > WORK_PER_ENTRY * std::exp2(bits);
}

struct Plan {
    std::vector<int64_t> packed;
    double bits[2];
};

Plan search(int64_t n, const int32_t* cards, int64_t factors, const int64_t* offsets,
            const int32_t* scopes, const int32_t* stages) {
    Graph plain(n, cards, factors, offsets, scopes), weighted = plain;
    bool alike = true;
    for (int64_t v = 0; v < n; ++v) alike = alike && cards[v] == cards[0];
    plain.weigh_edges(false);
    weighted.weigh_edges(true);
    Order best;
    double best_bits = INFINITY;
    int64_t work = 0;
    uint64_t idle = 0;
    for (uint64_t round = 0; round < MOST_ROUNDS; ++round) {
        bool improved = false;
        for (int rule = 0; rule < RULES; ++rule) {
            if (alike && rule == WEIGHTED_MIN_FILL) continue;
            Graph graph = rule == MIN_FILL ? plain : weighted;
            Order order;
            const bool whole = eliminate(graph, (Rule)rule, round, stages, best_bits, order);
            work += graph.work() + 8 * n;
            const double bits = whole ? Cliques(order, cards).log2_entries() : INFINITY;
            if (bits < best_bits) {
                best_bits = bits;
                best = std::move(order);
                improved = true;
            }
            if (spent(work, best_bits)) break;
        }
        if (spent(work, best_bits) || work > MOST_WORK) break;
        idle = improved ? 0 : idle + 1;
        if (idle >= (best_bits < LARGE_BITS ? PATIENCE : LARGE_PATIENCE)) break;
    }
    Cliques cliques(best, cards);
    return {cliques.pack(factors, offsets, scopes),
            {cliques.log2_entries(), cliques.log2_largest()}};
}

}  // namespace elimination

#define EXPORT extern "C" __attribute__((visibility("default")))

// Plans; the numbers of the plan are fetched by `elimination_fetch`, which also frees it.
EXPORT int64_t elimination_plan(int64_t n, const int32_t* cards, int64_t factors,
                                const int64_t* offsets, const int32_t* scopes,
                                const int32_t* stages, void** handle, double* bits) {
    auto* plan = new elimination::Plan(
        elimination::search(n, cards, factors, offsets, scopes, stages));
    *handle = plan;
    bits[0] = plan->bits[0];
    bits[1] = plan->bits[1];
    return (int64_t)plan->packed.size();
}

EXPORT void elimination_fetch(void* handle, int64_t* packed) {
    auto* plan = static_cast<elimination::Plan*>(handle);
    std::memcpy(packed, plan->packed.data(), plan->packed.size() * sizeof(int64_t));
    delete plan;
}
