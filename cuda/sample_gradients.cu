// Formula: P[n, o, j] = Σₜ G[n, t, o]·Ā[n, t, j], Ā the unfolded input, with the bias's 1 as its last column
//          where there is one; of a normalisation Σₜ G·X̂ and Σₜ G of each channel (SampleGradients.java).
// Layout:  input [n, h, w, c], gradient [n, t, o], out [n, o, j]; of a normalisation X̂ and G [n, t, c], out
//          [n, 2, c]; 4-byte aligned.
// Threads: 64 by 64 weights of a sample a block, products in registers; a block walks a run of samples. Of a
//          normalisation a channel of a sample a thread, eight positions read before the first is added.
// Cost:    2·n·t·o·j operations, 4·n·o·j bytes written, input and gradient read once a tile: bound by memory
//          below some 20 positions (FP32), then by arithmetic. Of a normalisation 8 bytes an element: bound
//          by memory, or by latency where samples and channels are few.
// Sums:    float32, positions in order; TF32 or BF16 factors only: each sample's bits are its own. Of a
//          normalisation float64, positions in order, rounded once: the processor's bits.
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

// Obviously right: a thread a channel of a sample.
KERNEL(128, nep_sample_gradients_normalisation_plain,
       (const float* normalised, const float* gradient, float* out, int64_t samples, int64_t positions,
        int64_t channels)) {
  const int64_t i = grid_thread();
  if (i >= samples * channels) return;
  const int64_t n = i / channels, c = i % channels;
  double scale = 0, shift = 0;
  for (int64_t t = 0; t < positions; t++) {
    const int64_t at = (n * positions + t) * channels + c;
    const double g = static_cast<double>(gradient[at]);
    scale += g * static_cast<double>(normalised[at]);
    shift += g;
  }
  out[2 * n * channels + c] = static_cast<float>(scale);
  out[(2 * n + 1) * channels + c] = static_cast<float>(shift);
}

KERNEL(256, nep_sample_gradients_normalisation,
       (const float* normalised, const float* gradient, float* out, int64_t samples, int64_t positions,
        int64_t channels)) {
  constexpr int AHEAD = 8;
  for (int64_t i = grid_thread(); i < samples * channels; i += grid_threads()) {
    const int64_t n = i / channels, c = i % channels, first = n * positions * channels + c;
    const float *g = gradient + first, *x = normalised + first;
    double scale = 0, shift = 0;
    for (int64_t t = 0; t < positions; t += AHEAD) {
      float values[AHEAD], factors[AHEAD];
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const bool there = t + k < positions;
        values[k] = there ? g[(t + k) * channels] : 0.0f;
        factors[k] = there ? x[(t + k) * channels] : 0.0f;
      }
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        if (t + k >= positions) break;
        scale += static_cast<double>(values[k]) * static_cast<double>(factors[k]);  // the product is exact
        shift += static_cast<double>(values[k]);
      }
    }
    out[2 * n * channels + c] = static_cast<float>(scale);
    out[(2 * n + 1) * channels + c] = static_cast<float>(shift);
  }
}
