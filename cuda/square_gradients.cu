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
// Tried:   nothing else yet; not measured on a GPU.
#include "tile.cuh"

#define SQUARE_GRADIENTS_PARAMETERS                                                                          \
  const float *input, const float *gradient, float *sum, float *rest, float *partial, int64_t samples,       \
      int phase, int pairs, int height, int width, int channels, int out_height, int out_width, int outputs, \
      int kernel_height, int kernel_width, int stride_height, int stride_width, int top, int left,           \
      int dilation_height, int dilation_width, int groups
#define SQUARE_GRADIENTS_SIZES                                                                          \
  {                                                                                                     \
    samples, phase, pairs != 0, height, width, channels, out_height, out_width, outputs, kernel_height, \
        kernel_width, stride_height, stride_width, top, left, dilation_height, dilation_width, groups   \
  }

namespace square_gradients {

using tile::TERMS;
using tile::TILE;

struct Sizes {
  int64_t samples;
  int phase;
  bool pairs;
  int height, width, channels, out_height, out_width, outputs, kernel_height, kernel_width, stride_height,
      stride_width, top, left, dilation_height, dilation_width, groups;

  __device__ int positions() const { return out_height * out_width; }
  __device__ int group_channels() const { return channels / groups; }
  __device__ int group_outputs() const { return outputs / groups; }
  __device__ int columns() const { return kernel_height * kernel_width * group_channels(); }
};

// One column of the unfolded input: a place in the kernel's window, and a channel.
struct Column {
  int y, x, channel;
  bool valid;

  __device__ Column(const Sizes& s, int group, int j) : valid(j < s.columns()) {
    const int inner = s.group_channels();
    channel = group * inner + j % inner;
    x = j / inner % s.kernel_width * s.dilation_width - s.left;
    y = j / inner / s.kernel_width * s.dilation_height - s.top;
  }

  // Where it is at a position of a sample; −1 in the padding.
  __device__ int64_t at(const Sizes& s, int64_t sample, int position) const {
    const int row = position / s.out_width * s.stride_height + y,
              column = position % s.out_width * s.stride_width + x;
    const bool inside = valid && row >= 0 && row < s.height && column >= 0 && column < s.width;
    return inside ? ((sample * s.height + row) * s.width + column) * s.channels + channel : -1;
  }
};

// How many samples there are from `from` to the next fold, at most.
__device__ __forceinline__ int64_t to_fold(const Sizes& s, int64_t from, int64_t end) {
  const int64_t length = PERIOD - (s.phase + from) % PERIOD;
  return length < end - from ? length : end - from;
}

// A place in the sequence of loads: a unit is a sample's positions, or, for pairs, the samples up to the next
// fold.
struct Cursor {
  int64_t unit, end;  // first sample of the unit; the run's end
  int64_t length;     // of the unit: positions, or samples
  int64_t term;       // the next one to load

