#pragma once
// All messages that a factor sends, in time proportional to its table: the axes behind the j-th
// are contracted one after the other, from the last, and the axes before it by one product with
// the outer product of their messages. No message is divided out, so zeros are no special case.
#include <cmath>
#include <cstdint>

namespace message {

struct LinearSum {
    static double zero() { return 0; }
    static double one() { return 1; }
    static double times(double a, double b) { return a * b; }
    static double plus(double a, double b) { return a + b; }
};

struct LinearMax {
    static double zero() { return 0; }
    static double one() { return 1; }
    static double times(double a, double b) { return a * b; }
    static double plus(double a, double b) { return a > b ? a : b; }
};

struct LogMax {
    static double zero() { return -INFINITY; }
    static double one() { return 0; }
    static double times(double a, double b) { return a + b; }
    static double plus(double a, double b) { return a > b ? a : b; }
};

struct LogSum {
    static double zero() { return -INFINITY; }
    static double one() { return 0; }
    static double times(double a, double b) { return a + b; }
    static double plus(double a, double b) {
        const double high = a > b ? a : b, low = a > b ? b : a;
        return low == -INFINITY ? high : high + std::log1p(std::exp(low - high));
    }
};

// The outer products of in[0..j-1] for j = 0..arity-1, one after the other in `prefix`; returns
// where the last one begins.
template <class Ring>
int64_t multiply_out(int64_t arity, const int32_t* dims, const double* const* in,
                     double* prefix) {
    int64_t at = 0, width = 1;
    prefix[0] = Ring::one();
    for (int64_t j = 0; j + 1 < arity; ++j) {
        const int64_t d = dims[j], next = at + width;
        for (int64_t p = 0; p < width; ++p) {
            const double left = prefix[at + p];
            for (int64_t x = 0; x < d; ++x) prefix[next + p * d + x] = Ring::times(left, in[j][x]);
        }
        at = next;
        width *= d;
    }
    return at;
}

// out[j][x_j] = sum over the other variables of table(x) prod over i != j of in[i][x_i].
// `rest` has room for size / dims[arity - 1] numbers.
template <class Ring>
void contract(const double* table, int64_t size, int64_t arity, const int32_t* dims,
              const double* const* in, double* const* out, double* prefix, double* rest) {
    int64_t at = multiply_out<Ring>(arity, dims, in, prefix);
    int64_t width = size / dims[arity - 1];
    const double* source = table;
    for (int64_t j = arity - 1;; --j) {
        const int64_t d = dims[j];
        double* to = out[j];
        for (int64_t x = 0; x < d; ++x) to[x] = Ring::zero();
        for (int64_t p = 0; p < width; ++p) {
            const double left = prefix[at + p];
            for (int64_t x = 0; x < d; ++x)
                to[x] = Ring::plus(to[x], Ring::times(left, source[p * d + x]));
        }
        if (j == 0) break;
        for (int64_t p = 0; p < width; ++p) {
            double sum = Ring::zero();
            for (int64_t x = 0; x < d; ++x)
                sum = Ring::plus(sum, Ring::times(source[p * d + x], in[j][x]));
            rest[p] = sum;
        }
        source = rest;
        width /= dims[j - 1];
        at -= width;
    }
}

// The same for one place j alone, sums of linear numbers.
inline void expect(const double* table, int64_t size, int64_t arity, const int32_t* dims,
                   const double* const* in, int64_t j, double* out, double* prefix,
                   double* rest) {
    int64_t width = size;
    for (int64_t i = arity - 1; i > j; --i) {
        const int64_t d = dims[i];
        width /= d;
        for (int64_t p = 0; p < width; ++p) {
            double sum = 0;
            for (int64_t x = 0; x < d; ++x) sum += table[p * d + x] * in[i][x];
            rest[p] = sum;
        }
        table = rest;
    }
    const int64_t d = dims[j], at = multiply_out<LinearSum>(j + 1, dims, in, prefix);
    width /= d;
    for (int64_t x = 0; x < d; ++x) out[x] = 0;
    for (int64_t p = 0; p < width; ++p)
        for (int64_t x = 0; x < d; ++x) out[x] += prefix[at + p] * table[p * d + x];
}

}  // namespace message
