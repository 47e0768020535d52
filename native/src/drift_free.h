// The two-plane sum: terms go to `rest`, which is folded into `sum` every PERIOD samples without losing a
// bit.
#pragma once

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t PERIOD = 64;

// sum + rest, exactly: afterwards sum is the rounded total and rest what the rounding lost (Knuth's TwoSum).
template <typename T>
inline __attribute__((always_inline)) void two_sum(T* sum, T* rest) {
  const T a = *sum, b = *rest, s = a + b, virtual_b = s - a;
  *rest = (a - (s - virtual_b)) + (b - virtual_b);
  *sum = s;
}

inline void fold_rest(float* sum, float* rest, int64_t n) {
  int64_t i = 0;
  for (; i + WIDTH <= n; i += WIDTH) {
    vfloat s = load(sum + i), r = load(rest + i);
    two_sum(&s, &r);
    store(sum + i, s);
    store(rest + i, r);
  }
  for (; i < n; i++) two_sum(sum + i, rest + i);
}

}  // namespace
}  // namespace NEP_NAMESPACE
