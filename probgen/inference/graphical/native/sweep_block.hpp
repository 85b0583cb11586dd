#pragma once
// All sweeps of a block of chains: copy its states in, update variable after variable, count
// states and record draws on the way, copy the states out.
#include <algorithm>
#include "sweep_product.hpp"
#include "sweep_single.hpp"
#include "sweep_task.hpp"
#include "sweep_threshold.hpp"

namespace sweep {

constexpr int64_t CACHE_BYTES = 1 << 21;
// A strip of 64 chains takes as long as about so many chains one by one.
constexpr int64_t FEW_CHAINS = 6;

class BlockRunner {
  public:
    BlockRunner(const Model& model, const Task& task, int64_t width)
        : model_(model), task_(task), width_(width),
          storage_((size_t)(model.variables * width + 64)),
          weights_((size_t)(4 * model.widest)), logs_((size_t)(STRIP * model.widest)) {
        uintptr_t address = (uintptr_t)storage_.data();
        block_ = {storage_.data() + (64 - address % 64) % 64, width};
        if (task.counts) prepare_counts();
    }

    // Chains first ... last, by their numbers, of which the lanes before and after are copies.
    int32_t run(int64_t origin, int64_t first, int64_t last) {
        origin_ = origin;
        first_ = first;
        last_ = last;
        copy_in();
        int32_t outcome = DONE;
        for (int64_t s = 0; s < task_.sweeps && outcome == DONE; s++) {
            outcome = sweep(task_.first_sweep + s);
            if (outcome != DONE) break;
            if (task_.draws && (s + 1) % task_.thin == 0) record((s + 1) / task_.thin - 1);
            if (task_.counts && ++counted_ == 255) flush_counts();
        }
        if (outcome != DONE) return outcome;
        if (task_.counts) flush_counts();
        copy_rows(task_.states);
        return DONE;
    }

  private:
    int32_t sweep(int64_t number) {
        for (int64_t u = 0; u < task_.updates; u++) {
            const int32_t v = task_.order[u];
            const Variable& variable = model_.variable[v];
            if (variable.kind == FIXED) continue;
            const uint64_t row = counter::row(task_.key, (uint64_t)number, (uint64_t)v,
                                              (uint64_t)model_.variables);
            uint8_t* target = block_.row(v);
            for (int64_t column = 0; column < width_; column += STRIP) {
                const uint64_t word = (uint64_t)((origin_ + column) / STRIP * WORDS_PER_STRIP);
                update(variable, Strip{block_, column, row, word}, target + column);
            }
            if (impossible(variable, target)) return report(v, variable.card);
            if (task_.counts) count(v, variable.card, target);
        }
        return DONE;
    }

    void update(const Variable& variable, const Strip& strip, uint8_t* target) {
        switch (variable.kind) {
            case SMALL: return update_small(model_, variable, strip, target);
            case THRESHOLD: return update_threshold(model_, variable, strip, target);
            case ODDS: return update_odds(model_, variable, strip, target);
            case PRODUCT: return update_product(model_, variable, strip, target, weights_.data());
            case LOGARITHM: return update_logarithm(model_, variable, strip, target, logs_.data());
            default: return;
        }
    }

    bool impossible(const Variable& variable, const uint8_t* target) const {
        if (variable.kind <= THRESHOLD && variable.thresholds < variable.card) return false;
        Bytes found = {};
        for (int64_t column = 0; column < width_; column += STRIP)
            found |= (Bytes)(load<Bytes>(target + column) >= (uint8_t)variable.card);
        return any(found);
    }

    int32_t report(int32_t v, int32_t card) const {
        const uint8_t* row = block_.row(v);
        int64_t lane = first_ - origin_;
        while (lane < last_ - origin_ && row[lane] < card) lane++;
        lane = std::min(lane, last_ - origin_ - 1);
        task_.trouble[0] = v;
        task_.trouble[1] = (int32_t)(origin_ + lane - task_.first_chain);
        return IMPOSSIBLE;
    }

    int64_t column_of_first() const { return first_ - task_.first_chain; }

