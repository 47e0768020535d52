// Formula: rest += f(values[t]) for each row t, f = value, |value| or value²; (sum, rest) ← TwoSum after
//          every 64th (Accumulate.java).
// Layout:  sum, rest [n]; values [terms, n]; 4-byte aligned; phase: rows added before, modulo 64.
// Threads: four neighbouring elements a thread, 16 bytes a load, in a loop over the grid; it walks the rows
//          in order.
// Cost:    12 bytes a value for one row, 4 for many; 2 operations a value: bound by memory.
// Sums:    float32, elementwise, rows in order: the same bits as in Java, however the rows were split.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace accumulate {

__device__ __forceinline__ float of(float x, int kind) {
  return kind == 0 ? x : kind == 1 ? fabsf(x) : x * x;
}

}  // namespace accumulate

// Obviously right: a thread an element.
KERNEL(256, nep_accumulate_plain,
       (float* sum, float* rest, const float* values, int64_t terms, int64_t n, int kind, int phase)) {
  const int64_t j = grid_thread();
  if (j >= n) return;
  for (int64_t t = 0; t < terms; t++) {
    rest[j] += accumulate::of(values[t * n + j], kind);
    if ((phase + t + 1) % PERIOD == 0) two_sum(sum[j], rest[j]);
  }
}

KERNEL(256, nep_accumulate,
       (float* sum, float* rest, const float* values, int64_t terms, int64_t n, int kind, int phase)) {
  const bool planes = aligned16(sum) && aligned16(rest), rows = aligned16(values) && n % 4 == 0;
  for (int64_t j = grid_thread() * 4; j < n; j += grid_threads() * 4) {
    float4 r = load4(rest + j, n - j, planes);
    for (int64_t t = 0; t < terms; t++) {
      const float4 v = load4(values + t * n + j, n - j, rows);
      r.x += accumulate::of(v.x, kind);
      r.y += accumulate::of(v.y, kind);
      r.z += accumulate::of(v.z, kind);
      r.w += accumulate::of(v.w, kind);
      if ((phase + t + 1) % PERIOD == 0) {
        float4 s = load4(sum + j, n - j, planes);
        two_sum(s.x, r.x);
        two_sum(s.y, r.y);
        two_sum(s.z, r.z);
        two_sum(s.w, r.w);
        store4(sum + j, s, n - j, planes);
      }
    }
    store4(rest + j, r, n - j, planes);
  }
}
