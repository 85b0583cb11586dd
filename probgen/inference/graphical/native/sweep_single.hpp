#pragma once
// Sweeps of few chains, one chain after the other: the random numbers of a whole sweep are made
// first, over all variables at once, and then the variables are updated one by one. The draws are
// those of the strips in sweep_strip.hpp, bit by bit.
#include <algorithm>
#include "sweep_product.hpp"
#include "sweep_task.hpp"

namespace sweep {

class SingleRunner {
  public:
    SingleRunner(const Model& model, const Task& task)
        : model_(model), task_(task), states_((size_t)model.variables),
          logs_((size_t)model.widest) {
        for (int64_t u = 0; u < task.updates; u++) {
            const Variable& variable = model.variable[task.order[u]];
            if (variable.kind == FIXED) continue;
            bool thresholds = variable.kind == SMALL || variable.kind == THRESHOLD;
            (thresholds ? coarse_ : fine_).push_back(task.order[u]);
            steps_.push_back({task.order[u], variable.kind,
                              (int32_t)(thresholds ? coarse_ : fine_).size() - 1});
        }
        coarse_bits_.resize(coarse_.size() + 8);
        fine_bits_.resize(fine_.size() + 8);
    }

    int32_t run(int64_t column) {
        chain_ = task_.first_chain + column;
        strip_ = (uint64_t)(chain_ / STRIP * WORDS_PER_STRIP);
        lane_ = (int)(chain_ % STRIP);
        for (int32_t v = 0; v < model_.variables; v++)
            states_[v] = task_.states[v * task_.stride + column];
        for (int64_t s = 0; s < task_.sweeps; s++) {
            int32_t stuck = sweep((uint64_t)(task_.first_sweep + s));
            if (stuck >= 0) {
                task_.trouble[0] = stuck;
                task_.trouble[1] = (int32_t)column;
                return IMPOSSIBLE;
            }
            if (task_.counts) count(column);
            if (task_.draws && (s + 1) % task_.thin == 0)
                copy_to(task_.draws + (s + 1 - task_.thin) / task_.thin * model_.variables *
                                          task_.stride + column);
        }
        copy_to(task_.states + column);
        return DONE;
    }

  private:
    struct Step {
        int32_t variable;
        Kind kind;
        int32_t random;  // place among the coarse or the fine numbers
    };

    // The variable without a possible state, or -1.
    int32_t sweep(uint64_t number) {
        number_ = number;
        make_coarse();
        make_fine();
        for (const Step& step : steps_) {
            const Variable& variable = model_.variable[step.variable];
            int state;
            switch (step.kind) {
                case SMALL: state = small(step, variable); break;
                case THRESHOLD: state = threshold(step, variable); break;
                case ODDS: state = odds(step, variable); break;
                case PRODUCT: state = product(step, variable); break;
                default: state = logarithm(step, variable);
            }
            if (state == variable.card) return step.variable;
            states_[step.variable] = (uint8_t)state;
        }
        return -1;
    }

    uint64_t row_of(int32_t v) const {
        return counter::row(task_.key, number_, (uint64_t)v, (uint64_t)model_.variables);
    }

    void make_coarse() {
        const uint64_t high = strip_ + lane_ / 8, low = high + 8;
        const int shift = lane_ % 8 * 8;
        const size_t count = coarse_.size();
        const int32_t* variables = coarse_.data();
        uint32_t* bits = coarse_bits_.data();
        for (size_t i = 0; i < count; i++) {
            const uint64_t row = row_of(variables[i]);
            const uint64_t top = counter::bits(row, high) >> shift & 0x7F;
            bits[i] = (uint32_t)(top << 8 | (counter::bits(row, low) >> shift & 0xFF));
        }
    }

    void make_fine() {
        const uint64_t word = strip_ + lane_ / 2;
        const int shift = lane_ % 2 * 32;
        const size_t count = fine_.size();
        const int32_t* variables = fine_.data();
        uint32_t* bits = fine_bits_.data();
        for (size_t i = 0; i < count; i++)
            bits[i] = (uint32_t)(counter::bits(row_of(variables[i]), word) >> shift);
    }

    uint32_t index_of(const Group& group) const {
        uint32_t index = 0;
        for (int32_t j = group.first_parent; j < group.last_parent; j++)
            index += model_.parent[j].stride * states_[model_.parent[j].row];
        return index;
    }

