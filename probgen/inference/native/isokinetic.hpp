// Isokinetic dynamics: the speed is one, forces turn the direction of travel only.
//
// dx/dt = u, du/dt = (1 - u u^T) grad log p / (d - 1), in the whitened space of the metric. Both
// parts have closed solutions; the momentum's changes the volume of phase space, which the
// "kinetic energy" (d - 1) log |p| accounts for: exp(-energy change) is the acceptance ratio.
// Robnik, De Luca, Silverstein & Seljak (2023), "Microcanonical Hamiltonian Monte Carlo"; ver
// Steeg & Galstyan (2021), "Hamiltonian dynamics with non-Newtonian momentum for rapid sampling".
#pragma once
#include <algorithm>
#include <cmath>

#include "hamiltonian.hpp"
#include "microcanonical_settings.hpp"

namespace probgen {

constexpr double kMinimalNorm = 0.1931833275037836;  // McLachlan (1995): least error, two forces

class Isokinetic {
  public:
    Isokinetic(Hamiltonian& system, int64_t integrator, Store& store)
        : system_(system), mclachlan_(integrator == kMclachlan), travel_(store.vector()),
          noise_(store.vector()) {}

    // One step of size `step`: moves x and turns the velocity; returns the change of energy.
    double operator()(Point& x, double* velocity, double step) {
        const double before = x.log_density;
        const double outer = mclachlan_ ? kMinimalNorm : 0.5;
        double kinetic = turn(x.force, velocity, outer * step);
        if (mclachlan_) {
            drift(x, velocity, 0.5 * step);
            kinetic += turn(x.force, velocity, (1 - 2 * kMinimalNorm) * step);
        }
        drift(x, velocity, mclachlan_ ? 0.5 * step : step);
        kinetic += turn(x.force, velocity, outer * step);
        return kinetic - (x.log_density - before);
    }

    // A velocity in a direction of its own.
    void refresh(double* velocity, Rng& rng) const {
        rng.normals(velocity, system_.dim);
        normalise(velocity);
    }

    // Let the direction decohere for the time `step`, over the length `length`.
    void refresh_partly(double* velocity, double step, double length, Rng& rng) const {
        rng.normals(noise_, system_.dim);
        const double amount = std::sqrt(std::expm1(2 * step / length) / double(system_.dim));
        for (size_t i = 0; i < system_.n; ++i) packs(velocity)[i] += amount * packs(noise_)[i];
        normalise(velocity);
    }

  private:
    void drift(Point& x, const double* velocity, double step) {
        system_.metric.velocity(velocity, travel_);
        for (size_t i = 0; i < system_.n; ++i) packs(x.position)[i] += step * packs(travel_)[i];
        system_.evaluate(x);
    }

    // Turn the velocity towards the force for the time `step`; returns the kinetic energy's change.
    double turn(const double* force, double* velocity, double step) const {
        const size_t n = system_.n;
        const double size = std::sqrt(dot(force, force, n));
        if (size == 0) return 0;
        const double freedom = double(system_.dim - 1), speed = dot(velocity, velocity, n);
        const double along = std::clamp(dot(force, velocity, n) / size, -1.0, 1.0);
        const double delta = step * size / freedom, decay = std::exp(-delta);
        const double pull = (1 - decay) * (1 + decay + along * (1 - decay));
        const double norm = std::sqrt(pull * pull + 4 * decay * (pull * along + decay * speed));
        const double a = pull / (size * norm), b = 2 * decay / norm;
        for (size_t i = 0; i < n; ++i)
            packs(velocity)[i] = a * packs(force)[i] + b * packs(velocity)[i];
        return freedom * (delta - M_LN2 + std::log(1 + along + (1 - along) * decay * decay));
    }

    void normalise(double* velocity) const {
        const double size = 1 / std::sqrt(dot(velocity, velocity, system_.n));
        for (size_t i = 0; i < system_.n; ++i) packs(velocity)[i] *= size;
    }

    Hamiltonian& system_;
    const bool mclachlan_;
    double *travel_, *noise_;
};

}  // namespace probgen
