// Pₙ = GₙᵀĀₙ for every sample, written out: for what must see the whole gradient of a few samples.
//
// A thread owns samples. As many columns of their Ā as fit are packed, tile by tile, and met by ROWS outputs
// after the other: so gradients are written along their rows, and G is read once a band. In each_tile's order
// every row of a tile was on another page, and wide layers took far longer. Packing ROWS outputs of G as
// well, or half as much again of Ā or twice as much, gained nothing; lane by lane stores of a row's end
// spilled the tile below v4.
//
// Of a normalisation, whose gradient is two vectors, a thread owns samples, too, and adds a line of channels
// in float64 at a time.
#include "per_sample.h"

namespace NEP_NAMESPACE {
namespace {

// How a run is cut: tiles of columns packed at once, samples at once.
struct Cut {
  int64_t tiles, samples, tile_floats;

  int64_t sample_floats() const { return tiles * tile_floats; }
  int64_t floats() const { return samples * sample_floats(); }
};

// Bands are nearly equally wide. The workspace is sized before the bias is known: always as with one.
Cut cut_of(const Geometry& geometry) {
  const int64_t tile_floats = most(1, geometry.positions()) * COLUMNS;
  const int64_t all = ceil_div(features(geometry, true), COLUMNS);
  const int64_t tiles = ceil_div(all, ceil_div(all, most(1, PACKED_FLOATS / tile_floats)));
  return {tiles, clamp(PACKED_FLOATS / (tiles * tile_floats), 1, MOST_SAMPLES), tile_floats};
}

struct Store {
  float* out;  // the sample's gradient
  int64_t pitch;
  Place place;

  template <int MR, int NV>
  inline __attribute__((always_inline)) void take(int64_t, const vfloat (&acc)[MR][NV]) {
    float* target = out + place.row * pitch + place.column;
    for (int r = 0; r < MR; r++, target += pitch) {
      if (place.columns == NV * WIDTH) {
        for (int v = 0; v < NV; v++) store(target + v * WIDTH, acc[r][v]);
      } else {
        float row[NV * WIDTH];
        for (int v = 0; v < NV; v++) store(row + v * WIDTH, acc[r][v]);
        for (int64_t j = 0; j < place.columns; j++) target[j] = row[j];
      }
    }
  }
};

// Tiles [from, to) of one group's columns, for samples [first, first + count).
struct Columns {
  const Samples& all;
  const Cut& cut;
  int64_t group, from, to, first, count;
  float* packed;  // [sample, tile, position, COLUMNS]

  float* at(int64_t s, int64_t tile) const {
    return packed + s * cut.sample_floats() + (tile - from) * cut.tile_floats;
  }

  void pack() const {
    for (int64_t tile = from; tile < to; tile++) {
      const Band band = band_of(all.geometry, all.bias, group, tile);
      for (int64_t s = 0; s < count; s++)
        pack_band(all.geometry, band, all.input + (first + s) * all.image(), 0, all.geometry.positions(),
                  at(s, tile));
    }
  }

  void write(int64_t s, float* out) const {
    const int64_t outputs = all.geometry.group_outputs(), pitch = all.size();
    const GradientRows rows = rows_of(all, first + s);
    Store sink = {out + (first + s) * all.geometry.out_channels * pitch, pitch, {}};
    for (int64_t row = 0; row < outputs; row += ROWS) {
      for (int64_t tile = from; tile < to; tile++) {
        const int64_t column = tile * COLUMNS;
        sink.place = {group * outputs + row, column, least(ROWS, outputs - row),
                      least(COLUMNS, pitch - column)};
        each_sample(rows, all.geometry.positions(), 1, at(s, tile), sink.place, sink);
      }
    }
  }
};

constexpr int64_t LINE = 16;  // floats in a cache line

// Channels [0, count) of one sample; rows of the gradient are `pitch` apart, and so are the two results.
inline __attribute__((always_inline)) void add_channels(const float* x, const float* g, int64_t positions,
                                                        int64_t pitch, int64_t count, float* out) {
  double scale[LINE] = {}, shift[LINE] = {};
  for (int64_t t = 0; t < positions; t++) {
    for (int64_t c = 0; c < count; c++) {
      const double value = g[t * pitch + c];
      scale[c] += value * static_cast<double>(x[t * pitch + c]);  // the product is exact
      shift[c] += value;
    }
  }
  for (int64_t c = 0; c < count; c++) {
    out[c] = static_cast<float>(scale[c]);
    out[pitch + c] = static_cast<float>(shift[c]);
  }
}

}  // namespace

int64_t sample_gradients_workspace(const int64_t* sizes, int32_t threads) {
  return threads * cut_of(read_geometry(sizes)).floats() * static_cast<int64_t>(sizeof(float));
}

void sample_gradients(const float* input, const float* gradient, const int64_t* sizes, int32_t bias,
                      float* out, float* workspace, int32_t threads) {
  const Samples all = {read_geometry(sizes), bias != 0, input, gradient};
  const int64_t tiles = ceil_div(all.size(), COLUMNS);
  const Cut cut = cut_of(all.geometry);
#pragma omp parallel num_threads(threads)
  {
    float* const packed = workspace + omp_get_thread_num() * cut.floats();
    each_run(all.geometry.samples, cut.samples, [&](int64_t first, int64_t count) {
      for (int64_t group = 0; group < all.geometry.groups; group++) {
        for (int64_t from = 0; from < tiles; from += cut.tiles) {
          const Columns columns = {all,   cut,   group, from, least(tiles, from + cut.tiles),
                                   first, count, packed};
          columns.pack();
          for (int64_t s = 0; s < count; s++) columns.write(s, out);
        }
      }
    });
  }
}

void sample_gradients_normalisation(const float* normalised, const float* gradient, int64_t n, int64_t t,
                                    int64_t channels, float* out, int32_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t s = 0; s < n; s++) {
    for (int64_t c = 0; c < channels; c += LINE) {
      const int64_t at = s * t * channels + c, left = channels - c;
      float* const to = out + s * 2 * channels + c;
      if (left >= LINE) {
        add_channels(normalised + at, gradient + at, t, channels, LINE, to);
      } else {
        add_channels(normalised + at, gradient + at, t, channels, left, to);
      }
    }
  }
}

}  // namespace NEP_NAMESPACE
