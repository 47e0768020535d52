// Formula: C += Σₙ Σₜ āₙ[t] āₙ[t]ᵀ (expand), or Σₙ m mᵀ with m the mean or the sum of a sample's rows, i ≤ j
//          only (Covariance.java).
// Layout:  input [n, h, w, c], mask bytes [n, t] or null; sum, rest [groups, f, f]: a drift-free sum; 4-byte
//          aligned.
// Threads: 64 by 64 of C a block, tiles on and above the diagonal only; a block walks samples, products in
//          registers.
// Cost:    n·t·f·(f + 1) operations, the input read twice a tile: bound by arithmetic (FP32) or shared memory
//          (TF32, BF16).
// Sums:    float32; up to 31 rows a sample: rows in order, folded every 64th sample; more: each sample's sum
//          on its own, samples in order, so that blocks may share them out: the bits do not depend on that,
//          and in FP32 not on how a batch is split. Within T + 80 steps from 32 rows on.
// Tried:   nothing else yet; not measured on a GPU.
#include "layer.cuh"

#define COVARIANCE_PARAMETERS                                                                        \
  const float *input, const uint8_t *mask, float *sum, float *rest, float *partial, int64_t samples, \
      int phase, int bias, LAYER_PARAMETERS

namespace covariance {

using layer::Column;
using layer::Sizes;
using tile::TILE;

constexpr int MANY_POSITIONS = 32;  // from here on every sample has a sum of its own

__device__ __forceinline__ bool kept(const uint8_t* mask, const Sizes& s, int64_t sample, int position) {
  return mask == nullptr || mask[sample * s.positions() + position] != 0;
}

template <typename M>
__device__ void add(COVARIANCE_PARAMETERS) {
  const Sizes s = LAYER_SIZES;
  const int size = s.features(bias), group = static_cast<int>(blockIdx.y), tiles = (size + TILE - 1) / TILE;
  int row_tile = 0, at = static_cast<int>(blockIdx.x);
  for (; at >= tiles - row_tile; row_tile++) at -= tiles - row_tile;
  const int first_row = row_tile * TILE, first_column = (row_tile + at) * TILE;
  const int64_t first = samples * blockIdx.z / gridDim.z, last = samples * (blockIdx.z + 1) / gridDim.z;

  const int loaded = static_cast<int>(threadIdx.x) % TILE;
  const Column row(s, group, first_row + loaded, bias), column(s, group, first_column + loaded, bias);
  const auto load = [&](float* g, float* u, int64_t sample, int position, bool there) {
    const bool counts = there && kept(mask, s, sample, position);
    row.load(g, s, input, sample, position, counts);
    column.load(u, s, input, sample, position, counts);
  };
  const auto place = [&](int i) {
    return (static_cast<int64_t>(group) * size + first_row + M::row(i)) * size + first_column + M::column(i);
  };
  const auto owned = [&](int i) {
    const int r = first_row + M::row(i), c = first_column + M::column(i);
    return r <= c && c < size;
  };

  const bool merged = s.positions() < MANY_POSITIONS;
  float product[M::OWNED] = {}, total[M::OWNED] = {};
  if (partial == nullptr) {
#pragma unroll
    for (int i = 0; i < M::OWNED; i++) {
      const float before = owned(i) ? rest[place(i)] : 0.0f;
      product[i] = merged ? before : 0.0f;
      total[i] = before;
    }
  }
  layer::walk<M>({s.positions(), phase, merged}, first, last, size - first_row, size - first_column, false,
                 product, load, [&](float(&of)[M::OWNED], int64_t walked) {
                   const bool fold = (phase + walked) % PERIOD == 0;
                   float* own = partial + (walked - 1) * s.groups * size * size;
#pragma unroll
                   for (int i = 0; i < M::OWNED; i++) {
                     if (partial != nullptr) {
                       if (owned(i)) own[place(i)] = of[i];
                       of[i] = 0;
                       continue;
                     }
                     // What goes on is the product itself, or the samples' total.
                     float next = merged ? of[i] : total[i] + of[i];
                     if (fold && owned(i)) two_sum(sum[place(i)], next);
                     total[i] = next;
                     of[i] = merged ? next : 0.0f;
                   }
                 });
  if (partial != nullptr) return;
#pragma unroll
  for (int i = 0; i < M::OWNED; i++) {
    if (owned(i)) rest[place(i)] = total[i];
  }
}

}  // namespace covariance

