// The Metropolis-adjusted microcanonical sampler: isokinetic trajectories, accepted or not.
//
// Every trajectory starts in a fresh direction and has a random number of steps; the energy error
// of the whole, kinetic part included, decides. Robnik, Cohn-Gordon & Seljak (2025),
// "Metropolis adjusted microcanonical Hamiltonian Monte Carlo", arXiv 2503.01707.
#pragma once
#include <utility>

#include "isokinetic.hpp"
#include "step_size.hpp"
#include "transition.hpp"

namespace probgen {

class Mams {
  public:
    Mams(const MicrocanonicalSettings& settings, Hamiltonian& system, Store& store, Tuning& tuning)
        : settings_(settings), system_(system), tuning_(tuning),
          move_(system, settings.integrator, store), averaging_(settings),
          moving_(system.point(store)), velocity_(store.vector()) {}

    void start(Point& current, Rng& rng) {
        phase_ = rng.uniform();
        if (settings_.step_size <= 0 && !settings_.resume)
            tuning_.step_size = first_step(current, rng);
        averaging_.start(tuning_.step_size, settings_.resume);
    }

    Transition operator()(Point& current, Rng& rng, const volatile int32_t* stop) {
        Transition result;
        system_.copy_point(moving_, current);
        move_.refresh(velocity_, rng);
        const int64_t steps = number_of_steps();
        double change = 0;
        while (result.steps < steps) {
            if (*stop) {
                result.stopped = true;
                return result;
            }
            const double step_change = move_(moving_, velocity_, tuning_.step_size);
            change += step_change;
            account(step_change);
            ++result.steps;
            if (!(change < settings_.max_energy_error) || !(change > -INFINITY)) {
                result.diverging = true;
                lesson_ = double(result.steps - 1) / double(result.steps);
                return result;
            }
        }
        result.acceptance = lesson_ = change > 0 ? std::exp(-change) : 1;
        if (rng.uniform() < result.acceptance) {
            std::swap(current, moving_);
            result.energy_error = change;
        }
        return result;
    }

    void warm(bool warm) { learning_ = warm && settings_.step_size <= 0; }

    void state(Archive& archive, bool warm) {
        archive.real("phase", phase_, 0, 1);
        archive.real("energy_error_sum", squares_);
        archive.real("energy_error_count", counted_);
        if (warm) averaging_.state(archive);
    }

    void prepare() {}

    void learn(const Transition&, bool last) {
        if (learning_) {
            averaging_.update(lesson_, settings_.target_accept);
            tuning_.step_size = last ? averaging_.averaged_step() : averaging_.step();
        }
        tuning_.steps = std::max(tuning_.length / tuning_.step_size, 1.0);
    }

    double travelled() const { return tuning_.length; }

    void settle() {}

  private:
    void account(double step_change) {
        if (learning_ || !std::isfinite(step_change)) return;
        squares_ += step_change * step_change / double(system_.dim);
        tuning_.energy_error = squares_ / ++counted_;
    }

    // Evenly spread between none and twice the mean: successive multiples of the golden ratio
    // fill the range more evenly than random numbers, and depend on no state of the chain.
    int64_t number_of_steps() {
        phase_ += 0.6180339887498949;
        phase_ -= std::floor(phase_);
        const double wanted = std::ceil(2 * phase_ * tuning_.length / tuning_.step_size);
        return int64_t(std::clamp(wanted, 1.0, double(settings_.most_steps)));
    }

    // Double or halve until the acceptance of one step crosses the target.
    double first_step(const Point& current, Rng& rng) {
        double step = 0.25 * std::sqrt(double(system_.dim));
        int direction = 0;
        for (int attempt = 0; attempt < 50; ++attempt) {
            system_.copy_point(moving_, current);
            move_.refresh(velocity_, rng);
            const double change = move_(moving_, velocity_, step);
            const int wanted = change < -std::log(settings_.target_accept) ? 1 : -1;
            if (direction != 0 && wanted != direction) break;
            direction = wanted;
            step *= direction > 0 ? 2 : 0.5;
        }
        return step;
    }

    const MicrocanonicalSettings& settings_;
    Hamiltonian& system_;
    Tuning& tuning_;
    Isokinetic move_;
    DualAveraging averaging_;
    Point moving_;
    double* velocity_;
    bool learning_ = false;
    double phase_ = 0, squares_ = 0, counted_ = 0;
    // The acceptance that the step size learns from. Leaving the support is no matter of the step
    // size, and would drive it to zero: it counts as one bad step among the good ones before it.
    double lesson_ = 0;
};

}  // namespace probgen
