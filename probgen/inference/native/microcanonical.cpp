// One chain of a microcanonical sampler, from its start to its last draw.
#include "burn_in.hpp"
#include "decoherence.hpp"
#include "mams.hpp"
#include "mclmc.hpp"
#include "outcome.hpp"
#include "warmup.hpp"

namespace probgen {

// A single coordinate has no direction to turn to: a standard normal one is added beside it.
struct WithAuxiliary {
    DensityFunction function;
    const void* context;

    static double call(const double* position, double* gradient, const void* self) {
        const auto* inner = static_cast<const WithAuxiliary*>(self);
        const double value = inner->function(position, gradient, inner->context);
        gradient[1] = -position[1];
        return value - 0.5 * position[1] * position[1];
    }
};

template <class Sampler>
class MicrocanonicalChain {
  public:
    MicrocanonicalChain(const MicrocanonicalSettings& settings, Hamiltonian& system,
                        Sampler& sampler, Store& store, Point& current, Rng& rng,
                        const Output& out, const Learnt& learnt, Tuning& tuning,
                        volatile Report* report, const volatile int32_t* stop)
        : settings_(settings), system_(system), sampler_(sampler), current_(current), rng_(rng),
          out_(out), learnt_(learnt), tuning_(tuning), report_(report), stop_(stop),
          warmup_(settings, system, store) {
        const bool far = !settings.resume && settings.burn_in > 0;
        if (far) burn_in_ = std::make_unique<BurnIn>(settings, system, store);
    }

    Outcome run() {
        started_ = now();
        const Outcome outcome = warm_up_and_draw();
        report_->seconds_draws = now() - started_ - report_->seconds_warmup;
        report_->step_size = *learnt_.step_size = tuning_.step_size;
        report_->directions = int64_t(system_.metric.rank());
        std::memcpy(learnt_.position, current_.position, system_.dim * sizeof(double));
        system_.metric.keep(learnt_);
        return outcome;
    }

  private:
    Outcome warm_up_and_draw() {
        if (!settings_.resume && settings_.warmup > 0) warmup_.begin(current_);
        if (burn_in_) burn_in_->start(current_, rng_);
        for (int64_t i = 0; i < settings_.warmup; ++i) {
            if (i == burn_in()) start(true);
            const Transition transition = warm_transition(i);
            if (const Outcome outcome = checked(transition)) return outcome;
            learn(i + 1, transition);
            write(out_.warmup_draws, out_.warmup_stats, i, transition);
            report_->gradients_warmup = system_.density.evaluations;
            report_->seconds_warmup = now() - started_;
            report_->iterations = i + 1;
        }
        if (settings_.warmup == 0) {
            start(false);
            sampler_.learn(Transition(), true);
        }
        sampler_.warm(false);
        report_->gradients_warmup = system_.density.evaluations;
        return draw();
    }

    int64_t burn_in() const { return burn_in_ ? settings_.burn_in : 0; }

    void start(bool warm) {
        if (settings_.step_size > 0) tuning_.step_size = settings_.step_size;
        sampler_.start(current_, rng_);
        sampler_.warm(warm);
    }

    Transition warm_transition(int64_t done) {
        if (done < burn_in()) {
            tuning_.step_size = burn_in_->step();
            return (*burn_in_)(current_, rng_, warmup_, done, stop_);
        }
        sampler_.prepare();
        return sampler_(current_, rng_, stop_);
    }

    Outcome draw() {
        for (int64_t i = 0; i < settings_.draws * settings_.thin; ++i) {
            const Transition transition = sampler_(current_, rng_, stop_);
            if (const Outcome outcome = checked(transition)) return outcome;
            if ((i + 1) % settings_.thin == 0)
                write(out_.draws, out_.stats, i / settings_.thin, transition);
            if (transition.diverging) report_->divergences = report_->divergences + 1;
            report_->gradients_draws = system_.density.evaluations - report_->gradients_warmup;
            report_->iterations = settings_.warmup + i + 1;
        }
        return kDone;
    }

    Outcome checked(const Transition& transition) const {
        if (transition.stopped || *stop_) return kStopped;
        return all_finite(current_.position, system_.dim) ? kDone : kRanAway;
    }

    void learn(int64_t done, const Transition& transition) {
        const bool settled = done == warmup_.last();
        warmup_.update(done, transition.depth, current_);
        if (done <= burn_in()) return;
        if (settled) {
            if (settings_.length <= 0) set_length();
            sampler_.settle();
        }
        sampler_.learn(transition, done == settings_.warmup);
    }

    void set_length() {
        const History& history = warmup_.history();
        const size_t count = size_t(0.75 * double(history.count()));
        if (count < kFewest) return;
        const double time = AutocorrelationTime(count)(history, size_t(settings_.dim));
        tuning_.length = settings_.length_factor * time * sampler_.travelled();
    }

