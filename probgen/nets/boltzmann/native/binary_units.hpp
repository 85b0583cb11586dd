// Binary units given their neighbours: bias, logistic function, random number and comparison in
// one pass over the activations. A draw depends on (key, row, column) alone, so the result does
// not depend on threads or on how rows are cut into blocks.
//
// Random numbers: the mixing function of SplitMix64 (Steele, Lea & Flood 2014) of a counter.
#pragma once
#include <cstdint>
#include <cstring>

#include "numbers.hpp"

namespace {

constexpr uint64_t GOLDEN = 0x9E3779B97F4A7C15ull;

inline uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

// exp(x), x clipped to [-87, 87], relative error below 3e-7: 2^n times a polynomial of degree 6
// (Taylor's) of the rest, which is at most ln(2)/2 in size.
inline float exponential(float x) {
    x = x > 87.0f ? 87.0f : (x < -87.0f ? -87.0f : x);
    const float n = __builtin_rintf(x * 1.44269504f);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits;
    std::memcpy(&bits, &p, 4);
    bits += (int32_t)n << 23;
    std::memcpy(&p, &bits, 4);
    return p;
}

inline void write_bit(float* x, int64_t i, bool on) { x[i] = on ? 1.0f : 0.0f; }
inline void write_bit(uint16_t* x, int64_t i, bool on) { x[i] = on ? 0x3F80u : 0u; }

inline float uniform(uint32_t random) { return (float)(int32_t)(random >> 8) * 0x1p-24f; }

template <bool DRAW, bool MEAN, bool TOTAL, typename Real>
struct Row {
    const Real* activation;
    const float* bias;
    Real* drawn;
    Real* mean;
    float* total;
    float slope, scale;

    inline void unit(int64_t i, uint32_t random) const {
        const float odds = 1.0f + exponential(-slope * (read(activation, i) + bias[i]));
        const bool on = DRAW && uniform(random) * odds < 1.0f;
        if (DRAW) write_bit(drawn, i, on);
        if (MEAN) write(mean, i, scale / odds);
        if (TOTAL) total[i] += MEAN ? scale / odds : (on ? 1.0f : 0.0f);
    }
};

// Each random word serves two units, `half` columns apart.
template <bool DRAW, bool MEAN, bool TOTAL, typename Real>
void pass(const Real* activation, const float* bias, const float* beta, Real* drawn, Real* mean,
          float* total, float scale, int64_t first, int64_t last, int64_t columns, uint64_t key) {
    const int64_t half = columns / 2;
    for (int64_t row = first; row < last; row++) {
        const int64_t start = row * columns;
        const Row<DRAW, MEAN, TOTAL, Real> units = {
            activation + start, bias, DRAW ? drawn + start : nullptr,
            MEAN ? mean + start : nullptr, total, beta ? beta[row] : 1.0f, scale};
        const uint64_t base = mix(key + (uint64_t)row * GOLDEN);
#pragma GCC ivdep
        for (int64_t i = 0; i < half; i++) {
            const uint64_t random = DRAW ? mix(base + (uint64_t)i * GOLDEN) : 0;
            units.unit(i, (uint32_t)(random >> 32));
            units.unit(i + half, (uint32_t)random);
        }
        if (columns % 2) units.unit(columns - 1, (uint32_t)(mix(base + half * GOLDEN) >> 32));
    }
}

template <bool TOTAL, typename Real, typename... Rest>
void choose(const Real* activation, const float* bias, const float* beta, Real* drawn, Real* mean,
            Rest... rest) {
    if (drawn && mean)
        pass<true, true, TOTAL>(activation, bias, beta, drawn, mean, rest...);
    else if (drawn)
        pass<true, false, TOTAL>(activation, bias, beta, drawn, mean, rest...);
    else
        pass<false, true, TOTAL>(activation, bias, beta, drawn, mean, rest...);
}

template <typename Real>
void units(const Real* activation, const float* bias, const float* beta, Real* drawn, Real* mean,
           float* total, float scale, int64_t first, int64_t last, int64_t columns, uint64_t key) {
    if (total)
        choose<true>(activation, bias, beta, drawn, mean, total, scale, first, last, columns, key);
    else
        choose<false>(activation, bias, beta, drawn, mean, total, scale, first, last, columns, key);
}

}  // namespace

// Rows `first` to `last` of arrays (rows, columns). `drawn`: 0 or 1; `mean`: scale times the
// probability of 1; each may be null. `total` (columns): what is added to it is the sum over rows
// of the means if there are any, else of the draws; may be null. `beta` (rows): null stands for 1.
extern "C" __attribute__((visibility("default"))) void probgen_binary_float(
    const float* activation, const float* bias, const float* beta, float* drawn, float* mean,
    float* total, float scale, int64_t first, int64_t last, int64_t columns, uint64_t key) {
    units(activation, bias, beta, drawn, mean, total, scale, first, last, columns, key);
}

extern "C" __attribute__((visibility("default"))) void probgen_binary_bfloat16(
    const uint16_t* activation, const float* bias, const float* beta, uint16_t* drawn,
    uint16_t* mean, float* total, float scale, int64_t first, int64_t last, int64_t columns,
    uint64_t key) {
    units(activation, bias, beta, drawn, mean, total, scale, first, last, columns, key);
}
