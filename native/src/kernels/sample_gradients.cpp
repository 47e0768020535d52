// Pₙ = GₙᵀĀₙ for every sample, written out: for what must see the whole gradient of a few samples.
#include "per_sample.h"

namespace NEP_NAMESPACE {
namespace {

struct Store {
  float* out;  // the run's first gradient
  int64_t size, pitch;
  Place place;

  void begin(const Place& at) { place = at; }

  template <int MR, int NV>
  inline __attribute__((always_inline)) void take(int64_t sample, const vfloat (&acc)[MR][NV]) {
    float* target = out + sample * size + place.row * pitch + place.column;
    for (int r = 0; r < MR; r++) {
      if (place.columns == NV * WIDTH) {
        for (int v = 0; v < NV; v++) store(target + r * pitch + v * WIDTH, acc[r][v]);
      } else {
        float row[NV * WIDTH];
        for (int v = 0; v < NV; v++) store(row + v * WIDTH, acc[r][v]);
        for (int64_t j = 0; j < place.columns; j++) target[r * pitch + j] = row[j];
      }
    }
  }

  void end(const Place&) {}
};

}  // namespace

int64_t sample_gradients_workspace(const int64_t* sizes, int32_t threads) {
  return threads * packed_floats(read_geometry(sizes), MOST_SAMPLES) * static_cast<int64_t>(sizeof(float));
}

void sample_gradients(const float* input, const float* gradient, const int64_t* sizes, int32_t bias,
                      float* out, float* workspace, int32_t threads) {
  const Samples all = {read_geometry(sizes), bias != 0, input, gradient};
  const int64_t pitch = all.size(), size = all.geometry.out_channels * pitch;
#pragma omp parallel num_threads(threads)
  {
    float* const packed = workspace + omp_get_thread_num() * packed_floats(all.geometry, MOST_SAMPLES);
    each_run(all.geometry.samples, run_of(all.geometry, MOST_SAMPLES), [&](int64_t first, int64_t count) {
      Store sink = {out + first * size, size, pitch, {}};
      each_tile(all, first, count, rows_of(all, first), packed, sink);
    });
  }
}

}  // namespace NEP_NAMESPACE
