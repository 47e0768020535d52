// Formula: selected(j) iff forget[j] > alpha·reference[j]; weights[j] *= min(lambda·reference[j]/forget[j],
//          upper) (Dampen.java).
// Layout:  weights, forget, reference [n], 4-byte aligned; chunks: one Chunk per 4,096 values; counts 3,
//          magnitudes 4.
// Threads: sixteen threads a chunk, each four neighbouring lanes of its 64 rows, 16 bytes a load; then a
//          group of chunks a block: tiles of 256 chunks come to shared memory, the next one on its way, while
//          a lane for each sum adds one in order; then the 64 groups.
// Cost:    12 bytes read, 4 written where selected; 5 operations a value: bound by memory. Groups: a chain of
//          one addition in double a chunk, n / 262,144 of them: at 8 cycles each and 1.75 GHz 19 µs for 2^30
//          values (counted, not measured).
// Sums:    float lanes folded 64→1, chunks in double within 64 groups in order: Reduction.java's bits, on
//          any device.
// Tried:   all groups in one block, a thread each, straight from the device's memory: a chain of n / 262,144
//          readings, counted at 0.4 ms and more for 2^30 values; not measured on a GPU.
#include "common.cuh"

namespace dampen {

constexpr int THREADS = 256;
constexpr int CHUNK = 4096, LANES = 64, GROUPS = 64;
constexpr int CHUNK_THREADS = LANES / 4;
constexpr int AHEAD = 2;  // rows that are read before the first is written
constexpr int SUMS = 3, TILE = 256;

struct Options {
  float alpha, lambda, upper;
};

struct alignas(16) Chunk {
  float before, after, factors, change;
  uint32_t selected, zeroed, invalid, padding;
};

struct Group {
  double sums[SUMS];                // before, after, factors
  unsigned long long counts[SUMS];  // selected, zeroed, invalid
  double change;
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

KERNEL_UNSPILLED(dampen::THREADS, nep_dampen,
                 (float* weights, const float* forget, const float* reference, int64_t n, float alpha,
                  float lambda, float upper, dampen::Chunk* chunks)) {
  using namespace dampen;
  const Options o = {alpha, lambda, upper};
  const bool aligned = aligned16(weights) && aligned16(forget) && aligned16(reference);
  const int64_t chunk = grid_thread() / CHUNK_THREADS, begin = chunk * CHUNK;
  const int place = static_cast<int>(threadIdx.x) % CHUNK_THREADS;
  Sums sums;
  Chunk total = {};
  for (int row = 0; row < CHUNK / LANES; row += AHEAD) {
    float4 w[AHEAD], f[AHEAD], d[AHEAD];
#pragma unroll
    for (int k = 0; k < AHEAD; k++) {
      const int64_t at = begin + (row + k) * LANES + place * 4, left = n - at;
      w[k] = load4(weights + at, left, aligned);
      f[k] = load4(forget + at, left, aligned);
      d[k] = load4(reference + at, left, aligned);
    }
#pragma unroll
    for (int k = 0; k < AHEAD; k++) {
      const int64_t at = begin + (row + k) * LANES + place * 4;
      float weight[4] = {w[k].x, w[k].y, w[k].z, w[k].w};
      const float old[4] = {w[k].x, w[k].y, w[k].z, w[k].w}, importance[4] = {f[k].x, f[k].y, f[k].z, f[k].w},
                  base[4] = {d[k].x, d[k].y, d[k].z, d[k].w};
      bool any = false;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        float factor;
        any |= one(weight[i], importance[i], base[i], o, factor, total);
        sums.before[i] += fabsf(old[i]);
        sums.after[i] += fabsf(weight[i]);
        sums.factors[i] += factor;
      }
      if (any) {
        store4(weights + at, make_float4(weight[0], weight[1], weight[2], weight[3]), n - at, aligned);
      }
    }
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

// The second stage, a block a group: a thread a chunk of a tile; its sums are added by three lanes, its
// counts by all.
KERNEL(dampen::TILE, nep_dampen_groups, (const dampen::Chunk* chunks, int64_t count, dampen::Group* groups)) {
  using namespace dampen;
  __shared__ double tiles[2][SUMS][TILE + 1];  // one more: the lanes' values are in different banks
  __shared__ unsigned long long counts[SUMS][TILE / 32];
  __shared__ float changes[TILE / 32];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int64_t group = blockIdx.x, end = count * (group + 1) / GROUPS;
  const Chunk none = {};
  double sum = 0;
  float change = 0;
  unsigned long long number[SUMS] = {};
  int64_t first = count * group / GROUPS;
  Chunk next = first + thread < end ? chunks[first + thread] : none;
  for (int buffer = 0; first < end; first += TILE, buffer ^= 1) {
    const Chunk chunk = next;
    next = first + TILE + thread < end ? chunks[first + TILE + thread] : none;
    tiles[buffer][0][thread] = static_cast<double>(chunk.before);
    tiles[buffer][1][thread] = static_cast<double>(chunk.after);
    tiles[buffer][2][thread] = static_cast<double>(chunk.factors);
    change = change > chunk.change ? change : chunk.change;
    number[0] += chunk.selected;
    number[1] += chunk.zeroed;
    number[2] += chunk.invalid;
    __syncthreads();  // the tile before the last has been added: who adds came here, too
    if (thread < SUMS) {
      const double* tile = tiles[buffer][thread];
      const int there = end - first < TILE ? static_cast<int>(end - first) : TILE;
#pragma unroll 16
      for (int c = 0; c < there; c++) sum += tile[c];
    }
  }
  for (int step = 16; step > 0; step /= 2) {
    const float other = __shfl_down_sync(ALL_LANES, change, step);
    change = change > other ? change : other;
    for (int k = 0; k < SUMS; k++) number[k] += __shfl_down_sync(ALL_LANES, number[k], step);
  }
  if (lane == 0) {
    changes[warp] = change;
    for (int k = 0; k < SUMS; k++) counts[k][warp] = number[k];
  }
  __syncthreads();
  if (thread < SUMS) {
    unsigned long long all = 0;
    for (int w = 0; w < TILE / 32; w++) all += counts[thread][w];
    groups[group].sums[thread] = sum;
    groups[group].counts[thread] = all;
  } else if (thread == SUMS) {
    for (int w = 0; w < TILE / 32; w++) change = change > changes[w] ? change : changes[w];
    groups[group].change = static_cast<double>(change);
  }
}

// The third stage, one block: a thread brings a group, then the groups are added in order.
KERNEL(dampen::GROUPS, nep_dampen_totals,
       (const dampen::Group* groups, unsigned long long* counts, double* magnitudes)) {
  using namespace dampen;
  __shared__ Group all[GROUPS];
  const int thread = static_cast<int>(threadIdx.x);
  all[thread] = groups[thread];
  __syncthreads();
  if (thread < SUMS) {
    double sum = 0;
    unsigned long long number = 0;
    for (int g = 0; g < GROUPS; g++) {
      sum += all[g].sums[thread];
      number += all[g].counts[thread];
    }
    magnitudes[thread] = sum;
    counts[thread] = number;
  } else if (thread == SUMS) {
    double largest = 0;
    for (int g = 0; g < GROUPS; g++) largest = largest > all[g].change ? largest : all[g].change;
    magnitudes[SUMS] = largest;
  }
}
