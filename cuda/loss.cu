// Formula: cross-entropy of the softmax, ℓ = log Σ exp(z_c − max z) − (z_label − max z), dℓ/dz = p − onehot;
//          squared error, ℓ = Σ (z_c − t_c)²/C, dℓ/dz = 2(z − t)/C; whether the largest output, the first of
//          equal ones, is the label's (Losses.java); the distance of a student from its teacher
//          (TeacherDistance.java); total += share·Σ ℓ; the vectors that backward passes of a Fisher
//          information, an importance or a Gauss-Newton matrix start from (LossVectors.java).
// Layout:  output, gradient [n, c], float; labels [n]; losses [n], double; hits [n], or null; targets: a
//          number for each label (C = 1), or null: one-hot; answers [m, c], of which sample n has row
//          rows[n]; weights [n], float, or null for ones. Gradients are rounded, then multiplied by scale and
//          rounded again, and so by their sample's weight, which multiplies its loss, too.
// Threads: a warp a sample, its lanes along the classes; the total is one block's.
// Cost:    8 bytes an output twice read from the cache, 60 operations in double (cross-entropy): bound by
//          latency at tens of classes, by double arithmetic at thousands.
// Sums:    double, lanes by a fixed tree, rounded once: the same bits at every launch; exp and log are the
//          device's own, so within a few units of the processor's.
// Tried:   nothing else yet; not measured on a GPU.
#include <cfloat>

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
        int64_t classes, float scale, const float* weights)) {
  const int64_t n = grid_thread();
  if (n >= samples) return;
  const float* row = output + n * classes;
  const float weight = weights == nullptr ? 1.0f : weights[n];
  loss::Largest best = {__uint_as_float(0xff800000u), classes};
  for (int64_t c = 0; c < classes; c++) best.see(row[c], c);
  const double max = static_cast<double>(best.value);
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) sum += exp(static_cast<double>(row[c]) - max);
  losses[n] = static_cast<double>(weight) * (log(sum) - (static_cast<double>(row[labels[n]]) - max));
  if (hits != nullptr) hits[n] = best.at == labels[n];
  for (int64_t c = 0; c < classes; c++) {
    const double p = exp(static_cast<double>(row[c]) - max) / sum;
    gradient[n * classes + c] = static_cast<float>(c == labels[n] ? p - 1 : p) * scale * weight;
  }
}

KERNEL_UNSPILLED(loss::THREADS, nep_loss_cross_entropy,
                 (const float* output, const int* labels, double* losses, int* hits, float* gradient,
                  int64_t samples, int64_t classes, float scale, const float* weights)) {
  const int64_t lane = threadIdx.x % 32;
  for (int64_t n = grid_thread() / 32; n < samples; n += grid_threads() / 32) {
    const float* row = output + n * classes;
    const int label = labels[n];
    const float weight = weights == nullptr ? 1.0f : weights[n];
    const loss::Largest best = loss::largest(row, classes, lane);
    const double max = static_cast<double>(best.value);
    double sum = 0;
    for (int64_t c = lane; c < classes; c += 32) sum += exp(static_cast<double>(row[c]) - max);
    sum = loss::sum_of_lanes(sum);
    if (lane == 0) {
      losses[n] = static_cast<double>(weight) * (log(sum) - (static_cast<double>(row[label]) - max));
      if (hits != nullptr) hits[n] = best.at == label;
    }
    __syncwarp();  // the gradient may lie where the output is
    for (int64_t c = lane; c < classes; c += 32) {
      const double p = exp(static_cast<double>(row[c]) - max) / sum;
      gradient[n * classes + c] = static_cast<float>(c == label ? p - 1 : p) * scale * weight;
    }
  }
}

// Obviously right: a thread a sample.
KERNEL_UNSPILLED(64, nep_loss_squared_plain,
                 (const float* output, const int* labels, double* losses, int* hits, float* gradient,
                  int64_t samples, int64_t classes, float scale, const double* targets)) {
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
    gradient[n * classes + c] = static_cast<float>(2 * error / static_cast<double>(classes)) * scale;
  }
  losses[n] = sum;
  if (hits != nullptr) hits[n] = best.at == labels[n];
}

KERNEL(loss::THREADS, nep_loss_squared,
       (const float* output, const int* labels, double* losses, int* hits, float* gradient, int64_t samples,
        int64_t classes, float scale, const double* targets)) {
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
      gradient[n * classes + c] = static_cast<float>(2 * error / static_cast<double>(classes)) * scale;
    }
    sum = loss::sum_of_lanes(sum);
    if (lane == 0) {
      losses[n] = sum;
      if (hits != nullptr) hits[n] = best.at == label;
    }
  }
}

namespace loss {

// A row's softmax at a temperature.
struct Softened {
  const float* row;
  double temperature, max, sum;

  __device__ Softened(const float* z, double t) : row(z), temperature(t), max(0), sum(0) {}

