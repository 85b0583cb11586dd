// The first warm-up draws of a microcanonical sampler, made with NUTS.
//
// At constant speed a far start is left slowly: where forces are large, steps must be small. In
// Hamiltonian dynamics a chain picks up speed as it falls, and a few trajectories bring it home.
#pragma once
#include "nuts.hpp"
#include "step_size.hpp"
#include "warmup.hpp"

namespace probgen {

class BurnIn {
  public:
    BurnIn(const Settings& settings, Hamiltonian& system, Store& store)
        : nuts_(settings, system, store),
          averaging_(settings), scratch_(system.point(store)), momentum_(store.vector()),
          system_(system) {}

    void start(const Point& current, Rng& rng) {
        step_ = first_step_size(system_, current, scratch_, momentum_, rng, kAccept);
        averaging_.start(step_);
    }

    void state(Archive& archive) {
        archive.real("burn_in_step", step_, kSmallestStep, kLargestStep);
        averaging_.state(archive);
    }

    // The draw that follows `done` others.
    Transition operator()(Point& current, Rng& rng, const Warmup& warmup, int64_t done,
                          const volatile int32_t* stop) {
        nuts_.limit(warmup.depth_limit(done));
        const Transition transition = nuts_(current, rng, step_, stop);
        averaging_.update(transition.acceptance, kAccept);
        step_ = averaging_.step();
        return transition;
    }

    // As isokinetic samplers count it, whose speed is one and not the root of the dimension.
    double step() const { return step_ * std::sqrt(double(system_.dim)); }

  private:
    static constexpr double kAccept = 0.8;

    Nuts nuts_;
    DualAveraging averaging_;
    Point scratch_;
    double* momentum_;
    Hamiltonian& system_;
    double step_ = 1;
};

}  // namespace probgen
