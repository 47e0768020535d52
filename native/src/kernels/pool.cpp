// Pooling of N·H·W·C activations: an image a task, a window at a time, channels along the vector.
#include <cstring>

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t TILE = 64;

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

}  // namespace

void max_pool(const float* x, float* y, const int64_t* geometry, int32_t threads) {
  const Pool p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    const float* in = x + image * p.image();
    tiles(p, image, [&](int64_t row, int64_t column, int64_t at, int64_t c, int64_t width) {
      float best[TILE];
      for (int64_t i = 0; i < TILE; i++) best[i] = -__builtin_inff();
      p.window(row, column, [&](int64_t offset) {
        const float* value = in + offset + c;
        for (int64_t i = 0; i < width; i++) best[i] = value[i] > best[i] ? value[i] : best[i];
      });
      std::memcpy(y + at, best, static_cast<size_t>(width) * sizeof(float));
    });
  }
}

void max_pool_gradient(const float* x, const float* y, const float* dy, float* dx, const int64_t* geometry,
                       int32_t threads) {
  const Pool p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    const float* in = x + image * p.image();
    float* out = dx + image * p.image();
    std::memset(out, 0, static_cast<size_t>(p.image()) * sizeof(float));
    tiles(p, image, [&](int64_t row, int64_t column, int64_t at, int64_t c, int64_t width) {
      float left[TILE], best[TILE];
      std::memcpy(left, dy + at, static_cast<size_t>(width) * sizeof(float));
      std::memcpy(best, y + at, static_cast<size_t>(width) * sizeof(float));
      p.window(row, column, [&](int64_t offset) {
        const float* value = in + offset + c;
        float* gradient = out + offset + c;
        for (int64_t i = 0; i < width; i++) {
          const bool here = value[i] == best[i];
          gradient[i] += here ? left[i] : 0.0f;
          left[i] = here ? 0.0f : left[i];
        }
      });
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
