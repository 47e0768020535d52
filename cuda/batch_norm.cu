// Formula: normalised = (x - mean)/√(variance + ε), y = normalised·scale + shift, per channel; statistics,
//          sums, gradient (Dense.java).
// Layout:  x, y, dy, dx, normalised [rows, channels], row-major; the others [channels]; 4-byte aligned.
// Threads: sums: a channel of 64 rows a thread, eight of them read before the first is added, then a channel
//          of a group of rows a thread, sixteen blocks read before the first is added; the rest: four
//          neighbouring elements a thread, 16 bytes a load.
// Cost:    sums 4 (gradient: 8) bytes an element; normalising 12, its gradient 12: bound by memory. Totals: a
//          thread waits for n / 65,536 / 16 readings one after the other, n rows (counted, not measured).
// Sums:    64 groups of rows, 64 rows in float, those in double, in order
//          (native/src/kernels/batch_norm.cpp): the CPU's bits.
// Tried:   an element a load and thread: 8 KB on their way a multiprocessor, a third of what the memory wants
//          (counted); not measured on a GPU.
#include "common.cuh"

namespace batch_norm {

constexpr int GROUPS = 64, ROWS = 64, CHANNELS = 4;
constexpr int ROWS_AHEAD = 8, BLOCKS_AHEAD = 16;

// The rows of a group are cut into blocks of ROWS; every group has room for the most that one can have.
__device__ __forceinline__ int64_t blocks_of_group(int64_t rows) {
  return ((rows + GROUPS - 1) / GROUPS + ROWS - 1) / ROWS;
}

// Four neighbouring values of every channel's, from that of element i on.
__device__ __forceinline__ float4 of_channels(const float* values, int channel, int channels, bool whole) {
  if (whole) return load4(values + channel, 4, true);
  float v[4];
  for (int k = 0; k < 4; k++) {
    v[k] = values[channel];
    channel = channel + 1 == channels ? 0 : channel + 1;
  }
  return make_float4(v[0], v[1], v[2], v[3]);
}

struct Gradient {
  float count;
  bool frozen;

  __device__ float operator()(float normalised, float dy, float inverse, float scale, float dscale,
                              float dshift) const {
    const float factor = scale * inverse;
    return frozen ? dy * factor : factor * (dy - dshift / count - normalised * (dscale / count));
  }
};

}  // namespace batch_norm

// Obviously right: a thread a channel walks the rows, in the groups and blocks that the bits are defined by.
KERNEL(64, nep_batch_norm_sums_plain,
       (const float* x, const float* y, const float* mean, int kind, int64_t rows, int64_t channels,
        int64_t count, int accumulate, float* out)) {
  using namespace batch_norm;
  const int64_t c = grid_thread();
  if (c >= channels) return;
  double all = 0;
  for (int64_t group = 0; group < GROUPS; group++) {
    const int64_t end = rows * (group + 1) / GROUPS;
    double total = 0;
    for (int64_t first = rows * group / GROUPS; first < end; first += ROWS) {
      float sum = 0;
      for (int64_t row = first; row < end && row < first + ROWS; row++) {
        const float value = x[row * channels + c], off = kind == 1 ? value - mean[c] : value;
        sum += kind == 0 ? value : off * (kind == 1 ? off : y[row * channels + c]);
      }
      total += static_cast<double>(sum);
    }
    all += total;
  }
  const float value = static_cast<float>(count == 0 ? all : all / static_cast<double>(count));
  out[c] = accumulate != 0 ? out[c] + value : value;
}

KERNEL(64, nep_batch_norm_plain,
       (const float* x, const float* mean, const float* inverse, const float* scale, const float* shift,
        float* normalised, float* y, int64_t n, int64_t channels)) {
  const int64_t c = grid_thread();
  for (int64_t i = c; c < channels && i < n; i += channels) {
    const float value = (x[i] - mean[c]) * inverse[c];
    if (normalised != nullptr) normalised[i] = value;
    if (y != nullptr) y[i] = value * scale[c] + shift[c];
  }
}

KERNEL(64, nep_batch_norm_gradient_plain,
       (const float* normalised, const float* dy, const float* inverse, const float* scale,
        const float* dscale, const float* dshift, int frozen, float* dx, int64_t rows, int64_t channels)) {
  const int64_t c = grid_thread();
  const float count = static_cast<float>(rows);
  for (int64_t i = c; c < channels && i < rows * channels; i += channels) {
    const float factor = scale[c] * inverse[c];
    dx[i] = frozen != 0 ? dy[i] * factor
                        : factor * (dy[i] - dshift[c] / count - normalised[i] * (dscale[c] / count));
  }
}

// partial [group, block, channel] = sum over the block's rows of: 0 x; 1 (x - mean)²; 2 x·y.
KERNEL(256, nep_batch_norm_blocks,
       (const float* x, const float* y, const float* mean, int kind, int64_t rows, int64_t channels,
        float* partial)) {
  using namespace batch_norm;
  const int64_t each = blocks_of_group(rows);
  for (int64_t i = grid_thread(); i < GROUPS * each * channels; i += grid_threads()) {
    const int64_t c = i % channels, group = i / channels / each,
                  first = rows * group / GROUPS + i / channels % each * ROWS;
    const int64_t end = rows * (group + 1) / GROUPS, last = first + ROWS < end ? first + ROWS : end;
    const float center = kind == 1 ? mean[c] : 0;
    float sum = 0;
    for (int64_t row = first; row < last; row += ROWS_AHEAD) {
      float values[ROWS_AHEAD], others[ROWS_AHEAD];
#pragma unroll
      for (int k = 0; k < ROWS_AHEAD; k++) {
        const int64_t at = (row + k < last ? row + k : row) * channels + c;
        values[k] = x[at];
        others[k] = kind == 2 ? y[at] : 0.0f;
      }
#pragma unroll
      for (int k = 0; k < ROWS_AHEAD; k++) {
        if (row + k >= last) break;
        const float off = values[k] - center;
        sum += kind == 0 ? values[k] : kind == 1 ? off * off : values[k] * others[k];
      }
    }
    partial[i] = sum;
  }
}

