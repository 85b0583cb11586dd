// Order, running extremes, and writing at computed places. Included where it is called.
#pragma once

namespace probgen::sorting {

// The order of two numbers, NaN behind everything, as in torch.
static inline bool before(double a, double b, long descending) {
    return descending ? (a > b || (a != a && b == b)) : (a < b || (b != b && a == a));
}

// Positions that sort every row of `rows` x n; equal numbers keep their order (merge sort).
static inline void order(double* out, const double* x, long rows, long n, long descending) {
    double* other = workspace(n);
    for (long r = 0; r < rows; ++r, out += n, x += n) {
        double *from = out, *to = other;
        for (long i = 0; i < n; ++i) from[i] = double(i);
        for (long width = 1; width < n; width *= 2) {
            for (long start = 0; start < n; start += 2 * width) {
                const long middle = start + width < n ? start + width : n;
                const long end = start + 2 * width < n ? start + 2 * width : n;
                long a = start, b = middle;
                for (long i = start; i < end; ++i) {
                    const bool second =
                        a >= middle ||
                        (b < end && before(x[long(from[b])], x[long(from[a])], descending));
                    to[i] = second ? from[b++] : from[a++];
                }
            }
            double* const held = from;
            from = to;
            to = held;
        }
        for (long i = 0; i < n && from != out; ++i) out[i] = from[i];
    }
}

// Where the largest (sign 1) or smallest (-1) number so far is, the last of equal ones.
static inline void extreme_so_far(double* out, const double* x, long rows, long n, long sign) {
    for (long r = 0; r < rows; ++r, out += n, x += n) {
        long best = 0;
        for (long i = 0; i < n; ++i) {
            const bool better = sign > 0 ? x[i] >= x[best] : x[i] <= x[best];
            best = x[best] == x[best] && (better || x[i] != x[i]) ? i : best;
            out[i] = double(best);
        }
    }
}

// A copy of x (rows x n) with every value (rows x k) written at its place; the last one wins.
static inline void scatter(double* out, const double* x, const double* where, const double* value,
                           long rows, long n, long k) {
    for (long i = 0; i < rows * n; ++i) out[i] = x[i];
    for (long r = 0; r < rows; ++r, out += n)
        for (long i = 0; i < k; ++i) out[long(*where++)] = *value++;
}

// As `scatter`, with the largest (sign 1) or smallest (-1) of what meets at a place, x itself
// among it only if `own`.
static inline void scatter_extreme(double* out, const double* x, const double* where,
                                   const double* value, long rows, long n, long k, long sign,
                                   long own) {
    double* met = workspace(n);
    for (long r = 0; r < rows; ++r, out += n, x += n) {
        for (long i = 0; i < n; ++i) out[i] = x[i], met[i] = double(own);
        for (long i = 0; i < k; ++i, ++where, ++value) {
            const long at = long(*where);
            const bool better = sign > 0 ? *value > out[at] : *value < out[at];
            if (met[at] == 0.0 || better || *value != *value) out[at] = *value;
            met[at] = 1.0;
        }
    }
}

}  // namespace probgen::sorting
