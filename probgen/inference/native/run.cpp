// One chain, from its start to its last draw; called by Python once per chain and thread.
#include "hmc.hpp"
#include "nuts.hpp"
#include "outcome.hpp"
#include "settings.hpp"
#include "step_size.hpp"
#include "warmup.hpp"

namespace probgen {

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

// One chain's state while it runs.
template <class Sampler>
class Chain {
  public:
    Chain(const Settings& settings, Hamiltonian& system, Sampler& sampler, Store& store,
          Point start, Rng& rng, const Output& out, volatile Report* report,
          const volatile int32_t* stop)
        : settings_(settings), system_(system), sampler_(sampler), current_(start), rng_(rng),
          out_(out), report_(report), stop_(stop), warmup_(settings, system, store),
          averaging_(settings), scratch_(system.point(store)), momentum_(store.vector()),
          adapts_(settings.step_size <= 0), step_(settings.step_size) {}

    Outcome run() {
        const double started = now();
        const Outcome outcome = warm_up_and_draw(started);
        report_->seconds_draws = now() - started - report_->seconds_warmup;
        report_->step_size = step_;
        report_->directions = int64_t(system_.metric.rank());
        keep();
        return outcome;
    }

  private:
    Outcome warm_up_and_draw(double started) {
        const bool resume = settings_.resume;
        if (settings_.warmup > 0 && !resume) warmup_.begin(current_);
        if (adapts_) {
            step_ = resume ? *out_.learnt.step_size
                           : first_step_size(system_, current_, scratch_, momentum_, rng_,
                                             settings_.target_accept);
            averaging_.start(step_, resume);
        }
        report_->gradients_warmup = system_.density.evaluations;
        for (int64_t i = 0; i < settings_.warmup + settings_.draws * settings_.thin; ++i) {
            const bool warm = i < settings_.warmup;
            sampler_.limit(warm ? warmup_.depth_limit(i) : settings_.max_tree_depth);
            const Transition transition = sampler_(current_, rng_, step_, stop_);
            if (transition.stopped || *stop_) return kStopped;
            if (!all_finite(current_.position, system_.dim)) return kRanAway;
            if (warm) {
                write(out_.warmup_draws, out_.warmup_stats, i, transition);
                learn(i + 1, transition);
                report_->gradients_warmup = system_.density.evaluations;
                report_->seconds_warmup = now() - started;
            } else {
                const int64_t after = i - settings_.warmup + 1;
                if (after % settings_.thin == 0)
                    write(out_.draws, out_.stats, after / settings_.thin - 1, transition);
                if (transition.diverging) report_->divergences = report_->divergences + 1;
                report_->gradients_draws = system_.density.evaluations - report_->gradients_warmup;
            }
            report_->iterations = i + 1;
        }
        return kDone;
    }

    void write(double* draws, double* stats, int64_t row, const Transition& transition) {
        if (draws)
            std::memcpy(draws + row * settings_.dim, current_.position,
                        size_t(settings_.dim) * sizeof(double));
        if (stats)
            record(stats + row * kStatistics, transition, current_.log_density, step_);
    }

    void keep() const {
        std::memcpy(out_.learnt.position, current_.position,
                    size_t(settings_.dim) * sizeof(double));
        *out_.learnt.step_size = step_;
        system_.metric.keep(out_.learnt);
    }

    void learn(int64_t done, const Transition& transition) {
        warmup_.update(done, transition.depth, current_);
        if (!adapts_) return;
        averaging_.update(transition.acceptance, settings_.target_accept);
        step_ = done < settings_.warmup ? averaging_.step() : averaging_.averaged_step();
    }

    const Settings& settings_;
    Hamiltonian& system_;
    Sampler& sampler_;
    Point current_;
    Rng& rng_;
    const Output& out_;
    volatile Report* report_;
    const volatile int32_t* stop_;
    Warmup warmup_;
    DualAveraging averaging_;
    Point scratch_;
    double* momentum_;
    const bool adapts_;
    double step_;
};

}  // namespace probgen

#define PROBGEN_EXPORT extern "C" __attribute__((visibility("default")))

PROBGEN_EXPORT int32_t probgen_run_chain(const probgen::Settings* settings,
                                         probgen::DensityFunction function, const void* context,
                                         uint64_t index, const double* initial,
                                         const probgen::Output* out,
                                         volatile probgen::Report* report,
                                         const volatile int32_t* stop) {
    using namespace probgen;
    try {
        const size_t dim = size_t(settings->dim);
        Store store(dim);
        Rng rng(settings->seed, index);
        Hamiltonian system(Density{function, context}, *settings, dim, store);
        Point start = system.point(store);
        std::memcpy(start.position, initial, dim * sizeof(double));
        if (settings->resume) system.metric.restore(out->learnt, store);
        system.evaluate(start);
        if (!std::isfinite(start.log_density) || !all_finite(start.force, dim)) return kBadStart;
        if (settings->algorithm == kNuts) {
            Nuts nuts(system, store, settings->max_energy_error, settings->max_tree_depth);
            Chain<Nuts> chain(*settings, system, nuts, store, start, rng, *out, report, stop);
            return chain.run();
        }
        Hmc hmc(system, store, settings->max_energy_error, settings->num_steps,
                settings->trajectory_length, settings->jitter);
        Chain<Hmc> chain(*settings, system, hmc, store, start, rng, *out, report, stop);
        return chain.run();
    } catch (const std::bad_alloc&) {
        return kOutOfMemory;
    }
}

PROBGEN_EXPORT int64_t probgen_sizes(int32_t which) {
    using namespace probgen;
    return which == 0 ? sizeof(Settings) : which == 1 ? sizeof(Output) : sizeof(Report);
}
