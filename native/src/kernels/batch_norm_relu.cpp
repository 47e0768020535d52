// Batch normalisation with frozen statistics, a residual and ReLU in one pass over memory, and its gradient
// in another, which also makes every sample's gradients of scale and shift. The same operations as in
// batch_norm.cpp and activation.cpp, and sums over positions as in square_vector_gradients.cpp: their bits.
#include <omp.h>

#include <cmath>

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t BAND = 256;     // channels whose parameters are at hand
constexpr int64_t NARROW = 16;    // with fewer channels a vector holds several positions
constexpr int64_t CHAINS = 4;     // independent sums over positions, added as (0 + 1) + (2 + 3)
constexpr int64_t FLOATS = 2048;  // of one array's block of positions: three of them lie in the nearest cache
constexpr int64_t SMALL = 1 << 14;

struct Statistics {
  const float *mean, *variance, *scale, *shift;
  float epsilon;
};

// The parameters of `columns` neighbouring values of a row: of channels from `first` on, again from there
// after `channels` of them.
struct alignas(64) Band {
  float mean[BAND], inverse[BAND], scale[BAND], shift[BAND], factor[BAND];

  void fill(const Statistics& s, int64_t first, int64_t channels, int64_t columns) {
    for (int64_t i = 0; i < columns; i++) {
      if (i < channels) {
        const int64_t c = first + i;
        mean[i] = s.mean[c];
        inverse[i] = static_cast<float>(
            1.0 / std::sqrt(static_cast<double>(s.variance[c]) + static_cast<double>(s.epsilon)));
        scale[i] = s.scale[c];
        shift[i] = s.shift[c];
        factor[i] = scale[i] * inverse[i];
      } else {
        mean[i] = mean[i - channels];
        inverse[i] = inverse[i - channels];
        scale[i] = scale[i - channels];
        shift[i] = shift[i - channels];
        factor[i] = factor[i - channels];
      }
    }
  }
};

// The same of one vector's columns.
struct Columns {
  vfloat mean, inverse, scale, shift, factor;

  Columns(const Band& b, int64_t at)
      : mean(load(b.mean + at)),
        inverse(load(b.inverse + at)),
        scale(load(b.scale + at)),
        shift(load(b.shift + at)),
        factor(load(b.factor + at)) {}

  vfloat normalised(vfloat x) const { return (x - mean) * inverse; }
  vfloat shifted(vfloat x) const { return normalised(x) * scale + shift; }
};

inline __attribute__((always_inline)) vfloat above_zero(vfloat gate, vfloat value) {
  return gate <= vfloat{} ? vfloat{} : value;  // NaN is not at most 0
}

template <bool RESIDUAL>
inline __attribute__((always_inline)) void forward_row(const float* x, const float* residual,
                                                       const Band& band, float* y, int64_t columns) {
  for (int64_t i = 0; i < columns; i += WIDTH) {
    const int64_t valid = columns - i < WIDTH ? columns - i : WIDTH;
    vfloat value = Columns(band, i).shifted(load_lanes(x + i, valid));
    if (RESIDUAL) value += load_lanes(residual + i, valid);
    store_lanes(y + i, above_zero(value, value), valid);
  }
}

// Rows [first, last) of `columns` columns in bands.
template <bool RESIDUAL>
void forward_rows(const float* x, const float* residual, const Statistics& s, float* y, int64_t first,
                  int64_t last, int64_t channels, int64_t columns) {
  Band band;
  for (int64_t c = 0; c < columns; c += BAND) {
    const int64_t width = columns - c < BAND ? columns - c : BAND;
    band.fill(s, c, channels, width);
    for (int64_t row = first; row < last; row++) {
      const int64_t at = row * columns + c;
      forward_row<RESIDUAL>(x + at, residual + at, band, y + at, width);
    }
  }
}

