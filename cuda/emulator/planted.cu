// Kernels with a fault each, which the emulator must find, beside the same without it, which it must let
// pass. Compiled for the emulator's own tests only.
#include "../common.cuh"

namespace {

constexpr int THREADS = 128;

// A sum of THREADS values over shared memory. `skip` leaves out the barrier of that step.
__device__ void sum(const float* values, float* out, int skip) {
  __shared__ float part[THREADS];
  const int thread = static_cast<int>(threadIdx.x);
  part[thread] = values[blockIdx.x * THREADS + threadIdx.x];
  if (skip != 0) __syncthreads();
  for (int half = THREADS / 2, step = 1; half > 0; half /= 2, step++) {
    if (thread < half) part[thread] += part[thread + half];
    if (step != skip) __syncthreads();
  }
  if (thread == 0) out[blockIdx.x] = part[0];
}

}  // namespace

KERNEL(THREADS, planted_none, (const float* values, float* out)) { sum(values, out, -1); }
KERNEL(THREADS, planted_missing_barrier, (const float* values, float* out)) { sum(values, out, 1); }
KERNEL(THREADS, planted_missing_first_barrier, (const float* values, float* out)) { sum(values, out, 0); }

// Every thread adds to one word.
KERNEL(THREADS, planted_race, (float* out)) {
  if (threadIdx.x % 64 == 0) out[0] = out[0] + 1;
}

// The last thread of a block writes what the first of the next reads.
KERNEL(THREADS, planted_race_of_blocks, (float* values, float* out)) {
  const uint32_t at = blockIdx.x * THREADS + threadIdx.x;
  values[at] = 1;
  if (threadIdx.x == 0 && blockIdx.x > 0) out[blockIdx.x] = values[at - 1];
}

KERNEL(THREADS, planted_overrun, (float* values, int64_t n, int write)) {
  for (int64_t i = threadIdx.x; i <= n; i += THREADS) {
    if (write != 0) {
      values[i] = 0;
    } else if (values[i] > 1e30f) {
      values[0] = 1;
    }
  }
}

KERNEL(THREADS, planted_shared_overrun, (float* out, int last)) {
  __shared__ float row[8];
  __shared__ float other[8];
  if (static_cast<int>(threadIdx.x) < last) row[threadIdx.x] = 1;
  if (threadIdx.x < 8) other[threadIdx.x] = 2;
  __syncthreads();
  if (threadIdx.x == 0) out[0] = row[last - 1] + other[0];
}

KERNEL(THREADS, planted_uninitialised, (float* out)) {
  __shared__ float row[THREADS];
  if (threadIdx.x > 0) row[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = row[threadIdx.x];
}

KERNEL(THREADS, planted_divergent_barrier, (float* out)) {
  if (threadIdx.x < 64) __syncthreads();
  out[threadIdx.x] = 1;
}

KERNEL(32, planted_divergent_shuffle, (float* out)) {
  float value = 1;
  if (threadIdx.x < 16) value += __shfl_down_sync(ALL_LANES, value, 1);
  out[threadIdx.x] = value;
}

// Neighbouring lanes pass a value by shared memory; `sync` is the __syncwarp that this needs.
KERNEL(32, planted_warp_exchange, (float* out, int sync)) {
  __shared__ float row[32];
  row[threadIdx.x] = static_cast<float>(threadIdx.x);
  if (sync != 0) __syncwarp();
  out[threadIdx.x] = row[threadIdx.x ^ 1];
}

// Four values from `first` on, by one load.
KERNEL(32, planted_misaligned, (const float* values, float* out, int first)) {
  const float4 four = *reinterpret_cast<const float4*>(values + first);
  out[threadIdx.x] = four.x + four.w;
}

// Waits for all but `left` copies of two, then uses both.
KERNEL(32, planted_copy, (const float* values, float* out, int wait)) {
  __shared__ float first[32];
  __shared__ float second[32];
  copy_async_4(first + threadIdx.x, values + threadIdx.x, true);
  copy_async_commit();
  copy_async_4(second + threadIdx.x, values, threadIdx.x % 2 == 0);
  copy_async_commit();
  if (wait != 0) {
    copy_async_wait<0>();
  } else {
    copy_async_wait<1>();
  }
  __syncthreads();
  out[threadIdx.x] = first[threadIdx.x] + second[threadIdx.x ^ 1];
}

// Copies to where a neighbour may still read, unless `sync` is not 0; waits after a barrier.
KERNEL(THREADS, planted_early_copy, (const float* values, float* out, int sync)) {
  __shared__ float row[THREADS];
  row[threadIdx.x] = values[threadIdx.x];
  __syncthreads();
  const float before = row[(threadIdx.x + 37) % THREADS];
  if (sync != 0) __syncthreads();
  copy_async_4(row + threadIdx.x, values, true);
  copy_async_commit();
  __syncthreads();
  copy_async_wait<0>();
  __syncthreads();
  out[threadIdx.x] = before + row[threadIdx.x];
}

// out = a·b of 16×8 · 8×8 (TF32) or 16×16 · 16×8 (bfloat16), operands exact in either.
KERNEL(32, planted_matrix, (const float* a, const float* b, float* out, int wide)) {
  const uint32_t g = threadIdx.x / 4, t = threadIdx.x % 4;
  float d[4] = {};
  uint32_t left[4], right[2];
  if (wide != 0) {
    for (uint32_t i = 0; i < 4; i++) {
      const float* at = a + (g + i % 2 * 8) * 16 + 2 * t + i / 2 * 8;
      left[i] = to_bf16x2(at[0], at[1]);
    }
    for (uint32_t i = 0; i < 2; i++) {
      const float* at = b + (2 * t + i * 8) * 8 + g;
      right[i] = to_bf16x2(at[0], at[8]);
    }
    mma_bf16(d, left, right);
  } else {
    for (uint32_t i = 0; i < 4; i++) left[i] = to_tf32(a[(g + i % 2 * 8) * 8 + t + i / 2 * 4]);
    for (uint32_t i = 0; i < 2; i++) right[i] = to_tf32(b[(t + i * 4) * 8 + g]);
    mma_tf32(d, left, right);
  }
  for (uint32_t i = 0; i < 4; i++) out[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = d[i];
}