    void copy_in() {
        const int64_t lead = first_ - origin_, count = last_ - first_;
        for (int32_t v = 0; v < model_.variables; v++) {
            const uint8_t* from = task_.states + v * task_.stride + column_of_first();
            uint8_t* row = block_.row(v);
            std::memset(row, from[0], (size_t)width_);
            std::memcpy(row + lead, from, (size_t)count);
        }
    }

    void record(int64_t draw) const {
        copy_rows(task_.draws + draw * model_.variables * task_.stride);
    }

    void copy_rows(uint8_t* to) const {
        for (int32_t v = 0; v < model_.variables; v++)
            std::memcpy(to + v * task_.stride + column_of_first(),
                        block_.row(v) + (first_ - origin_), (size_t)(last_ - first_));
    }

    // Bytes count up to 255 sweeps; state 0 is what the others leave.
    void prepare_counts() {
        places_.assign((size_t)model_.variables, 0);
        int64_t rows = 0;
        for (int64_t u = 0; u < task_.updates; u++) {
            places_[(size_t)task_.order[u]] = rows;
            rows += model_.variable[task_.order[u]].card - 1;
        }
        tally_.assign((size_t)(rows * width_ + 64), 0);
    }

    void count(int32_t v, int32_t card, const uint8_t* target) {
        uint8_t* tally = tally_.data() + places_[(size_t)v] * width_;
        for (int k = 1; k < card; k++, tally += width_)
            for (int64_t column = 0; column < width_; column += STRIP)
                store(tally + column, load<Bytes>(tally + column) -
                                          (Bytes)(load<Bytes>(target + column) == (uint8_t)k));
    }

    void flush_counts() {
        const int64_t lead = first_ - origin_, count = last_ - first_;
        for (int64_t u = 0; u < task_.updates; u++) {
            const int32_t v = task_.order[u];
            uint32_t* zero = task_.counts + task_.offsets[v] * task_.stride + column_of_first();
            for (int64_t c = 0; c < count; c++) zero[c] += (uint32_t)counted_;
            for (int k = 1; k < model_.variable[v].card; k++) {
                const uint8_t* tally =
                    tally_.data() + (places_[(size_t)v] + k - 1) * width_ + lead;
                uint32_t* state = zero + k * task_.stride;
                for (int64_t c = 0; c < count; c++) {
                    state[c] += tally[c];
                    zero[c] -= tally[c];
                }
            }
        }
        std::fill(tally_.begin(), tally_.end(), 0);
        counted_ = 0;
    }

    const Model& model_;
    const Task& task_;
    int64_t width_;
    std::vector<uint8_t> storage_;
    std::vector<Floats> weights_;
    std::vector<double> logs_;
    std::vector<uint8_t> tally_;
    std::vector<int64_t> places_;
    Block block_{};
    int64_t origin_ = 0, first_ = 0, last_ = 0, counted_ = 0;
};

inline int32_t run(const Model& model, const Task& task) {
    if (task.chains <= FEW_CHAINS) {
        SingleRunner runner(model, task);
        for (int64_t c = 0; c < task.chains; c++) {
            int32_t outcome = runner.run(task.first_column + c);
            if (outcome != DONE) return outcome;
        }
        return DONE;
    }
    const int64_t first = task.first_chain + task.first_column, last = first + task.chains;
    const int64_t strips = (last - 1) / STRIP - first / STRIP + 1;
    const int64_t fitting = CACHE_BYTES / STRIP / std::max(1, model.variables);
    const int64_t most = std::max<int64_t>(1, std::min<int64_t>(fitting, 8));
    const int64_t blocks = (strips + most - 1) / most, width = (strips + blocks - 1) / blocks * STRIP;
    BlockRunner runner(model, task, width);
    for (int64_t origin = first / STRIP * STRIP; origin < last; origin += width) {
        int32_t outcome = runner.run(origin, std::max(first, origin), std::min(last, origin + width));
        if (outcome != DONE) return outcome;
    }
    return DONE;
}

}  // namespace sweep
