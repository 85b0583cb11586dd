#pragma once
// The two loops of message passing: a small table spread over a large one, and a large table
// reduced onto a small one, block by block.
#include <cmath>
#include <cstdint>
#include <vector>

#include "junction_view.hpp"

namespace junction {

// large = f(large, small).
struct Assign {
    static double apply(double, double small) { return small; }
};
struct Multiply {
    static double apply(double large, double small) { return large * small; }
};
struct Add {
    static double apply(double large, double small) { return large + small; }
};

template <class Operation>
void spread(double* __restrict large, const double* __restrict small, const View& view,
            int64_t block) {
    const int64_t length = view.length();
    const int32_t* __restrict jumps = view.jumps();
    const View::Kind kind = view.kind();
    view.each_step(view.base(block), [&](int64_t at) {
        const double* __restrict from = small + at;
        if (kind == View::SAME) {
            const double value = *from;
            for (int64_t i = 0; i < length; ++i) large[i] = Operation::apply(large[i], value);
        } else if (kind == View::ALONG) {
            for (int64_t i = 0; i < length; ++i) large[i] = Operation::apply(large[i], from[i]);
        } else {
            for (int64_t i = 0; i < length; ++i)
                large[i] = Operation::apply(large[i], from[jumps[i]]);
        }
        large += length;
    });
}

// small = join(small, value(large, reference)); the reference is as small as `small`.
struct Sum {
    static constexpr double START = 0;
    static double join(double total, double value) { return total + value; }
    static double value(double large, double) { return large; }
};
struct Maximum {
    static constexpr double START = -INFINITY;
    static double join(double total, double value) { return value > total ? value : total; }
    static double value(double large, double) { return large; }
};
struct SumOfExp {
    static constexpr double START = 0;
    static double join(double total, double value) { return total + value; }
    static double value(double large, double top) { return std::exp(large - top); }
};

// One step of jumps: vectorised over the entries of the small table, or over what they sum.
template <class Reduction>
void reduce_jumps(const double* __restrict large, double* __restrict to,
                  const double* __restrict top, const View& view, std::vector<double>& scratch) {
    const int64_t kept = (int64_t)view.kept().size(), summed = (int64_t)view.summed().size();
    const int32_t* __restrict near = view.kept().data();
    const int32_t* __restrict far = view.summed().data();
    const int32_t* __restrict targets = view.targets().data();
    if (kept < 8) {
        for (int64_t s = 0; s < kept; ++s) {
            const double* __restrict from = large + near[s];
            const double here = top[targets[s]];
            double total = Reduction::START;
            for (int64_t r = 0; r < summed; ++r)
                total = Reduction::join(total, Reduction::value(from[far[r]], here));
            to[targets[s]] = Reduction::join(to[targets[s]], total);
        }
        return;
    }
    if ((int64_t)scratch.size() < 2 * kept) scratch.resize(2 * kept);
    double* __restrict totals = scratch.data();
    double* __restrict tops = totals + kept;
    for (int64_t s = 0; s < kept; ++s) totals[s] = Reduction::START;
    for (int64_t s = 0; s < kept; ++s) tops[s] = top[targets[s]];
    for (int64_t r = 0; r < summed; ++r) {
        const double* __restrict from = large + far[r];
        for (int64_t s = 0; s < kept; ++s)
            totals[s] = Reduction::join(totals[s], Reduction::value(from[near[s]], tops[s]));
    }
    for (int64_t s = 0; s < kept; ++s)
        to[targets[s]] = Reduction::join(to[targets[s]], totals[s]);
}

template <class Reduction>
void reduce(const double* __restrict large, double* __restrict small,
            const double* __restrict reference, const View& view, int64_t block,
            std::vector<double>& scratch) {
    const int64_t length = view.length();
    const View::Kind kind = view.kind();
    view.each_step(view.base(block), [&](int64_t at) {
        double* __restrict to = small + at;
        const double* __restrict top = reference + at;
        if (kind == View::SAME) {
            double total = Reduction::START;
            const double here = *top;
            for (int64_t i = 0; i < length; ++i)
                total = Reduction::join(total, Reduction::value(large[i], here));
            *to = Reduction::join(*to, total);
        } else if (kind == View::ALONG) {
            for (int64_t i = 0; i < length; ++i)
                to[i] = Reduction::join(to[i], Reduction::value(large[i], top[i]));
        } else {
            reduce_jumps<Reduction>(large, to, top, view, scratch);
        }
        large += length;
    });
}

// Onto all of `small`, from all of a table.
template <class Reduction>
void reduce_all(const double* large, const Shape& shape, double* small, int64_t size,
                const double* reference, const View& view, std::vector<double>& scratch) {
    std::fill(small, small + size, Reduction::START);
    for (int64_t b = 0; b < shape.blocks(); ++b)
        reduce<Reduction>(large + b * shape.block, small, reference, view, b, scratch);
}

}  // namespace junction
