// Tile by tile through the samples' own gradients Pₙ = GₙᵀĀₙ: a tile stays in registers while a sink uses it.
//
// A thread owns samples and walks all tiles for them, columns of tiles outermost. So what a sink adds up for
// a sample depends neither on the threads nor on the batch. Ā is packed once a column; of G ROWS floats of a
// position are read at a time, where it lies or from where it was packed in that order.
#pragma once

#include <omp.h>

#include "patches.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t PACKED_FLOATS = int64_t{1} << 16;  // packed Ā of a run of samples: 256 KiB
constexpr int64_t MOST_SAMPLES = 64;                 // samples of a run, at most

// Where a tile lies in its sample's gradient, outputs × features.
struct Place {
  int64_t row, column;    // first output (over all groups), first feature
  int64_t rows, columns;  // how many of each
};

struct Samples {
  Geometry geometry;
  bool bias;
  const float *input, *gradient;

  int64_t image() const { return geometry.height * geometry.width * geometry.channels; }
  int64_t size() const { return features(geometry, bias); }
};

// Where a run's G lies: the tile of output `row` of its sample s at at + row·tile + s·sample, positions
// `pitch` floats apart.
struct GradientRows {
  const float* at;
  int64_t tile, sample, pitch;
};

inline GradientRows rows_of(const Samples& all, int64_t first) {
  const int64_t outputs = all.geometry.out_channels, sample = all.geometry.positions() * outputs;
  return {all.gradient + first * sample, 1, sample, outputs};
}

// The same in the order of the walk: [tile, sample, position, ROWS], for one group.
inline GradientRows packed_rows(const Samples& all, int64_t first, int64_t count, float* out) {
  const int64_t outputs = all.geometry.out_channels, positions = all.geometry.positions();
  const float* from = all.gradient + first * positions * outputs;
  for (int64_t i = 0; i < count * positions; i++, from += outputs) {
    int64_t row = 0;
    for (; row + ROWS <= outputs; row += ROWS)
      __builtin_memcpy(out + row * count * positions + i * ROWS, from + row, ROWS * sizeof(float));
    for (int64_t r = row; r < outputs; r++) out[row * count * positions + i * ROWS + r - row] = from[r];
  }
  return {out, count * positions, positions * ROWS, ROWS};
}

// Samples of a run: as many as fit when packed.
inline int64_t run_of(const Geometry& geometry, int64_t most_samples) {
  return most(1, least(most_samples, PACKED_FLOATS / (most(1, geometry.positions()) * COLUMNS)));
}

inline int64_t packed_floats(const Geometry& geometry, int64_t most_samples) {
  return run_of(geometry, most_samples) * geometry.positions() * COLUMNS;
}

template <int MR, int NV, class Sink>
inline void tile_of_samples(const GradientRows& rows, int64_t t, int64_t count, const float* packed,
                            const Place& place, Sink& sink) {
  for (int64_t s = 0; s < count; s++) {
    vfloat acc[MR][NV] = {};
    product<MR, NV>(rows.at + place.row * rows.tile + s * rows.sample, packed + s * t * COLUMNS, t, acc,
                    rows.pitch);
    sink.template take<MR, NV>(s, acc);
  }
}

template <int MR, class Sink>
inline void rows_of_samples(const GradientRows& rows, int64_t t, int64_t count, const float* packed,
                            const Place& place, Sink& sink) {
  switch ((place.columns + WIDTH - 1) / WIDTH) {
    case 1:
      return tile_of_samples<MR, 1>(rows, t, count, packed, place, sink);
    case 2:
      return tile_of_samples<MR, 2>(rows, t, count, packed, place, sink);
    default:
      return tile_of_samples<MR, VECTORS_WIDE>(rows, t, count, packed, place, sink);
  }
}

template <class Sink>
inline void each_sample(const GradientRows& rows, int64_t t, int64_t count, const float* packed,
                        const Place& place, Sink& sink) {
  switch (place.rows) {
    case 1:
      return rows_of_samples<1>(rows, t, count, packed, place, sink);
    case 2:
      return rows_of_samples<2>(rows, t, count, packed, place, sink);
    case 3:
      return rows_of_samples<3>(rows, t, count, packed, place, sink);
#if defined(NEP_LEVEL_v4)
    case 4:
      return rows_of_samples<4>(rows, t, count, packed, place, sink);
    case 5:
      return rows_of_samples<5>(rows, t, count, packed, place, sink);
    case 6:
      return rows_of_samples<6>(rows, t, count, packed, place, sink);
    case 7:
      return rows_of_samples<7>(rows, t, count, packed, place, sink);
#endif
    default:
      return rows_of_samples<ROWS>(rows, t, count, packed, place, sink);
  }
}

// All tiles of samples [first, first + count). The sink hears begin(place), take<MR, NV>(sample, acc) for
// each sample of the run, end(place).
template <class Sink>
inline void each_tile(const Samples& all, int64_t first, int64_t count, const GradientRows& rows,
                      float* packed, Sink& sink) {
  const Geometry& geometry = all.geometry;
  const int64_t outputs = geometry.group_outputs(), blocks = ceil_div(all.size(), COLUMNS);
  for (int64_t group = 0; group < geometry.groups; group++) {
    for (int64_t block = 0; block < blocks; block++) {
      const Band band = band_of(geometry, all.bias, group, block);
      for (int64_t s = 0; s < count; s++)
        pack_band(geometry, band, all.input + (first + s) * all.image(), 0, geometry.positions(),
                  packed + s * geometry.positions() * COLUMNS);
      for (int64_t row = 0; row < outputs; row += ROWS) {
        const Place place = {group * outputs + row, block * COLUMNS, least(ROWS, outputs - row), band.count};
        sink.begin(place);
        each_sample(rows, geometry.positions(), count, packed, place, sink);
        sink.end(place);
      }
    }
  }
}

// Hands runs of the thread's samples to `work(first, count)`.
template <class Work>
inline void each_run(int64_t samples, int64_t run, const Work& work) {
  const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
  const int64_t from = samples * thread / team, to = samples * (thread + 1) / team;
  for (int64_t first = from; first < to; first += run) work(first, least(run, to - first));
}

// The sum of the lanes, halves added first.
inline float sum_lanes(vfloat v) {
  vint lane;
#pragma GCC unroll 16
  for (int l = 0; l < WIDTH; l++) lane[l] = l;
#pragma GCC unroll 4
  for (int half = WIDTH / 2; half > 0; half /= 2) v += __builtin_shuffle(v, lane + half);
  return v[0];
}

}  // namespace
}  // namespace NEP_NAMESPACE
