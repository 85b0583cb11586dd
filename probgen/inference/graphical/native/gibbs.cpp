// Single-site Gibbs sweeps over a discrete network, many chains at once.
//
// Chains are cut into blocks whose states fit the cache; a block makes all its sweeps before the
// next begins. Random numbers depend on (key, sweep, variable, chain) only.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("no-associative-math", "no-reciprocal-math", "fp-contract=off")
#elif defined(__clang__)
#pragma clang fp reassociate(off) contract(off)
#endif
#include "sweep_build.hpp"
#include "sweep_block.hpp"

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT sweep::Model* probgen_sweep_build(const sweep::Network* network, const int32_t* order,
                                         int64_t cap, int64_t budget, int32_t lump) {
    return new sweep::Model(sweep::Builder(*network, lump != 0).build(order, cap, budget));
}

EXPORT void probgen_sweep_free(sweep::Model* model) { delete model; }

EXPORT void probgen_sweep_describe(const sweep::Model* model, int64_t* cap_bytes, int32_t* kinds) {
    cap_bytes[0] = model->cap;
    cap_bytes[1] = model->bytes;
    for (int32_t v = 0; v < model->variables; v++) kinds[v] = model->variable[v].kind;
}

EXPORT int32_t probgen_sweep_run(const sweep::Model* model, const sweep::Task* task) {
    return sweep::run(*model, *task);
}

EXPORT void probgen_count_states(const uint8_t* states, int64_t chains, const int32_t* members,
                                 int64_t count, const int64_t* offsets, uint32_t* counts) {
    for (int64_t m = 0; m < count; m++) {
        const uint8_t* row = states + members[m] * chains;
        uint32_t* zero = counts + offsets[members[m]] * chains;
        for (int64_t c = 0; c < chains; c++) zero[row[c] * chains + c]++;
    }
}
