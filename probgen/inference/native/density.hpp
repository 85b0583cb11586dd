// The log density as a function pointer, with a count of its evaluations.
#pragma once
#include <cstdint>

namespace probgen {

typedef double (*DensityFunction)(const double* position, double* gradient, const void* context);

struct Density {
    DensityFunction function;
    const void* context;
    int64_t evaluations = 0;

    double operator()(const double* position, double* gradient) {
        ++evaluations;
        return function(position, gradient, context);
    }
};

}  // namespace probgen
