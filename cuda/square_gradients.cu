// Formula: F[o, j] += Σₙ (Σₜ G[n, t, o]·U[n, t, j])², U the unfolded input, formed while it is loaded
//          (SquareGradients.java).
// Layout:  input [n, h, w, c], gradient [n, t, o]; sum, rest [o, j]: a drift-free sum; 4-byte aligned.
//          pairs: T = 1, (G∘G)ᵀ(U∘U).
// Threads: 64 weights by 64 a block, for a run of samples: products of one sample and Σ(·)² stay in
//          registers.
// Cost:    n·o·j·(2t + 2) operations, input and gradient read once a tile: bound by arithmetic (FP32) or by
//          shared memory (TF32, BF16).
// Sums:    float32, samples in order; TF32 or BF16 factors only; runs of samples are added in order by the
//          second stage.
// Tried:   loads of one float each: most instructions formed their addresses; not measured on a GPU.
#include "layer.cuh"

#define SQUARE_GRADIENTS_PARAMETERS                                                                    \
  const float *input, const float *gradient, float *sum, float *rest, float *partial, int64_t samples, \
      int phase, int pairs, LAYER_PARAMETERS

namespace square_gradients {

using layer::Block;
using layer::Column;
using layer::Loader;
using layer::Sizes;

template <typename M>
__device__ void add(SQUARE_GRADIENTS_PARAMETERS) {
  const Sizes s = LAYER_SIZES;
  const Block block(s, 0, samples);
  const Loader load(s, block, input, gradient, 0);
  float product[M::OWNED] = {}, total[M::OWNED] = {};
  if (partial == nullptr) {
#pragma unroll
    for (int i = 0; i < M::OWNED; i++) {
      if (block.owned<M>(i)) total[i] = rest[block.weight<M>(i)];
    }
  }
  // Pairs are sums of squares already: they go to the total, at a unit's end as squares of products do.
  layer::walk<M>({s.positions(), phase, pairs != 0}, block.first, block.last, block.rows - block.first_row,
                 block.columns - block.first_column, pairs != 0, product, load,
                 [&](float(&of)[M::OWNED], int64_t walked) {
                   const bool fold = partial == nullptr && (phase + walked) % PERIOD == 0;
#pragma unroll
                   for (int i = 0; i < M::OWNED; i++) {
                     total[i] = pairs != 0 ? total[i] + of[i] : fmaf(of[i], of[i], total[i]);
                     of[i] = 0;
                     if (fold && block.owned<M>(i)) two_sum(sum[block.weight<M>(i)], total[i]);
                   }
                 });
  float* out =
      partial == nullptr ? rest : partial + static_cast<int64_t>(blockIdx.z) * s.outputs * block.columns;
#pragma unroll
  for (int i = 0; i < M::OWNED; i++) {
    if (block.owned<M>(i)) out[block.weight<M>(i)] = total[i];
  }
}

}  // namespace square_gradients

// Obviously right: a thread a weight, sample by sample.
KERNEL(128, nep_square_gradients_plain, (SQUARE_GRADIENTS_PARAMETERS)) {
  using namespace square_gradients;
  const Sizes s = LAYER_SIZES;
  static_cast<void>(pairs);  // another way to the same sums
  const int64_t w = grid_thread();
  if (partial != nullptr || w >= static_cast<int64_t>(s.outputs) * s.columns()) return;
  const int output = static_cast<int>(w / s.columns());
  const Column column(s, output / s.group_outputs(), static_cast<int>(w % s.columns()));
  for (int64_t n = 0; n < samples; n++) {
    float product = 0;
    for (int t = 0; t < s.positions(); t++) {
      const int64_t from = column.at(s, n, t);
      if (from >= 0)
        product = fmaf(gradient[(n * s.positions() + t) * s.outputs + output], input[from], product);
    }
    rest[w] = fmaf(product, product, rest[w]);
    if ((phase + n + 1) % PERIOD == 0) two_sum(sum[w], rest[w]);
  }
}

// Grid: tiles of a group's weights, groups, runs of samples. One run adds to sum and rest, several write
// partial [runs, o, j].
KERNEL(tile::Fp32::THREADS, nep_square_gradients_fp32, (SQUARE_GRADIENTS_PARAMETERS)) {
  square_gradients::add<tile::Fp32>(input, gradient, sum, rest, partial, samples, phase, pairs,
                                    LAYER_ARGUMENTS);
}
KERNEL(tile::Tf32::THREADS, nep_square_gradients_tf32, (SQUARE_GRADIENTS_PARAMETERS)) {
  square_gradients::add<tile::Tf32>(input, gradient, sum, rest, partial, samples, phase, pairs,
                                    LAYER_ARGUMENTS);
}
KERNEL(tile::Bf16::THREADS, nep_square_gradients_bf16, (SQUARE_GRADIENTS_PARAMETERS)) {
  square_gradients::add<tile::Bf16>(input, gradient, sum, rest, partial, samples, phase, pairs,
                                    LAYER_ARGUMENTS);
}

// The second stage: the runs in order, folded where one of them passed a 64th sample.
KERNEL(256, nep_square_gradients_totals,
       (const float* partial, int64_t samples, int64_t runs, int64_t n, int phase, float* sum, float* rest)) {
  for (int64_t w = grid_thread(); w < n; w += grid_threads()) {
    float total = rest[w];
    int64_t periods = phase / PERIOD;
    for (int64_t run = 0; run < runs; run++) {
      total += partial[run * n + w];
      const int64_t passed = (phase + samples * (run + 1) / runs) / PERIOD;
      if (passed > periods) two_sum(sum[w], total);
      periods = passed;
    }
    rest[w] = total;
  }
}
