// Formula: F[c] += Σₙ (Σₜ G[n, t, c]·X[n, t, c])² for scales, X = 1 for biases; F[v, c] for rows of an
//          embedding (SquareVectorGradients.java).
// Layout:  gradient, normalised [n, t, c]; tokens [n, t]; sum, rest [c] or [rows, c]: drift-free sums;
//          4-byte aligned.
// Threads: positions: 32 channels of a sample a block, eight positions side by side; samples: a channel a
//          thread, samples in order, 32 of them read before the first is added; embedding: a column a thread,
//          a share of the tokens a block, whose warps look through 32 positions at a time.
// Cost:    4 (scale: 8) bytes and one operation (two) a gradient value: bound by memory; samples: by latency,
// n /
//          32 readings one after the other; embedding: by latency, a reading for 32 positions and three for
//          each of the share's (counted, not measured).
// Sums:    float32; eight chains over positions added in one order, samples in order: the bits do not
//          depend on how a batch is split.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace square_vector_gradients {

constexpr int CHANNELS = 32, CHAINS = 8, AHEAD = 32;

}  // namespace square_vector_gradients

// Obviously right: a thread a channel, sample by sample. normalised is null for a bias.
KERNEL(128, nep_square_vector_gradients_plain,
       (const float* gradient, const float* normalised, int64_t samples, int64_t positions, int64_t channels,
        int phase, float* sum, float* rest)) {
  const int64_t c = grid_thread();
  if (c >= channels) return;
  for (int64_t n = 0; n < samples; n++) {
    float total = 0;
    for (int64_t t = 0; t < positions; t++) {
      const int64_t at = (n * positions + t) * channels + c;
      total = normalised == nullptr ? total + gradient[at] : fmaf(gradient[at], normalised[at], total);
    }
    rest[c] = fmaf(total, total, rest[c]);
    if ((phase + n + 1) % PERIOD == 0) two_sum(sum[c], rest[c]);
  }
}

// totals [n, c]: a sample's sum over positions. Grid: channels by 32, samples.
KERNEL(256, nep_square_vector_gradients_positions,
       (const float* gradient, const float* normalised, int64_t samples, int64_t positions, int64_t channels,
        float* totals)) {
  using namespace square_vector_gradients;
  __shared__ float sums[CHAINS][CHANNELS];
  const int lane = static_cast<int>(threadIdx.x) % CHANNELS, chain = static_cast<int>(threadIdx.x) / CHANNELS;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * CHANNELS + lane;
  for (int64_t n = blockIdx.y; n < samples; n += gridDim.y) {
    float total = 0;
    if (c < channels) {
      for (int64_t t = chain; t < positions; t += CHAINS) {
        const int64_t at = (n * positions + t) * channels + c;
        total = normalised == nullptr ? total + gradient[at] : fmaf(gradient[at], normalised[at], total);
      }
    }
    sums[chain][lane] = total;
    __syncthreads();
    if (chain == 0 && c < channels) {
      for (int k = 1; k < CHAINS; k++) total += sums[k][lane];
      totals[n * channels + c] = total;
    }
    __syncthreads();
  }
}

// The second stage: squares of the totals, samples in order.
KERNEL(256, nep_square_vector_gradients_samples,
       (const float* totals, int64_t samples, int64_t channels, int phase, float* sum, float* rest)) {
  using namespace square_vector_gradients;
  for (int64_t c = grid_thread(); c < channels; c += grid_threads()) {
    float total = rest[c], folded = sum[c];
    int since = phase;  // samples after the last fold
    for (int64_t first = 0; first < samples; first += AHEAD) {
      float values[AHEAD];
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        const int64_t n = first + k < samples ? first + k : first;
        values[k] = totals[n * channels + c];
      }
#pragma unroll
      for (int k = 0; k < AHEAD; k++) {
        if (first + k >= samples) break;
        total = fmaf(values[k], values[k], total);
        if (++since == PERIOD) {
          two_sum(folded, total);
          since = 0;
        }
      }
    }
    sum[c] = folded;
    rest[c] = total;
  }
}

// links [n, t]: twice the next position of the sample with the same token (0: none), plus one for the first
// of them; 0 for padding.
KERNEL(128, nep_square_vector_gradients_links,
       (const int* tokens, int64_t samples, int positions, int* links)) {
  for (int64_t i = grid_thread(); i < samples * positions; i += grid_threads()) {
    const int* row = tokens + i / positions * positions;
    const int t = static_cast<int>(i % positions);
    int next = 0, first = 1;
    for (int u = t + 1; u < positions && next == 0; u++) next = row[u] == row[t] ? u : 0;
    for (int u = 0; u < t; u++) first &= row[u] != row[t];
    links[i] = row[t] < 0 ? 0 : next << 1 | first;
  }
}

// A thread a column of the table, samples [from, to) in order; no fold lies within. Grid: columns by 128,
// shares of the tokens: a row of the table is one block's.
KERNEL(128, nep_square_vector_gradients_embedding,
       (const int* tokens, const int* links, const float* gradient, int64_t from, int64_t to, int positions,
        int64_t columns, float* rest)) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int64_t c = static_cast<int64_t>(blockIdx.x) * 128 + threadIdx.x;
  const unsigned shares = gridDim.y, share = blockIdx.y;
  if (c - lane >= columns) return;
  for (int64_t n = from; n < to; n++) {
    const int *words = tokens + n * positions, *chain = links + n * positions;
    const float* rows = gradient + n * positions * columns + c;
    for (int first = 0; first < positions; first += 32) {
      const bool there = first + lane < positions;
      const int token = there ? words[first + lane] : 0, link = there ? chain[first + lane] : 0;
      uint32_t own =
          __ballot_sync(ALL_LANES, (link & 1) != 0 && static_cast<unsigned>(token) % shares == share);
      for (; own != 0; own &= own - 1) {
        const int place = __popc((own & -own) - 1);
        const int row = __shfl_sync(ALL_LANES, token, place);
        int next = __shfl_sync(ALL_LANES, link, place) >> 1;
        if (c >= columns) continue;
        float total = rows[(first + place) * columns];
        for (; next != 0; next = chain[next] >> 1) total += rows[next * columns];
        float& at = rest[row * columns + c];
        at = fmaf(total, total, at);
      }
    }
  }
}

KERNEL(256, nep_square_vector_gradients_fold, (float* sum, float* rest, int64_t n)) {
  for (int64_t j = grid_thread(); j < n; j += grid_threads()) two_sum(sum[j], rest[j]);
}
