// Selective synaptic dampening in one sweep: three reads and, only where something was selected, one write.
#include "reduce.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t VECTORS = LANES / WIDTH;

struct Totals {
  double before = 0, after = 0, factors = 0;
  float change = 0;
  uint64_t selected = 0, zeroed = 0, invalid = 0;
};

struct Options {
  float alpha, lambda, upper;
};

inline vfloat max(vfloat a, vfloat b) { return a > b ? a : b; }

// A chunk's sums, one lane an element modulo LANES, and its counts.
struct Sums {
  vfloat before[VECTORS] = {}, after[VECTORS] = {}, factors[VECTORS] = {}, change = {};
  uint64_t selected = 0, zeroed = 0, invalid = 0;
};

uint64_t count(vint mask) { return static_cast<uint64_t>(__builtin_popcount(lanes(mask))); }

// LANES elements.
inline __attribute__((always_inline)) void block(float* weights, const float* forget, const float* reference,
                                                 const Options& o, Sums& sums) {
  const vfloat zero{}, infinity = splat(__builtin_inff());
#pragma GCC unroll 4
  for (int64_t v = 0; v < VECTORS; v++) {
    const vfloat w = load(weights + v * WIDTH);
    const vfloat f = load(forget + v * WIDTH), d = load(reference + v * WIDTH);
    const vint finite = (absolute(f) < infinity) & (absolute(d) < infinity);
    const vint select = (f > o.alpha * d) & finite;
    vfloat written = w;
    if (__builtin_expect(lanes(~finite) != 0, 0)) sums.invalid += count(~finite);
    if (lanes(select) != 0) {
      const vfloat ratio = o.lambda * d / f;
      const vfloat beta = ratio < o.upper ? ratio : splat(o.upper);
      const vfloat dampened = beta * w;
      written = select ? dampened : w;
      sums.factors[v] += select ? beta : zero;
      sums.change = max(sums.change, absolute(w - written));
      sums.selected += count(select);
      sums.zeroed += count(select & (dampened == zero));
      store(weights + v * WIDTH, written);
    }
    sums.before[v] += absolute(w);
    sums.after[v] += absolute(written);
  }
}

// One chunk of at most CHUNK elements; lanes past the end count as unselected zeros, exactly as in Java.
void chunk(float* weights, const float* forget, const float* reference, int64_t n, Options o,
           Totals* totals) {
  Sums sums;
  int64_t i = 0;
  for (; i + LANES <= n; i += LANES) block(weights + i, forget + i, reference + i, o, sums);
  if (i < n) {
    const size_t left = static_cast<size_t>(n - i) * sizeof(float);
    float padded[3][LANES] = {};
    __builtin_memcpy(padded[0], weights + i, left);
    __builtin_memcpy(padded[1], forget + i, left);
    __builtin_memcpy(padded[2], reference + i, left);
    block(padded[0], padded[1], padded[2], o, sums);
    __builtin_memcpy(weights + i, padded[0], left);
  }
  totals->before += static_cast<double>(fold(reinterpret_cast<float*>(sums.before)));
  totals->after += static_cast<double>(fold(reinterpret_cast<float*>(sums.after)));
  totals->factors += static_cast<double>(fold(reinterpret_cast<float*>(sums.factors)));
  for (int64_t l = 0; l < WIDTH; l++) {
    totals->change = totals->change > sums.change[l] ? totals->change : sums.change[l];
  }
  totals->selected += sums.selected;
  totals->zeroed += sums.zeroed;
  totals->invalid += sums.invalid;
}

}  // namespace

void dampen(float* weights, const float* forget, const float* reference, int64_t n, float alpha, float lambda,
            float upper, uint64_t* counts, double* magnitudes, int32_t threads) {
  const Options options = {alpha, lambda, upper};
  Totals groups[GROUPS];
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 4 * CHUNK)
  for (int64_t g = 0; g < GROUPS; g++) {
    int64_t first, last;
    group_range(n, g, &first, &last);
    Totals totals;
    for (int64_t c = first; c < last; c++) {
      const int64_t at = c * CHUNK, size = n - at < CHUNK ? n - at : CHUNK;
      chunk(weights + at, forget + at, reference + at, size, options, &totals);
    }
    groups[g] = totals;
  }
  Totals all;
  for (const Totals& group : groups) {
    all.before += group.before;
    all.after += group.after;
    all.factors += group.factors;
    all.change = all.change > group.change ? all.change : group.change;
    all.selected += group.selected;
    all.zeroed += group.zeroed;
    all.invalid += group.invalid;
  }
  counts[0] = all.selected;
  counts[1] = all.zeroed;
  counts[2] = all.invalid;
  magnitudes[0] = all.before;
  magnitudes[1] = all.after;
  magnitudes[2] = all.factors;
  magnitudes[3] = static_cast<double>(all.change);
}

}  // namespace NEP_NAMESPACE
