#pragma once
// A network as it is handed over from Python.
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace sweep {

// Factors of a network as flat arrays; the last variable of a scope varies fastest.
struct Network {
    int32_t variables;
    const int32_t* cards;
    int64_t factors;
    const int64_t* scope_offsets;
    const int32_t* scopes;
    const int64_t* table_offsets;
    const double* log_tables;
};

// Equal tables of equal shapes share a number.
inline std::vector<int64_t> number_tables(const Network& network) {
    std::unordered_map<std::string, int64_t> known;
    std::vector<int64_t> numbers(network.factors);
    for (int64_t f = 0; f < network.factors; f++) {
        std::string content;
        for (int64_t j = network.scope_offsets[f]; j < network.scope_offsets[f + 1]; j++)
            content += std::to_string(network.cards[network.scopes[j]]) + ",";
        int64_t size = network.table_offsets[f + 1] - network.table_offsets[f];
        content.append((const char*)(network.log_tables + network.table_offsets[f]), size * 8);
        numbers[f] = known.emplace(std::move(content), (int64_t)known.size()).first->second;
    }
    return numbers;
}

}  // namespace sweep
