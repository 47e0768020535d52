// s[q, n] = ⟨V_q, GₙᵀĀₙ⟩: every tile of a sample's gradient meets all queries while it is in the cache of its
// core; it goes nowhere else. Layers of one position form none (pair_rows.h).
//
// Queries are packed beforehand: tile by tile in the order of the walk, all queries of a tile next to each
// other, and are read in a row, once a run. So a run should have many samples, and their lines are fetched
// all the time: some while the run's tiles are multiplied, the others while they meet. What is kept of a
// sample for a column of tiles is its packed Ā, T rows, from which every tile is multiplied when its queries
// come; or, where that is too much and there are more positions than outputs, all tiles of the column,
// multiplied beforehand. G is packed in the order of the tiles too, where it is not large: read in pieces of
// ROWS floats from the third cache it took a quarter of the products' time for 512 → 512, 3×3 at 3×3.
//
// One thread of a Zen 4 with a second cache of 1 MiB, 22 November 2026, 51 queries, microseconds an example:
// 256 → 512, 3×3 at 7×7 from 2777 to 2465; 128 → 256 at 14×14 from 1697 to 1550; 512 → 512 at 3×3 from 2984
// to 2780, of which queries that were filled up to a multiple of SOME were 6 in 100, and 400 came back when
// lines were fetched less than a block ahead. Runs of all 64 samples for any T, with Ā packed again for every
// few rows of tiles, were slower from 196 positions on: images and G then come from the third cache for every
// column.
#include "pair_rows.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t TILE_FLOATS = ROWS * COLUMNS;
constexpr int64_t KEPT_FLOATS = 160 << 10;   // what a run keeps of its samples: 640 KiB of a second cache
constexpr int64_t CACHE_FLOATS = 192 << 10;  // that, and the sample that its tiles are multiplied from
constexpr int64_t ROWS_FLOATS = int64_t{2} << 20;  // packed G of a run, at most: 8 MiB
constexpr int64_t MOST_FETCHED = 2048;             // lines of queries, while tiles are multiplied: 128 KiB

int64_t row_tiles(const Geometry& geometry) { return ceil_div(geometry.group_outputs(), ROWS); }

// Whether tiles are kept, not packed Ā: they are smaller, and a run of Ā would be short.
bool keeps_tiles(const Geometry& geometry, int64_t queries) {
  return queries > 1 && row_tiles(geometry) * ROWS < geometry.positions() &&
         2 * FEW * geometry.positions() * COLUMNS > KEPT_FLOATS;
}

// A multiple of FEW where it can be.
int64_t run_samples(const Geometry& geometry, int64_t queries) {
  if (geometry.positions() == 1) return most_samples(queries);
  const bool tiles = keeps_tiles(geometry, queries);
  const int64_t kept = tiles ? row_tiles(geometry) * TILE_FLOATS : geometry.positions() * COLUMNS;
  const int64_t visited = tiles ? geometry.positions() * (COLUMNS + geometry.group_outputs()) : 0;
  const int64_t room = least(KEPT_FLOATS, most(kept, CACHE_FLOATS - visited)) / kept;
  const int64_t run = least(most_samples(queries), room);
  return most(1, run < FEW ? run : run / FEW * FEW);
}

// The same number of samples in every run of a thread, so that none reads all queries for a few.
int64_t even_run(int64_t samples, int64_t run) {
  const int64_t share = ceil_div(samples, omp_get_num_threads());
  return least(run, ceil_div(ceil_div(share, ceil_div(share, run)), FEW) * FEW);
}

// What a thread works in, one after the other; every part is a multiple of 16 floats.
struct Layout {
  int64_t packed, rows, samples, dots;

  int64_t floats() const { return packed + rows + samples + dots; }
};

Layout layout_of(const Geometry& geometry, bool bias, int64_t queries) {
  const int64_t run = run_samples(geometry, queries), positions = geometry.positions();
  const auto whole = [](int64_t floats) { return ceil_div(floats, 16) * 16; };
  const int64_t dots = whole(dots_floats(run, queries));
  if (positions == 1) return {whole(run * band_columns(features(geometry, bias))), 0, 0, dots};
  const bool tiles = keeps_tiles(geometry, queries);
  const int64_t rows = run * positions * row_tiles(geometry) * ROWS;
  const bool scattered = !tiles && geometry.groups == 1 && geometry.out_channels > ROWS;
  return {whole((tiles ? 1 : run) * positions * COLUMNS), scattered && rows <= ROWS_FLOATS ? whole(rows) : 0,
          (tiles ? row_tiles(geometry) : 1) * run * TILE_FLOATS, dots};
}

