// Numbers as the kernels read and write them: float, or bfloat16 as the upper half of a float.
#pragma once
#include <cstdint>
#include <cstring>

namespace {

inline float read(const float* x, int64_t i) { return x[i]; }
inline float read(const uint16_t* x, int64_t i) {
    const uint32_t bits = (uint32_t)x[i] << 16;
    float value;
    std::memcpy(&value, &bits, 4);
    return value;
}
inline void write(float* x, int64_t i, float value) { x[i] = value; }
inline void write(uint16_t* x, int64_t i, float value) {  // to the nearest, ties to even
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    x[i] = (uint16_t)((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace
