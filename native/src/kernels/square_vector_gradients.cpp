// Σₙ (Σₜ …)² for parameters that are vectors or rows: biases, normalisation scales and shifts, embeddings.
// A thread owns a band of columns and walks the samples in order.
#include <omp.h>

#include "drift_free.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t LINE = 16;  // floats in a cache line: what one thread owns at least
constexpr int64_t VECTORS = LINE / WIDTH;
constexpr int64_t CHAINS = 4;  // independent sums over positions, added as (0 + 1) + (2 + 3)

struct Line {
  vfloat v[VECTORS];
};

inline Line load_line(const float* p, int64_t valid) {
  Line line = {};
  if (valid == LINE) {
    for (int64_t i = 0; i < VECTORS; i++) line.v[i] = load(p + i * WIDTH);
  } else {
    float part[LINE] = {};
    for (int64_t l = 0; l < valid; l++) part[l] = p[l];
    for (int64_t i = 0; i < VECTORS; i++) line.v[i] = load(part + i * WIDTH);
  }
  return line;
}

inline void store_line(float* p, const Line& line, int64_t valid) {
  if (valid == LINE) {
    for (int64_t i = 0; i < VECTORS; i++) store(p + i * WIDTH, line.v[i]);
  } else {
    float part[LINE];
    for (int64_t i = 0; i < VECTORS; i++) store(part + i * WIDTH, line.v[i]);
    for (int64_t l = 0; l < valid; l++) p[l] = part[l];
  }
}

inline void add_square(float* rest, const Line& total, int64_t valid) {
  Line r = load_line(rest, valid);
  for (int64_t i = 0; i < VECTORS; i++) r.v[i] = multiply_add(total.v[i], total.v[i], r.v[i]);
  store_line(rest, r, valid);
}

// Σₜ g, or Σₜ g·x where x is given, for one sample and one line of columns.
template <bool WEIGHTED>
Line sum_positions(const float* g, const float* x, int64_t positions, int64_t pitch, int64_t valid) {
  Line chain[CHAINS] = {};
  for (int64_t t = 0; t < positions; t++) {
    const Line line = load_line(g + t * pitch, valid);
    Line& sum = chain[t % CHAINS];
    if (WEIGHTED) {
      const Line weight = load_line(x + t * pitch, valid);
      for (int64_t i = 0; i < VECTORS; i++) sum.v[i] = multiply_add(line.v[i], weight.v[i], sum.v[i]);
    } else {
      for (int64_t i = 0; i < VECTORS; i++) sum.v[i] += line.v[i];
    }
  }
  Line total;
  for (int64_t i = 0; i < VECTORS; i++)
    total.v[i] = (chain[0].v[i] + chain[1].v[i]) + (chain[2].v[i] + chain[3].v[i]);
  return total;
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

template <bool WEIGHTED>
void sums(const float* g, const float* x, int64_t n, int64_t t, int64_t columns, int32_t phase, float* sum,
          float* rest, int32_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (columns > LINE)
  for (int64_t first = 0; first < columns; first += LINE) {
    const int64_t valid = columns - first < LINE ? columns - first : LINE;
    for (int64_t s = 0, p = phase; s < n; s++) {
      const int64_t at = s * t * columns + first;
      const float* weights = WEIGHTED ? x + at : g;
      add_square(rest + first,
                 columns < LINE ? sum_narrow<WEIGHTED>(g + at, weights, t, columns)
                                : sum_positions<WEIGHTED>(g + at, weights, t, columns, valid),
                 valid);
      if (++p == PERIOD) {
        fold_rest(sum + first, rest + first, valid);
        p = 0;
      }
    }
  }
}

// order ← the positions of one sample, sorted by (token, position): a bottom-up merge sort, with room for one
// copy.
void sort_by_token(const int32_t* token, int32_t* order, int32_t* copy, int64_t n) {
  for (int64_t i = 0; i < n; i++) order[i] = static_cast<int32_t>(i);
  for (int64_t width = 1; width < n; width *= 2) {
    for (int64_t low = 0; low < n; low += 2 * width) {
      const int64_t middle = low + width < n ? low + width : n,
                    high = low + 2 * width < n ? low + 2 * width : n;
      for (int64_t a = low, b = middle, at = low; at < high; at++) {
        const bool left = b >= high || (a < middle && token[order[a]] <= token[order[b]]);
        copy[at] = left ? order[a++] : order[b++];
      }
    }
    for (int64_t i = 0; i < n; i++) order[i] = copy[i];
  }
}

// One sample's rows: for each token, the sum of its positions' gradients in order, squared into its row.
void embed(const int32_t* token, const float* g, const int32_t* order, int64_t t, int64_t columns,
           int64_t first, int64_t valid, float* rest) {
  for (int64_t i = 0; i < t;) {
    const int32_t row = token[order[i]];
    Line total = {};
    for (; i < t && token[order[i]] == row; i++) {
      const Line line = load_line(g + order[i] * columns + first, valid);
      for (int64_t v = 0; v < VECTORS; v++) total.v[v] += line.v[v];
    }
    if (row >= 0) add_square(rest + row * columns + first, total, valid);
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

int64_t square_vector_gradients_embedding_workspace(int64_t t, int32_t threads) {
  return 2 * t * threads * static_cast<int64_t>(sizeof(int32_t));
}

void square_vector_gradients_embedding(const int32_t* tokens, const float* gradient, int64_t n, int64_t t,
                                       int64_t rows, int64_t columns, int32_t phase, float* sum, float* rest,
                                       float* workspace, int32_t threads) {
  const int64_t lines = (columns + LINE - 1) / LINE;
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    int32_t* order = reinterpret_cast<int32_t*>(workspace) + 2 * t * thread;
    int64_t p = phase;
    for (int64_t s = 0; s < n; s++) {
      const int32_t* token = tokens + s * t;
      sort_by_token(token, order, order + t, t);
      const bool fold = ++p == PERIOD;
      if (fold) p = 0;
      for (int64_t line = lines * thread / team; line < lines * (thread + 1) / team; line++) {
        const int64_t first = line * LINE, valid = columns - first < LINE ? columns - first : LINE;
        embed(token, gradient + s * t * columns, order, t, columns, first, valid, rest);
        if (fold) {
          for (int64_t row = 0; row < rows; row++) {
            fold_rest(sum + row * columns + first, rest + row * columns + first, valid);
          }
        }
      }
    }
  }
}

}  // namespace NEP_NAMESPACE
