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

// One chunk of at most CHUNK elements; lanes past the end count as unselected zeros, exactly as in Java.
void chunk(float* weights, const float* forget, const float* reference, int64_t n, Options o,
           Totals* totals) {
  const vfloat zero{}, infinity = splat(__builtin_inff());
  vfloat before[VECTORS] = {}, after[VECTORS] = {}, factors[VECTORS] = {};
  vfloat change = zero;
  for (int64_t i = 0; i < n; i += LANES) {
#pragma GCC unroll 4
    for (int64_t v = 0; v < VECTORS; v++) {
      const int64_t at = i + v * WIDTH;
      float tail[3][WIDTH] = {};
      const int64_t left = n - at < WIDTH ? (n - at > 0 ? n - at : 0) : WIDTH;
      const bool whole = left == WIDTH;
      if (!whole) {
        for (int64_t l = 0; l < left; l++) {
          tail[0][l] = weights[at + l];
          tail[1][l] = forget[at + l];
          tail[2][l] = reference[at + l];
        }
      }
      const vfloat w = load(whole ? weights + at : tail[0]);
      const vfloat f = load(whole ? forget + at : tail[1]);
      const vfloat d = load(whole ? reference + at : tail[2]);
      const vint finite = (absolute(f) < infinity) & (absolute(d) < infinity);
      const vint select = (f > o.alpha * d) & finite;
      vfloat written = w;
      totals->invalid += static_cast<uint64_t>(__builtin_popcount(lanes(~finite)));
      const uint32_t chosen = lanes(select);
      if (chosen != 0) {
        const vfloat ratio = o.lambda * d / f;
        const vfloat beta = ratio < o.upper ? ratio : splat(o.upper);
        const vfloat dampened = beta * w;
        written = select ? dampened : w;
        factors[v] += select ? beta : zero;
        change = max(change, absolute(w - written));
        totals->selected += static_cast<uint64_t>(__builtin_popcount(chosen));
        totals->zeroed += static_cast<uint64_t>(__builtin_popcount(lanes(select & (dampened == zero))));
        if (whole) {
          store(weights + at, written);
        } else {
          for (int64_t l = 0; l < left; l++) weights[at + l] = written[l];
        }
      }
      before[v] += absolute(w);
      after[v] += absolute(written);
    }
  }
  totals->before += static_cast<double>(fold(reinterpret_cast<float*>(before)));
  totals->after += static_cast<double>(fold(reinterpret_cast<float*>(after)));
  totals->factors += static_cast<double>(fold(reinterpret_cast<float*>(factors)));
  for (int64_t l = 0; l < WIDTH; l++)
    totals->change = totals->change > change[l] ? totals->change : change[l];
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
