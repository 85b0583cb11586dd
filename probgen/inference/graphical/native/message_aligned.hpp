#pragma once
// Vectors that begin at a cache line. Compilers peel loops up to an aligned address, so the order
// of a sum, and with it the last bit, would otherwise depend on where memory happens to lie.
#include <cstddef>
#include <new>
#include <vector>

namespace message {

template <class T>
struct CacheLineAllocator {
    using value_type = T;
    CacheLineAllocator() = default;
    template <class U>
    CacheLineAllocator(const CacheLineAllocator<U>&) {}
    T* allocate(std::size_t n) {
        return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64)));
    }
    void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t(64)); }
    template <class U>
    bool operator==(const CacheLineAllocator<U>&) const { return true; }
    template <class U>
    bool operator!=(const CacheLineAllocator<U>&) const { return false; }
};

using Numbers = std::vector<double, CacheLineAllocator<double>>;

}  // namespace message
