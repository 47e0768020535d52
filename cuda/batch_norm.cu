// Formula: normalised = (x - mean)/√(variance + ε), y = normalised·scale + shift, per channel; statistics,
//          sums, gradient (Dense.java).
// Layout:  x, y, dy, dx, normalised [rows, channels], row-major; the others [channels]; 4-byte aligned.
// Threads: sums: a channel of 64 rows a thread, then a channel of a group of rows a thread; the rest: an
//          element a thread.
// Cost:    sums 4 (gradient: 8) bytes an element; normalising 12, its gradient 12: bound by memory.
// Sums:    64 groups of rows, 64 rows in float, those in double, in order
//          (native/src/kernels/batch_norm.cpp): the CPU's bits.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace batch_norm {

constexpr int GROUPS = 64, ROWS = 64, CHANNELS = 4;

// The rows of a group are cut into blocks of ROWS; every group has room for the most that one can have.
__device__ __forceinline__ int64_t blocks_of_group(int64_t rows) {
  return ((rows + GROUPS - 1) / GROUPS + ROWS - 1) / ROWS;
}

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
    for (int64_t row = first; row < last; row++) {
      const float value = x[row * channels + c];
      if (kind == 0) {
        sum += value;
      } else if (kind == 1) {
        sum += (value - center) * (value - center);
      } else {
        sum += value * y[row * channels + c];
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
  double sum = 0;
  for (int64_t b = 0; c < channels && b * ROWS < size; b++) {
    sum += static_cast<double>(partial[(group * each + b) * channels + c]);
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
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) {
    const int64_t c = i % channels;
    const float value = (x[i] - mean[c]) * inverse[c];
    if (normalised != nullptr) normalised[i] = value;
    if (y != nullptr) y[i] = value * scale[c] + shift[c];
  }
}

KERNEL(256, nep_batch_norm_gradient,
       (const float* normalised, const float* dy, const float* inverse, const float* scale,
        const float* dscale, const float* dshift, int frozen, float* dx, int64_t rows, int64_t channels)) {
  const float count = static_cast<float>(rows);
  for (int64_t i = grid_thread(); i < rows * channels; i += grid_threads()) {
    const int64_t c = i % channels;
    const float factor = scale[c] * inverse[c];
    dx[i] = frozen != 0 ? dy[i] * factor
                        : factor * (dy[i] - dshift[c] / count - normalised[i] * (dscale[c] / count));
  }
}
