// Formula: cross-entropy of the softmax, ℓ = log Σ exp(z_c − max z) − (z_label − max z), dℓ/dz = p − onehot;
//          squared error, ℓ = Σ (z_c − t_c)²/C, dℓ/dz = 2(z − t)/C; whether the largest output, the first of
//          equal ones, is the label's (Losses.java).
// Layout:  output, gradient [n, c], float; labels [n]; losses [n], double; hits [n]; targets: a number for
//          each label (C = 1), or null: one-hot.
// Threads: a warp a sample, its lanes along the classes.
// Cost:    8 bytes an output twice read from the cache, 60 operations in double (cross-entropy): bound by
//          latency at tens of classes, by double arithmetic at thousands.
// Sums:    double, lanes by a fixed tree, rounded once: the same bits at every launch; exp and log are the
//          device's own, so within a few units of the processor's.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace loss {

constexpr int THREADS = 128;

__device__ __forceinline__ double sum_of_lanes(double value) {
  for (int step = 16; step > 0; step /= 2) value += __shfl_xor_sync(ALL_LANES, value, step);
  return value;
}

// The largest value and the first place that holds it.
struct Largest {
  float value;
  int64_t at;

  __device__ void see(float other, int64_t place) {
    if (other > value || (other == value && place < at)) {
      value = other;
      at = place;
    }
  }
};

__device__ __forceinline__ Largest largest(const float* row, int64_t classes, int64_t lane) {
  Largest found = {__uint_as_float(0xff800000u), classes};
  for (int64_t c = lane; c < classes; c += 32) found.see(row[c], c);
  for (int step = 16; step > 0; step /= 2) {
    const float value = __shfl_xor_sync(ALL_LANES, found.value, step);
    const int64_t at = __shfl_xor_sync(ALL_LANES, found.at, step);
    found.see(value, at);
  }
  return found;
}

}  // namespace loss

// Obviously right: a thread a sample.
KERNEL(64, nep_loss_cross_entropy_plain,
       (const float* output, const int* labels, double* losses, int* hits, float* gradient, int64_t samples,
        int64_t classes)) {
  const int64_t n = grid_thread();
  if (n >= samples) return;
  const float* row = output + n * classes;
  loss::Largest best = {__uint_as_float(0xff800000u), classes};
  for (int64_t c = 0; c < classes; c++) best.see(row[c], c);
  const double max = static_cast<double>(best.value);
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += exp(static_cast<double>(row[c]) - max);
  losses[n] = log(sum) - (static_cast<double>(row[labels[n]]) - max);
  hits[n] = best.at == labels[n];
  for (int64_t c = 0; c < classes; c++) {
    const double p = exp(static_cast<double>(row[c]) - max) / sum;
    gradient[n * classes + c] = static_cast<float>(c == labels[n] ? p - 1 : p);
  }
}

KERNEL_UNSPILLED(loss::THREADS, nep_loss_cross_entropy,
                 (const float* output, const int* labels, double* losses, int* hits, float* gradient,
                  int64_t samples, int64_t classes)) {
  const int64_t lane = threadIdx.x % 32;
  for (int64_t n = grid_thread() / 32; n < samples; n += grid_threads() / 32) {
    const float* row = output + n * classes;
    const int label = labels[n];
    const loss::Largest best = loss::largest(row, classes, lane);
    const double max = static_cast<double>(best.value);
    double sum = 0;
    for (int64_t c = lane; c < classes; c += 32) sum += exp(static_cast<double>(row[c]) - max);
    sum = loss::sum_of_lanes(sum);
    if (lane == 0) {
      losses[n] = log(sum) - (static_cast<double>(row[label]) - max);
      hits[n] = best.at == label;
    }
    __syncwarp();  // the gradient may lie where the output is
    for (int64_t c = lane; c < classes; c += 32) {
      const double p = exp(static_cast<double>(row[c]) - max) / sum;
      gradient[n * classes + c] = static_cast<float>(c == label ? p - 1 : p);
    }
  }
}

// Obviously right: a thread a sample.
KERNEL_UNSPILLED(64, nep_loss_squared_plain,
                 (const float* output, const int* labels, double* losses, int* hits, float* gradient,
                  int64_t samples, int64_t classes, const double* targets)) {
  const int64_t n = grid_thread();
  if (n >= samples) return;
  loss::Largest best = {__uint_as_float(0xff800000u), classes};
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) {
    const float value = output[n * classes + c];
    best.see(value, c);
    const double target = targets != nullptr ? targets[labels[n]] : c == labels[n] ? 1.0 : 0.0;
    const double error = static_cast<double>(value) - target;
    sum += error * error / static_cast<double>(classes);
    gradient[n * classes + c] = static_cast<float>(2 * error / static_cast<double>(classes));
  }
  losses[n] = sum;
  hits[n] = best.at == labels[n];
}

KERNEL(loss::THREADS, nep_loss_squared,
       (const float* output, const int* labels, double* losses, int* hits, float* gradient, int64_t samples,
        int64_t classes, const double* targets)) {
  const int64_t lane = threadIdx.x % 32;
  for (int64_t n = grid_thread() / 32; n < samples; n += grid_threads() / 32) {
    const float* row = output + n * classes;
    const int label = labels[n];
    const loss::Largest best = loss::largest(row, classes, lane);
    __syncwarp();  // the gradient may lie where the output is
    double sum = 0;
    for (int64_t c = lane; c < classes; c += 32) {
      const double target = targets != nullptr ? targets[label] : c == label ? 1.0 : 0.0;
      const double error = static_cast<double>(row[c]) - target;
      sum += error * error / static_cast<double>(classes);
      gradient[n * classes + c] = static_cast<float>(2 * error / static_cast<double>(classes));
    }
    sum = loss::sum_of_lanes(sum);
    if (lane == 0) {
      losses[n] = sum;
      hits[n] = best.at == label;
    }
  }
}
