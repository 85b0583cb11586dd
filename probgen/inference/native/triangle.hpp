// The Cholesky factor L of a full covariance, by padded rows.
#pragma once
#include <cmath>
#include <utility>

#include "archive.hpp"
#include "vector.hpp"

namespace probgen {

class Triangle {
  public:
    Triangle(size_t dim, Store& store)
        : dim_(dim), length_(packs_for(dim) * kLanes), factor_(store.block(dim * length_)),
          candidate_(store.block(dim * length_)) {}

    // Factor `covariance` (padded rows, lower triangle); false, and no change, if it has none.
    bool set(const double* covariance) {
        for (size_t i = 0; i < dim_; ++i) {
            double* target = candidate_ + i * length_;
            for (size_t j = 0; j <= i; ++j) {
                const double* other = candidate_ + j * length_;
                double sum = covariance[i * length_ + j];
                for (size_t k = 0; k < j; ++k) sum -= target[k] * other[k];
                if (j < i) {
                    target[j] = sum / other[j];
                } else if (sum > 1e-300 && sum < 1e300) {
                    target[i] = std::sqrt(sum);
                } else {
                    return false;
                }
            }
        }
        std::swap(factor_, candidate_);
        return true;
    }

    double entry(size_t i, size_t j) const { return factor_[i * length_ + j]; }

    // Take a factor as it is: plain rows of length dim.
    void restore(const double* factor) {
        for (size_t i = 0; i < dim_; ++i)
            std::memcpy(factor_ + i * length_, factor + i * dim_, (i + 1) * sizeof(double));
    }

    void state(Archive& archive) { archive.matrix("factor", factor_, dim_, dim_, length_); }

    // out = L x
    void apply(const double* x, double* out) const {
        for (size_t i = 0; i < dim_; ++i)
            out[i] = dot(factor_ + i * length_, x, packs_for(i + 1));
    }

    // out = L^T x
    void apply_transposed(const double* x, double* out) const {
        std::memset(out, 0, length_ * sizeof(double));
        for (size_t i = 0; i < dim_; ++i) {
            const Pack* line = packs(factor_ + i * length_);
            for (size_t j = 0; j < packs_for(i + 1); ++j) packs(out)[j] += x[i] * line[j];
        }
    }

    // x = L^-T x
    void solve_transposed(double* x) const {
        for (size_t i = dim_; i-- > 0;) {
            const double* line = factor_ + i * length_;
            x[i] /= line[i];
            for (size_t j = 0; j < i; ++j) x[j] -= x[i] * line[j];
        }
    }

  private:
    size_t dim_, length_;
    double *factor_, *candidate_;
};

}  // namespace probgen
