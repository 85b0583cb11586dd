#pragma once
// The processor's arithmetic: results too small for a double become zero (fast) and leave a flag.
#include <cfenv>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace junction {

// While this lives, results below the normal range are flushed to zero: arithmetic on them is a
// hundred times slower than on others, and what they could change is looked at by the flag.
class FlushToZero {
   public:
#if defined(__SSE2__)
    FlushToZero() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }
    ~FlushToZero() { _mm_setcsr(before_); }

   private:
    unsigned before_;
#else
    FlushToZero() {}
#endif
};

inline void clear_flags() { std::feclearexcept(FE_ALL_EXCEPT); }
inline bool underflowed() { return std::fetestexcept(FE_UNDERFLOW | FE_OVERFLOW) != 0; }
inline bool overflowed() { return std::fetestexcept(FE_OVERFLOW) != 0; }

}  // namespace junction