// Obviously right: a thread an element, row by row, folded as the others are.
KERNEL(128, nep_covariance_plain, (COVARIANCE_PARAMETERS)) {
  using namespace covariance;
  const Sizes s = LAYER_SIZES;
  const int size = s.features(bias);
  const int64_t e = grid_thread();
  const int i = static_cast<int>(e / size % size), j = static_cast<int>(e % size);
  if (partial != nullptr || e >= static_cast<int64_t>(s.groups) * size * size || i > j) return;
  const int group = static_cast<int>(e / size / size);
  const Column row(s, group, i, bias), column(s, group, j, bias);
  float total = rest[e];
  for (int64_t n = 0; n < samples; n++) {
    float product = 0;
    for (int t = 0; t < s.positions(); t++) {
      if (kept(mask, s, n, t))
        product = fmaf(row.value(s, input, n, t), column.value(s, input, n, t), product);
    }
    total += product;
    if ((phase + n + 1) % PERIOD == 0) two_sum(sum[e], total);
  }
  rest[e] = total;
}

// Grid: tiles on and above the diagonal, groups, runs of samples. One run adds to sum and rest; several, with
// 32 rows a sample or more, write every sample's sum to partial [n, groups, f, f].
KERNEL(tile::Fp32::THREADS, nep_covariance_fp32, (COVARIANCE_PARAMETERS)) {
  covariance::add<tile::Fp32>(input, mask, sum, rest, partial, samples, phase, bias, LAYER_ARGUMENTS);
}
KERNEL(tile::Tf32::THREADS, nep_covariance_tf32, (COVARIANCE_PARAMETERS)) {
  covariance::add<tile::Tf32>(input, mask, sum, rest, partial, samples, phase, bias, LAYER_ARGUMENTS);
}
KERNEL(tile::Bf16::THREADS, nep_covariance_bf16, (COVARIANCE_PARAMETERS)) {
  covariance::add<tile::Bf16>(input, mask, sum, rest, partial, samples, phase, bias, LAYER_ARGUMENTS);
}

// The second stage: the samples in order.
KERNEL(256, nep_covariance_totals,
       (const float* partial, int64_t samples, int64_t groups, int64_t size, int phase, float* sum,
        float* rest)) {
  const int64_t count = groups * size * size;
  for (int64_t e = grid_thread(); e < count; e += grid_threads()) {
    if (e / size % size > e % size) continue;
    float total = rest[e];
    for (int64_t n = 0; n < samples; n++) {
      total += partial[n * count + e];
      if ((phase + n + 1) % PERIOD == 0) two_sum(sum[e], total);
    }
    rest[e] = total;
  }
}

// out [n, groups, f]: the sum, or the mean, of a sample's rows that the mask keeps; a feature a thread.
KERNEL(256, nep_covariance_pool,
       (const float* input, const uint8_t* mask, float* out, int mean, int64_t samples, int bias,
        LAYER_PARAMETERS)) {
  using namespace covariance;
  const Sizes s = LAYER_SIZES;
  const int size = s.features(bias);
  for (int64_t e = grid_thread(); e < samples * s.groups * size; e += grid_threads()) {
    const Column column(s, static_cast<int>(e / size % s.groups), static_cast<int>(e % size), bias);
    const int64_t n = e / size / s.groups;
    float total = 0;
    int counted = 0;
    for (int t = 0; t < s.positions(); t++) {
      if (!kept(mask, s, n, t)) continue;
      total += column.value(s, input, n, t);
      counted++;
    }
    if (mean != 0) total *= counted == 0 ? 0.0f : 1.0f / static_cast<float>(counted);
    out[e] = total;
  }
}