  __device__ double exponential(int64_t c) const {
    return exp(static_cast<double>(row[c]) / temperature - max);
  }

  __device__ double p(int64_t c) const { return exponential(c) / sum; }

  // Reads the row: a thread alone, or a warp together.
  __device__ void read(int64_t classes) {
    Largest best = {__uint_as_float(0xff800000u), classes};
    for (int64_t c = 0; c < classes; c++) best.see(row[c], c);
    max = static_cast<double>(best.value) / temperature;
    for (int64_t c = 0; c < classes; c++) sum += exponential(c);
  }

  __device__ void read_by_warp(int64_t classes, int64_t lane) {
    max = static_cast<double>(largest(row, classes, lane).value) / temperature;
    for (int64_t c = lane; c < classes; c += 32) sum += exponential(c);
    sum = sum_of_lanes(sum);
  }
};

// As TeacherDistance has it.
struct Distance {
  int numbers;
  double temperature, weight, kept;
  float scale;

  __device__ double term(double teacher, double student) const {
    const double seen = student < DBL_MIN ? DBL_MIN : student;  // what is not a number stays so
    return teacher > 0 ? weight * temperature * temperature * teacher * (log(teacher) - log(seen)) : 0.0;
  }

  // What becomes of an entry of the gradient that is there.
  __device__ float entry(float there, double slope) const {
    const double own = kept == 0 ? 0.0 : kept * static_cast<double>(there);
    return static_cast<float>(own + slope) * scale;
  }
};

}  // namespace loss

// Obviously right: a thread a sample.
KERNEL_UNSPILLED(64, nep_loss_teacher_plain,
                 (const float* output, const float* answers, const int* rows, double* losses, float* gradient,
                  int64_t samples, int64_t classes, int numbers, double temperature, double weight,
                  double kept, float scale)) {
  const int64_t n = grid_thread();
  if (n >= samples) return;
  const loss::Distance d = {numbers, temperature, weight, kept, scale};
  loss::Softened student(output + n * classes, temperature),
      teacher(answers + rows[n] * classes, temperature);
  float* row = gradient + n * classes;
  if (d.numbers != 0) {
    const double error = static_cast<double>(student.row[0]) - static_cast<double>(teacher.row[0]);
    losses[n] = weight * error * error;
    row[0] = d.entry(row[0], 2 * weight * error);
    return;
  }
  student.read(classes);
  teacher.read(classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; c++) {
    const double p = teacher.p(c), s = student.p(c);
    sum += d.term(p, s);
    row[c] = d.entry(row[c], weight * temperature * (s - p));
  }
  losses[n] = sum;
}

KERNEL_UNSPILLED(loss::THREADS, nep_loss_teacher,
                 (const float* output, const float* answers, const int* rows, double* losses, float* gradient,
                  int64_t samples, int64_t classes, int numbers, double temperature, double weight,
                  double kept, float scale)) {
  const int64_t lane = threadIdx.x % 32;
  const loss::Distance d = {numbers, temperature, weight, kept, scale};
  for (int64_t n = grid_thread() / 32; n < samples; n += grid_threads() / 32) {
    loss::Softened student(output + n * classes, temperature),
        teacher(answers + rows[n] * classes, temperature);
    float* row = gradient + n * classes;
    if (d.numbers != 0) {
      if (lane == 0) {
        const double error = static_cast<double>(student.row[0]) - static_cast<double>(teacher.row[0]);
        losses[n] = weight * error * error;
        row[0] = d.entry(row[0], 2 * weight * error);
      }
      continue;
    }
    student.read_by_warp(classes, lane);
    teacher.read_by_warp(classes, lane);
    double sum = 0;
    for (int64_t c = lane; c < classes; c += 32) {
      const double p = teacher.p(c), s = student.p(c);
      sum += d.term(p, s);
      row[c] = d.entry(row[c], weight * temperature * (s - p));
    }
    sum = loss::sum_of_lanes(sum);
    if (lane == 0) losses[n] = sum;
  }
}

// Obviously right: one thread.
KERNEL(32, nep_loss_total_plain, (const double* losses, int64_t samples, double share, double* total)) {
  if (threadIdx.x != 0) return;
  double sum = 0;
  for (int64_t n = 0; n < samples; n++) sum += losses[n];
  total[0] += share * sum;
}

// One block.
KERNEL(loss::THREADS, nep_loss_total, (const double* losses, int64_t samples, double share, double* total)) {
  __shared__ double warps[loss::THREADS / 32];
  double sum = 0;
  for (int64_t n = threadIdx.x; n < samples; n += loss::THREADS) sum += losses[n];
  sum = loss::sum_of_lanes(sum);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int w = 1; w < loss::THREADS / 32; w++) sum += warps[w];
  total[0] += share * sum;
}

