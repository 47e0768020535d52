// The products of a run's samples with all queries: a few samples × some queries at a time, lane by lane. The
// lanes of each pair are summed at the end; so its bits depend on no other sample and no other query.
#pragma once

#include "per_sample.h"

namespace NEP_NAMESPACE {
namespace {

#if defined(NEP_LEVEL_v4)
constexpr int FEW = 4, SOME = 6;  // 24 accumulators of 32 registers
#else
constexpr int FEW = 2, SOME = 4;  // 8 of 16
#endif
constexpr int64_t LANE_FLOATS = int64_t{1} << 18;  // lanes of a run's scores: 1 MiB
constexpr int64_t MOST_PIECES = 128;               // dots that a lane sums in float32 before float64
constexpr int64_t LINE = 16;                       // floats of a cache line
constexpr int64_t LEAD = 288;  // lines fetched before they are needed: two blocks of queries

// Samples of a run, at most; a multiple of FEW.
inline int64_t most_samples(int64_t queries) {
  return most(FEW, least(MOST_SAMPLES, LANE_FLOATS / (queries * WIDTH)) / FEW * FEW);
}

// Floats for the lanes and totals of a run's scores.
inline int64_t dots_floats(int64_t run, int64_t queries) { return run * queries * (WIDTH + 2); }

// Pieces of samples that meet queries: sample index[i]'s lies at at[i] and counts weight[i] times.
struct Pieces {
  int64_t count;
  const float* at[MOST_SAMPLES];
  int64_t index[MOST_SAMPLES];
  float weight[MOST_SAMPLES];
};

// MS pieces from the i-th on with MQ queries; lanes: of these queries, MQ a sample. Where all weights are 1 a
// sum is cheaper: it has units of its own beside those that multiply and add.
template <int MS, int MQ, bool WEIGHTED>
inline void dot(const Pieces& some, int64_t i, const float* values, int64_t length, float* lanes) {
  vfloat acc[MS][MQ] = {};
  const float* piece[MS];
#pragma GCC unroll 4
  for (int s = 0; s < MS; s++) piece[s] = some.at[i + s];
  for (int64_t k = 0; k < length; k += WIDTH) {
    vfloat p[MS];
#pragma GCC unroll 4
    for (int s = 0; s < MS; s++) p[s] = load(piece[s] + k);
#pragma GCC unroll 6
    for (int j = 0; j < MQ; j++) {
      const vfloat v = load(values + j * length + k);
#pragma GCC unroll 4
      for (int s = 0; s < MS; s++) acc[s][j] = multiply_add(p[s], v, acc[s][j]);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < MS; s++) {
    float* const to = lanes + some.index[i + s] * MQ * WIDTH;
    const vfloat weight = splat(some.weight[i + s]);
#pragma GCC unroll 6
    for (int j = 0; j < MQ; j++) {
      const vfloat lane = load(to + j * WIDTH);
      store(to + j * WIDTH, WEIGHTED ? multiply_add(weight, acc[s][j], lane) : lane + acc[s][j]);
    }
  }
}

struct PairDots {
  int64_t queries, run;
  float* lanes;           // a block of queries after the other: run × its queries × WIDTH
  double* totals;         // run × queries
  int64_t pieces;         // since the start
  const float* ahead;     // of the queries, the next line to be fetched
  int64_t lines_a_block;  // how many of them with each block of samples

  PairDots(float* room, int64_t of_run, int64_t count)
      : queries(count),
        run(of_run),
        lanes(room),
        totals(reinterpret_cast<double*>(room + of_run * count * WIDTH)),
        pieces(0),
        ahead(nullptr),
        lines_a_block(0) {
    __builtin_memset(room, 0, sizeof(float) * static_cast<size_t>(dots_floats(run, queries)));
  }

  // The queries' next lines come to the second cache while those before them are used.
  void fetch(int64_t lines) {
    for (int64_t i = 0; i < lines; i++) __builtin_prefetch(ahead + i * LINE, 0, 2);
    ahead += lines * LINE;
  }

  // Plans to fetch `lines` while these many samples meet the queries at `values`.
  void fetch_with(int64_t samples, const float* values, int64_t lines) {
    ahead = values + LEAD * LINE;
    lines_a_block = ceil_div(lines, ceil_div(queries, SOME) * ceil_div(samples, FEW));
  }

  // Blocks of queries, as even as can be: work(first, count).
  template <class Work>
  inline void each_block(const Work& work) const {
    const int64_t blocks = ceil_div(queries, SOME);
    for (int64_t b = 0; b < blocks; b++) {
      const int64_t q = b * queries / blocks;
      work(q, (b + 1) * queries / blocks - q);
    }
  }

  // All samples with queries [q, q + MQ): their values stay in the first cache meanwhile.
  template <int MQ, bool WEIGHTED>
  void block(const Pieces& some, const float* values, int64_t q, int64_t length) {
    float* const to = lanes + q * run * WIDTH;
    int64_t i = 0;
    for (; i + FEW <= some.count; i += FEW) {
      fetch(lines_a_block);
      dot<FEW, MQ, WEIGHTED>(some, i, values, length, to);
    }
    if (i == some.count) return;
    fetch(lines_a_block);
    switch (some.count - i) {
      case 1:
        return dot<1, MQ, WEIGHTED>(some, i, values, length, to);
#if defined(NEP_LEVEL_v4)
      case 2:
        return dot<2, MQ, WEIGHTED>(some, i, values, length, to);
      default:
        return dot<3, MQ, WEIGHTED>(some, i, values, length, to);
#endif
    }
  }

  // Adds weight · (piece · query) for all pieces and queries; values: queries × length.
  template <bool WEIGHTED>
  void add(const Pieces& some, const float* values, int64_t length) {
    each_block([&](int64_t q, int64_t count) {
      const float* const from = values + q * length;
      switch (count) {
        case 1:
          return block<1, WEIGHTED>(some, from, q, length);
        case 2:
          return block<2, WEIGHTED>(some, from, q, length);
        case 3:
          return block<3, WEIGHTED>(some, from, q, length);
#if defined(NEP_LEVEL_v4)
        case 4:
          return block<4, WEIGHTED>(some, from, q, length);
        case 5:
          return block<5, WEIGHTED>(some, from, q, length);
#endif
        default:
          return block<SOME, WEIGHTED>(some, from, q, length);
      }
    });
  }

  // To be called once a piece, whether or not any sample had it.
  void next() {
    if (++pieces % MOST_PIECES == 0) flush();
  }

  void flush() {
    each_block([&](int64_t first, int64_t count) {
      float* lane = lanes + first * run * WIDTH;
      for (int64_t s = 0; s < run; s++) {
        for (int64_t q = first; q < first + count; q++, lane += WIDTH) {
          totals[s * queries + q] += static_cast<double>(sum_lanes(load(lane)));
          store(lane, vfloat{});
        }
      }
    });
  }

  // To scores [queries, samples].
  void write(float* scores, int64_t samples, int64_t first) {
    flush();
    for (int64_t s = 0; s < run; s++) {
      for (int64_t q = 0; q < queries; q++)
        scores[q * samples + first + s] = static_cast<float>(totals[s * queries + q]);
    }
  }
};

}  // namespace
}  // namespace NEP_NAMESPACE
