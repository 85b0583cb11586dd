#pragma once
// A factor graph as flat arrays. An edge is a (factor, place in its scope); a message has one
// number for each state of the edge's variable, in nats, the largest of them 0.
#include <cstdint>

struct MessageGraph {
    int64_t variables, factors, most_states, most_table, most_prefix;
    const int32_t* cards;            // (variables)
    const int64_t* state_offsets;    // (variables + 1)
    const int64_t* scope_offsets;    // (factors + 1), into edges
    const int32_t* scopes;           // (edges)
    const int64_t* message_offsets;  // (edges + 1)
    const int64_t* table_offsets;    // (factors + 1)
    const double* log_tables;        // the largest entry of each table is 0
    const double* tables;            // their exponentials
    const double* floors;            // (factors) the smallest finite entry of each log table
    const int64_t* edge_offsets;     // (variables + 1), into variable_edges
    const int64_t* variable_edges;   // (edges)
    const int32_t* edge_factors;     // (edges)
    const int64_t* order;            // (factors) breadth first
    const int64_t* variable_order;   // (variables) breadth first
};
