// Formula: selected(j) iff forget[j] > alpha·reference[j]; weights[j] *= min(lambda·reference[j]/forget[j],
//          upper) (Dampen.java).
// Layout:  weights, forget, reference [n], 4-byte aligned; chunks: one Chunk per 4,096 values; counts 3,
//          magnitudes 4.
// Threads: sixteen threads a chunk, each four neighbouring lanes of its 64 rows, 16 bytes a load; then a
//          group of chunks a thread.
// Cost:    12 bytes read, 4 written where selected; 5 operations a value: bound by memory.
// Sums:    float lanes folded 64→1, chunks in double within 64 groups in order: Reduction.java's bits, on
//          any device.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace dampen {

constexpr int THREADS = 256;
constexpr int CHUNK = 4096, LANES = 64, GROUPS = 64;
constexpr int CHUNK_THREADS = LANES / 4;

struct Options {
  float alpha, lambda, upper;
};

struct Chunk {
  float before, after, factors, change;
  uint32_t selected, zeroed, invalid, padding;
};

__device__ __forceinline__ bool finite(float x) { return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u; }

// One weight, with what it adds to the chunk's counts; returns whether it was selected.
__device__ __forceinline__ bool one(float& w, float f, float d, const Options& o, float& factor,
                                    Chunk& total) {
  factor = 0;
  if (!finite(f) || !finite(d)) {
    total.invalid++;
    return false;
  }
  if (!(f > o.alpha * d)) return false;
  const float ratio = o.lambda * d / f;
  factor = ratio < o.upper ? ratio : o.upper;
  const float before = w;
  w = factor * w;
  total.selected++;
  total.zeroed += w == 0;
  const float change = fabsf(before - w);
  total.change = total.change > change ? total.change : change;
  return true;
}

struct Sums {
  float before[4] = {}, after[4] = {}, factors[4] = {};
};

__device__ __forceinline__ float fold(float (&v)[4]) {
  for (int step = CHUNK_THREADS / 2; step > 0; step /= 2) {
    for (int i = 0; i < 4; i++) v[i] += __shfl_down_sync(ALL_LANES, v[i], step, CHUNK_THREADS);
  }
  return (v[0] + v[2]) + (v[1] + v[3]);
}

}  // namespace dampen

// Obviously right: a thread a chunk, value by value.
KERNEL(64, nep_dampen_plain,
       (float* weights, const float* forget, const float* reference, int64_t n, float alpha, float lambda,
        float upper, dampen::Chunk* chunks)) {
  using namespace dampen;
  const Options o = {alpha, lambda, upper};
  const int64_t chunk = grid_thread(), begin = chunk * CHUNK;
  if (begin >= n) return;
  Chunk total = {};
  float lanes[3][LANES] = {};
  for (int64_t j = begin; j < n && j < begin + CHUNK; j++) {
    float w = weights[j], factor;
    lanes[0][j % LANES] += fabsf(w);
    if (one(w, forget[j], reference[j], o, factor, total)) weights[j] = w;
    lanes[1][j % LANES] += fabsf(w);
    lanes[2][j % LANES] += factor;
  }
  for (int half = LANES / 2; half > 0; half /= 2) {
    for (int l = 0; l < half; l++) {
      for (int k = 0; k < 3; k++) lanes[k][l] += lanes[k][l + half];
    }
  }
  total.before = lanes[0][0];
  total.after = lanes[1][0];
  total.factors = lanes[2][0];
  chunks[chunk] = total;
}

KERNEL(dampen::THREADS, nep_dampen,
       (float* weights, const float* forget, const float* reference, int64_t n, float alpha, float lambda,
        float upper, dampen::Chunk* chunks)) {
  using namespace dampen;
  const Options o = {alpha, lambda, upper};
  const bool aligned = aligned16(weights) && aligned16(forget) && aligned16(reference);
  const int64_t chunk = grid_thread() / CHUNK_THREADS, begin = chunk * CHUNK;
  const int place = static_cast<int>(threadIdx.x) % CHUNK_THREADS;
  Sums sums;
  Chunk total = {};
#pragma unroll 4
  for (int row = 0; row < CHUNK / LANES; row++) {
    const int64_t at = begin + row * LANES + place * 4, left = n - at;
    const float4 w = load4(weights + at, left, aligned), f = load4(forget + at, left, aligned),
                 d = load4(reference + at, left, aligned);
    float weight[4] = {w.x, w.y, w.z, w.w};
    const float old[4] = {w.x, w.y, w.z, w.w}, importance[4] = {f.x, f.y, f.z, f.w},
                base[4] = {d.x, d.y, d.z, d.w};
    bool any = false;
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float factor;
      any |= one(weight[i], importance[i], base[i], o, factor, total);
      sums.before[i] += fabsf(old[i]);
      sums.after[i] += fabsf(weight[i]);
      sums.factors[i] += factor;
    }
    if (any) store4(weights + at, make_float4(weight[0], weight[1], weight[2], weight[3]), left, aligned);
  }
  total.before = fold(sums.before);
  total.after = fold(sums.after);
  total.factors = fold(sums.factors);
  for (int step = CHUNK_THREADS / 2; step > 0; step /= 2) {
    const float change = __shfl_down_sync(ALL_LANES, total.change, step, CHUNK_THREADS);
    total.change = total.change > change ? total.change : change;
    total.selected += __shfl_down_sync(ALL_LANES, total.selected, step, CHUNK_THREADS);
    total.zeroed += __shfl_down_sync(ALL_LANES, total.zeroed, step, CHUNK_THREADS);
    total.invalid += __shfl_down_sync(ALL_LANES, total.invalid, step, CHUNK_THREADS);
  }
  if (place == 0 && begin < n) chunks[chunk] = total;
}

// The second stage, one block: a thread a group of chunks, then the first adds the groups in order.
KERNEL(64, nep_dampen_totals,
       (const dampen::Chunk* chunks, int64_t count, unsigned long long* counts, double* magnitudes)) {
  using namespace dampen;
  __shared__ double sums[3][GROUPS];
  __shared__ float changes[GROUPS];
  __shared__ unsigned long long numbers[3][GROUPS];
  const int group = static_cast<int>(threadIdx.x);
  double before = 0, after = 0, factors = 0;
  float change = 0;
  unsigned long long selected = 0, zeroed = 0, invalid = 0;
  for (int64_t c = count * group / GROUPS; c < count * (group + 1) / GROUPS; c++) {
    before += static_cast<double>(chunks[c].before);
    after += static_cast<double>(chunks[c].after);
    factors += static_cast<double>(chunks[c].factors);
    change = change > chunks[c].change ? change : chunks[c].change;
    selected += chunks[c].selected;
    zeroed += chunks[c].zeroed;
    invalid += chunks[c].invalid;
  }
  sums[0][group] = before;
  sums[1][group] = after;
  sums[2][group] = factors;
  changes[group] = change;
  numbers[0][group] = selected;
  numbers[1][group] = zeroed;
  numbers[2][group] = invalid;
  __syncthreads();
  if (group < 3) {
    double sum = 0;
    unsigned long long number = 0;
    for (int g = 0; g < GROUPS; g++) {
      sum += sums[group][g];
      number += numbers[group][g];
    }
    magnitudes[group] = sum;
    counts[group] = number;
  } else if (group == 3) {
    float largest = 0;
    for (int g = 0; g < GROUPS; g++) largest = largest > changes[g] ? largest : changes[g];
    magnitudes[3] = static_cast<double>(largest);
  }
}
