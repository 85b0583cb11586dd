// What generated densities call. No function branches where a loop could be vectorised around it:
// both sides are computed and one is selected. No headers are included, since parsing <cmath>
// takes longer than compiling most densities; the C library's functions are declared here.
#pragma once

#define NAN __builtin_nan("")
#define INFINITY __builtin_inf()

#if defined(__linux__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <features.h>
#if defined(__FAST_MATH__) && defined(__GLIBC__) && __GLIBC_PREREQ(2, 22)
#define PROBGEN_SIMD __attribute__((__simd__("notinbranch")))
#if __GLIBC_PREREQ(2, 35)
#define PROBGEN_SIMD_LATE PROBGEN_SIMD
#endif
#endif
#endif
#ifndef PROBGEN_SIMD
#define PROBGEN_SIMD
#endif
#ifndef PROBGEN_SIMD_LATE
#define PROBGEN_SIMD_LATE
#endif

extern "C" {
PROBGEN_SIMD double exp(double);
PROBGEN_SIMD double log(double);
PROBGEN_SIMD double sin(double);
PROBGEN_SIMD double cos(double);
PROBGEN_SIMD double pow(double, double);
PROBGEN_SIMD_LATE double exp2(double);
PROBGEN_SIMD_LATE double expm1(double);
PROBGEN_SIMD_LATE double log1p(double);
PROBGEN_SIMD_LATE double tan(double);
PROBGEN_SIMD_LATE double asin(double);
PROBGEN_SIMD_LATE double acos(double);
PROBGEN_SIMD_LATE double atan(double);
PROBGEN_SIMD_LATE double atan2(double, double);
PROBGEN_SIMD_LATE double sinh(double);
PROBGEN_SIMD_LATE double cosh(double);
PROBGEN_SIMD_LATE double tanh(double);
PROBGEN_SIMD_LATE double asinh(double);
PROBGEN_SIMD_LATE double acosh(double);
PROBGEN_SIMD_LATE double atanh(double);
PROBGEN_SIMD_LATE double erf(double);
PROBGEN_SIMD_LATE double erfc(double);
PROBGEN_SIMD_LATE double hypot(double, double);
double fmod(double, double);
void* malloc(__SIZE_TYPE__);
void free(void*);
}

