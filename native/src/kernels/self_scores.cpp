// sₙ = Σ W∘(GₙᵀĀₙ)∘²: the weighted square norm of every sample's gradient, which stays in registers.
#include "per_sample.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t MOST_TILES = 64;  // tiles that a lane sums in float32 before it goes to float64

struct WeightedSquares {
  const float* weights;  // outputs × features
  int64_t pitch;
  double* totals;  // of the run's samples
  float* lanes;    // WIDTH a sample
  int64_t samples;
  int64_t tiles;
  alignas(64) float tile[ROWS][COLUMNS];

  void begin(const Place& place) {
    if (place.rows < ROWS || place.columns < COLUMNS) __builtin_memset(tile, 0, sizeof tile);
    for (int64_t r = 0; r < place.rows; r++)
      copy_row(weights + (place.row + r) * pitch + place.column, tile[r], place.columns);
  }

  template <int MR, int NV>
  inline __attribute__((always_inline)) void take(int64_t sample, const vfloat (&acc)[MR][NV]) {
    vfloat sum[NV];
#pragma GCC unroll 3
    for (int v = 0; v < NV; v++) sum[v] = acc[0][v] * acc[0][v] * load(tile[0] + v * WIDTH);
#pragma GCC unroll 8
    for (int r = 1; r < MR; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++)
        sum[v] = multiply_add(acc[r][v] * acc[r][v], load(tile[r] + v * WIDTH), sum[v]);
    }
    vfloat total = load(lanes + sample * WIDTH);
#pragma GCC unroll 3
    for (int v = 0; v < NV; v++) total += sum[v];
    store(lanes + sample * WIDTH, total);
  }

  void end(const Place&) {
    if (++tiles % MOST_TILES == 0) flush();
  }

  void flush() {
    for (int64_t s = 0; s < samples; s++) {
      totals[s] += static_cast<double>(sum_lanes(load(lanes + s * WIDTH)));
      store(lanes + s * WIDTH, vfloat{});
    }
  }
};

// With one position the square of a product is the product of squares, and the sum over outputs a matrix
// product: sₙ = Σ_j a²ⱼ (g∘²W)ⱼ, for ROWS samples at a time.
struct Squares {
  const float *input, *gradient, *panels;  // panels: W, COLUMNS features of all outputs each
  int64_t outputs, size;

  template <int NV>
  inline void panel(const float* squares, int64_t block, int64_t first, int64_t count, double* totals) const {
    vfloat acc[ROWS][NV] = {};
    product<ROWS, NV>(squares, panels + block * outputs * COLUMNS, outputs, acc);
    const int64_t column = block * COLUMNS, columns = least(COLUMNS, size - column);
    for (int64_t s = 0; s < count; s++) {
      alignas(64) float a[COLUMNS] = {};
      copy_row(input + (first + s) * size + column, a, columns);
      vfloat sum = {};
      for (int v = 0; v < NV; v++) {
        const vfloat x = load(a + v * WIDTH);
        sum = multiply_add(x * x, acc[s][v], sum);
      }
      totals[s] += static_cast<double>(sum_lanes(sum));
    }
  }

  void scores(int64_t first, int64_t count, float* squares, float* out) const {
    for (int64_t o = 0; o < outputs; o++) {
      for (int64_t s = 0; s < ROWS; s++) {
        const float g = s < count ? gradient[(first + s) * outputs + o] : 0;
        squares[o * ROWS + s] = g * g;
      }
    }
    double totals[ROWS] = {};
    for (int64_t block = 0; block < ceil_div(size, COLUMNS); block++) {
      switch (ceil_div(least(COLUMNS, size - block * COLUMNS), WIDTH)) {
        case 1:
          panel<1>(squares, block, first, count, totals);
          break;
        case 2:
          panel<2>(squares, block, first, count, totals);
          break;
        default:
          panel<VECTORS_WIDE>(squares, block, first, count, totals);
      }
    }
    for (int64_t s = 0; s < count; s++) out[first + s] = static_cast<float>(totals[s]);
  }
};

void pack_weights(const float* weights, int64_t outputs, int64_t size, int64_t block, float* out) {
  const int64_t column = block * COLUMNS, columns = least(COLUMNS, size - column);
  for (int64_t o = 0; o < outputs; o++) {
    for (int64_t j = columns; j < COLUMNS; j++) out[o * COLUMNS + j] = 0;
    copy_row(weights + o * size + column, out + o * COLUMNS, columns);
  }
}

