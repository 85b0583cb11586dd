// Hamiltonian Monte Carlo with a fixed path: Duane et al. (1987), Neal (2011).
//
// A number of leapfrog steps (or an integration time, from which the number follows), the step
// size jittered uniformly per transition so that no period of the target locks in, and one
// Metropolis decision at the end.
#pragma once
#include <utility>

#include "hamiltonian.hpp"
#include "settings.hpp"
#include "transition.hpp"

namespace probgen {

constexpr int64_t kMaxSteps = 1024;  // of one trajectory, whatever the integration time asks for

class Hmc {
  public:
    Hmc(const Settings& settings, Hamiltonian& system, Store& store)
        : system_(system), max_energy_error_(settings.max_energy_error),
          steps_(settings.num_steps), length_(settings.trajectory_length),
          jitter_(settings.jitter), moving_(system.point(store)), momentum_(store.vector()) {}

    Transition operator()(Point& current, Rng& rng, double step, const volatile int32_t* stop) {
        Transition result;
        const double initial_energy = system_.refresh(rng, momentum_) - current.log_density;
        result.energy = initial_energy;
        system_.copy_point(moving_, current);
        const double jittered = step * (1 + jitter_ * (2 * rng.uniform() - 1));
        const int64_t steps = number_of_steps(step);
        double energy = initial_energy;
        while (result.steps < steps) {
            if (*stop) {
                result.stopped = true;
                return result;
            }
            const double kinetic = system_.leapfrog(moving_, momentum_, momentum_, jittered);
            energy = kinetic - moving_.log_density;
            ++result.steps;
            if (!finite_energy(energy, initial_energy - energy, max_energy_error_)) {
                result.diverging = true;
                return result;
            }
        }
        const double gain = initial_energy - energy;
        result.acceptance = gain < 0 ? std::exp(gain) : 1;
        if (rng.uniform() < result.acceptance) {
            std::swap(current, moving_);
            result.energy = energy;
        }
        result.energy_error = result.energy - initial_energy;
        return result;
    }

    void limit(int64_t) {}  // the path is fixed

  private:
    int64_t number_of_steps(double step) const {
        if (steps_ > 0) return steps_;
        const double wanted = std::ceil(length_ / step);
        return wanted < 1 ? 1 : wanted > double(kMaxSteps) ? kMaxSteps : int64_t(wanted);
    }

    Hamiltonian& system_;
    const double max_energy_error_;
    const int64_t steps_;
    const double length_, jitter_;
    Point moving_;
    double* momentum_;
};

}  // namespace probgen
