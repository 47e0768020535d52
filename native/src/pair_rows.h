// Pair scores of layers of one position: s[q, n] = Σₒ g[n, o]·(V[q, o, ·]·ā[n, ·]). No gradient is formed,
// and an output whose g is zero costs nothing: behind a ReLU that is half of them.
//
// Queries are packed by outputs, BAND floats of all queries next to each other.
#pragma once

#include "pair_dots.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t BAND = 480 / COLUMNS * COLUMNS;  // with FEW samples and SOME queries: the first cache

// Columns of a band of these features: nearly as many in each.
inline int64_t band_columns(int64_t features) {
  const int64_t blocks = ceil_div(features, COLUMNS);
  return ceil_div(blocks, ceil_div(features, BAND)) * COLUMNS;
}

// The rows of a gradient in the order of the walk: work(row, column, columns, floats of a row).
template <class Work>
inline void each_packed_row(int64_t groups, int64_t outputs, int64_t features, const Work& work) {
  const int64_t band = band_columns(features);
  for (int64_t group = 0; group < groups; group++) {
    for (int64_t column = 0; column < features; column += band) {
      const int64_t columns = least(band, features - column);
      for (int64_t row = 0; row < outputs; row++)
        work(group * outputs + row, column, columns, ceil_div(columns, WIDTH) * WIDTH);
    }
  }
}

// Columns [column, column + width) of a run's ā, `width` floats apart.
inline void pack_inputs(const Samples& all, int64_t group, int64_t column, int64_t width, int64_t first,
                        int64_t run, float* packed) {
  for (int64_t done = 0; done < width; done += COLUMNS) {
    const Band band = band_of(all.geometry, all.bias, group, (column + done) / COLUMNS);
    for (int64_t s = 0; s < run; s++)
      pack_band(all.geometry, band, all.input + (first + s) * all.image(), 0, 1, packed + s * width + done);
  }
}

// Adds all products of a run. packed: run × band_columns floats.
inline void row_scores(const Samples& all, int64_t first, int64_t run, const float* values, float* packed,
                       PairDots& dots) {
  const Geometry& geometry = all.geometry;
  const int64_t outputs = geometry.group_outputs();
  Pieces some;
  each_packed_row(geometry.groups, outputs, all.size(),
                  [&](int64_t row, int64_t column, int64_t, int64_t width) {
                    if (row % outputs == 0)
                      pack_inputs(all, row / outputs, column, width, first, run, packed);
                    some.count = 0;
                    for (int64_t s = 0; s < run; s++) {
                      const float g = all.gradient[(first + s) * geometry.out_channels + row];
                      some.at[some.count] = packed + s * width;
                      some.index[some.count] = s;
                      some.weight[some.count] = g;
                      some.count += g != 0;
                    }
                    if (some.count > 0) {
                      dots.fetch_with(some.count, values, dots.queries * width / LINE);
                      dots.add<true>(some, values, width);
                    }
                    values += dots.queries * width;
                    dots.next();
                  });
}

}  // namespace
}  // namespace NEP_NAMESPACE
