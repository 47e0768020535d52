// Formula: U[(n, oy, ox), (g, ky, kx, c)] = input[n, y, x, channel] or 0 in the padding; its transpose sums
//          U back into images, or adds the sum to what they hold.
// Layout:  images [n, h, w, c]; unfolded [n·oh·ow, kh·kw·c], a group's columns side by side; 4-byte
//          aligned.
// Threads: an element of the result a thread, channels along the warp; folding gathers, so nothing is added
//          by two threads.
// Cost:    8 bytes an element of U, folding 4 and 4 an element of the images, 8 where it adds to them; no
//          arithmetic: bound by memory.
// Sums:    copies; folding adds windows in ascending order, then what is there: the same bits at every
//          launch.
// Tried:   nothing else yet; not measured on a GPU.
#include "images.cuh"

#define UNFOLD_SIZES                                                                                      \
  int64_t samples, int height, int width, int channels, int out_height, int out_width, int kernel_height, \
      int kernel_width, int stride_height, int stride_width, int top, int left, int dilation_height,      \
      int dilation_width, int groups

#define UNFOLD_ARGUMENTS                                                                               \
  samples, height, width, channels, out_height, out_width, kernel_height, kernel_width, stride_height, \
      stride_width, top, left, dilation_height, dilation_width, groups

namespace unfold {

// Obviously right: a thread a channel of an image; visit(element of the image or −1, element unfolded),
// windows in order.
template <typename Visit>
__device__ __forceinline__ void channel_by_channel(UNFOLD_SIZES, Visit visit) {
  const int64_t i = grid_thread();
  if (i >= samples * channels) return;
  const int64_t sample = i / channels;
  const int c = static_cast<int>(i % channels), inner = channels / groups;
  for (int row = 0; row < out_height; row++) {
    for (int column = 0; column < out_width; column++) {
      int64_t at = (sample * out_height + row) * out_width + column;
      at = (at * groups + c / inner) * kernel_height * kernel_width * inner + c % inner;
      for (int ky = 0; ky < kernel_height; ky++) {
        for (int kx = 0; kx < kernel_width; kx++) {
          const int y = row * stride_height - top + ky * dilation_height;
          const int x = column * stride_width - left + kx * dilation_width;
          const bool inside = y >= 0 && y < height && x >= 0 && x < width;
          visit(inside ? ((sample * height + y) * width + x) * channels + c : -1, at);
          at += inner;
        }
      }
    }
  }
}

}  // namespace unfold

KERNEL_UNSPILLED(128, nep_unfold_plain, (const float* images, float* unfolded, UNFOLD_SIZES)) {
  unfold::channel_by_channel(UNFOLD_ARGUMENTS,
                             [&](int64_t from, int64_t to) { unfolded[to] = from >= 0 ? images[from] : 0; });
}

KERNEL_UNSPILLED(128, nep_unfold_back_plain, (const float* unfolded, float* images, int add, UNFOLD_SIZES)) {
  const int64_t i = grid_thread();
  if (i >= samples * channels) return;
  for (int64_t p = 0; p < static_cast<int64_t>(height) * width; p++) {
    const int64_t pixel = (i / channels * height * width + p) * channels + i % channels;
    float sum = 0;
    unfold::channel_by_channel(UNFOLD_ARGUMENTS, [&](int64_t to, int64_t from) {
      if (to == pixel) sum += unfolded[from];
    });
    images[pixel] = add != 0 ? images[pixel] + sum : sum;
  }
}

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

KERNEL_UNSPILLED(256, nep_unfold_back, (const float* unfolded, float* images, int add, UNFOLD_SIZES)) {
  const int inner = channels / groups;
  const int64_t columns = static_cast<int64_t>(kernel_height) * kernel_width * channels;
  for (int64_t i = grid_thread(); i < samples * height * width * channels; i += grid_threads()) {
    const images::Place place(i, height, width, channels);
    const float* sample = unfolded + place.sample * out_height * out_width * columns;
    const int first = place.channel / inner * kernel_height * kernel_width * inner + place.channel % inner;
    float sum = 0;
    for (int ky = kernel_height - 1; ky >= 0; ky--) {
      const int row = place.row + top - ky * dilation_height;
      if (row < 0 || row % stride_height != 0 || row / stride_height >= out_height) continue;
      for (int kx = kernel_width - 1; kx >= 0; kx--) {
        const int column = place.column + left - kx * dilation_width;
        if (column < 0 || column % stride_width != 0 || column / stride_width >= out_width) continue;
        const int at = row / stride_height * out_width + column / stride_width;
        sum += sample[at * columns + first + (ky * kernel_width + kx) * inner];
      }
    }
    images[i] = add != 0 ? images[i] + sum : sum;
  }
}

// y[row, c] = bias[c]: what a layer's products are added to.
KERNEL(256, nep_unfold_rows_plain, (const float* bias, float* y, int64_t n, int64_t channels)) {
  const int64_t i = grid_thread();
  if (i < n) y[i] = bias[i % channels];
}

KERNEL(256, nep_unfold_rows, (const float* bias, float* y, int64_t n, int64_t channels)) {
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) y[i] = bias[i % channels];
}
