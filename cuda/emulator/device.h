// What a kernel source sees when the host compiler compiles it for the emulator: CUDA's words, and what they
// do here. A thread is a fiber; every access to global and shared memory comes by the emulator (memory.cpp),
// because the sources are compiled with -fsanitize=thread and the emulator stands in for the sanitizer's
// runtime.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }

namespace nep {

struct Coordinates {
  dim3 thread, block, block_size, grid;
};
// Always the same object, so that a kernel need not ask again.
__attribute__((const)) const Coordinates& coordinates();

// A kernel by its name: threads a block, and how to call it with pointers to its arguments.
struct Registration {
  using Call = void (*)(void** arguments, const void* function);
  template <typename... A>
  Registration(const char* kernel, int block_threads, void (*function)(A...))
      : name(kernel),
        threads(block_threads),
        signature{letter<A>()..., '\0'},
        address(reinterpret_cast<const void*>(function)),
        call([](void** arguments, const void* f) {
          unpack<A...>(arguments, f, std::index_sequence_for<A...>());
        }),
        next(first) {
    first = this;
  }
  template <typename T>
  static constexpr char letter() {
    if (std::is_same_v<T, float>) return 'f';
    if (std::is_same_v<T, double>) return 'd';
    return sizeof(T) == 8 ? 'l' : 'i';
  }
  template <typename... A, size_t... I>
  static void unpack(void** arguments, const void* function, std::index_sequence<I...>) {
    reinterpret_cast<void (*)(A...)>(reinterpret_cast<uintptr_t>(function))(
        *static_cast<std::remove_cv_t<A>*>(arguments[I])...);
  }
  const char* name;
  int threads;
  char signature[32];
  const void* address;
  Call call;
  const Registration* next;
  static const Registration* first;
};

enum class Collective {
  SYNC,
  SHUFFLE,
  BALLOT,
  MATRIX_TF32,
  MATRIX_BF16,
  WARPGROUP_FENCE,
  WARPGROUP_PRODUCT,
  WARPGROUP_COMMIT,
  WARPGROUP_WAIT
};

void block_barrier();
// Waits for the lanes of the mask, all of which must ask for the same; `value` is this lane's part. Returns
// where the lanes' parts lie, by lane, until the next collective.
const uint64_t* warp_collective(Collective what, uint32_t mask, uint64_t value);
uint32_t lane();
void* dynamic_shared();
void copy_async(void* target, const void* source, int bytes, int from_source);
void commit_copies();
void wait_copies(int left);

uint64_t atomic_add(void* address, uint64_t value, int bytes);

struct MatrixOperands {
  float* d;
  const uint32_t* a;
  const uint32_t* b;
};
void matrix(Collective what, float* d, const uint32_t* a, const uint32_t* b);

// d += a·b of a warpgroup: 64 rows, `columns` columns; 16 bfloat16 terms, or 8 of TF32.
struct WarpgroupOperands {
  uint64_t a, b;
  int columns;
  bool wide, accumulate;
  bool operator==(const WarpgroupOperands& o) const {
    return a == o.a && b == o.b && columns == o.columns && wide == o.wide && accumulate == o.accumulate;
  }
};
void warpgroup_product(const WarpgroupOperands& operands, float* d);
void warpgroup(Collective what, int left);
uint32_t shared_address(const void* at);
void proxy_fence();
void barrier_init(uint64_t* at, uint32_t count);
void barrier_arrive(uint64_t* at);
void barrier_wait(uint64_t* at, uint32_t parity);

}  // namespace nep

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __restrict__ __restrict
#define __shared__ static
#define threadIdx (nep::coordinates().thread)
#define blockIdx (nep::coordinates().block)
#define blockDim (nep::coordinates().block_size)
#define gridDim (nep::coordinates().grid)
#define warpSize 32

#define KERNEL(threads, name, parameters)                                     \
  extern "C" void name parameters;                                            \
  static const nep::Registration name##_registration(#name, (threads), name); \
  extern "C" void name parameters

#define KERNEL_UNSPILLED KERNEL

#define DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(nep::dynamic_shared())

inline void __syncthreads() { nep::block_barrier(); }
inline void __syncwarp(uint32_t mask = 0xffffffffu) { nep::warp_collective(nep::Collective::SYNC, mask, 0); }

