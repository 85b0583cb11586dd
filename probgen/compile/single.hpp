// Single-precision forms of the functions that generated loops call most.
extern "C" {
PROBGEN_SIMD float expf(float);
PROBGEN_SIMD float logf(float);
PROBGEN_SIMD float sinf(float);
PROBGEN_SIMD float cosf(float);
PROBGEN_SIMD float powf(float, float);
PROBGEN_SIMD_LATE float expm1f(float);
PROBGEN_SIMD_LATE float log1pf(float);
PROBGEN_SIMD_LATE float tanhf(float);
PROBGEN_SIMD_LATE float erff(float);
PROBGEN_SIMD_LATE float erfcf(float);
PROBGEN_SIMD_LATE float atanf(float);
}
static inline float exp(float x) { return expf(x); }
static inline float log(float x) { return logf(x); }
static inline float sin(float x) { return sinf(x); }
static inline float cos(float x) { return cosf(x); }
static inline float pow(float x, float y) { return powf(x, y); }
static inline float expm1(float x) { return expm1f(x); }
static inline float log1p(float x) { return log1pf(x); }
static inline float tanh(float x) { return tanhf(x); }
static inline float erf(float x) { return erff(x); }
static inline float erfc(float x) { return erfcf(x); }
static inline float atan(float x) { return atanf(x); }

namespace probgen {
static inline float abs(float x) { return __builtin_fabsf(x); }
static inline float square(float x) { return x * x; }
static inline float sqrt(float x) { return __builtin_sqrtf(x); }
template <class A, class B>
static inline auto maximum(A a, B b) -> decltype(a + b) {
    const decltype(a + b) x = a, y = b, larger = x > y ? x : y;
    return x != x ? x : larger;
}
template <class A, class B>
static inline auto minimum(A a, B b) -> decltype(a + b) {
    const decltype(a + b) x = a, y = b, smaller = x < y ? x : y;
    return x != x ? x : smaller;
}
}  // namespace probgen