template <bool RESIDUAL>
void forward(const float* x, const float* residual, const Statistics& s, float* y, int64_t rows,
             int64_t channels, int32_t threads) {
  // Narrow rows are taken together, as many as fill whole vectors.
  const int64_t together = channels < NARROW ? WIDTH : 1;
  const int64_t whole = rows / together;
#pragma omp parallel num_threads(threads) if (rows * channels > SMALL)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    forward_rows<RESIDUAL>(x, residual, s, y, whole * thread / team, whole * (thread + 1) / team, channels,
                           channels * together);
  }
  forward_rows<RESIDUAL>(x, residual, s, y, whole * together, rows, channels, channels);
}

// Where a sample's values lie.
struct Place {
  const float *x, *y, *dy;
  float *dx, *residual;

  Place operator+(int64_t at) const { return {x + at, y + at, dy + at, dx + at, residual + at}; }
};

// One vector of the gradient; adds to the sums of g·x̂ and g.
template <bool RESIDUAL, bool KEEP>
inline __attribute__((always_inline)) void gradient_vector(const Place& p, const Columns& columns,
                                                           int64_t valid, vfloat& by_scale,
                                                           vfloat& by_shift) {
  const vfloat x = load_lanes(p.x, valid), dy = load_lanes(p.dy, valid);
  const vfloat normalised = columns.normalised(x);
  const vfloat gate = RESIDUAL ? load_lanes(p.y, valid) : normalised * columns.scale + columns.shift;
  const vfloat g = above_zero(gate, dy);
  store_lanes(p.dx, g * columns.factor, valid);
  if (KEEP) store_lanes(p.residual, g, valid);
  by_scale = multiply_add(g, normalised, by_scale);
  by_shift += g;
}

struct Sums {
  vfloat by_scale[CHAINS], by_shift[CHAINS];
};

template <bool RESIDUAL, bool KEEP>
inline __attribute__((always_inline)) void gradient_positions(const Place& p, const Columns& columns,
                                                              int64_t positions, int64_t pitch, int64_t valid,
                                                              Sums& sums) {
  Sums now = sums;  // in registers
  int64_t t = 0;
  for (; t + CHAINS <= positions; t += CHAINS) {
    for (int64_t c = 0; c < CHAINS; c++)
      gradient_vector<RESIDUAL, KEEP>(p + (t + c) * pitch, columns, valid, now.by_scale[c], now.by_shift[c]);
  }
  for (int64_t c = 0; t + c < positions; c++)
    gradient_vector<RESIDUAL, KEEP>(p + (t + c) * pitch, columns, valid, now.by_scale[c], now.by_shift[c]);
  sums = now;
}

inline vfloat total(const vfloat (&chain)[CHAINS]) { return (chain[0] + chain[1]) + (chain[2] + chain[3]); }

// One sample's columns of a band, block by block of positions: memory is read in order, and every vector of a
// block but the first finds its lines in the nearest cache.
template <bool RESIDUAL, bool KEEP>
void gradient_sample(const Place& p, const Band& band, int64_t positions, int64_t pitch, int64_t columns,
                     float* by_scale, float* by_shift) {
  Sums sums[BAND / WIDTH] = {};
  const int64_t vectors = (columns + WIDTH - 1) / WIDTH;
  const int64_t block = FLOATS / (vectors * WIDTH) / CHAINS * CHAINS;
  for (int64_t from = 0; from < positions; from += block) {
    const int64_t some = positions - from < block ? positions - from : block;
    for (int64_t v = 0; v < vectors; v++) {
      const int64_t at = v * WIDTH, valid = columns - at;
      const Columns parameters(band, at);
      const Place here = p + (from * pitch + at);
      if (valid >= WIDTH) {
        gradient_positions<RESIDUAL, KEEP>(here, parameters, some, pitch, WIDTH, sums[v]);
      } else {
        gradient_positions<RESIDUAL, KEEP>(here, parameters, some, pitch, valid, sums[v]);
      }
    }
  }
  for (int64_t v = 0; v < vectors; v++) {
    const int64_t at = v * WIDTH, valid = columns - at < WIDTH ? columns - at : WIDTH;
    store_lanes(by_scale + at, total(sums[v].by_scale), valid);
    store_lanes(by_shift + at, total(sums[v].by_shift), valid);
  }
}

