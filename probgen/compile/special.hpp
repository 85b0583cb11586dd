// Special functions with loops of their own. Included where it is called.
#pragma once

namespace probgen::special {

constexpr double EPSILON = 1.1102230246251565e-16;

// Hurwitz's zeta function, the sum of (q + k) ** -s, by Euler and Maclaurin's formula as in
// Moshier's Cephes library (1989).
static inline double zeta(double s, double q) {
    static const double A[12] = {12.0, -720.0, 30240.0, -1209600.0, 47900160.0,
                                 -1.8924375803183791606e9, 7.47242496e10,
                                 -2.950130727918164224e12, 1.1646782814350067249e14,
                                 -4.5979787224074726105e15, 1.8152105401943546773e17,
                                 -7.1661652561756670113e18};
    if (s == 1.0) return INFINITY;
    if (!(s > 1.0)) return NAN;
    if (q <= 0.0) {
        if (q == __builtin_floor(q)) return INFINITY;
        if (s != __builtin_floor(s)) return NAN;
    }
    double sum = pow(q, -s), a = q, b = 0.0;
    for (int i = 0; i < 9 || a <= 9.0; ++i) {
        a += 1.0;
        b = pow(a, -s);
        sum += b;
        if (-EPSILON * sum < b && b < EPSILON * sum) return sum;
    }
    const double w = a;
    sum += b * w / (s - 1.0) - 0.5 * b;
    double factor = 1.0, k = 0.0;
    for (int i = 0; i < 12; ++i, k += 2.0) {
        factor *= s + k;
        b /= w;
        const double term = factor * b / A[i];
        sum += term;
        if (__builtin_fabs(term / sum) < EPSILON) return sum;
        factor *= s + k + 1.0;
        b /= w;
    }
    return sum;
}

// The regularised incomplete gamma functions: below x (`upper` false) or above it. Series and
// continued fraction as in Press et al., Numerical Recipes (2007), section 6.2.
static inline double incomplete_gamma(double a, double x, bool upper) {
    if (!(a >= 0.0) || !(x >= 0.0)) return NAN;
    if (a == 0.0 && x == 0.0) return NAN;
    if (a == 0.0) return upper ? 0.0 : 1.0;
    if (x == 0.0) return upper ? 1.0 : 0.0;
    if (isinf(a)) return isinf(x) ? NAN : upper ? 1.0 : 0.0;
    if (isinf(x)) return upper ? 0.0 : 1.0;
    const double front = exp(a * log(x) - x - lgamma(a));
    if (x < a + 1.0) {
        double term = 1.0 / a, sum = term;
        for (double n = a + 1.0; term > sum * EPSILON; n += 1.0) sum += term *= x / n;
        return upper ? 1.0 - sum * front : sum * front;
    }
    double b = x + 1.0 - a, c = 1e300, d = 1.0 / b, h = d;
    for (int i = 1; i < 100000; ++i) {
        const double w = -i * (i - a);
        b += 2.0;
        d = 1.0 / (w * d + b);
        c = b + w / c;
        h *= d * c;
        if (__builtin_fabs(d * c - 1.0) < 4.0 * EPSILON) break;
    }
    return upper ? front * h : 1.0 - front * h;
}

static inline double gammainc(double a, double x) { return incomplete_gamma(a, x, false); }
static inline double gammaincc(double a, double x) { return incomplete_gamma(a, x, true); }

}  // namespace probgen::special
