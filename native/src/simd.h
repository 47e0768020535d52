// The vector type of the level being compiled, and the few operations that the compiler's extensions lack.
// Everything is in an unnamed namespace, so that no level shares code with another.
#pragma once

#include <cstdint>

#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define NEP_CONCATENATE(a, b) a##b
#define NEP_NAMESPACE_OF(level) NEP_CONCATENATE(nep_, level)
#define NEP_NAMESPACE NEP_NAMESPACE_OF(NEP_LEVEL)

#if defined(NEP_LEVEL_v4)
#if !defined(__AVX512F__) || !defined(__AVX512BW__) || !defined(__AVX512VL__)
#error "level v4 compiled without AVX-512"
#endif
#define NEP_WIDTH 16
#elif defined(NEP_LEVEL_v3)
#if !defined(__AVX2__) || !defined(__FMA__) || defined(__AVX512F__)
#error "level v3 compiled with the wrong instruction set"
#endif
#define NEP_WIDTH 8
#elif defined(NEP_LEVEL_v2)
#if !defined(__SSE4_2__) || defined(__AVX__)
#error "level v2 compiled with the wrong instruction set"
#endif
#define NEP_WIDTH 4
#else
#define NEP_WIDTH 4
#endif

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t WIDTH = NEP_WIDTH;

typedef float vfloat __attribute__((vector_size(NEP_WIDTH * 4)));
typedef int32_t vint __attribute__((vector_size(NEP_WIDTH * 4)));
// The same vector without the alignment promise, for loads and stores at any float.
typedef float vfloat_at __attribute__((vector_size(NEP_WIDTH * 4), aligned(4), may_alias));

inline __attribute__((always_inline)) vfloat load(const float* p) {
  return *reinterpret_cast<const vfloat_at*>(p);
}
inline __attribute__((always_inline)) void store(float* p, vfloat v) { *reinterpret_cast<vfloat_at*>(p) = v; }

// The first `valid` lanes, 1 to WIDTH of them, and zeros; nothing past them is read, or written.
inline __attribute__((always_inline)) vfloat load_lanes(const float* p, int64_t valid) {
  if (valid == WIDTH) return load(p);
#if defined(NEP_LEVEL_v4)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << valid) - 1), p);
#else
  vfloat part = {};
  for (int64_t l = 0; l < valid; l++) part[l] = p[l];
  return part;
#endif
}
inline __attribute__((always_inline)) void store_lanes(float* p, vfloat v, int64_t valid) {
  if (valid == WIDTH) return store(p, v);
#if defined(NEP_LEVEL_v4)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << valid) - 1), v);
#else
  for (int64_t l = 0; l < valid; l++) p[l] = v[l];
#endif
}

inline __attribute__((always_inline)) vfloat splat(float x) { return x - vfloat{}; }

// a*b + c in one rounding where the level has it, in two otherwise: for matrix-like kernels only.
inline __attribute__((always_inline)) vfloat multiply_add(vfloat a, vfloat b, vfloat c) {
#if defined(NEP_LEVEL_v4)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(NEP_LEVEL_v3)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

// The lanes whose sign bit is set (comparison results), lane 0 in bit 0.
inline __attribute__((always_inline)) uint32_t lanes(vint mask) {
#if defined(NEP_LEVEL_v4)
  return _mm512_movepi32_mask(reinterpret_cast<__m512i>(mask));
#elif defined(NEP_LEVEL_v3)
  return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
#elif defined(NEP_LEVEL_v2)
  return static_cast<uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(mask)));
#else
  uint32_t bits = 0;
  for (int lane = 0; lane < NEP_WIDTH; lane++) bits |= (mask[lane] < 0 ? 1u : 0u) << lane;
  return bits;
#endif
}

// The lanes where a > b, as signed integers, and those where a == b.
inline __attribute__((always_inline)) uint32_t lanes_above(vint a, vint b) {
#if defined(NEP_LEVEL_v4)
  return _mm512_cmpgt_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
#else
  return lanes(a > b);
#endif
}
inline __attribute__((always_inline)) uint32_t lanes_equal(vint a, vint b) {
#if defined(NEP_LEVEL_v4)
  return _mm512_cmpeq_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
#else
  return lanes(a == b);
#endif
}

// The inverse of lanes: all ones in lane l where bit l is set; higher bits mean nothing.
inline __attribute__((always_inline)) vint bit_lanes(uint64_t bits) {
#if NEP_WIDTH == 16
  const vint bit = {1,      2,      4,       8,       1 << 4,  1 << 5,  1 << 6,  1 << 7,
                    1 << 8, 1 << 9, 1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15};
#elif NEP_WIDTH == 8
  const vint bit = {1, 2, 4, 8, 1 << 4, 1 << 5, 1 << 6, 1 << 7};
#else
  const vint bit = {1, 2, 4, 8};
#endif
  return (bit & static_cast<int32_t>(bits & 0xffff)) != 0;
}

// Correctly rounded.
inline __attribute__((always_inline)) vfloat square_root(vfloat v) {
#if defined(NEP_LEVEL_v4)
  return _mm512_maskz_sqrt_ps(0xffff, v);  // GCC 12 warns of its own header in the unmasked form
#elif defined(NEP_LEVEL_v3)
  return _mm256_sqrt_ps(v);
#elif defined(NEP_LEVEL_v2)
  return _mm_sqrt_ps(v);
#else
  for (int lane = 0; lane < NEP_WIDTH; lane++) v[lane] = __builtin_sqrtf(v[lane]);
  return v;
#endif
}

inline __attribute__((always_inline)) vfloat absolute(vfloat v) {
  return reinterpret_cast<vfloat>(reinterpret_cast<vint>(v) & 0x7fffffff);
}

}  // namespace
}  // namespace NEP_NAMESPACE
