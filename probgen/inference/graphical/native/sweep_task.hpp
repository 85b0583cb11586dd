#pragma once
// What a call of the sweeps is asked to do.
#include <cstdint>

namespace sweep {

// What to do; chains are columns `first_column ... first_column + chains` of arrays with `stride`
// columns. Laid out as `Task` in probgen/inference/graphical/sweeps/native.py.
struct Task {
    uint8_t* states;        // (variables, stride)
    int64_t stride;
    int64_t first_column;
    int64_t chains;
    uint64_t key;
    int64_t first_sweep;
    int64_t sweeps;
    int64_t first_chain;    // number of the chain in column 0
    const int32_t* order;   // variables to update, in turn
    int64_t updates;
    uint32_t* counts;       // (all states, stride), added to, or null
    const int64_t* offsets; // of each variable in `counts`
    uint8_t* draws;         // (sweeps / thin, variables, stride) or null
    int64_t thin;
    int32_t* trouble;       // variable and column of an impossible conditional, if any
};

constexpr int32_t DONE = 0, IMPOSSIBLE = 1;

}  // namespace sweep
