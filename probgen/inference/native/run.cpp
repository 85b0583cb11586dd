// One chain, from its start to its last draw; called by Python once per chain and thread.
#include <chrono>

#include "hmc.hpp"
#include "nuts.hpp"
#include "settings.hpp"
#include "step_size.hpp"
#include "warmup.hpp"

namespace probgen {

enum Outcome : int32_t { kDone = 0, kStopped = 1, kBadStart = 2, kOutOfMemory = 3 };

static double now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

static void record(double* row, const Transition& transition, double log_density, double step) {
    row[kLogDensity] = log_density;
    row[kEnergy] = transition.energy;
    row[kStepSize] = step;
    row[kSteps] = double(transition.steps);
    row[kTreeDepth] = double(transition.depth);
    row[kAcceptance] = transition.acceptance;
    row[kEnergyError] = transition.energy_error;
    row[kDiverging] = transition.diverging;
    row[kReachedMaxDepth] = transition.reached_max_depth;
}

template <class Sampler>
static Outcome run(const Settings& settings, Hamiltonian& system, Sampler& sampler, Store& store,
                   Point current, Rng& rng, const Output& out, volatile Report* report,
                   const volatile int32_t* stop) {
    Warmup warmup(settings, system, store);
    DualAveraging averaging(settings);
    Point scratch = system.point(store);
    double* momentum = store.vector();
    const bool adapts = settings.step_size <= 0;
    const double target = settings.target_accept;
    const double started = now();
    double step = settings.step_size;
    if (settings.warmup > 0) warmup.begin(current);
    if (adapts) {
        step = first_step_size(system, current, scratch, momentum, rng, target);
        averaging.restart(step);
    }
    for (int64_t i = 0; i < settings.warmup + settings.draws; ++i) {
        const bool warm = i < settings.warmup;
        Transition transition = sampler(current, rng, step, stop);
        if (transition.stopped || *stop) return kStopped;
        const int64_t draw = warm ? i : i - settings.warmup;
        double* draws = warm ? out.warmup_draws : out.draws;
        double* stats = warm ? out.warmup_stats : out.stats;
        if (draws) std::memcpy(draws + draw * settings.dim, current.position, settings.dim * sizeof(double));
        if (stats) record(stats + draw * kStatistics, transition, current.log_density, step);
        if (warm) {
            if (adapts) averaging.update(transition.acceptance, target);
            if (warmup.update(i, current) && adapts)
                averaging.restart(first_step_size(system, current, scratch, momentum, rng, target));
            if (adapts) step = i + 1 < settings.warmup ? averaging.step() : averaging.averaged_step();
            report->gradients_warmup = system.density.evaluations;
            report->seconds_warmup = now() - started;
        }
        if (transition.diverging && !warm) report->divergences = report->divergences + 1;
        report->gradients_draws = system.density.evaluations - report->gradients_warmup;
        report->step_size = step;
        report->iterations = i + 1;
    }
    report->seconds_draws = now() - started - report->seconds_warmup;
    std::memcpy(out.scale, system.metric.scale(), settings.dim * sizeof(double));
    return kDone;
}

}  // namespace probgen

#define PROBGEN_EXPORT extern "C" __attribute__((visibility("default")))

PROBGEN_EXPORT int32_t probgen_run_chain(const probgen::Settings* settings,
                                         probgen::DensityFunction function, const void* context,
                                         uint64_t chain, const double* initial,
                                         const probgen::Output* out,
                                         volatile probgen::Report* report,
                                         const volatile int32_t* stop) {
    using namespace probgen;
    try {
        const size_t dim = size_t(settings->dim);
        Store store(dim);
        Rng rng(settings->seed, chain);
        Hamiltonian system(Density{function, context}, MetricKind(settings->metric), dim, store);
        Point current = system.point(store);
        std::memcpy(current.position, initial, dim * sizeof(double));
        system.evaluate(current);
        const double value = current.log_density;
        if (!(value > -INFINITY && value < INFINITY) || !all_finite(current.force, dim))
            return kBadStart;
        if (settings->algorithm == kNuts) {
            Nuts sampler(system, store, settings->max_energy_error, settings->max_tree_depth);
            return run(*settings, system, sampler, store, current, rng, *out, report, stop);
        }
        Hmc sampler(system, store, settings->max_energy_error, settings->num_steps,
                    settings->trajectory_length, settings->jitter);
        return run(*settings, system, sampler, store, current, rng, *out, report, stop);
    } catch (const std::bad_alloc&) {
        return kOutOfMemory;
    }
}

PROBGEN_EXPORT int64_t probgen_sizes(int32_t which) {
    using namespace probgen;
    return which == 0 ? sizeof(Settings) : which == 1 ? sizeof(Output) : sizeof(Report);
}
