// What generated densities call besides <cmath>. Every function is branch-light so that the
// compiler can vectorise the loops around it.
#pragma once
#include <cmath>
#include <cstdint>
#include <memory>

namespace probgen {

static inline double abs(double x) { return __builtin_fabs(x); }
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline double square(double x) { return x * x; }
static inline double sign(double x) { return (x > 0) - (x < 0); }
static inline bool isnan(double x) { return __builtin_isnan(x); }
static inline bool isinf(double x) { return __builtin_isinf(x); }
static inline bool isfinite(double x) { return __builtin_isfinite(x); }
// A NaN operand wins, as in torch.
static inline double maximum(double a, double b) { return a > b || a != a ? a : b; }
static inline double minimum(double a, double b) { return a < b || a != a ? a : b; }

static inline double log1p(double x) { return std::log1p(x); }

// Stirling's series after a shift by 8 (Abramowitz & Stegun 6.1.40), for x > 0.
static inline double lgamma(double x) {
    if (!(x > 0.0) || x > 1e15) return std::lgamma(x);
    const double p = x * (x + 1) * (x + 2) * (x + 3) * (x + 4) * (x + 5) * (x + 6) * (x + 7);
    const double y = x + 8.0, r = 1.0 / y, s = r * r;
    const double series =
        r * (1.0 / 12 + s * (-1.0 / 360 + s * (1.0 / 1260 + s * (-1.0 / 1680 +
        s * (1.0 / 1188 + s * (-691.0 / 360360 + s * (1.0 / 156)))))));
    return (y - 0.5) * std::log(y) - y + 0.91893853320467274178 + series - std::log(p);
}

// Recurrence up to 10, then the asymptotic series (Abramowitz & Stegun 6.3.18).
static inline double digamma(double x) {
    double result = 0.0;
    if (x <= 0.0) {
        if (x == std::floor(x)) return x == 0.0 ? -INFINITY : NAN;
        result = -3.14159265358979323846 / std::tan(3.14159265358979323846 * x);
        x = 1.0 - x;
    }
    while (x < 10.0) {
        result -= 1.0 / x;
        x += 1.0;
    }
    const double s = 1.0 / (x * x);
    return result + std::log(x) - 0.5 / x -
           s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 -
           s * (1.0 / 132 - s * (691.0 / 32760 - s * (1.0 / 12)))))));
}

// Scratch memory of a thread, grown on demand; for functions whose buffers exceed the stack.
static inline double* workspace(long size) {
    static thread_local std::unique_ptr<double[]> memory;
    static thread_local long capacity = 0;
    if (capacity < size) {
        memory.reset(new double[size]);
        capacity = size;
    }
    return memory.get();
}

// Lower Cholesky factor of `batch` symmetric n x n matrices; NaN when not positive definite.
static inline void cholesky(double* out, const double* a, long batch, long n) {
    for (long k = 0; k < batch; ++k, out += n * n, a += n * n) {
        for (long j = 0; j < n; ++j) {
            for (long i = 0; i < j; ++i) out[i * n + j] = 0.0;
            double pivot = a[j * n + j];
            for (long p = 0; p < j; ++p) pivot -= out[j * n + p] * out[j * n + p];
            const double root = pivot > 0.0 ? std::sqrt(pivot) : NAN;
            out[j * n + j] = root;
            for (long i = j + 1; i < n; ++i) {
                double sum = a[i * n + j];
                for (long p = 0; p < j; ++p) sum -= out[i * n + p] * out[j * n + p];
                out[i * n + j] = sum / root;
            }
        }
    }
}

// Solves a x = b for `batch` triangular n x n matrices and n x m right-hand sides.
static inline void solve_triangular(double* out, const double* a, const double* b, long batch,
                                    long n, long m, long upper, long unit) {
    for (long k = 0; k < batch; ++k, out += n * m, a += n * n, b += n * m) {
        for (long step = 0; step < n; ++step) {
            const long i = upper ? n - 1 - step : step;
            const long first = upper ? i + 1 : 0, last = upper ? n : i;
            for (long c = 0; c < m; ++c) out[i * m + c] = b[i * m + c];
            for (long p = first; p < last; ++p) {
                const double w = a[i * n + p];
                for (long c = 0; c < m; ++c) out[i * m + c] -= w * out[p * m + c];
            }
            if (!unit) {
                const double inverse = 1.0 / a[i * n + i];
                for (long c = 0; c < m; ++c) out[i * m + c] *= inverse;
            }
        }
    }
}

}  // namespace probgen
