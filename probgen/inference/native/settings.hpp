// What Python tells the samplers and what they tell Python; mirrored by probgen/inference/adapt/settings.py.
#pragma once
#include <cstdint>

namespace probgen {

enum Algorithm : int64_t { kNuts = 0, kHmc = 1 };
enum MetricKind : int64_t { kDiagonal = 0, kDense = 1 };

struct Settings {
    int64_t algorithm;
    int64_t metric;
    int64_t dim;
    int64_t warmup;
    int64_t draws;
    uint64_t seed;
    int64_t max_tree_depth;
    int64_t num_steps;           // HMC: fixed number of leapfrog steps, or 0
    double trajectory_length;    // HMC: fixed integration time, used when num_steps is 0
    double jitter;               // HMC: relative half-width of the step size's uniform jitter
    double target_accept;
    double max_energy_error;
    double step_size;            // fixed step size, or 0 to adapt it
    double shrinkage;            // dual averaging: gamma, t0, kappa of Hoffman & Gelman
    double offset;
    double forgetting;
    double overshoot;            // dual averaging: log step size is drawn to log(overshoot * first)
    double early_fraction;       // of the warm-up: short windows
    double final_fraction;       // of the warm-up: metric fixed, step size only
    double gradient_fraction;    // of what lies between: gradient-based metric
    int64_t early_window;
    int64_t late_window;
    double prior_draws;          // weight, in draws, of the metric's prior
    double prior_variance;       // value of the dense metric's prior
};

// One row of statistics per transition, all as doubles.
enum Statistic : int64_t {
    kLogDensity, kEnergy, kStepSize, kSteps, kTreeDepth, kAcceptance, kEnergyError, kDiverging,
    kReachedMaxDepth, kStatistics
};

struct Output {
    double* draws;          // (draws, dim)
    double* stats;          // (draws, kStatistics)
    double* warmup_draws;   // (warmup, dim) or null
    double* warmup_stats;   // (warmup, kStatistics) or null
    double* scale;          // (dim): square roots of the final metric's diagonal
};

// Written by the sampler while it runs; Python reads it for progress.
struct Report {
    int64_t iterations;
    int64_t divergences;
    int64_t gradients_warmup;
    int64_t gradients_draws;
    double seconds_warmup;
    double seconds_draws;
    double step_size;
};

}  // namespace probgen
