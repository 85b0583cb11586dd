// The step size at which a step's energy error has a wanted variance per coordinate.
//
// The variance grows as the sixth power of the step, so every step tells, whatever its size. The
// estimate forgets exponentially and outliers weigh little (Robnik et al. 2023), until it settles.
#pragma once
#include <algorithm>
#include <cmath>

#include "microcanonical_settings.hpp"
#include "step_size.hpp"

namespace probgen {

class EnergySearch {
  public:
    EnergySearch(const MicrocanonicalSettings& settings, size_t dim)
        : target_(settings.target_energy_error * double(dim)),
          keep_(1 - 1 / settings.forgetting_steps) {}

    void start(double step) { step_ = step; }

    bool exceeds(double change) const { return !(change * change < target_); }

    void update(double step, double change, bool good) {
        if (!good) {
            largest_ = 0.8 * step;
        } else {
            const double excess = change * change / target_ + 1e-8;
            const double outlying = std::log(excess) / (6 * kTrust);
            const double weight = settled_ ? 1 : std::exp(-0.5 * outlying * outlying);
            sum_ = keep_ * sum_ + weight * excess / std::pow(step, 6);
            weights_ = keep_ * weights_ + weight;
            step_ = std::pow(sum_ / weights_, -1.0 / 6);
            largest_ *= kRecovery;
        }
        step_ = std::clamp(std::min(step_, largest_), kSmallestStep, kLargestStep);
    }

    void state(Archive& archive) {
        archive.real("search_keep", keep_, 0, 1);
        archive.real("search_step", step_, kSmallestStep, kLargestStep);
        archive.real("search_largest", largest_);
        archive.real("search_sum", sum_);
        archive.real("search_weights", weights_);
        archive.integer("search_settled", settled_, 0, 1);
    }

    double step() const { return step_; }

    // From now on all steps weigh the same: the rare large errors are part of the variance. What
    // was learnt before, under another metric, weighs as little as a few of them.
    void settle() {
        const double factor = std::min(1.0, kFewUpdates / std::max(weights_, 1e-10));
        sum_ *= factor;
        weights_ *= factor;
        keep_ = 1;
        settled_ = true;
    }

  private:
    static constexpr double kTrust = 1.5;       // in factors of e of the step size
    static constexpr double kRecovery = 1.02;   // of the largest step, after divergences

    double target_, keep_;
    double step_ = 1, largest_ = kLargestStep, sum_ = 0, weights_ = 0;
    bool settled_ = false;
};

}  // namespace probgen
