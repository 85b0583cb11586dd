#pragma once
// A clique's table as the product of its factors and of its children's messages.
#include <cstdint>
#include <vector>

#include "junction_forest.hpp"
#include "junction_kernels.hpp"

namespace junction {

struct Linear {
    using Combine = Multiply;
    static constexpr double ONE = 1;
};
struct Logarithmic {
    using Combine = Add;
    static constexpr double ONE = 0;
};

template <class Domain>
class Filler {
   public:
    Filler(Forest& forest, const std::vector<double>& potentials, const int64_t* offsets,
           const double* messages)
        : forest_(forest), potentials_(potentials), offsets_(offsets), messages_(messages),
          within_(forest.plan().cliques) {}

    // How a child's message lies in the table of its parent; known once that has been filled.
    const View& child(int64_t k) const { return within_[k]; }

    void fill(int64_t k, const Shape& shape, double* table) {
        const Packed& plan = forest_.plan();
        views_.clear();
        parts_.clear();
        for (int64_t f : forest_.factors(k)) {
            own_.push_back(forest_.view_factor(plan.clique(k), shape, f));
            parts_.push_back(potentials_.data() + offsets_[f]);
        }
        for (const View& view : own_) views_.push_back(&view);
        for (int64_t child : forest_.children(k)) {
            within_[child] = forest_.view_child(k, shape, child);
            views_.push_back(&within_[child]);
            parts_.push_back(messages_ + plan.narrow[child]);
        }
        for (int64_t b = 0; b < shape.blocks(); ++b) {
            double* large = table + b * shape.block;
            if (views_.empty()) std::fill(large, large + shape.block, Domain::ONE);
            for (size_t i = 0; i < views_.size(); ++i) {
                if (i == 0)
                    spread<Assign>(large, parts_[i], *views_[i], b);
                else
                    spread<typename Domain::Combine>(large, parts_[i], *views_[i], b);
            }
        }
        own_.clear();
    }

   private:
    Forest& forest_;
    const std::vector<double>& potentials_;
    const int64_t* offsets_;
    const double* messages_;
    std::vector<View> within_, own_;
    std::vector<const View*> views_;
    std::vector<const double*> parts_;
};

}  // namespace junction
