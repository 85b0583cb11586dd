// A stretch along a few orthonormal directions: I + U diag(sqrt(value) - 1) U^T.
//
// Four directions at a time, interleaved by packs, so that one sweep over a vector serves four
// dot products. With few coordinates the whole matrix is cheaper, and is used instead.
#pragma once
#include "directions.hpp"

namespace probgen {

class Stretch {
  public:
    Stretch(size_t dim, size_t most, Store& store)
        : dim_(dim), n_(packs_for(dim)), capacity_((most + 3) / 4 * 4), small_(dim <= kSmall),
          basis_(store.block(capacity_ * n_ * kLanes)), longer_(store.block(capacity_)),
          shorter_(store.block(capacity_)), square_(store.block(kSmall * kSmall)) {}

    size_t rank() const { return rank_; }
    double eigenvalue(size_t k) const { return values_[k]; }
    // Component i of direction k.
    double component(size_t k, size_t i) const {
        return packs(basis_)[(k / 4) * 4 * n_ + k % 4 + 4 * (i / kLanes)][i % kLanes];
    }

    // From orthonormal padded vectors with their eigenvalues.
    template <class Source>
    void set(const Source& directions) {
        rank_ = directions.rank();
        values_.assign(rank_, 0);
        std::memset(basis_, 0, capacity_ * n_ * sizeof(Pack));
        std::memset(longer_, 0, capacity_ * sizeof(double));
        std::memset(shorter_, 0, capacity_ * sizeof(double));
        for (size_t k = 0; k < rank_; ++k) {
            values_[k] = directions.value(k);
            const double root = std::sqrt(values_[k]);
            longer_[k] = root - 1;
            shorter_[k] = 1 / root - 1;
            Pack* block = packs(basis_) + (k / 4) * 4 * n_ + k % 4;
            for (size_t i = 0; i < n_; ++i) block[4 * i] = packs(directions.vector(k))[i];
        }
        if (small_) set_square(directions);
    }

    void state(Archive& archive) {
        if (capacity_ == 0) return;
        archive.integer("stretch_rank", rank_, 0, int64_t(capacity_));
        values_.resize(capacity_);
        archive.vector("stretch_values", values_.data(), capacity_);
        values_.resize(rank_);
        archive.vector("stretch_longer", longer_, capacity_);
        archive.vector("stretch_shorter", shorter_, capacity_);
        archive.vector("stretch_basis", basis_, capacity_ * n_ * kLanes);
        if (small_) archive.vector("stretch_square", square_, kSmall * kSmall);
    }

    // out = stretched x; the two must not overlap.
    void apply(const double* x, double* out) const {
        if (!small_ || rank_ == 0) {
            copy(out, x, n_);
            along(out, longer_);
        } else if (n_ == 1) {
            multiply<1>(x, out);
        } else {
            multiply<2>(x, out);
        }
    }

    // x = the vector that `apply` takes to x.
    void undo(double* x) const { along(x, shorter_); }

  private:
    void along(double* vector, const double* factors) const {
        Pack* x = packs(vector);
        for (size_t k = 0; k < rank_; k += 4) {
            const Pack* u = packs(basis_) + k * n_;
            Pack s0 = {}, s1 = {}, s2 = {}, s3 = {};
            for (size_t i = 0; i < n_; ++i) {
                s0 += x[i] * u[4 * i];
                s1 += x[i] * u[4 * i + 1];
                s2 += x[i] * u[4 * i + 2];
                s3 += x[i] * u[4 * i + 3];
            }
            const double c0 = factors[k] * total(s0), c1 = factors[k + 1] * total(s1);
            const double c2 = factors[k + 2] * total(s2), c3 = factors[k + 3] * total(s3);
            for (size_t i = 0; i < n_; ++i)
                x[i] += (c0 * u[4 * i] + c1 * u[4 * i + 1]) +
                        (c2 * u[4 * i + 2] + c3 * u[4 * i + 3]);
        }
    }

    template <class Source>
    void set_square(const Source& directions) {
        std::memset(square_, 0, kSmall * kSmall * sizeof(double));
        for (size_t i = 0; i < dim_; ++i) {
            double* line = square_ + i * n_ * kLanes;
            line[i] = 1;
            for (size_t k = 0; k < rank_; ++k) {
                const double* u = directions.vector(k);
                for (size_t j = 0; j < dim_; ++j) line[j] += longer_[k] * u[i] * u[j];
            }
        }
    }

    template <size_t Packs>
    void multiply(const double* x, double* out) const {
        const Pack* line = packs(square_);
        Pack even[Packs] = {}, odd[Packs] = {};
        for (size_t j = 0; j < Packs * kLanes; j += 2, line += 2 * Packs)
            for (size_t i = 0; i < Packs; ++i) {
                even[i] += x[j] * line[i];
                odd[i] += x[j + 1] * line[Packs + i];
            }
        for (size_t i = 0; i < Packs; ++i) packs(out)[i] = even[i] + odd[i];
    }

    size_t dim_, n_, capacity_, rank_ = 0;
    bool small_;
    double *basis_, *longer_, *shorter_, *square_;
    std::vector<double> values_;
};

}  // namespace probgen
