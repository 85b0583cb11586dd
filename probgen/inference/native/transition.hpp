// What one transition of a Hamiltonian sampler reports, and what it needs from outside.
#pragma once
#include <cmath>
#include <cstdint>

namespace probgen {

struct Transition {
    int64_t steps = 0;
    int64_t depth = 0;
    double acceptance = 0;     // mean Metropolis acceptance probability along the trajectory
    double energy = 0;         // of the point chosen
    double energy_error = 0;   // of the point chosen, against the start
    bool diverging = false;
    bool reached_max_depth = false;
    bool stopped = false;      // asked to stop before it was complete: not a draw
};

// Log weight of a point that a leapfrog step reached; false if the trajectory diverged there.
inline bool finite_energy(double energy, double gain, double max_energy_error) {
    return energy > -INFINITY && gain > -max_energy_error;  // false for NaN as well
}

inline bool all_finite(const double* x, size_t dim) {
    double sum = 0;
    for (size_t i = 0; i < dim; ++i) sum += 0 * x[i];
    return sum == 0;
}

}  // namespace probgen
