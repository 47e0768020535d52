// Formula: the maximum or the mean of each window, and their gradients: to the first maximum, or shared
//          equally (Dense.java).
// Layout:  x, dx [n, h, w, c]; y, dy [n, oh, ow, c]; 4-byte aligned. Padding never wins, and counts in a
//          mean only if asked to.
// Threads: an element of the result a thread, channels along the warp; gradients gather over the windows
//          that hold a position.
// Cost:    4 bytes an element of x and y, windows from the caches; kh·kw operations: bound by memory.
// Sums:    float32; windows and their positions in ascending order: the CPU's bits.
// Tried:   nothing else yet; not measured on a GPU.
#include "images.cuh"

#define POOL_SIZES                                                                                      \
  int64_t batch, int height, int width, int channels, int out_height, int out_width, int kernel_height, \
      int kernel_width, int stride_height, int stride_width, int dilation_height, int dilation_width,   \
      int top, int left
#define POOL_ARGUMENTS                                                                                 \
  {                                                                                                    \
    batch, height, width, channels, out_height, out_width, kernel_height, kernel_width, stride_height, \
        stride_width, dilation_height, dilation_width, top, left                                       \
  }

namespace pool {

struct Sizes {
  int64_t batch;
  int height, width, channels, out_height, out_width, kernel_height, kernel_width, stride_height,
      stride_width, dilation_height, dilation_width, top, left;

  __device__ int64_t images() const { return batch * height * width * channels; }
  __device__ int64_t outputs() const { return batch * out_height * out_width * channels; }
};

// visit(offset in the image of channel 0, i, j) for the positions of a window within the image, row by row.
template <typename Visit>
__device__ __forceinline__ void window(const Sizes& s, int row, int column, Visit visit) {
  for (int i = 0; i < s.kernel_height; i++) {
    const int y = row * s.stride_height - s.top + i * s.dilation_height;
    if (y < 0 || y >= s.height) continue;
    for (int j = 0; j < s.kernel_width; j++) {
      const int x = column * s.stride_width - s.left + j * s.dilation_width;
      if (x >= 0 && x < s.width) visit((static_cast<int64_t>(y) * s.width + x) * s.channels);
    }
  }
}

// visit(row, column) for the windows that hold a position, ascending.
template <typename Visit>
__device__ __forceinline__ void windows(const Sizes& s, int y, int x, Visit visit) {
  for (int i = s.kernel_height - 1; i >= 0; i--) {
    const int row = y + s.top - i * s.dilation_height;
    if (row < 0 || row % s.stride_height != 0 || row / s.stride_height >= s.out_height) continue;
    for (int j = s.kernel_width - 1; j >= 0; j--) {
      const int column = x + s.left - j * s.dilation_width;
      if (column < 0 || column % s.stride_width != 0 || column / s.stride_width >= s.out_width) continue;
      visit(row / s.stride_height, column / s.stride_width);
    }
  }
}

__device__ __forceinline__ float divisor(const Sizes& s, int row, int column, int padding_counts) {
  int count = 0;
  window(s, row, column, [&](int64_t) { count++; });
  return static_cast<float>(padding_counts != 0 ? s.kernel_height * s.kernel_width : count);
}

// NaN wins, and stays.
__device__ __forceinline__ float larger(float value, float best) {
  return value > best || value != value ? value : best;
}
__device__ __forceinline__ bool same(float a, float b) { return a == b || (a != a && b != b); }

// Obviously right: a thread a channel of an image walks the windows in order and visits each one's positions.
template <typename Visit>
__device__ __forceinline__ void channel_by_channel(const Sizes& s, Visit visit) {
  const int64_t i = grid_thread();
  if (i >= s.batch * s.channels) return;
  const int64_t sample = i / s.channels, c = i % s.channels;
  const int64_t image = sample * s.height * s.width * s.channels + c;
  for (int row = 0; row < s.out_height; row++) {
    for (int column = 0; column < s.out_width; column++)
      visit(image, ((sample * s.out_height + row) * s.out_width + column) * s.channels + c, row, column);
  }
}

__device__ __forceinline__ void clear_channel(const Sizes& s, float* dx) {
  const int64_t i = grid_thread();
  if (i >= s.batch * s.channels) return;
  for (int64_t p = 0; p < static_cast<int64_t>(s.height) * s.width; p++)
    dx[(i / s.channels * s.height * s.width + p) * s.channels + i % s.channels] = 0;
}

}  // namespace pool

