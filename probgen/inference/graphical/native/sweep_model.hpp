#pragma once
// What a sweep needs to know of each variable: which rows of the state make up the index into its
// table, and the table itself. Built by sweep_build.hpp, read by the kernels.
#include <cstdint>
#include <vector>

namespace sweep {

enum Kind : int32_t {
    FIXED,      // one state: nothing to draw
    SMALL,      // cumulative thresholds of the whole blanket, looked up in registers
    THRESHOLD,  // the same, gathered from memory
    ODDS,       // two states: product of the groups' odds
    PRODUCT,    // product of the groups' weights, float
    LOGARITHM   // sum of the groups' log weights, double: where a float would underflow
};

// A row of the state with its step in the table's index.
struct Parent {
    int32_t row;
    uint32_t stride;
};

// A merged table: the index is the sum of stride * state over its parents, at most `largest`.
struct Group {
    int32_t first_parent, last_parent;
    int64_t table;
    int64_t largest;
};

struct Variable {
    int32_t card;
    Kind kind;
    int32_t first_group, last_group;
    // Thresholds of each configuration; one more than card - 1 where some configuration leaves no
    // state possible, which then shows as the state `card`.
    int32_t thresholds;
    int32_t configurations;
    int64_t low;  // of a threshold, the 32 bits below its leading 15
};

struct Model {
    int32_t variables = 0;
    int32_t widest = 1;
    std::vector<int32_t> order;
    std::vector<Variable> variable;
    std::vector<Group> group;
    std::vector<Parent> parent;
    std::vector<uint32_t> words;    // THRESHOLD: two of 16 bits each
    std::vector<uint8_t> planes;    // SMALL
    std::vector<uint32_t> low;
    std::vector<float> weights;     // ODDS and PRODUCT
    std::vector<double> logs;       // LOGARITHM
    int64_t cap = 0;
    int64_t bytes = 0;
};

inline int64_t padded(int64_t configurations) { return (configurations + 63) / 64 * 64; }

}  // namespace sweep
