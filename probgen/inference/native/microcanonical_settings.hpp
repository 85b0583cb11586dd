// What Python tells the microcanonical samplers: the mirror of microcanonical/settings.py.
#pragma once
#include "settings.hpp"

namespace probgen {

enum Integrator : int64_t { kLeapfrog = 0, kMclachlan = 1 };

struct MicrocanonicalSettings : Settings {
    int64_t adjusted;            // Metropolis decisions (MAMS) or none (MCLMC)
    int64_t integrator;
    int64_t steps_per_draw;      // MCLMC: fixed number of steps, or 0 to let it follow
    double target_energy_error;  // MCLMC: variance of a step's energy error, per coordinate
    double length;               // fixed decoherence or trajectory length, or 0 to adapt it
    double length_factor;        // adapted length, in autocorrelation times
    double draws_per_length;     // MCLMC: draws within one decoherence length,
    double draws_per_length_warmup;  // and in warm-up
    int64_t most_steps;          // of one transition
    int64_t most_steps_warmup;   // MCLMC: the same in warm-up
    int64_t burn_in;             // first warm-up draws, made with NUTS
    double forgetting_steps;     // MCLMC: steps that the step size's estimate looks back on
};

// What these samplers tune beyond the metric: read on resuming, written while they run.
struct Tuning {
    double step_size;
    double length;               // of decoherence (MCLMC), of a trajectory on average (MAMS)
    double steps;                // of one draw; on average (MAMS)
    double energy_error;         // mean square of a step's energy error, per coordinate
};

}  // namespace probgen
