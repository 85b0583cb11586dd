// Step size: a first guess, then Nesterov's dual averaging (Hoffman & Gelman 2014, section 3.2).
#pragma once
#include <algorithm>
#include <cmath>

#include "hamiltonian.hpp"
#include "settings.hpp"

namespace probgen {

constexpr double kSmallestStep = 1e-10, kLargestStep = 1e7;
constexpr double kFewUpdates = 10, kLearntUpdates = 100;

class DualAveraging {
  public:
    explicit DualAveraging(const Settings& settings) : settings_(settings) {}

    // From a first guess, which it soon leaves for larger steps, or from a step already learnt,
    // which it leaves as slowly as after a hundred updates.
    void start(double step, bool learnt = false) {
        centre_ = std::log((learnt ? 1 : settings_.overshoot) * step);
        log_step_ = average_ = first_ = std::log(step);
        count_ = learnt ? kLearntUpdates : 0;
    }

    void update(double acceptance, double target) {
        ++count_;
        const double rate = 1 / (count_ + settings_.offset);
        error_ = (1 - rate) * error_ + rate * (target - acceptance);
        log_step_ = centre_ - std::sqrt(count_) / settings_.shrinkage * error_;
        log_step_ = std::min(std::max(log_step_, std::log(kSmallestStep)), std::log(kLargestStep));
        const double weight = std::pow(count_, -settings_.forgetting);
        average_ = weight * log_step_ + (1 - weight) * average_;
    }

    void state(Archive& archive) {
        archive.real("averaging_centre", centre_);
        archive.real("averaging_first", first_);
        archive.real("averaging_log_step", log_step_);
        archive.real("averaging_average", average_);
        archive.real("averaging_error", error_);
        archive.real("averaging_count", count_, 0);
    }

    double step() const { return std::exp(log_step_); }
    // The step size to keep; the first guess if there was too little to learn from.
    double averaged_step() const { return std::exp(count_ < kFewUpdates ? first_ : average_); }

  private:
    const Settings& settings_;
    double centre_ = 0, first_ = 0, log_step_ = 0, average_ = 0, error_ = 0, count_ = 0;
};

// Double or halve the step until one leapfrog step's acceptance crosses the target.
inline double first_step_size(Hamiltonian& system, const Point& start, Point& scratch,
                              double* momentum, Rng& rng, double target) {
    double step = 1;
    int direction = 0;
    for (int attempt = 0; attempt < 100; ++attempt) {
        system.copy_point(scratch, start);
        const double before = system.refresh(rng, momentum) - start.log_density;
        const double kinetic = system.leapfrog(scratch, momentum, momentum, step);
        const double after = kinetic - scratch.log_density;
        const double gain = before - after;
        const int wanted = after > -INFINITY && gain > std::log(target) ? 1 : -1;
        if (direction != 0 && wanted != direction) break;
        direction = wanted;
        step *= direction > 0 ? 2 : 0.5;
        if (step > kLargestStep || step < kSmallestStep) break;
    }
    return step;
}

}  // namespace probgen
