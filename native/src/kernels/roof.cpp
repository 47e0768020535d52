// What the machine can do at best, for benchmarks to compare kernels with: independent multiply-add chains
// that stay in registers, and sweeps over memory whose stores bypass the cache, so that the bytes counted are
// the bytes moved.
#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

// Enough for latency times throughput of every processor of each level; with the two constants it fits the 16
// registers of v2 and v3.
constexpr int64_t CHAINS = 12;
constexpr int64_t BLOCK = 4096;

inline void stream(float* p, vfloat v) {
#if defined(NEP_LEVEL_v4)
  _mm512_stream_ps(p, v);
#elif defined(NEP_LEVEL_v3)
  _mm256_stream_ps(p, v);
#elif defined(NEP_LEVEL_v2)
  _mm_stream_ps(p, v);
#else
  store(p, v);
#endif
}

// Makes streamed stores visible to other threads.
inline void drain() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

}  // namespace

int64_t roof_multiply_add(int64_t steps, int32_t threads) {
  int64_t flops = 0;
#pragma omp parallel num_threads(threads) reduction(+ : flops)
  {
    // x ← x·0.5 + 1 tends to 2: neither subnormal nor infinite, and never the same in two chains at the
    // start.
    const vfloat factor = splat(0.5f), addend = splat(1.0f);
    vfloat chain[CHAINS];
    for (int64_t c = 0; c < CHAINS; c++) chain[c] = splat(static_cast<float>(c));
    for (int64_t step = 0; step < steps; step++) {
#pragma GCC unroll 12
      for (int64_t c = 0; c < CHAINS; c++) chain[c] = multiply_add(chain[c], factor, addend);
    }
    vfloat sum{};
    for (int64_t c = 0; c < CHAINS; c++) sum += chain[c];
    volatile float kept = sum[0];
    static_cast<void>(kept);
    flops += steps * CHAINS * WIDTH * 2;
  }
  return flops;
}

void roof_copy(float* target, const float* source, int64_t n, int32_t threads) {
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int64_t block = 0; block < n; block += BLOCK) {
      const int64_t last = n - block < BLOCK ? n : block + BLOCK;
      int64_t i = block;
      for (; i + WIDTH <= last; i += WIDTH) stream(target + i, load(source + i));
      for (; i < last; i++) target[i] = source[i];
    }
    drain();
  }
}

void roof_triad(float* target, const float* a, const float* b, float scale, int64_t n, int32_t threads) {
  const vfloat factor = splat(scale);
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int64_t block = 0; block < n; block += BLOCK) {
      const int64_t last = n - block < BLOCK ? n : block + BLOCK;
      int64_t i = block;
      for (; i + WIDTH <= last; i += WIDTH) stream(target + i, load(a + i) + factor * load(b + i));
      for (; i < last; i++) target[i] = a[i] + scale * b[i];
    }
    drain();
  }
}

}  // namespace NEP_NAMESPACE
