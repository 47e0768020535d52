// Formula: y = max(x̂·scale + shift + residual, 0), NaN of NaN, with x̂ = (x - mean)/√(variance + ε); with
//          g = 0 where y ≤ 0, else dy: dx = g·scale/√(variance + ε), of every sample Σₜ g·x̂ and Σₜ g
//          (Dense.java).
// Layout:  x, residual, y, dy, dx [samples, positions, channels], row-major; sums [samples, channels]; the
//          others [channels]; 4-byte aligned. Outputs may be what they are made of (nepenthe.h).
// Threads: forward: four neighbouring elements a thread, 16 bytes a load; gradient: 32 channels of a sample a
//          block, eight positions side by side, four of each read before any is written.
// Cost:    forward 8 bytes an element, 12 with a residual; gradient 12, 20 with a residual and its gradient:
//          bound by memory.
// Sums:    float32, the bits of batch_norm.cu, activation.cu and square_vector_gradients.cu, one after the
//          other.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace batch_norm_relu {

constexpr int CHANNELS = 32, CHAINS = 8, AHEAD = 4;

struct Parameters {
  float mean, inverse, scale, shift;

  __device__ float normalised(float x) const { return (x - mean) * inverse; }
  __device__ float shifted(float x) const { return normalised(x) * scale + shift; }
};

__device__ __forceinline__ float above_zero(float gate, float value) { return gate <= 0 ? 0.0f : value; }

}  // namespace batch_norm_relu

// Obviously right: a thread a channel. residual may be null, here and below.
KERNEL(64, nep_batch_norm_relu_plain,
       (const float* x, const float* residual, const float* mean, const float* inverse, const float* scale,
        const float* shift, float* y, int64_t n, int64_t channels)) {
  const int64_t c = grid_thread();
  for (int64_t i = c; c < channels && i < n; i += channels) {
    float value = (x[i] - mean[c]) * inverse[c] * scale[c] + shift[c];
    if (residual != nullptr) value += residual[i];
    y[i] = value <= 0 ? 0.0f : value;
  }
}

// y may be null where there was no residual; residual then is, too.
KERNEL(64, nep_batch_norm_relu_gradient_plain,
       (const float* x, const float* y, const float* dy, const float* mean, const float* inverse,
        const float* scale, const float* shift, float* dx, float* residual, float* by_scale, float* by_shift,
        int64_t samples, int64_t positions, int64_t channels)) {
  using namespace batch_norm_relu;
  const int64_t c = grid_thread();
  for (int64_t n = 0; c < channels && n < samples; n++) {
    float scales[CHAINS] = {}, shifts[CHAINS] = {};
    for (int64_t t = 0; t < positions; t++) {
      const int64_t at = (n * positions + t) * channels + c;
      const float normalised = (x[at] - mean[c]) * inverse[c];
      const float output = y != nullptr ? y[at] : normalised * scale[c] + shift[c];
      const float g = output <= 0 ? 0.0f : dy[at];
      scales[t % CHAINS] = fmaf(g, normalised, scales[t % CHAINS]);
      shifts[t % CHAINS] += g;
      dx[at] = g * (scale[c] * inverse[c]);
      if (residual != nullptr) residual[at] = g;
    }
    for (int k = 1; k < CHAINS; k++) {
      scales[0] += scales[k];
      shifts[0] += shifts[k];
    }
    by_scale[n * channels + c] = scales[0];
    by_shift[n * channels + c] = shifts[0];
  }
}

KERNEL(256, nep_batch_norm_relu,
       (const float* x, const float* residual, const float* mean, const float* inverse, const float* scale,
        const float* shift, float* y, int64_t n, int64_t channels)) {
  using namespace batch_norm_relu;
  const bool aligned = aligned16(x) && aligned16(y) && aligned16(residual);
  const bool whole = channels % 4 == 0, parameters = whole && aligned16(mean) && aligned16(inverse) &&
                                                     aligned16(scale) && aligned16(shift);
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4) {
    const int64_t left = n - i, c = i % channels;
    const float4 v = load4(x + i, left, aligned);
    const float4 r = residual == nullptr ? make_float4(0, 0, 0, 0) : load4(residual + i, left, aligned);
    const float in[4] = {v.x, v.y, v.z, v.w}, add[4] = {r.x, r.y, r.z, r.w};
    Parameters p[4] = {};
    if (parameters) {
      const float4 m = load4(mean + c, 4, true), d = load4(inverse + c, 4, true),
                   s = load4(scale + c, 4, true), b = load4(shift + c, 4, true);
      p[0] = {m.x, d.x, s.x, b.x};
      p[1] = {m.y, d.y, s.y, b.y};
      p[2] = {m.z, d.z, s.z, b.z};
      p[3] = {m.w, d.w, s.w, b.w};
    } else {
      for (int k = 0; k < 4 && k < left; k++) {
        const int64_t at = whole ? c + k : (i + k) % channels;
        p[k] = {mean[at], inverse[at], scale[at], shift[at]};
      }
    }
    float out[4];
    for (int k = 0; k < 4; k++) {
      const float shifted = p[k].shifted(in[k]), value = residual == nullptr ? shifted : shifted + add[k];
      out[k] = above_zero(value, value);
    }
    store4(y + i, make_float4(out[0], out[1], out[2], out[3]), left, aligned);
  }
}

// Grid: channels by 32, samples.
KERNEL(256, nep_batch_norm_relu_gradient,
       (const float* x, const float* y, const float* dy, const float* mean, const float* inverse,
        const float* scale, const float* shift, float* dx, float* residual, float* by_scale, float* by_shift,
        int64_t samples, int64_t positions, int64_t channels)) {
  using namespace batch_norm_relu;
  __shared__ float scales[CHAINS][CHANNELS], shifts[CHAINS][CHANNELS];
  const int lane = static_cast<int>(threadIdx.x) % CHANNELS, chain = static_cast<int>(threadIdx.x) / CHANNELS;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * CHANNELS + lane;
  Parameters p = {};
  if (c < channels) p = {mean[c], inverse[c], scale[c], shift[c]};
  const float factor = p.scale * p.inverse;
  for (int64_t n = blockIdx.y; n < samples; n += gridDim.y) {
    float of_scale = 0, of_shift = 0;
    for (int64_t t = chain; c < channels && t < positions; t += CHAINS * AHEAD) {
      float normalised[AHEAD], gate[AHEAD], g[AHEAD];
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const int64_t at = (n * positions + t + k * CHAINS) * channels + c;
        if (t + k * CHAINS < positions) {
          normalised[k] = p.normalised(x[at]);
          gate[k] = y != nullptr ? y[at] : normalised[k] * p.scale + p.shift;
          g[k] = dy[at];
        }
      }
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const int64_t at = (n * positions + t + k * CHAINS) * channels + c;
        if (t + k * CHAINS < positions) {
          const float value = above_zero(gate[k], g[k]);
          of_scale = fmaf(value, normalised[k], of_scale);
          of_shift += value;
          dx[at] = value * factor;
          if (residual != nullptr) residual[at] = value;
        }
      }
    }
    scales[chain][lane] = of_scale;
    shifts[chain][lane] = of_shift;
    __syncthreads();
    if (chain == 0 && c < channels) {
      for (int k = 1; k < CHAINS; k++) {
        of_scale += scales[k][lane];
        of_shift += shifts[k][lane];
      }
      by_scale[n * channels + c] = of_scale;
      by_shift[n * channels + c] = of_shift;
    }
    __syncthreads();
  }
}