    void write(double* draws, double* stats, int64_t row, const Transition& transition) const {
        const size_t dim = size_t(settings_.dim);
        if (draws)
            std::memcpy(draws + row * settings_.dim, current_.position, dim * sizeof(double));
        if (!stats) return;
        double added = 0;
        for (size_t i = dim; i < system_.dim; ++i)
            added += 0.5 * current_.position[i] * current_.position[i];
        double* values = stats + row * kStatistics;
        std::memset(values, 0, kStatistics * sizeof(double));
        values[kLogDensity] = current_.log_density + added;
        values[kStepSize] = tuning_.step_size;
        values[kSteps] = double(transition.steps);
        values[kAcceptance] = transition.acceptance;
        values[kEnergyError] = transition.energy_error;
        values[kDiverging] = transition.diverging;
    }

    static constexpr size_t kFewest = 20;  // draws from which an autocorrelation time is taken

    const MicrocanonicalSettings& settings_;
    Hamiltonian& system_;
    Sampler& sampler_;
    Point& current_;
    Rng& rng_;
    const Output& out_;
    const Learnt& learnt_;
    Tuning& tuning_;
    volatile Report* report_;
    const volatile int32_t* stop_;
    Warmup warmup_;
    std::unique_ptr<BurnIn> burn_in_;
    double started_ = 0;
};

// Room for what is learnt of two coordinates, of which the caller has asked for the first.
struct Pair {
    double scale[2], position[2];

    Learnt learnt(const Learnt& asked) {
        scale[0] = asked.scale[0];
        scale[1] = 1;
        Learnt both = asked;
        both.scale = scale;
        both.position = position;
        both.rows = 0;
        return both;
    }

    void hand_back(const Learnt& asked) const {
        asked.scale[0] = scale[0];
        asked.position[0] = position[0];
    }
};

template <class Sampler>
Outcome run_chain(const MicrocanonicalSettings& settings, Density density, size_t dim,
                  uint64_t index, const double* initial, const Output& out, const Learnt& learnt,
                  Tuning& tuning, volatile Report* report, const volatile int32_t* stop) {
    Store store(dim);
    Rng rng(settings.seed, index);
    Hamiltonian system(density, settings, dim, store);
    if (settings.resume) {
        system.metric.restore(learnt, store);
        tuning.step_size = *learnt.step_size;
    } else {
        tuning.length = std::sqrt(double(dim));
    }
    if (settings.length > 0) tuning.length = settings.length;
    Point start = system.point(store);
    std::memcpy(start.position, initial, size_t(settings.dim) * sizeof(double));
    system.evaluate(start);
    if (!std::isfinite(start.log_density) || !all_finite(start.force, dim)) return kBadStart;
    Sampler sampler(settings, system, store, tuning);
    MicrocanonicalChain<Sampler> chain(settings, system, sampler, store, start, rng, out, learnt,
                                       tuning, report, stop);
    return chain.run();
}

}  // namespace probgen

#define PROBGEN_EXPORT extern "C" __attribute__((visibility("default")))

PROBGEN_EXPORT int32_t probgen_run_microcanonical(
    const probgen::MicrocanonicalSettings* settings, probgen::DensityFunction function,
    const void* context, uint64_t index, const double* initial, const probgen::Output* out,
    probgen::Tuning* tuning, volatile probgen::Report* report, const volatile int32_t* stop) {
    using namespace probgen;
    try {
        const auto run = settings->adjusted ? run_chain<Mams> : run_chain<Mclmc>;
        if (settings->dim > 1)
            return run(*settings, Density{function, context}, size_t(settings->dim), index,
                       initial, *out, out->learnt, *tuning, report, stop);
        WithAuxiliary both{function, context};
        Pair pair;
        const Outcome outcome = run(*settings, Density{WithAuxiliary::call, &both}, 2, index,
                                    initial, *out, pair.learnt(out->learnt), *tuning, report, stop);
        pair.hand_back(out->learnt);
        return outcome;
    } catch (const std::bad_alloc&) {
        return kOutOfMemory;
    }
}

// `steps` isokinetic steps from a position and a velocity, both moved; returns the energy change.
PROBGEN_EXPORT double probgen_isokinetic(const probgen::MicrocanonicalSettings* settings,
                                         probgen::DensityFunction function, const void* context,
                                         double* position, double* velocity, int64_t steps) {
    using namespace probgen;
    const size_t dim = size_t(settings->dim), bytes = dim * sizeof(double);
    Store store(dim);
    Hamiltonian system(Density{function, context}, *settings, dim, store);
    Isokinetic move(system, settings->integrator, store);
    Point x = system.point(store);
    double* u = store.vector();
    std::memcpy(x.position, position, bytes);
    std::memcpy(u, velocity, bytes);
    system.evaluate(x);
    double change = 0;
    for (int64_t i = 0; i < steps; ++i) change += move(x, u, settings->step_size);
    std::memcpy(position, x.position, bytes);
    std::memcpy(velocity, u, bytes);
    return change;
}

PROBGEN_EXPORT int64_t probgen_microcanonical_sizes(int32_t which) {
    using namespace probgen;
    return which == 0   ? sizeof(MicrocanonicalSettings)
           : which == 1 ? sizeof(Tuning)
           : which == 2 ? sizeof(Output)
                        : sizeof(Report);
}
