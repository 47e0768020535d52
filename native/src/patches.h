// Rows of ā, the unfolded input with its bias feature, packed for the register tile.
#pragma once

#include "tile.h"
#include "unfold.h"

namespace NEP_NAMESPACE {
namespace {

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

inline Geometry read_geometry(const int64_t* sizes) {
  Geometry geometry;
  __builtin_memcpy(&geometry, sizes, sizeof geometry);
  return geometry;
}

// COLUMNS columns of one group's ā; the last feature of all is the constant 1 where there is a bias.
struct Band {
  Segment segment[COLUMNS];
  int64_t segments, count;
  int64_t one;  // the bias feature's column in this band, -1 if it lies elsewhere

  int64_t padded() const { return ceil_div(count, WIDTH) * WIDTH; }
};

// Features of ā: the window's inputs and the bias feature.
inline int64_t features(const Geometry& geometry, bool bias) { return geometry.columns() + (bias ? 1 : 0); }

inline Band band_of(const Geometry& geometry, bool bias, int64_t group, int64_t block) {
  Band band;
  const int64_t first = block * COLUMNS;
  band.count = least(COLUMNS, features(geometry, bias) - first);
  const int64_t inputs = most(0, least(band.count, geometry.columns() - first));
  band.segments = inputs > 0 ? segments(geometry, group, first, inputs, band.segment) : 0;
  band.one = inputs < band.count ? inputs : -1;
  return band;
}

// Positions [first, last) of one sample's ā, COLUMNS floats apart, zero past the band.
inline void pack_band(const Geometry& geometry, const Band& band, const float* image, int64_t first,
                      int64_t last, float* out) {
  if (band.count < band.padded()) zero_last(out, COLUMNS, band.padded(), last - first);
  unfold(geometry, image, band.segment, band.segments, first, last, out, COLUMNS);
  for (int64_t t = 0; band.one >= 0 && t < last - first; t++) out[t * COLUMNS + band.one] = 1;
}

}  // namespace
}  // namespace NEP_NAMESPACE
