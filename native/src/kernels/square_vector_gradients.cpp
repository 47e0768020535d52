// Σₙ (Σₜ …)² for parameters that are vectors or rows: biases, normalisation scales and shifts, embeddings.
// A thread owns a band of columns and walks the samples in order.
#include <omp.h>

#include "drift_free.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t LINE = 16;  // floats in a cache line: what one thread owns at least
constexpr int64_t VECTORS = LINE / WIDTH;
constexpr int64_t CHAINS = 4;           // independent sums over positions, added as (0 + 1) + (2 + 3)
constexpr int64_t BAND = 16;            // lines that a thread walks together, at most
constexpr int64_t BLOCK_FLOATS = 4096;  // of one sample's band of lines
constexpr int32_t NONE = -1;

struct Line {
  vfloat v[VECTORS];
};

inline __attribute__((always_inline)) Line load_line(const float* p, int64_t valid) {
  Line line = {};
  for (int64_t i = 0; i < VECTORS && i * WIDTH < valid; i++)
    line.v[i] = load_lanes(p + i * WIDTH, valid < (i + 1) * WIDTH ? valid - i * WIDTH : WIDTH);
  return line;
}

inline __attribute__((always_inline)) void store_line(float* p, const Line& line, int64_t valid) {
  for (int64_t i = 0; i < VECTORS && i * WIDTH < valid; i++)
    store_lanes(p + i * WIDTH, line.v[i], valid < (i + 1) * WIDTH ? valid - i * WIDTH : WIDTH);
}

inline void add_square(float* rest, const Line& total, int64_t valid) {
  Line r = load_line(rest, valid);
  for (int64_t i = 0; i < VECTORS; i++) r.v[i] = multiply_add(total.v[i], total.v[i], r.v[i]);
  store_line(rest, r, valid);
}

// The sums over the positions so far of one line of columns, in independent chains.
struct Chains {
  Line chain[CHAINS];

  Line total() const {
    Line all;
    for (int64_t i = 0; i < VECTORS; i++)
      all.v[i] = (chain[0].v[i] + chain[1].v[i]) + (chain[2].v[i] + chain[3].v[i]);
    return all;
  }
};

template <bool WEIGHTED>
inline __attribute__((always_inline)) void add_position(const float* g, const float* x, int64_t valid,
                                                        Line& sum) {
  const Line line = load_line(g, valid);
  if (WEIGHTED) {
    const Line weight = load_line(x, valid);
    for (int64_t i = 0; i < VECTORS; i++) sum.v[i] = multiply_add(line.v[i], weight.v[i], sum.v[i]);
  } else {
    for (int64_t i = 0; i < VECTORS; i++) sum.v[i] += line.v[i];
  }
}

// Adds Σ g, or Σ g·x where x is given, over positions of one sample and one line of columns.
template <bool WEIGHTED>
inline __attribute__((always_inline)) void add_positions(const float* g, const float* x, int64_t positions,
                                                         int64_t pitch, int64_t valid, Chains& sums) {
  Chains now = sums;  // in registers
  int64_t t = 0;
  for (; t + CHAINS <= positions; t += CHAINS) {
    for (int64_t c = 0; c < CHAINS; c++)
      add_position<WEIGHTED>(g + (t + c) * pitch, x + (t + c) * pitch, valid, now.chain[c]);
  }
  for (int64_t c = 0; t + c < positions; c++)
    add_position<WEIGHTED>(g + (t + c) * pitch, x + (t + c) * pitch, valid, now.chain[c]);
  sums = now;
}

// The same where all columns of a position are fewer than a line: vectors of several positions, which repeat
// their columns every `columns` vectors.
template <bool WEIGHTED>
Line sum_narrow(const float* g, const float* x, int64_t positions, int64_t columns) {
  vfloat sum[LINE] = {};
  const int64_t floats = positions * columns, round = columns * WIDTH;
  int64_t at = 0;
  for (; at + round <= floats; at += round) {
    for (int64_t v = 0; v < columns; v++) {
      const vfloat value = load(g + at + v * WIDTH);
      sum[v] = WEIGHTED ? multiply_add(value, load(x + at + v * WIDTH), sum[v]) : sum[v] + value;
    }
  }
  float total[LINE] = {};
  for (int64_t i = 0; at > 0 && i < round; i++) total[i % columns] += sum[i / WIDTH][i % WIDTH];
  for (; at < floats; at++) total[at % columns] += WEIGHTED ? g[at] * x[at] : g[at];
  return load_line(total, LINE);
}

