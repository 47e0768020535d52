// Pooling of N·H·W·C activations: an image a task, a window at a time, channels along the vector.
#include <cstring>

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t VECTORS = 4;  // of channels, at most, that a window is walked for at once
constexpr int64_t TILE = VECTORS * WIDTH;

struct Pool {
  int64_t batch, height, width, channels, kernel_height, kernel_width, stride_height, stride_width;
  int64_t dilation_height, dilation_width, top, left, bottom, right;

  explicit Pool(const int64_t* g)
      : batch(g[0]),
        height(g[1]),
        width(g[2]),
        channels(g[3]),
        kernel_height(g[4]),
        kernel_width(g[5]),
        stride_height(g[6]),
        stride_width(g[7]),
        dilation_height(g[8]),
        dilation_width(g[9]),
        top(g[10]),
        left(g[11]),
        bottom(g[12]),
        right(g[13]) {}
  int64_t out_height() const {
    return (height + top + bottom - dilation_height * (kernel_height - 1) - 1) / stride_height + 1;
  }
  int64_t out_width() const {
    return (width + left + right - dilation_width * (kernel_width - 1) - 1) / stride_width + 1;
  }
  int64_t image() const { return height * width * channels; }
  int64_t out_image() const { return out_height() * out_width() * channels; }

  // visit(offset of the position in the image) for the positions of a window within the image, row by row.
  template <typename Visit>
  inline __attribute__((always_inline)) void window(int64_t row, int64_t column, Visit visit) const {
    for (int64_t i = 0; i < kernel_height; i++) {
      const int64_t y = row * stride_height - top + i * dilation_height;
      if (y < 0 || y >= height) continue;
      for (int64_t j = 0; j < kernel_width; j++) {
        const int64_t x = column * stride_width - left + j * dilation_width;
        if (x >= 0 && x < width) visit((y * width + x) * channels);
      }
    }
  }
};

// body(image, window row and column, offset of the output position, first channel, channels of the tile)
template <typename Body>
inline __attribute__((always_inline)) void tiles(const Pool& p, int64_t image, Body body) {
  const int64_t rows = p.out_height(), columns = p.out_width();
  for (int64_t row = 0; row < rows; row++) {
    for (int64_t column = 0; column < columns; column++) {
      const int64_t at = image * p.out_image() + (row * columns + column) * p.channels;
      for (int64_t c = 0; c < p.channels; c += TILE) {
        body(row, column, at + c, c, p.channels - c < TILE ? p.channels - c : TILE);
      }
    }
  }
}

// The maxima of a window, NV vectors of channels, the last of `valid` lanes.
template <int NV>
inline void maximum(const Pool& p, const float* in, int64_t row, int64_t column, int64_t valid, float* y) {
  vfloat best[NV];
  for (int v = 0; v < NV; v++) best[v] = splat(-__builtin_inff());
  p.window(row, column, [&](int64_t offset) {
    for (int v = 0; v < NV; v++) {
      const vfloat value = load_lanes(in + offset + v * WIDTH, v == NV - 1 ? valid : WIDTH);
      best[v] = (value > best[v]) | (value != value) ? value : best[v];  // NaN wins, and stays
    }
  });
  for (int v = 0; v < NV; v++) store_lanes(y + v * WIDTH, best[v], v == NV - 1 ? valid : WIDTH);
}

// Gives a window's gradient to the first position that holds its maximum.
template <int NV>
inline void to_maximum(const Pool& p, const float* in, int64_t row, int64_t column, int64_t valid,
                       const float* y, const float* dy, float* out) {
  vfloat left[NV], best[NV];
  for (int v = 0; v < NV; v++) {
    const int64_t lanes = v == NV - 1 ? valid : WIDTH;
    left[v] = load_lanes(dy + v * WIDTH, lanes);
    best[v] = load_lanes(y + v * WIDTH, lanes);
  }
  p.window(row, column, [&](int64_t offset) {
    for (int v = 0; v < NV; v++) {
      const int64_t lanes = v == NV - 1 ? valid : WIDTH;
      float* gradient = out + offset + v * WIDTH;
      const vfloat value = load_lanes(in + offset + v * WIDTH, lanes);
      const vint here = (value == best[v]) | ((value != value) & (best[v] != best[v]));
      store_lanes(gradient, load_lanes(gradient, lanes) + (here ? left[v] : vfloat{}), lanes);
      left[v] = here ? vfloat{} : left[v];
    }
  });
}

}  // namespace

