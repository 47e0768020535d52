// Formula: values += factor·sign(of), sign(0) = 0; weights ← sign(w)·max(0, |w| − threshold) where selected
//          (Penalty.java).
// Layout:  values, of, weights [n], 4-byte aligned; mask: bit j % 64 of word j / 64, or null for all.
// Threads: four neighbouring values a thread, 16 bytes a load, in a loop over the grid.
// Cost:    8 bytes read and 4 written; 4 read and 4 written and a bit: bound by memory.
// Sums:    float32, elementwise: the same bits as in Java.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace penalty {

__device__ __forceinline__ void pull(float& value, float of, float factor) {
  value = value + factor * (of > 0 ? 1.0f : of < 0 ? -1.0f : of);
}

__device__ __forceinline__ void shrink(float& weight, bool moves, float threshold) {
  if (!moves) return;
  const float size = fabsf(weight) - threshold;
  weight = size <= 0 ? 0.0f : copysignf(size, weight);
}

}  // namespace penalty

// Obviously right: a thread a value.
KERNEL(256, nep_penalty_signs_plain, (float* values, const float* of, int64_t n, float factor)) {
  const int64_t j = grid_thread();
  if (j < n) penalty::pull(values[j], of[j], factor);
}

KERNEL(256, nep_penalty_signs, (float* values, const float* of, int64_t n, float factor)) {
  const bool aligned = aligned16(values) && aligned16(of);
  for (int64_t j = grid_thread() * 4; j < n; j += grid_threads() * 4) {
    const float4 o = load4(of + j, n - j, aligned);
    float4 v = load4(values + j, n - j, aligned);
    penalty::pull(v.x, o.x, factor);
    penalty::pull(v.y, o.y, factor);
    penalty::pull(v.z, o.z, factor);
    penalty::pull(v.w, o.w, factor);
    store4(values + j, v, n - j, aligned);
  }
}

// Obviously right: a thread a weight.
KERNEL(256, nep_penalty_shrink_plain,
       (float* weights, const unsigned long long* mask, int64_t n, float threshold)) {
  const int64_t j = grid_thread();
  if (j >= n) return;
  penalty::shrink(weights[j], mask == nullptr || (mask[j / 64] >> (j % 64) & 1) != 0, threshold);
}

KERNEL(256, nep_penalty_shrink,
       (float* weights, const unsigned long long* mask, int64_t n, float threshold)) {
  const bool aligned = aligned16(weights);
  for (int64_t j = grid_thread() * 4; j < n; j += grid_threads() * 4) {
    const unsigned bits = mask == nullptr ? 15u : static_cast<unsigned>(mask[j / 64] >> (j % 64) & 15);
    float4 w = load4(weights + j, n - j, aligned);
    penalty::shrink(w.x, (bits & 1) != 0, threshold);
    penalty::shrink(w.y, (bits & 2) != 0, threshold);
    penalty::shrink(w.z, (bits & 4) != 0, threshold);
    penalty::shrink(w.w, (bits & 8) != 0, threshold);
    store4(weights + j, w, n - j, aligned);
  }
}
