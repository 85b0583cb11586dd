// Running variances of positions and gradients, and the covariance of positions (Welford 1962).
#pragma once
#include "vector.hpp"

namespace probgen {

class Moments {
  public:
    Moments(size_t dim, Store& store, bool covariance)
        : dim_(dim), n_(packs_for(dim)), mean_(store.vector()), square_(store.vector()),
          gradient_mean_(store.vector()), gradient_square_(store.vector()),
          deviation_(store.vector()),
          products_(covariance ? store.block(dim * n_ * kLanes) : nullptr) {}

    double count = 0;

    void reset() {
        count = 0;
        for (double* x : {mean_, square_, gradient_mean_, gradient_square_})
            std::memset(x, 0, n_ * sizeof(Pack));
        if (products_) std::memset(products_, 0, dim_ * n_ * sizeof(Pack));
    }

    void add(const double* position, const double* gradient) {
        count += 1;
        const double weight = 1 / count;
        accumulate(position, mean_, square_, weight);
        if (products_) add_products(position);
        accumulate(gradient, gradient_mean_, gradient_square_, weight);
    }

    double variance(size_t i) const { return square_[i] / (count - 1); }
    double gradient_variance(size_t i) const { return gradient_square_[i] / (count - 1); }
    double covariance(size_t i, size_t j) const { return products_[i * n_ * kLanes + j] / (count - 1); }

  private:
    void accumulate(const double* x, double* mean, double* square, double weight) {
        for (size_t i = 0; i < n_; ++i) {
            const Pack before = packs(x)[i] - packs(mean)[i];
            packs(mean)[i] += weight * before;
            packs(square)[i] += before * (packs(x)[i] - packs(mean)[i]);
        }
    }

    // (x - old mean)(x - new mean)^T = count / (count - 1) (x - new mean)(x - new mean)^T
    void add_products(const double* x) {
        if (count < 2) return;
        const double factor = count / (count - 1);
        for (size_t i = 0; i < n_; ++i) packs(deviation_)[i] = packs(x)[i] - packs(mean_)[i];
        for (size_t i = 0; i < dim_; ++i) {
            Pack* line = packs(products_ + i * n_ * kLanes);
            const double scaled = factor * deviation_[i];
            for (size_t j = 0; j < packs_for(i + 1); ++j) line[j] += scaled * packs(deviation_)[j];
        }
    }

    size_t dim_, n_;
    double *mean_, *square_, *gradient_mean_, *gradient_square_, *deviation_, *products_;
};

}  // namespace probgen
