// s[q, n] = ⟨V_q, GₙᵀĀₙ⟩: every tile of a sample's gradient meets all queries while it is in the cache of its
// core; it goes nowhere else.
//
// A tile of the samples of a run lies as rows of up to ROWS·COLUMNS floats; FEW samples × SOME queries are
// multiplied at a time, lane by lane, and the lanes are summed at the end.
//
// Queries are packed beforehand: tile by tile in the order of the walk, all queries of a tile next to each
// other. They are then read in a row, once a run. (Copied from where they lay, a page for every row of every
// query, they took as long as the products: 57 instead of 72 GFLOP/s, 91 with the next block fetched
// meanwhile for 51 queries, 1024 → 1024, one thread of a Zen 4.) So a run should have many samples. What is
// kept of a sample for a column of tiles is the smaller of two: its packed Ā, T rows, from which every tile
// is multiplied when its queries come; or, where there are more positions than outputs, all tiles of the
// column, multiplied beforehand. Half a second cache of them was too much beside all else: with 384 KiB
// the 50 queries beyond the first ran at 85 instead of 43 GFLOP/s for 256 → 512, 3×3 at 7×7, and in a third
// of the time for 64 → 128 at 28×28 (one thread of a Zen 4, 22 November 2026).
#include "per_sample.h"

namespace NEP_NAMESPACE {
namespace {

#if defined(NEP_LEVEL_v4)
constexpr int FEW = 4, SOME = 6;  // 24 accumulators of 32 registers
#else
constexpr int FEW = 2, SOME = 4;  // 8 of 16
#endif
constexpr int64_t TILE_FLOATS = ROWS * COLUMNS;
constexpr int64_t LANE_FLOATS = int64_t{1} << 18;  // lanes of a run's scores: 1 MiB
constexpr int64_t KEPT_FLOATS = 96 << 10;    // what a run keeps of its samples: 384 KiB of a second cache
constexpr int64_t CACHE_FLOATS = 192 << 10;  // that, and the sample that its tiles are multiplied from
constexpr int64_t LINE = 16;                 // floats of a cache line
constexpr int64_t MOST_TILES = 64;           // tiles that a lane sums in float32 before float64

int64_t padded_queries(int64_t queries) { return queries == 1 ? 1 : ceil_div(queries, SOME) * SOME; }

int64_t row_tiles(const Geometry& geometry) { return ceil_div(geometry.group_outputs(), ROWS); }

// Whether a column's tiles are smaller than its packed Ā, and it matters.
bool keeps_tiles(const Geometry& geometry, int64_t queries) {
  return queries > 1 && row_tiles(geometry) * ROWS < geometry.positions();
}

// A multiple of FEW where it can be: what is added to fill a block up costs as much as a sample.
int64_t run_samples(const Geometry& geometry, int64_t queries) {
  const bool tiles = keeps_tiles(geometry, queries);
  const int64_t kept = tiles ? row_tiles(geometry) * TILE_FLOATS : geometry.positions() * COLUMNS;
  const int64_t visited = tiles ? geometry.positions() * (COLUMNS + geometry.group_outputs()) : 0;
  const int64_t lanes = LANE_FLOATS / (padded_queries(queries) * WIDTH);
  const int64_t room = least(KEPT_FLOATS, most(kept, CACHE_FLOATS - visited)) / kept;
  const int64_t run = least(most(FEW, least(MOST_SAMPLES, lanes)), room);
  return most(1, run < FEW ? run : run / FEW * FEW);
}

// The same number of samples in every run of a thread, so that none reads all queries for a few.
int64_t even_run(int64_t samples, int64_t run) {
  const int64_t share = ceil_div(samples, omp_get_num_threads());
  return least(run, ceil_div(ceil_div(share, ceil_div(share, run)), FEW) * FEW);
}

// What a thread works in, one after the other; every part is a multiple of 16 floats.
struct Layout {
  int64_t packed, samples, lanes, totals;

