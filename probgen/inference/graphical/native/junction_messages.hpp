#pragma once
// Two passes of messages over the forest (Jensen, Lauritzen & Olesen 1990): to the roots, then
// back. In the linear domain tables are scaled to a maximum of one and the logarithm of the scale
// is kept apart; the processor's flags tell whether anything was lost. The log domain is slower
// and loses nothing.
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "junction_fill.hpp"
#include "junction_flags.hpp"
#include "junction_forest.hpp"
#include "junction_kernels.hpp"

namespace junction {

constexpr double FAINT = -700;  // nats below a factor's maximum that a double cannot hold well

enum Outcome { DONE, IMPOSSIBLE, PRECISION_LOST, STOPPED };

// Log tables scaled to a maximum of zero; the sum of the scales, -inf if a factor is all zero.
inline double scale_tables(const int64_t* offsets, int64_t factors, const double* log_tables,
                           std::vector<double>& scaled, bool& faint) {
    double total = 0;
    faint = false;
    scaled.resize(offsets[factors]);
    for (int64_t f = 0; f < factors; ++f) {
        double top = -INFINITY;
        for (int64_t i = offsets[f]; i < offsets[f + 1]; ++i)
            top = log_tables[i] > top ? log_tables[i] : top;
        if (top == -INFINITY) return top;
        int64_t lost = 0;
        for (int64_t i = offsets[f]; i < offsets[f + 1]; ++i) {
            scaled[i] = log_tables[i] - top;
            lost += (scaled[i] < FAINT) & (scaled[i] > -INFINITY);
        }
        faint = faint || lost > 0;
        total += top;
    }
    return total;
}

// Sums a table over all but the axes of a message.
inline void sum_onto(Linear, const double* table, const Shape& shape, double* message,
                     int64_t size, const View& view, std::vector<double>& scratch) {
    reduce_all<Sum>(table, shape, message, size, message, view, scratch);
}
inline void sum_onto(Logarithmic, const double* table, const Shape& shape, double* message,
                     int64_t size, const View& view, std::vector<double>& scratch) {
    std::vector<double> top(size);
    reduce_all<Maximum>(table, shape, top.data(), size, message, view, scratch);
    for (double& value : top) value = value == -INFINITY ? 0 : value;
    reduce_all<SumOfExp>(table, shape, message, size, top.data(), view, scratch);
    for (int64_t i = 0; i < size; ++i) message[i] = std::log(message[i]) + top[i];
}

// Scales to a maximum of one; the logarithm of what it was, -inf if all is zero.
inline double normalise(Linear, double* message, int64_t size) {
    double top = 0;
    for (int64_t i = 0; i < size; ++i) top = message[i] > top ? message[i] : top;
    if (top == 0) return -INFINITY;
    for (int64_t i = 0; i < size; ++i) message[i] /= top;
    return std::log(top);
}
inline double normalise(Logarithmic, double* message, int64_t size) {
    double top = -INFINITY;
    for (int64_t i = 0; i < size; ++i) top = message[i] > top ? message[i] : top;
    if (top == -INFINITY) return top;
    for (int64_t i = 0; i < size; ++i) message[i] -= top;
    return top;
}

// What a clique has yet to be multiplied by: what its parent knows beyond what it was told.
inline void divide(Linear, const double* arrived, double* sent, int64_t size, double log_scale) {
    const double scale = std::exp(-log_scale);
    for (int64_t i = 0; i < size; ++i) sent[i] = sent[i] > 0 ? arrived[i] / sent[i] * scale : 0;
}
inline void divide(Logarithmic, const double* arrived, double* sent, int64_t size,
                   double log_scale) {
    for (int64_t i = 0; i < size; ++i)
        if (sent[i] != -INFINITY) sent[i] = arrived[i] - sent[i] - log_scale;
}

template <class Domain>
class Messages {
   public:
    // `tables` and `messages` are laid out as the plan says; `arrived`, like the messages, holds
    // the separators' beliefs after the second pass.
    Messages(Forest& forest, const std::vector<double>& potentials, const int64_t* offsets,
             double* tables, double* messages, double* arrived, const volatile int32_t* stop)
        : forest_(forest), plan_(forest.plan()), filler_(forest, potentials, offsets, messages),
          tables_(tables), messages_(messages), arrived_(arrived), stop_(stop),
          log_scales_(plan_.cliques, 0) {}

    // Passes both ways; `log_z` is the sum over everything, in nats. Numbers too small on the way
    // to the roots may be what evidence elsewhere picks out; on the way back they are
    // probabilities, and too small to matter.
    Outcome run(double& log_z) {
        log_z = 0;
        clear_flags();
        for (int64_t k = 0; k < plan_.cliques; ++k) {
            if (*stop_) return STOPPED;
            collect(k);
            if (LOSSY && underflowed()) return PRECISION_LOST;
            log_z += log_scales_[k];
            if (log_z == -INFINITY) return IMPOSSIBLE;
        }
        for (int64_t k = plan_.cliques; k-- > 0;) {
            if (*stop_) return STOPPED;
            distribute(k);
        }
        return LOSSY && overflowed() ? PRECISION_LOST : DONE;
    }

   private:
    static constexpr bool LOSSY = std::is_same<Domain, Linear>::value;

    void collect(int64_t k) {
        shapes_.push_back(forest_.shape(k));
        own_.push_back(Forest::view_leading(shapes_[k], plan_.separators[k]));
        double* table = tables_ + plan_.tables[k];
        filler_.fill(k, shapes_[k], table);
        double root;
        double* message = plan_.parents[k] < 0 ? &root : messages_ + plan_.narrow[k];
        sum_onto(Domain(), table, shapes_[k], message, plan_.rows(k), own_[k], scratch_);
        log_scales_[k] = normalise(Domain(), message, plan_.rows(k));
    }

    void distribute(int64_t k) {
        const Shape& shape = shapes_[k];
        double* table = tables_ + plan_.tables[k];
        double one = Domain::ONE;
        const double root = Domain::ONE;
        const bool top = plan_.parents[k] < 0;
        double* ratio = top ? &one : messages_ + plan_.narrow[k];
        divide(Domain(), top ? &root : arrived_ + plan_.narrow[k], ratio, plan_.rows(k),
               log_scales_[k]);
        for (int64_t b = 0; b < shape.blocks(); ++b)
            spread<typename Domain::Combine>(table + b * shape.block, ratio, own_[k], b);
        for (int64_t child : forest_.children(k))
            sum_onto(Domain(), table, shape, arrived_ + plan_.narrow[child],
                     plan_.separator_size(child), filler_.child(child), scratch_);
    }

    Forest& forest_;
    const Packed& plan_;
    Filler<Domain> filler_;
    double *tables_, *messages_, *arrived_;
    const volatile int32_t* stop_;
    std::vector<double> log_scales_;
    std::vector<Shape> shapes_;
    std::vector<View> own_;
    std::vector<double> scratch_;
};

}  // namespace junction
