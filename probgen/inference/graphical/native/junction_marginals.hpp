#pragma once
// Smaller tables from calibrated ones, each from the smallest table that holds its variables.
#include <cstdint>
#include <vector>

#include "junction_forest.hpp"
#include "junction_kernels.hpp"

namespace junction {

// A calibrated table: of a clique, or of the separator above it.
struct Source {
    const double* table;
    const int64_t* axes;
    int64_t width, size;
};

class Calibrated {
   public:
    Calibrated(Forest& forest, const double* tables, const double* separators)
        : forest_(forest), plan_(forest.plan()), holding_(plan_.variables) {
        for (int64_t k = 0; k < plan_.cliques; ++k) {
            add({tables + plan_.tables[k], plan_.clique(k), plan_.width(k), plan_.size(k)});
            if (plan_.separators[k] > 0)
                add({separators + plan_.narrow[k], plan_.clique(k), plan_.separators[k],
                     plan_.separator_size(k)});
        }
    }

    // Probabilities of every variable's states, at `offsets`.
    void marginals(const int64_t* offsets, double* out) {
        std::vector<std::vector<int64_t>> wanted(sources_.size());
        for (int64_t v = 0; v < plan_.variables; ++v) {
            size_t best = holding_[v][0];
            for (size_t s : holding_[v])
                if (sources_[s].size < sources_[best].size) best = s;
            wanted[best].push_back(v);
        }
        std::vector<double*> targets(plan_.variables, nullptr);
        for (size_t s = 0; s < sources_.size(); ++s) {
            if (wanted[s].empty()) continue;
            for (int64_t v : wanted[s]) targets[v] = out + offsets[v];
            const Source& source = sources_[s];
            split(source.table, source.size, source.axes, source.width, targets);
            for (int64_t v : wanted[s]) targets[v] = nullptr;
        }
        for (int64_t v = 0; v < plan_.variables; ++v)
            normalise(out + offsets[v], offsets[v + 1] - offsets[v]);
    }

    // The posterior over one factor's scope, in the order of its axes.
    void factor(int64_t f, double* out, int64_t size) {
        const Source& source = smallest(plan_.scopes + plan_.scope_offsets[f],
                                        plan_.scope_offsets[f + 1] - plan_.scope_offsets[f]);
        const Shape shape = forest_.shape(source.axes, source.width);
        const View view = forest_.view_factor(source.axes, shape, f);
        reduce_all<Sum>(source.table, shape, out, size, out, view, scratch_);
        normalise(out, size);
    }

   private:
    void add(const Source& source) {
        for (int64_t i = 0; i < source.width; ++i)
            holding_[source.axes[i]].push_back(sources_.size());
        sources_.push_back(source);
    }

    const Source& smallest(const int32_t* scope, int64_t count) {
        int32_t rare = scope[0];
        for (int64_t i = 1; i < count; ++i)
            if (holding_[scope[i]].size() < holding_[rare].size()) rare = scope[i];
        const Source* best = nullptr;
        for (size_t s : holding_[rare]) {
            const Source& source = sources_[s];
            if (best && source.size >= best->size) continue;
            bool whole = true;
            for (int64_t i = 0; i < count && whole; ++i)
                whole = std::find(source.axes, source.axes + source.width, scope[i]) !=
                        source.axes + source.width;
            if (whole) best = &source;
        }
        return *best;
    }

    // Marginals of those of `axes` that have a target, by halving the table's axes.
    void split(const double* table, int64_t size, const int64_t* axes, int64_t width,
               const std::vector<double*>& targets) {
        if (width == 1) {
            if (targets[axes[0]]) std::copy(table, table + size, targets[axes[0]]);
            return;
        }
        int64_t left = 1, rows = plan_.cards[axes[0]];
        while (left < width - 1 && rows * rows < size) rows *= plan_.cards[axes[left++]];
        const int64_t columns = size / rows;
        const bool above = any(axes, left, targets);
        const bool below = any(axes + left, width - left, targets);
        std::vector<double> sums(above ? rows : 0), across(below ? columns : 0);
        for (int64_t r = 0; r < rows; ++r) {
            const double* row = table + r * columns;
            if (above) {
                double total = 0;
                for (int64_t c = 0; c < columns; ++c) total += row[c];
                sums[r] = total;
            }
            if (below)
                for (int64_t c = 0; c < columns; ++c) across[c] += row[c];
        }
        if (above) split(sums.data(), rows, axes, left, targets);
        if (below) split(across.data(), columns, axes + left, width - left, targets);
    }

    static bool any(const int64_t* axes, int64_t width, const std::vector<double*>& targets) {
        for (int64_t i = 0; i < width; ++i)
            if (targets[axes[i]]) return true;
        return false;
    }

    static void normalise(double* values, int64_t size) {
        double total = 0;
        for (int64_t i = 0; i < size; ++i) total += values[i];
        for (int64_t i = 0; i < size; ++i) values[i] /= total;
    }

    Forest& forest_;
    const Packed& plan_;
    std::vector<Source> sources_;
    std::vector<std::vector<size_t>> holding_;
    std::vector<double> scratch_;
};

}  // namespace junction
