// Formula: s[q, n] = Σ V[q, o, j]·P[n, o, j], P the samples' gradients: a chunk of them is written, then it
//          is a matrix product (cuBLAS, gemm.cu). Factored: Σₜᵣ L[n, t, q, r]·R[n, t, q, r]
//          (PairScores.java).
// Layout:  queries [q, o, j], scores [q, n]; left, right [n, t, q, r]; 4-byte aligned.
// Threads: factored: a warp a query of a sample, its lanes along rank and positions.
// Cost:    2·n·o·j·(t + q) operations, 8·n·o·j bytes of gradients, the queries once a chunk: bound by
//          arithmetic where t + q is large. Factored: 8 bytes, 2 operations a value: bound by memory.
// Sums:    products: as in gemm.cu; factored: lanes in double, by a fixed tree.
// Tried:   nothing else yet; not measured on a GPU.
#include "layer.cuh"

namespace pair_scores {

constexpr int THREADS = 128;

}  // namespace pair_scores

// Obviously right: a thread a query and a sample.
KERNEL(64, nep_pair_scores_plain,
       (const float* input, const float* gradient, const float* queries, float* scores, int64_t samples,
        int64_t count, int bias, LAYER_PARAMETERS)) {
  const layer::Sizes s = LAYER_SIZES;
  const int64_t i = grid_thread();
  if (i >= count * samples) return;
  const int64_t q = i / samples, n = i % samples;
  const int columns = s.features(bias);
  double score = 0;
  for (int output = 0; output < s.outputs; output++) {
    for (int j = 0; j < columns; j++) {
      const layer::Column column(s, output / s.group_outputs(), j, bias);
      float product = 0;
      for (int t = 0; t < s.positions(); t++)
        product = fmaf(gradient[(n * s.positions() + t) * s.outputs + output], column.value(s, input, n, t),
                       product);
      score += static_cast<double>(queries[(q * s.outputs + output) * columns + j] * product);
    }
  }
  scores[i] = static_cast<float>(score);
}

// Obviously right: a thread a query and a sample.
KERNEL(64, nep_pair_scores_factored_plain,
       (const float* left, const float* right, int64_t samples, int64_t positions, int64_t queries,
        int64_t rank, float* scores)) {
  const int64_t i = grid_thread();
  if (i >= queries * samples) return;
  const int64_t q = i / samples, n = i % samples;
  double score = 0;
  for (int64_t t = 0; t < positions; t++) {
    for (int64_t r = 0; r < rank; r++) {
      const int64_t at = ((n * positions + t) * queries + q) * rank + r;
      score += static_cast<double>(left[at] * right[at]);
    }
  }
  scores[i] = static_cast<float>(score);
}

KERNEL(pair_scores::THREADS, nep_pair_scores_factored,
       (const float* left, const float* right, int64_t samples, int64_t positions, int64_t queries,
        int64_t rank, float* scores)) {
  const int64_t lane = threadIdx.x % 32, rows = 32 / rank, rest = 32 % rank;
  for (int64_t i = grid_thread() / 32; i < samples * queries; i += grid_threads() / 32) {
    const int64_t n = i / queries, q = i % queries;
    double score = 0;
    int64_t t = lane / rank, r = lane % rank;  // of element `lane` of [t, r], then of every 32nd
    while (t < positions) {
      const int64_t at = ((n * positions + t) * queries + q) * rank + r;
      score += static_cast<double>(left[at] * right[at]);
      t += rows;
      r += rest;
      if (r >= rank) {
        r -= rank;
        t++;
      }
    }
    for (int step = 16; step > 0; step /= 2) score += __shfl_down_sync(ALL_LANES, score, step);
    if (lane == 0) scores[q * samples + n] = static_cast<float>(score);
  }
}
