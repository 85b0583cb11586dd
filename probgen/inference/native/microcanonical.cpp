// Chains of the microcanonical samplers: warm-up, draws, and what Python calls to open one.
#include "burn_in.hpp"
#include "decoherence.hpp"
#include "mams.hpp"
#include "mclmc.hpp"
#include "open_chain.hpp"
#include "warmup.hpp"

namespace probgen {

// A single coordinate has no direction to turn to: a standard normal one is added beside it.
struct WithAuxiliary {
    const DensityFunction function;
    const void* const context;

    static double call(const double* position, double* gradient, const void* self) {
        const auto* inner = static_cast<const WithAuxiliary*>(self);
        const double value = inner->function(position, gradient, inner->context);
        gradient[1] = -position[1];
        return value - 0.5 * position[1] * position[1];
    }
};

// What a chain of more coordinates than were asked for learns, and the caller's part of it.
class Widened {
  public:
    Widened(const Learnt& asked, size_t dim, size_t wider)
        : asked_(asked), dim_(dim), wider_(wider), scale_(wider, 1), position_(wider, 0) {
        std::memcpy(scale_.data(), asked.scale, dim * sizeof(double));
    }

    // Where the chain reads and writes.
    Learnt learnt() {
        if (dim_ == wider_) return asked_;
        Learnt both = asked_;
        both.scale = scale_.data();
        both.position = position_.data();
        both.rows = 0;
        return both;
    }

    void hand_back() const {
        if (dim_ == wider_) return;
        std::memcpy(asked_.scale, scale_.data(), dim_ * sizeof(double));
        std::memcpy(asked_.position, position_.data(), dim_ * sizeof(double));
    }

  private:
    const Learnt asked_;
    const size_t dim_, wider_;
    std::vector<double> scale_, position_;
};

template <class Sampler>
class MicrocanonicalChain : public OpenChain {
  public:
    MicrocanonicalChain(const MicrocanonicalSettings& settings, Density density, uint64_t index,
                        const Learnt& learnt, Tuning& tuning, volatile Report* report)
        : OpenChain(settings, report), settings_(settings), tuning_(tuning),
          dim_(size_t(settings.dim)), wider_(std::max(dim_, size_t(2))),
          widened_(learnt, dim_, wider_), learnt_(widened_.learnt()),
          with_auxiliary_{density.function, density.context}, store_(wider_),
          rng_(settings.seed, index),
          system_(dim_ == wider_ ? density : Density{WithAuxiliary::call, &with_auxiliary_},
                  settings_, wider_, store_),
          sampler_(settings_, system_, store_, tuning_), current_(system_.point(store_)),
          warmup_(settings_, system_, store_) {
        const bool far = !settings_.resume && settings_.burn_in > 0;
        if (far) burn_in_ = std::make_unique<BurnIn>(settings_, system_, store_);
        if (settings_.resume) {
            system_.metric.restore(learnt_, store_);
            tuning_.step_size = *learnt_.step_size;
        } else {
            tuning_.length = std::sqrt(double(wider_));
        }
        if (settings_.length > 0) tuning_.length = settings_.length;
    }

    Outcome start(const double* initial) override {
        std::memcpy(current_.position, initial, dim_ * sizeof(double));
        system_.evaluate(current_);
        if (!std::isfinite(current_.log_density) || !all_finite(current_.force, wider_))
            return kBadStart;
        if (!settings_.resume && settings_.warmup > 0) warmup_.begin(current_);
        if (burn_in_) burn_in_->start(current_, rng_);
        if (settings_.warmup == 0) {
            start_sampler(false);
            sampler_.learn(Transition(), true);
        }
        report_->gradients_warmup = system_.density.evaluations;
        return kDone;
    }

