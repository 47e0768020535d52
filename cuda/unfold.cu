// Formula: U[(n, oy, ox), (g, ky, kx, c)] = input[n, y, x, channel] or 0 in the padding; its transpose sums
//          U back into images.
// Layout:  images [n, h, w, c]; unfolded [n·oh·ow, kh·kw·c], a group's columns side by side; 4-byte
//          aligned.
// Threads: an element of the result a thread, channels along the warp; folding gathers, so nothing is added
//          by two threads.
// Cost:    8 bytes an element of U; no arithmetic: bound by memory.
// Sums:    copies; folding adds windows in ascending order: the same bits at every launch.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

#define UNFOLD_SIZES                                                                                      \
  int64_t samples, int height, int width, int channels, int out_height, int out_width, int kernel_height, \
      int kernel_width, int stride_height, int stride_width, int top, int left, int dilation_height,      \
      int dilation_width, int groups

KERNEL(256, nep_unfold, (const float* images, float* unfolded, UNFOLD_SIZES)) {
  const int inner = channels / groups;
  const int64_t columns = static_cast<int64_t>(kernel_height) * kernel_width * channels;
  const int64_t total = samples * out_height * out_width * columns;
  for (int64_t i = grid_thread(); i < total; i += grid_threads()) {
    const int64_t row = i / columns;
    const int column = static_cast<int>(i % columns),
              position = static_cast<int>(row % (out_height * out_width));
    const int c = column % inner, kx = column / inner % kernel_width,
              ky = column / inner / kernel_width % kernel_height,
              group = column / inner / kernel_width / kernel_height;
    const int y = position / out_width * stride_height - top + ky * dilation_height;
    const int x = position % out_width * stride_width - left + kx * dilation_width;
    const bool inside = y >= 0 && y < height && x >= 0 && x < width;
    const int64_t sample = row / (out_height * out_width);
    unfolded[i] = inside ? images[((sample * height + y) * width + x) * channels + group * inner + c] : 0;
  }
}

KERNEL(256, nep_unfold_back, (const float* unfolded, float* images, UNFOLD_SIZES)) {
  const int inner = channels / groups;
  const int64_t columns = static_cast<int64_t>(kernel_height) * kernel_width * channels;
  for (int64_t i = grid_thread(); i < samples * height * width * channels; i += grid_threads()) {
    const int channel = static_cast<int>(i % channels), x = static_cast<int>(i / channels % width),
              y = static_cast<int>(i / channels / width % height);
    const int64_t sample = i / channels / width / height;
    float sum = 0;
    for (int ky = kernel_height - 1; ky >= 0; ky--) {
      const int row = y + top - ky * dilation_height;
      if (row < 0 || row % stride_height != 0 || row / stride_height >= out_height) continue;
      for (int kx = kernel_width - 1; kx >= 0; kx--) {
        const int column = x + left - kx * dilation_width;
        if (column < 0 || column % stride_width != 0 || column / stride_width >= out_width) continue;
        const int64_t at = (sample * out_height + row / stride_height) * out_width + column / stride_width;
        const int64_t place =
            ((static_cast<int64_t>(channel / inner) * kernel_height + ky) * kernel_width + kx) * inner +
            channel % inner;
        sum += unfolded[at * columns + place];
      }
    }
    images[i] = sum;
  }
}

// y[row, c] = bias[c]: what a layer's products are added to.
KERNEL(256, nep_unfold_rows, (const float* bias, float* y, int64_t n, int64_t channels)) {
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) y[i] = bias[i % channels];
}
