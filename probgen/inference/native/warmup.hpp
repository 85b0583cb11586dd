// Warm-up: when the metric is shaped, from which draws, and how long trajectories may be.
//
// Updates come at growing intervals and use the younger part of all draws so far. The diagonal
// is sqrt(var position / var gradient) at first, which is right for a Gaussian after very few
// draws, and the regularised variance later, which serves skewed and heavy-tailed coordinates
// better. The final part of the warm-up leaves the metric alone and settles the step size.
//
// A warm-up draw need not be independent of the last one: while the chain mixes (the halves of its
// recent past agree), most trajectories stop one or two doublings short of the latest full one.
#pragma once
#include <algorithm>

#include "hamiltonian.hpp"
#include "history.hpp"
#include "settings.hpp"

namespace probgen {

class Warmup {
  public:
    Warmup(const Settings& settings, Hamiltonian& system, Store& store)
        : settings_(settings), system_(system),
          last_(settings.warmup - int64_t(settings.final_fraction * double(settings.warmup))),
          first_(settings.resume ? 0 : settings.first_update),
          hold_(settings.resume ? settings.longest_interval : 0),
          gradient_(store.vector()), deviation_(store.vector()),
          history_(system.dim, capacity(), store), moments_(system.dim, store),
          directions_(system.dim, capacity(), settings, store) {
        if (settings.metric == kDense) covariance_ = store.block(system.dim * system.n * kLanes);
    }

    // Scale every coordinate by its gradient: the best guess from one point.
    void begin(Point& current) {
        system_.metric.gradient(current.force, gradient_);
        for (size_t i = 0; i < system_.dim; ++i)
            system_.metric.set_variance(i, 1 / std::fabs(gradient_[i]));
        system_.metric.force(gradient_, current.force);
    }

    void state(Archive& archive) {
        archive.integer("warmup_next", next_, 0, int64_t(1) << 62);
        archive.integer("warmup_depth", depth_, 0, settings_.max_tree_depth);
        archive.integer("warmup_fewer", fewer_, 0, 2);
        history_.state(archive);
        directions_.state(archive);
    }

    // Draws from which the metric is learnt: the youngest of the first `last()`.
    const History& history() const { return history_; }
    int64_t last() const { return last_; }

    // Most doublings of the trajectory after `done` draws.
    int64_t depth_limit(int64_t done) const {
        if (done < first_ && done < last_)
            return std::min(settings_.first_depth, settings_.max_tree_depth);
        return full(done) ? settings_.max_tree_depth : std::max(int64_t(1), depth_ - fewer_);
    }

    // Learn from the transition that makes `done` draws.
    void update(int64_t done, int64_t depth, Point& current) {
        if (full(done - 1)) depth_ = depth;
        if (done > last_) return;
        Metric& metric = system_.metric;
        metric.gradient(current.force, gradient_);
        history_.add(current.position, gradient_);
        const size_t count = std::min(history_.count(), young(done));
        if ((done < next_ && done < last_) || count < 3 || done < hold_) return;
        const bool early = done < first_;
        next_ = early ? done + 1 : time_after(done);
        moments_.take(history_, count);
        for (size_t i = 0; i < system_.dim; ++i) metric.set_variance(i, variance(i, count, done));
        if (settings_.metric == kDense && count >= 2 * system_.dim) {
            set_covariance(count);
        } else if (settings_.max_directions > 0 && !early) {
            directions_.find(history_, moments_, count, metric.scale());
            metric.set_directions(directions_);
        }
        metric.force(gradient_, current.force);
        const double drift = moments_.drift();
        fewer_ = early ? 0 : drift < settings_.drift_two ? 2 : drift < settings_.drift_one ? 1 : 0;
    }

  private:
    size_t capacity() const {
        const int64_t most = settings_.metric == kDense ? last_ : settings_.most_draws;
        return size_t(std::max(std::min(last_, most), int64_t(3)));
    }

    size_t young(int64_t done) const {
        return std::max(size_t(3), size_t(settings_.young_fraction * double(done)));
    }

    bool full(int64_t done) const {
        return fewer_ == 0 || done >= last_ || done % settings_.full_every == 0;
    }

    int64_t time_after(int64_t done) const {
        const int64_t grown = int64_t(settings_.growth * double(done));
        const int64_t next = std::min(grown, done + settings_.longest_interval);
        return next + settings_.longest_interval / 2 > last_ ? last_ : next;
    }

    double variance(size_t i, size_t count, int64_t done) const {
        const double variance = moments_.position_variance[i];
        const double balanced = std::sqrt(variance / moments_.gradient_variance[i]);
        if (double(done) < settings_.gradient_fraction * double(last_)) return balanced;
        const double size = double(count), prior = settings_.prior_draws;
        return (size * variance + prior * balanced) / (size + prior);
    }

    // The covariance of the young draws, correlations shrunk by the prior's draws.
    void set_covariance(size_t count) {
        const size_t length = system_.n * kLanes;
        const double size = double(count), weight = size / (size + settings_.prior_draws);
        std::memset(covariance_, 0, system_.dim * length * sizeof(double));
        for (size_t t = 0; t < count; ++t) {
            for (size_t j = 0; j < system_.n; ++j)
                packs(deviation_)[j] =
                    packs(history_.position(t))[j] - packs(moments_.position_mean)[j];
            for (size_t i = 0; i < system_.dim; ++i) {
                const double x = deviation_[i] * weight / (size - 1);
                for (size_t j = 0; j < packs_for(i + 1); ++j)
                    packs(covariance_ + i * length)[j] += x * packs(deviation_)[j];
            }
        }
        for (size_t i = 0; i < system_.dim; ++i)
            covariance_[i * length + i] = moments_.position_variance[i];
        system_.metric.set_covariance(covariance_);
    }

    const Settings& settings_;
    Hamiltonian& system_;
    const int64_t last_;
    const int64_t first_;   // until this draw: a diagonal only, at every draw
    const int64_t hold_;    // until this draw: the metric of an earlier run stays as it is
    double *gradient_, *deviation_;
    History history_;
    Moments moments_;
    Directions directions_;
    double* covariance_ = nullptr;
    int64_t next_ = 3;
    int64_t depth_ = 0;   // of the latest trajectory that was free to end by itself
    int64_t fewer_ = 0;   // doublings taken off the others
};

}  // namespace probgen
