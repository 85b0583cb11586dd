#pragma once
// Vectors of 64 bytes for strips of 64 chains. Written with the vector types that GCC and Clang
// share; the few steps that these cannot say (gathers, byte permutations, masks) use AVX-512
// where the machine has it, and plain loops elsewhere with the same results.
#include <cstdint>
#include <cstring>
#ifdef __AVX512F__
#include <immintrin.h>
#endif
#include "counter_random.hpp"

namespace lanes {

constexpr int STRIP = 64;

typedef uint8_t Bytes __attribute__((vector_size(64)));
typedef uint8_t Bytes16 __attribute__((vector_size(16)));
typedef uint8_t Bytes32 __attribute__((vector_size(32)));
typedef uint16_t Shorts __attribute__((vector_size(64)));
typedef uint16_t Shorts16 __attribute__((vector_size(32)));
typedef uint32_t Words __attribute__((vector_size(64)));
typedef uint64_t Longs __attribute__((vector_size(64)));
typedef float Floats __attribute__((vector_size(64)));

template <class Vector>
inline Vector load(const void* from) {
    Vector vector;
    std::memcpy(&vector, from, sizeof vector);
    return vector;
}

template <class Vector>
inline void store(void* to, Vector vector) {
    std::memcpy(to, &vector, sizeof vector);
}

inline Words gather(const uint32_t* table, Words index) {
#ifdef __AVX512F__
    return (Words)_mm512_i32gather_epi32((__m512i)index, (const int*)table, 4);
#else
    Words result;
    for (int lane = 0; lane < 16; lane++) result[lane] = table[index[lane]];
    return result;
#endif
}

inline Floats gather(const float* table, Words index) {
#ifdef __AVX512F__
    return (Floats)_mm512_i32gather_ps((__m512i)index, table, 4);
#else
    Floats result;
    for (int lane = 0; lane < 16; lane++) result[lane] = table[index[lane]];
    return result;
#endif
}

template <class Vector>
inline bool any(Vector vector) {
#ifdef __AVX512F__
    return _mm512_test_epi64_mask((__m512i)vector, (__m512i)vector) != 0;
#else
    uint64_t parts[8], all = 0;
    std::memcpy(parts, &vector, sizeof parts);
    for (int k = 0; k < 8; k++) all |= parts[k];
    return all != 0;
#endif
}

// Eight consecutive random words of a row, the first of them a multiple of eight.
inline Longs random(uint64_t row, uint64_t first) {
    const Longs counter = {0, 1, 2, 3, 4, 5, 6, 7};
    Longs z = row + (first + counter) * counter::GOLDEN;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

}  // namespace lanes
