// Formula: s[n] = Σ W[o, j]·(Σₜ G[n, t, o]·A[n, t, j])²; for one position Σⱼ a²·(g²W)ⱼ, a matrix product
//          between two elementwise kernels (SelfScores.java).
// Layout:  input [n, h, w, c], gradient [n, t, o], weights [o, j], scores [n]; 4-byte aligned.
// Threads: 64 by 64 weights a block, products, W and squares in registers, for a run of samples; then a
// tile's
//          sum by a tree, tiles by a second stage. Rows: a block a sample.
// Cost:    n·o·j·(2t + 3) operations, input and gradient read once a tile: bound by arithmetic; rows: 8 bytes
//          a value: bound by memory.
// Sums:    float32 products, positions in order; a thread's squares, lanes and warps by fixed trees, tiles in
//          order in double: each sample's bits are its own.
// Tried:   nothing else yet; not measured on a GPU.
#include "layer.cuh"

#define SELF_SCORES_PARAMETERS                                                                      \
  const float *input, const float *gradient, const float *weights, float *partial, int64_t samples, \
      LAYER_PARAMETERS

namespace self_scores {

using layer::Block;
using layer::Column;
using layer::Loader;
using layer::Sizes;

constexpr int ROW_THREADS = 256;

template <typename T>
__device__ __forceinline__ T warp_sum(T value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_down_sync(ALL_LANES, value, step);
  return value;
}

template <typename M>
__device__ void add(SELF_SCORES_PARAMETERS) {
  constexpr int WARPS = M::THREADS / 32;
  __shared__ float warps[WARPS];
  const Sizes s = LAYER_SIZES;
  const Block block(s, 0, samples);
  const Loader load(s, block, input, gradient, 0);
  float product[M::OWNED] = {}, weight[M::OWNED];
#pragma unroll
  for (int i = 0; i < M::OWNED; i++) {
    weight[i] = block.owned<M>(i) ? weights[block.weight<M>(i)] : 0.0f;
  }
  float* scores = partial + (static_cast<int64_t>(blockIdx.y) * gridDim.x + blockIdx.x) * samples;
  layer::walk<M>({s.positions(), 0, false}, block.first, block.last, block.rows - block.first_row,
                 block.columns - block.first_column, false, product, load,
                 [&](float(&of)[M::OWNED], int64_t walked) {
                   float score = 0;
#pragma unroll
                   for (int i = 0; i < M::OWNED; i++) {
                     score = fmaf(weight[i], of[i] * of[i], score);
                     of[i] = 0;
                   }
                   score = warp_sum(score);
                   // The walk's own barriers lie between this write and the last reading.
                   if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = score;
                   __syncthreads();
                   if (threadIdx.x != 0) return;
                   for (int w = 1; w < WARPS; w++) score += warps[w];
                   scores[walked - 1] = score;
                 });
}

}  // namespace self_scores

// Obviously right: a thread a sample.
KERNEL(64, nep_self_scores_plain, (SELF_SCORES_PARAMETERS)) {
  using namespace self_scores;
  const Sizes s = LAYER_SIZES;
  const int64_t n = grid_thread();
  if (n >= samples) return;
  double score = 0;
  for (int output = 0; output < s.outputs; output++) {
    for (int j = 0; j < s.columns(); j++) {
      const Column column(s, output / s.group_outputs(), j);
      float product = 0;
      for (int t = 0; t < s.positions(); t++)
        product = fmaf(gradient[(n * s.positions() + t) * s.outputs + output], column.value(s, input, n, t),
                       product);
      score +=
          static_cast<double>(weights[static_cast<int64_t>(output) * s.columns() + j] * (product * product));
    }
  }
  partial[n] = static_cast<float>(score);
}

// Grid: tiles of a group's weights, groups, runs of samples. partial [groups, tiles, n].
KERNEL(tile::Fp32::THREADS, nep_self_scores_fp32, (SELF_SCORES_PARAMETERS)) {
  self_scores::add<tile::Fp32>(input, gradient, weights, partial, samples, LAYER_ARGUMENTS);
}
KERNEL(tile::Tf32::THREADS, nep_self_scores_tf32, (SELF_SCORES_PARAMETERS)) {
  self_scores::add<tile::Tf32>(input, gradient, weights, partial, samples, LAYER_ARGUMENTS);
}
KERNEL(tile::Bf16::THREADS, nep_self_scores_bf16, (SELF_SCORES_PARAMETERS)) {
  self_scores::add<tile::Bf16>(input, gradient, weights, partial, samples, LAYER_ARGUMENTS);
}

// The second stage: the tiles in order.
KERNEL(128, nep_self_scores_totals, (const float* partial, int64_t tiles, int64_t samples, float* scores)) {
  for (int64_t n = grid_thread(); n < samples; n += grid_threads()) {
    double total = 0;
#pragma unroll 16
    for (int64_t t = 0; t < tiles; t++) total += static_cast<double>(partial[t * samples + n]);
    scores[n] = static_cast<float>(total);
  }
}

// out = x², elementwise.
KERNEL(256, nep_self_scores_squares, (const float* x, float* out, int64_t n)) {
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) out[i] = x[i] * x[i];
}

// scores[n] = Σ w·x² of a row; weights: a row for each sample, `pitch` apart; pitch 0: one for all.
KERNEL(self_scores::ROW_THREADS, nep_self_scores_rows,
       (const float* rows, const float* weights, int64_t pitch, int64_t samples, int64_t size,
        float* scores)) {
  using namespace self_scores;
  __shared__ double warps[ROW_THREADS / 32];
  for (int64_t n = blockIdx.x; n < samples; n += gridDim.x) {
    double score = 0;
    for (int64_t j = threadIdx.x; j < size; j += ROW_THREADS) {
      const float x = rows[n * size + j];
      score += static_cast<double>(weights[n * pitch + j] * (x * x));
    }
    score = warp_sum(score);
    if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = score;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int w = 1; w < ROW_THREADS / 32; w++) score += warps[w];
      scores[n] = static_cast<float>(score);
    }
    __syncthreads();
  }
}