namespace probgen {

constexpr double pi = 3.14159265358979323846;

// --- numbers -------------------------------------------------------------------------------

static inline double abs(double x) { return __builtin_fabs(x); }
static inline int abs(int x) { return x < 0 ? -x : x; }
static inline double square(double x) { return x * x; }
static inline double sqrt(double x) { return __builtin_sqrt(x); }
static inline double floor(double x) { return __builtin_floor(x); }
static inline double ceil(double x) { return __builtin_ceil(x); }
static inline double trunc(double x) { return __builtin_trunc(x); }
static inline double round(double x) { return __builtin_nearbyint(x); }
static inline double sign(double x) { return (x > 0) - (x < 0); }
static inline bool isnan(double x) { return x != x; }
static inline bool isinf(double x) { return __builtin_fabs(x) == INFINITY; }

// A NaN operand wins, as in torch. Two choices: loops around a choice by "or" are not vectorised.
static inline double maximum(double a, double b) {
    const double larger = a > b ? a : b;
    return a != a ? a : larger;
}
static inline double minimum(double a, double b) {
    const double smaller = a < b ? a : b;
    return a != a ? a : smaller;
}

// The result takes the sign of b, as in Python.
static inline double remainder(double a, double b) {
    const double r = fmod(a, b);
    return r != 0.0 && (r < 0.0) != (b < 0.0) ? r + b : r;
}
static inline int remainder(int a, int b) {
    const int r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

// x to a whole number of fewer than `bits` bits, or to its negative, by squaring.
template <int bits, class T>
static inline T whole_power(T x, int exponent) {
    const int k = exponent < 0 ? -exponent : exponent;
    T result = 1;
    for (int bit = 0; bit < bits; ++bit, x *= x) result *= k >> bit & 1 ? x : T(1);
    return exponent < 0 ? T(1) / result : result;
}

// A whole number that may index a buffer of `size` elements, whatever x is.
static inline int position(double x, int size) {
    return int(x >= 0.0 ? (x < size ? x : size - 1.0) : 0.0);
}

// --- gamma functions -------------------------------------------------------------------------

// sin(pi r) and cos(pi r) for |r| <= 1/2, by their series.
static inline double sine(double r) {
    const double s = r * r;
    return pi * r * (1.0 + s * (-1.64493406684822644 + s * (0.811742425283353644 +
        s * (-0.190751824122084214 + s * (0.0261478478176548005 + s * (-0.00234608103545582364 +
        s * (1.48428793031071004e-4 + s * (-6.97587366165638047e-6 +
        s * (2.53121740413702765e-7 - s * 7.3047118222177748e-9)))))))));
}
static inline double cosine(double r) {
    const double s = r * r;
    return 1.0 + s * (-4.9348022005446793 + s * (4.0587121264167682 + s * (-1.3352627688545895 +
        s * (0.23533063035889321 + s * (-0.025806891390014060 + s * (0.0019295743094039230 +
        s * (-1.0463810492484571e-4 + s * (4.3030695870329474e-6 +
        s * (-1.3878952462213773e-7 + s * 3.6047307974624990e-9)))))))));
}
// x less the nearest whole number.
static inline double fraction(double x) { return x - __builtin_nearbyint(x); }

// log|Gamma(x)|: Stirling's series after a shift by 8 (Abramowitz & Stegun 6.1.40), with the
// reflection formula 6.1.17 for x <= 0.
static inline double lgamma(double x) {
    const bool negative = x <= 0.0;
    const double z = negative ? 1.0 - x : x;
    const bool small = z < 1e5;
    const double y = small ? z + 8.0 : z, r = 1.0 / y, s = r * r;
    const double p =
        z * (z + 1) * (z + 2) * (z + 3) * (z + 4) * (z + 5) * (z + 6) * (z + 7);
    const double series =
        r * (1.0 / 12 + s * (-1.0 / 360 + s * (1.0 / 1260 + s * (-1.0 / 1680 +
        s * (1.0 / 1188 + s * (-691.0 / 360360 + s * (1.0 / 156)))))));
    const double large = (y - 0.5) * (log(y) - 1.0) + 0.41893853320467274178 + series;
    const double shift = small ? p : 1.0;
    const double reflected = __builtin_fabs(sine(fraction(x))) / (pi * shift);
    const double rest = log(negative ? reflected : shift);
    return (negative ? -large : large) - rest;
}

// The derivative of lgamma: recurrence by 8, then the asymptotic series 6.3.18.
static inline double digamma(double x) {
    const bool negative = x <= 0.0;
    const double z = negative ? 1.0 - x : x;
    const bool small = z < 1e5;
    double p = z, slope = 1.0;  // the product of z, z + 1 ... and its derivative
    for (int k = 1; k < 8; ++k) {
        slope = slope * (z + k) + p;
        p *= z + k;
    }
    const double y = small ? z + 8.0 : z, r = 1.0 / y, s = r * r;
    const double series =
        s * (1.0 / 12 - s * (1.0 / 120 - s * (1.0 / 252 - s * (1.0 / 240 - s * (1.0 / 132 -
        s * (691.0 / 32760 - s * (1.0 / 12 - s * (3617.0 / 8160))))))));
    const double value = log(y) - 0.5 * r - series - (small ? slope / p : 0.0);
    const double f = fraction(x), sin = sine(f);
    const double reflected = value - pi * cosine(f) / sin;
    const double pole = x == 0.0 ? -INFINITY : NAN;
    return negative ? (sin == 0.0 ? pole : reflected) : value;
}

// The derivative of digamma: recurrence by 8, then the asymptotic series 6.4.12.
static inline double trigamma(double x) {
    const bool negative = x <= 0.0;
    const double z = negative ? 1.0 - x : x;
    double sum = 0.0;
    for (int k = 0; k < 8; ++k) sum += 1.0 / ((z + k) * (z + k));
    const double y = z + 8.0, r = 1.0 / y, s = r * r;
    const double series =
        r * (1.0 + r * (0.5 + r * (1.0 / 6 - s * (1.0 / 30 - s * (1.0 / 42 - s * (1.0 / 30 -
        s * (5.0 / 66 - s * (691.0 / 2730 - s * (7.0 / 6 - s * (3617.0 / 510))))))))));
    const double value = sum + series, sin = sine(fraction(x));
    return negative ? square(pi / sin) - value : value;
}

// --- the normal distribution -----------------------------------------------------------------

// exp(x * x) * erfc(x): W. J. Cody, Rational Chebyshev approximations for the error function,
// Mathematics of Computation 23 (1969).
static inline double erfcx(double x) {
    const double a = __builtin_fabs(x), s = x * x, t = 1.0 / s;
    const double near = 1.0 - x *
        (3209.37758913846947 + s * (377.485237685302021 + s * (113.864154151050156 +
        s * (3.16112374387056560 + s * 0.185777706184603153)))) /
        (2844.23683343917062 + s * (1282.61652607737228 + s * (244.024637934444173 +
        s * (23.6012909523441209 + s))));
    const double middle =
        (1230.33935479799725 + a * (2051.07837782607147 + a * (1712.04761263407058 +
        a * (881.952221241769090 + a * (298.635138197400131 + a * (66.1191906371416295 +
        a * (8.88314979438837594 + a * (0.564188496988670089 +
        a * 2.15311535474403846e-8)))))))) /
        (1230.33935480374942 + a * (3439.36767414372164 + a * (4362.61909014324716 +
        a * (3290.79923573345963 + a * (1621.38957456669019 + a * (537.181101862009858 +
        a * (117.693950891312499 + a * (15.7449261107098347 + a))))))));
    const double tail = t *
        (6.58749161529837803e-4 + t * (1.60837851487422766e-2 + t * (0.125781726111229246 +
        t * (0.360344899949804439 + t * (0.305326634961232344 +
        t * 1.63153871373020978e-2))))) /
        (2.33520497626869185e-3 + t * (6.05183413124413191e-2 + t * (0.527905102951428412 +
        t * (1.87295284992346047 + t * (2.56852019228982242 + t)))));
    const double far = (0.56418958354775628695 - tail) / a;
    const double square_exp = exp(s);
    const double outer = a < 4.0 ? middle : far;
    const double value = a <= 0.46875 ? near * square_exp : x < 0.0 ? 2.0 * square_exp - outer : outer;
    return isnan(x) ? x : value;
}

// The quantile of the standard normal distribution at 1/2 + q, where 1/2 - |q| is `tail`:
// M. J. Wichura, Algorithm AS 241, Applied Statistics 37 (1988).
static inline double quantile(double q, double tail) {
    const double c = 0.180625 - q * q;
    const double centre = q *
        (3.3871328727963666080 + c * (133.14166789178437745 + c * (1971.5909503065514427 +
        c * (13731.693765509461125 + c * (45921.953931549871457 + c * (67265.770927008700853 +
        c * (33430.575583588128105 + c * 2509.0809287301226727))))))) /
        (1.0 + c * (42.313330701600911252 + c * (687.18700749205790830 +
        c * (5394.1960214247511077 + c * (21213.794301586595867 + c * (39307.895800092710610 +
        c * (28729.085735721942674 + c * 5226.4952788528545610)))))));
    const double r = sqrt(-log(tail)), m = r - 1.6, f = r - 5.0;
    const double middle =
        (1.42343711074968357734 + m * (4.63033784615654529590 + m * (5.76949722146069140550 +
        m * (3.64784832476320460504 + m * (1.27045825245236838258 +
        m * (0.241780725177450611770 + m * (0.0227238449892691845833 +
        m * 7.74545014278341407640e-4))))))) /
        (1.0 + m * (2.05319162663775882187 + m * (1.67638483018380384940 +
        m * (0.689767334985100004550 + m * (0.148103976427480074590 +
        m * (0.0151986665636164571966 + m * (5.47593808499534494600e-4 +
        m * 1.05075007164441684324e-9)))))));
    const double far =
        (6.65790464350110377720 + f * (5.46378491116411436990 + f * (1.78482653991729133580 +
        f * (0.296560571828504891230 + f * (0.0265321895265761230930 +
        f * (1.24266094738807843860e-3 + f * (2.71155556874348757815e-5 +
        f * 2.01033439929228813265e-7))))))) /
        (1.0 + f * (0.599832206555887937690 + f * (0.136929880922735805310 +
        f * (0.0148753612908506148525 + f * (7.86869131145613259100e-4 +
        f * (1.84631831751005468180e-5 + f * (1.42151175831644588870e-7 +
        f * 2.04426310338993978564e-15)))))));
    const double outer = tail == 0.0 ? INFINITY : r <= 5.0 ? middle : far;
    return __builtin_fabs(q) <= 0.425 ? centre : q < 0.0 ? -outer : outer;
}
static inline double ndtri(double p) { return quantile(p - 0.5, p < 0.5 ? p : 1.0 - p); }
static inline double erfinv(double x) {
    return 0.70710678118654752440 * quantile(0.5 * x, 0.5 * (1.0 - __builtin_fabs(x)));
}

// --- Bessel functions ------------------------------------------------------------------------

// exp(-|x|) I_n(x) for n = 0 or 1: the power series, or the asymptotic one (Abramowitz & Stegun
// 9.6.10 and 9.7.1).
static inline double bessel_ie(int n, double x) {
    const double a = __builtin_fabs(x);
    double term = 1.0, sum = 1.0;
    if (a < 30.0) {
        for (int k = 1; k < 80 && term > 1e-17 * sum; ++k) {
            term *= 0.25 * a * a / (k * double(k + n));
            sum += term;
        }
        sum *= exp(-a) * (n ? 0.5 * x : 1.0);
    } else {
        for (int k = 1; k < 30; ++k) {
            term *= (square(2 * k - 1) - 4 * n * n) / (8.0 * k * a);
            sum += term;
        }
        sum *= (n && x < 0.0 ? -1.0 : 1.0) / sqrt(2.0 * pi * a);
    }
    return sum;
}
static inline double i0(double x) { return exp(__builtin_fabs(x)) * bessel_ie(0, x); }
static inline double i1(double x) { return exp(__builtin_fabs(x)) * bessel_ie(1, x); }
static inline double i0e(double x) { return bessel_ie(0, x); }
static inline double i1e(double x) { return bessel_ie(1, x); }

// --- memory ----------------------------------------------------------------------------------

// Scratch memory of a thread, grown on demand; for functions whose buffers exceed the stack.
struct Workspace {
    double* memory = nullptr;
    long capacity = 0;
    ~Workspace() { free(memory); }
};
static inline double* workspace(long size) {
    static thread_local Workspace own;
    if (own.capacity < size) {
        free(own.memory);
        own.memory = static_cast<double*>(malloc(size * sizeof(double)));
        own.capacity = size;
    }
    return own.memory;
}

// --- running sums ----------------------------------------------------------------------------

// log of the running sum of exp, along the last dimension of `rows` x n.
static inline void logcumsumexp(double* out, const double* x, long rows, long n) {
    for (long k = 0; k < rows; ++k, out += n, x += n) {
        double top = -INFINITY, sum = 0.0;
        for (long i = 0; i < n; ++i) {
            const double higher = maximum(top, x[i]);
            const double base = isinf(higher) ? 0.0 : higher;
            sum = sum * exp(top - base) + exp(x[i] - base);
            top = base;
            out[i] = higher == INFINITY ? higher : base + log(sum);
        }
    }
}

// The derivative of a running product of x, weighted by `weight`: without division, so that
// zeros do no harm.
static inline void cumprod_backward(double* out, const double* weight, const double* x,
                                    long rows, long n) {
    for (long k = 0; k < rows; ++k, out += n, weight += n, x += n) {
        double before = 1.0, after = 0.0;
        for (long i = 0; i < n; ++i) {
            out[i] = before;
            before *= x[i];
        }
        for (long i = n - 1; i >= 0; --i) {
            after = weight[i] + (i + 1 < n ? x[i + 1] * after : 0.0);
            out[i] *= after;
        }
    }
}

// --- linear algebra --------------------------------------------------------------------------

// Lower Cholesky factor of `batch` symmetric n x n matrices; NaN when not positive definite.
static inline void cholesky(double* out, const double* a, long batch, long n) {
    for (long k = 0; k < batch; ++k, out += n * n, a += n * n) {
        for (long j = 0; j < n; ++j) {
            for (long i = 0; i < j; ++i) out[i * n + j] = 0.0;
            double pivot = a[j * n + j];
            for (long p = 0; p < j; ++p) pivot -= out[j * n + p] * out[j * n + p];
            const double root = pivot > 0.0 ? sqrt(pivot) : NAN;
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

// Factors of `batch` n x n matrices by elimination with partial pivoting: n rows with the unit
// lower factor below the upper one, then a row of pivots counted from 1, as in LAPACK.
static inline void lu(double* out, const double* a, long batch, long n) {
    for (long k = 0; k < batch; ++k, out += n * (n + 1), a += n * n) {
        for (long i = 0; i < n * n; ++i) out[i] = a[i];
        for (long j = 0; j < n; ++j) {
            long best = j;
            for (long i = j + 1; i < n; ++i)
                if (abs(out[i * n + j]) > abs(out[best * n + j])) best = i;
            out[n * n + j] = best + 1;
            for (long c = 0; best != j && c < n; ++c) {
                const double held = out[j * n + c];
                out[j * n + c] = out[best * n + c];
                out[best * n + c] = held;
            }
            for (long i = j + 1; i < n; ++i) {
                const double w = out[i * n + j] / out[j * n + j];
                out[i * n + j] = w;
                for (long c = j + 1; c < n; ++c) out[i * n + c] -= w * out[j * n + c];
            }
        }
    }
}

static inline void swap_rows(double* x, const double* pivots, long i, long m) {
    const long other = long(pivots[i]) - 1;
    for (long c = 0; c < m; ++c) {
        const double held = x[i * m + c];
        x[i * m + c] = x[other * m + c];
        x[other * m + c] = held;
    }
}

// Solves a x = b, or the transposed system, from the factors of a.
static inline void lu_solve(double* out, const double* factors, const double* pivots,
                            const double* b, long batch, long n, long m, long transposed) {
    for (long k = 0; k < batch;
         ++k, out += n * m, factors += n * n, pivots += n, b += n * m) {
        for (long i = 0; i < n * m; ++i) out[i] = b[i];
        for (long i = 0; i < n && !transposed; ++i) swap_rows(out, pivots, i, m);
        for (long pass = 0; pass < 2; ++pass) {
            const bool upper = (pass == 1) != bool(transposed);  // the factor of this pass
            for (long step = 0; step < n; ++step) {
                const long i = pass == 0 ? step : n - 1 - step;
                const long first = pass == 0 ? 0 : i + 1, last = pass == 0 ? i : n;
                for (long p = first; p < last; ++p) {
                    const double w = factors[transposed ? p * n + i : i * n + p];
                    for (long c = 0; c < m; ++c) out[i * m + c] -= w * out[p * m + c];
                }
                for (long c = 0; upper && c < m; ++c) out[i * m + c] /= factors[i * n + i];
            }
        }
        for (long i = n - 1; i >= 0 && transposed; --i) swap_rows(out, pivots, i, m);
    }
}

// --- linear algebra by BLAS and LAPACK -------------------------------------------------------

// Routines of Fortran's calling convention, whose addresses come with the constants. Their
// matrices are column-major: they see the transpose of every row-major buffer.
struct Routines {
    void (*gemm)(const char*, const char*, const int*, const int*, const int*, const double*,
                 const double*, const int*, const double*, const int*, const double*, double*,
                 const int*);
    void (*trsm)(const char*, const char*, const char*, const char*, const int*, const int*,
                 const double*, const double*, const int*, double*, const int*);
    void (*trsv)(const char*, const char*, const char*, const int*, const double*, const int*,
                 double*, const int*);
    void (*potrf)(const char*, const int*, double*, const int*, int*);
};
static inline const Routines& routines(const unsigned char* table) {
    return *reinterpret_cast<const Routines*>(table);
}

// out = a b for `batch` pairs of n x k and k x m matrices. The next matrix is `step` further, the
// rows of one (its columns, when it is stored transposed) are `lead` apart.
static inline void gemm(double* out, const unsigned char* table, const double* a, const double* b,
                        long batch, int n, int k, int m, long a_step, int a_lead,
                        bool a_transposed, long b_step, int b_lead, bool b_transposed) {
    const double one = 1.0, zero = 0.0;
    const char left = b_transposed ? 'T' : 'N', right = a_transposed ? 'T' : 'N';
    for (long i = 0; i < batch; ++i)
        routines(table).gemm(&left, &right, &m, &n, &k, &one, b + i * b_step, &b_lead,
                             a + i * a_step, &a_lead, &zero, out + i * n * long(m), &m);
}

// As `cholesky`.
static inline void cholesky_lapack(double* out, const unsigned char* table, const double* a,
                                   long batch, int n) {
    for (long k = 0; k < batch; ++k, out += long(n) * n, a += long(n) * n) {
        for (long i = 0; i < n; ++i)
            for (long j = 0; j < n; ++j) out[i * n + j] = j <= i ? a[i * n + j] : 0.0;
        int failed = 0;
        routines(table).potrf("U", &n, out, &n, &failed);
        for (long i = 0; failed && i < n; ++i)
            for (long j = 0; j <= i; ++j) out[i * n + j] = NAN;
    }
}

// Where a triangular matrix is: its columns `lead` apart, or its rows when it is transposed.
struct Triangle {
    const double* at;
    int lead;
    bool transposed, upper, unit;
};

// Replaces the m x n matrix x by x inverse(t), all column-major, by halves: products of
// matrices are faster than any BLAS's triangular solve.
static inline void divide_right(const Routines& call, double* x, Triangle t, int n, int m) {
    const char stored = t.upper != t.transposed ? 'U' : 'L', diagonal = t.unit ? 'U' : 'N';
    const char flip = t.transposed ? 'T' : 'N';
    const double one = 1.0, minus = -1.0;
    if (n <= 64) {
        call.trsm("R", &stored, &flip, &diagonal, &m, &n, &one, t.at, &t.lead, x, &m);
        return;
    }
    const int half = n / 16 * 8, rest = n - half;
    const long across = long(half) * t.lead;
    const double* const beside = t.at + (t.upper != t.transposed ? across : half);
    Triangle second = t;
    second.at += across + half;
    double* const later = x + long(half) * m;
    if (t.upper) {
        divide_right(call, x, t, half, m);
        call.gemm("N", &flip, &m, &rest, &half, &minus, x, &m, beside, &t.lead, &one, later, &m);
        divide_right(call, later, second, rest, m);
    } else {
        divide_right(call, later, second, rest, m);
        call.gemm("N", &flip, &m, &half, &rest, &minus, later, &m, beside, &t.lead, &one, x, &m);
        divide_right(call, x, t, half, m);
    }
}

// As `solve_triangular`, the matrices placed as in `gemm`.
static inline void solve_triangular_blas(double* out, const unsigned char* table, const double* a,
                                         const double* b, long batch, int n, int m, long step,
                                         int lead, bool transposed, bool upper, bool unit) {
    const int next = 1;
    const char stored = upper == transposed ? 'U' : 'L', diagonal = unit ? 'U' : 'N';
    const char flip = transposed ? 'N' : 'T';
    for (long i = 0; i < batch * n * m; ++i) out[i] = b[i];
    for (long i = 0; i < batch; ++i, out += long(n) * m) {
        const double* const at = a + i * step;
        if (m == 1)
            routines(table).trsv(&stored, &flip, &diagonal, &n, at, &lead, out, &next);
        else
            divide_right(routines(table), out, {at, lead, transposed, !upper, unit}, n, m);
    }
}

}  // namespace probgen