    void state(Archive& archive) override {
        constexpr double kMost = 1e15;  // what is counted in steps fits an integer
        system_.state(archive, current_);
        rng_.state(archive);
        system_.metric.state(archive);
        archive.real("step_size", tuning_.step_size, 0, kMost);
        archive.real("length", tuning_.length, 0, kMost);
        archive.real("steps", tuning_.steps, 0, kMost);
        archive.real("energy_error", tuning_.energy_error);
        if (warm()) warmup_.state(archive);
        // At the end of the burn-in there is neither: the sampler starts with the next transition.
        if (done_ < burn_in()) burn_in_->state(archive);
        if (done_ > burn_in() || settings_.warmup == 0) sampler_.state(archive, warm());
        sampler_.warm(warm());
        totals(archive, system_.density);
    }

  private:
    Outcome transitions(int64_t end, const Output& out, const volatile int32_t* stop) override {
        for (int64_t row = 0; done_ < end && warm(); ++row) {
            if (done_ == burn_in()) start_sampler(true);
            const Transition transition = warm_transition(stop);
            if (const Outcome outcome = checked(transition, stop)) return outcome;
            learn(++done_, transition);
            write(out.warmup_draws, out.warmup_stats, row, transition);
            after_warm(system_.density, tuning_.step_size);
            if (!warm()) sampler_.warm(false);
        }
        for (int64_t row = 0; done_ < end;) {
            const Transition transition = sampler_(current_, rng_, stop);
            if (const Outcome outcome = checked(transition, stop)) return outcome;
            ++done_;
            if ((done_ - settings_.warmup) % settings_.thin == 0)
                write(out.draws, out.stats, row++, transition);
            after_draw(system_.density, tuning_.step_size, transition.diverging);
        }
        return kDone;
    }

    void keep() override {
        report_->step_size = *learnt_.step_size = tuning_.step_size;
        report_->directions = int64_t(system_.metric.rank());
        std::memcpy(learnt_.position, current_.position, wider_ * sizeof(double));
        system_.metric.keep(learnt_);
        widened_.hand_back();
    }

    int64_t burn_in() const { return burn_in_ ? settings_.burn_in : 0; }

    void start_sampler(bool warm) {
        if (settings_.step_size > 0) tuning_.step_size = settings_.step_size;
        sampler_.start(current_, rng_);
        sampler_.warm(warm);
    }

    Transition warm_transition(const volatile int32_t* stop) {
        if (done_ < burn_in()) {
            tuning_.step_size = burn_in_->step();
            return (*burn_in_)(current_, rng_, warmup_, done_, stop);
        }
        sampler_.prepare();
        return sampler_(current_, rng_, stop);
    }

    Outcome checked(const Transition& transition, const volatile int32_t* stop) const {
        if (transition.stopped || *stop) return kStopped;
        return all_finite(current_.position, wider_) ? kDone : kRanAway;
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
        if (draws)
            std::memcpy(draws + row * settings_.dim, current_.position, dim_ * sizeof(double));
        if (!stats) return;
        double added = 0;
        for (size_t i = dim_; i < wider_; ++i)
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

    const MicrocanonicalSettings settings_;
    Tuning& tuning_;
    const size_t dim_, wider_;
    Widened widened_;
    const Learnt learnt_;
    const WithAuxiliary with_auxiliary_;
    Store store_;
    Rng rng_;
    Hamiltonian system_;
    Sampler sampler_;
    Point current_;
    Warmup warmup_;
    std::unique_ptr<BurnIn> burn_in_;
};

}  // namespace probgen

// A chain at no place yet: to be started or loaded. Null when there is no memory for it.
PROBGEN_EXPORT probgen::OpenChain* probgen_open_microcanonical(
    const probgen::MicrocanonicalSettings* settings, probgen::DensityFunction function,
    const void* context, uint64_t index, const probgen::Learnt* learnt, probgen::Tuning* tuning,
    volatile probgen::Report* report) {
    using namespace probgen;
    const Density density{function, context};
    try {
        if (settings->adjusted)
            return new MicrocanonicalChain<Mams>(*settings, density, index, *learnt, *tuning,
                                                 report);
        return new MicrocanonicalChain<Mclmc>(*settings, density, index, *learnt, *tuning, report);
    } catch (const std::bad_alloc&) {
        return nullptr;
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
    return which == 0 ? sizeof(MicrocanonicalSettings) : sizeof(Tuning);
}
