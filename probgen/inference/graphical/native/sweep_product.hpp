#pragma once
// Updates from several tables: products of odds or weights, or sums of logarithms.
#include <cmath>
#include "sweep_strip.hpp"

namespace sweep {

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
