// Formula: y = max(x̂·scale + shift + residual, 0), NaN of NaN, with x̂ = (x - mean)/√(variance + ε); with
//          g = 0 where y ≤ 0, else dy: dx = g·scale/√(variance + ε), of every sample Σₜ g·x̂ and Σₜ g
//          (Dense.java). Of a pair the residual is normalised in the same way.
// Layout:  x, residual, y, dy, dx [samples, positions, channels], row-major; sums [samples, channels]; the
//          others [channels]; 4-byte aligned. Outputs may be what they are made of (nepenthe.h).
// Threads: forward: four neighbouring elements a thread, 16 bytes a load; gradient: 32 channels of a sample a
//          block, eight positions side by side, four of each read before any is written.
// Cost:    forward 8 bytes an element, 12 with a residual; gradient 12, 20 with a residual and its gradient,
//          24 of a pair: bound by memory.
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

// A normalisation's four arrays.
struct Norm {
  const float *mean, *inverse, *scale, *shift;

  __device__ bool aligned() const {
    return aligned16(mean) && aligned16(inverse) && aligned16(scale) && aligned16(shift);
  }
  __device__ Parameters at(int64_t c) const { return {mean[c], inverse[c], scale[c], shift[c]}; }

  // Of four neighbouring elements, `left` of them there, the first of channel c: of as many channels, which
  // begin at a multiple of 16 bytes if `together`.
  __device__ void of_four(Parameters (&p)[4], int64_t c, int64_t left, int64_t channels,
                          bool together) const {
    if (together) {
      const float4 m = load4(mean + c, 4, true), d = load4(inverse + c, 4, true),
                   s = load4(scale + c, 4, true), b = load4(shift + c, 4, true);
      p[0] = {m.x, d.x, s.x, b.x};
      p[1] = {m.y, d.y, s.y, b.y};
      p[2] = {m.z, d.z, s.z, b.z};
      p[3] = {m.w, d.w, s.w, b.w};
    } else {
      for (int k = 0; k < 4 && k < left; k++) p[k] = at((c + k) % channels);
    }
  }
};

__device__ __forceinline__ float above_zero(float gate, float value) { return gate <= 0 ? 0.0f : value; }

// residual may be null where it is no pair.
template <bool PAIR>
__device__ __forceinline__ void forward(const float* x, const Norm& norm, const float* residual,
                                        const Norm& other, float* y, int64_t n, int64_t channels) {
  const bool aligned = aligned16(x) && aligned16(y) && aligned16(residual);
  const bool together = channels % 4 == 0 && norm.aligned() && (!PAIR || other.aligned());
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4) {
    const int64_t left = n - i, c = i % channels;
    const float4 v = load4(x + i, left, aligned);
    const float4 r = residual == nullptr ? make_float4(0, 0, 0, 0) : load4(residual + i, left, aligned);
    const float in[4] = {v.x, v.y, v.z, v.w}, add[4] = {r.x, r.y, r.z, r.w};
    Parameters p[4] = {}, q[4] = {};
    norm.of_four(p, c, left, channels, together);
    if (PAIR) other.of_four(q, c, left, channels, together);
    float out[4];
    for (int k = 0; k < 4; k++) {
      float value = p[k].shifted(in[k]);
      if (PAIR) {
        value += q[k].shifted(add[k]);
      } else if (residual != nullptr) {
        value += add[k];
      }
      out[k] = above_zero(value, value);
    }
    store4(y + i, make_float4(out[0], out[1], out[2], out[3]), left, aligned);
  }
}

// Where a gradient's values lie: of the residual its own gradient, and of a pair its values and sums.
struct Places {
  const float *x, *y, *dy, *residual;
  float *dx, *dresidual, *by_scale, *by_residual_scale, *by_shift;
};

template <bool PAIR>
__device__ __forceinline__ void gradient(const Places& at, const Norm& norm, const Norm& other,
                                         int64_t samples, int64_t positions, int64_t channels) {
  __shared__ float sums[PAIR ? 3 : 2][CHAINS][CHANNELS];
  const int lane = static_cast<int>(threadIdx.x) % CHANNELS, chain = static_cast<int>(threadIdx.x) / CHANNELS;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * CHANNELS + lane;
  Parameters p = {}, q = {};
  if (c < channels) p = norm.at(c);
  if (PAIR && c < channels) q = other.at(c);
  const float factor = p.scale * p.inverse, residual_factor = q.scale * q.inverse;
  for (int64_t n = blockIdx.y; n < samples; n += gridDim.y) {
    float of_scale = 0, of_shift = 0, of_residual = 0;
    for (int64_t t = chain; c < channels && t < positions; t += CHAINS * AHEAD) {
      float normalised[AHEAD], residual[AHEAD], gate[AHEAD], g[AHEAD];
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const int64_t i = (n * positions + t + k * CHAINS) * channels + c;
        if (t + k * CHAINS < positions) {
          normalised[k] = p.normalised(at.x[i]);
          if (PAIR) residual[k] = q.normalised(at.residual[i]);
          gate[k] = at.y != nullptr ? at.y[i] : normalised[k] * p.scale + p.shift;
          g[k] = at.dy[i];
        }
      }
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const int64_t i = (n * positions + t + k * CHAINS) * channels + c;
        if (t + k * CHAINS < positions) {
          const float value = above_zero(gate[k], g[k]);
          of_scale = fmaf(value, normalised[k], of_scale);
          of_shift += value;
          at.dx[i] = value * factor;
          if (PAIR) {
            of_residual = fmaf(value, residual[k], of_residual);
            at.dresidual[i] = value * residual_factor;
          } else if (at.dresidual != nullptr) {
            at.dresidual[i] = value;
          }
        }
      }
    }
    sums[0][chain][lane] = of_scale;
    sums[1][chain][lane] = of_shift;
    if constexpr (PAIR) sums[2][chain][lane] = of_residual;
    __syncthreads();
    if (chain == 0 && c < channels) {
      for (int k = 1; k < CHAINS; k++) {
        of_scale += sums[0][k][lane];
        of_shift += sums[1][k][lane];
        if constexpr (PAIR) of_residual += sums[2][k][lane];
      }
      at.by_scale[n * channels + c] = of_scale;
      at.by_shift[n * channels + c] = of_shift;
      if (PAIR) at.by_residual_scale[n * channels + c] = of_residual;
    }
    __syncthreads();
  }
}

}  // namespace batch_norm_relu

