#pragma once
// The maximal cliques of an elimination order, and the rooted forest that they form.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "elimination_bundles.hpp"
#include "elimination_graph.hpp"

namespace elimination {

constexpr double TOO_MANY_BITS = 60;

class Cliques {
   public:
    Cliques(const Order& order, const int32_t* cards)
        : order_(order), cards_(cards), n_((int64_t)order.variables.size()), place_(n_),
          next_(n_, -1), clique_(n_, -1) {
        for (int64_t k = 0; k < n_; ++k) place_[order.variables[k]] = k;
        for (int64_t k = 0; k < n_; ++k)
            for (int64_t i = order.offsets[k]; i < order.offsets[k + 1]; ++i) {
                const int64_t at = place_[order.neighbours[i]];
                if (next_[k] < 0 || at < next_[k]) next_[k] = at;
            }
        merge();
        weigh();
    }

    double log2_entries() const { return log2_entries_; }
    double log2_largest() const { return log2_largest_; }

    // The numbers of an `EliminationPlan`, header first.
    std::vector<int64_t> pack(int64_t factors, const int64_t* offsets, const int32_t* scopes) {
        std::vector<Node> nodes = make_nodes(factors, offsets, scopes);
        const std::vector<int64_t> ranked = children_first(nodes);
        std::vector<int64_t> rank(nodes.size());
        for (size_t k = 0; k < ranked.size(); ++k) rank[ranked[k]] = (int64_t)k;
        std::vector<int64_t> starts{0}, members, separators, parents, tables{0}, narrow{0};
        std::vector<int64_t> homes(factors);
        int64_t widest = 0;
        for (int64_t c : ranked) {
            const Node& node = nodes[c];
            int64_t entries = fits(), kept = fits() && node.shared;
            for (size_t i = 0; i < node.members.size(); ++i) {
                const int64_t v = order_.variables[node.members[i]];
                members.push_back(v);
                if (fits()) entries *= cards_[v];
                if (fits() && (int64_t)i < node.shared) kept *= cards_[v];
            }
            starts.push_back((int64_t)members.size());
            separators.push_back(node.shared);
            parents.push_back(node.parent < 0 ? -1 : rank[node.parent]);
            tables.push_back(tables.back() + entries);
            narrow.push_back(narrow.back() + kept);
            widest = std::max(widest, (int64_t)node.members.size());
            for (int64_t f : node.factors) homes[f] = rank[c];
        }
        std::vector<int64_t> packed{n_, factors, (int64_t)nodes.size(), (int64_t)members.size(),
                                    fits() ? tables.back() : -1, narrow.back(), widest, 0};
        packed.insert(packed.end(), order_.variables.begin(), order_.variables.end());
        for (const auto* part : {&starts, &members, &separators, &parents, &tables, &narrow, &homes})
            packed.insert(packed.end(), part->begin(), part->end());
        return packed;
    }

   private:
    bool fits() const { return log2_entries_ < TOO_MANY_BITS; }

    // The maximal cliques with their factors, and bundles of those where there are many.
    std::vector<Node> make_nodes(int64_t factors, const int64_t* offsets, const int32_t* scopes) {
        std::vector<Node> nodes(first_.size());
        for (size_t c = 0; c < nodes.size(); ++c) {
            Node& node = nodes[c];
            node.members.assign(1, first_[c]);
            for (int64_t i = order_.offsets[first_[c]]; i < order_.offsets[first_[c] + 1]; ++i)
                node.members.push_back(place_[order_.neighbours[i]]);
            std::sort(node.members.rbegin(), node.members.rend());
            for (int64_t place : node.members) node.shared += place > last_[c];
            const int64_t above = next_[last_[c]];
            if (above < 0) continue;
            node.parent = clique_[above];
            nodes[node.parent].children.push_back((int64_t)c);
        }
        std::vector<std::vector<int64_t>> places(factors);
        for (int64_t f = 0; f < factors; ++f) {
            for (int64_t i = offsets[f]; i < offsets[f + 1]; ++i)
                places[f].push_back(place_[scopes[i]]);
            const int64_t first = *std::min_element(places[f].begin(), places[f].end());
            nodes[clique_[first]].factors.push_back(f);
        }
        std::vector<double> bits;
        for (int32_t v : order_.variables) bits.push_back(std::log2((double)cards_[v]));
        if (fits()) Bundler(nodes, bits, places).run();
        return nodes;
    }

    // Nodes such that children stand before their parents.
    static std::vector<int64_t> children_first(const std::vector<Node>& nodes) {
        std::vector<int64_t> ranked;
        for (size_t c = 0; c < nodes.size(); ++c)
            if (nodes[c].parent < 0) ranked.push_back((int64_t)c);
        for (size_t i = 0; i < ranked.size(); ++i)
            for (int64_t child : nodes[ranked[i]].children) ranked.push_back(child);
        std::reverse(ranked.begin(), ranked.end());
        return ranked;
    }

    int64_t width(int64_t bucket) const {
        return order_.offsets[bucket + 1] - order_.offsets[bucket];
    }

    // A bucket that lacks only the variable just eliminated is part of that one's clique.
    void merge() {
        std::vector<int64_t> child(n_, -1);
        for (int64_t k = 0; k < n_; ++k) {
            if (child[k] >= 0) {
                clique_[k] = clique_[child[k]];
                last_[clique_[k]] = k;
            } else {
                clique_[k] = (int64_t)first_.size();
                first_.push_back(k);
                last_.push_back(k);
            }
            const int64_t above = next_[k];
            if (above >= 0 && child[above] < 0 && width(above) == width(k) - 1) child[above] = k;
        }
    }

    void weigh() {
        std::vector<double> bits;
        for (int64_t k : first_) {
            double size = std::log2((double)cards_[order_.variables[k]]);
            for (int64_t i = order_.offsets[k]; i < order_.offsets[k + 1]; ++i)
                size += std::log2((double)cards_[order_.neighbours[i]]);
            bits.push_back(size);
            log2_largest_ = std::max(log2_largest_, size);
        }
        double total = 0;
        for (double size : bits) total += std::exp2(size - log2_largest_);
        if (!bits.empty()) log2_entries_ = log2_largest_ + std::log2(total);
    }

    const Order& order_;
    const int32_t* cards_;
    int64_t n_;
    std::vector<int64_t> place_, next_, clique_, first_, last_;
    double log2_entries_ = 0, log2_largest_ = 0;
};

}  // namespace elimination
