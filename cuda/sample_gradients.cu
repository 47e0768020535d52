// Formula: P[n, o, j] = Σₜ G[n, t, o]·Ā[n, t, j], Ā the unfolded input, with the bias's 1 as its last column
//          where there is one (SampleGradients.java).
// Layout:  input [n, h, w, c], gradient [n, t, o], out [n, o, j]; 4-byte aligned.
// Threads: 64 by 64 weights of a sample a block, products in registers; a block walks a run of samples.
// Cost:    2·n·t·o·j operations, 4·n·o·j bytes written, input and gradient read once a tile: bound by memory
//          below some 20 positions (FP32), then by arithmetic.
// Sums:    float32, positions in order; TF32 or BF16 factors only: each sample's bits are its own.
// Tried:   nothing else yet; not measured on a GPU.
#include "layer.cuh"

#define SAMPLE_GRADIENTS_PARAMETERS \
  const float *input, const float *gradient, float *out, int64_t samples, int bias, LAYER_PARAMETERS

namespace sample_gradients {

using layer::Block;
using layer::Column;
using layer::Loader;
using layer::Sizes;

template <typename M>
__device__ void write(SAMPLE_GRADIENTS_PARAMETERS) {
  const Sizes s = LAYER_SIZES;
  const Block block(s, bias, samples);
  const Loader load(s, block, input, gradient, bias);
  float product[M::OWNED] = {};
  layer::walk<M>({s.positions(), 0, false}, block.first, block.last, block.rows - block.first_row,
                 block.columns - block.first_column, false, product, load,
                 [&](float(&of)[M::OWNED], int64_t walked) {
                   float* to = out + (walked - 1) * s.outputs * block.columns;
#pragma unroll
                   for (int i = 0; i < M::OWNED; i++) {
                     if (block.owned<M>(i)) to[block.weight<M>(i)] = of[i];
                     of[i] = 0;
                   }
                 });
}

}  // namespace sample_gradients

// Obviously right: a thread a weight of a sample.
KERNEL(128, nep_sample_gradients_plain, (SAMPLE_GRADIENTS_PARAMETERS)) {
  using namespace sample_gradients;
  const Sizes s = LAYER_SIZES;
  const int64_t columns = s.features(bias), w = grid_thread();
  if (w >= samples * s.outputs * columns) return;
  const int64_t n = w / columns / s.outputs;
  const int output = static_cast<int>(w / columns % s.outputs);
  const Column column(s, output / s.group_outputs(), static_cast<int>(w % columns), bias);
  float product = 0;
  for (int t = 0; t < s.positions(); t++)
    product =
        fmaf(gradient[(n * s.positions() + t) * s.outputs + output], column.value(s, input, n, t), product);
  out[w] = product;
}

// Grid: tiles of a group's weights, groups, runs of samples.
KERNEL_UNSPILLED(tile::Fp32::THREADS, nep_sample_gradients_fp32, (SAMPLE_GRADIENTS_PARAMETERS)) {
  sample_gradients::write<tile::Fp32>(input, gradient, out, samples, bias, LAYER_ARGUMENTS);
}
KERNEL_UNSPILLED(tile::Tf32::THREADS, nep_sample_gradients_tf32, (SAMPLE_GRADIENTS_PARAMETERS)) {
  sample_gradients::write<tile::Tf32>(input, gradient, out, samples, bias, LAYER_ARGUMENTS);
}
KERNEL(tile::Bf16::THREADS, nep_sample_gradients_bf16, (SAMPLE_GRADIENTS_PARAMETERS)) {
  sample_gradients::write<tile::Bf16>(input, gradient, out, samples, bias, LAYER_ARGUMENTS);
}