  int64_t floats() const { return packed + samples + lanes + totals; }
};

Layout layout_of(const Geometry& geometry, int64_t queries) {
  const int64_t run = ceil_div(run_samples(geometry, queries), FEW) * FEW, padded = padded_queries(queries);
  const bool tiles = keeps_tiles(geometry, queries);
  return {ceil_div((tiles ? 1 : run) * geometry.positions() * COLUMNS, 16) * 16,
          (tiles ? row_tiles(geometry) : 1) * run * TILE_FLOATS, ceil_div(run * padded * WIDTH, 16) * 16,
          ceil_div(2 * run * padded, 16) * 16};
}

// The tiles of a gradient in the order of the walk: work(row, rows, column, columns, floats of a row).
template <class Work>
inline void each_packed_tile(int64_t groups, int64_t outputs, int64_t features, const Work& work) {
  for (int64_t group = 0; group < groups; group++) {
    for (int64_t column = 0; column < features; column += COLUMNS) {
      const int64_t columns = least(COLUMNS, features - column), width = ceil_div(columns, WIDTH) * WIDTH;
      for (int64_t row = 0; row < outputs; row += ROWS)
        work(group * outputs + row, least(ROWS, outputs - row), column, columns, width);
    }
  }
}

// lanes += tiles of FEW samples · tiles of MQ queries.
template <int MQ>
inline void dot(const float* samples, const float* queries, int64_t length, float* lanes, int64_t padded) {
  vfloat acc[FEW][MQ] = {};
  for (int64_t k = 0; k < length; k += WIDTH) {
    vfloat p[FEW];
#pragma GCC unroll 4
    for (int s = 0; s < FEW; s++) p[s] = load(samples + s * TILE_FLOATS + k);
#pragma GCC unroll 6
    for (int q = 0; q < MQ; q++) {
      const vfloat v = load(queries + q * length + k);
#pragma GCC unroll 4
      for (int s = 0; s < FEW; s++) acc[s][q] = multiply_add(p[s], v, acc[s][q]);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < FEW; s++) {
#pragma GCC unroll 6
    for (int q = 0; q < MQ; q++) {
      float* at = lanes + (s * padded + q) * WIDTH;
      store(at, load(at) + acc[s][q]);
    }
  }
}

struct Dots {
  const float* queries;  // packed, from the next tile on
  int64_t padded;
  float *samples, *lanes;
  double* totals;
  int64_t run, tiles;

  void begin(const Place&) {}

  template <int MR, int NV>
  inline __attribute__((always_inline)) void take(int64_t sample, const vfloat (&acc)[MR][NV]) {
    float* to = samples + sample * TILE_FLOATS;
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) store(to + (r * NV + v) * WIDTH, acc[r][v]);
    }
  }

  void end(const Place& place) {
    const int64_t length = place.rows * ceil_div(place.columns, WIDTH) * WIDTH;
    // A block of queries stays in the first cache while the run's samples pass by.
    if (padded == 1) {
      for (int64_t s = 0; s < run; s += FEW)
        dot<1>(samples + s * TILE_FLOATS, queries, length, lanes + s * WIDTH, 1);
    } else {
      const int64_t each = ceil_div(SOME * length * FEW, LINE * run) * LINE;
      for (int64_t q = 0; q < padded; q += SOME) {
        const float* const block = queries + q * length;
        for (int64_t s = 0; s < run; s += FEW) {
          // Meanwhile the next block, of which every line comes from memory once.
          const float* const next = block + SOME * length + s / FEW * each;
          for (int64_t i = 0; i < each; i += LINE) __builtin_prefetch(next + i, 0, 2);
          dot<SOME>(samples + s * TILE_FLOATS, block, length, lanes + (s * padded + q) * WIDTH, padded);
        }
      }
    }
    queries += padded * length;
    if (++tiles % MOST_TILES == 0) flush();
  }

