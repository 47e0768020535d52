// Formula: the maximum or the mean of each window, and their gradients: to the first maximum, or shared
//          equally (Dense.java).
// Layout:  x, dx [n, h, w, c]; y, dy [n, oh, ow, c]; 4-byte aligned. Padding never wins, and counts in a
//          mean only if asked to.
// Threads: an element of the result a thread, channels along the warp; gradients gather over the windows
//          that hold a position.
// Cost:    4 bytes an element of x and y, windows from the caches; kh·kw operations: bound by memory.
// Sums:    float32; windows and their positions in ascending order: the CPU's bits.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

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

}  // namespace pool

KERNEL(256, nep_pool_max, (const float* x, float* y, POOL_SIZES)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.outputs(); i += grid_threads()) {
    const int column = static_cast<int>(i / channels % out_width),
              row = static_cast<int>(i / channels / out_width % out_height);
    const float* image = x + i / channels / out_width / out_height * height * width * channels + i % channels;
    float best = __uint_as_float(0xff800000u);
    pool::window(s, row, column, [&](int64_t at) { best = image[at] > best ? image[at] : best; });
    y[i] = best;
  }
}

KERNEL(256, nep_pool_max_gradient, (const float* x, const float* y, const float* dy, float* dx, POOL_SIZES)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.images(); i += grid_threads()) {
    const int64_t sample = i / channels / width / height, c = i % channels;
    const int64_t own = i - sample * height * width * channels - c;
    const float* image = x + sample * height * width * channels + c;
    const float value = x[i];
    float sum = 0;
    pool::windows(s, static_cast<int>(i / channels / width % height), static_cast<int>(i / channels % width),
                  [&](int row, int column) {
                    const int64_t at = ((sample * out_height + row) * out_width + column) * channels + c;
                    const float best = y[at];
                    bool first = value == best;
                    pool::window(s, row, column,
                                 [&](int64_t other) { first &= other >= own || image[other] != best; });
                    sum += first ? dy[at] : 0.0f;
                  });
    dx[i] = sum;
  }
}

KERNEL(256, nep_pool_average, (const float* x, float* y, POOL_SIZES, int padding_counts)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.outputs(); i += grid_threads()) {
    const int column = static_cast<int>(i / channels % out_width),
              row = static_cast<int>(i / channels / out_width % out_height);
    const float* image = x + i / channels / out_width / out_height * height * width * channels + i % channels;
    float sum = 0;
    pool::window(s, row, column, [&](int64_t at) { sum += image[at]; });
    y[i] = sum / pool::divisor(s, row, column, padding_counts);
  }
}

KERNEL(256, nep_pool_average_gradient, (const float* dy, float* dx, POOL_SIZES, int padding_counts)) {
  const pool::Sizes s = POOL_ARGUMENTS;
  for (int64_t i = grid_thread(); i < s.images(); i += grid_threads()) {
    const int64_t sample = i / channels / width / height;
    float sum = 0;
    pool::windows(s, static_cast<int>(i / channels / width % height), static_cast<int>(i / channels % width),
                  [&](int row, int column) {
                    const int64_t at =
                        ((sample * out_height + row) * out_width + column) * channels + i % channels;
                    sum += dy[at] / pool::divisor(s, row, column, padding_counts);
                  });
    dx[i] = sum;
  }
}
