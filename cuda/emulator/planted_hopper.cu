// The same as planted.cu for what sm_90a has: products of a warpgroup, barriers in memory.
#include "../hopper.cuh"

namespace {

constexpr int COLUMNS = 96;

enum Fault : int {
  NONE,
  NO_PROXY_FENCE,
  NO_BARRIER,
  NO_FENCE,
  NO_WAIT,
  OVERWRITTEN,
  BEYOND,
  MISALIGNED,
  NEVER_WAITED,
  LATE_PROXY_FENCE,
  DIFFERENT
};

// Side s, term k of an operand without swizzling.
__device__ char* place(char* operand, int s, int k, bool wide) {
  return wide ? operand + s / 8 * 256 + k / 8 * 128 + k % 8 * 16 + s % 8 * 2
              : operand + s / 8 * 256 + k / 4 * 128 + s % 8 * 16 + k % 4 * 4;
}

__device__ void store(char* operand, const float* values, int sides, int terms) {
  for (int i = static_cast<int>(threadIdx.x); i < sides * terms; i += 128) {
    const float value = values[i];
    char* at = place(operand, i / terms, i % terms, terms == 16);
    if (terms == 16) {
      *reinterpret_cast<uint16_t*>(at) = static_cast<uint16_t>(to_bf16x2(value, 0) & 0xffff);
    } else {
      *reinterpret_cast<uint32_t*>(at) = to_tf32(value);
    }
  }
}

}  // namespace

// out [64, 96] = twice a [64, terms] · b [96, terms]ᵀ; 16 terms of bfloat16, or 8 of TF32.
KERNEL(128, planted_wgmma, (const float* a, const float* b, float* out, int terms, int fault)) {
  DYNAMIC_SHARED(char, shared);
  char* other = shared + 64 * 32;
  store(shared, a, 64, terms);
  store(other, b, COLUMNS, terms);
  if (fault != NO_PROXY_FENCE && fault != LATE_PROXY_FENCE) proxy_fence();
  if (fault != NO_BARRIER) __syncthreads();
  if (fault == LATE_PROXY_FENCE) proxy_fence();
  float d[COLUMNS / 2];
  if (fault != NO_FENCE) wgmma_fence();
  const uint64_t left = descriptor(fault == MISALIGNED ? shared + 8 : shared, 128, 256);
  const uint64_t right =
      descriptor(fault == DIFFERENT && threadIdx.x >= 64 ? shared : other, 128, fault == BEYOND ? 512 : 256);
  for (int twice = 0; twice < 2; twice++) {
    if (terms == 16) {
      wgmma_bf16<COLUMNS>(d, left, right, twice != 0);
    } else {
      wgmma_tf32<COLUMNS>(d, left, right, twice != 0);
    }
  }
  wgmma_commit();
  if (fault == NEVER_WAITED) return;
  if (fault == OVERWRITTEN) *reinterpret_cast<uint32_t*>(other) = threadIdx.x;
  if (fault != NO_WAIT) wgmma_wait<0>();
  const int row = static_cast<int>(threadIdx.x) / 32 * 16 + static_cast<int>(threadIdx.x) % 32 / 4;
  const int column = static_cast<int>(threadIdx.x) % 4 * 2;
  for (int i = 0; i < COLUMNS / 2; i++)
    out[(row + i / 2 % 2 * 8) * COLUMNS + i / 4 * 8 + column + i % 2] = d[i];
}

// Two warps hand each other a word in turns: fault 1 leaves an arrival out, 2 a wait, 3 the making.
KERNEL(64, planted_memory_barrier, (float* out, int fault)) {
  __shared__ uint64_t full;
  __shared__ uint64_t empty;
  __shared__ float word;
  if (threadIdx.x == 0 && fault != 3) {
    barrier_init(&full, 1);
    barrier_init(&empty, 32);
  }
  __syncthreads();
  for (uint32_t turn = 0; turn < 5; turn++) {
    if (threadIdx.x == 0) {
      if (turn > 0) barrier_wait(&empty, (turn - 1) % 2);
      word = static_cast<float>(turn);
      if (fault != 1 || turn < 3) barrier_arrive(&full);
    } else if (threadIdx.x >= 32) {
      if (fault != 2) barrier_wait(&full, turn % 2);
      out[threadIdx.x] = word;
      barrier_arrive(&empty);
    }
  }
}
