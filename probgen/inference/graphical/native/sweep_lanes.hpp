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

// Wider lanes with the same values. GCC 12 does these element by element without intrinsics.
inline Words words_of_bytes(const uint8_t* from) {
#ifdef __AVX512F__
    return (Words)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)from));
#else
    return __builtin_convertvector(load<Bytes16>(from), Words);
#endif
}

inline Words words_of_shorts(const uint16_t* from) {
#ifdef __AVX512F__
    return (Words)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)from));
#else
    return __builtin_convertvector(load<Shorts16>(from), Words);
#endif
}

inline Shorts shorts_of_bytes(const uint8_t* from) {
#ifdef __AVX512BW__
    return (Shorts)_mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)from));
#else
    return __builtin_convertvector(load<Bytes32>(from), Shorts);
#endif
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

// Two neighbouring entries for each lane, at the price of one gather.
template <class Vector>
inline void gather_pair(const void* table, Words index, Vector& first, Vector& second) {
#ifdef __AVX512F__
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i all = (__m512i)index;
    __m512i low = _mm512_i32gather_epi64(_mm512_castsi512_si256(all), table, 4);
    __m512i high = _mm512_i32gather_epi64(_mm512_extracti64x4_epi64(all, 1), table, 4);
    first = (Vector)_mm512_permutex2var_epi32(low, even, high);
    second = (Vector)_mm512_permutex2var_epi32(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)),
                                               high);
#else
    first = (Vector)gather((const uint32_t*)table, index);
    second = (Vector)gather((const uint32_t*)table + 1, index);
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
