#pragma once
// How a small table lies within a large one. The large table is walked in blocks that stay in the
// cache; within a block in steps of `length` entries. Over a step the small table's entry stays
// the same, moves along, or jumps by a list of offsets made beforehand.
#include <algorithm>
#include <cstdint>
#include <vector>

namespace junction {

constexpr int64_t BLOCK = 8192;       // entries of a block: 64 kB
constexpr int64_t LONG_ENOUGH = 32;   // a run that is worth a loop of its own
constexpr int64_t TILE = 128;         // entries of a step of jumps, at least

// Extents of a table's axes, and where it is cut into blocks.
struct Shape {
    std::vector<int64_t> extents;
    int64_t size = 1, cut = 0, block = 1;

    explicit Shape(std::vector<int64_t> axes) : extents(std::move(axes)) {
        for (int64_t extent : extents) size *= extent;
        cut = (int64_t)extents.size();
        while (cut > 0 && block * extents[cut - 1] <= BLOCK) block *= extents[--cut];
    }

    int64_t blocks() const { return size / block; }
};

struct Group {
    int64_t extent, stride;
};

class View {
   public:
    enum Kind { SAME, ALONG, JUMPS };

    View() = default;

    // strides[a]: how far the small table moves along axis a of the large one; 0 for not at all.
    View(const Shape& shape, const std::vector<int64_t>& strides) {
        const auto& extents = shape.extents;
        outer_ = collapse(extents, strides, 0, shape.cut);
        int64_t end = (int64_t)extents.size();
        auto inner = collapse(extents, strides, shape.cut, end);
        if (inner.empty()) {
            kind_ = SAME;
            length_ = 1;
        } else if ((inner.size() == 1 || inner.back().extent >= LONG_ENOUGH) &&
                   inner.back().stride <= 1) {
            kind_ = inner.back().stride ? ALONG : SAME;
            length_ = inner.back().extent;
            inner.pop_back();
        } else {
            kind_ = JUMPS;
            length_ = 1;
            while (end > shape.cut && length_ < TILE) length_ *= extents[--end];
            list_jumps(extents, strides, end);
            inner = collapse(extents, strides, shape.cut, end);
        }
        steps_ = std::move(inner);
        for (const Group& group : steps_) count_ *= group.extent;
    }

    Kind kind() const { return kind_; }
    int64_t length() const { return length_; }
    int64_t steps() const { return count_; }

    // Where the small table is at the start of a block.
    int64_t base(int64_t block) const {
        int64_t at = 0;
        for (size_t g = outer_.size(); g-- > 0;) {
            at += block % outer_[g].extent * outer_[g].stride;
            block /= outer_[g].extent;
        }
        return at;
    }

    // Offsets of the small table over a step.
    const int32_t* jumps() const { return jumps_.data(); }
    // The same step by entries of the small table: each belongs to `repeats` entries of the large
    // one, at kept[s] + summed[r].
    const std::vector<int32_t>& kept() const { return kept_; }
    const std::vector<int32_t>& summed() const { return summed_; }
    const std::vector<int32_t>& targets() const { return targets_; }

    template <class Visit>
    void each_step(int64_t at, Visit visit) const {
        if (steps_.empty()) return visit(at);
        int64_t counters[64] = {0};
        const size_t depth = steps_.size();
        const Group last = steps_[depth - 1];
        for (;;) {
            int64_t here = at;
            for (int64_t i = 0; i < last.extent; ++i, here += last.stride) visit(here);
            size_t g = depth - 1;
            for (;;) {
                if (g == 0) return;
                --g;
                at += steps_[g].stride;
                if (++counters[g] < steps_[g].extent) break;
                at -= steps_[g].extent * steps_[g].stride;
                counters[g] = 0;
            }
        }
    }

   private:
    // Axes that the small table walks through at one stride, as one.
    static std::vector<Group> collapse(const std::vector<int64_t>& extents,
                                       const std::vector<int64_t>& strides, int64_t begin,
                                       int64_t end) {
        std::vector<Group> groups;
        for (int64_t a = begin; a < end; ++a) {
            if (extents[a] == 1) continue;
            if (!groups.empty() && groups.back().stride == strides[a] * extents[a])
                groups.back() = {groups.back().extent * extents[a], strides[a]};
            else
                groups.push_back({extents[a], strides[a]});
        }
        return groups;
    }

    void list_jumps(const std::vector<int64_t>& extents, const std::vector<int64_t>& strides,
                    int64_t begin) {
        jumps_.assign(1, 0);
        kept_ = summed_ = targets_ = jumps_;
        int64_t large = 1;
        for (int64_t a = (int64_t)extents.size(); a-- > begin; large *= extents[a]) {
            prepend(jumps_, extents[a], strides[a]);
            prepend(strides[a] ? kept_ : summed_, extents[a], large);
            if (strides[a]) prepend(targets_, extents[a], strides[a]);
        }
    }

    static void prepend(std::vector<int32_t>& offsets, int64_t extent, int64_t stride) {
        const size_t size = offsets.size();
        offsets.resize(size * extent);
        for (int64_t i = 1; i < extent; ++i)
            for (size_t j = 0; j < size; ++j)
                offsets[i * size + j] = offsets[j] + (int32_t)(i * stride);
    }

    Kind kind_ = SAME;
    int64_t length_ = 1, count_ = 1;
    std::vector<Group> outer_, steps_;
    std::vector<int32_t> jumps_, kept_, summed_, targets_;
};

}  // namespace junction
