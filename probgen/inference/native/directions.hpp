// The few directions in which a diagonal metric is wrong, from positions and gradients.
//
// In coordinates scaled by the diagonal, a Gaussian posterior of covariance S has gradients
// g = -S^-1 x, so the vectors d = x + g = (I - S^-1) x lie in the span of exactly those
// directions in which S differs from the identity, however few the draws; an eigenvalue s of S
// gives d the second moment s + 1/s - 2. The leading directions are found by subspace iteration;
// within them S is the geometric mean of cov(x) and the inverse of cov(g), which minimises the
// Fisher divergence to the posterior (the principle behind nutpie's metrics: Seyboldt, Carlson &
// Carpenter 2026). What lies outside is scaled as a whole, so that the bulk and not the outliers
// sets the unit.
#pragma once
#include <cmath>
#include <utility>
#include <vector>

#include "history.hpp"
#include "settings.hpp"
#include "small_matrix.hpp"

namespace probgen {

constexpr size_t kSmall = 16;  // up to so many coordinates, all directions are looked at

class Directions {
  public:
    Directions(size_t dim, size_t capacity, const Settings& settings, Store& store)
        : dim_(dim), n_(packs_for(dim)), settings_(settings),
          most_(settings.max_directions == 0 ? 0
                : dim <= kSmall              ? dim
                                             : size_t(settings.max_directions)),
          cutoff_(settings.cutoff),
          x_(rows(most_ ? capacity : 0, store)), g_(rows(most_ ? capacity : 0, store)),
          d_(rows(most_ ? capacity : 0, store)), basis_(rows(most_, store)),
          spare_(rows(most_, store)) {}

    size_t rank() const { return values_.size(); }
    double value(size_t k) const { return values_[k]; }
    const double* vector(size_t k) const { return row(basis_, k); }
    double bulk() const { return bulk_; }   // factor on the diagonal's scale

    void state(Archive& archive) {
        if (most_ == 0) return;
        size_t rank = values_.size();
        archive.integer("directions_rank", rank, 0, int64_t(most_));
        values_.resize(most_);
        archive.vector("directions_values", values_.data(), most_);
        values_.resize(rank);
        archive.matrix("directions_basis", basis_, most_, dim_, n_ * kLanes);
        archive.real("directions_bulk", bulk_);
        archive.real("directions_rest", rest_);
    }

    // From the `count` youngest draws, in coordinates scaled by `scale`.
    void find(const History& history, const Moments& moments, size_t count, const double* scale) {
        count_ = count;
        standardise(history, moments, scale);
        const double x_total = dot(x_, x_, count * n_), g_total = dot(g_, g_, count * n_);
        bulk_ = balance(x_total, g_total) * rest_;
        rescale();
        const size_t k = leading(subspace());
        const SmallMatrix x = second_moment(x_, k), g = second_moment(g_, k);
        SmallMatrix s = geometric_mean(shrunk(x), shrunk(g));
        combine(diagonalise(s));
        const double rest =
            k == dim_ ? 1
                      : balance(x_total / (bulk_ * bulk_) - trace(x),
                                g_total * (bulk_ * bulk_) - trace(g));
        bulk_ *= rest;
        rest_ *= rest;
        keep_outside(s, rest * rest);
    }

  private:
    bool whole() const { return most_ == dim_; }   // all of the space is looked at

    double* rows(size_t count, Store& store) const { return store.block(count * n_ * kLanes); }
    double* row(double* matrix, size_t i) const { return matrix + i * n_ * kLanes; }
    const double* row(const double* matrix, size_t i) const { return matrix + i * n_ * kLanes; }

    void add(double* to, double factor, const double* x) const {
        for (size_t i = 0; i < n_; ++i) packs(to)[i] += factor * packs(x)[i];
    }

    void standardise(const History& history, const Moments& moments, const double* scale) {
        for (size_t t = 0; t < count_; ++t) {
            const Pack *q = packs(history.position(t)), *gradient = packs(history.gradient(t));
            Pack *x = packs(row(x_, t)), *g = packs(row(g_, t));
            for (size_t i = 0; i < n_; ++i) {
                x[i] = (q[i] - packs(moments.position_mean)[i]) / packs(scale)[i];
                g[i] = (gradient[i] - packs(moments.gradient_mean)[i]) * packs(scale)[i];
            }
        }
    }

    // Scale of the positions against that of the gradients, from their sums of squares.
    static double balance(double x_square, double g_square) {
        const double ratio = x_square / g_square;
        return ratio > 1e-20 && ratio < 1e20 ? std::sqrt(std::sqrt(ratio)) : 1;
    }