#define PAIR_NORMS                                                                            \
  const float *mean, const float *inverse, const float *scale, const float *shift,            \
      const float *residual_mean, const float *residual_inverse, const float *residual_scale, \
      const float *residual_shift

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
  const batch_norm_relu::Norm norm{mean, inverse, scale, shift};
  batch_norm_relu::forward<false>(x, norm, residual, norm, y, n, channels);
}

// Grid: channels by 32, samples.
KERNEL(256, nep_batch_norm_relu_gradient,
       (const float* x, const float* y, const float* dy, const float* mean, const float* inverse,
        const float* scale, const float* shift, float* dx, float* residual, float* by_scale, float* by_shift,
        int64_t samples, int64_t positions, int64_t channels)) {
  const batch_norm_relu::Norm norm{mean, inverse, scale, shift};
  batch_norm_relu::gradient<false>({x, y, dy, nullptr, dx, residual, by_scale, nullptr, by_shift}, norm, norm,
                                   samples, positions, channels);
}

// Obviously right: a thread a channel.
KERNEL(64, nep_batch_norm_relu_pair_plain,
       (const float* x, const float* residual, PAIR_NORMS, float* y, int64_t n, int64_t channels)) {
  const int64_t c = grid_thread();
  for (int64_t i = c; c < channels && i < n; i += channels) {
    const float first = (x[i] - mean[c]) * inverse[c] * scale[c] + shift[c];
    const float second =
        (residual[i] - residual_mean[c]) * residual_inverse[c] * residual_scale[c] + residual_shift[c];
    const float value = first + second;
    y[i] = value <= 0 ? 0.0f : value;
  }
}

KERNEL(64, nep_batch_norm_relu_pair_gradient_plain,
       (const float* x, const float* residual, const float* y, const float* dy, PAIR_NORMS, float* dx,
        float* dresidual, float* by_scale, float* by_residual_scale, float* by_shift, int64_t samples,
        int64_t positions, int64_t channels)) {
  using namespace batch_norm_relu;
  const int64_t c = grid_thread();
  if (c >= channels) return;
  const Parameters p{mean[c], inverse[c], scale[c], shift[c]},
      q{residual_mean[c], residual_inverse[c], residual_scale[c], residual_shift[c]};
  for (int64_t n = 0; n < samples; n++) {
    float scales[CHAINS] = {}, residuals[CHAINS] = {}, shifts[CHAINS] = {};
    for (int64_t t = 0; t < positions; t++) {
      const int64_t at = (n * positions + t) * channels + c;
      const float first = p.normalised(x[at]), second = q.normalised(residual[at]);
      const float g = y[at] <= 0 ? 0.0f : dy[at];
      scales[t % CHAINS] = fmaf(g, first, scales[t % CHAINS]);
      residuals[t % CHAINS] = fmaf(g, second, residuals[t % CHAINS]);
      shifts[t % CHAINS] += g;
      dx[at] = g * (p.scale * p.inverse);
      dresidual[at] = g * (q.scale * q.inverse);
    }
    for (int k = 1; k < CHAINS; k++) {
      scales[0] += scales[k];
      residuals[0] += residuals[k];
      shifts[0] += shifts[k];
    }
    by_scale[n * channels + c] = scales[0];
    by_residual_scale[n * channels + c] = residuals[0];
    by_shift[n * channels + c] = shifts[0];
  }
}

KERNEL(256, nep_batch_norm_relu_pair,
       (const float* x, const float* residual, PAIR_NORMS, float* y, int64_t n, int64_t channels)) {
  const batch_norm_relu::Norm norm{mean, inverse, scale, shift},
      other{residual_mean, residual_inverse, residual_scale, residual_shift};
  batch_norm_relu::forward<true>(x, norm, residual, other, y, n, channels);
}

// Grid: channels by 32, samples.
KERNEL(256, nep_batch_norm_relu_pair_gradient,
       (const float* x, const float* residual, const float* y, const float* dy, PAIR_NORMS, float* dx,
        float* dresidual, float* by_scale, float* by_residual_scale, float* by_shift, int64_t samples,
        int64_t positions, int64_t channels)) {
  const batch_norm_relu::Norm norm{mean, inverse, scale, shift},
      other{residual_mean, residual_inverse, residual_scale, residual_shift};
  batch_norm_relu::gradient<true>({x, y, dy, residual, dx, dresidual, by_scale, by_residual_scale, by_shift},
                                  norm, other, samples, positions, channels);
}
