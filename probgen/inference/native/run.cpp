// Chains of NUTS and HMC: warm-up, draws, and what Python calls to open one.
#include "hmc.hpp"
#include "nuts.hpp"
#include "open_chain.hpp"
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

// One chain with all that belongs to it.
template <class Sampler>
class Chain : public OpenChain {
  public:
    Chain(const Settings& settings, Density density, uint64_t index, const Learnt& learnt,
          volatile Report* report)
        : OpenChain(settings, report), settings_(settings), learnt_(learnt),
          store_(size_t(settings.dim)), rng_(settings.seed, index),
          system_(density, settings_, size_t(settings.dim), store_),
          sampler_(settings_, system_, store_), current_(system_.point(store_)),
          warmup_(settings_, system_, store_), averaging_(settings_),
          scratch_(system_.point(store_)), momentum_(store_.vector()),
          adapts_(settings.step_size <= 0), step_(settings.step_size) {
        if (settings_.resume) system_.metric.restore(learnt_, store_);
    }

    Outcome start(const double* initial) override {
        const size_t dim = system_.dim;
        std::memcpy(current_.position, initial, dim * sizeof(double));
        system_.evaluate(current_);
        if (!std::isfinite(current_.log_density) || !all_finite(current_.force, dim))
            return kBadStart;
        const bool resume = settings_.resume;
        if (settings_.warmup > 0 && !resume) warmup_.begin(current_);
        if (adapts_) {
            step_ = resume ? *learnt_.step_size
                           : first_step_size(system_, current_, scratch_, momentum_, rng_,
                                             settings_.target_accept);
            averaging_.start(step_, resume);
        }
        report_->gradients_warmup = system_.density.evaluations;
        return kDone;
    }

    void state(Archive& archive) override {
        system_.state(archive, current_);
        rng_.state(archive);
        archive.real("step_size", step_, kSmallestStep, kLargestStep);
        system_.metric.state(archive);
        if (warm()) {
            warmup_.state(archive);
            averaging_.state(archive);
        }
        totals(archive, system_.density);
    }

  private:
    Outcome transitions(int64_t end, const Output& out, const volatile int32_t* stop) override {
        int64_t warm_row = 0, row = 0;
        while (done_ < end) {
            const bool warm = this->warm();
            sampler_.limit(warm ? warmup_.depth_limit(done_) : settings_.max_tree_depth);
            const Transition transition = sampler_(current_, rng_, step_, stop);
            if (transition.stopped || *stop) return kStopped;
            if (!all_finite(current_.position, system_.dim)) return kRanAway;
            ++done_;
            if (warm) {
                write(out.warmup_draws, out.warmup_stats, warm_row++, transition);
                learn(done_, transition);
                after_warm(system_.density, step_);
            } else {
                if ((done_ - settings_.warmup) % settings_.thin == 0)
                    write(out.draws, out.stats, row++, transition);
                after_draw(system_.density, step_, transition.diverging);
            }
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

    void keep() override {
        std::memcpy(learnt_.position, current_.position, size_t(settings_.dim) * sizeof(double));
        *learnt_.step_size = report_->step_size = step_;
        report_->directions = int64_t(system_.metric.rank());
        system_.metric.keep(learnt_);
    }

    void learn(int64_t done, const Transition& transition) {
        warmup_.update(done, transition.depth, current_);
        if (!adapts_) return;
        averaging_.update(transition.acceptance, settings_.target_accept);
        step_ = done < settings_.warmup ? averaging_.step() : averaging_.averaged_step();
    }

    const Settings settings_;
    const Learnt learnt_;
    Store store_;
    Rng rng_;
    Hamiltonian system_;
    Sampler sampler_;
    Point current_;
    Warmup warmup_;
    DualAveraging averaging_;
    Point scratch_;
    double* momentum_;
    const bool adapts_;
    double step_;
};

}  // namespace probgen

// A chain at no place yet: to be started or loaded. Null when there is no memory for it.
PROBGEN_EXPORT probgen::OpenChain* probgen_open(const probgen::Settings* settings,
                                                probgen::DensityFunction function,
                                                const void* context, uint64_t index,
                                                const probgen::Learnt* learnt,
                                                volatile probgen::Report* report) {
    using namespace probgen;
    const Density density{function, context};
    try {
        if (settings->algorithm == kNuts)
            return new Chain<Nuts>(*settings, density, index, *learnt, report);
        return new Chain<Hmc>(*settings, density, index, *learnt, report);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

PROBGEN_EXPORT int64_t probgen_settings_size() { return sizeof(probgen::Settings); }
