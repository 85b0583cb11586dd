// A step of gradient descent with momentum and decay on a matrix, in one pass: the gradient may be
// in bfloat16, is centred on the way (Melchior, Fischer & Wiskott 2016), and the new numbers are
// rounded for the next step's products. All that costs is to read and write each array once.
#pragma once
#include <cstdint>
#include <type_traits>
#include <vector>

#include "numbers.hpp"

namespace {

struct Step {
    float rate, momentum, decay;
};

// Means of the signals of both layers, and gradients of their biases, which centring changes.
struct Centring {
    const float* low;
    const float* high;
    float* low_slope;
    float* high_slope;
};

// Gradient G becomes D = G - low_slope high' - low high_slope', and the biases' gradients lose
// D high and D' low, which is what centring makes of them.
template <bool MOMENTUM, bool CENTRED, typename Real>
void descend(float* weight, const Real* gradient, float* velocity, uint16_t* rounded,
             const Centring& centring, int64_t rows, int64_t columns, const Step& step) {
    constexpr bool ROUNDED = std::is_same<Real, uint16_t>::value;
    std::vector<float> totals(CENTRED ? columns : 0, 0.0f);
    float* total = totals.data();
    const float rate = step.rate, momentum = step.momentum, decay = step.decay;
    const float* high = centring.high;
    const float* high_slope = centring.high_slope;
    for (int64_t row = 0; row < rows; row++) {
        const float low = CENTRED ? centring.low[row] : 0.0f;
        const float low_slope = CENTRED ? centring.low_slope[row] : 0.0f;
        float* own = weight + row * columns;
        const Real* slope = gradient + row * columns;
        float* moving = MOMENTUM ? velocity + row * columns : nullptr;
        uint16_t* copy = ROUNDED ? rounded + row * columns : nullptr;
        float shift = 0.0f;
#pragma GCC ivdep
        for (int64_t i = 0; i < columns; i++) {
            float d = read(slope, i);
            if (CENTRED) {
                d -= low_slope * high[i] + low * high_slope[i];
                shift += d * high[i];
                total[i] += low * d;
            }
            d += decay * own[i];
            if (MOMENTUM) {
                d += momentum * moving[i];
                moving[i] = d;
            }
            const float value = own[i] - rate * d;
            own[i] = value;
            if (ROUNDED) write(copy, i, value);
        }
        if (CENTRED) centring.low_slope[row] -= shift;
    }
    if (CENTRED)
        for (int64_t i = 0; i < columns; i++) centring.high_slope[i] -= total[i];
}

template <typename Real>
void step_down(float* weight, const Real* gradient, float* velocity, uint16_t* rounded,
               const float* low, const float* high, float* low_slope, float* high_slope,
               int64_t rows, int64_t columns, float rate, float momentum, float decay) {
    const Centring centring = {low, high, low_slope, high_slope};
    const Step step = {rate, momentum, decay};
    const auto chosen = velocity ? (low ? descend<true, true, Real> : descend<true, false, Real>)
                                 : (low ? descend<false, true, Real> : descend<false, false, Real>);
    chosen(weight, gradient, velocity, rounded, centring, rows, columns, step);
}

}  // namespace

// `weight`, `gradient`, `velocity` (null: no momentum) and `rounded` (bfloat16, written if the
// gradient is) have `rows` times `columns` numbers; `low` and `low_slope` have `rows`, `high` and
// `high_slope` `columns`; these four are null where nothing is centred.
extern "C" __attribute__((visibility("default"))) void probgen_descend_float(
    float* weight, const float* gradient, float* velocity, uint16_t* rounded, const float* low,
    const float* high, float* low_slope, float* high_slope, int64_t rows, int64_t columns,
    float rate, float momentum, float decay) {
    step_down(weight, gradient, velocity, rounded, low, high, low_slope, high_slope, rows, columns,
              rate, momentum, decay);
}

extern "C" __attribute__((visibility("default"))) void probgen_descend_bfloat16(
    float* weight, const uint16_t* gradient, float* velocity, uint16_t* rounded, const float* low,
    const float* high, float* low_slope, float* high_slope, int64_t rows, int64_t columns,
    float rate, float momentum, float decay) {
    step_down(weight, gradient, velocity, rounded, low, high, low_slope, high_slope, rows, columns,
              rate, momentum, decay);
}
