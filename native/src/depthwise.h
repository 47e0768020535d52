// Squared per-sample gradients of a depthwise convolution: every channel is its own group, so channels are
// the lanes.
#pragma once

#include "drift_free.h"
#include "unfold.h"

namespace NEP_NAMESPACE {
namespace {

inline bool is_depthwise(const Geometry& geometry) {
  return geometry.groups > 1 && geometry.group_inputs() == 1 && geometry.group_outputs() == 1;
}

// Σₜ g·x of one sample, one tap and a vector of channels, in four chains added as (0 + 1) + (2 + 3).
inline vfloat tap_product(const Geometry& z, const float* x, const float* g, int64_t tap_y, int64_t tap_x,
                          int64_t valid) {
  const int64_t shift_x = z.pad_left - tap_x * z.dilation_width;
  const int64_t from = clamp(ceil_div(shift_x, z.stride_width), 0, z.out_width);
  const int64_t to = clamp(ceil_div(z.width + shift_x, z.stride_width), from, z.out_width);
  vfloat chain[4] = {};
  for (int64_t oy = 0; oy < z.out_height; oy++) {
    const int64_t y = oy * z.stride_height - z.pad_top + tap_y * z.dilation_height;
    if (y < 0 || y >= z.height) continue;
    const float* rows = x + (y * z.width - shift_x) * z.channels;
    const float* gradients = g + oy * z.out_width * z.out_channels;
    const auto add = [&](int64_t ox, vfloat & sum) __attribute__((always_inline)) {
      sum = multiply_add(load_lanes(gradients + ox * z.out_channels, valid),
                         load_lanes(rows + ox * z.stride_width * z.channels, valid), sum);
    };
    int64_t ox = from;
    for (; ox + 4 <= to; ox += 4) {
      add(ox, chain[0]);
      add(ox + 1, chain[1]);
      add(ox + 2, chain[2]);
      add(ox + 3, chain[3]);
    }
    for (; ox < to; ox++) add(ox, chain[0]);
  }
  return (chain[0] + chain[1]) + (chain[2] + chain[3]);
}

// Channels [first, first + valid): all samples, in order.
inline void depthwise(const Geometry& z, const float* input, const float* gradient, int64_t first,
                      int64_t valid, int64_t phase, float* sum, float* rest) {
  const int64_t taps = z.kernel_height * z.kernel_width;
  const int64_t image = z.height * z.width * z.channels, out = z.positions() * z.out_channels;
  for (int64_t n = 0; n < z.samples; n++) {
    for (int64_t tap = 0; tap < taps; tap++) {
      const vfloat product = tap_product(z, input + n * image + first, gradient + n * out + first,
                                         tap / z.kernel_width, tap % z.kernel_width, valid);
      const vfloat square = product * product;
      for (int64_t l = 0; l < valid; l++) rest[(first + l) * taps + tap] += square[l];
    }
    if (++phase == PERIOD) {
      fold_rest(sum + first * taps, rest + first * taps, valid * taps);
      phase = 0;
    }
  }
}

}  // namespace
}  // namespace NEP_NAMESPACE
