// Batch normalisation with frozen statistics, a residual and ReLU in one pass over memory, and its gradient
// in another, which also makes every sample's gradients of scale and shift; of a pair the residual is
// normalised, too. The same operations as in
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

// What is added to the normalised values; backward, whether its gradient is kept.
enum Residual { NONE, ADDED, KEPT, NORMALISED };

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

template <Residual KIND>
inline __attribute__((always_inline)) void forward_row(const float* x, const float* residual,
                                                       const Band& band, const Band& other, float* y,
                                                       int64_t columns) {
  for (int64_t i = 0; i < columns; i += WIDTH) {
    const int64_t valid = columns - i < WIDTH ? columns - i : WIDTH;
    vfloat value = Columns(band, i).shifted(load_lanes(x + i, valid));
    if (KIND == ADDED) value += load_lanes(residual + i, valid);
    if (KIND == NORMALISED) value += Columns(other, i).shifted(load_lanes(residual + i, valid));
    store_lanes(y + i, above_zero(value, value), valid);
  }
}

// Rows [first, last) of `columns` columns in bands.
template <Residual KIND>
void forward_rows(const float* x, const float* residual, const Statistics& s, const Statistics& of_residual,
                  float* y, int64_t first, int64_t last, int64_t channels, int64_t columns) {
  Band band, other;
  for (int64_t c = 0; c < columns; c += BAND) {
    const int64_t width = columns - c < BAND ? columns - c : BAND;
    band.fill(s, c, channels, width);
    if (KIND == NORMALISED) other.fill(of_residual, c, channels, width);
    for (int64_t row = first; row < last; row++) {
      const int64_t at = row * columns + c;
      forward_row<KIND>(x + at, residual + at, band, other, y + at, width);
    }
  }
}

template <Residual KIND>
void forward(const float* x, const float* residual, const Statistics& s, const Statistics& of_residual,
             float* y, int64_t rows, int64_t channels, int32_t threads) {
  // Narrow rows are taken together, as many as fill whole vectors.
  const int64_t together = channels < NARROW ? WIDTH : 1;
  const int64_t whole = rows / together;
#pragma omp parallel num_threads(threads) if (rows * channels > SMALL)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    forward_rows<KIND>(x, residual, s, of_residual, y, whole * thread / team, whole * (thread + 1) / team,
                       channels, channels * together);
  }
  forward_rows<KIND>(x, residual, s, of_residual, y, whole * together, rows, channels, channels);
}

// Where a sample's values lie; of a residual that is normalised, too.
struct Place {
  const float *x, *y, *dy, *residual;
  float *dx, *dresidual;

  Place operator+(int64_t at) const {
    return {x + at, y + at, dy + at, residual + at, dx + at, dresidual + at};
  }
};

// Where a sample's sums lie: of g·x̂, of g times the residual's x̂, of g.
struct Totals {
  float *by_scale, *by_residual_scale, *by_shift;

  Totals operator+(int64_t at) const { return {by_scale + at, by_residual_scale + at, by_shift + at}; }
};

// The parameters of both normalisations, or of one.
struct Bands {
  Band band, residual;

  template <Residual KIND>
  const Band& of_residual() const {
    return KIND == NORMALISED ? residual : band;
  }
};

// One vector of the gradient; adds to the sums.
template <Residual KIND>
inline __attribute__((always_inline)) void gradient_vector(const Place& p, const Columns& columns,
                                                           const Columns& of_residual, int64_t valid,
                                                           vfloat& by_scale, vfloat& by_residual_scale,
                                                           vfloat& by_shift) {
  const vfloat x = load_lanes(p.x, valid), dy = load_lanes(p.dy, valid);
  const vfloat normalised = columns.normalised(x);
  const vfloat gate = KIND == NONE ? normalised * columns.scale + columns.shift : load_lanes(p.y, valid);
  const vfloat g = above_zero(gate, dy);
  vfloat residual = {};
  if (KIND == NORMALISED) residual = of_residual.normalised(load_lanes(p.residual, valid));
  store_lanes(p.dx, g * columns.factor, valid);
  if (KIND == KEPT) store_lanes(p.dresidual, g, valid);
  if (KIND == NORMALISED) {
    store_lanes(p.dresidual, g * of_residual.factor, valid);
    by_residual_scale = multiply_add(g, residual, by_residual_scale);
  }
  by_scale = multiply_add(g, normalised, by_scale);
  by_shift += g;
}

struct Sums {
  vfloat by_scale[CHAINS], by_residual_scale[CHAINS], by_shift[CHAINS];
};

