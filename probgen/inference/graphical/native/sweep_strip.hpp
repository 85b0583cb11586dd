#pragma once
// Updates of one variable in a strip of 64 chains, whose states lie side by side in a row of bytes.
//
// Random words of (sweep, variable): a strip has 64 of them. Thresholds take 15 bits a chain, the
// high byte from words 0-7 and the low one from 8-15; only where these tie with a threshold are 32
// more bits drawn (words 32-63), so a draw is exact to 47 bits. Products take 32 bits a chain from
// words 0-31.
#include <cmath>
#include "sweep_lanes.hpp"
#include "sweep_model.hpp"

namespace sweep {

using namespace lanes;

constexpr int WORDS_PER_STRIP = 64;

// A block of chains: row v, `width` bytes long, holds the states of variable v.
struct Block {
    uint8_t* states;
    int64_t width;
    uint8_t* row(int32_t v) const { return states + v * width; }
};

struct Strip {
    const Block& block;
    int64_t column;      // of the block
    uint64_t row;        // random row of (sweep, variable)
    uint64_t first_word; // of the strip
    uint8_t* at(int32_t v) const { return block.row(v) + column; }
};

struct Indices {
    Words part[4];
};

inline Indices widen(Bytes bytes) {
    Indices indices;
    for (int q = 0; q < 4; q++)
        indices.part[q] = words_of_bytes((const uint8_t*)&bytes + 16 * q);
    return indices;
}

// Sum of stride * state, when it fits into a byte: no product carries into the byte beside it.
inline Bytes byte_index(const Model& model, const Group& group, const Strip& strip) {
    Shorts sum = {};
    for (int32_t j = group.first_parent; j < group.last_parent; j++) {
        const Parent& parent = model.parent[j];
        sum += load<Shorts>(strip.at(parent.row)) * (uint16_t)parent.stride;
    }
    return (Bytes)sum;
}

inline Indices short_index(const Model& model, const Group& group, const Strip& strip) {
    Shorts low = {}, high = {};
    for (int32_t j = group.first_parent; j < group.last_parent; j++) {
        const Parent& parent = model.parent[j];
        const uint8_t* states = strip.at(parent.row);
        low += shorts_of_bytes(states) * (uint16_t)parent.stride;
        high += shorts_of_bytes(states + 32) * (uint16_t)parent.stride;
    }
    Indices indices;
    for (int q = 0; q < 4; q++) {
        const Shorts& half = q < 2 ? low : high;
        indices.part[q] = words_of_shorts((const uint16_t*)&half + 16 * (q & 1));
    }
    return indices;
}

inline Indices wide_index(const Model& model, const Group& group, const Strip& strip) {
    Indices indices = {};
    for (int32_t j = group.first_parent; j < group.last_parent; j++) {
        const Parent& parent = model.parent[j];
        Indices states = widen(load<Bytes>(strip.at(parent.row)));
        for (int q = 0; q < 4; q++) indices.part[q] += states.part[q] * parent.stride;
    }
    return indices;
}

inline Indices index_of(const Model& model, const Group& group, const Strip& strip) {
    if (group.largest < 256) return widen(byte_index(model, group, strip));
    if (group.largest < 65536) return short_index(model, group, strip);
    return wide_index(model, group, strip);
}

struct Uniform15 {
    Bytes high, low;
};

inline Uniform15 uniform15(const Strip& strip) {
    return {(Bytes)random(strip.row, strip.first_word) & (uint8_t)0x7F,
            (Bytes)random(strip.row, strip.first_word + 8)};
}

inline uint32_t more_bits(const Strip& strip, int lane) {
    uint64_t word = counter::bits(strip.row, strip.first_word + 32 + lane / 2);
    return (uint32_t)(word >> (lane % 2 * 32));
}

// Decide chains whose leading bits tie with a threshold, from all 47 bits.
template <class High>
inline void break_ties(const Model& model, const Variable& variable, const Strip& strip,
                       const Uniform15& uniform, uint64_t tied, High high_of, uint8_t* target) {
    while (tied) {
        int lane = __builtin_ctzll(tied);
        tied &= tied - 1;
        const uint8_t* high = (const uint8_t*)&uniform.high;
        const uint8_t* low = (const uint8_t*)&uniform.low;
        uint64_t u = (uint64_t)(high[lane] << 8 | low[lane]) << 32 | more_bits(strip, lane);
        int64_t configuration = high_of.configuration(lane);
        const uint32_t* rest = &model.low[variable.low + configuration * variable.thresholds];
        int state = 0;
        for (int t = 0; t < variable.thresholds; t++)
            state += u >= ((uint64_t)high_of(configuration, t) << 32 | rest[t]);
        target[lane] = (uint8_t)state;
    }
}

struct GatheredHigh {
    const uint32_t* words;
    const Indices& indices;
    int32_t width;
    int64_t configuration(int lane) const { return indices.part[lane / 16][lane % 16] / width; }
    uint32_t operator()(int64_t configuration, int t) const {
        return words[configuration * width + t / 2] >> (t % 2 * 16) & 0xFFFF;
    }
};

inline void update_threshold(const Model& model, const Variable& variable, const Strip& strip,
                             uint8_t* target) {
    const Group& group = model.group[variable.first_group];
    const uint32_t* words = &model.words[group.table];
    const int32_t width = (variable.thresholds + 1) / 2;
    Indices indices = index_of(model, group, strip);
    Uniform15 uniform = uniform15(strip);
    uint64_t tied = 0;
    for (int q = 0; q < 4; q++) {
        const int at = 16 * q;
        Words u = words_of_bytes((const uint8_t*)&uniform.high + at) << 8 |
                  words_of_bytes((const uint8_t*)&uniform.low + at);
        Shorts both = (Shorts)(u | u << 16), passed = {}, ties = {};
        const auto pass = [&](Shorts thresholds) {
            passed -= (Shorts)(both >= thresholds);
            ties |= (Shorts)(both == thresholds);
        };
        int32_t w = 0;
        for (; w + 1 < width; w += 2) {
            Shorts one, two;
            gather_pair(words + w, indices.part[q], one, two);
            pass(one);
            pass(two);
        }
        if (w < width) pass((Shorts)gather(words + w, indices.part[q]));
        Words sum = ((Words)passed & 0xFFFF) + ((Words)passed >> 16);
        store(target + at, __builtin_convertvector(sum, Bytes16));
        if (any(ties))
            for (int lane = 0; lane < 16; lane++)
                if (((Words)ties)[lane]) tied |= 1ull << (at + lane);
    }
    break_ties(model, variable, strip, uniform, tied, GatheredHigh{words, indices, width}, target);
}

#ifdef __AVX512VBMI__
struct PlaneHigh {
    const uint8_t* planes;
    Bytes index;
    int64_t size;
    int64_t configuration(int lane) const { return index[lane]; }
    uint32_t operator()(int64_t configuration, int t) const {
        const uint8_t* plane = planes + 2 * t * size + configuration;
        return (uint32_t)plane[0] << 8 | plane[size];
    }
};

// A byte from a table of `parts` times 64, by permutes.
template <int parts>
inline __m512i look_up(const uint8_t* table, __m512i index) {
    __m512i result = _mm512_permutexvar_epi8(index, _mm512_loadu_si512(table));
    for (int k = 1; k < parts; k++) {
        __mmask64 above = _mm512_cmpge_epu8_mask(index, _mm512_set1_epi8((char)(64 * k)));
        result = _mm512_mask_permutexvar_epi8(result, above, index,
                                              _mm512_loadu_si512(table + 64 * k));
    }
    return result;
}

template <int parts>
inline void update_small_of(const Model& model, const Variable& variable, const Strip& strip,
                            uint8_t* target) {
    const Group& group = model.group[variable.first_group];
    const uint8_t* planes = &model.planes[group.table];
    const int64_t size = 64 * parts;
    Bytes index = byte_index(model, group, strip);
    Uniform15 uniform = uniform15(strip);
    __m512i state = _mm512_setzero_si512();
    __mmask64 tied = 0;
    for (int t = 0; t < variable.thresholds; t++) {
        __m512i high = look_up<parts>(planes + 2 * t * size, (__m512i)index);
        __m512i low = look_up<parts>(planes + (2 * t + 1) * size, (__m512i)index);
        __mmask64 same = _mm512_cmpeq_epu8_mask((__m512i)uniform.high, high);
        __mmask64 passed = _mm512_cmpgt_epu8_mask((__m512i)uniform.high, high) |
                           _mm512_mask_cmpge_epu8_mask(same, (__m512i)uniform.low, low);
        tied |= _mm512_mask_cmpeq_epu8_mask(same, (__m512i)uniform.low, low);
        state = _mm512_mask_add_epi8(state, passed, state, _mm512_set1_epi8(1));
    }
    _mm512_storeu_si512(target, state);
    break_ties(model, variable, strip, uniform, tied, PlaneHigh{planes, index, size}, target);
}

inline void update_small(const Model& model, const Variable& variable, const Strip& strip,
                         uint8_t* target) {
    switch ((variable.configurations + 63) / 64) {
        case 1: return update_small_of<1>(model, variable, strip, target);
        case 2: return update_small_of<2>(model, variable, strip, target);
        case 3: return update_small_of<3>(model, variable, strip, target);
        default: return update_small_of<4>(model, variable, strip, target);
    }
}
#else
inline void update_small(const Model&, const Variable&, const Strip&, uint8_t*) {}
#endif

struct Uniform24 {
    Floats part[4];
};

inline Uniform24 uniform24(const Strip& strip) {
    Uniform24 uniform;
    for (int q = 0; q < 4; q++) {
        Words bits = (Words)random(strip.row, strip.first_word + 8 * q) >> 8;
        uniform.part[q] = __builtin_convertvector(bits, Floats) * 0x1p-24f;
    }
    return uniform;
}

// State 1 where odds * (1 - u) > u. A product of zero and infinite odds is not a number: no state
// is possible, which shows as the state 2.
inline void update_odds(const Model& model, const Variable& variable, const Strip& strip,
                        uint8_t* target) {
    Floats odds[4];
    for (int32_t g = variable.first_group; g < variable.last_group; g++) {
        const Group& group = model.group[g];
        Indices indices = index_of(model, group, strip);
        const float* table = &model.weights[group.table];
        for (int q = 0; q < 4; q++) {
            Floats factor = gather(table, indices.part[q]);
            odds[q] = g == variable.first_group ? factor : odds[q] * factor;
        }
    }
    Uniform24 uniform = uniform24(strip);
    for (int q = 0; q < 4; q++) {
        Floats u = uniform.part[q];
        Words one = (Words)(odds[q] * (1.0f - u) > u) & 1;
        Words impossible = (Words)(odds[q] != odds[q]) & 2;
        store(target + 16 * q, __builtin_convertvector(one | impossible, Bytes16));
    }
}

// Inverse of the cumulative weights; a total of zero shows as the state `card`.
inline void update_product(const Model& model, const Variable& variable, const Strip& strip,
                           uint8_t* target, Floats* weights) {
    const int card = variable.card;
    for (int32_t g = variable.first_group; g < variable.last_group; g++) {
        const Group& group = model.group[g];
        Indices indices = index_of(model, group, strip);
        const float* table = &model.weights[group.table];
        const bool first = g == variable.first_group;
        for (int q = 0; q < 4; q++) {
            int k = 0;
            for (; k + 1 < card; k += 2) {
                Floats one, two;
                gather_pair(table + k, indices.part[q], one, two);
                weights[4 * k + q] = first ? one : weights[4 * k + q] * one;
                weights[4 * k + 4 + q] = first ? two : weights[4 * k + 4 + q] * two;
            }
            if (k == card) continue;
            Floats one = gather(table + k, indices.part[q]);
            weights[4 * k + q] = first ? one : weights[4 * k + q] * one;
        }
    }
    Uniform24 uniform = uniform24(strip);
    for (int q = 0; q < 4; q++) {
        Floats total = weights[q];
        for (int k = 1; k < card; k++) total = weights[4 * k + q] = total + weights[4 * k + q];
        Floats level = uniform.part[q] * total;
        Words state = {};
        for (int k = 0; k + 1 < card; k++) state -= (Words)(level >= weights[4 * k + q]);
        Words impossible = (Words)(total == 0.0f);
        state = (impossible & (uint32_t)card) | (~impossible & state);
        store(target + 16 * q, __builtin_convertvector(state, Bytes16));
    }
}

// exp of numbers <= 0, by range reduction and a polynomial: the same in any lane and loop.
inline double exponential(double x) {
    if (!(x > -700.0)) return 0.0;
    double n = std::floor(x * 1.4426950408889634 + 0.5);
    double r = (x - n * 0.693145751953125) - n * 1.42860682030941723212e-6;
    double sum = 1.0;
    for (int k = 13; k > 0; k--) sum = 1.0 + sum * r / k;
    uint64_t bits = (uint64_t)(1023 + (int64_t)n) << 52;
    double scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

// From log weights of one chain; `card` where none is positive.
inline int draw_from_logs(double* logs, int64_t step, int card, uint32_t bits) {
    double top = logs[0];
    for (int k = 1; k < card; k++) top = logs[k * step] > top ? logs[k * step] : top;
    if (top == -INFINITY) return card;
    double total = 0.0;
    for (int k = 0; k < card; k++) logs[k * step] = total += exponential(logs[k * step] - top);
    double level = (double)bits * 0x1p-32 * total;
    int state = 0;
    for (int k = 0; k + 1 < card; k++) state += level >= logs[k * step];
    return state;
}

inline void update_logarithm(const Model& model, const Variable& variable, const Strip& strip,
                             uint8_t* target, double* logs) {
    const int card = variable.card;
    for (int k = 0; k < card * STRIP; k++) logs[k] = 0.0;
    for (int32_t g = variable.first_group; g < variable.last_group; g++) {
        const Group& group = model.group[g];
        Indices indices = index_of(model, group, strip);
        const uint32_t* index = (const uint32_t*)&indices;
        const double* table = &model.logs[group.table];
        for (int k = 0; k < card; k++)
            for (int lane = 0; lane < STRIP; lane++) logs[k * STRIP + lane] += table[index[lane] + k];
    }
    for (int q = 0; q < 4; q++) {
        Words bits = (Words)random(strip.row, strip.first_word + 8 * q);
        for (int lane = 0; lane < 16; lane++)
            target[16 * q + lane] =
                (uint8_t)draw_from_logs(logs + 16 * q + lane, STRIP, card, bits[lane]);
    }
}

}  // namespace sweep
