#pragma once
// Independent draws from the joint distribution of calibrated cliques: roots first, each clique's
// residual given its separator. The residual's states lie in a row of the clique's table.
#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "counter_random.hpp"
#include "junction_forest.hpp"

namespace junction {

constexpr int64_t SHORT_ROW = 64;

template <class State>
class Draws {
   public:
    Draws(const Packed& plan, const double* tables, uint64_t key, int64_t first, int64_t count)
        : plan_(plan), tables_(tables), key_(key), first_(first), count_(count),
          states_(plan.variables * count), rows_(count), picked_(count) {}

    // False if stopped. states[i * variables + v].
    bool run(State* states, const volatile int32_t* stop) {
        for (int64_t k = plan_.cliques; k-- > 0;) {
            if (*stop) return false;
            if (plan_.separators[k] == plan_.width(k)) continue;  // nothing of its own
            find_rows(k);
            const int64_t length = plan_.size(k) / plan_.rows(k);
            const uint64_t base = counter::row(key_, 0, (uint64_t)k, (uint64_t)plan_.cliques);
            if (length <= SHORT_ROW)
                scan(tables_ + plan_.tables[k], length, base);
            else
                search(tables_ + plan_.tables[k], length, base);
            unravel(k);
        }
        for (int64_t v = 0; v < plan_.variables; ++v)
            for (int64_t i = 0; i < count_; ++i)
                states[i * plan_.variables + v] = states_[v * count_ + i];
        return true;
    }

   private:
    double uniform(uint64_t base, int64_t draw) const {
        return counter::uniform64(counter::bits(base, (uint64_t)(first_ + draw)));
    }

    void find_rows(int64_t k) {
        std::fill(rows_.begin(), rows_.end(), 0);
        for (int64_t a = 0; a < plan_.separators[k]; ++a) {
            const int64_t v = plan_.clique(k)[a];
            const State* state = states_.data() + v * count_;
            for (int64_t i = 0; i < count_; ++i) rows_[i] = rows_[i] * plan_.cards[v] + state[i];
        }
    }

    // The first state at which the running sum exceeds a share of the row's total.
    void scan(const double* table, int64_t length, uint64_t base) {
        for (int64_t i = 0; i < count_; ++i) {
            const double* row = table + rows_[i] * length;
            double total = 0;
            for (int64_t s = 0; s < length; ++s) total += row[s];
            const double target = uniform(base, i) * total;
            double sum = 0;
            int64_t pick = 0;
            for (int64_t s = 0; s < length; ++s) {
                if (row[s] > 0) pick = s;
                sum += row[s];
                if (sum > target) break;
            }
            picked_[i] = pick;
        }
    }

    // The same for long rows: running sums once for all draws in a row, then bisection.
    void search(const double* table, int64_t length, uint64_t base) {
        std::vector<int64_t> sorted(count_);
        std::iota(sorted.begin(), sorted.end(), 0);
        std::sort(sorted.begin(), sorted.end(),
                  [&](int64_t a, int64_t b) { return rows_[a] < rows_[b]; });
        std::vector<double> sums(length);
        int64_t present = -1;
        for (int64_t i : sorted) {
            const double* row = table + rows_[i] * length;
            if (rows_[i] != present) std::partial_sum(row, row + length, sums.begin());
            present = rows_[i];
            const double target = uniform(base, i) * sums.back();
            auto at = std::upper_bound(sums.begin(), sums.end(), target);
            if (at == sums.end()) at = std::lower_bound(sums.begin(), sums.end(), sums.back());
            picked_[i] = at - sums.begin();
        }
    }

    void unravel(int64_t k) {
        for (int64_t a = plan_.width(k); a-- > plan_.separators[k];) {
            const int64_t v = plan_.clique(k)[a], card = plan_.cards[v];
            State* state = states_.data() + v * count_;
            for (int64_t i = 0; i < count_; ++i) {
                state[i] = (State)(picked_[i] % card);
                picked_[i] /= card;
            }
        }
    }

    const Packed& plan_;
    const double* tables_;
    uint64_t key_;
    int64_t first_, count_;
    std::vector<State> states_;
    std::vector<int64_t> rows_, picked_;
};

}  // namespace junction