  __device__ Cursor(const Sizes& s, int64_t first, int64_t last)
      : unit(first), end(last), length(0), term(0) {
    if (unit < end) length = s.pairs ? to_fold(s, unit, end) : s.positions();
  }
  __device__ bool over() const { return unit >= end; }
  __device__ int64_t samples(const Sizes& s) const { return s.pairs ? length : 1; }
  // Past one load; true if that was the unit's last.
  __device__ bool advance(const Sizes& s) {
    term += TERMS;
    if (term < length) return false;
    unit += samples(s);
    term = 0;
    if (unit < end && s.pairs) length = to_fold(s, unit, end);
    return true;
  }
};

template <typename M>
__device__ void add(const float* input, const float* gradient, float* sum, float* rest, float* partial,
                    const Sizes& s) {
  __shared__ tile::Shared<M> shared;
  const int rows = s.group_outputs(), columns = s.columns(), group = static_cast<int>(blockIdx.y);
  const int column_tiles = (columns + TILE - 1) / TILE;
  const int first_row = static_cast<int>(blockIdx.x) / column_tiles * TILE;
  const int first_column = static_cast<int>(blockIdx.x) % column_tiles * TILE;
  const int64_t first = s.samples * blockIdx.z / gridDim.z, last = s.samples * (blockIdx.z + 1) / gridDim.z;

  const int loaded = static_cast<int>(threadIdx.x) % TILE, first_term = static_cast<int>(threadIdx.x) / TILE;
  const Column column(s, group, first_column + loaded);
  const bool has_row = first_row + loaded < rows;
  const int output = group * rows + first_row + loaded;
  const auto load = [&](const Cursor& c, int buffer) {
    for (int k = first_term; k < TERMS; k += M::THREADS / TILE) {
      const int64_t term = c.term + k;
      const bool there = term < c.length;
      const int64_t sample = s.pairs ? c.unit + term : c.unit;
      const int position = s.pairs ? 0 : static_cast<int>(term);
      const int64_t from = there ? column.at(s, sample, position) : -1;
      copy_async_4(&shared.u[buffer][k][loaded], from >= 0 ? input + from : input, from >= 0);
      const bool valid = there && has_row;
      const int64_t g = (sample * s.positions() + position) * s.outputs + output;
      copy_async_4(&shared.g[buffer][k][loaded], valid ? gradient + g : gradient, valid);
    }
    copy_async_commit();
  };

  const auto weight = [&](int i) {
    return static_cast<int64_t>(group * rows + first_row + M::row(i)) * columns + first_column + M::column(i);
  };
  const auto owned = [&](int i) {
    return first_row + M::row(i) < rows && first_column + M::column(i) < columns;
  };

  float product[M::OWNED] = {}, total[M::OWNED] = {};
  if (partial == nullptr) {
#pragma unroll
    for (int i = 0; i < M::OWNED; i++) {
      if (owned(i)) total[i] = rest[weight(i)];
    }
  }
  Cursor next(s, first, last), now = next;
  int buffer = 0;
  if (!next.over()) {
    load(next, 0);
    next.advance(s);
  }
  while (!now.over()) {
    if (next.over()) {
      copy_async_wait<0>();
    } else {
      load(next, buffer ^ 1);
      next.advance(s);
      copy_async_wait<1>();
    }
    __syncthreads();
    // Pairs are sums of squares already: they go to the total, at a unit's end as squares of products do.
    M::multiply(product, shared.g[buffer], shared.u[buffer], s.pairs);
    __syncthreads();
    buffer ^= 1;
    const int64_t done = now.unit + now.samples(s);
    if (!now.advance(s)) continue;
    const bool fold = partial == nullptr && (s.phase + done) % PERIOD == 0;
#pragma unroll
    for (int i = 0; i < M::OWNED; i++) {
      total[i] = s.pairs ? total[i] + product[i] : fmaf(product[i], product[i], total[i]);
      product[i] = 0;
      if (fold && owned(i)) two_sum(sum[weight(i)], total[i]);
    }
  }
  float* out = partial == nullptr ? rest : partial + static_cast<int64_t>(blockIdx.z) * s.outputs * columns;
#pragma unroll
  for (int i = 0; i < M::OWNED; i++) {
    if (owned(i)) out[weight(i)] = total[i];
  }
}

}  // namespace square_gradients

// Obviously right: a thread a weight, sample by sample.
KERNEL(128, nep_square_gradients_plain, (SQUARE_GRADIENTS_PARAMETERS)) {
  using namespace square_gradients;
  const Sizes s = SQUARE_GRADIENTS_SIZES;
  const int64_t w = grid_thread();
  if (partial != nullptr || w >= static_cast<int64_t>(s.outputs) * s.columns()) return;
  const int output = static_cast<int>(w / s.columns());
  const Column column(s, output / s.group_outputs(), static_cast<int>(w % s.columns()));
  for (int64_t n = 0; n < s.samples; n++) {
    float product = 0;
    for (int t = 0; t < s.positions(); t++) {
      const int64_t from = column.at(s, n, t);
      if (from >= 0)
        product = fmaf(gradient[(n * s.positions() + t) * s.outputs + output], input[from], product);
    }
    rest[w] = fmaf(product, product, rest[w]);
    if ((s.phase + n + 1) % PERIOD == 0) two_sum(sum[w], rest[w]);
  }
}

// Grid: tiles of a group's weights, groups, runs of samples. One run adds to sum and rest, several write
// partial [runs, o, j].
KERNEL(tile::Fp32::THREADS, nep_square_gradients_fp32, (SQUARE_GRADIENTS_PARAMETERS)) {
  square_gradients::add<tile::Fp32>(input, gradient, sum, rest, partial, SQUARE_GRADIENTS_SIZES);
}
KERNEL(tile::Tf32::THREADS, nep_square_gradients_tf32, (SQUARE_GRADIENTS_PARAMETERS)) {
  square_gradients::add<tile::Tf32>(input, gradient, sum, rest, partial, SQUARE_GRADIENTS_SIZES);
}
KERNEL(tile::Bf16::THREADS, nep_square_gradients_bf16, (SQUARE_GRADIENTS_PARAMETERS)) {
  square_gradients::add<tile::Bf16>(input, gradient, sum, rest, partial, SQUARE_GRADIENTS_SIZES);
}

// The second stage: the runs in order, folded where one of them passed a 64th sample.
KERNEL(256, nep_square_gradients_totals,
       (const float* partial, int64_t samples, int64_t runs, int64_t n, int phase, float* sum, float* rest)) {
  for (int64_t w = grid_thread(); w < n; w += grid_threads()) {
    float total = rest[w];
    for (int64_t run = 0; run < runs; run++) {
      total += partial[run * n + w];
      const int64_t begin = phase + samples * run / runs, end = phase + samples * (run + 1) / runs;
      if (end / PERIOD > begin / PERIOD) two_sum(sum[w], total);
    }
    rest[w] = total;
  }
}
