// Batch normalisation of rows × channels values. Sums over rows: 64 fixed contiguous groups of rows; in each,
// blocks of 64 rows summed in float, blocks in double, groups in order: the bits depend on the sizes only.
#include <cmath>

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t GROUPS = 64;
constexpr int64_t ROWS = 64;
constexpr int64_t TILE = 64;

// totals[group·stride + c] = Σ over the group's rows of term(index, channel), for SUMS terms at once; sum k
// begins at totals + k·GROUPS·channels.
template <int SUMS, typename Term>
inline __attribute__((always_inline)) void sum_rows(int64_t rows, int64_t channels, double* totals,
                                                    int32_t threads, Term term) {
#pragma omp parallel for schedule(static) num_threads(threads) if (rows * channels > (1 << 14))
  for (int64_t group = 0; group < GROUPS; group++) {
    const int64_t first = rows * group / GROUPS, last = rows * (group + 1) / GROUPS;
    for (int64_t c = 0; c < channels; c += TILE) {
      const int64_t width = channels - c < TILE ? channels - c : TILE;
      double total[SUMS][TILE] = {};
      for (int64_t block = first; block < last; block += ROWS) {
        const int64_t end = block + ROWS < last ? block + ROWS : last;
        float sum[SUMS][TILE] = {};
        for (int64_t row = block; row < end; row++) {
          const int64_t at = row * channels + c;
          if (width == TILE) {
#pragma GCC unroll 1
            for (int64_t i = 0; i < TILE; i++) term(at + i, c + i, &sum[0][i]);
          } else {
            for (int64_t i = 0; i < width; i++) term(at + i, c + i, &sum[0][i]);
          }
        }
        for (int k = 0; k < SUMS; k++) {
          for (int64_t i = 0; i < width; i++) total[k][i] += static_cast<double>(sum[k][i]);
        }
      }
      for (int k = 0; k < SUMS; k++) {
        for (int64_t i = 0; i < width; i++) totals[(k * GROUPS + group) * channels + c + i] = total[k][i];
      }
    }
  }
}

inline double total(const double* totals, int64_t channels, int64_t c) {
  double sum = 0;
  for (int64_t group = 0; group < GROUPS; group++) sum += totals[group * channels + c];
  return sum;
}

inline float inverse_deviation(float variance, float epsilon) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(variance) + static_cast<double>(epsilon)));
}

// body(index, channel) over all rows, channels along the vector, with per-channel values prepared by
// prepare(channel, lane) once per tile and task.
constexpr int64_t TASK_ROWS = 256;

template <typename Prepare, typename Body>
inline __attribute__((always_inline)) void each_row(int64_t rows, int64_t channels, int32_t threads,
                                                    Prepare prepare, Body body) {
  const int64_t tasks = (rows + TASK_ROWS - 1) / TASK_ROWS;
#pragma omp parallel for schedule(static) num_threads(threads) if (rows * channels > (1 << 14))
  for (int64_t task = 0; task < tasks; task++) {
    const int64_t first = task * TASK_ROWS, last = first + TASK_ROWS < rows ? first + TASK_ROWS : rows;
    for (int64_t c = 0; c < channels; c += TILE) {
      const int64_t width = channels - c < TILE ? channels - c : TILE;
      float values[4][TILE] = {};
      for (int64_t i = 0; i < width; i++) prepare(c + i, &values[0][i]);
      for (int64_t row = first; row < last; row++) {
        const int64_t at = row * channels + c;
        for (int64_t i = 0; i < width; i++) body(at + i, &values[0][i]);
      }
    }
  }
}

}  // namespace

void batch_norm_statistics(const float* x, int64_t rows, int64_t channels, float* mean, float* variance,
                           double* workspace, int32_t threads) {
  const double count = static_cast<double>(rows);
  sum_rows<1>(rows, channels, workspace, threads, [=](int64_t at, int64_t, float* sum) { *sum += x[at]; });
  for (int64_t c = 0; c < channels; c++) {
    mean[c] = static_cast<float>(total(workspace, channels, c) / count);
  }
  sum_rows<1>(rows, channels, workspace, threads, [=](int64_t at, int64_t c, float* sum) {
    const float d = x[at] - mean[c];
    *sum += d * d;
  });
  for (int64_t c = 0; c < channels; c++) {
    variance[c] = static_cast<float>(total(workspace, channels, c) / count);
  }
}

void batch_norm(const float* x, const float* mean, const float* variance, const float* scale,
                const float* shift, float epsilon, float* normalised, float* y, int64_t rows,
                int64_t channels, int32_t threads) {
  const auto prepare = [=](int64_t c, float* v) {
    v[0] = mean[c];
    v[TILE] = inverse_deviation(variance[c], epsilon);
    v[2 * TILE] = scale[c];
    v[3 * TILE] = shift[c];
  };
  if (normalised == nullptr) {
    each_row(rows, channels, threads, prepare, [=](int64_t at, const float* v) {
      y[at] = (x[at] - v[0]) * v[TILE] * v[2 * TILE] + v[3 * TILE];
    });
  } else if (y == nullptr) {
    each_row(rows, channels, threads, prepare,
             [=](int64_t at, const float* v) { normalised[at] = (x[at] - v[0]) * v[TILE]; });
  } else {
    each_row(rows, channels, threads, prepare, [=](int64_t at, const float* v) {
      const float value = (x[at] - v[0]) * v[TILE];
      normalised[at] = value;
      y[at] = value * v[2 * TILE] + v[3 * TILE];
    });
  }
}

void batch_norm_sums(const float* normalised, const float* dy, int64_t rows, int64_t channels, float* dscale,
                     float* dshift, int32_t accumulate, double* workspace, int32_t threads) {
  sum_rows<2>(rows, channels, workspace, threads, [=](int64_t at, int64_t, float* sum) {
    sum[0] += dy[at] * normalised[at];
    sum[TILE] += dy[at];
  });
  for (int64_t c = 0; c < channels; c++) {
    const float s = static_cast<float>(total(workspace, channels, c));
    const float t = static_cast<float>(total(workspace + GROUPS * channels, channels, c));
    dscale[c] = accumulate ? dscale[c] + s : s;
    dshift[c] = accumulate ? dshift[c] + t : t;
  }
}

void batch_norm_gradient(const float* normalised, const float* dy, const float* variance, const float* scale,
                         float epsilon, const float* dscale, const float* dshift, int32_t frozen, float* dx,
                         int64_t rows, int64_t channels, int32_t threads) {
  const float count = static_cast<float>(rows);
  const auto prepare = [=](int64_t c, float* v) {
    v[0] = scale[c] * inverse_deviation(variance[c], epsilon);
    v[TILE] = frozen ? 0 : dshift[c] / count;
    v[2 * TILE] = frozen ? 0 : dscale[c] / count;
  };
  if (frozen) {
    each_row(rows, channels, threads, prepare, [=](int64_t at, const float* v) { dx[at] = dy[at] * v[0]; });
  } else {
    each_row(rows, channels, threads, prepare, [=](int64_t at, const float* v) {
      dx[at] = v[0] * (dy[at] - v[TILE] - normalised[at] * v[2 * TILE]);
    });
  }
}

}  // namespace NEP_NAMESPACE