template <Residual KIND>
inline __attribute__((always_inline)) void gradient_positions(const Place& p, const Columns& columns,
                                                              const Columns& of_residual, int64_t positions,
                                                              int64_t pitch, int64_t valid, Sums& sums) {
  Sums now = sums;  // in registers
  int64_t t = 0;
  for (; t + CHAINS <= positions; t += CHAINS) {
    for (int64_t c = 0; c < CHAINS; c++)
      gradient_vector<KIND>(p + (t + c) * pitch, columns, of_residual, valid, now.by_scale[c],
                            now.by_residual_scale[c], now.by_shift[c]);
  }
  for (int64_t c = 0; t + c < positions; c++)
    gradient_vector<KIND>(p + (t + c) * pitch, columns, of_residual, valid, now.by_scale[c],
                          now.by_residual_scale[c], now.by_shift[c]);
  sums = now;
}

inline vfloat total(const vfloat (&chain)[CHAINS]) { return (chain[0] + chain[1]) + (chain[2] + chain[3]); }

// One sample's columns of a band, block by block of positions: memory is read in order, and every vector of a
// block but the first finds its lines in the nearest cache.
template <Residual KIND>
void gradient_sample(const Place& p, const Bands& bands, int64_t positions, int64_t pitch, int64_t columns,
                     const Totals& totals) {
  Sums sums[BAND / WIDTH] = {};
  const int64_t vectors = (columns + WIDTH - 1) / WIDTH;
  const int64_t block = FLOATS / (vectors * WIDTH) / CHAINS * CHAINS;
  for (int64_t from = 0; from < positions; from += block) {
    const int64_t some = positions - from < block ? positions - from : block;
    for (int64_t v = 0; v < vectors; v++) {
      const int64_t at = v * WIDTH, valid = columns - at;
      const Columns parameters(bands.band, at), of_residual(bands.of_residual<KIND>(), at);
      const Place here = p + (from * pitch + at);
      if (valid >= WIDTH) {
        gradient_positions<KIND>(here, parameters, of_residual, some, pitch, WIDTH, sums[v]);
      } else {
        gradient_positions<KIND>(here, parameters, of_residual, some, pitch, valid, sums[v]);
      }
    }
  }
  for (int64_t v = 0; v < vectors; v++) {
    const int64_t at = v * WIDTH, valid = columns - at < WIDTH ? columns - at : WIDTH;
    store_lanes(totals.by_scale + at, total(sums[v].by_scale), valid);
    store_lanes(totals.by_shift + at, total(sums[v].by_shift), valid);
    if (KIND == NORMALISED)
      store_lanes(totals.by_residual_scale + at, total(sums[v].by_residual_scale), valid);
  }
}

// The same where a position's channels are fewer than a line: vectors of several positions, which repeat
// their columns every `channels` vectors.
template <Residual KIND>
void gradient_narrow(const Place& p, const Bands& bands, int64_t positions, int64_t channels,
                     const Totals& totals) {
  vfloat scales[NARROW] = {}, residuals[NARROW] = {}, shifts[NARROW] = {};
  const int64_t floats = positions * channels, round = channels * WIDTH;
  int64_t at = 0;
  for (; at + round <= floats; at += round) {
    for (int64_t v = 0; v < channels; v++)
      gradient_vector<KIND>(p + (at + v * WIDTH), Columns(bands.band, v * WIDTH),
                            Columns(bands.of_residual<KIND>(), v * WIDTH), WIDTH, scales[v], residuals[v],
                            shifts[v]);
  }
  for (int64_t c = 0; c < channels; c++) {
    totals.by_scale[c] = totals.by_shift[c] = 0;
    if (KIND == NORMALISED) totals.by_residual_scale[c] = 0;
  }
  for (int64_t i = 0; at > 0 && i < round; i++) {
    totals.by_scale[i % channels] += scales[i / WIDTH][i % WIDTH];
    totals.by_shift[i % channels] += shifts[i / WIDTH][i % WIDTH];
    if (KIND == NORMALISED) totals.by_residual_scale[i % channels] += residuals[i / WIDTH][i % WIDTH];
  }
  const Band &band = bands.band, &other = bands.of_residual<KIND>();
  for (; at < floats; at++) {
    const int64_t c = at % channels;
    const float normalised = (p.x[at] - band.mean[c]) * band.inverse[c];
    const float gate = KIND == NONE ? normalised * band.scale[c] + band.shift[c] : p.y[at];
    const float g = gate <= 0 ? 0 : p.dy[at];
    float residual = 0;
    if (KIND == NORMALISED) residual = (p.residual[at] - other.mean[c]) * other.inverse[c];
    p.dx[at] = g * band.factor[c];
    if (KIND == KEPT) p.dresidual[at] = g;
    if (KIND == NORMALISED) {
      p.dresidual[at] = g * other.factor[c];
      totals.by_residual_scale[c] += g * residual;
    }
    totals.by_scale[c] += g * normalised;
    totals.by_shift[c] += g;
  }
}