KERNEL(256, nep_pool_max_plain, (const float* x, float* y, POOL_SIZES)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  pool::channel_by_channel(s, [&](int64_t image, int64_t out, int row, int column) {
    float best = __uint_as_float(0xff800000u);
    pool::window(s, row, column, [&](int64_t at) { best = pool::larger(x[image + at], best); });
    y[out] = best;
  });
}

KERNEL(256, nep_pool_max, (const float* x, float* y, POOL_SIZES)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.outputs(); i += grid_threads()) {
    const images::Place at(i, out_height, out_width, channels);
    const float* image = x + at.sample * height * width * channels + at.channel;
    float best = __uint_as_float(0xff800000u);
    pool::window(s, at.row, at.column, [&](int64_t from) { best = pool::larger(image[from], best); });
    y[i] = best;
  }
}

KERNEL(256, nep_pool_max_gradient_plain,
       (const float* x, const float* y, const float* dy, float* dx, POOL_SIZES)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  pool::clear_channel(s, dx);
  pool::channel_by_channel(s, [&](int64_t image, int64_t out, int row, int column) {
    bool given = false;
    pool::window(s, row, column, [&](int64_t at) {
      if (!given && pool::same(x[image + at], y[out])) {
        dx[image + at] += dy[out];
        given = true;
      }
    });
  });
}

KERNEL(256, nep_pool_max_gradient, (const float* x, const float* y, const float* dy, float* dx, POOL_SIZES)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.images(); i += grid_threads()) {
    const images::Place place(i, height, width, channels);
    const int64_t own = (static_cast<int64_t>(place.row) * width + place.column) * channels;
    const float* image = x + i - own;
    const float value = x[i];
    float sum = 0;
    pool::windows(s, place.row, place.column, [&](int row, int column) {
      const int64_t at = ((place.sample * out_height + row) * out_width + column) * channels + place.channel;
      const float best = y[at];
      bool first = pool::same(value, best);
      pool::window(s, row, column,
                   [&](int64_t other) { first &= other >= own || !pool::same(image[other], best); });
      sum += first ? dy[at] : 0.0f;
    });
    dx[i] = sum;
  }
}

KERNEL(256, nep_pool_average_plain, (const float* x, float* y, POOL_SIZES, int padding_counts)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  pool::channel_by_channel(s, [&](int64_t image, int64_t out, int row, int column) {
    float sum = 0;
    pool::window(s, row, column, [&](int64_t at) { sum += x[image + at]; });
    y[out] = sum / pool::divisor(s, row, column, padding_counts);
  });
}

KERNEL(256, nep_pool_average, (const float* x, float* y, POOL_SIZES, int padding_counts)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.outputs(); i += grid_threads()) {
    const images::Place at(i, out_height, out_width, channels);
    const float* image = x + at.sample * height * width * channels + at.channel;
    float sum = 0;
    pool::window(s, at.row, at.column, [&](int64_t from) { sum += image[from]; });
    y[i] = sum / pool::divisor(s, at.row, at.column, padding_counts);
  }
}

KERNEL(256, nep_pool_average_gradient_plain, (const float* dy, float* dx, POOL_SIZES, int padding_counts)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  pool::clear_channel(s, dx);
  pool::channel_by_channel(s, [&](int64_t image, int64_t out, int row, int column) {
    const float share = dy[out] / pool::divisor(s, row, column, padding_counts);
    pool::window(s, row, column, [&](int64_t at) { dx[image + at] += share; });
  });
}

KERNEL(256, nep_pool_average_gradient, (const float* dy, float* dx, POOL_SIZES, int padding_counts)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.images(); i += grid_threads()) {
    const images::Place place(i, height, width, channels);
    float sum = 0;
    pool::windows(s, place.row, place.column, [&](int row, int column) {
      const int64_t at = ((place.sample * out_height + row) * out_width + column) * channels + place.channel;
      sum += dy[at] / pool::divisor(s, row, column, padding_counts);
    });
    dx[i] = sum;
  }
}
