// A layer's input and output gradient, sample by sample: their sizes, the unfolded input, formed while it is
// loaded, and the walk over samples that the kernels of per-sample gradients share.
#pragma once

#include <type_traits>

#include "tile.cuh"

#define LAYER_PARAMETERS                                                                              \
  int height, int width, int channels, int out_height, int out_width, int outputs, int kernel_height, \
      int kernel_width, int stride_height, int stride_width, int top, int left, int dilation_height,  \
      int dilation_width, int groups
#define LAYER_ARGUMENTS                                                                                \
  height, width, channels, out_height, out_width, outputs, kernel_height, kernel_width, stride_height, \
      stride_width, top, left, dilation_height, dilation_width, groups
#define LAYER_SIZES \
  { LAYER_ARGUMENTS }

namespace layer {

using tile::TERMS;
using tile::TILE;

struct Sizes {
  int height, width, channels, out_height, out_width, outputs, kernel_height, kernel_width, stride_height,
      stride_width, top, left, dilation_height, dilation_width, groups;

  __device__ int positions() const { return out_height * out_width; }
  __device__ int group_channels() const { return channels / groups; }
  __device__ int group_outputs() const { return outputs / groups; }
  __device__ int columns() const { return kernel_height * kernel_width * group_channels(); }
  __device__ int features(int bias) const { return columns() + (bias != 0 ? 1 : 0); }
};

template <int WIDTH>
__device__ __forceinline__ void copy(float* to, const float* from, bool valid) {
  if constexpr (WIDTH == 4) {
    copy_async_16(to, from, valid);
  } else {
    copy_async_4(to, from, valid);
  }
}

// One column of the unfolded input: a place in the kernel's window, and a channel; or the bias's constant 1.
struct Column {
  int y, x, channel;
  bool valid, one;

  __device__ Column(const Sizes& s, int group, int j, int bias = 0)
      : valid(j < s.columns()), one(bias != 0 && j == s.columns()) {
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

  __device__ float value(const Sizes& s, const float* input, int64_t sample, int position) const {
    const int64_t from = at(s, sample, position);
    return one ? 1.0f : from >= 0 ? input[from] : 0.0f;
  }

  // Starts a load to shared memory; of 0 where `there` is false. Of four: this column and the next three,
  // which are the same place's.
  template <int WIDTH = 1>
  __device__ void load(float* to, const Sizes& s, const float* input, int64_t sample, int position,
                       bool there) const {
    if (WIDTH == 1 && one) {
      *to = there ? 1.0f : 0.0f;
      return;
    }
    const int64_t from = there ? at(s, sample, position) : -1;
    copy<WIDTH>(to, from >= 0 ? input + from : input, from >= 0);
  }
};

// What is multiplied as one: a sample's positions, or, merged, those of all samples up to the next fold.
struct Units {
  int positions, phase;
  bool merged;

  __device__ int samples(int64_t from, int64_t end) const {
    const int64_t length = merged ? PERIOD - (phase + from) % PERIOD : 1;
    return static_cast<int>(length < end - from ? length : end - from);
  }
};

// A place in the sequence of loads.
struct Cursor {
  int64_t unit, end;  // the unit's first sample; the run's end
  int samples, term;  // of the unit; the next one to load

  __device__ Cursor(const Units& u, int64_t first, int64_t last)
      : unit(first), end(last), samples(0), term(0) {
    if (unit < end) samples = u.samples(unit, end);
  }
  __device__ bool over() const { return unit >= end; }
  // Past one load; true if that was the unit's last.
  __device__ bool advance(const Units& u) {
    term += TERMS;
    if (term < samples * u.positions) return false;
    unit += samples;
    term = 0;
    if (unit < end) samples = u.samples(unit, end);
    return true;
  }
};

// A block's tile of a group's weights, for a run of samples, and what of a term this thread loads. Grid:
// tiles, groups, runs.
struct Block {
  int rows, columns, group, first_row, first_column;  // of the group's matrix; the tile's corner
  int64_t first, last;                                // samples

  __device__ Block(const Sizes& s, int bias, int64_t samples)
      : rows(s.group_outputs()), columns(s.features(bias)), group(static_cast<int>(blockIdx.y)) {
    const int across = (columns + TILE - 1) / TILE;
    first_row = static_cast<int>(blockIdx.x) / across * TILE;
    first_column = static_cast<int>(blockIdx.x) % across * TILE;
    first = samples * blockIdx.z / gridDim.z;
    last = samples * (blockIdx.z + 1) / gridDim.z;
  }

