// s[q, n] = ⟨V_q, GₙᵀĀₙ⟩: every tile of a sample's gradient meets all queries while it is in the cache of its
// core; it goes nowhere else.
//
// A tile of the samples of a run and the same tile of the queries lie as rows of up to ROWS·COLUMNS floats;
// FEW samples × SOME queries are multiplied at a time, lane by lane, and the lanes are summed at the end.
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
constexpr int64_t MOST_TILES = 64;                 // tiles that a lane sums in float32 before float64

int64_t padded_queries(int64_t queries) { return queries == 1 ? 1 : ceil_div(queries, SOME) * SOME; }

int64_t run_samples(const Geometry& geometry, int64_t queries) {
  const int64_t fitting = LANE_FLOATS / (padded_queries(queries) * WIDTH);
  return run_of(geometry, most(FEW, least(MOST_SAMPLES, fitting)));
}

// What a thread works in, one after the other; every part is a multiple of 16 floats.
struct Layout {
  int64_t packed, samples, queries, lanes, totals;

  int64_t floats() const { return packed + samples + queries + lanes + totals; }
};

Layout layout_of(const Geometry& geometry, int64_t queries) {
  const int64_t run = ceil_div(run_samples(geometry, queries), FEW) * FEW, padded = padded_queries(queries);
  return {ceil_div(run * geometry.positions() * COLUMNS, 16) * 16, run * TILE_FLOATS, padded * TILE_FLOATS,
          ceil_div(run * padded * WIDTH, 16) * 16, ceil_div(2 * run * padded, 16) * 16};
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
      const vfloat v = load(queries + q * TILE_FLOATS + k);
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
  const float* values;  // queries × outputs × features
  int64_t count, padded, size, pitch;
  float *samples, *queries, *lanes;
  double* totals;
  int64_t run, tiles;
  int64_t width;  // floats of a row of the tile, whole vectors

  void begin(const Place& place) {
    width = ceil_div(place.columns, WIDTH) * WIDTH;
    for (int64_t q = 0; q < count; q++) {
      const float* from = values + q * size + place.row * pitch + place.column;
      float* to = queries + q * TILE_FLOATS;
      for (int64_t r = 0; r < place.rows; r++, from += pitch, to += width) {
        copy_row(from, to, place.columns);
        for (int64_t j = place.columns; j < width; j++) to[j] = 0;
      }
    }
  }

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
    const int64_t length = place.rows * width;
    // A block of queries stays in the first cache while the run's samples pass by.
    if (padded == 1) {
      for (int64_t s = 0; s < run; s += FEW)
        dot<1>(samples + s * TILE_FLOATS, queries, length, lanes + s * WIDTH, 1);
    } else {
      for (int64_t q = 0; q < padded; q += SOME) {
        for (int64_t s = 0; s < run; s += FEW)
          dot<SOME>(samples + s * TILE_FLOATS, queries + q * TILE_FLOATS, length,
                    lanes + (s * padded + q) * WIDTH, padded);
      }
    }
    if (++tiles % MOST_TILES == 0) flush();
  }

  void flush() {
    for (int64_t i = 0; i < run * padded; i++) {
      totals[i] += static_cast<double>(sum_lanes(load(lanes + i * WIDTH)));
      store(lanes + i * WIDTH, vfloat{});
    }
  }
};

}  // namespace

int64_t pair_scores_workspace(const int64_t* sizes, int64_t queries, int32_t threads) {
  return threads * layout_of(read_geometry(sizes), queries).floats() * static_cast<int64_t>(sizeof(float));
}

void pair_scores(const float* input, const float* gradient, const int64_t* sizes, int32_t bias,
                 const float* queries, int64_t count, float* scores, float* workspace, int32_t threads) {
  const Samples all = {read_geometry(sizes), bias != 0, input, gradient};
  const int64_t samples = all.geometry.samples, padded = padded_queries(count);
  const Layout layout = layout_of(all.geometry, count);
#pragma omp parallel num_threads(threads)
  {
    float* const packed = workspace + omp_get_thread_num() * layout.floats();
    Dots sink = {};
    sink.values = queries;
    sink.count = count;
    sink.padded = padded;
    sink.pitch = all.size();
    sink.size = all.geometry.out_channels * sink.pitch;
    sink.samples = packed + layout.packed;
    sink.queries = sink.samples + layout.samples;
    sink.lanes = sink.queries + layout.queries;
    sink.totals = reinterpret_cast<double*>(sink.lanes + layout.lanes);
    // Samples and queries that only fill a block up are zero.
    __builtin_memset(sink.samples, 0, sizeof(float) * static_cast<size_t>(layout.samples + layout.queries));
    each_run(samples, run_samples(all.geometry, count), [&](int64_t first, int64_t run) {
      sink.run = ceil_div(run, FEW) * FEW;
      sink.tiles = 0;
      __builtin_memset(sink.lanes, 0, sizeof(float) * static_cast<size_t>(layout.lanes + layout.totals));
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