// The pieces that queries are packed in: work(row, rows, column, columns, floats of a row).
template <class Work>
inline void each_packed(int64_t positions, int64_t groups, int64_t outputs, int64_t features,
                        const Work& work) {
  if (positions == 1) {
    each_packed_row(groups, outputs, features,
                    [&](int64_t row, int64_t column, int64_t columns, int64_t width) {
                      work(row, int64_t{1}, column, columns, width);
                    });
    return;
  }
  for (int64_t group = 0; group < groups; group++) {
    for (int64_t column = 0; column < features; column += COLUMNS) {
      const int64_t columns = least(COLUMNS, features - column), width = ceil_div(columns, WIDTH) * WIDTH;
      for (int64_t row = 0; row < outputs; row += ROWS)
        work(group * outputs + row, least(ROWS, outputs - row), column, columns, width);
    }
  }
}

struct Tiles {
  PairDots& dots;
  const float* values;  // of the queries, from the next tile on
  float* samples;       // run × TILE_FLOATS
  int64_t run, positions;
  int64_t lines_a_sample;  // of queries, to fetch while a sample's tile is multiplied
  Pieces tiles;

  Tiles(PairDots& all, const float* queries, float* room, int64_t of_run, int64_t of_positions)
      : dots(all), values(queries), samples(room), run(of_run), positions(of_positions), lines_a_sample(0) {
    tiles.count = run;
    for (int64_t s = 0; s < run; s++) tiles.index[s] = s;
  }

  static int64_t length(const Place& place) { return place.rows * ceil_div(place.columns, WIDTH) * WIDTH; }

  // As many lines as the products' share of the time, so that they come evenly.
  void begin(const Place& place) {
    const int64_t lines = dots.queries * length(place) / LINE;
    const int64_t early = least(MOST_FETCHED, lines * positions / (positions + dots.queries));
    lines_a_sample = early / run;
    dots.fetch_with(run, values, lines - lines_a_sample * run);
  }

  template <int MR, int NV>
  inline __attribute__((always_inline)) void take(int64_t sample, const vfloat (&acc)[MR][NV]) {
    dots.fetch(lines_a_sample);
    float* to = samples + sample * TILE_FLOATS;
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) store(to + (r * NV + v) * WIDTH, acc[r][v]);
    }
  }

  void end(const Place& place) {
    for (int64_t s = 0; s < run; s++) tiles.at[s] = samples + s * TILE_FLOATS;
    dots.add<false>(tiles, values, length(place));
    values += dots.queries * length(place);
    dots.next();
  }
};

// All tiles of a run, each column's multiplied for all samples before queries meet them.
inline void each_kept_tile(const Samples& all, int64_t first, float* packed, Tiles& sink) {
  const Geometry& geometry = all.geometry;
  const int64_t outputs = geometry.group_outputs(), blocks = ceil_div(all.size(), COLUMNS);
  const int64_t positions = geometry.positions();
  float* const kept = sink.samples;
  for (int64_t group = 0; group < geometry.groups; group++) {
    for (int64_t block = 0; block < blocks; block++) {
      const Band band = band_of(geometry, all.bias, group, block);
      const auto each_row = [&](const auto& work) {
        for (int64_t row = 0; row < outputs; row += ROWS) {
          sink.samples = kept + row / ROWS * sink.run * TILE_FLOATS;
          work(Place{group * outputs + row, block * COLUMNS, least(ROWS, outputs - row), band.count});
        }
      };
      sink.lines_a_sample = 0;
      for (int64_t s = 0; s < sink.run; s++) {
        pack_band(geometry, band, all.input + (first + s) * all.image(), 0, positions, packed);
        each_row([&](const Place& place) {
          sink.samples += s * TILE_FLOATS;
          each_sample(rows_of(all, first + s), positions, 1, packed, place, sink);
        });
      }
      each_row([&](const Place& place) {
        sink.dots.fetch_with(sink.run, sink.values, sink.dots.queries * Tiles::length(place) / LINE);
        sink.end(place);
      });
    }
  }
  sink.samples = kept;
}

}  // namespace

