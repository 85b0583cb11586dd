// Random numbers: xoshiro256++ (Blackman & Vigna 2021), one stream per (seed, chain).
//
// The state is filled by splitmix64 from a mix of seed and chain, so a chain's draws do not
// depend on how many chains or threads there are. Normals by Marsaglia's polar method (1964).
#pragma once
#include <cmath>
#include <cstdint>

#include "vector.hpp"

namespace probgen {

inline uint64_t splitmix64(uint64_t& state) {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

class Rng {
  public:
    Rng(uint64_t seed, uint64_t chain) {
        uint64_t state = seed;
        uint64_t mixed = splitmix64(state) + 0xda942042e4dd58b5ull * (chain + 1);
        for (uint64_t& word : words_) word = splitmix64(mixed);
    }

    uint64_t bits() {
        const uint64_t result = rotate(words_[0] + words_[3], 23) + words_[0];
        const uint64_t shifted = words_[1] << 17;
        words_[2] ^= words_[0];
        words_[3] ^= words_[1];
        words_[1] ^= words_[2];
        words_[0] ^= words_[3];
        words_[2] ^= shifted;
        words_[3] = rotate(words_[3], 45);
        return result;
    }

    bool coin() { return bits() >> 63; }

    // Uniform on (0, 1).
    double uniform() { return (double(bits() >> 11) + 0.5) * 0x1.0p-53; }

    // `dim` standard normals; whatever follows in the last pack is left alone.
    void normals(double* out, size_t dim) {
        for (size_t i = 0; i < dim; i += 2) {
            double x, y, square;
            do {
                x = 2 * uniform() - 1;
                y = 2 * uniform() - 1;
                square = x * x + y * y;
            } while (square >= 1 || square == 0);
            const double factor = std::sqrt(-2 * std::log(square) / square);
            out[i] = x * factor;
            if (i + 1 < dim) out[i + 1] = y * factor;
        }
    }

  private:
    static uint64_t rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
    uint64_t words_[4];
};

}  // namespace probgen
