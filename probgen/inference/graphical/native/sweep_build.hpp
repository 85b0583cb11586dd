#pragma once
// From a network to a Model: choose how far to merge factors, and turn the merged tables into
// thresholds, odds, weights or logarithms, whichever the variable's groups allow.
#include <unordered_set>
#include "sweep_model.hpp"
#include "sweep_pieces.hpp"

namespace sweep {

#ifdef __AVX512VBMI__
constexpr bool HAS_BYTE_PERMUTE = true;
#else
constexpr bool HAS_BYTE_PERMUTE = false;
#endif

// Weights of a product of groups stay normal floats within this many nats.
constexpr double FLOAT_RANGE = 80.0;
constexpr int64_t LARGEST_CAP = 1 << 16, SMALLEST_CAP = 64;
constexpr int64_t NO_THRESHOLD = 0xFFFF;

// Whether looking thresholds up in registers beats gathering them.
inline bool fits_registers(int64_t configurations, int64_t thresholds) {
    return HAS_BYTE_PERMUTE && configurations <= 256 &&
           thresholds * (padded(configurations) / 64) <= 12;
}

struct LogTable {
    std::vector<double> logs;
    int64_t configurations = 0;
    int64_t card = 1;
    double range = 0.0;  // nats between the largest and the smallest positive weight
    bool impossible = false;
};

class Builder {
  public:
    Builder(const Network& network, bool lump) : network_(network), around_(network, lump) {}

    Model build(const int32_t* order, int64_t cap, int64_t budget) {
        model_.variables = network_.variables;
        model_.order.assign(order, order + network_.variables);
        model_.variable.resize(network_.variables);
        model_.cap = cap > 0 ? cap : choose_cap(budget);
        for (int32_t v = 0; v < network_.variables; v++) add(v);
        model_.bytes = (int64_t)(model_.words.size() * 4 + model_.planes.size() +
                                 model_.weights.size() * 4 + model_.logs.size() * 8);
        return std::move(model_);
    }

  private:
    int64_t choose_cap(int64_t budget) {
        for (int64_t cap = LARGEST_CAP; cap > SMALLEST_CAP; cap /= 4)
            if (bytes_within(cap, budget)) return cap;
        return SMALLEST_CAP;
    }

    bool bytes_within(int64_t cap, int64_t budget) {
        std::unordered_set<std::string> known;
        int64_t bytes = 0;
        for (int32_t v = 0; v < network_.variables; v++) {
            int64_t card = network_.cards[v];
            if (card == 1) continue;
            around_.visit(v);
            std::vector<Merged> groups = around_.merge(cap);
            for (const Merged& group : groups) {
                if (!known.insert(around_.signature(group)).second) continue;
                bytes += group.size * (groups.size() == 1 ? 4 * (card / 2) : 4 * card);
                if (bytes > budget) return false;
            }
        }
        return true;
    }

    int32_t log_table_of(const Merged& group, int64_t card) {
        auto [found, fresh] =
            tables_of_.emplace(around_.signature(group), (int32_t)tables_.size());
        if (!fresh) return found->second;
        LogTable table;
        table.configurations = group.size;
        table.card = card;
        table.logs = around_.log_table(group);
        for (int64_t c = 0; c < group.size; c++) {
            bool possible = false;
            for (int64_t k = 0; k < card; k++) {
                double log = table.logs[c * card + k];
                if (log == -INFINITY) continue;
                possible = true;
                table.range = std::max(table.range, -log);
            }
            table.impossible |= !possible;
        }
        tables_.push_back(std::move(table));
        return found->second;
    }

    void add(int32_t v) {
        int64_t card = network_.cards[v];
        Variable variable{};
        variable.card = (int32_t)card;
        variable.first_group = variable.last_group = (int32_t)model_.group.size();
        model_.widest = std::max(model_.widest, variable.card);
        if (card > 1) {
            around_.visit(v);
            std::vector<Merged> groups = around_.merge(model_.cap);
            std::vector<int32_t> tables;
            double range = 0.0;
            for (const Merged& group : groups) {
                tables.push_back(log_table_of(group, card));
                range += tables_[tables.back()].range;
            }
            if (groups.size() == 1) {
                alone(variable, groups[0], tables[0]);
            } else {
                variable.kind = range > FLOAT_RANGE ? LOGARITHM : card == 2 ? ODDS : PRODUCT;
                for (size_t g = 0; g < groups.size(); g++)
                    add_group(groups[g], variable.kind == ODDS ? 1 : card,
                              converted(variable.kind, tables[g]));
            }
            variable.last_group = (int32_t)model_.group.size();
        }
        model_.variable[v] = variable;
    }