// The same where a position's channels are fewer than a line: vectors of several positions, which repeat
// their columns every `channels` vectors.
template <bool RESIDUAL, bool KEEP>
void gradient_narrow(const Place& p, const Band& band, int64_t positions, int64_t channels, float* by_scale,
                     float* by_shift) {
  vfloat scales[NARROW] = {}, shifts[NARROW] = {};
  const int64_t floats = positions * channels, round = channels * WIDTH;
  int64_t at = 0;
  for (; at + round <= floats; at += round) {
    for (int64_t v = 0; v < channels; v++)
      gradient_vector<RESIDUAL, KEEP>(p + (at + v * WIDTH), Columns(band, v * WIDTH), WIDTH, scales[v],
                                      shifts[v]);
  }
  for (int64_t c = 0; c < channels; c++) by_scale[c] = by_shift[c] = 0;
  for (int64_t i = 0; at > 0 && i < round; i++) {
    by_scale[i % channels] += scales[i / WIDTH][i % WIDTH];
    by_shift[i % channels] += shifts[i / WIDTH][i % WIDTH];
  }
  for (; at < floats; at++) {
    const int64_t c = at % channels;
    const float normalised = (p.x[at] - band.mean[c]) * band.inverse[c];
    const float gate = RESIDUAL ? p.y[at] : normalised * band.scale[c] + band.shift[c];
    const float g = gate <= 0 ? 0 : p.dy[at];
    p.dx[at] = g * band.factor[c];
    if (KEEP) p.residual[at] = g;
    by_scale[c] += g * normalised;
    by_shift[c] += g;
  }
}

template <bool RESIDUAL, bool KEEP>
void gradient(const Place& p, const Statistics& s, float* by_scale, float* by_shift, int64_t samples,
              int64_t positions, int64_t channels, int32_t threads) {
  const int64_t bands = (channels + BAND - 1) / BAND, tasks = bands * samples;
#pragma omp parallel num_threads(threads) if (samples * positions * channels > SMALL)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    Band band;
    int64_t filled = -1;
    for (int64_t task = tasks * thread / team; task < tasks * (thread + 1) / team; task++) {
      const int64_t c = task / samples * BAND, n = task % samples, sums = n * channels + c;
      const int64_t width = channels - c < BAND ? channels - c : BAND;
      const Place here = p + (n * positions * channels + c);
      const bool narrow = channels < NARROW;
      if (filled != c) band.fill(s, c, channels, narrow ? channels * WIDTH : width);
      filled = c;
      if (narrow) {
        gradient_narrow<RESIDUAL, KEEP>(here, band, positions, channels, by_scale + sums, by_shift + sums);
      } else {
        gradient_sample<RESIDUAL, KEEP>(here, band, positions, channels, width, by_scale + sums,
                                        by_shift + sums);
      }
    }
  }
}

}  // namespace

void batch_norm_relu(const float* x, const float* residual, const float* mean, const float* variance,
                     const float* scale, const float* shift, float epsilon, float* y, int64_t rows,
                     int64_t channels, int32_t threads) {
  const Statistics s{mean, variance, scale, shift, epsilon};
  if (residual == nullptr) {
    forward<false>(x, x, s, y, rows, channels, threads);
  } else {
    forward<true>(x, residual, s, y, rows, channels, threads);
  }
}

void batch_norm_relu_gradient(const float* x, const float* y, const float* dy, const float* mean,
                              const float* variance, const float* scale, const float* shift, float epsilon,
                              float* dx, float* residual, float* by_scale, float* by_shift, int64_t samples,
                              int64_t positions, int64_t channels, int32_t threads) {
  const Statistics s{mean, variance, scale, shift, epsilon};
  // What is not there is not read or written: any address will do.
  const Place p{x, y == nullptr ? x : y, dy, dx, residual == nullptr ? dx : residual};
  if (y == nullptr) {
    gradient<false, false>(p, s, by_scale, by_shift, samples, positions, channels, threads);
  } else if (residual == nullptr) {
    gradient<true, false>(p, s, by_scale, by_shift, samples, positions, channels, threads);
  } else {
    gradient<true, true>(p, s, by_scale, by_shift, samples, positions, channels, threads);
  }
}

}  // namespace NEP_NAMESPACE
