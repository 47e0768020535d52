// A block's 64 by 64 products: two tiles of factors in shared memory, sums in registers, in FP32, TF32 or
// BF16.
#pragma once

#include "common.cuh"

namespace tile {

constexpr int TILE = 64, TERMS = 16;  // a side; terms loaded at once

// What of a block's tile a thread owns, and how it multiplies two loaded tiles [TERMS][PITCH] into it, of
// which `terms` hold something. idle: whether nothing that it multiplies lies within the matrix.
struct Fp32 {
  static constexpr int THREADS = 256, OWNED = 16, PITCH = TILE, STEP = 4;
  __device__ static int row(int i) { return static_cast<int>(threadIdx.x) / 16 * 4 + i / 4; }
  __device__ static int column(int i) { return static_cast<int>(threadIdx.x) % 16 * 4 + i % 4; }
  __device__ static bool idle(int64_t rows, int64_t columns) {
    return row(0) >= rows || column(0) >= columns;
  }
  __device__ static void multiply(float (&product)[OWNED], const float (&g)[TERMS][PITCH],
                                  const float (&u)[TERMS][PITCH], bool square, int terms) {
#pragma unroll
    for (int k = 0; k < TERMS; k++) {
      if (k % STEP == 0 && k >= terms) break;
      float a[4], b[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        a[i] = g[k][row(4 * i)];
        b[i] = u[k][column(i)];
        if (square) {
          a[i] *= a[i];
          b[i] *= b[i];
        }
      }
#pragma unroll
      for (int i = 0; i < OWNED; i++) product[i] = fmaf(a[i / 4], b[i % 4], product[i]);
    }
  }
};

// Four warps, two by two, of 32 by 32 weights each: two by four fragments.
struct Matrix {
  static constexpr int THREADS = 128, OWNED = 32,
                       PITCH = TILE + 8;  // 8: no bank serves two lanes of a fragment
  __device__ static int lane() { return static_cast<int>(threadIdx.x) % 32; }
  __device__ static int first_row() { return static_cast<int>(threadIdx.x) / 64 * 32; }
  __device__ static int first_column() { return static_cast<int>(threadIdx.x) / 32 % 2 * 32; }
  __device__ static bool idle(int64_t rows, int64_t columns) {
    return first_row() >= rows || first_column() >= columns;
  }
  __device__ static int row(int i) { return first_row() + i / 16 * 16 + lane() / 4 + i / 2 % 2 * 8; }
  __device__ static int column(int i) { return first_column() + i / 4 % 4 * 8 + lane() % 4 * 2 + i % 2; }
  __device__ __forceinline__ static float factor(float v, bool square) { return square ? v * v : v; }
};

struct Tf32 : Matrix {
  __device__ static void multiply(float (&product)[OWNED], const float (&g)[TERMS][PITCH],
                                  const float (&u)[TERMS][PITCH], bool square, int terms) {
    const int at = lane() / 4, t = lane() % 4;
#pragma unroll
    for (int k = 0; k < TERMS; k += 8) {
      if (k >= terms) break;
      uint32_t a[2][4], b[4][2];
#pragma unroll
      for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int i = 0; i < 4; i++)
          a[m][i] = to_tf32(factor(g[k + t + i / 2 * 4][first_row() + m * 16 + at + i % 2 * 8], square));
      }
#pragma unroll
      for (int n = 0; n < 4; n++) {
#pragma unroll
        for (int i = 0; i < 2; i++)
          b[n][i] = to_tf32(factor(u[k + t + i * 4][first_column() + n * 8 + at], square));
      }
#pragma unroll
      for (int m = 0; m < 2; m++) {
#pragma unroll
        for (int n = 0; n < 4; n++)
          mma_tf32(reinterpret_cast<float(&)[4]>(product[(m * 4 + n) * 4]), a[m], b[n]);
      }
    }
  }
};

struct Bf16 : Matrix {
  __device__ static void multiply(float (&product)[OWNED], const float (&g)[TERMS][PITCH],
                                  const float (&u)[TERMS][PITCH], bool square, int) {
    const int at = lane() / 4, t = lane() % 4;
    uint32_t a[2][4], b[4][2];
#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const int k = 2 * t + i / 2 * 8, o = first_row() + m * 16 + at + i % 2 * 8;
        a[m][i] = to_bf16x2(factor(g[k][o], square), factor(g[k + 1][o], square));
      }
    }
#pragma unroll
    for (int n = 0; n < 4; n++) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const int k = 2 * t + i * 8, j = first_column() + n * 8 + at;
        b[n][i] = to_bf16x2(factor(u[k][j], square), factor(u[k + 1][j], square));
      }
    }
#pragma unroll
    for (int m = 0; m < 2; m++) {
#pragma unroll
      for (int n = 0; n < 4; n++)
        mma_bf16(reinterpret_cast<float(&)[4]>(product[(m * 4 + n) * 4]), a[m], b[n]);
    }
  }
};

// Two buffers of each tile: one is filled while the other is multiplied.
template <typename M>
struct alignas(16) Shared {
  float g[2][TERMS][M::PITCH];
  float u[2][TERMS][M::PITCH];
};

}  // namespace tile