    int small(const Step& step, const Variable& variable) const {
        const Group& group = model_.group[variable.first_group];
        const uint32_t u = coarse_bits_[step.random], configuration = index_of(group);
        const int64_t size = padded(variable.configurations);
        const uint8_t* plane = &model_.planes[group.table + configuration];
        int state = 0;
        bool tied = false;
        for (int t = 0; t < variable.thresholds; t++, plane += 2 * size) {
            const uint32_t high = (uint32_t)plane[0] << 8 | plane[size];
            state += u >= high;
            tied |= u == high;
        }
        if (!tied) return state;
        plane = &model_.planes[group.table + configuration];
        return exact(step, variable, configuration, u, [&](int t) {
            return (uint32_t)plane[2 * t * size] << 8 | plane[(2 * t + 1) * size];
        });
    }

    int threshold(const Step& step, const Variable& variable) const {
        const Group& group = model_.group[variable.first_group];
        const uint32_t u = coarse_bits_[step.random], index = index_of(group);
        const uint32_t* words = &model_.words[group.table + index];
        const int32_t width = (variable.thresholds + 1) / 2;
        int state = 0;
        bool tied = false;
        for (int w = 0; w < width; w++) {
            const uint32_t first = words[w] & 0xFFFF, second = words[w] >> 16;
            state += (u >= first) + (u >= second);
            tied |= u == first || u == second;
        }
        if (!tied) return state;
        return exact(step, variable, index / width, u,
                     [&](int t) { return words[t / 2] >> (t % 2 * 16) & 0xFFFF; });
    }

    template <class High>
    int exact(const Step& step, const Variable& variable, int64_t configuration, uint32_t u,
              High high) const {
        const uint64_t word = counter::bits(row_of(step.variable), strip_ + 32 + lane_ / 2);
        const uint64_t all = (uint64_t)u << 32 | (uint32_t)(word >> (lane_ % 2 * 32));
        const uint32_t* rest = &model_.low[variable.low + configuration * variable.thresholds];
        int state = 0;
        for (int t = 0; t < variable.thresholds; t++)
            state += all >= ((uint64_t)high(t) << 32 | rest[t]);
        return state;
    }

    float uniform(const Step& step) const {
        return (float)(fine_bits_[step.random] >> 8) * 0x1p-24f;
    }

    int odds(const Step& step, const Variable& variable) const {
        float odds = 0.0f;
        for (int32_t g = variable.first_group; g < variable.last_group; g++) {
            const float factor = model_.weights[model_.group[g].table + index_of(model_.group[g])];
            odds = g == variable.first_group ? factor : odds * factor;
        }
        const float u = uniform(step);
        return odds != odds ? 2 : odds * (1.0f - u) > u;
    }

    int product(const Step& step, const Variable& variable) const {
        const int card = variable.card;
        float weights[256];
        for (int32_t g = variable.first_group; g < variable.last_group; g++) {
            const float* table = &model_.weights[model_.group[g].table + index_of(model_.group[g])];
            if (g == variable.first_group)
                for (int k = 0; k < card; k++) weights[k] = table[k];
            else
                for (int k = 0; k < card; k++) weights[k] *= table[k];
        }
        float total = weights[0];
        for (int k = 1; k < card; k++) total = weights[k] = total + weights[k];
        if (total == 0.0f) return card;
        const float level = uniform(step) * total;
        int state = 0;
        for (int k = 0; k + 1 < card; k++) state += level >= weights[k];
        return state;
    }

    int logarithm(const Step& step, const Variable& variable) {
        const int card = variable.card;
        std::fill(logs_.begin(), logs_.end(), 0.0);
        for (int32_t g = variable.first_group; g < variable.last_group; g++) {
            const double* table = &model_.logs[model_.group[g].table + index_of(model_.group[g])];
            for (int k = 0; k < card; k++) logs_[k] += table[k];
        }
        return draw_from_logs(logs_.data(), 1, card, fine_bits_[step.random]);
    }

    void count(int64_t column) const {
        for (int64_t u = 0; u < task_.updates; u++) {
            const int32_t v = task_.order[u];
            task_.counts[(task_.offsets[v] + states_[v]) * task_.stride + column]++;
        }
    }

    void copy_to(uint8_t* to) const {
        for (int32_t v = 0; v < model_.variables; v++) to[v * task_.stride] = states_[v];
    }

    const Model& model_;
    const Task& task_;
    std::vector<uint8_t> states_;
    std::vector<double> logs_;
    std::vector<int32_t> coarse_, fine_;
    std::vector<uint32_t> coarse_bits_, fine_bits_;
    std::vector<Step> steps_;
    int64_t chain_ = 0;
    uint64_t strip_ = 0, number_ = 0;
    int lane_ = 0;
};

}  // namespace sweep