template <Residual KIND>
void gradient(const Place& p, const Statistics& s, const Statistics& of_residual, const Totals& totals,
              int64_t samples, int64_t positions, int64_t channels, int32_t threads) {
  const int64_t bands = (channels + BAND - 1) / BAND, tasks = bands * samples;
#pragma omp parallel num_threads(threads) if (samples * positions * channels > SMALL)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    Bands parameters;
    int64_t filled = -1;
    for (int64_t task = tasks * thread / team; task < tasks * (thread + 1) / team; task++) {
      const int64_t c = task / samples * BAND, n = task % samples;
      const int64_t width = channels - c < BAND ? channels - c : BAND;
      const Place here = p + (n * positions * channels + c);
      const Totals sums = totals + (n * channels + c);
      const bool narrow = channels < NARROW;
      const int64_t columns = narrow ? channels * WIDTH : width;
      if (filled != c) {
        parameters.band.fill(s, c, channels, columns);
        if (KIND == NORMALISED) parameters.residual.fill(of_residual, c, channels, columns);
      }
      filled = c;
      if (narrow) {
        gradient_narrow<KIND>(here, parameters, positions, channels, sums);
      } else {
        gradient_sample<KIND>(here, parameters, positions, channels, width, sums);
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
    forward<NONE>(x, x, s, s, y, rows, channels, threads);
  } else {
    forward<ADDED>(x, residual, s, s, y, rows, channels, threads);
  }
}

void batch_norm_relu_gradient(const float* x, const float* y, const float* dy, const float* mean,
                              const float* variance, const float* scale, const float* shift, float epsilon,
                              float* dx, float* residual, float* by_scale, float* by_shift, int64_t samples,
                              int64_t positions, int64_t channels, int32_t threads) {
  const Statistics s{mean, variance, scale, shift, epsilon};
  // What is not there is not read or written: any address will do.
  const Place p{x, y == nullptr ? x : y, dy, x, dx, residual == nullptr ? dx : residual};
  const Totals totals{by_scale, by_scale, by_shift};
  if (y == nullptr) {
    gradient<NONE>(p, s, s, totals, samples, positions, channels, threads);
  } else if (residual == nullptr) {
    gradient<ADDED>(p, s, s, totals, samples, positions, channels, threads);
  } else {
    gradient<KEPT>(p, s, s, totals, samples, positions, channels, threads);
  }
}

void batch_norm_relu_pair(const float* x, const float* mean, const float* variance, const float* scale,
                          const float* shift, float epsilon, const float* residual,
                          const float* residual_mean, const float* residual_variance,
                          const float* residual_scale, const float* residual_shift, float residual_epsilon,
                          float* y, int64_t rows, int64_t channels, int32_t threads) {
  const Statistics s{mean, variance, scale, shift, epsilon};
  const Statistics other{residual_mean, residual_variance, residual_scale, residual_shift, residual_epsilon};
  forward<NORMALISED>(x, residual, s, other, y, rows, channels, threads);
}

void batch_norm_relu_pair_gradient(const float* x, const float* mean, const float* variance,
                                   const float* scale, const float* shift, float epsilon,
                                   const float* residual, const float* residual_mean,
                                   const float* residual_variance, const float* residual_scale,
                                   const float* residual_shift, float residual_epsilon, const float* y,
                                   const float* dy, float* dx, float* dresidual, float* by_scale,
                                   float* by_residual_scale, float* by_shift, int64_t samples,
                                   int64_t positions, int64_t channels, int32_t threads) {
  const Statistics s{mean, variance, scale, shift, epsilon};
  const Statistics other{residual_mean, residual_variance, residual_scale, residual_shift, residual_epsilon};
  const Place p{x, y, dy, residual, dx, dresidual};
  const Totals totals{by_scale, by_residual_scale, by_shift};
  gradient<NORMALISED>(p, s, other, totals, samples, positions, channels, threads);
}

}  // namespace NEP_NAMESPACE
