#pragma once
// The most probable states of the variables that are eliminated last, all others summed out; in
// the log domain. With no others this is the most probable explanation (Dawid 1992).
#include <cmath>
#include <cstdint>
#include <vector>

#include "junction_fill.hpp"
#include "junction_messages.hpp"

namespace junction {

class MostProbable {
   public:
    MostProbable(Forest& forest, const std::vector<double>& potentials, const int64_t* offsets,
                 int64_t maximised, double* tables, double* messages,
                 const volatile int32_t* stop)
        : forest_(forest), plan_(forest.plan()), filler_(forest, potentials, offsets, messages),
          tables_(tables), messages_(messages), stop_(stop), kept_(plan_.cliques) {
        std::vector<char> summed(plan_.variables, 0);
        for (int64_t i = 0; i < plan_.variables - maximised; ++i) summed[plan_.order[i]] = 1;
        for (int64_t k = 0; k < plan_.cliques; ++k) {
            kept_[k] = plan_.separators[k];
            while (kept_[k] < plan_.width(k) && !summed[plan_.clique(k)[kept_[k]]]) ++kept_[k];
        }
    }

    // States of the maximised variables, others untouched, and the logarithm of what they make.
    Outcome run(int32_t* states, double& log_maximum) {
        log_maximum = 0;
        for (int64_t k = 0; k < plan_.cliques; ++k) {
            if (*stop_) return STOPPED;
            double root;
            collect(k, plan_.parents[k] < 0 ? &root : messages_ + plan_.narrow[k]);
            if (plan_.parents[k] < 0) log_maximum += root;
        }
        if (log_maximum == -INFINITY) return IMPOSSIBLE;
        for (int64_t k = plan_.cliques; k-- > 0;) trace(k, states);
        return DONE;
    }

   private:
    void collect(int64_t k, double* message) {
        const Shape shape = forest_.shape(k);
        const double* table = tables_ + plan_.tables[k];
        filler_.fill(k, shape, tables_ + plan_.tables[k]);
        const int64_t rows = plan_.rows(k);
        int64_t size = rows;
        for (int64_t i = plan_.separators[k]; i < kept_[k]; ++i) size *= shape.extents[i];
        if (size == shape.size) return maximise(table, rows, size / rows, message);
        sums_.resize(size);
        sum_onto(Logarithmic(), table, shape, sums_.data(), size,
                 Forest::view_leading(shape, kept_[k]), scratch_);
        maximise(sums_.data(), rows, size / rows, message);
    }

    static void maximise(const double* table, int64_t rows, int64_t length, double* message) {
        for (int64_t r = 0; r < rows; ++r, table += length) {
            double top = -INFINITY;
            for (int64_t i = 0; i < length; ++i) top = table[i] > top ? table[i] : top;
            message[r] = top;
        }
    }

    // The first best states of the clique's own variables, given those of its separator.
    void trace(int64_t k, int32_t* states) {
        if (kept_[k] == plan_.separators[k]) return;
        int64_t row = 0, choices = 1;
        for (int64_t i = 0; i < kept_[k]; ++i) {
            const int64_t v = plan_.clique(k)[i];
            if (i < plan_.separators[k])
                row = row * plan_.cards[v] + states[v];
            else
                choices *= plan_.cards[v];
        }
        const int64_t length = plan_.size(k) / plan_.rows(k), summed = length / choices;
        const double* table = tables_ + plan_.tables[k] + row * length;
        int64_t best = 0;
        double top = -INFINITY;
        for (int64_t c = 0; c < choices; ++c) {
            const double value = log_sum(table + c * summed, summed);
            if (value > top) best = c, top = value;
        }
        for (int64_t i = kept_[k]; i-- > plan_.separators[k];) {
            const int64_t v = plan_.clique(k)[i];
            states[v] = (int32_t)(best % plan_.cards[v]);
            best /= plan_.cards[v];
        }
    }

    static double log_sum(const double* values, int64_t size) {
        double top = -INFINITY, total = 0;
        for (int64_t i = 0; i < size; ++i) top = values[i] > top ? values[i] : top;
        if (size == 1 || top == -INFINITY) return top;
        for (int64_t i = 0; i < size; ++i) total += std::exp(values[i] - top);
        return top + std::log(total);
    }

    Forest& forest_;
    const Packed& plan_;
    Filler<Logarithmic> filler_;
    double *tables_, *messages_;
    const volatile int32_t* stop_;
    std::vector<int64_t> kept_;
    std::vector<double> sums_, scratch_;
};

}  // namespace junction
