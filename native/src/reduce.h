// The one order in which elementwise kernels sum: chunks of 4,096 elements, 64 lanes folded 64→32→…→1 in
// float, chunk sums added in double, in order, within 64 fixed groups, whose sums are added in order. Java
// does the same.
#pragma once

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t CHUNK = 4096;
constexpr int64_t LANES = 64;
constexpr int64_t GROUPS = 64;

// The chunks [first, last) of group g of n elements: contiguous, as even as possible, the same for any thread
// count.
inline void group_range(int64_t n, int64_t g, int64_t* first, int64_t* last) {
  const int64_t chunks = (n + CHUNK - 1) / CHUNK;
  *first = chunks * g / GROUPS;
  *last = chunks * (g + 1) / GROUPS;
}

inline float fold(float* lane) {
  for (int64_t half = LANES / 2; half > 0; half /= 2) {
    for (int64_t l = 0; l < half; l++) lane[l] += lane[l + half];
  }
  return lane[0];
}

}  // namespace
}  // namespace NEP_NAMESPACE
