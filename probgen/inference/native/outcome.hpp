// How a chain can end, and the clock it is timed by.
#pragma once
#include <chrono>
#include <cstdint>

namespace probgen {

enum Outcome : int32_t { kDone, kStopped, kBadStart, kOutOfMemory, kRanAway };

inline double now() {
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since).count();
}

}  // namespace probgen