int64_t pair_scores_workspace(const int64_t* sizes, int32_t bias, int64_t queries, int32_t threads) {
  return threads * layout_of(read_geometry(sizes), bias != 0, queries).floats() *
         static_cast<int64_t>(sizeof(float));
}

int64_t pair_scores_packed(int64_t count, int64_t positions, int64_t groups, int64_t outputs,
                           int64_t features) {
  int64_t floats = 0;
  each_packed(positions, groups, outputs, features,
              [&](int64_t, int64_t rows, int64_t, int64_t, int64_t width) { floats += rows * width; });
  return count * floats;
}

void pair_scores_pack(const float* queries, int64_t count, int64_t positions, int64_t groups, int64_t outputs,
                      int64_t features, float* packed, int32_t threads) {
  const int64_t size = groups * outputs * features;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t q = 0; q < count; q++) {
    float* piece = packed;
    each_packed(positions, groups, outputs, features,
                [&](int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t width) {
                  float* to = piece + q * rows * width;
                  for (int64_t r = 0; r < rows; r++, to += width) {
                    copy_row(queries + q * size + (row + r) * features + column, to, columns);
                    for (int64_t j = columns; j < width; j++) to[j] = 0;
                  }
                  piece += count * rows * width;
                });
  }
}

void pair_scores(const float* input, const float* gradient, const int64_t* sizes, int32_t bias,
                 const float* packed_queries, int64_t count, float* scores, float* workspace,
                 int32_t threads) {
  const Samples all = {read_geometry(sizes), bias != 0, input, gradient};
  const int64_t samples = all.geometry.samples, positions = all.geometry.positions();
  const Layout layout = layout_of(all.geometry, all.bias, count);
#pragma omp parallel num_threads(threads)
  {
    float* const packed = workspace + omp_get_thread_num() * layout.floats();
    float* const rows = packed + layout.packed;
    float* const tiles = rows + layout.rows;
    each_run(samples, even_run(samples, run_samples(all.geometry, count)), [&](int64_t first, int64_t run) {
      PairDots dots(tiles + layout.samples, run, count);
      if (positions == 1) {
        row_scores(all, first, run, packed_queries, packed, dots);
      } else {
        Tiles sink(dots, packed_queries, tiles, run, positions);
        if (keeps_tiles(all.geometry, count))
          each_kept_tile(all, first, packed, sink);
        else
          each_tile(all, first, run,
                    layout.rows > 0 ? packed_rows(all, first, run, rows) : rows_of(all, first), packed, sink);
      }
      dots.write(scores, samples, first);
    });
  }
}

// s[q, n] = Σₜ Σᵣ left[n, t, q, r]·right[n, t, q, r]: what is left of ⟨Σᵣ lᵣrᵣᵀ, GᵀĀ⟩ once G met every l and
// Ā every r.
void pair_scores_factored(const float* left, const float* right, int64_t samples, int64_t positions,
                          int64_t queries, int64_t rank, float* scores, int32_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t n = 0; n < samples; n++) {
    for (int64_t q = 0; q < queries; q++) {
      double total = 0;
      for (int64_t t = 0; t < positions; t++) {
        const int64_t at = ((n * positions + t) * queries + q) * rank;
        vfloat sum[2] = {};
        int64_t r = 0;
        for (; r + 2 * WIDTH <= rank; r += 2 * WIDTH) {
          sum[0] = multiply_add(load(left + at + r), load(right + at + r), sum[0]);
          sum[1] = multiply_add(load(left + at + r + WIDTH), load(right + at + r + WIDTH), sum[1]);
        }
        float rest = 0;
        for (; r < rank; r++) rest += left[at + r] * right[at + r];
        total += static_cast<double>(sum_lanes(sum[0] + sum[1]) + rest);
      }
      scores[q * samples + n] = static_cast<float>(total);
    }
  }
}

}  // namespace NEP_NAMESPACE