    void rescale() {
        const double inverse = 1 / bulk_;
        for (size_t i = 0; i < count_ * n_; ++i) {
            packs(x_)[i] *= inverse;
            packs(g_)[i] *= bulk_;
            packs(d_)[i] = packs(x_)[i] + packs(g_)[i];
        }
    }

    // An orthonormal basis near the span of the leading right singular vectors of d; returns its
    // size. The last basis found is a good start.
    size_t subspace() {
        if (whole()) {
            std::memset(basis_, 0, dim_ * n_ * sizeof(Pack));
            for (size_t i = 0; i < dim_; ++i) row(basis_, i)[i] = 1;
            return dim_;
        }
        const size_t k = std::min(most_, count_ / 3), known = std::min(rank(), k);
        for (size_t j = 0; j < k; ++j)
            copy(row(spare_, j), j < known ? row(basis_, j) : row(d_, j * count_ / k), n_);
        size_t found = orthonormalise(k);
        for (int round = 0; round < 3; ++round) {
            std::memset(spare_, 0, found * n_ * sizeof(Pack));
            for (size_t t = 0; t < count_; ++t)
                for (size_t j = 0; j < found; ++j)
                    add(row(spare_, j), dot(row(d_, t), row(basis_, j), n_), row(d_, t));
            found = orthonormalise(found);
        }
        return found;
    }

    // Gram-Schmidt, twice, from the spare rows into the basis; drops what is dependent.
    size_t orthonormalise(size_t k) {
        size_t found = 0;
        for (size_t j = 0; j < k; ++j) {
            double* x = row(spare_, j);
            const double before = std::sqrt(dot(x, x, n_));
            for (int pass = 0; pass < 2; ++pass)
                for (size_t m = 0; m < found; ++m)
                    add(x, -dot(x, row(basis_, m), n_), row(basis_, m));
            const double size = std::sqrt(dot(x, x, n_));
            if (!(size > 1e-8 * before && size < 1e200)) continue;
            std::memset(row(basis_, found), 0, n_ * sizeof(Pack));
            add(row(basis_, found++), 1 / size, x);
        }
        return found;
    }

    // Turn the basis to the principal axes of d; keep those that an eigenvalue at the cutoff has.
    size_t leading(size_t k) {
        const double least = cutoff_ + 1 / cutoff_ - 2;
        SmallMatrix second = second_moment(d_, k, whole());
        combine(diagonalise(second));
        size_t kept = 0;
        for (size_t j = 0; j < k; ++j)
            if (second(j, j) >= least * double(count_))
                copy(row(basis_, kept++), row(basis_, j), n_);
        return kept;
    }

    // The eigenvalues that matter, against `unit`, with their directions first in the basis.
    void keep_outside(const SmallMatrix& s, double unit) {
        values_.clear();
        for (size_t j = 0; j < s.n; ++j) {
            const double value = s(j, j) / unit;
            const bool outside = value > cutoff_ || value < 1 / cutoff_;
            if (!outside || !(value > 1e-12 && value < 1e12)) continue;
            copy(row(basis_, values_.size()), row(basis_, j), n_);
            values_.push_back(value);
        }
    }

    // Basis rows become the combinations given by the rows of `weights`.
    void combine(const SmallMatrix& weights) {
        std::memset(spare_, 0, weights.n * n_ * sizeof(Pack));
        for (size_t j = 0; j < weights.n; ++j)
            for (size_t m = 0; m < weights.n; ++m)
                add(row(spare_, j), weights(j, m), row(basis_, m));
        std::swap(basis_, spare_);
    }

    // Sum of outer products of the draws' coordinates in the basis (the unit vectors if `plain`).
    SmallMatrix second_moment(const double* vectors, size_t k, bool plain = false) const {
        SmallMatrix out(k);
        std::vector<double> inside(k);
        for (size_t t = 0; t < count_; ++t) {
            const double* draw = row(vectors, t);
            for (size_t j = 0; j < k; ++j)
                inside[j] = plain ? draw[j] : dot(draw, row(basis_, j), n_);
            for (size_t i = 0; i < k; ++i)
                for (size_t j = 0; j < k; ++j) out(i, j) += inside[i] * inside[j];
        }
        return out;
    }

    // A sum over draws as a covariance, shrunk to the identity by the prior's draws.
    SmallMatrix shrunk(SmallMatrix sum) const {
        const double prior = settings_.prior_directions, weight = 1 / (double(count_) + prior);
        for (double& value : sum.values) value *= weight;
        for (size_t i = 0; i < sum.n; ++i) sum(i, i) += prior * weight;
        return sum;
    }

    size_t dim_, n_;
    const Settings& settings_;
    size_t most_;
    const double cutoff_;
    double *x_, *g_, *d_, *basis_, *spare_;
    size_t count_ = 0;
    double bulk_ = 1, rest_ = 1;
    std::vector<double> values_;
};

}  // namespace probgen