// out[c] (+)= the sum of the blocks, divided by count if that is not 0.
KERNEL(batch_norm::GROUPS* batch_norm::CHANNELS, nep_batch_norm_totals,
       (const float* partial, int64_t rows, int64_t channels, int64_t count, int accumulate, float* out)) {
  using namespace batch_norm;
  __shared__ double totals[GROUPS][CHANNELS];
  const int place = static_cast<int>(threadIdx.x) % CHANNELS,
            group = static_cast<int>(threadIdx.x) / CHANNELS;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * CHANNELS + place, each = blocks_of_group(rows);
  const int64_t size = rows * (group + 1) / GROUPS - rows * group / GROUPS;
  const int64_t blocks = c < channels ? (size + ROWS - 1) / ROWS : 0;
  double sum = 0;
  for (int64_t b = 0; b < blocks; b += BLOCKS_AHEAD) {
    float values[BLOCKS_AHEAD];
#pragma unroll
    for (int k = 0; k < BLOCKS_AHEAD; k++) {
      values[k] = partial[(group * each + (b + k < blocks ? b + k : b)) * channels + c];
    }
#pragma unroll
    for (int k = 0; k < BLOCKS_AHEAD; k++) {
      if (b + k < blocks) sum += static_cast<double>(values[k]);
    }
  }
  totals[group][place] = sum;
  __syncthreads();
  if (group != 0 || c >= channels) return;
  double all = 0;
  for (int g = 0; g < GROUPS; g++) all += totals[g][place];
  const float value = static_cast<float>(count == 0 ? all : all / static_cast<double>(count));
  out[c] = accumulate != 0 ? out[c] + value : value;
}

// running = (1 - momentum)·running + momentum·(factor·value)
KERNEL(128, nep_batch_norm_move,
       (float* running, const float* value, int64_t n, float momentum, float factor)) {
  for (int64_t c = grid_thread(); c < n; c += grid_threads()) {
    running[c] = (1 - momentum) * running[c] + momentum * (factor * value[c]);
  }
}

// inverse[c] = 1/√(variance + ε), once a channel and not once an element.
KERNEL(128, nep_batch_norm_inverse, (const float* variance, float epsilon, float* inverse, int64_t n)) {
  for (int64_t c = grid_thread(); c < n; c += grid_threads()) {
    inverse[c] =
        static_cast<float>(1.0 / sqrt(static_cast<double>(variance[c]) + static_cast<double>(epsilon)));
  }
}

// One of normalised and y may be null.
KERNEL(256, nep_batch_norm,
       (const float* x, const float* mean, const float* inverse, const float* scale, const float* shift,
        float* normalised, float* y, int64_t n, int64_t channels)) {
  using namespace batch_norm;
  const bool aligned = aligned16(x) && aligned16(normalised) && aligned16(y);
  const bool whole =
      channels % 4 == 0 && aligned16(mean) && aligned16(inverse) && aligned16(scale) && aligned16(shift);
  const int of = static_cast<int>(channels);
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4) {
    const int c = static_cast<int>(i % channels);
    const float4 v = load4(x + i, n - i, aligned), m = of_channels(mean, c, of, whole),
                 d = of_channels(inverse, c, of, whole);
    const float4 value =
        make_float4((v.x - m.x) * d.x, (v.y - m.y) * d.y, (v.z - m.z) * d.z, (v.w - m.w) * d.w);
    if (normalised != nullptr) store4(normalised + i, value, n - i, aligned);
    if (y == nullptr) continue;
    const float4 s = of_channels(scale, c, of, whole), b = of_channels(shift, c, of, whole);
    store4(y + i,
           make_float4(value.x * s.x + b.x, value.y * s.y + b.y, value.z * s.z + b.z, value.w * s.w + b.w),
           n - i, aligned);
  }
}

KERNEL(256, nep_batch_norm_gradient,
       (const float* normalised, const float* dy, const float* inverse, const float* scale,
        const float* dscale, const float* dshift, int frozen, float* dx, int64_t rows, int64_t channels)) {
  using namespace batch_norm;
  const bool aligned = aligned16(normalised) && aligned16(dy) && aligned16(dx);
  const bool whole =
      channels % 4 == 0 && aligned16(inverse) && aligned16(scale) && aligned16(dscale) && aligned16(dshift);
  const Gradient gradient = {static_cast<float>(rows), frozen != 0};
  const int of = static_cast<int>(channels);
  const int64_t n = rows * channels;
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4) {
    const int c = static_cast<int>(i % channels);
    const float4 none = make_float4(0, 0, 0, 0), g = load4(dy + i, n - i, aligned),
                 v = frozen != 0 ? none : load4(normalised + i, n - i, aligned),
                 d = of_channels(inverse, c, of, whole), s = of_channels(scale, c, of, whole),
                 a = frozen != 0 ? none : of_channels(dscale, c, of, whole),
                 b = frozen != 0 ? none : of_channels(dshift, c, of, whole);
    store4(dx + i,
           make_float4(gradient(v.x, g.x, d.x, s.x, a.x, b.x), gradient(v.y, g.y, d.y, s.y, a.y, b.y),
                       gradient(v.z, g.z, d.z, s.z, a.z, b.z), gradient(v.w, g.w, d.w, s.w, a.w, b.w)),
           n - i, aligned);
  }
}
