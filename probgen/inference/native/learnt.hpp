// The stretched directions of an earlier run, as the metric takes them.
#pragma once
#include <vector>

#include "settings.hpp"
#include "vector.hpp"

namespace probgen {

// Orthonormal vectors with their eigenvalues, padded copies of the rows in use.
class KeptDirections {
  public:
    KeptDirections(const Learnt& from, size_t dim, Store& store) {
        for (int64_t k = 0; k < from.rows && from.eigenvalues[k] > 0; ++k) {
            double* padded = store.vector();
            std::memcpy(padded, from.directions + size_t(k) * dim, dim * sizeof(double));
            vectors_.push_back(padded);
            values_.push_back(from.eigenvalues[k]);
        }
    }

    size_t rank() const { return values_.size(); }
    double value(size_t k) const { return values_[k]; }
    const double* vector(size_t k) const { return vectors_[k]; }

  private:
    std::vector<const double*> vectors_;
    std::vector<double> values_;
};

}  // namespace probgen