namespace loss {

// As LossVectors.Form has them.
enum Form { CATEGORICAL, RESIDUAL, AXIS, OUTPUT, DRAWN, PRODUCT, DIFFERENCE };

struct Vectors {
  const int* labels;      // null: the axis, or by draws
  const double* draws;    // null: not drawn
  const double* targets;  // null: one-hot
  const float* rows;      // null: of none
  int form, axis, unit, rooted;
  double weight, curvature;

  // What a row's entries are made of.
  struct Row {
    const float *z, *given;
    int label;
    double max, sum, others, factor;
    double mean;                  // of what is given, by p
    double given_max, given_sum;  // of its softmax

    __device__ double p(int64_t c) const { return exp(static_cast<double>(z[c]) - max) / sum; }
    __device__ double q(int64_t c) const {
      return exp(static_cast<double>(given[c]) - given_max) / given_sum;
    }
  };

  __device__ Row row(const float* output, int64_t n, int64_t classes) const {
    const float* given = rows != nullptr ? rows + n * classes : nullptr;
    return {output + n * classes, given, labels != nullptr ? labels[n] : axis, 0, 0, 0, weight, 0, 0, 0};
  }

  __device__ bool softened() const { return form == CATEGORICAL || form == PRODUCT || form == DIFFERENCE; }

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
      case PRODUCT:
        return row.p(c) * (static_cast<double>(row.given[c]) - row.mean);
      case DIFFERENCE:
        return row.p(c) - row.q(c);
      default:
        return z;
    }
  }
};

}  // namespace loss

// Obviously right: a thread a sample. Σ over classes in order.
KERNEL_UNSPILLED(64, nep_loss_vectors_plain,
                 (const float* output, const int* labels, const double* draws, const double* targets,
                  const float* rows, float* gradient, int64_t samples, int64_t classes, int form, int axis,
                  int unit, int rooted, double weight, double curvature)) {
  const int64_t n = grid_thread();
  if (n >= samples) return;
  const loss::Vectors v = {labels, draws, targets, rows, form, axis, unit, rooted, weight, curvature};
  loss::Vectors::Row row = v.row(output, n, classes);
  if (v.softened()) {
    loss::Largest best = {__uint_as_float(0xff800000u), classes};
    for (int64_t c = 0; c < classes; c++) best.see(row.z[c], c);
    row.max = static_cast<double>(best.value);
    for (int64_t c = 0; c < classes; c++) row.sum += exp(static_cast<double>(row.z[c]) - row.max);
  }
  if (form == loss::CATEGORICAL) {
    if (draws != nullptr) row.label = v.drawn(row, classes, n);
    for (int64_t c = 0; c < classes; c++) row.others += c == row.label ? 0 : row.p(c);
    if (rooted != 0) row.factor *= sqrt(row.p(row.label));
  }
  if (form == loss::PRODUCT) {
    for (int64_t c = 0; c < classes; c++) row.mean += row.p(c) * static_cast<double>(row.given[c]);
  }
  if (form == loss::DIFFERENCE) {
    loss::Largest best = {__uint_as_float(0xff800000u), classes};
    for (int64_t c = 0; c < classes; c++) best.see(row.given[c], c);
    row.given_max = static_cast<double>(best.value);
    for (int64_t c = 0; c < classes; c++)
      row.given_sum += exp(static_cast<double>(row.given[c]) - row.given_max);
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
                  const float* rows, float* gradient, int64_t samples, int64_t classes, int form, int axis,
                  int unit, int rooted, double weight, double curvature)) {
  const int64_t lane = threadIdx.x % 32;
  const loss::Vectors v = {labels, draws, targets, rows, form, axis, unit, rooted, weight, curvature};
  for (int64_t n = grid_thread() / 32; n < samples; n += grid_threads() / 32) {
    loss::Vectors::Row row = v.row(output, n, classes);
    if (v.softened()) {
      row.max = static_cast<double>(loss::largest(row.z, classes, lane).value);
      double sum = 0;
      for (int64_t c = lane; c < classes; c += 32) sum += exp(static_cast<double>(row.z[c]) - row.max);
      row.sum = loss::sum_of_lanes(sum);
    }
    if (form == loss::CATEGORICAL) {
      double others = 0;
      if (draws != nullptr) row.label = v.drawn(row, classes, n);  // every lane the same
      for (int64_t c = lane; c < classes; c += 32) others += c == row.label ? 0 : row.p(c);
      row.others = loss::sum_of_lanes(others);
      if (rooted != 0) row.factor *= sqrt(row.p(row.label));
    }
    if (form == loss::PRODUCT) {
      double mean = 0;
      for (int64_t c = lane; c < classes; c += 32) mean += row.p(c) * static_cast<double>(row.given[c]);
      row.mean = loss::sum_of_lanes(mean);
    }
    if (form == loss::DIFFERENCE) {
      row.given_max = static_cast<double>(loss::largest(row.given, classes, lane).value);
      double sum = 0;
      for (int64_t c = lane; c < classes; c += 32)
        sum += exp(static_cast<double>(row.given[c]) - row.given_max);
      row.given_sum = loss::sum_of_lanes(sum);
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
