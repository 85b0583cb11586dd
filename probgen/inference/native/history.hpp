// The recent past of a chain: positions and gradients of its last warm-up draws.
#pragma once
#include <algorithm>
#include <cmath>

#include "archive.hpp"
#include "vector.hpp"

namespace probgen {

class History {
  public:
    History(size_t dim, size_t capacity, Store& store)
        : dim_(dim), length_(packs_for(dim) * kLanes), capacity_(capacity),
          positions_(store.block(capacity * length_)),
          gradients_(store.block(capacity * length_)) {}

    void add(const double* position, const double* gradient) {
        copy(positions_ + next_ * length_, position, length_ / kLanes);
        copy(gradients_ + next_ * length_, gradient, length_ / kLanes);
        next_ = next_ + 1 == capacity_ ? 0 : next_ + 1;
        count_ = std::min(count_ + 1, capacity_);
    }

    size_t count() const { return count_; }

    void state(Archive& archive) {
        archive.integer("history_next", next_, 0, int64_t(capacity_) - 1);
        archive.integer("history_count", count_, 0, int64_t(capacity_));
        archive.matrix("history_positions", positions_, capacity_, dim_, length_);
        archive.matrix("history_gradients", gradients_, capacity_, dim_, length_);
    }

    // By age: 0 is the youngest.
    const double* position(size_t age) const { return positions_ + slot(age) * length_; }
    const double* gradient(size_t age) const { return gradients_ + slot(age) * length_; }

  private:
    size_t slot(size_t age) const {
        return age < next_ ? next_ - 1 - age : next_ + capacity_ - 1 - age;
    }

    size_t dim_, length_, capacity_, next_ = 0, count_ = 0;
    double *positions_, *gradients_;
};

// Means and variances of positions and gradients over the youngest draws, and how far the
// younger half of the positions has drifted from the older one.
class Moments {
  public:
    explicit Moments(size_t dim, Store& store)
        : dim_(dim), n_(packs_for(dim)), position_mean(store.vector()),
          position_variance(store.vector()), gradient_mean(store.vector()),
          gradient_variance(store.vector()), half_(store.vector()) {}

    void take(const History& history, size_t count) {
        count_ = count;
        for (size_t i = 0; i < n_; ++i) {
            take_pack(i, position_mean, position_variance, half_,
                      [&](size_t age) { return packs(history.position(age))[i]; });
            take_pack(i, gradient_mean, gradient_variance, nullptr,
                      [&](size_t age) { return packs(history.gradient(age))[i]; });
        }
    }

    // The largest distance, in standard deviations, between the means of the two halves.
    double drift() const {
        double most = 0;
        for (size_t i = 0; i < dim_; ++i) {
            const double distance = 2 * std::fabs(half_[i] - position_mean[i]);
            most = std::max(most, distance / std::sqrt(position_variance[i]));
        }
        return most;
    }

  private:
    template <class Value>
    void take_pack(size_t i, double* mean, double* variance, double* half, Value value) {
        const Pack first = value(0);  // subtracted against cancellation
        Pack sum = {}, square = {};
        for (size_t age = 0; age < count_; ++age) {
            const Pack x = value(age) - first;
            sum += x;
            square += x * x;
            if (half && age + 1 == count_ / 2) packs(half)[i] = first + sum / double(age + 1);
        }
        packs(mean)[i] = first + sum / double(count_);
        packs(variance)[i] = (square - sum * sum / double(count_)) / double(count_ - 1);
    }

    size_t dim_, n_, count_ = 0;

  public:
    double *position_mean, *position_variance, *gradient_mean, *gradient_variance;

  private:
    double* half_;
};

}  // namespace probgen
