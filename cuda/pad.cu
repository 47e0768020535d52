// Formula: y[p] = x[source(p)] or the constant, by rows and by columns; dx[q] = Σ dy[p] over the p with
//          source(p) = q (Padding.java).
// Layout:  x, dx [n, h, w, c]; y, dy [n, oh, ow, c]; 4-byte aligned.
// Threads: an element of the result a thread, channels along the warp; the gradient gathers over the
//          positions that repeat one.
// Cost:    4 bytes an element of x and y; back, an addition for each that repeats: bound by memory.
// Sums:    float32; rows and their positions in ascending order: the CPU's bits.
// Tried:   nothing else yet; not measured on a GPU.
#include "images.cuh"

#define PAD_SIZES                                                                                       \
  int64_t batch, int height, int width, int channels, int out_height, int out_width, int top, int left, \
      int mode

namespace pad {

enum : int { CONSTANT, REFLECT, REPLICATE, CIRCULAR };  // Padding.Mode

// The position of the image that a position of the padded side repeats, or −1: the constant.
__device__ __forceinline__ int source(int i, int before, int size, int mode) {
  const int at = i - before;
  if (at >= 0 && at < size) return at;
  if (mode == REFLECT) return at < 0 ? -at : 2 * (size - 1) - at;
  if (mode == REPLICATE) return at < 0 ? 0 : size - 1;
  if (mode == CIRCULAR) return at < 0 ? at + size : at - size;
  return -1;
}

// visit(position of the padded side) for those that repeat position p, ascending.
template <typename Visit>
__device__ __forceinline__ void repeats(int p, int before, int size, int padded, int mode, Visit visit) {
  const int last = size - 1, after = before + size;
  if (mode == REPLICATE && p == 0)
    for (int i = 0; i < before; i++) visit(i);
  if (mode == REFLECT && p > 0 && p <= before) visit(before - p);
  if (mode == CIRCULAR && p >= size - before) visit(before + p - size);
  visit(before + p);
  if (mode == CIRCULAR && after + p < padded) visit(after + p);
  if (mode == REFLECT && p < last && after + last - 1 - p < padded) visit(after + last - 1 - p);
  if (mode == REPLICATE && p == last)
    for (int i = after; i < padded; i++) visit(i);
}

// Obviously right: a thread a channel of an image; visit(element of the image or −1, element of the padded
// one), in order.
template <typename Visit>
__device__ __forceinline__ void channel_by_channel(PAD_SIZES, Visit visit) {
  const int64_t i = grid_thread();
  if (i >= batch * channels) return;
  const int64_t sample = i / channels, c = i % channels;
  for (int row = 0; row < out_height; row++) {
    for (int column = 0; column < out_width; column++) {
      const int y = source(row, top, height, mode), x = source(column, left, width, mode);
      visit(y < 0 || x < 0 ? int64_t{-1} : ((sample * height + y) * width + x) * channels + c,
            ((sample * out_height + row) * out_width + column) * channels + c);
    }
  }
}

}  // namespace pad

KERNEL_UNSPILLED(256, nep_pad_plain, (const float* x, float* y, PAD_SIZES, float value)) {
  pad::channel_by_channel(batch, height, width, channels, out_height, out_width, top, left, mode,
                          [&](int64_t from, int64_t to) { y[to] = from < 0 ? value : x[from]; });
}

KERNEL(256, nep_pad, (const float* x, float* y, PAD_SIZES, float value)) {
  const int64_t n = batch * out_height * out_width * channels;
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) {
    const images::Place at(i, out_height, out_width, channels);
    const int row = pad::source(at.row, top, height, mode);
    const int column = pad::source(at.column, left, width, mode);
    y[i] = row < 0 || column < 0 ? value
                                 : x[((at.sample * height + row) * width + column) * channels + at.channel];
  }
}

KERNEL_UNSPILLED(256, nep_pad_gradient_plain, (const float* dy, float* dx, PAD_SIZES)) {
  const int64_t i = grid_thread();
  if (i < batch * channels) {
    for (int64_t p = 0; p < static_cast<int64_t>(height) * width; p++)
      dx[(i / channels * height * width + p) * channels + i % channels] = 0;
  }
  pad::channel_by_channel(batch, height, width, channels, out_height, out_width, top, left, mode,
                          [&](int64_t to, int64_t from) {
                            if (to >= 0) dx[to] += dy[from];
                          });
}

KERNEL(256, nep_pad_gradient, (const float* dy, float* dx, PAD_SIZES)) {
  const int64_t n = batch * height * width * channels;
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) {
    const images::Place at(i, height, width, channels);
    float sum = 0;
    pad::repeats(at.row, top, height, out_height, mode, [&](int row) {
      const int64_t first = (at.sample * out_height + row) * out_width;
      pad::repeats(at.column, left, width, out_width, mode,
                   [&](int column) { sum += dy[(first + column) * channels + at.channel]; });
    });
    dx[i] = sum;
  }
}
