// Symmetric matrices of a few rows: eigenvectors by Jacobi's rotations, functions, means.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

namespace probgen {

struct SmallMatrix {
    explicit SmallMatrix(size_t n) : n(n), values(n * n, 0.0) {}
    double& operator()(size_t i, size_t j) { return values[i * n + j]; }
    double operator()(size_t i, size_t j) const { return values[i * n + j]; }
    size_t n;
    std::vector<double> values;
};

inline SmallMatrix product(const SmallMatrix& x, const SmallMatrix& y) {
    SmallMatrix out(x.n);
    for (size_t i = 0; i < x.n; ++i)
        for (size_t k = 0; k < x.n; ++k)
            for (size_t j = 0; j < x.n; ++j) out(i, j) += x(i, k) * y(k, j);
    return out;
}

inline double trace(const SmallMatrix& x) {
    double sum = 0;
    for (size_t i = 0; i < x.n; ++i) sum += x(i, i);
    return sum;
}

// Rotate rows p and q of `x` by the angle with the given cosine and sine.
inline void rotate_rows(SmallMatrix& x, size_t p, size_t q, double cosine, double sine) {
    double *a = &x(p, 0), *b = &x(q, 0);
    for (size_t k = 0; k < x.n; ++k) {
        const double u = a[k], v = b[k];
        a[k] = cosine * u - sine * v;
        b[k] = sine * u + cosine * v;
    }
}

// Cyclic Jacobi (Golub & Van Loan, section 8.5): leaves the eigenvalues on the diagonal of
// `matrix` and returns the eigenvectors as rows.
inline SmallMatrix diagonalise(SmallMatrix& matrix) {
    const size_t n = matrix.n;
    SmallMatrix vectors(n);
    for (size_t i = 0; i < n; ++i) vectors(i, i) = 1;
    for (int sweep = 0; sweep < 30; ++sweep) {
        double off = 0, size = 0;
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n; ++j) (i == j ? size : off) += matrix(i, j) * matrix(i, j);
        if (!(off > 1e-18 * size)) break;
        for (size_t p = 0; p < n; ++p) {
            for (size_t q = p + 1; q < n; ++q) {
                if (matrix(p, q) == 0) continue;
                const double ratio = (matrix(q, q) - matrix(p, p)) / (2 * matrix(p, q));
                const double tangent =
                    (ratio >= 0 ? 1 : -1) / (std::fabs(ratio) + std::sqrt(ratio * ratio + 1));
                const double cosine = 1 / std::sqrt(tangent * tangent + 1);
                const double sine = tangent * cosine;
                rotate_rows(matrix, p, q, cosine, sine);
                rotate_rows(vectors, p, q, cosine, sine);
                for (size_t k = 0; k < n; ++k) {
                    const double u = matrix(k, p), v = matrix(k, q);
                    matrix(k, p) = cosine * u - sine * v;
                    matrix(k, q) = sine * u + cosine * v;
                }
            }
        }
    }
    return vectors;
}

// The symmetric matrix with the same eigenvectors and the eigenvalues mapped by f.
template <class Function>
SmallMatrix mapped(SmallMatrix matrix, Function f) {
    const SmallMatrix vectors = diagonalise(matrix);
    SmallMatrix out(matrix.n);
    for (size_t k = 0; k < out.n; ++k) {
        const double value = f(matrix(k, k));
        for (size_t i = 0; i < out.n; ++i)
            for (size_t j = 0; j < out.n; ++j) out(i, j) += value * vectors(k, i) * vectors(k, j);
    }
    return out;
}

// The geometric mean of `a` and the inverse of `b`: the positive S with S b S = a.
inline SmallMatrix geometric_mean(const SmallMatrix& a, const SmallMatrix& b) {
    const auto root = [](double x) { return std::sqrt(std::max(x, 1e-300)); };
    const SmallMatrix root_b = mapped(b, root);
    const SmallMatrix inverse = mapped(b, [&](double x) { return 1 / root(x); });
    const SmallMatrix middle = mapped(product(root_b, product(a, root_b)), root);
    return product(inverse, product(middle, inverse));
}

}  // namespace probgen
