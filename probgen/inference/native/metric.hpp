// Euclidean metrics as a linear change of coordinates: diagonal or dense.
//
// The inverse mass matrix is L L^T. Momenta live in the whitened space where they are standard
// normal, so kinetic energy and U-turn checks are plain dot products; positions stay in the
// density's own coordinates. The "force" is the gradient seen from the whitened space, L^T g.
// Betancourt (2017), "A conceptual introduction to Hamiltonian Monte Carlo", section 4.2.
#pragma once
#include "settings.hpp"
#include "vector.hpp"

namespace probgen {

class Metric {
  public:
    Metric(MetricKind kind, size_t dim, Store& store)
        : kind_(kind), dim_(dim), n_(packs_for(dim)), scale_(store.vector()) {
        for (size_t i = 0; i < n_ * kLanes; ++i) scale_[i] = 1;
        if (kind == kDense) {
            factor_ = store.block(dim * n_ * kLanes);
            candidate_ = store.block(dim * n_ * kLanes);
            for (size_t i = 0; i < dim; ++i) row(factor_, i)[i] = 1;
        }
    }

    bool diagonal() const { return kind_ == kDiagonal; }
    const double* scale() const { return scale_; }

    // velocity = L momentum
    void velocity(const double* momentum, double* out) const {
        for (size_t i = 0; i < dim_; ++i) out[i] = dot(row(factor_, i), momentum, packs_for(i + 1));
    }

    // force = L^T gradient
    void force(const double* gradient, double* out) const {
        if (diagonal()) {
            for (size_t i = 0; i < n_; ++i) packs(out)[i] = packs(scale_)[i] * packs(gradient)[i];
            return;
        }
        for (size_t j = 0; j < n_; ++j) packs(out)[j] = Pack{};
        for (size_t i = 0; i < dim_; ++i) {
            const Pack* line = packs(row(factor_, i));
            for (size_t j = 0; j < packs_for(i + 1); ++j) packs(out)[j] += gradient[i] * line[j];
        }
    }

    // gradient = L^-T force
    void gradient(const double* force, double* out) const {
        if (diagonal()) {
            for (size_t i = 0; i < n_; ++i) packs(out)[i] = packs(force)[i] / packs(scale_)[i];
            return;
        }
        copy(out, force, n_);
        for (size_t i = dim_; i-- > 0;) {
            const double* line = row(factor_, i);
            out[i] /= line[i];
            for (size_t j = 0; j < i; ++j) out[j] -= out[i] * line[j];
        }
    }

    void set_scale(size_t i, double value) { scale_[i] = value; }

    // Take the Cholesky factor of `covariance` (rows padded); false, and no change, if it has none.
    bool set_covariance(const double* covariance) {
        for (size_t i = 0; i < dim_; ++i) {
            double* target = row(candidate_, i);
            for (size_t j = 0; j <= i; ++j) {
                double sum = row(covariance, i)[j];
                const double* other = row(candidate_, j);
                for (size_t k = 0; k < j; ++k) sum -= target[k] * other[k];
                if (j < i) {
                    target[j] = sum / other[j];
                } else if (sum > 0 && sum < 1e300) {
                    target[i] = __builtin_sqrt(sum);
                } else {
                    return false;
                }
            }
        }
        std::swap(factor_, candidate_);
        for (size_t i = 0; i < dim_; ++i) scale_[i] = __builtin_sqrt(row(covariance, i)[i]);
        return true;
    }

    double* row(double* matrix, size_t i) const { return matrix + i * n_ * kLanes; }
    const double* row(const double* matrix, size_t i) const { return matrix + i * n_ * kLanes; }

  private:
    MetricKind kind_;
    size_t dim_, n_;
    double* scale_;              // diagonal of the inverse mass matrix, square roots
    double* factor_ = nullptr;   // dense: L by rows, lower triangular, zeros above
    double* candidate_ = nullptr;
};

}  // namespace probgen
