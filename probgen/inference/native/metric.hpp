// Euclidean metrics as a linear change of coordinates.
//
// The inverse mass matrix is L L^T. Momenta live in the whitened space where they are standard
// normal, so kinetic energy and U-turn checks are plain dot products; positions stay in the
// density's own coordinates. The "force" is the gradient seen from the whitened space, L^T g.
// L is a diagonal D, a diagonal after a stretch, D (I + U diag(...) U^T), or a full triangle.
// Betancourt (2017), "A conceptual introduction to Hamiltonian Monte Carlo", section 4.2.
#pragma once
#include <memory>

#include "learnt.hpp"
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

    void state(Archive& archive) {
        archive.finite("scale", scale_, dim_, 0);
        stretch_.state(archive);
        if (!triangle_) return;
        archive.integer("dense", full_, 0, 1);
        triangle_->state(archive);
    }

    // Write the metric into the caller's arrays, or take it from there.
    void keep(const Learnt& out) const {
        std::memcpy(out.scale, scale_, dim_ * sizeof(double));
        for (size_t k = 0; k < size_t(out.rows); ++k) {
            const bool used = k < stretch_.rank();
            out.eigenvalues[k] = used ? stretch_.eigenvalue(k) : 0;
            for (size_t i = 0; i < dim_; ++i)
                out.directions[k * dim_ + i] = used ? stretch_.component(k, i) : 0;
        }
        if (!out.factor) return;
        std::memset(out.factor, 0, dim_ * dim_ * sizeof(double));
        for (size_t i = 0; full_ && i < dim_; ++i)
            for (size_t j = 0; j <= i; ++j) out.factor[i * dim_ + j] = triangle_->entry(i, j);
    }

    void restore(const Learnt& from, Store& store) {
        std::memcpy(scale_, from.scale, dim_ * sizeof(double));
        if (from.rows > 0) stretch_.set(KeptDirections(from, dim_, store));
        full_ = triangle_ && from.factor && from.factor[0] > 0;
        if (full_) triangle_->restore(from.factor);
    }

  private:
    size_t dim_, n_;
    double *scale_, *scaled_;
    Stretch stretch_;
    std::unique_ptr<Triangle> triangle_;
    bool full_ = false;
};

}  // namespace probgen
