#pragma once
// A clique with many small factors and children costs a pass over its table for each of them.
// Some of them are put together in a clique of their own, over part of the large one's variables:
// then they cost passes over that, and the large table one more.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace elimination {

// A clique of the forest. Members are places in the order of elimination, latest first; the first
// `shared` of them are shared with the parent.
struct Node {
    std::vector<int64_t> members;
    int64_t shared = 0, parent = -1;
    std::vector<int64_t> factors, children;
};

constexpr double WORTH_BITS = 11;   // smaller tables are left alone
constexpr double SMALLER_BITS = 3;  // a bundle is at most 2^-3 of the table
constexpr int64_t WORTH_PASSES = 5; // over the table, that a bundle saves, less its own two
constexpr size_t MASK_BITS = 64;

class Bundler {
   public:
    // bits[place]: log2 of the number of states. scopes[factor]: places of its variables.
    Bundler(std::vector<Node>& nodes, const std::vector<double>& bits,
            const std::vector<std::vector<int64_t>>& scopes)
        : nodes_(nodes), bits_(bits), scopes_(scopes), spot_(bits.size(), 0) {}

    void run() {
        for (size_t c = 0; c < nodes_.size(); ++c)  // grows
            while (bundle(c)) {
            }
    }

   private:
    struct Part {
        bool child;
        int64_t index;
        uint64_t mask;
        double bits;
    };

    double size(uint64_t mask, const std::vector<int64_t>& members) const {
        double total = 0;
        for (size_t i = 0; i < members.size(); ++i)
            if (mask >> i & 1) total += bits_[members[i]];
        return total;
    }

    std::vector<Part> list_parts(size_t c) {
        const Node& node = nodes_[c];
        for (size_t i = 0; i < node.members.size(); ++i) spot_[node.members[i]] = i;
        std::vector<Part> parts;
        auto add = [&](bool child, int64_t index, const int64_t* begin, const int64_t* end) {
            Part part{child, index, 0, 0};
            for (; begin != end; ++begin) {
                part.mask |= uint64_t(1) << spot_[*begin];
                part.bits += bits_[*begin];
            }
            parts.push_back(part);
        };
        for (int64_t f : node.factors)
            add(false, f, scopes_[f].data(), scopes_[f].data() + scopes_[f].size());
        for (int64_t k : node.children)
            add(true, k, nodes_[k].members.data(), nodes_[k].members.data() + nodes_[k].shared);
        return parts;
    }

    // Parts that fit together, from the largest that is small enough.
    bool bundle(size_t c) {
        const std::vector<int64_t> members = nodes_[c].members;
        if (members.size() > MASK_BITS) return false;
        double whole = 0;
        for (int64_t place : members) whole += bits_[place];
        const double most = whole - SMALLER_BITS;
        if (whole < WORTH_BITS || nodes_[c].factors.size() + nodes_[c].children.size() < 4)
            return false;
        std::vector<Part> parts = list_parts(c);
        std::stable_sort(parts.begin(), parts.end(),
                         [](const Part& a, const Part& b) { return a.bits > b.bits; });
        for (size_t first = 0; first < parts.size(); ++first) {
            if (parts[first].bits > most) continue;
            std::vector<char> taken(parts.size(), 0);
            uint64_t mask = 0;
            if (grow(first, parts, members, most, taken, mask) < WORTH_PASSES) continue;
            make(c, mask, parts, taken);
            return true;
        }
        return false;
    }

    // Takes parts that enlarge the bundle least, while it stays small; the passes it saves.
    int64_t grow(size_t first, const std::vector<Part>& parts,
                 const std::vector<int64_t>& members, double most, std::vector<char>& taken,
                 uint64_t& mask) const {
        int64_t passes = 0;
        for (size_t next = first;;) {
            taken[next] = 1;
            mask |= parts[next].mask;
            passes += parts[next].child ? 2 : 1;
            const double room = most - size(mask, members);
            double least = INFINITY;
            for (size_t i = first; i < parts.size(); ++i) {
                if (taken[i]) continue;
                const double growth = size(parts[i].mask & ~mask, members);
                if (growth <= room && growth < least) least = growth, next = i;
            }
            if (least == INFINITY) return passes;
        }
    }

    void make(size_t c, uint64_t mask, const std::vector<Part>& parts,
              const std::vector<char>& taken) {
        Node fresh;
        const int64_t index = (int64_t)nodes_.size();
        for (size_t i = 0; i < nodes_[c].members.size(); ++i)
            if (mask >> i & 1) fresh.members.push_back(nodes_[c].members[i]);
        fresh.shared = (int64_t)fresh.members.size();
        fresh.parent = (int64_t)c;
        std::vector<int64_t> factors, children{index};
        for (size_t i = 0; i < parts.size(); ++i) {
            auto& list = parts[i].child ? (taken[i] ? fresh.children : children)
                                        : (taken[i] ? fresh.factors : factors);
            list.push_back(parts[i].index);
        }
        std::sort(fresh.children.begin(), fresh.children.end());
        for (int64_t k : fresh.children) nodes_[k].parent = index;
        nodes_[c].factors = factors;
        nodes_[c].children = children;
        nodes_.push_back(fresh);
    }

    std::vector<Node>& nodes_;
    const std::vector<double>& bits_;
    const std::vector<std::vector<int64_t>>& scopes_;
    std::vector<size_t> spot_;
};

}  // namespace elimination
