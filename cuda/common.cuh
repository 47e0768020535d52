// Warp and block helpers, and the few words in which the device and the emulator differ; nothing else.
#pragma once

#include <cstdint>

#if defined(NEP_EMULATED)
#include "emulator/device.h"
#else

// A kernel's name, its threads a block (written here only: Java reads them back from the function), its
// parameters.
#define KERNEL(threads, name, parameters) \
  extern "C" __global__ void __launch_bounds__(threads) name parameters

// The same where ptxas would rather spill than use more registers: one block a multiprocessor is all it must
// leave room for.
#define KERNEL_UNSPILLED(threads, name, parameters) \
  extern "C" __global__ void __launch_bounds__(threads, 1) name parameters

#define DYNAMIC_SHARED(type, name)                                    \
  extern __shared__ __align__(16) unsigned char nep_dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(nep_dynamic_shared)

// d += a·b of a warp: 16×8 += 16×8 · 8×8, TF32 operands, float32 sums. Lane l holds, with g = l / 4 and t = l
// % 4: a: (g, t), (g + 8, t), (g, t + 4), (g + 8, t + 4); b: (t, g), (t + 4, g); d: (g, 2t), (g, 2t + 1), (g
// + 8, 2t), …
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The same with 16 bfloat16 terms, two to a register, the lower index in the lower half: a: (g, 2t…), (g + 8,
// 2t…), (g, 2t + 8…), (g + 8, 2t + 8…); b: (2t…, g), (2t + 8…, g).
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Rounded to TF32's 10 bits of mantissa, ties away from zero.
__device__ __forceinline__ uint32_t to_tf32(float value) {
  uint32_t bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}

// Two bfloat16, ties to even.
__device__ __forceinline__ uint32_t to_bf16x2(float low, float high) {
  uint32_t bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

// Starts a copy of one float to shared memory; zero where it is not valid.
__device__ __forceinline__ void copy_async_4(float* target, const float* source, bool valid) {
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(target));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(to), "l"(source), "r"(valid ? 4 : 0)
               : "memory");
}

// The same of four floats that lie at multiples of 16 bytes.
__device__ __forceinline__ void copy_async_16(float* target, const float* source, bool valid) {
  const uint32_t to = static_cast<uint32_t>(__cvta_generic_to_shared(target));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(source), "r"(valid ? 16 : 0)
               : "memory");
}

// Closes a group of copies.
__device__ __forceinline__ void copy_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits for this thread's groups but the last LEFT; a barrier must follow before other threads read.
template <int LEFT>
__device__ __forceinline__ void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(LEFT) : "memory");
}
#endif

constexpr uint32_t ALL_LANES = 0xffffffffu;

// The index of this thread in a grid of one dimension, and the number of its threads.
__device__ __forceinline__ int64_t grid_thread() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t grid_threads() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

__device__ __forceinline__ bool aligned16(const void* p) {
  return (reinterpret_cast<uintptr_t>(p) & 15) == 0;
}

// Four values from p on, as many as there are; the others are 0.
__device__ __forceinline__ float4 load4(const float* p, int64_t left, bool aligned) {
  if (aligned && left >= 4) return *reinterpret_cast<const float4*>(p);
  float4 v = make_float4(0, 0, 0, 0);
  if (left > 0) v.x = p[0];
  if (left > 1) v.y = p[1];
  if (left > 2) v.z = p[2];
  if (left > 3) v.w = p[3];
  return v;
}

__device__ __forceinline__ void store4(float* p, const float4& v, int64_t left, bool aligned) {
  if (aligned && left >= 4) {
    *reinterpret_cast<float4*>(p) = v;
    return;
  }
  if (left > 0) p[0] = v.x;
  if (left > 1) p[1] = v.y;
  if (left > 2) p[2] = v.z;
  if (left > 3) p[3] = v.w;
}

// sum + rest, exactly (Knuth's TwoSum): sum becomes the rounded total, rest what the rounding lost.
__device__ __forceinline__ void two_sum(float& sum, float& rest) {
  const float s = sum + rest, shown = s - sum;
  rest = (sum - (s - shown)) + (rest - shown);
  sum = s;
}

// Samples after which the rest is folded into the sum (DriftFreeSum.PERIOD).
constexpr int PERIOD = 64;
