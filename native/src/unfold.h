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

// A run of columns of U that one tap of the window reads from consecutive channels.
struct Segment {
  int64_t tap_y, tap_x, channel, length, column;
};

// Splits columns [first, first + count) of U into segments; returns how many.
inline int64_t segments(const Geometry& geometry, int64_t first, int64_t count, Segment* out) {
  int64_t found = 0;
  for (int64_t done = 0; done < count;) {
    const int64_t j = first + done, tap = j / geometry.group_inputs();
    const int64_t channel = j % geometry.group_inputs(), left = geometry.group_inputs() - channel;
    const int64_t length = left < count - done ? left : count - done;
    out[found++] = {tap / geometry.kernel_width, tap % geometry.kernel_width, channel, length, done};
    done += length;
  }
  return found;
}

inline int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return value < low ? low : value > high ? high : value;
}

inline int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

inline void copy_run(const float* source, float* out, int64_t length) {
  int64_t i = 0;
  for (; i + WIDTH <= length; i += WIDTH) store(out + i, load(source + i));
  for (; i < length; i++) out[i] = source[i];
}

// Copies `count` runs of `length` floats, `step` apart in the source and `stride` apart in the output.
template <int LENGTH>
inline void copy_runs(const float* source, int64_t step, float* out, int64_t stride, int64_t length,
                      int64_t count) {
  for (int64_t x = 0; x < count; x++) {
    copy_run(source + x * step, out + x * stride, LENGTH > 0 ? LENGTH : length);
  }
}

inline void copy_any(const float* source, int64_t step, float* out, int64_t stride, int64_t length,
                     int64_t count) {
  switch (length) {
    case 1:
      return copy_runs<1>(source, step, out, stride, length, count);
    case 3:
      return copy_runs<3>(source, step, out, stride, length, count);
    case WIDTH:
      return copy_runs<WIDTH>(source, step, out, stride, length, count);
    case 2 * WIDTH:
      return copy_runs<2 * WIDTH>(source, step, out, stride, length, count);
    case 3 * WIDTH:
      return copy_runs<3 * WIDTH>(source, step, out, stride, length, count);
    default:
      return copy_runs<0>(source, step, out, stride, length, count);
  }
}

inline void zero_runs(float* out, int64_t stride, int64_t length, int64_t count) {
  for (int64_t x = 0; x < count; x++) {
    for (int64_t i = 0; i < length; i++) out[x * stride + i] = 0;
  }
}

// Positions [first, last) of one sample's U, the columns of these segments, to rows `stride` floats apart.
inline void unfold(const Geometry& geometry, const float* image, int64_t group, const Segment* segment,
                   int64_t segment_count, int64_t first, int64_t last, float* out, int64_t stride) {
  const int64_t step = geometry.stride_width * geometry.channels;
  for (int64_t s = 0; s < segment_count; s++) {
    const Segment& part = segment[s];
    // The outputs of a row whose tap falls inside the image are [inside, outside).
    const int64_t shift = geometry.pad_left - part.tap_x * geometry.dilation_width;
    const int64_t inside = clamp(ceil_div(shift, geometry.stride_width), 0, geometry.out_width);
    const int64_t outside =
        clamp(ceil_div(geometry.width + shift, geometry.stride_width), inside, geometry.out_width);
    const int64_t channel = group * geometry.group_inputs() + part.channel;
    float* row = out + part.column;
    for (int64_t t = first; t < last;) {
      const int64_t oy = t / geometry.out_width, ox = t % geometry.out_width;
      const int64_t end = clamp(last - oy * geometry.out_width, 0, geometry.out_width);
      const int64_t y =
          oy * geometry.stride_height - geometry.pad_top + part.tap_y * geometry.dilation_height;
      const bool visible = y >= 0 && y < geometry.height;
      const int64_t from = visible ? clamp(inside, ox, end) : end,
                    to = visible ? clamp(outside, from, end) : end;
      zero_runs(row, stride, part.length, from - ox);
      if (to > from) {
        const int64_t x = from * geometry.stride_width - shift;
        copy_any(image + (y * geometry.width + x) * geometry.channels + channel, step,
                 row + (from - ox) * stride, stride, part.length, to - from);
      }
      zero_runs(row + (to - ox) * stride, stride, part.length, end - to);
      row += (end - ox) * stride;
      t += end - ox;
    }
  }
}

}  // namespace
}  // namespace NEP_NAMESPACE
