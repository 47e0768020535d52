// Formula: chains of products of a warpgroup, 64 by 256, of operands that stay in shared memory: what the
//          tensor cores of a Hopper do at most (Roof.java has the others).
// Layout:  out [threads], so that nothing is optimised away; shared memory 10240 bytes.
// Threads: two warpgroups a block, eight products of 16 (BF16) or 8 (TF32) terms a step each.
// Cost:    2·64·256·16·8·steps operations a warpgroup (TF32: half of it).
// Sums:    the values mean nothing.
// Tried:   nothing else yet; not measured on a GPU.
#include "hopper.cuh"

namespace roof_sm90a {

constexpr int THREADS = 256, COLUMNS = 256, SIDES = 64 + COLUMNS, CHAIN = 8;
constexpr int ROW = 32;  // bytes of an operand's terms for one of its side

template <bool Wide>
__device__ __forceinline__ void multiply(float* out, int64_t steps) {
  DYNAMIC_SHARED(uint32_t, shared);
  const uint32_t some = Wide ? to_bf16x2(0.5f, -0.25f) : to_tf32(-0.25f);
  for (int i = static_cast<int>(threadIdx.x); i < SIDES * ROW / 4; i += THREADS)
    shared[i] = i % 3 == 0 ? 0 : some;
  proxy_fence();
  __syncthreads();
  float d[COLUMNS / 2];
  const uint64_t a = descriptor(shared, 128, 256), b = descriptor(shared + 64 * ROW / 4, 128, 256);
#pragma unroll 1
  for (int64_t step = 0; step < steps; step++) {
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < CHAIN; i++) {
      if (Wide) {
        wgmma_bf16<COLUMNS>(d, a, b, step + i > 0);
      } else {
        wgmma_tf32<COLUMNS>(d, a, b, step + i > 0);
      }
    }
    wgmma_commit();
    wgmma_wait<0>();
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < COLUMNS / 2; i++) sum += d[i];
  out[grid_thread()] = sum;
}

}  // namespace roof_sm90a

KERNEL(roof_sm90a::THREADS, nep_roof_sm90a_bf16, (float* out, int64_t steps)) {
  roof_sm90a::multiply<true>(out, steps);
}
KERNEL(roof_sm90a::THREADS, nep_roof_sm90a_tf32, (float* out, int64_t steps)) {
  roof_sm90a::multiply<false>(out, steps);
}
