// What Python tells the samplers and what they tell Python: the mirror of adapt/settings.py.
#pragma once
#include <cstdint>

namespace probgen {

enum Algorithm : int64_t { kNuts = 0, kHmc = 1 };
enum MetricKind : int64_t { kDiagonal = 0, kDense = 1, kLowRank = 2 };

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
    double shrinkage;            // dual averaging: gamma,
    double offset;               // t0
    double forgetting;           // and kappa of Hoffman & Gelman
    double overshoot;            // it is drawn towards log(overshoot * first step size)
    double final_fraction;       // of the warm-up: metric fixed, only the step size moves
    double gradient_fraction;    // of the rest: diagonal by gradients, then by variances
    double young_fraction;       // of the draws so far: those that shape the metric
    int64_t most_draws;          // at most so many (the dense metric takes more)
    int64_t first_update;        // until this draw: a diagonal only, at every draw
    double growth;               // from then on: ratio of successive update times
    int64_t longest_interval;    // between updates
    double prior_draws;          // weight, in draws, of the variances' prior
    double prior_directions;     // the same within the directions
    int64_t max_directions;      // 0: diagonal only
    double cutoff;               // eigenvalues between 1/cutoff and cutoff are left alone
    int64_t first_depth;         // most doublings before first_update
    int64_t full_every;          // one of so many warm-up trajectories may grow to its end
    double drift_one;            // drift (sd) below which the others have one doubling fewer
    double drift_two;            // and two fewer
    int64_t thin;                // one of so many transitions after warm-up is a draw
    int64_t resume;              // 1: start from what `Learnt` holds
};

// One row of statistics per transition, all as doubles.
enum Statistic : int64_t {
    kLogDensity, kEnergy, kStepSize, kSteps, kTreeDepth, kAcceptance, kEnergyError, kDiverging,
    kReachedMaxDepth, kStatistics
};

// What a chain has learnt: read when it goes on from an earlier run, written at its end.
// Shapes are fixed; what is not in use holds zeros.
struct Learnt {
    double* step_size;      // one number
    double* scale;          // (dim): the diagonal of the metric's factor
    double* directions;     // (rows, dim): the stretched directions, or null
    double* eigenvalues;    // (rows): theirs, or null
    double* factor;         // (dim, dim): the triangle of a dense metric, or null
    double* position;       // (dim): where the chain ends; written only
    int64_t rows;
};

// Where a chain writes, from the first row on, what it draws in one go.
struct Output {
    double* draws;          // (draws, dim)
    double* stats;          // (draws, kStatistics)
    double* warmup_draws;   // (warmup, dim) or null
    double* warmup_stats;   // (warmup, kStatistics) or null
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
    int64_t directions;       // stretched by the metric, beyond its diagonal
};

}  // namespace probgen
