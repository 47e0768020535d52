// Implicit unfolding: rows of the patch matrix U (positions × KH·KW·C/groups) of a channels-last image,
// packed for a narrow band of columns at a time. A linear layer is the case of a 1×T image and a 1×1 window.
#pragma once

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

// In the order of the int64 array that callers pass.
struct Geometry {
  int64_t samples, height, width, channels;
  int64_t out_height, out_width, out_channels;
  int64_t kernel_height, kernel_width, stride_height, stride_width;
  int64_t pad_top, pad_left, dilation_height, dilation_width, groups;

  int64_t positions() const { return out_height * out_width; }
  int64_t group_inputs() const { return channels / groups; }
  int64_t group_outputs() const { return out_channels / groups; }
  int64_t columns() const { return kernel_height * kernel_width * group_inputs(); }
};

// A run of columns of U that consecutive floats of an image row fill: one tap's channels, or, where groups
// and dilation leave no gaps, those of all taps of a window row.
struct Segment {
  int64_t tap_y;
  int64_t offset;  // floats from the window's first pixel, on the row of its tap
  int64_t length, column;
};

// Splits columns [first, first + count) of one group's U into segments; returns how many, at most count.
inline int64_t segments(const Geometry& geometry, int64_t group, int64_t first, int64_t count, Segment* out) {
  const int64_t inputs = geometry.group_inputs();
  const bool gapless = geometry.groups == 1 && geometry.dilation_width == 1;
  const int64_t run = gapless ? geometry.kernel_width * inputs : inputs;
  int64_t found = 0;
  for (int64_t done = 0; done < count;) {
    const int64_t j = first + done, within = j % run, left = run - within;
    const int64_t length = left < count - done ? left : count - done;
    const int64_t tap_x = gapless ? 0 : j / inputs % geometry.kernel_width;
    const int64_t offset = tap_x * geometry.dilation_width * geometry.channels + group * inputs + within;
    out[found++] = {j / (geometry.kernel_width * inputs), offset, length, done};
    done += length;
  }
  return found;
}

inline int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

inline int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }
inline int64_t floor_div(int64_t a, int64_t b) { return -ceil_div(-a, b); }

// Copies `count` runs of LENGTH floats, `step` apart in the source and `stride` apart in the output. A
// constant length lets the compiler use overlapping vectors.
template <int LENGTH>
inline void copy_runs(const float* source, int64_t step, float* out, int64_t stride, int64_t count) {
  for (int64_t x = 0; x < count; x++)
    __builtin_memcpy(out + x * stride, source + x * step, LENGTH * sizeof(float));
}

inline void copy_long_runs(const float* source, int64_t step, float* out, int64_t stride, int64_t length,
                           int64_t count) {
  for (int64_t x = 0; x < count; x++, source += step, out += stride) {
    for (int64_t i = 0; i + WIDTH <= length; i += WIDTH) store(out + i, load(source + i));
    store(out + length - WIDTH, load(source + length - WIDTH));
  }
}

inline void copy_any(const float* source, int64_t step, float* out, int64_t stride, int64_t length,
                     int64_t count) {
  switch (length) {
#define NEP_COPY(n) \
  case n:           \
    return copy_runs<n>(source, step, out, stride, count);
    NEP_COPY(1)
    NEP_COPY(2)
    NEP_COPY(3)
    NEP_COPY(4)
    NEP_COPY(5)
    NEP_COPY(6)
    NEP_COPY(7)
    NEP_COPY(8)
    NEP_COPY(9)
    NEP_COPY(10)
    NEP_COPY(11)
    NEP_COPY(12)
    NEP_COPY(13)
    NEP_COPY(14)
    NEP_COPY(15)
    NEP_COPY(16)
    NEP_COPY(24)
    NEP_COPY(32)
    NEP_COPY(48)
#undef NEP_COPY
    default:  // longer than the widest vector
      return copy_long_runs(source, step, out, stride, length, count);
  }
}

inline void zero_runs(float* out, int64_t stride, int64_t length, int64_t count) {
  for (int64_t x = 0; x < count; x++) {
    for (int64_t i = 0; i < length; i++) out[x * stride + i] = 0;
  }
}

// Clears the last vector of `count` rows of whole vectors: before their columns are written, one store a row
// instead of a loop over what is left of it.
inline void zero_last(float* out, int64_t stride, int64_t padded, int64_t count) {
  for (int64_t x = 0; x < count; x++) store(out + x * stride + padded - WIDTH, vfloat{});
}

// One run that the image's edge cuts: what lies in the row's `size` floats from `at` on, zeros elsewhere.
inline void copy_clipped(const float* row, int64_t size, int64_t at, float* out, int64_t length) {
  for (int64_t i = 0; i < length; i++) out[i] = at + i >= 0 && at + i < size ? row[at + i] : 0;
}

// Outputs [from, to) of one output row: the floats of a segment from image row `row`.
inline void unfold_row(const Geometry& geometry, const float* row, const Segment& part, int64_t from,
                       int64_t to, float* out, int64_t stride) {
  const int64_t size = geometry.width * geometry.channels, step = geometry.stride_width * geometry.channels;
  // The segment of output x starts at x·step + start; it lies within the row for x in [whole, cut).
  const int64_t start = part.offset - geometry.pad_left * geometry.channels;
  const int64_t whole = clamp(ceil_div(-start, step), from, to);
  const int64_t cut = clamp(floor_div(size - part.length - start, step) + 1, whole, to);
  for (int64_t x = from; x < whole; x++)
    copy_clipped(row, size, x * step + start, out + (x - from) * stride, part.length);
  if (cut > whole)
    copy_any(row + whole * step + start, step, out + (whole - from) * stride, stride, part.length,
             cut - whole);
  for (int64_t x = cut; x < to; x++)
    copy_clipped(row, size, x * step + start, out + (x - from) * stride, part.length);
}

// Positions [first, last) of one sample's U, the columns of these segments, to rows `stride` floats apart.
inline void unfold(const Geometry& geometry, const float* image, const Segment* segment,
                   int64_t segment_count, int64_t first, int64_t last, float* out, int64_t stride) {
  for (int64_t s = 0; s < segment_count; s++) {
    const Segment& part = segment[s];
    float* target = out + part.column;
    for (int64_t t = first; t < last;) {
      const int64_t oy = t / geometry.out_width, from = t % geometry.out_width;
      const int64_t to = clamp(last - oy * geometry.out_width, 0, geometry.out_width);
      const int64_t y =
          oy * geometry.stride_height - geometry.pad_top + part.tap_y * geometry.dilation_height;
      if (y >= 0 && y < geometry.height) {
        unfold_row(geometry, image + y * geometry.width * geometry.channels, part, from, to, target, stride);
      } else {
        zero_runs(target, stride, part.length, to - from);
      }
      target += (to - from) * stride;
      t += to - from;
    }
  }
}

}  // namespace
}  // namespace NEP_NAMESPACE