  // Of the weights that a thread holds, number i: whether it is one, and where it lies in [outputs, columns].
  template <typename M>
  __device__ bool owned(int i) const {
    return first_row + M::row(i) < rows && first_column + M::column(i) < columns;
  }
  template <typename M>
  __device__ int64_t weight(int i) const {
    return static_cast<int64_t>(group * rows + first_row + M::row(i)) * columns + first_column + M::column(i);
  }
};

// What walk() asks for: starts this thread's loads of a term.
struct Loader {
  const Sizes& sizes;
  const float *input, *gradient;
  bool fours;  // four neighbouring rows, and four columns, lie together: a thread loads them at once
  Column column;
  int output;
  bool has_row;

  __device__ Loader(const Sizes& s, const Block& b, const float* x, const float* g, int bias)
      : sizes(s),
        input(x),
        gradient(g),
        fours(bias == 0 && aligned16(x) && aligned16(g) && s.channels % 4 == 0 && s.outputs % 4 == 0 &&
              s.group_channels() % 4 == 0 && b.rows % 4 == 0),
        column(s, b.group, b.first_column + place(), bias) {
    const int row = b.first_row + place();
    has_row = row < b.rows;
    output = b.group * b.rows + row;
  }

  // The first row and column of the tile that this thread loads.
  __device__ int place() const {
    const int thread = static_cast<int>(threadIdx.x);
    return fours ? thread % (TILE / 4) * 4 : thread % TILE;
  }

  template <int WIDTH>
  __device__ __forceinline__ void load(float* g, float* u, int64_t sample, int position, bool there) const {
    column.load<WIDTH>(u, sizes, input, sample, position, there);
    const bool valid = there && has_row;
    const int64_t at = (sample * sizes.positions() + position) * sizes.outputs + output;
    copy<WIDTH>(g, valid ? gradient + at : gradient, valid);
  }
};

// Starts a thread's loads of a tile of terms, which term(k, g, u) starts one by one.
template <typename M, int WIDTH, typename Term>
__device__ __forceinline__ void load_terms(float (&g)[TERMS][M::PITCH], float (&u)[TERMS][M::PITCH],
                                           Term term) {
  constexpr int ACROSS = TILE / WIDTH;
  const int thread = static_cast<int>(threadIdx.x), place = thread % ACROSS * WIDTH;
  // One by one they are many: unrolled, their addresses would take registers from the sums.
#pragma unroll(WIDTH == 4 ? 2 : 1)
  for (int k = thread / ACROSS; k < TERMS; k += M::THREADS / ACROSS) term(k, &g[k][place], &u[k][place]);
}

// Multiplies the block's tile of samples [first, last), TERMS terms at a time, one buffer loading meanwhile.
// load(g, u, sample, position, there) starts one thread's loads of a term; done(product, samples walked) ends
// a unit, and clears what shall not go on. rows, columns: of the matrix, from the tile's corner on.
template <typename M, typename Load, typename Done>
__device__ __forceinline__ void walk(const Units& units, int64_t first, int64_t last, int rows, int columns,
                                     bool square, float (&product)[M::OWNED], Load load, Done done) {
  __shared__ tile::Shared<M> shared;
  const auto load_all = [&](const Cursor& c, int buffer) {
    // what(k, sample, position, there)
    const auto of_term = [&](int k, auto what) {
      const int term = c.term + k;
      const int64_t sample = units.merged ? c.unit + term / units.positions : c.unit;
      what(sample, units.merged ? term % units.positions : term, term < c.samples * units.positions);
    };
    if constexpr (std::is_same_v<Load, Loader>) {
      if (load.fours) {
        load_terms<M, 4>(shared.g[buffer], shared.u[buffer], [&](int k, float* g, float* u) {
          of_term(k, [&](int64_t sample, int position, bool there) {
            load.template load<4>(g, u, sample, position, there);
          });
        });
      } else {
        load_terms<M, 1>(shared.g[buffer], shared.u[buffer], [&](int k, float* g, float* u) {
          of_term(k, [&](int64_t sample, int position, bool there) {
            load.template load<1>(g, u, sample, position, there);
          });
        });
      }
    } else {
      load_terms<M, 1>(shared.g[buffer], shared.u[buffer], [&](int k, float* g, float* u) {
        of_term(k, [&](int64_t sample, int position, bool there) { load(g, u, sample, position, there); });
      });
    }
    copy_async_commit();
  };
  const bool idle = M::idle(rows, columns);
  Cursor next(units, first, last), now = next;
  int buffer = 0;
  if (!next.over()) {
    load_all(next, 0);
    next.advance(units);
  }
  while (!now.over()) {
    if (next.over()) {
      copy_async_wait<0>();
    } else {
      load_all(next, buffer ^ 1);
      next.advance(units);
      copy_async_wait<1>();
    }
    __syncthreads();
    if (!idle)
      M::multiply(product, shared.g[buffer], shared.u[buffer], square,
                  now.samples * units.positions - now.term);
    __syncthreads();
    buffer ^= 1;
    if (now.advance(units)) done(product, now.unit);
  }
}

}  // namespace layer
