// Formula: y = max(x, 0), NaN of NaN; CELU (Barron 2017); their gradients; a + b; dropout by the i-th draw of
//          a stream; v[r, i] = v[r, i]·w[i] (Dense.java).
// Layout:  x, y, dy, dx [n], v [rows, n], w [n], 4-byte aligned; the output may be the input.
// Threads: four neighbouring elements a thread, 16 bytes a load, in a loop over the grid.
// Cost:    8 bytes (gradients and sums: 12) and up to 20 operations an element: bound by memory.
// Sums:    float32, elementwise, nothing contracted, the exponential as in
//          native/src/kernels/activation.cpp: the CPU's bits.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace activation {

__device__ __forceinline__ float exponential(float x) {
  const float least = -87.0f, bounded = x > least ? x : least, magic = 12582912.0f;
  const float shifted = bounded * 1.44269504f + magic, k = shifted - magic;
  const float r = (bounded - k * 0.693359375f) - k * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float value = p * (r * r) + r + 1.0f;
  const uint32_t exponent = (__float_as_uint(shifted) - 0x4b400000u + 127u) << 23;
  const float result = value * __uint_as_float(exponent);
  return x > least ? result : 0.0f;
}

__device__ __forceinline__ uint64_t draw(uint64_t key, uint64_t i) {
  uint64_t z = key + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

struct Relu {
  __device__ float operator()(float x, float, int64_t) const { return x <= 0 ? 0.0f : x; }
};
struct ReluGradient {
  __device__ float operator()(float y, float dy, int64_t) const { return y <= 0 ? 0.0f : dy; }
};
struct Celu {
  float alpha;
  __device__ float operator()(float x, float, int64_t) const {
    return x <= 0 ? alpha * (exponential(x / alpha) - 1.0f) : x;
  }
};
struct CeluGradient {
  float alpha;
  __device__ float operator()(float y, float dy, int64_t) const {
    return y > 0 ? dy : dy * (y / alpha + 1.0f);
  }
};
struct Add {
  __device__ float operator()(float a, float b, int64_t) const { return a + b; }
};
struct Dropout {
  uint64_t key, threshold;
  float scale;
  __device__ float operator()(float x, float, int64_t i) const {
    return draw(key, static_cast<uint64_t>(i)) >> 32 >= threshold ? x * scale : 0.0f;
  }
};

// out[i] = f(a[i], b[i], i), a thread an element.
template <typename F>
__device__ __forceinline__ void each(const float* a, const float* b, float* out, int64_t n, F f) {
  const int64_t i = grid_thread();
  if (i < n) out[i] = f(a[i], b[i], i);
}

// The same, four at a time.
template <typename F>
__device__ __forceinline__ void sweep(const float* a, const float* b, float* out, int64_t n, F f) {
  const bool aligned = aligned16(a) && aligned16(b) && aligned16(out);
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4) {
    const float4 x = load4(a + i, n - i, aligned), y = load4(b + i, n - i, aligned);
    store4(out + i, make_float4(f(x.x, y.x, i), f(x.y, y.y, i + 1), f(x.z, y.z, i + 2), f(x.w, y.w, i + 3)),
           n - i, aligned);
  }
}

}  // namespace activation

// Obviously right, here and below: _plain.
KERNEL(256, nep_activation_relu_plain, (const float* x, float* y, int64_t n)) {
  activation::each(x, x, y, n, activation::Relu{});
}
KERNEL(256, nep_activation_relu, (const float* x, float* y, int64_t n)) {
  activation::sweep(x, x, y, n, activation::Relu{});
}

KERNEL(256, nep_activation_relu_gradient_plain, (const float* y, const float* dy, float* dx, int64_t n)) {
  activation::each(y, dy, dx, n, activation::ReluGradient{});
}
KERNEL(256, nep_activation_relu_gradient, (const float* y, const float* dy, float* dx, int64_t n)) {
  activation::sweep(y, dy, dx, n, activation::ReluGradient{});
}

KERNEL(256, nep_activation_celu_plain, (const float* x, float* y, int64_t n, float alpha)) {
  activation::each(x, x, y, n, activation::Celu{alpha});
}
KERNEL(256, nep_activation_celu, (const float* x, float* y, int64_t n, float alpha)) {
  activation::sweep(x, x, y, n, activation::Celu{alpha});
}

KERNEL(256, nep_activation_celu_gradient_plain,
       (const float* y, const float* dy, float* dx, int64_t n, float alpha)) {
  activation::each(y, dy, dx, n, activation::CeluGradient{alpha});
}
KERNEL(256, nep_activation_celu_gradient,
       (const float* y, const float* dy, float* dx, int64_t n, float alpha)) {
  activation::sweep(y, dy, dx, n, activation::CeluGradient{alpha});
}

KERNEL(256, nep_activation_add_plain, (const float* a, const float* b, float* out, int64_t n)) {
  activation::each(a, b, out, n, activation::Add{});
}
KERNEL(256, nep_activation_add, (const float* a, const float* b, float* out, int64_t n)) {
  activation::sweep(a, b, out, n, activation::Add{});
}

KERNEL(256, nep_activation_dropout_plain,
       (const float* x, float* y, int64_t n, int64_t key, int64_t threshold, float scale)) {
  activation::each(x, x, y, n,
                   activation::Dropout{static_cast<uint64_t>(key), static_cast<uint64_t>(threshold), scale});
}
KERNEL(256, nep_activation_dropout,
       (const float* x, float* y, int64_t n, int64_t key, int64_t threshold, float scale)) {
  activation::sweep(x, x, y, n,
                    activation::Dropout{static_cast<uint64_t>(key), static_cast<uint64_t>(threshold), scale});
}

KERNEL(256, nep_activation_multiply_rows_plain,
       (float* values, const float* weights, int64_t rows, int64_t n)) {
  const int64_t i = grid_thread();
  if (i < rows * n) values[i] = values[i] * weights[i % n];
}

// Grid: weights, rows.
KERNEL(256, nep_activation_multiply_rows, (float* values, const float* weights, int64_t rows, int64_t n)) {
  const bool aligned = n % 4 == 0 && aligned16(values) && aligned16(weights);
  for (int64_t i = grid_thread() * 4; i < n; i += grid_threads() * 4) {
    const float4 w = load4(weights + i, n - i, aligned);
    for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
      float* at = values + row * n + i;
      const float4 v = load4(at, n - i, aligned);
      store4(at, make_float4(v.x * w.x, v.y * w.y, v.z * w.z, v.w * w.w), n - i, aligned);
    }
  }
}
