// Unnormalised log probability of many joint states at once, chains innermost.
#include <algorithm>
#include <cstdint>
#include "sweep_network.hpp"

// `states` (batches, variables, chains) to `out` (batches, chains), nats.
extern "C" __attribute__((visibility("default"))) void probgen_log_joint(
    const sweep::Network* given, double constant, const uint8_t* states, int64_t batches,
    int64_t chains, double* out) {
    const sweep::Network& network = *given;
    constexpr int64_t STEP = 256;
    uint32_t index[STEP];
    for (int64_t b = 0; b < batches; b++) {
        const uint8_t* batch = states + b * network.variables * chains;
        for (int64_t c0 = 0; c0 < chains; c0 += STEP) {
            const int64_t count = std::min(STEP, chains - c0);
            double* sum = out + b * chains + c0;
            for (int64_t c = 0; c < count; c++) sum[c] = constant;
            for (int64_t f = 0; f < network.factors; f++) {
                const double* table = network.log_tables + network.table_offsets[f];
                for (int64_t c = 0; c < count; c++) index[c] = 0;
                for (int64_t j = network.scope_offsets[f]; j < network.scope_offsets[f + 1]; j++) {
                    const int32_t v = network.scopes[j];
                    const uint8_t* row = batch + v * chains + c0;
                    const uint32_t card = (uint32_t)network.cards[v];
                    for (int64_t c = 0; c < count; c++) index[c] = index[c] * card + row[c];
                }
                for (int64_t c = 0; c < count; c++) sum[c] += table[index[c]];
            }
        }
    }
}
