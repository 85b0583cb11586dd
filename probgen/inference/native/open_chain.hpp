// A chain as Python holds it: advanced by some transitions at a time, saved and loaded between.
#pragma once
#include "archive.hpp"
#include "hamiltonian.hpp"
#include "outcome.hpp"
#include "settings.hpp"

namespace probgen {

class OpenChain {
  public:
    OpenChain(const Settings& settings, volatile Report* report)
        : report_(report), warmup_transitions_(settings.warmup) {}
    virtual ~OpenChain() = default;

    // From a starting point; a chain that is loaded has none.
    virtual Outcome start(const double* initial) = 0;

    // Make `count` transitions, of which the draws go to the first rows of `out`; a chain that
    // was stopped within one cannot go on.
    Outcome advance(int64_t count, const Output& out, const volatile int32_t* stop) {
        begun_ = now();
        const Outcome outcome = transitions(done_ + count, out, stop);
        seconds_ += now() - begun_;
        report_->seconds_draws = seconds_ - report_->seconds_warmup;
        keep();
        return outcome;
    }

    // Make ready to be loaded with the state after so many transitions.
    void place(int64_t iteration) { report_->iterations = done_ = iteration; }

    // All that the next transition depends on, and the totals so far.
    virtual void state(Archive& archive) = 0;

  protected:
    virtual Outcome transitions(int64_t end, const Output& out, const volatile int32_t* stop) = 0;

    // Leave what was learnt where later runs find it.
    virtual void keep() = 0;

    bool warm() const { return done_ < warmup_transitions_; }

    void after_warm(const Density& density, double step) {
        report_->step_size = step;
        report_->gradients_warmup = density.evaluations;
        report_->seconds_warmup = seconds_ + now() - begun_;
        report_->iterations = done_;
    }

    void after_draw(const Density& density, double step, bool diverging) {
        report_->step_size = step;
        if (diverging) report_->divergences = report_->divergences + 1;
        report_->gradients_draws = density.evaluations - report_->gradients_warmup;
        report_->iterations = done_;
    }

    void totals(Archive& archive, Density& density) {
        constexpr int64_t kMost = int64_t(1) << 62;
        int64_t divergences = report_->divergences, warmup = report_->gradients_warmup;
        double seconds_warmup = report_->seconds_warmup;
        archive.integer("counters/divergences", divergences, 0, done_);
        archive.integer("counters/gradients", density.evaluations, 0, kMost);
        archive.integer("counters/gradients_warmup", warmup, 0, kMost);
        archive.real("counters/seconds_chain", seconds_, 0);
        archive.real("counters/seconds_chain_warmup", seconds_warmup, 0);
        report_->divergences = divergences;
        report_->gradients_warmup = warmup;
        report_->gradients_draws = density.evaluations - warmup;
        report_->seconds_warmup = seconds_warmup;
        report_->seconds_draws = seconds_ - seconds_warmup;
    }

    volatile Report* report_;
    int64_t done_ = 0;   // transitions, warm-up included

  private:
    const int64_t warmup_transitions_;
    double begun_ = 0, seconds_ = 0;
};

}  // namespace probgen

#define PROBGEN_EXPORT extern "C" __attribute__((visibility("default")))

PROBGEN_EXPORT int32_t probgen_start(probgen::OpenChain* chain, const double* initial) {
    try {
        return chain->start(initial);
    } catch (const std::bad_alloc&) {
        return probgen::kOutOfMemory;
    }
}

PROBGEN_EXPORT int32_t probgen_advance(probgen::OpenChain* chain, int64_t count,
                                       const probgen::Output* out,
                                       const volatile int32_t* stop) {
    try {
        return chain->advance(count, *out, stop);
    } catch (const std::bad_alloc&) {
        return probgen::kOutOfMemory;
    }
}

// Describe, save or load the state; the number of fields, or -1 - i where field i is refused.
PROBGEN_EXPORT int64_t probgen_state(probgen::OpenChain* chain, int32_t mode,
                                     probgen::Field* fields, int64_t capacity) {
    probgen::Archive archive(probgen::Archive::Mode(mode), fields, capacity);
    chain->state(archive);
    return archive.result();
}

PROBGEN_EXPORT void probgen_place(probgen::OpenChain* chain, int64_t iteration) {
    chain->place(iteration);
}

PROBGEN_EXPORT void probgen_close(probgen::OpenChain* chain) { delete chain; }

PROBGEN_EXPORT int64_t probgen_sizes(int32_t which) {
    using namespace probgen;
    return which == 0   ? sizeof(Output)
           : which == 1 ? sizeof(Report)
           : which == 2 ? sizeof(Learnt)
                        : sizeof(Field);
}