void max_pool(const float* x, float* y, const int64_t* geometry, int32_t threads) {
  const Pool p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    tiles(p, image, [&](int64_t row, int64_t column, int64_t at, int64_t c, int64_t width) {
      const float* in = x + image * p.image() + c;
      const int64_t vectors = (width + WIDTH - 1) / WIDTH, valid = width - (vectors - 1) * WIDTH;
      if (vectors == 1) return maximum<1>(p, in, row, column, valid, y + at);
      if (vectors == 2) return maximum<2>(p, in, row, column, valid, y + at);
      if (vectors == 3) return maximum<3>(p, in, row, column, valid, y + at);
      maximum<4>(p, in, row, column, valid, y + at);
    });
  }
}

void max_pool_gradient(const float* x, const float* y, const float* dy, float* dx, const int64_t* geometry,
                       int32_t threads) {
  const Pool p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    float* whole = dx + image * p.image();
    std::memset(whole, 0, static_cast<size_t>(p.image()) * sizeof(float));
    tiles(p, image, [&](int64_t row, int64_t column, int64_t at, int64_t c, int64_t width) {
      const float* in = x + image * p.image() + c;
      float* out = whole + c;
      const int64_t vectors = (width + WIDTH - 1) / WIDTH, valid = width - (vectors - 1) * WIDTH;
      if (vectors == 1) return to_maximum<1>(p, in, row, column, valid, y + at, dy + at, out);
      if (vectors == 2) return to_maximum<2>(p, in, row, column, valid, y + at, dy + at, out);
      if (vectors == 3) return to_maximum<3>(p, in, row, column, valid, y + at, dy + at, out);
      to_maximum<4>(p, in, row, column, valid, y + at, dy + at, out);
    });
  }
}

void average_pool(const float* x, float* y, const int64_t* geometry, int32_t padding_counts,
                  int32_t threads) {
  const Pool p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    const float* in = x + image * p.image();
    tiles(p, image, [&](int64_t row, int64_t column, int64_t at, int64_t c, int64_t width) {
      float sum[TILE] = {};
      int64_t count = 0;
      p.window(row, column, [&](int64_t offset) {
        const float* value = in + offset + c;
        for (int64_t i = 0; i < width; i++) sum[i] += value[i];
        count++;
      });
      const float divisor = static_cast<float>(padding_counts ? p.kernel_height * p.kernel_width : count);
      for (int64_t i = 0; i < width; i++) y[at + i] = sum[i] / divisor;
    });
  }
}

void average_pool_gradient(const float* dy, float* dx, const int64_t* geometry, int32_t padding_counts,
                           int32_t threads) {
  const Pool p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    float* out = dx + image * p.image();
    std::memset(out, 0, static_cast<size_t>(p.image()) * sizeof(float));
    tiles(p, image, [&](int64_t row, int64_t column, int64_t at, int64_t c, int64_t width) {
      int64_t count = 0;
      p.window(row, column, [&](int64_t) { count++; });
      const float divisor = static_cast<float>(padding_counts ? p.kernel_height * p.kernel_width : count);
      float share[TILE];
      for (int64_t i = 0; i < width; i++) share[i] = dy[at + i] / divisor;
      p.window(row, column, [&](int64_t offset) {
        float* gradient = out + offset + c;
        for (int64_t i = 0; i < width; i++) gradient[i] += share[i];
      });
    });
  }
}

}  // namespace NEP_NAMESPACE
