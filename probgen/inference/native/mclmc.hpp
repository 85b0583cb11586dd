// Microcanonical Langevin Monte Carlo, without Metropolis decisions.
//
// Isokinetic steps, each followed by a little noise on the direction of travel. The step size is
// set so that a step's energy error has a given variance per coordinate, which bounds the bias.
// Robnik, De Luca, Silverstein & Seljak (2023); Robnik & Seljak (2024), "Fluctuation without
// dissipation: microcanonical Langevin Monte Carlo".
#pragma once
#include "energy_search.hpp"
#include "isokinetic.hpp"
#include "transition.hpp"

namespace probgen {

class Mclmc {
  public:
    Mclmc(const MicrocanonicalSettings& settings, Hamiltonian& system, Store& store, Tuning& tuning)
        : settings_(settings), system_(system), tuning_(tuning),
          move_(system, settings.integrator, store),
          search_(settings, system.dim), before_(system.point(store)),
          velocity_(store.vector()), reversed_(store.vector()) {}

    void start(Point& current, Rng& rng) {
        if (settings_.step_size <= 0 && !settings_.resume)
            tuning_.step_size = first_step(current, rng);
        search_.start(tuning_.step_size);
        move_.refresh(velocity_, rng);
    }

    Transition operator()(Point& current, Rng& rng, const volatile int32_t* stop) {
        Transition result;
        result.acceptance = 1;
        const int64_t steps = int64_t(tuning_.steps);
        while (result.steps < steps) {
            if (*stop) {
                result.stopped = true;
                return result;
            }
            result.diverging |= !advance(current, result.energy_error);
            move_.refresh_partly(velocity_, tuning_.step_size, tuning_.length, rng);
            ++result.steps;
        }
        return result;
    }

    void warm(bool warm) { learning_ = warm && settings_.step_size <= 0; }

    void state(Archive& archive, bool warm) {
        archive.finite("velocity", velocity_, system_.dim);
        archive.real("energy_error_sum", squares_);
        archive.real("energy_error_count", counted_);
        if (warm) search_.state(archive);
    }

    // For the next warm-up draw.
    void prepare() { set_steps(settings_.draws_per_length_warmup, settings_.most_steps_warmup); }

    void learn(const Transition&, bool last) {
        if (last) set_steps(settings_.draws_per_length, settings_.most_steps);
    }

    // The distance travelled by a draw.
    double travelled() const { return tuning_.steps * tuning_.step_size; }

    void settle() { search_.settle(); }

  private:
    // One step; where the energy is lost it is undone and the direction reversed, which leaves
    // the density of what can be reached as it is.
    bool advance(Point& current, double& energy_error) {
        system_.copy_point(before_, current);
        copy(reversed_, velocity_, system_.n);
        const double change = move_(current, velocity_, tuning_.step_size);
        const bool good = std::fabs(change) < settings_.max_energy_error;
        if (good) {
            energy_error += change;
        } else {
            system_.copy_point(current, before_);
            for (size_t i = 0; i < system_.n; ++i) packs(velocity_)[i] = -packs(reversed_)[i];
        }
        if (learning_) {
            search_.update(tuning_.step_size, change, good);
            tuning_.step_size = search_.step();
        } else if (good) {
            squares_ += change * change / double(system_.dim);
            tuning_.energy_error = squares_ / ++counted_;
        }
        return good;
    }

    void set_steps(double draws_per_length, int64_t most) {
        const double wanted = tuning_.length / (draws_per_length * tuning_.step_size);
        const double steps = settings_.steps_per_draw > 0 ? double(settings_.steps_per_draw)
                                                          : std::round(wanted);
        tuning_.steps = std::clamp(steps, 1.0, double(most));
    }

    // Double or halve until one step's energy error crosses what is aimed at.
    double first_step(const Point& current, Rng& rng) {
        double step = 0.25 * std::sqrt(double(system_.dim));
        int direction = 0;
        for (int attempt = 0; attempt < 50; ++attempt) {
            system_.copy_point(before_, current);
            move_.refresh(velocity_, rng);
            const double change = move_(before_, velocity_, step);
            const int wanted = search_.exceeds(change) ? -1 : 1;
            if (direction != 0 && wanted != direction) break;
            direction = wanted;
            step *= direction > 0 ? 2 : 0.5;
        }
        return step;
    }

    const MicrocanonicalSettings& settings_;
    Hamiltonian& system_;
    Tuning& tuning_;
    Isokinetic move_;
    EnergySearch search_;
    Point before_;
    double *velocity_, *reversed_;
    bool learning_ = false;
    double squares_ = 0, counted_ = 0;
};

}  // namespace probgen