int64_t thread_floats(const Geometry& geometry) {
  const int64_t samples = run_of(geometry, MOST_SAMPLES);
  return most(packed_floats(geometry, MOST_SAMPLES) + samples * (WIDTH + 2), geometry.out_channels * ROWS);
}

int64_t panel_floats(const Geometry& geometry) {
  return ceil_div(geometry.columns(), COLUMNS) * COLUMNS * geometry.out_channels;
}

void one_position(const Geometry& geometry, const float* input, const float* gradient, const float* weights,
                  float* scores, float* workspace, int32_t threads) {
  const int64_t outputs = geometry.out_channels, size = geometry.columns();
  float* const space = workspace + panel_floats(geometry);
  const Squares squares = {input, gradient, workspace, outputs, size};
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (int64_t block = 0; block < ceil_div(size, COLUMNS); block++)
      pack_weights(weights, outputs, size, block, workspace + block * outputs * COLUMNS);
    float* const own = space + omp_get_thread_num() * thread_floats(geometry);
    each_run(geometry.samples, ROWS,
             [&](int64_t first, int64_t count) { squares.scores(first, count, own, scores); });
  }
}

}  // namespace

int64_t self_scores_workspace(const int64_t* sizes, int32_t threads) {
  const Geometry geometry = read_geometry(sizes);
  const int64_t panels = geometry.positions() == 1 ? panel_floats(geometry) : 0;
  return (panels + threads * thread_floats(geometry)) * static_cast<int64_t>(sizeof(float));
}

void self_scores(const float* input, const float* gradient, const int64_t* sizes, const float* weights,
                 int32_t squares, float* scores, float* workspace, int32_t threads) {
  const Geometry geometry = read_geometry(sizes);
  if (squares != 0) {
    one_position(geometry, input, gradient, weights, scores, workspace, threads);
    return;
  }
  const Samples all = {geometry, false, input, gradient};
#pragma omp parallel num_threads(threads)
  {
    float* const packed = workspace + omp_get_thread_num() * thread_floats(geometry);
    const int64_t run = run_of(geometry, MOST_SAMPLES);
    // Two floats a double; the packed input before them keeps the alignment.
    double* const totals = reinterpret_cast<double*>(packed + packed_floats(geometry, MOST_SAMPLES));
    float* const lanes = reinterpret_cast<float*>(totals + run);
    each_run(geometry.samples, run, [&](int64_t first, int64_t count) {
      WeightedSquares sink = {weights, all.size(), totals, lanes, count, 0, {}};
      for (int64_t s = 0; s < count; s++) {
        totals[s] = 0;
        store(lanes + s * WIDTH, vfloat{});
      }
      each_tile(all, first, count, rows_of(all, first), packed, sink);
      sink.flush();
      for (int64_t s = 0; s < count; s++) scores[first + s] = static_cast<float>(totals[s]);
    });
  }
}

// The same for gradients that were written out: rows of `size` values.
void self_scores_gradients(const float* gradients, const float* weights, int64_t samples, int64_t size,
                           float* scores, int32_t threads) {
  constexpr int64_t BLOCK = 4096;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t n = 0; n < samples; n++) {
    double total = 0;
    for (int64_t first = 0; first < size; first += BLOCK) {
      const int64_t last = least(size, first + BLOCK);
      const float* p = gradients + n * size;
      vfloat sum[4] = {};
      int64_t i = first;
      for (; i + 4 * WIDTH <= last; i += 4 * WIDTH) {
        for (int c = 0; c < 4; c++) {
          const vfloat x = load(p + i + c * WIDTH);
          sum[c] = multiply_add(x * x, load(weights + i + c * WIDTH), sum[c]);
        }
      }
      float rest = 0;
      for (; i < last; i++) rest += p[i] * p[i] * weights[i];
      total +=
          static_cast<double>(sum_lanes((sum[0] + sum[1]) + (sum[2] + sum[3]))) + static_cast<double>(rest);
    }
    scores[n] = static_cast<float>(total);
  }
}

}  // namespace NEP_NAMESPACE