// The lines of one sample's columns [first, first + columns): block by block of positions, so that memory is
// read in order and every line of a block but the first finds it in the core's cache.
template <bool WEIGHTED>
void square_sample(const float* g, const float* x, int64_t t, int64_t pitch, int64_t columns, float* rest) {
  Chains sums[BAND] = {};
  const int64_t lines = (columns + LINE - 1) / LINE;
  // Whole rounds of the chains: which chain a position joins must not depend on the band, that is on the
  // threads.
  const int64_t block = BLOCK_FLOATS / (lines * LINE) / CHAINS * CHAINS;
  for (int64_t from = 0; from < t; from += block) {
    const int64_t positions = t - from < block ? t - from : block;
    for (int64_t l = 0; l < lines; l++) {
      const int64_t at = from * pitch + l * LINE, valid = columns - l * LINE;
      if (valid >= LINE) {
        add_positions<WEIGHTED>(g + at, x + at, positions, pitch, LINE, sums[l]);
      } else {
        add_positions<WEIGHTED>(g + at, x + at, positions, pitch, valid, sums[l]);
      }
    }
  }
  for (int64_t l = 0; l < lines; l++) {
    const int64_t left = columns - l * LINE;
    add_square(rest + l * LINE, sums[l].total(), left < LINE ? left : LINE);
  }
}

template <bool WEIGHTED>
void sums(const float* g, const float* x, int64_t n, int64_t t, int64_t columns, int32_t phase, float* sum,
          float* rest, int32_t threads) {
  const int64_t lines = (columns + LINE - 1) / LINE, share = (lines + threads - 1) / threads;
  const int64_t band = (share < BAND ? share : BAND) * LINE;
#pragma omp parallel for schedule(static) num_threads(threads) if (columns > LINE)
  for (int64_t first = 0; first < columns; first += band) {
    const int64_t width = columns - first < band ? columns - first : band;
    for (int64_t s = 0, p = phase; s < n; s++) {
      const int64_t at = s * t * columns + first;
      if (columns < LINE) {
        add_square(rest, sum_narrow<WEIGHTED>(g + at, x + at, t, columns), columns);
      } else {
        square_sample<WEIGHTED>(g + at, x + at, t, columns, width, rest + first);
      }
      if (++p == PERIOD) {
        fold_rest(sum + first, rest + first, width);
        p = 0;
      }
    }
  }
}

// One sample's positions by token: head[v] is the first with token v, next[i] the one after i with i's token.
// Costs no sorting; head is all NONE before and after a sample.
void link_by_token(const int32_t* token, int64_t t, int32_t* head, int32_t* next) {
  for (int64_t i = t - 1; i >= 0; i--) {
    if (token[i] < 0) continue;
    next[i] = head[token[i]];
    head[token[i]] = static_cast<int32_t>(i);
  }
}

// One sample's rows: for each token, the sum of its positions' gradients in order, squared into its row.
void embed(const int32_t* token, const float* g, const int32_t* head, const int32_t* next, int64_t t,
           int64_t columns, int64_t first, int64_t last, float* rest) {
  for (int64_t i = 0; i < t; i++) {
    if (token[i] < 0 || head[token[i]] != i) continue;
    for (int64_t column = first; column < last; column += LINE) {
      const int64_t valid = columns - column < LINE ? columns - column : LINE;
      Line total = {};
      for (int64_t at = i; at != NONE; at = next[at])
        add_position<false>(g + at * columns + column, g, valid, total);
      add_square(rest + token[i] * columns + column, total, valid);
    }
  }
}

}  // namespace

void square_vector_gradients_bias(const float* gradient, int64_t n, int64_t t, int64_t outputs, int32_t phase,
                                  float* sum, float* rest, int32_t threads) {
  sums<false>(gradient, gradient, n, t, outputs, phase, sum, rest, threads);
}

void square_vector_gradients_scale(const float* normalised, const float* gradient, int64_t n, int64_t t,
                                   int64_t channels, int32_t phase, float* sum, float* rest,
                                   int32_t threads) {
  sums<true>(gradient, normalised, n, t, channels, phase, sum, rest, threads);
}

int64_t square_vector_gradients_embedding_workspace(int64_t t, int64_t rows, int32_t threads) {
  return (t + rows) * threads * static_cast<int64_t>(sizeof(int32_t));
}

void square_vector_gradients_embedding(const int32_t* tokens, const float* gradient, int64_t n, int64_t t,
                                       int64_t rows, int64_t columns, int32_t phase, float* sum, float* rest,
                                       float* workspace, int32_t threads) {
  const int64_t lines = (columns + LINE - 1) / LINE;
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    const int64_t first = lines * thread / team * LINE, last = lines * (thread + 1) / team * LINE;
    int32_t* head = reinterpret_cast<int32_t*>(workspace) + (t + rows) * thread;
    int32_t* next = head + rows;
    for (int64_t row = 0; row < rows; row++) head[row] = NONE;
    for (int64_t s = 0, p = phase; s < n; s++) {
      const int32_t* token = tokens + s * t;
      link_by_token(token, t, head, next);
      embed(token, gradient + s * t * columns, head, next, t, columns, first, last, rest);
      for (int64_t i = 0; i < t; i++) {
        if (token[i] >= 0) head[token[i]] = NONE;
      }
      if (++p < PERIOD) continue;
      p = 0;
#pragma omp barrier
      const int64_t row = rows * thread / team, end = rows * (thread + 1) / team;
      fold_rest(sum + row * columns, rest + row * columns, (end - row) * columns);
#pragma omp barrier
    }
  }
}

}  // namespace NEP_NAMESPACE
