// Formula: F[o, j] += Σₙ (Σₜ G[n, t, o]·U[n, t, j])², as square_gradients.cu; BF16 or TF32 factors, wgmma.
// Layout:  input [n, h, w, c], gradient [n, t, o]; sum, rest [o, j]: a drift-free sum; 4-byte aligned, 16 for
//          full speed. Windows of one pixel, or of up to 3 by 3 (CudaHopperSquares.java).
// Threads: 64 outputs by 36 pieces of eight columns a block, for a run of samples. Three warpgroups multiply
//          64 by 96 each (a row of the window, or 96 channels), products and Σ(·)² in registers; the fourth
//          loads, rounds and stores ahead of them. A stage of shared memory holds `batch` samples, or `band`
//          rows of outputs of one: in a plane for every eight outputs, and in one for every column of the
//          window and eight channels; another row of the window begins further into it (layer_sm90a.cuh).
// Cost:    2·n·t·o·j operations on the tensor cores, n·o·j multiply-adds on the CUDA cores. A block of 64
//          outputs and 32 channels in BF16, for every 16 positions: 144 cycles of the tensor cores, 6 KB from
//          memory or L2, 5 KB written to shared memory and 15 KB read; for every sample 144 cycles of the
//          CUDA cores. Predicted for an H200 where nothing is measured: 64→64 32² 55 to 70 % of the BF16
//          rate, bound by L2 (43 bytes a cycle and multiprocessor of some 60); 512→512 4² 60 to 75 % of the
//          multiply-adds' 144 cycles a sample, which the loads' own instructions and waits for single
//          products lengthen. TF32: twice the tensor cores' cycles and shared memory's bytes, as much from
//          memory; 40 KB take shared memory 320 cycles, the tensor cores 288: bound by shared memory.
// Sums:    float32; positions, then samples in order; BF16 or TF32 factors only; nep_square_gradients_totals
//          adds runs of samples in order. An Inf may show as NaN in other columns of its sample.
// Tried:   nothing else yet; not measured on a GPU.
#include "layer_sm90a.cuh"

namespace square_gradients_sm90a {

using namespace layer_sm90a;

#define SQUARE_GRADIENTS_SM90A_PARAMETERS                                                              \
  const float *input, const float *gradient, float *sum, float *rest, float *partial, int64_t samples, \
      int phase, int stages, int batch, int band, LAYER_PARAMETERS

template <typename F, typename W>
__device__ __forceinline__ void add(SQUARE_GRADIENTS_SM90A_PARAMETERS) {
  const Sizes s = LAYER_SIZES;
  const int across = (s.group_channels() + W::CHANNELS - 1) / W::CHANNELS;
  const int64_t first = samples * blockIdx.z / gridDim.z;
  const Part part = {static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x) / across * ROWS,
                     static_cast<int>(blockIdx.x) % across * W::CHANNEL_PIECES, first,
                     static_cast<int>(samples * (blockIdx.z + 1) / gridDim.z - first)};
  Pipeline<F, W> pipeline(s, part, stages, batch, band, W::slices(s));
  if (pipeline.slice == SLICES) {
    pipeline.load(Outputs(s, part, gradient), input);
    return;
  }
  if (pipeline.slice >= W::slices(s)) return;

  // use(i, where) for the weights of this thread; i of its products, where in [o, j].
  const auto each_weight = [&](auto use) {
    pipeline.each(
        part.group * s.group_outputs() + part.first_row, s.group_outputs() - part.first_row,
        [](int, int) { return true; }, use);
  };
  const int before = static_cast<int>((phase + first) % PERIOD);
  float total[OWNED] = {};
  if (partial == nullptr) each_weight([&](int i, int64_t at) { total[i] = rest[at]; });
  pipeline.multiply([](int) { return true; },
                    [&](const float(&product)[OWNED], int walked) {
#pragma unroll
                      for (int i = 0; i < OWNED; i++) total[i] = fmaf(product[i], product[i], total[i]);
                      if (partial == nullptr && (before + walked) % PERIOD == 0)
                        each_weight([&](int i, int64_t at) { two_sum(sum[at], total[i]); });
                    });
  float* out =
      partial == nullptr ? rest : partial + static_cast<int64_t>(blockIdx.z) * s.outputs * s.columns();
  each_weight([&](int i, int64_t at) { out[at] = total[i]; });
}

}  // namespace square_gradients_sm90a

// Grid: tiles of a group's weights, groups, runs of samples. One run adds to sum and rest, several write
// partial [runs, o, j]. stages, batch, band: how shared memory is used.
KERNEL(layer_sm90a::THREADS, nep_square_gradients_sm90a_window_bf16, (SQUARE_GRADIENTS_SM90A_PARAMETERS)) {
  using namespace square_gradients_sm90a;
  add<Bf16, Window>(input, gradient, sum, rest, partial, samples, phase, stages, batch, band,
                    LAYER_ARGUMENTS);
}
KERNEL(layer_sm90a::THREADS, nep_square_gradients_sm90a_point_bf16, (SQUARE_GRADIENTS_SM90A_PARAMETERS)) {
  using namespace square_gradients_sm90a;
  add<Bf16, Point>(input, gradient, sum, rest, partial, samples, phase, stages, batch, band, LAYER_ARGUMENTS);
}
KERNEL(layer_sm90a::THREADS, nep_square_gradients_sm90a_window_tf32, (SQUARE_GRADIENTS_SM90A_PARAMETERS)) {
  using namespace square_gradients_sm90a;
  add<Tf32, Window>(input, gradient, sum, rest, partial, samples, phase, stages, batch, band,
                    LAYER_ARGUMENTS);
}
KERNEL(layer_sm90a::THREADS, nep_square_gradients_sm90a_point_tf32, (SQUARE_GRADIENTS_SM90A_PARAMETERS)) {
  using namespace square_gradients_sm90a;
  add<Tf32, Point>(input, gradient, sum, rest, partial, samples, phase, stages, batch, band, LAYER_ARGUMENTS);
}
