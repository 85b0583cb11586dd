// Eigenvalues, singular values, orthogonal factors and exponentials of small matrices. Included
// where it is called. Golub and Van Loan, Matrix Computations (2013), sections 5.2, 8.5, 8.6;
// Higham, The scaling and squaring method for the matrix exponential revisited (2005).
#pragma once

namespace probgen::spectra {

constexpr int SWEEPS = 60;

// Cosine and sine of the rotation that makes gamma vanish in ((alpha, gamma), (gamma, beta)).
static inline void rotation(double alpha, double beta, double gamma, double& c, double& s) {
    const double zeta = (beta - alpha) / (2.0 * gamma);
    const double root = __builtin_sqrt(1.0 + zeta * zeta);
    const double t = zeta >= 0.0 ? 1.0 / (zeta + root) : -1.0 / (root - zeta);
    c = 1.0 / __builtin_sqrt(1.0 + t * t);
    s = c * t;
}

// Turns two vectors of n numbers, `step` apart, into each other.
static inline void rotate(double* x, double* y, long n, long step, double c, double s) {
    for (long i = 0; i < n * step; i += step) {
        const double a = x[i], b = y[i];
        x[i] = c * a - s * b;
        y[i] = s * a + c * b;
    }
}

static inline void identity(double* a, long n) {
    for (long i = 0; i < n * n; ++i) a[i] = i % (n + 1) ? 0.0 : 1.0;
}

// One symmetric matrix (destroyed) by Jacobi's method: the columns of v are its eigenvectors.
static inline void jacobi(double* a, double* v, long n) {
    identity(v, n);
    for (int sweep = 0; sweep < SWEEPS; ++sweep) {
        double off = 0.0, all = 0.0;
        for (long i = 0; i < n; ++i)
            for (long j = 0; j < n; ++j) {
                const double w = a[i * n + j] * a[i * n + j];
                all += w;
                off += i == j ? 0.0 : w;
            }
        if (!(off > 1e-34 * all)) break;
        for (long p = 0; p < n; ++p)
            for (long q = p + 1; q < n; ++q) {
                if (a[p * n + q] == 0.0) continue;
                double c, s;
                rotation(a[p * n + p], a[q * n + q], a[p * n + q], c, s);
                rotate(a + p, a + q, n, n, c, s);
                rotate(a + p * n, a + q * n, n, 1, c, s);
                rotate(v + p, v + q, n, n, c, s);
            }
    }
}

// Row 0 of every (n + 1) x n result: the eigenvalues, ascending; below, the eigenvectors in
// columns. Reads the lower triangles.
static inline void eigh(double* out, const double* x, long batch, long n) {
    double* const a = workspace(2 * n * n);
    double* const v = a + n * n;
    for (long k = 0; k < batch; ++k, out += (n + 1) * n, x += n * n) {
        for (long i = 0; i < n; ++i)
            for (long j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = x[i * n + j];
        jacobi(a, v, n);
        for (long i = 0; i < n; ++i) {
            long rank = 0;
            const double mine = a[i * n + i];
            for (long j = 0; j < n; ++j)
                rank += a[j * n + j] < mine || (a[j * n + j] == mine && j < i);
            rank = mine != mine ? i : rank;
            out[rank] = mine;
            for (long j = 0; j < n; ++j) out[(j + 1) * n + rank] = v[j * n + i];
        }
    }
}

// For every m x n matrix with m >= n: m rows of left singular vectors (in columns), one of
// singular values, descending, n of right singular vectors (in columns). One-sided Jacobi.
static inline void svd(double* out, const double* x, long batch, long m, long n) {
    double* const w = workspace(m * n + n * n + n);
    double* const v = w + m * n;
    double* const size = v + n * n;
    for (long k = 0; k < batch; ++k, out += (m + 1 + n) * n, x += m * n) {
        for (long i = 0; i < m * n; ++i) w[i] = x[i];
        identity(v, n);
        bool turned = true;
        for (int sweep = 0; sweep < SWEEPS && turned; ++sweep) {
            turned = false;
            for (long p = 0; p < n; ++p)
                for (long q = p + 1; q < n; ++q) {
                    double alpha = 0.0, beta = 0.0, gamma = 0.0;
                    for (long i = 0; i < m; ++i) {
                        alpha += w[i * n + p] * w[i * n + p];
                        beta += w[i * n + q] * w[i * n + q];
                        gamma += w[i * n + p] * w[i * n + q];
                    }
                    if (!(gamma * gamma > 1e-31 * alpha * beta)) continue;
                    double c, s;
                    rotation(alpha, beta, gamma, c, s);
                    rotate(w + p, w + q, m, n, c, s);
                    rotate(v + p, v + q, n, n, c, s);
                    turned = true;
                }
        }
        for (long j = 0; j < n; ++j) {
            double sum = 0.0;
            for (long i = 0; i < m; ++i) sum += w[i * n + j] * w[i * n + j];
            size[j] = __builtin_sqrt(sum);
        }
        for (long j = 0; j < n; ++j) {
            long rank = 0;
            for (long i = 0; i < n; ++i)
                rank += size[i] > size[j] || (size[i] == size[j] && i < j);
            rank = size[j] != size[j] ? j : rank;
            for (long i = 0; i < m; ++i)
                out[i * n + rank] = size[j] == 0.0 ? 0.0 : w[i * n + j] / size[j];
            out[m * n + rank] = size[j];
            for (long i = 0; i < n; ++i) out[(m + 1 + i) * n + rank] = v[i * n + j];
        }
    }
}

// For every m x n matrix, with k = min(m, n): q (m x k), then r (k x n). Householder's method
// with LAPACK's signs.
static inline void qr(double* out, const double* x, long batch, long m, long n) {
    const long k = m < n ? m : n;
    double* const a = workspace(m * n + k);
    double* const tau = a + m * n;
    for (long b = 0; b < batch; ++b, out += m * k + k * n, x += m * n) {
        double *const q = out, *const r = out + m * k;
        for (long i = 0; i < m * n; ++i) a[i] = x[i];
        for (long j = 0; j < k; ++j) {
            double below = 0.0;
            for (long i = j + 1; i < m; ++i) below += a[i * n + j] * a[i * n + j];
            const double top = a[j * n + j];
            tau[j] = 0.0;
            if (below == 0.0) continue;
            const double size = __builtin_sqrt(top * top + below);
            const double diagonal = top > 0.0 ? -size : size;
            tau[j] = (diagonal - top) / diagonal;
            for (long i = j + 1; i < m; ++i) a[i * n + j] /= top - diagonal;
            a[j * n + j] = diagonal;
            for (long c = j + 1; c < n; ++c) {
                double sum = a[j * n + c];
                for (long i = j + 1; i < m; ++i) sum += a[i * n + j] * a[i * n + c];
                a[j * n + c] -= tau[j] * sum;
                for (long i = j + 1; i < m; ++i) a[i * n + c] -= tau[j] * sum * a[i * n + j];
            }
        }
        for (long i = 0; i < k; ++i)
            for (long j = 0; j < n; ++j) r[i * n + j] = j < i ? 0.0 : a[i * n + j];
        for (long i = 0; i < m; ++i)
            for (long j = 0; j < k; ++j) q[i * k + j] = i == j ? 1.0 : 0.0;
        for (long j = k - 1; j >= 0; --j)
            for (long c = 0; c < k; ++c) {
                double sum = q[j * k + c];
                for (long i = j + 1; i < m; ++i) sum += a[i * n + j] * q[i * k + c];
                q[j * k + c] -= tau[j] * sum;
                for (long i = j + 1; i < m; ++i) q[i * k + c] -= tau[j] * sum * a[i * n + j];
            }
    }
}

// The matrix that moves rows as the pivots of a factorisation say.
static inline void permutation(double* out, const double* pivots, long batch, long n) {
    for (long k = 0; k < batch; ++k, out += n * n, pivots += n) {
        identity(out, n);
        for (long i = 0; i < n; ++i) {
            const long other = long(pivots[i]) - 1;
            for (long r = 0; r < n; ++r) {
                const double held = out[r * n + i];
                out[r * n + i] = out[r * n + other];
                out[r * n + other] = held;
            }
        }
    }
}

static inline void multiply(double* out, const double* a, const double* b, long n) {
    for (long i = 0; i < n * n; ++i) out[i] = 0.0;
    for (long i = 0; i < n; ++i)
        for (long p = 0; p < n; ++p)
            for (long j = 0; j < n; ++j) out[i * n + j] += a[i * n + p] * b[p * n + j];
}

// Solves a x = b in place of b by elimination with pivots; a is destroyed.
static inline void eliminate(double* a, double* b, long n) {
    for (long j = 0; j < n; ++j) {
        long best = j;
        for (long i = j + 1; i < n; ++i)
            if (__builtin_fabs(a[i * n + j]) > __builtin_fabs(a[best * n + j])) best = i;
        for (long c = 0; best != j && c < n; ++c) {
            const double upper = a[j * n + c], right = b[j * n + c];
            a[j * n + c] = a[best * n + c], b[j * n + c] = b[best * n + c];
            a[best * n + c] = upper, b[best * n + c] = right;
        }
        for (long i = j + 1; i < n; ++i) {
            const double w = a[i * n + j] / a[j * n + j];
            for (long c = j; c < n; ++c) a[i * n + c] -= w * a[j * n + c];
            for (long c = 0; c < n; ++c) b[i * n + c] -= w * b[j * n + c];
        }
    }
    for (long i = n - 1; i >= 0; --i)
        for (long c = 0; c < n; ++c) {
            for (long p = i + 1; p < n; ++p) b[i * n + c] -= a[i * n + p] * b[p * n + c];
            b[i * n + c] /= a[i * n + i];
        }
}

// The exponential of every n x n matrix: a Padé approximant of degree 13, scaled and squared.
static inline void exponential(double* out, const double* x, long batch, long n) {
    static const double B[14] = {64764752532480000., 32382376266240000., 7771770303897600.,
                                 1187353796428800.,  129060195264000.,   10559470521600.,
                                 670442572800.,      33522128640.,       1323241920.,
                                 40840800.,          960960.,            16380.,
                                 182.,               1.};
    const long size = n * n;
    double* const a = workspace(7 * size);
    double *const a2 = a + size, *const a4 = a2 + size, *const a6 = a4 + size;
    double *const u = a6 + size, *const v = u + size, *const t = v + size;
    for (long k = 0; k < batch; ++k, out += size, x += size) {
        double norm = 0.0;
        for (long j = 0; j < n; ++j) {
            double column = 0.0;
            for (long i = 0; i < n; ++i) column += __builtin_fabs(x[i * n + j]);
            norm = column > norm || column != column ? column : norm;
        }
        int squarings = 0;
        double scale = 1.0;
        for (; norm * scale > 5.37 && squarings < 1000; ++squarings) scale *= 0.5;
        for (long i = 0; i < size; ++i) a[i] = x[i] * scale;
        multiply(a2, a, a, n);
        multiply(a4, a2, a2, n);
        multiply(a6, a4, a2, n);
        for (long i = 0; i < size; ++i) {
            u[i] = B[13] * a6[i] + B[11] * a4[i] + B[9] * a2[i];
            v[i] = B[12] * a6[i] + B[10] * a4[i] + B[8] * a2[i];
        }
        multiply(t, a6, u, n);
        for (long i = 0; i < size; ++i)
            t[i] += B[7] * a6[i] + B[5] * a4[i] + B[3] * a2[i] + (i % (n + 1) ? 0.0 : B[1]);
        multiply(u, a, t, n);
        multiply(t, a6, v, n);
        for (long i = 0; i < size; ++i) {
            t[i] += B[6] * a6[i] + B[4] * a4[i] + B[2] * a2[i] + (i % (n + 1) ? 0.0 : B[0]);
            out[i] = t[i] + u[i];
            t[i] -= u[i];
        }
        eliminate(t, out, n);
        for (; squarings > 0; --squarings) {
            for (long i = 0; i < size; ++i) t[i] = out[i];
            multiply(out, t, t, n);
        }
    }
}

}  // namespace probgen::spectra
