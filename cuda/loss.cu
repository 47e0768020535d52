// Formula: cross-entropy of the softmax, ℓ = log Σ exp(z_c − max z) − (z_label − max z), dℓ/dz = p − onehot;
//          squared error, ℓ = Σ (z_c − t_c)²/C, dℓ/dz = 2(z − t)/C; whether the largest output, the first of
//          equal ones, is the label's (Losses.java); the vectors that a Fisher information's backward passes
//          start from (LossVectors.java).
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

namespace loss {

// As LossVectors.Form has them.
enum Form { CATEGORICAL, RESIDUAL, AXIS, OUTPUT };

struct Vectors {
  const int* labels;      // null: the axis, or by draws
  const double* draws;    // null: not drawn
  const double* targets;  // null: one-hot
  int form, axis, unit, rooted;
  double weight, curvature;

  // What a row's entries are made of.
  struct Row {
    const float* z;
    int label;
    double max, sum, others, factor;

    __device__ double p(int64_t c) const { return exp(static_cast<double>(z[c]) - max) / sum; }
  };

  __device__ int drawn(const Row& row, int64_t classes, int64_t n) const {
    double left = draws[n];
    int label = 0;
    for (; label < classes - 1; label++) {
      const double p = row.p(label);
      if (left < p) break;
      left -= p;
    }
    return label;
  }

  __device__ double entry(const Row& row, int64_t c) const {
    const double z = static_cast<double>(row.z[c]);
    switch (form) {
      case CATEGORICAL:
        return c == row.label ? -row.others : row.p(c);
      case RESIDUAL:
        return curvature * (z - (targets != nullptr ? targets[row.label] : c == row.label ? 1.0 : 0.0));
      case AXIS:
        return c == axis ? sqrt(curvature) : 0.0;
      default:
        return z;
    }
  }
};

}  // namespace loss

// Obviously right: a thread a sample. Σ over classes in order.
KERNEL_UNSPILLED(64, nep_loss_vectors_plain,
                 (const float* output, const int* labels, const double* draws, const double* targets,
                  float* gradient, int64_t samples, int64_t classes, int form, int axis, int unit, int rooted,
                  double weight, double curvature)) {
  const int64_t n = grid_thread();
  if (n >= samples) return;
  const loss::Vectors v = {labels, draws, targets, form, axis, unit, rooted, weight, curvature};
  loss::Vectors::Row row = {output + n * classes, labels != nullptr ? labels[n] : axis, 0, 0, 0, weight};
  if (form == loss::CATEGORICAL) {
    loss::Largest best = {__uint_as_float(0xff800000u), classes};
    for (int64_t c = 0; c < classes; c++) best.see(row.z[c], c);
    row.max = static_cast<double>(best.value);
    for (int64_t c = 0; c < classes; c++) row.sum += exp(static_cast<double>(row.z[c]) - row.max);
    if (draws != nullptr) row.label = v.drawn(row, classes, n);
    for (int64_t c = 0; c < classes; c++) row.others += c == row.label ? 0 : row.p(c);
    if (rooted != 0) row.factor *= sqrt(row.p(row.label));
  }
  if (unit != 0) {
    double squares = 0;
    for (int64_t c = 0; c < classes; c++) squares += v.entry(row, c) * v.entry(row, c);
    row.factor *= squares > 0 ? 1 / sqrt(squares) : 0;
  }
  for (int64_t c = 0; c < classes; c++)
    gradient[n * classes + c] = static_cast<float>(row.factor * v.entry(row, c));
}

KERNEL_UNSPILLED(loss::THREADS, nep_loss_vectors,
                 (const float* output, const int* labels, const double* draws, const double* targets,
                  float* gradient, int64_t samples, int64_t classes, int form, int axis, int unit, int rooted,
                  double weight, double curvature)) {
  const int64_t lane = threadIdx.x % 32;
  const loss::Vectors v = {labels, draws, targets, form, axis, unit, rooted, weight, curvature};
  for (int64_t n = grid_thread() / 32; n < samples; n += grid_threads() / 32) {
    loss::Vectors::Row row = {output + n * classes, labels != nullptr ? labels[n] : axis, 0, 0, 0, weight};
    if (form == loss::CATEGORICAL) {
      row.max = static_cast<double>(loss::largest(row.z, classes, lane).value);
      double sum = 0, others = 0;
      for (int64_t c = lane; c < classes; c += 32) sum += exp(static_cast<double>(row.z[c]) - row.max);
      row.sum = loss::sum_of_lanes(sum);
      if (draws != nullptr) row.label = v.drawn(row, classes, n);  // every lane the same
      for (int64_t c = lane; c < classes; c += 32) others += c == row.label ? 0 : row.p(c);
      row.others = loss::sum_of_lanes(others);
      if (rooted != 0) row.factor *= sqrt(row.p(row.label));
    }
    if (unit != 0) {
      double squares = 0;
      for (int64_t c = lane; c < classes; c += 32) squares += v.entry(row, c) * v.entry(row, c);
      squares = loss::sum_of_lanes(squares);
      row.factor *= squares > 0 ? 1 / sqrt(squares) : 0;
    }
    for (int64_t c = lane; c < classes; c += 32)
      gradient[n * classes + c] = static_cast<float>(row.factor * v.entry(row, c));
  }
}
