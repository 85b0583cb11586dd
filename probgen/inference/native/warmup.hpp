// Warm-up: which draws shape the metric, when, and how.
//
// Two estimators run side by side: the foreground one shapes the metric, the background one is
// younger and takes over when it has seen a window of draws. The diagonal metric starts from
// sqrt(var position / var gradient), which is right for a Gaussian after very few draws, and
// ends with the regularised variance, which serves skewed and heavy-tailed targets better.
// The dense metric is the regularised covariance, taken over at the ends of growing windows.
#pragma once
#include <utility>
#include <vector>

#include "hamiltonian.hpp"
#include "moments.hpp"
#include "settings.hpp"

namespace probgen {

class Warmup {
  public:
    Warmup(const Settings& settings, Hamiltonian& system, Store& store)
        : settings_(settings), system_(system), gradient_(store.vector()),
          foreground_(system.dim, store, false),
          background_(system.dim, store, settings.metric == kDense) {
        early_ = int64_t(settings.early_fraction * double(settings.warmup));
        last_ = settings.warmup - int64_t(settings.final_fraction * double(settings.warmup));
        by_gradient_ = early_ + int64_t(settings.gradient_fraction * double(last_ - early_));
        dense_window_ = settings.early_window * 4;
        if (settings.metric == kDense)
            covariance_ = store.block(system.dim * system.n * kLanes);
    }

    // Scale every coordinate by its gradient: the best guess from one point.
    void begin(Point& current) {
        system_.metric.gradient(current.force, gradient_);
        if (!system_.metric.diagonal()) return;
        for (size_t i = 0; i < system_.dim; ++i) {
            const double size = __builtin_fabs(gradient_[i]);
            if (size > 1e-10 && size < 1e10) system_.metric.set_scale(i, 1 / __builtin_sqrt(size));
        }
        system_.metric.force(gradient_, current.force);
    }

    // After warm-up draw `draw` (from 0): true if the metric has changed so much that the step
    // size must be sought anew.
    bool update(int64_t draw, Point& current) {
        if (draw >= last_) return false;
        system_.metric.gradient(current.force, gradient_);
        background_.add(current.position, gradient_);
        if (!system_.metric.diagonal()) return update_dense(draw, current);
        foreground_.add(current.position, gradient_);
        const int64_t window = draw < early_ ? settings_.early_window : settings_.late_window;
        if (background_.count >= double(window)) {
            std::swap(foreground_, background_);
            background_.reset();
        }
        if (foreground_.count >= 3) {
            for (size_t i = 0; i < system_.dim; ++i) update_scale(i, draw >= by_gradient_);
            system_.metric.force(gradient_, current.force);
        }
        return false;
    }

  private:
    void update_scale(size_t i, bool by_variance) {
        const double balanced =
            __builtin_sqrt(foreground_.variance(i) / foreground_.gradient_variance(i));
        double variance = balanced;
        if (by_variance) {
            const double prior = settings_.prior_draws;
            variance = (foreground_.count * foreground_.variance(i) + prior * balanced) /
                       (foreground_.count + prior);
        }
        if (variance > 1e-20 && variance < 1e20)
            system_.metric.set_scale(i, __builtin_sqrt(variance));
    }

    bool update_dense(int64_t draw, Point& current) {
        const bool over = draw + 1 == last_;
        if (background_.count < double(dense_window_) && !over) return false;
        if (!over && last_ - draw < 2 * dense_window_) return false;
        const double count = background_.count, prior = settings_.prior_draws;
        if (count < 3) return false;
        const double weight = count / (count + prior);
        const double ridge = settings_.prior_variance * prior / (count + prior);
        for (size_t i = 0; i < system_.dim; ++i) {
            double* row = system_.metric.row(covariance_, i);
            for (size_t j = 0; j <= i; ++j) row[j] = weight * background_.covariance(i, j);
            row[i] += ridge;
        }
        if (!system_.metric.set_covariance(covariance_)) return false;
        system_.metric.force(gradient_, current.force);
        background_.reset();
        dense_window_ *= 2;
        return true;
    }

    const Settings& settings_;
    Hamiltonian& system_;
    double* gradient_;
    Moments foreground_, background_;
    double* covariance_ = nullptr;
    int64_t early_, last_, by_gradient_, dense_window_;
};

}  // namespace probgen
