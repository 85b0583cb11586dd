#pragma once
// Counter-based random numbers: a value depends on (key, sweep, variable, chain) alone, so draws
// do not depend on threads or on how chains are cut into blocks. The mixing function is that of
// SplitMix64 (Steele, Lea & Flood 2014), whose loops vectorise.
#include <cstdint>

namespace counter {

constexpr uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;

inline uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// The base of a row of values: one for each (sweep, variable). Add `chain * GOLDEN` and mix.
inline uint64_t row(uint64_t key, uint64_t sweep, uint64_t variable, uint64_t variables) {
    return mix(key + (sweep * variables + variable) * GOLDEN);
}

inline uint64_t bits(uint64_t base, uint64_t chain) { return mix(base + chain * GOLDEN); }

// Uniform in [0, 1), 24 bits.
inline float uniform32(uint64_t random) { return (float)(uint32_t)(random >> 40) * 0x1p-24f; }

// Uniform in [0, 1), 53 bits.
inline double uniform64(uint64_t random) { return (double)(random >> 11) * 0x1p-53; }

}  // namespace counter
