// Random numbers: xoshiro256++ (Blackman & Vigna 2021), one stream per (seed, chain).
//
// The state is filled by splitmix64 from a mix of seed and chain, so a chain's draws do not
// depend on how many chains or threads there are.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "archive.hpp"
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

    void state(Archive& archive) { archive.words("rng", words_, 4); }

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

    // `dim` standard normals by Box & Muller (1958), in blocks so that the logarithms vectorise;
    // whatever follows in the last pack becomes zero.
    void normals(double* out, size_t dim) {
        constexpr size_t kBlock = 16;
        alignas(64) double radius[kBlock * kLanes], angle[kBlock * kLanes];
        alignas(64) int64_t quadrant[kBlock * kLanes];
        const size_t n = packs_for(dim), pairs = (n + 1) / 2;
        for (size_t done = 0; done < pairs; done += kBlock) {
            const size_t lanes = std::min(kBlock, pairs - done) * kLanes;
            for (size_t i = 0; i < lanes; ++i) radius[i] = uniform();
            for (size_t i = 0; i < lanes; ++i) {
                const uint64_t word = bits();
                angle[i] = (double(int64_t(word) >> 11) + 0.5) * (0x1.0p-52 * M_PI_4);
                quadrant[i] = word & 3;
            }
            for (size_t i = 0; i < lanes; ++i) radius[i] = std::sqrt(-2 * std::log(radius[i]));
            for (size_t i = 0; i < lanes; ++i) {
                double sine, cosine;
                small_angle(angle[i], sine, cosine);
                const double x = quadrant[i] & 1 ? sine : cosine;
                const double y = quadrant[i] & 1 ? cosine : sine;
                angle[i] = radius[i] * (quadrant[i] & 2 ? -x : x);
                radius[i] *= quadrant[i] & 2 ? -y : y;
            }
            const size_t packs_done = 2 * done;
            const size_t here = std::min(n - packs_done, 2 * lanes / kLanes);
            const size_t first = std::min(here, lanes / kLanes);
            copy(out + packs_done * kLanes, angle, first);
            copy(out + (packs_done + first) * kLanes, radius, here - first);
        }
        for (size_t i = dim; i < n * kLanes; ++i) out[i] = 0;
    }

  private:
    // Sine and cosine of an angle between -pi/4 and pi/4 by their Taylor series.
    static void small_angle(double x, double& sine, double& cosine) {
        const double z = x * x;
        double s = -1.0 / 1307674368000.0, c = 1.0 / 20922789888000.0;
        for (double next : {1.0 / 6227020800.0, -1.0 / 39916800.0, 1.0 / 362880.0, -1.0 / 5040.0,
                            1.0 / 120.0, -1.0 / 6.0, 1.0})
            s = s * z + next;
        for (double next : {-1.0 / 87178291200.0, 1.0 / 479001600.0, -1.0 / 3628800.0,
                            1.0 / 40320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0})
            c = c * z + next;
        sine = s * x;
        cosine = c;
    }

    static uint64_t rotate(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
    uint64_t words_[4];
};

}  // namespace probgen
