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
          x_(rows(most_ ? capacity : 0, store)), g_(rows(most_ ? capacity : 0, store)),
          d_(rows(most_ ? capacity : 0, store)), basis_(rows(most_, store)),
          spare_(rows(most_, store)) {}

    size_t rank() const { return values_.size(); }
    double value(size_t k) const { return values_[k]; }
    const double* vector(size_t k) const { return row(basis_, k); }
    double bulk() const { return bulk_; }   // factor on the diagonal's scale

    // From the `count` youngest draws, in coordinates scaled by `scale`.
    void find(const History& history, const Moments& moments, size_t count, const double* scale) {
        standardise(history, moments, count, scale);
        bulk_ = balance(count, rank());
        rescale(count, bulk_);
        const size_t k = leading(count, subspace(count));
        SmallMatrix s = geometric_mean(second_moment(x_, count, k), second_moment(g_, count, k));
        const SmallMatrix axes = diagonalise(s);
        combine(axes);
        const double rest = k < dim_ ? balance(count, k) : 1;
        bulk_ *= rest;
        values_.clear();
        for (size_t j = 0; j < k; ++j) {
            const double value = s(j, j) / (rest * rest);
            const bool outside = value > settings_.cutoff || value < 1 / settings_.cutoff;
            if (!outside || !(value > 1e-12 && value < 1e12)) continue;
            copy(row(basis_, values_.size()), row(basis_, j), n_);
            values_.push_back(value);
        }
    }

  private:
    double* rows(size_t count, Store& store) const { return store.block(count * n_ * kLanes); }
    double* row(double* matrix, size_t i) const { return matrix + i * n_ * kLanes; }
    const double* row(const double* matrix, size_t i) const { return matrix + i * n_ * kLanes; }

    void add(double* to, double factor, const double* x) const {
        for (size_t i = 0; i < n_; ++i) packs(to)[i] += factor * packs(x)[i];
    }

    void standardise(const History& history, const Moments& moments, size_t count,
                     const double* scale) {
        for (size_t t = 0; t < count; ++t) {
            const Pack *q = packs(history.position(t)), *gradient = packs(history.gradient(t));
            Pack *x = packs(row(x_, t)), *g = packs(row(g_, t));
            for (size_t i = 0; i < n_; ++i) {
                x[i] = (q[i] - packs(moments.position_mean)[i]) / packs(scale)[i];
                g[i] = (gradient[i] - packs(moments.gradient_mean)[i]) * packs(scale)[i];
            }
        }
    }

    // Scale of the positions against that of the gradients, outside the first k of the basis.
    double balance(size_t count, size_t k) const {
        double x_square = 0, g_square = 0;
        for (size_t t = 0; t < count; ++t) {
            const double *x = row(x_, t), *g = row(g_, t);
            x_square += dot(x, x, n_);
            g_square += dot(g, g, n_);
            for (size_t j = 0; j < k; ++j) {
                const double x_along = dot(x, row(basis_, j), n_);
                const double g_along = dot(g, row(basis_, j), n_);
                x_square -= x_along * x_along;
                g_square -= g_along * g_along;
            }
        }
        const double ratio = x_square / g_square;
        return ratio > 1e-20 && ratio < 1e20 ? std::sqrt(std::sqrt(ratio)) : 1;
    }

    void rescale(size_t count, double by) {
        for (size_t i = 0; i < count * n_; ++i) {
            packs(x_)[i] /= by;
            packs(g_)[i] *= by;
            packs(d_)[i] = packs(x_)[i] + packs(g_)[i];
        }
    }

    // An orthonormal basis near the span of the leading right singular vectors of d; returns its
    // size. The last basis found is a good start.
    size_t subspace(size_t count) {
        if (most_ == dim_) {
            std::memset(basis_, 0, dim_ * n_ * sizeof(Pack));
            for (size_t i = 0; i < dim_; ++i) row(basis_, i)[i] = 1;
            return dim_;
        }
        const size_t k = std::min(most_, count / 3), known = std::min(rank(), k);
        for (size_t j = 0; j < k; ++j)
            copy(row(spare_, j), j < known ? row(basis_, j) : row(d_, j * count / k), n_);
        size_t found = orthonormalise(k);
        for (int round = 0; round < 3; ++round) {
            std::memset(spare_, 0, found * n_ * sizeof(Pack));
            for (size_t t = 0; t < count; ++t)
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
    size_t leading(size_t count, size_t k) {
        const double least = settings_.cutoff + 1 / settings_.cutoff - 2;
        SmallMatrix second = second_moment(d_, count, k, 0);
        const SmallMatrix axes = diagonalise(second);
        combine(axes);
        size_t kept = 0;
        for (size_t j = 0; j < k; ++j)
            if (second(j, j) >= least) copy(row(basis_, kept++), row(basis_, j), n_);
        return kept;
    }

    // Basis rows become the combinations given by the rows of `weights`.
    void combine(const SmallMatrix& weights) {
        std::memset(spare_, 0, weights.n * n_ * sizeof(Pack));
        for (size_t j = 0; j < weights.n; ++j)
            for (size_t m = 0; m < weights.n; ++m)
                add(row(spare_, j), weights(j, m), row(basis_, m));
        std::swap(basis_, spare_);
    }

    SmallMatrix second_moment(const double* vectors, size_t count, size_t k) const {
        return second_moment(vectors, count, k, settings_.prior_directions);
    }

    // Second moment within the basis, shrunk to the identity by `prior` draws' worth.
    SmallMatrix second_moment(const double* vectors, size_t count, size_t k, double prior) const {
        SmallMatrix out(k);
        std::vector<double> along(k);
        for (size_t t = 0; t < count; ++t) {
            for (size_t j = 0; j < k; ++j) along[j] = dot(row(vectors, t), row(basis_, j), n_);
            for (size_t i = 0; i < k; ++i)
                for (size_t j = 0; j < k; ++j) out(i, j) += along[i] * along[j];
        }
        for (double& value : out.values) value /= double(count) + prior;
        for (size_t i = 0; i < k; ++i) out(i, i) += prior / (double(count) + prior);
        return out;
    }

    size_t dim_, n_;
    const Settings& settings_;
    size_t most_;
    double *x_, *g_, *d_, *basis_, *spare_;
    double bulk_ = 1;
    std::vector<double> values_;
};

}  // namespace probgen
