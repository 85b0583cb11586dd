// Vectors of doubles padded to whole packs of eight and aligned to cache lines.
//
// Every vector of a sampler has the same padded length; the padding holds zeros and stays zero
// under all operations here, so loops run over whole packs without tails. A pack is a compiler
// vector: one AVX-512 register, two AVX ones, or whatever the machine has.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace probgen {

typedef double Pack __attribute__((vector_size(64), may_alias));
constexpr size_t kLanes = 8;

inline size_t packs_for(size_t dim) { return (dim + kLanes - 1) / kLanes; }
inline Pack* packs(double* x) { return reinterpret_cast<Pack*>(x); }
inline const Pack* packs(const double* x) { return reinterpret_cast<const Pack*>(x); }

inline double total(Pack x) {
    return ((x[0] + x[4]) + (x[2] + x[6])) + ((x[1] + x[5]) + (x[3] + x[7]));
}

// Owner of zeroed vectors of one length; they live as long as the store.
class Store {
  public:
    explicit Store(size_t dim) : length_(packs_for(dim) * kLanes) {}
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    ~Store() {
        for (void* block : blocks_) std::free(block);
    }
    double* vector() { return block(length_); }
    // `count` doubles; one cache line is added so that vectors do not fall on the same cache sets.
    double* block(size_t count) {
        const size_t bytes = (packs_for(count) + 1) * sizeof(Pack);
        void* memory = std::aligned_alloc(sizeof(Pack), bytes);
        if (!memory) throw std::bad_alloc();
        std::memset(memory, 0, bytes);
        blocks_.push_back(memory);
        return static_cast<double*>(memory);
    }

  private:
    size_t length_;
    std::vector<void*> blocks_;
};

inline void copy(double* to, const double* from, size_t n) {
    for (size_t i = 0; i < n; ++i) packs(to)[i] = packs(from)[i];
}

inline double dot(const double* x, const double* y, size_t n) {
    Pack sum = {};
    for (size_t i = 0; i < n; ++i) sum += packs(x)[i] * packs(y)[i];
    return total(sum);
}

}  // namespace probgen
