// Derivatives of Cholesky factors: the reverse mode of the factorisation itself, in place, by
// Murray (2016), "Differentiation of the Cholesky decomposition", arXiv:1602.07527. A third of
// n^3 multiplications, where the formula with triangular solves takes two of n^3.
#pragma once

namespace probgen::factors {

// With the derivative by the rows `from` to `to` of the factor of the lower triangle in x (rows
// n apart), x becomes that by the same part of the matrix.
static inline void rows_backward(double* x, const double* factor, long n, long from, long to) {
    for (long j = to - 1; j >= from; --j) {
        const double* const row = factor + j * n;
        double* const own = x + j * n;
        const double inverse = 1.0 / row[j];
        double pivot = own[j];
        for (long i = j + 1; i < to; ++i) {
            x[i * n + j] *= inverse;
            pivot -= x[i * n + j] * factor[i * n + j];
        }
        pivot *= inverse;
        for (long p = from; p < j; ++p) own[p] -= pivot * row[p];
        for (long i = j + 1; i < to; ++i) {
            const double weight = x[i * n + j];
#pragma GCC ivdep
            for (long p = from; p < j; ++p) {
                own[p] -= weight * factor[i * n + p];
                x[i * n + p] -= weight * row[p];
            }
        }
        own[j] = 0.5 * pivot;
    }
}

// The lower triangle of the derivative by a factor; what is above the diagonal is set to zero.
static inline void copy_lower(double* out, const double* grad, long n) {
    for (long i = 0; i < n; ++i)
        for (long j = 0; j < n; ++j) out[i * n + j] = j <= i ? grad[i * n + j] : 0.0;
}

// A derivative by the lower triangle only, as one by both halves of a symmetric matrix.
static inline void symmetric(double* out, long n) {
    for (long i = 0; i < n; ++i)
        for (long j = 0; j < i; ++j) out[j * n + i] = out[i * n + j] *= 0.5;
}

// The derivative by `batch` symmetric n x n matrices, from that by their lower factors.
static inline void cholesky_backward(double* out, const double* grad, const double* factor,
                                     long batch, long n) {
    for (long k = 0; k < batch; ++k, out += n * n, grad += n * n, factor += n * n) {
        copy_lower(out, grad, n);
        rows_backward(out, factor, n, 0, n);
        symmetric(out, n);
    }
}

// c -= a b of row-major matrices with rows `n` apart; a is transposed on wish.
static inline void subtract(const Routines& call, double* c, const double* a, bool transposed,
                            const double* b, int n, int rows, int inner, int columns) {
    const double one = 1.0, minus = -1.0;
    if (rows && inner && columns)
        call.gemm("N", transposed ? "T" : "N", &columns, &rows, &inner, &minus, b, &n, a, &n, &one,
                  c, &n);
}

// The lower triangle above the diagonal as well, and the diagonal times `scale`.
static inline void mirror(double* x, long n, long width, double scale) {
    for (long i = 0; i < width; ++i) {
        for (long j = 0; j < i; ++j) x[j * n + i] = x[i * n + j];
        x[i * n + i] *= scale;
    }
}

// As `cholesky_backward`, by blocks of columns, the last first.
static inline void cholesky_backward_blas(double* out, const unsigned char* table,
                                          const double* grad, const double* factor, long batch,
                                          int n) {
    const Routines& call = routines(table);
    const int size = n < 256 ? 24 : 48;
    const double one = 1.0;
    const long step = long(n) * n;
    for (long k = 0; k < batch; ++k, out += step, grad += step, factor += step) {
        copy_lower(out, grad, n);
        for (int to = n; to > 0;) {
            const int from = to > size ? to - size : 0, width = to - from, below = n - to;
            const long row = long(from) * n, under = long(to) * n;
            const double* const pivots = factor + row + from;
            double *const beside = out + under + from, *const own = out + row + from;
            if (below)
                call.trsm("L", "U", "N", "N", &width, &below, &one, pivots, &n, beside, &n);
            subtract(call, out + under, beside, false, factor + row, n, below, width, from);
            subtract(call, own, beside, true, factor + under + from, n, width, below, width);
            rows_backward(out, factor, n, from, to);
            subtract(call, out + row, beside, true, factor + under, n, width, below, from);
            mirror(own, n, width, 2.0);
            subtract(call, out + row, own, false, factor + row, n, width, width, from);
            mirror(own, n, width, 0.5);
            to = from;
        }
        symmetric(out, n);
    }
}

}  // namespace probgen::factors