  void flush() {
    for (int64_t i = 0; i < run * padded; i++) {
      totals[i] += static_cast<double>(sum_lanes(load(lanes + i * WIDTH)));
      store(lanes + i * WIDTH, vfloat{});
    }
  }
};

// All tiles of a run, each column's multiplied for all samples before queries meet them.
inline void each_kept_tile(const Samples& all, int64_t first, int64_t run, float* packed, Dots& sink) {
  const Geometry& geometry = all.geometry;
  const int64_t outputs = geometry.group_outputs(), blocks = ceil_div(all.size(), COLUMNS);
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
      for (int64_t s = 0; s < run; s++) {
        pack_band(geometry, band, all.input + (first + s) * all.image(), 0, geometry.positions(), packed);
        each_row([&](const Place& place) {
          sink.samples += s * TILE_FLOATS;
          each_sample(all, first + s, 1, packed, place, sink);
        });
      }
      each_row([&](const Place& place) { sink.end(place); });
    }
  }
  sink.samples = kept;
}

}  // namespace

int64_t pair_scores_workspace(const int64_t* sizes, int64_t queries, int32_t threads) {
  return threads * layout_of(read_geometry(sizes), queries).floats() * static_cast<int64_t>(sizeof(float));
}

int64_t pair_scores_packed(int64_t count, int64_t groups, int64_t outputs, int64_t features) {
  int64_t floats = 0;
  each_packed_tile(groups, outputs, features,
                   [&](int64_t, int64_t rows, int64_t, int64_t, int64_t width) { floats += rows * width; });
  return padded_queries(count) * floats;
}

void pair_scores_pack(const float* queries, int64_t count, int64_t groups, int64_t outputs, int64_t features,
                      float* packed, int32_t threads) {
  const int64_t padded = padded_queries(count), size = groups * outputs * features;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t q = 0; q < padded; q++) {
    float* tile = packed;
    each_packed_tile(groups, outputs, features,
                     [&](int64_t row, int64_t rows, int64_t column, int64_t columns, int64_t width) {
                       float* to = tile + q * rows * width;
                       for (int64_t r = 0; r < rows; r++, to += width) {
                         // Queries that only fill a block up are zero.
                         const int64_t some = q < count ? columns : 0;
                         copy_row(queries + q * size + (row + r) * features + column, to, some);
                         for (int64_t j = some; j < width; j++) to[j] = 0;
                       }
                       tile += padded * rows * width;
                     });
  }
}

void pair_scores(const float* input, const float* gradient, const int64_t* sizes, int32_t bias,
                 const float* packed_queries, int64_t count, float* scores, float* workspace,
                 int32_t threads) {
  const Samples all = {read_geometry(sizes), bias != 0, input, gradient};
  const int64_t samples = all.geometry.samples, padded = padded_queries(count);
  const Layout layout = layout_of(all.geometry, count);
#pragma omp parallel num_threads(threads)
  {
    float* const packed = workspace + omp_get_thread_num() * layout.floats();
    Dots sink = {};
    sink.padded = padded;
    sink.samples = packed + layout.packed;
    sink.lanes = sink.samples + layout.samples;
    sink.totals = reinterpret_cast<double*>(sink.lanes + layout.lanes);
    // Samples that only fill a block up are zero.
    __builtin_memset(sink.samples, 0, sizeof(float) * static_cast<size_t>(layout.samples));
    each_run(samples, even_run(samples, run_samples(all.geometry, count)), [&](int64_t first, int64_t run) {
      sink.queries = packed_queries;
      sink.run = ceil_div(run, FEW) * FEW;
      sink.tiles = 0;
      __builtin_memset(sink.lanes, 0, sizeof(float) * static_cast<size_t>(layout.lanes + layout.totals));
      if (keeps_tiles(all.geometry, count))
        each_kept_tile(all, first, run, packed, sink);
      else
        each_tile(all, first, run, packed, sink);
      sink.flush();
      for (int64_t s = 0; s < run; s++) {
        for (int64_t q = 0; q < count; q++)
          scores[q * samples + first + s] = static_cast<float>(sink.totals[s * padded + q]);
      }
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