template <typename T>
inline uint64_t nep_bits(T value) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}
template <typename T>
inline T nep_value(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// As the hardware has it: a source outside the segment of `width` lanes gives the lane's own value. A source
// that is not in the mask is undefined there, and an error here (scheduler.cpp checks it through the part's
// bits).
template <typename T>
inline T nep_shuffle(uint32_t mask, T value, int source, bool inside) {
  const uint64_t* parts = nep::warp_collective(nep::Collective::SHUFFLE, mask, nep_bits(value));
  return inside ? nep_value<T>(parts[source]) : value;
}
template <typename T>
inline T __shfl_down_sync(uint32_t mask, T value, unsigned delta, int width = 32) {
  const int lane = static_cast<int>(nep::lane()), source = lane + static_cast<int>(delta);
  return nep_shuffle(mask, value, source, lane % width + static_cast<int>(delta) < width);
}
template <typename T>
inline T __shfl_xor_sync(uint32_t mask, T value, int with, int width = 32) {
  const int lane = static_cast<int>(nep::lane()), source = lane ^ with;
  return nep_shuffle(mask, value, source, source / width == lane / width);
}
template <typename T>
inline T __shfl_sync(uint32_t mask, T value, int from, int width = 32) {
  const int lane = static_cast<int>(nep::lane());
  return nep_shuffle(mask, value, lane / width * width + from % width, true);
}
inline uint32_t __ballot_sync(uint32_t mask, int predicate) {
  const uint64_t* parts = nep::warp_collective(nep::Collective::BALLOT, mask, predicate != 0);
  uint32_t votes = 0;
  for (int i = 0; i < 32; i++) votes |= (mask >> i & 1) != 0 && parts[i] != 0 ? 1u << i : 0u;
  return votes;
}
inline int __any_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(uint32_t mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

inline uint32_t atomicAdd(uint32_t* at, uint32_t by) {
  return static_cast<uint32_t>(nep::atomic_add(at, by, 4));
}
inline unsigned long long atomicAdd(unsigned long long* at, unsigned long long by) {
  return nep::atomic_add(at, by, 8);
}

inline uint32_t __float_as_uint(float value) { return nep_value<uint32_t>(nep_bits(value)); }
inline float __uint_as_float(uint32_t bits) { return nep_value<float>(bits); }
inline int __popc(uint32_t bits) { return __builtin_popcount(bits); }
inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }
inline float __fsqrt_rn(float value) { return std::sqrt(value); }
using std::fmaf;
using std::max;
using std::min;

// The matrix instructions and asynchronous copies that common.cuh has for the device.
inline void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  nep::matrix(nep::Collective::MATRIX_TF32, d, a, b);
}
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  nep::matrix(nep::Collective::MATRIX_BF16, d, a, b);
}
inline uint32_t to_tf32(float value) {
  const uint32_t bits = __float_as_uint(value);
  return std::isfinite(value) ? (bits + 0x1000u) & ~0x1fffu : bits;
}
inline uint32_t to_bf16(float value) {
  const uint32_t bits = __float_as_uint(value);
  return std::isnan(value) ? 0x7fffu : (bits + 0x7fffu + (bits >> 16 & 1)) >> 16;
}
inline uint32_t to_bf16x2(float low, float high) { return to_bf16(high) << 16 | to_bf16(low); }
inline void copy_async_4(float* target, const float* source, bool valid) {
#if defined(NEP_UNCHECKED)
  *target = valid ? *source : 0;  // at once: nobody would notice a missing wait
#else
  nep::copy_async(target, source, 4, valid ? 4 : 0);
#endif
}
inline void copy_async_16(float* target, const float* source, bool valid) {
#if defined(NEP_UNCHECKED)
  for (int i = 0; i < 4; i++) target[i] = valid ? source[i] : 0;
#else
  nep::copy_async(target, source, 16, valid ? 16 : 0);
#endif
}
inline void copy_async_commit() { nep::commit_copies(); }
template <int LEFT>
inline void copy_async_wait() {
  nep::wait_copies(LEFT);
}

// What hopper.cuh has for the device.
inline int hidden(int value) { return value; }
inline uint32_t shared_address(const void* at) { return nep::shared_address(at); }
inline void proxy_fence() { nep::proxy_fence(); }
inline void barrier_init(uint64_t* at, uint32_t count) { nep::barrier_init(at, count); }
inline void barrier_arrive(uint64_t* at) { nep::barrier_arrive(at); }
inline void barrier_wait(uint64_t* at, uint32_t parity) { nep::barrier_wait(at, parity); }
inline void wgmma_fence() { nep::warpgroup(nep::Collective::WARPGROUP_FENCE, 0); }
inline void wgmma_commit() { nep::warpgroup(nep::Collective::WARPGROUP_COMMIT, 0); }
template <int LEFT>
inline void wgmma_wait() {
  nep::warpgroup(nep::Collective::WARPGROUP_WAIT, LEFT);
}
template <int COLUMNS>
inline void wgmma_bf16(float (&d)[COLUMNS / 2], uint64_t a, uint64_t b, bool accumulate) {
  nep::warpgroup_product({a, b, COLUMNS, true, accumulate}, d);
}
template <int COLUMNS>
inline void wgmma_tf32(float (&d)[COLUMNS / 2], uint64_t a, uint64_t b, bool accumulate) {
  nep::warpgroup_product({a, b, COLUMNS, false, accumulate}, d);
}