    // The whole blanket in one table: cumulative thresholds.
    void alone(Variable& variable, const Merged& group, int32_t number) {
        const LogTable& table = tables_[number];
        variable.thresholds = variable.card - (table.impossible ? 0 : 1);
        variable.configurations = (int32_t)group.size;
        variable.kind = fits_registers(group.size, variable.thresholds) ? SMALL : THRESHOLD;
        int64_t step = variable.kind == SMALL ? 1 : (variable.thresholds + 1) / 2;
        add_group(group, step, thresholds_of(variable, number));
        variable.low = low_of_[number];
    }

    void add_group(const Merged& merged, int64_t step, int64_t offset) {
        Group group{};
        group.first_parent = (int32_t)model_.parent.size();
        int64_t stride = step;
        for (size_t j = merged.atoms.size(); j-- > 0;) {
            const Atom& atom = around_.atoms[merged.atoms[j]];
            for (int32_t row : atom.rows) model_.parent.push_back({row, (uint32_t)stride});
            stride *= atom.states;
        }
        group.last_parent = (int32_t)model_.parent.size();
        group.table = offset;
        group.largest = stride - step;
        model_.group.push_back(group);
    }

    int64_t thresholds_of(const Variable& variable, int32_t number) {
        const LogTable& table = tables_[number];
        auto [found, fresh] = placed_.emplace((int64_t)number * 8 + variable.kind, 0);
        if (!fresh) return found->second;
        int64_t count = variable.thresholds, size = padded(table.configurations);
        bool small = variable.kind == SMALL;
        int64_t offset = small ? (int64_t)model_.planes.size() : (int64_t)model_.words.size();
        int64_t width = (count + 1) / 2;
        found->second = offset;
        low_of_[number] = (int64_t)model_.low.size();
        if (small) model_.planes.resize(offset + count * 2 * size, 0);
        else model_.words.resize(offset + table.configurations * width, 0);
        for (int64_t c = 0; c < table.configurations; c++) {
            std::vector<uint64_t> exact = exact_thresholds(&table.logs[c * table.card], table.card);
            for (int64_t t = 0; t < 2 * width; t++) {
                uint32_t high = t < count ? (uint32_t)(exact[t] >> 32) : (uint32_t)NO_THRESHOLD;
                if (t < count) model_.low.push_back((uint32_t)exact[t]);
                if (!small) {
                    model_.words[offset + c * width + t / 2] |= high << (t % 2 * 16);
                } else if (t < count) {
                    model_.planes[offset + (t * 2) * size + c] = (uint8_t)(high >> 8);
                    model_.planes[offset + (t * 2 + 1) * size + c] = (uint8_t)high;
                }
            }
        }
        return offset;
    }

    // Cumulative probabilities as integers of 47 bits. A state of weight zero has an empty
    // interval; where no state is possible all thresholds are 0 and the state `card` shows it.
    static std::vector<uint64_t> exact_thresholds(const double* logs, int64_t card) {
        std::vector<double> sums(card);
        double sum = 0.0;
        for (int64_t k = 0; k < card; k++) sums[k] = sum += std::exp(logs[k]);
        std::vector<uint64_t> exact(card, 0);
        if (sum > 0.0)
            for (int64_t k = 0; k < card; k++)
                exact[k] = (uint64_t)std::llround(sums[k] / sum * 0x1p47);
        return exact;
    }

    int64_t converted(Kind kind, int32_t number) {
        const LogTable& table = tables_[number];
        auto [found, fresh] = placed_.emplace((int64_t)number * 8 + kind, 0);
        if (!fresh) return found->second;
        bool logs = kind == LOGARITHM;
        found->second = (int64_t)(logs ? model_.logs.size() : model_.weights.size());
        for (int64_t c = 0; c < table.configurations; c++) {
            const double* row = &table.logs[c * table.card];
            if (kind == ODDS) {
                model_.weights.push_back((float)(std::exp(row[1]) / std::exp(row[0])));
                continue;
            }
            for (int64_t k = 0; k < table.card; k++) {
                if (logs) model_.logs.push_back(row[k]);
                else model_.weights.push_back((float)std::exp(row[k]));
            }
        }
        return found->second;
    }

    const Network& network_;
    Neighbourhood around_;
    Model model_;
    std::vector<LogTable> tables_;
    std::unordered_map<std::string, int32_t> tables_of_;
    std::unordered_map<int64_t, int64_t> placed_;
    std::unordered_map<int32_t, int64_t> low_of_;
};

}  // namespace sweep
