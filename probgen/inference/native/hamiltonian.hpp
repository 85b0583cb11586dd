// The Hamiltonian system: points of phase space, momentum refreshment, the leapfrog step.
//
// H = -log density + |p|^2 / 2 in whitened momenta (see metric.hpp). The leapfrog step is
// symplectic and reversible with energy error O(step^2): Neal (2011), "MCMC using Hamiltonian
// dynamics", handbook of MCMC, section 2.3.
#pragma once
#include "density.hpp"
#include "metric.hpp"
#include "rng.hpp"
#include "vector.hpp"

namespace probgen {

// Position with what is known there. Momenta are kept apart: a trajectory needs many of them.
struct Point {
    double* position;
    double* force;
    double log_density;
};

class Hamiltonian {
  public:
    Hamiltonian(Density density, const Settings& settings, size_t dim, Store& store)
        : density(density), metric(dim, settings, store), dim(dim), n(packs_for(dim)),
          gradient_(store.vector()), velocity_(store.vector()) {}

    Density density;
    Metric metric;
    const size_t dim, n;

    Point point(Store& store) const { return Point{store.vector(), store.vector(), 0}; }

    void copy_point(Point& to, const Point& from) const {
        copy(to.position, from.position, n);
        copy(to.force, from.force, n);
        to.log_density = from.log_density;
    }

    void state(Archive& archive, Point& x) const {
        archive.finite("position", x.position, dim);
        archive.vector("force", x.force, dim);
        archive.real("log_density", x.log_density);
    }

    void evaluate(Point& x) {
        x.log_density = density(x.position, gradient_);
        metric.force(gradient_, x.force);
    }

    // Fresh standard normal momentum; returns its kinetic energy.
    double refresh(Rng& rng, double* momentum) const {
        rng.normals(momentum, dim);
        return 0.5 * dot(momentum, momentum, n);
    }

    // One leapfrog step of signed size `step`: moves x, reads momentum, writes `moved`; returns
    // the new kinetic energy.
    double leapfrog(Point& x, const double* momentum, double* moved, double step) {
        const double half = 0.5 * step;
        Pack* q = packs(x.position);
        Pack* f = packs(x.force);
        const Pack* p = packs(momentum);
        Pack* m = packs(moved);
        Pack square = {};
        if (metric.diagonal()) {
            const Pack* scale = packs(metric.scale());
            for (size_t i = 0; i < n; ++i) {
                m[i] = p[i] + half * f[i];
                q[i] += step * scale[i] * m[i];
            }
            x.log_density = density(x.position, gradient_);
            const Pack* g = packs(gradient_);
            for (size_t i = 0; i < n; ++i) {
                f[i] = scale[i] * g[i];
                m[i] += half * f[i];
                square += m[i] * m[i];
            }
        } else {
            for (size_t i = 0; i < n; ++i) m[i] = p[i] + half * f[i];
            metric.velocity(moved, velocity_);
            const Pack* v = packs(velocity_);
            for (size_t i = 0; i < n; ++i) q[i] += step * v[i];
            evaluate(x);
            for (size_t i = 0; i < n; ++i) {
                m[i] += half * f[i];
                square += m[i] * m[i];
            }
        }
        return 0.5 * total(square);
    }

  private:
    double* gradient_;
    double* velocity_;
};

}  // namespace probgen
