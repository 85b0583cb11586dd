#pragma once
// Updates from cumulative thresholds: the whole blanket of a variable is one table.
#include "sweep_strip.hpp"

namespace sweep {

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

}  // namespace sweep
