// Elementwise activations, sums and dropout: one pass each, no sums, so the bits depend on nothing else.
#include <cmath>

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

// Below this many elements a team costs more than it saves.
constexpr int64_t SMALL = 1 << 15;
constexpr int64_t BLOCK = 1 << 12;

// Applies whole(i) to full vectors and part(i) to the elements that are left.
template <typename Whole, typename Part>
inline __attribute__((always_inline)) void sweep(int64_t n, int32_t threads, Whole whole, Part part) {
  const int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (n > SMALL)
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t end = n - block * BLOCK < BLOCK ? n : (block + 1) * BLOCK;
    int64_t i = block * BLOCK;
    for (; i + WIDTH <= end; i += WIDTH) whole(i);
    for (; i < end; i++) part(i);
  }
}

// exp(x) for x <= 0, within 2 units in the last place; 0 below -87. The same operations for any width.
inline __attribute__((always_inline)) vfloat exponential(vfloat x) {
  const vfloat least = splat(-87.0f);
  const vfloat bounded = x > least ? x : least;
  // x = k·ln 2 + r with |r| <= ln 2 / 2; the added constant rounds to an integer.
  const vfloat magic = splat(12582912.0f);
  const vfloat shifted = bounded * 1.44269504f + magic;
  const vfloat k = shifted - magic;
  const vfloat r = (bounded - k * 0.693359375f) - k * -2.12194440e-4f;
  vfloat p = splat(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const vfloat value = p * (r * r) + r + 1.0f;
  const vint exponent = (reinterpret_cast<vint>(shifted) - 0x4b400000 + 127) << 23;
  const vfloat result = value * reinterpret_cast<vfloat>(exponent);
  return x > least ? result : vfloat{};
}

inline __attribute__((always_inline)) vfloat celu_of(vfloat x, float alpha) {
  const vfloat negative = alpha * (exponential((x > vfloat{} ? vfloat{} : x) / alpha) - 1.0f);
  return x <= vfloat{} ? negative : x;  // NaN is not at most 0
}

// SplitMix64's finaliser (Steele, Lea, Flood 2014): the i-th draw of a stream.
inline uint64_t draw(uint64_t key, uint64_t i) {
  uint64_t z = key + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

}  // namespace

void relu(const float* x, float* y, int64_t n, int32_t threads) {
  sweep(
      n, threads,
      [=](int64_t i) {
        const vfloat v = load(x + i);
        store(y + i, v <= vfloat{} ? vfloat{} : v);  // NaN is not at most 0
      },
      [=](int64_t i) { y[i] = x[i] <= 0 ? 0 : x[i]; });
}

void relu_gradient(const float* y, const float* dy, float* dx, int64_t n, int32_t threads) {
  sweep(
      n, threads, [=](int64_t i) { store(dx + i, load(y + i) <= vfloat{} ? vfloat{} : load(dy + i)); },
      [=](int64_t i) { dx[i] = y[i] <= 0 ? 0 : dy[i]; });
}

void celu(const float* x, float* y, int64_t n, float alpha, int32_t threads) {
  sweep(
      n, threads, [=](int64_t i) { store(y + i, celu_of(load(x + i), alpha)); },
      [=](int64_t i) { y[i] = celu_of(splat(x[i]), alpha)[0]; });
}

void celu_gradient(const float* y, const float* dy, float* dx, int64_t n, float alpha, int32_t threads) {
  sweep(
      n, threads,
      [=](int64_t i) {
        const vfloat v = load(y + i), g = load(dy + i);
        store(dx + i, v > vfloat{} ? g : g * (v / alpha + 1.0f));
      },
      [=](int64_t i) { dx[i] = y[i] > 0 ? dy[i] : dy[i] * (y[i] / alpha + 1.0f); });
}

void add(const float* a, const float* b, float* out, int64_t n, int32_t threads) {
  sweep(
      n, threads, [=](int64_t i) { store(out + i, load(a + i) + load(b + i)); },
      [=](int64_t i) { out[i] = a[i] + b[i]; });
}

void multiply_rows(float* values, const float* weights, int64_t rows, int64_t n, int32_t threads) {
  const int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (rows * n > SMALL)
  for (int64_t task = 0; task < rows * blocks; task++) {
    const int64_t first = task % blocks * BLOCK, end = n - first < BLOCK ? n : first + BLOCK;
    float* row = values + task / blocks * n;
    int64_t i = first;
    for (; i + WIDTH <= end; i += WIDTH) store(row + i, load(row + i) * load(weights + i));
    for (; i < end; i++) row[i] = row[i] * weights[i];
  }
}

void dropout(const float* x, float* y, int64_t n, int64_t key, int64_t threshold, float scale,
             int32_t threads) {
  const int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (n > SMALL)
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t end = n - block * BLOCK < BLOCK ? n : (block + 1) * BLOCK;
    for (int64_t i = block * BLOCK; i < end; i++) {
      const uint64_t bits = draw(static_cast<uint64_t>(key), static_cast<uint64_t>(i)) >> 32;
      y[i] = bits >= static_cast<uint64_t>(threshold) ? x[i] * scale : 0;
    }
  }
}

}  // namespace NEP_NAMESPACE
