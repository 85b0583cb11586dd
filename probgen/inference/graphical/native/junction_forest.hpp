#pragma once
// A plan as native code sees it: the rooted forest of cliques with its factors and children, and
// how each of their tables lies in the clique's.
#include <cstdint>
#include <vector>

#include "junction_view.hpp"

namespace junction {

// The packed numbers of an `EliminationPlan` and the factors' scopes and cardinalities.
struct Packed {
    int64_t variables, factors, cliques;
    const int64_t *order, *starts, *members, *separators, *parents, *tables, *narrow, *homes;
    const int32_t* cards;
    const int64_t* scope_offsets;
    const int32_t* scopes;

    Packed(const int64_t* packed, const int32_t* cards, const int64_t* scope_offsets,
           const int32_t* scopes)
        : variables(packed[0]), factors(packed[1]), cliques(packed[2]), cards(cards),
          scope_offsets(scope_offsets), scopes(scopes) {
        order = packed + 8;
        starts = order + variables;
        members = starts + cliques + 1;
        separators = members + packed[3];
        parents = separators + cliques;
        tables = parents + cliques;
        narrow = tables + cliques + 1;
        homes = narrow + cliques + 1;
    }

    const int64_t* clique(int64_t k) const { return members + starts[k]; }
    int64_t width(int64_t k) const { return starts[k + 1] - starts[k]; }
    int64_t size(int64_t k) const { return tables[k + 1] - tables[k]; }
    int64_t separator_size(int64_t k) const { return narrow[k + 1] - narrow[k]; }
    int64_t rows(int64_t k) const { return parents[k] < 0 ? 1 : separator_size(k); }
};

class Forest {
   public:
    explicit Forest(const Packed& plan)
        : plan_(plan), strides_(plan.variables, 0), factors_(plan.cliques),
          children_(plan.cliques) {
        for (int64_t f = 0; f < plan.factors; ++f) factors_[plan.homes[f]].push_back(f);
        for (int64_t k = 0; k < plan.cliques; ++k)
            if (plan.parents[k] >= 0) children_[plan.parents[k]].push_back(k);
    }

    const Packed& plan() const { return plan_; }
    const std::vector<int64_t>& factors(int64_t k) const { return factors_[k]; }
    const std::vector<int64_t>& children(int64_t k) const { return children_[k]; }

    Shape shape(int64_t k) const { return shape(plan_.clique(k), plan_.width(k)); }

    // Of a table over `axes`.
    Shape shape(const int64_t* axes, int64_t width) const {
        std::vector<int64_t> extents;
        for (int64_t i = 0; i < width; ++i) extents.push_back(plan_.cards[axes[i]]);
        return Shape(std::move(extents));
    }

    // The first `leading` axes of a table.
    static View view_leading(const Shape& shape, int64_t leading) {
        std::vector<int64_t> strides(shape.extents.size(), 0);
        int64_t stride = 1;
        for (int64_t i = leading; i-- > 0; stride *= shape.extents[i]) strides[i] = stride;
        return View(shape, strides);
    }

    // A table over `scope`, last variable fastest, within one over `axes`.
    template <class Index>
    View view(const int64_t* axes, const Shape& shape, const Index* scope, int64_t count) {
        int64_t stride = 1;
        for (int64_t i = count; i-- > 0; stride *= plan_.cards[scope[i]])
            strides_[scope[i]] = stride;
        std::vector<int64_t> strides(shape.extents.size());
        for (size_t i = 0; i < strides.size(); ++i) strides[i] = strides_[axes[i]];
        for (int64_t i = 0; i < count; ++i) strides_[scope[i]] = 0;
        return View(shape, strides);
    }

    View view_factor(const int64_t* axes, const Shape& shape, int64_t factor) {
        const int64_t begin = plan_.scope_offsets[factor];
        return view(axes, shape, plan_.scopes + begin, plan_.scope_offsets[factor + 1] - begin);
    }

    View view_child(int64_t k, const Shape& shape, int64_t child) {
        return view(plan_.clique(k), shape, plan_.clique(child), plan_.separators[child]);
    }

   private:
    Packed plan_;
    std::vector<int64_t> strides_;
    std::vector<std::vector<int64_t>> factors_, children_;
};

}  // namespace junction
