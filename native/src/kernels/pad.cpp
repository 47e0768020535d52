// Padding of N·H·W·C activations: an image a task, a row at a time, what lies within the image in one piece.
#include <cstring>

#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

enum : int64_t { CONSTANT, REFLECT, REPLICATE, CIRCULAR };  // Padding.Mode

struct Padding {
  int64_t batch, height, width, channels, top, left, bottom, right, mode;

  explicit Padding(const int64_t* g)
      : batch(g[0]),
        height(g[1]),
        width(g[2]),
        channels(g[3]),
        top(g[4]),
        left(g[5]),
        bottom(g[6]),
        right(g[7]),
        mode(g[8]) {}
  int64_t out_height() const { return top + height + bottom; }
  int64_t out_width() const { return left + width + right; }
  int64_t image() const { return height * width * channels; }
  int64_t out_image() const { return out_height() * out_width() * channels; }

  // The position of the image that a position of the padded side repeats, or −1: the constant.
  int64_t source(int64_t i, int64_t before, int64_t size) const {
    const int64_t at = i - before;
    if (at >= 0 && at < size) return at;
    switch (mode) {
      case REFLECT:
        return at < 0 ? -at : 2 * (size - 1) - at;
      case REPLICATE:
        return at < 0 ? 0 : size - 1;
      case CIRCULAR:
        return at < 0 ? at + size : at - size;
      default:
        return -1;
    }
  }

  // visit(offset in the row of the padded image, offset in the row of the image or −1, values), in ascending
  // order.
  template <typename Visit>
  inline __attribute__((always_inline)) void row(Visit visit) const {
    for (int64_t i = 0; i < left; i++) one(i, visit);
    visit(left * channels, int64_t{0}, width * channels);
    for (int64_t i = left + width; i < out_width(); i++) one(i, visit);
  }

 private:
  template <typename Visit>
  inline __attribute__((always_inline)) void one(int64_t i, Visit visit) const {
    const int64_t from = source(i, left, width);
    visit(i * channels, from < 0 ? from : from * channels, channels);
  }
};

inline void fill(float* y, int64_t n, float value) {
  for (int64_t i = 0; i < n; i++) y[i] = value;
}

}  // namespace

void pad(const float* x, float* y, const int64_t* geometry, float value, int32_t threads) {
  const Padding p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.out_image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    for (int64_t i = 0; i < p.out_height(); i++) {
      float* out = y + image * p.out_image() + i * p.out_width() * p.channels;
      const int64_t from = p.source(i, p.top, p.height);
      if (from < 0) {
        fill(out, p.out_width() * p.channels, value);
        continue;
      }
      const float* in = x + image * p.image() + from * p.width * p.channels;
      p.row([&](int64_t to, int64_t at, int64_t n) {
        if (at < 0) return fill(out + to, n, value);
        std::memcpy(out + to, in + at, static_cast<size_t>(n) * sizeof(float));
      });
    }
  }
}

void pad_gradient(const float* dy, float* dx, const int64_t* geometry, int32_t threads) {
  const Padding p(geometry);
#pragma omp parallel for schedule(static) num_threads(threads) if (p.batch * p.out_image() > (1 << 15))
  for (int64_t image = 0; image < p.batch; image++) {
    float* whole = dx + image * p.image();
    fill(whole, p.image(), 0);
    for (int64_t i = 0; i < p.out_height(); i++) {
      const int64_t to = p.source(i, p.top, p.height);
      if (to < 0) continue;
      const float* in = dy + image * p.out_image() + i * p.out_width() * p.channels;
      float* out = whole + to * p.width * p.channels;
      p.row([&](int64_t from, int64_t at, int64_t n) {
        for (int64_t c = 0; at >= 0 && c < n; c++) out[at + c] += in[from + c];
      });
    }
  }
}

}  // namespace NEP_NAMESPACE
