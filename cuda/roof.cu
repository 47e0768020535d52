// Formula: what the device does at most: target = source; target = a + scale·b; chains of multiply-adds on
//          the CUDA and tensor cores (Roof.java).
// Layout:  target, source, a, b [n], 16-byte aligned for full speed; out [threads], so that nothing is
//          optimised away.
// Threads: copies: four floats a thread in a loop over the grid; chains: eight accumulators a thread, or
//          eight fragments a warp.
// Cost:    8 bytes (triad: 12) an element; 16·steps operations a thread, or 8·4096·steps (TF32:
//          8·2048·steps) a warp.
// Sums:    elementwise; the chains' values mean nothing.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

// Obviously right: a thread an element.
KERNEL(256, nep_roof_copy_plain, (float* target, const float* source, int64_t n)) {
  const int64_t i = grid_thread();
  if (i < n) target[i] = source[i];
}

KERNEL(256, nep_roof_triad_plain, (float* target, const float* a, const float* b, float scale, int64_t n)) {
  const int64_t i = grid_thread();
  if (i < n) target[i] = a[i] + scale * b[i];
}

KERNEL(256, nep_roof_copy, (float* target, const float* source, int64_t n)) {
  const bool aligned = aligned16(target) && aligned16(source);
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4)
    store4(target + i, load4(source + i, n - i, aligned), n - i, aligned);
}

KERNEL(256, nep_roof_triad, (float* target, const float* a, const float* b, float scale, int64_t n)) {
  const bool aligned = aligned16(target) && aligned16(a) && aligned16(b);
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4) {
    const float4 x = load4(a + i, n - i, aligned), y = load4(b + i, n - i, aligned);
    store4(target + i,
           make_float4(x.x + scale * y.x, x.y + scale * y.y, x.z + scale * y.z, x.w + scale * y.w), n - i,
           aligned);
  }
}

KERNEL(256, nep_roof_multiply_add, (float* out, int64_t steps)) {
  float chain[8];
  for (int c = 0; c < 8; c++) chain[c] = static_cast<float>(c);
  for (int64_t step = 0; step < steps; step++) {
#pragma unroll
    for (int c = 0; c < 8; c++) chain[c] = fmaf(chain[c], 0.5f, 1.0f);
  }
  float sum = 0;
  for (int c = 0; c < 8; c++) sum += chain[c];
  out[grid_thread()] = sum;
}

KERNEL(256, nep_roof_matrix, (float* out, int64_t steps, int bf16)) {
  float sums[8][4] = {};
  const uint32_t one = bf16 != 0 ? to_bf16x2(0.5f, 0.5f) : to_tf32(0.5f);
  const uint32_t a[4] = {one, one, one, one}, b[2] = {one, one};
  for (int64_t step = 0; step < steps; step++) {
#pragma unroll
    for (int c = 0; c < 8; c++) {
      if (bf16 != 0) {
        mma_bf16(sums[c], a, b);
      } else {
        mma_tf32(sums[c], a, b);
      }
    }
  }
  float sum = 0;
  for (int c = 0; c < 8; c++) sum += sums[c][0] + sums[c][1] + sums[c][2] + sums[c][3];
  out[grid_thread()] = sum;
}
