// Exact inference on a junction tree: calibration, and what is read from calibrated tables.
#include "junction_draws.hpp"
#include "junction_forest.hpp"
#include "junction_marginals.hpp"
#include "junction_maximum.hpp"
#include "junction_messages.hpp"

#define EXPORT extern "C" __attribute__((visibility("default")))

// `domain` goes in as 0 (linear, log where that is not enough) or 1 (log) and comes out as used.
EXPORT int32_t junction_calibrate(const int64_t* packed, const int32_t* cards,
                                  const int64_t* scope_offsets, const int32_t* scopes,
                                  const int64_t* table_offsets, const double* log_tables,
                                  double* tables, double* messages, double* arrived,
                                  const int32_t* stop, int32_t* domain, double* log_z) {
    using namespace junction;
    const Packed plan(packed, cards, scope_offsets, scopes);
    Forest forest(plan);
    std::vector<double> potentials;
    bool faint;
    const double scale =
        scale_tables(table_offsets, plan.factors, log_tables, potentials, faint);
    *log_z = scale;
    if (scale == -INFINITY) return IMPOSSIBLE;
    if (*domain == 0 && !faint) {
        const FlushToZero flush;
        std::vector<double> linear(potentials.size());
        for (size_t i = 0; i < linear.size(); ++i) linear[i] = std::exp(potentials[i]);
        Messages<Linear> pass(forest, linear, table_offsets, tables, messages, arrived, stop);
        const Outcome outcome = pass.run(*log_z);
        *log_z += scale;
        if (outcome != PRECISION_LOST) return outcome;
    }
    *domain = 1;
    Messages<Logarithmic> pass(forest, potentials, table_offsets, tables, messages, arrived, stop);
    const Outcome outcome = pass.run(*log_z);
    *log_z += scale;
    if (outcome != DONE) return outcome;
    for (int64_t i = 0; i < plan.tables[plan.cliques]; ++i) tables[i] = std::exp(tables[i]);
    for (int64_t i = 0; i < plan.narrow[plan.cliques]; ++i) arrived[i] = std::exp(arrived[i]);
    return DONE;
}

// Most probable states of the last `maximised` variables of the order, the others summed out;
// `log_maximum` is the logarithm (nats) of the sum that they make.
EXPORT int32_t junction_maximise(const int64_t* packed, const int32_t* cards,
                                 const int64_t* scope_offsets, const int32_t* scopes,
                                 const int64_t* table_offsets, const double* log_tables,
                                 double* tables, double* messages, int64_t maximised,
                                 const int32_t* stop, int32_t* states, double* log_maximum) {
    using namespace junction;
    const Packed plan(packed, cards, scope_offsets, scopes);
    Forest forest(plan);
    std::vector<double> potentials;
    bool faint;
    const double scale =
        scale_tables(table_offsets, plan.factors, log_tables, potentials, faint);
    *log_maximum = scale;
    if (scale == -INFINITY) return IMPOSSIBLE;
    MostProbable search(forest, potentials, table_offsets, maximised, tables, messages, stop);
    const Outcome outcome = search.run(states, *log_maximum);
    *log_maximum += scale;
    return outcome;
}

// Probabilities of every variable's states from calibrated tables.
EXPORT void junction_marginals(const int64_t* packed, const int32_t* cards,
                               const int64_t* scope_offsets, const int32_t* scopes,
                               const double* tables, const double* separators,
                               const int64_t* offsets, double* out) {
    junction::Forest forest(junction::Packed(packed, cards, scope_offsets, scopes));
    junction::Calibrated(forest, tables, separators).marginals(offsets, out);
}

// Posteriors over all factors' scopes, at `table_offsets`.
EXPORT void junction_factors(const int64_t* packed, const int32_t* cards,
                             const int64_t* scope_offsets, const int32_t* scopes,
                             const double* tables, const double* separators,
                             const int64_t* table_offsets, double* out) {
    junction::Forest forest(junction::Packed(packed, cards, scope_offsets, scopes));
    junction::Calibrated calibrated(forest, tables, separators);
    for (int64_t f = 0; f < forest.plan().factors; ++f)
        calibrated.factor(f, out + table_offsets[f], table_offsets[f + 1] - table_offsets[f]);
}

// Draws first, first + 1, ... of the stream `key`, with `bytes` (1 or 2) for each state.
EXPORT int32_t junction_draw(const int64_t* packed, const int32_t* cards, const double* tables,
                             uint64_t key, int64_t first, int64_t count, int32_t bytes,
                             void* states, const int32_t* stop) {
    const junction::Packed plan(packed, cards, nullptr, nullptr);
    const bool done =
        bytes == 1 ? junction::Draws<uint8_t>(plan, tables, key, first, count)
                         .run(static_cast<uint8_t*>(states), stop)
                   : junction::Draws<uint16_t>(plan, tables, key, first, count)
                         .run(static_cast<uint16_t*>(states), stop);
    return done ? junction::DONE : junction::STOPPED;
}
