// Euclidean metrics as a linear change of coordinates.
//
// The inverse mass matrix is L L^T. Momenta live in the whitened space where they are standard
// normal, so kinetic energy and U-turn checks are plain dot products; positions stay in the
// density's own coordinates. The "force" is the gradient seen from the whitened space, L^T g.
// L is a diagonal D, a diagonal after a stretch, D (I + U diag(...) U^T), or a full triangle.
// Betancourt (2017), "A conceptual introduction to Hamiltonian Monte Carlo", section 4.2.
#pragma once
#include <memory>

#include "stretch.hpp"
#include "triangle.hpp"

namespace probgen {

class Metric {
  public:
    Metric(size_t dim, const Settings& settings, Store& store)
        : dim_(dim), n_(packs_for(dim)), scale_(store.vector()), scaled_(store.vector()),
          stretch_(dim, dim <= kSmall ? dim : size_t(settings.max_directions), store) {
        for (size_t i = 0; i < n_ * kLanes; ++i) scale_[i] = 1;
        if (settings.metric == kDense) triangle_ = std::make_unique<Triangle>(dim, store);
    }

    bool diagonal() const { return stretch_.rank() == 0 && !full_; }
    // Directions that are stretched, beyond the diagonal.
    size_t rank() const { return full_ ? dim_ : stretch_.rank(); }
    const double* scale() const { return scale_; }

    // out = L momentum
    void velocity(const double* momentum, double* out) const {
        if (full_) return triangle_->apply(momentum, out);
        stretch_.apply(momentum, out);
        for (size_t i = 0; i < n_; ++i) packs(out)[i] *= packs(scale_)[i];
    }

    // out = L^T gradient
    void force(const double* gradient, double* out) const {
        if (full_) return triangle_->apply_transposed(gradient, out);
        for (size_t i = 0; i < n_; ++i) packs(scaled_)[i] = packs(scale_)[i] * packs(gradient)[i];
        stretch_.apply(scaled_, out);
    }

    // out = L^-T force
    void gradient(const double* force, double* out) const {
        copy(out, force, n_);
        if (full_) return triangle_->solve_transposed(out);
        stretch_.undo(out);
        for (size_t i = 0; i < n_; ++i) packs(out)[i] /= packs(scale_)[i];
    }

    // Set one variance of the diagonal; what is no sensible positive number is ignored.
    void set_variance(size_t i, double variance) {
        if (variance > 1e-20 && variance < 1e20) scale_[i] = std::sqrt(variance);
    }

    void set_directions(const Directions& directions) {
        for (size_t i = 0; i < n_; ++i) packs(scale_)[i] *= directions.bulk();
        stretch_.set(directions);
    }

    // Take a full covariance (padded rows); false, and no change, if it has no Cholesky factor.
    bool set_covariance(const double* covariance) {
        const bool taken = triangle_->set(covariance);
        full_ = full_ || taken;
        return taken;
    }

  private:
    size_t dim_, n_;
    double *scale_, *scaled_;
    Stretch stretch_;
    std::unique_ptr<Triangle> triangle_;
    bool full_ = false;
};

}  // namespace probgen
