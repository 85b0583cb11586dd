#pragma once
// The interaction graph of a set of factors, eliminated greedily. For every variable the numbers
// that the rules need are kept up to date as edges come and variables go: the weight of the edges
// that its elimination would add, and the size of the table that it would make.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace elimination {

// An order, and for each of its variables the neighbours when it was eliminated.
struct Order {
    std::vector<int32_t> variables;
    std::vector<int64_t> offsets{0};
    std::vector<int32_t> neighbours;
};

class Graph {
   public:
    Graph(int64_t n, const int32_t* cards, int64_t factors, const int64_t* offsets,
          const int32_t* scopes)
        : n_(n), cards_(cards, cards + n), bits_(n), near_(n), around_(n, 0), size_(n),
          fill_(n, 0), alive_(n, 1), marked_(n, 0), stamp_(n, 0) {
        std::vector<std::vector<int64_t>> holding(n);
        for (int64_t f = 0; f < factors; ++f)
            for (int64_t i = offsets[f]; i < offsets[f + 1]; ++i) holding[scopes[i]].push_back(f);
        for (int64_t v = 0; v < n; ++v) {
            stamp_[v] = ++mark_;
            for (int64_t f : holding[v])
                for (int64_t i = offsets[f]; i < offsets[f + 1]; ++i) {
                    const int32_t u = scopes[i];
                    if (stamp_[u] != mark_) near_[v].push_back(u);
                    stamp_[u] = mark_;
                }
        }
        for (int64_t v = 0; v < n; ++v) {
            degree_.push_back((int64_t)near_[v].size());
            bits_[v] = std::log2((double)cards_[v]);
        }
        for (int64_t v = 0; v < n; ++v) {
            size_[v] = bits_[v];
            for (int32_t u : near_[v]) {
                size_[v] += bits_[u];
                around_[v] += cards_[u];
            }
        }
    }

    int64_t variables() const { return n_; }
    int64_t work() const { return work_; }

    // Missing edges count as one, or as the product of their ends' numbers of states.
    void weigh_edges(bool by_cards) {
        weighted_ = by_cards;
        if (!weighted_)
            for (int64_t v = 0; v < n_; ++v) around_[v] = degree_[v];
        count_missing_edges();
    }

    int64_t weight(int32_t v) const { return weighted_ ? cards_[v] : 1; }
    int64_t fill(int32_t v) const { return fill_[v]; }
    double size(int32_t v) const { return size_[v]; }
    int64_t degree(int32_t v) const { return degree_[v]; }

    // Joins all neighbours of v and takes v away; `touched` lists the variables whose numbers
    // have changed, `order` is extended by v.
    void eliminate(int32_t v, Order& order, std::vector<int32_t>& touched) {
        tidy(v);
        const std::vector<int32_t> nearby = std::move(near_[v]);
        touched.clear();
        if (fill_[v] > 0) join(nearby, v, touched);
        alive_[v] = 0;
        for (int32_t u : nearby) {
            // After the joining, all neighbours of v are neighbours of u.
            fill_[u] -= weight(v) * (around_[u] - weight(v) - (around_[v] - weight(u)));
            --degree_[u];
            around_[u] -= weight(v);
            size_[u] -= bits_[v];
            touch(u, touched);
        }
        for (int32_t u : touched) marked_[u] = 0;
        work_ += (int64_t)nearby.size() + 4;
        order.variables.push_back(v);
        order.neighbours.insert(order.neighbours.end(), nearby.begin(), nearby.end());
        order.offsets.push_back((int64_t)order.neighbours.size());
    }

   private:
    // Drops those that are gone from the neighbours of v.
    void tidy(int32_t v) {
        auto& nearby = near_[v];
        work_ += (int64_t)nearby.size();
        if ((int64_t)nearby.size() == degree_[v]) return;
        nearby.erase(std::remove_if(nearby.begin(), nearby.end(),
                                    [&](int32_t u) { return !alive_[u]; }),
                     nearby.end());
    }

    void touch(int32_t u, std::vector<int32_t>& touched) {
        if (!marked_[u]) touched.push_back(u);
        marked_[u] = 1;
    }

    void join(const std::vector<int32_t>& nearby, int32_t gone, std::vector<int32_t>& touched) {
        for (size_t i = 0; i < nearby.size(); ++i) {
            const int32_t a = nearby[i];
            tidy(a);
            ++mark_;
            for (int32_t u : near_[a]) stamp_[u] = mark_;
            for (size_t j = i + 1; j < nearby.size(); ++j) {
                const int32_t b = nearby[j];
                if (stamp_[b] == mark_) continue;
                add_edge(a, b, gone, touched);
                stamp_[b] = mark_;
            }
            work_ += (int64_t)(nearby.size() - i);
        }
    }

    // The neighbours of a are those stamped with the present mark.
    void add_edge(int32_t a, int32_t b, int32_t gone, std::vector<int32_t>& touched) {
        tidy(b);
        const int64_t edge = weight(a) * weight(b);
        int64_t common = 0;
        for (int32_t c : near_[b])
            if (stamp_[c] == mark_) {
                common += weight(c);
                fill_[c] -= edge;
                if (c != gone) touch(c, touched);
            }
        fill_[a] += weight(b) * (around_[a] - common);
        fill_[b] += weight(a) * (around_[b] - common);
        near_[a].push_back(b);
        near_[b].push_back(a);
        ++degree_[a], ++degree_[b];
        around_[a] += weight(b), around_[b] += weight(a);
        size_[a] += bits_[b], size_[b] += bits_[a];
    }

    // All edges between neighbours less those that are there, found as triangles, each once, from
    // the variable of least degree.
    void count_missing_edges() {
        std::vector<std::vector<int32_t>> later(n_);
        auto before = [&](int32_t a, int32_t b) {
            return degree_[a] != degree_[b] ? degree_[a] < degree_[b] : a < b;
        };
        for (int64_t v = 0; v < n_; ++v) {
            int64_t squares = 0;
            for (int32_t u : near_[v]) {
                squares += weight(u) * weight(u);
                if (before((int32_t)v, u)) later[v].push_back(u);
            }
            fill_[v] = (around_[v] * around_[v] - squares) / 2;
        }
        for (int64_t v = 0; v < n_; ++v) {
            ++mark_;
            for (int32_t u : later[v]) stamp_[u] = mark_;
            for (int32_t u : later[v])
                for (int32_t w : later[u]) {
                    ++work_;
                    if (stamp_[w] != mark_) continue;
                    fill_[v] -= weight(u) * weight(w);
                    fill_[u] -= weight(v) * weight(w);
                    fill_[w] -= weight(v) * weight(u);
                }
        }
    }

    int64_t n_;
    bool weighted_ = true;
    std::vector<int64_t> cards_;
    std::vector<double> bits_;
    std::vector<std::vector<int32_t>> near_;
    std::vector<int64_t> degree_, around_;
    std::vector<double> size_;
    std::vector<int64_t> fill_;
    std::vector<char> alive_, marked_;
    std::vector<int64_t> stamp_;
    int64_t mark_ = 0, work_ = 0;
};

}  // namespace elimination
