// Formula: C = op(A)·op(B) + beta·C, row-major, op the matrix or its transpose: dense layers where cuBLAS
//          is not found, and on the emulator.
// Layout:  A [m, k] or [k, m], B [k, n] or [n, k], C [m, n], each with a row pitch; 4-byte aligned.
// Threads: 64 by 64 of C a block, for a run of terms, products in registers (tile.cuh); runs are added by a
//          second stage.
// Cost:    2·m·n·k operations; 4·(m·k·n/64 + n·k·m/64 + m·n) bytes from the caches: bound by arithmetic, or
//          by shared memory.
// Sums:    float32, terms in order within a run, runs in order; TF32 or BF16 factors only: the same bits at
//          every launch.
// Tried:   nothing else yet; not measured on a GPU.
#include "tile.cuh"

#define GEMM_PARAMETERS                                                                      \
  const float *a, const float *b, float *c, float *partial, int64_t m, int64_t n, int64_t k, \
      int64_t a_pitch, int64_t b_pitch, int64_t c_pitch, int transpose_a, int transpose_b, float beta

namespace gemm {

using tile::TERMS;
using tile::TILE;

template <typename M>
__device__ void multiply(GEMM_PARAMETERS) {
  __shared__ tile::Shared<M> shared;
  const int64_t across = (n + TILE - 1) / TILE;
  const int64_t first_row = blockIdx.x / across * TILE, first_column = blockIdx.x % across * TILE;
  const int64_t first = k * blockIdx.z / gridDim.z, last = k * (blockIdx.z + 1) / gridDim.z;
  // Neighbouring threads load neighbouring elements of memory: along a tile's side, or along the terms.
  const auto load = [&](float(&to)[TERMS][M::PITCH], const float* from, int64_t side, int64_t sides,
                        int64_t pitch, bool along_terms, int64_t term) {
    for (int e = static_cast<int>(threadIdx.x); e < TILE * TERMS; e += M::THREADS) {
      const int i = along_terms ? e / TERMS : e % TILE, t = along_terms ? e % TERMS : e / TILE;
      const bool valid = side + i < sides && term + t < last;
      const int64_t at = along_terms ? (side + i) * pitch + term + t : (term + t) * pitch + side + i;
      copy_async_4(&to[t][i], valid ? from + at : from, valid);
    }
  };
  const auto load_both = [&](int64_t term, int buffer) {
    load(shared.g[buffer], a, first_row, m, a_pitch, transpose_a == 0, term);
    load(shared.u[buffer], b, first_column, n, b_pitch, transpose_b != 0, term);
    copy_async_commit();
  };
  const bool idle = M::idle(m - first_row, n - first_column);
  float product[M::OWNED] = {};
  if (first < last) load_both(first, 0);
  int buffer = 0;
  for (int64_t term = first; term < last; term += TERMS) {
    if (term + TERMS < last) {
      load_both(term + TERMS, buffer ^ 1);
      copy_async_wait<1>();
    } else {
      copy_async_wait<0>();
    }
    __syncthreads();
    if (!idle)
      M::multiply(product, shared.g[buffer], shared.u[buffer], false,
                  last - term < TERMS ? static_cast<int>(last - term) : TERMS);
    __syncthreads();
    buffer ^= 1;
  }
#pragma unroll
  for (int i = 0; i < M::OWNED; i++) {
    const int64_t row = first_row + M::row(i), column = first_column + M::column(i);
    if (row >= m || column >= n) continue;
    if (partial != nullptr) {
      partial[(blockIdx.z * m + row) * n + column] = product[i];
    } else {
      float& at = c[row * c_pitch + column];
      at = beta == 0 ? product[i] : fmaf(beta, at, product[i]);
    }
  }
}

}  // namespace gemm

// Obviously right: a thread an element of C.
KERNEL(128, nep_gemm_plain, (GEMM_PARAMETERS)) {
  const int64_t i = grid_thread();
  if (partial != nullptr || i >= m * n) return;
  const int64_t row = i / n, column = i % n;
  float sum = 0;
  for (int64_t t = 0; t < k; t++) {
    const float left = transpose_a != 0 ? a[t * a_pitch + row] : a[row * a_pitch + t];
    const float right = transpose_b != 0 ? b[column * b_pitch + t] : b[t * b_pitch + column];
    sum = fmaf(left, right, sum);
  }
  float& at = c[row * c_pitch + column];
  at = beta == 0 ? sum : fmaf(beta, at, sum);
}

// Grid: tiles, those of a row next to each other; 1; runs of terms. One run writes C, several write partial
// [runs, m, n].
KERNEL(tile::Fp32::THREADS, nep_gemm_fp32, (GEMM_PARAMETERS)) {
  gemm::multiply<tile::Fp32>(a, b, c, partial, m, n, k, a_pitch, b_pitch, c_pitch, transpose_a, transpose_b,
                             beta);
}
KERNEL(tile::Tf32::THREADS, nep_gemm_tf32, (GEMM_PARAMETERS)) {
  gemm::multiply<tile::Tf32>(a, b, c, partial, m, n, k, a_pitch, b_pitch, c_pitch, transpose_a, transpose_b,
                             beta);
}
KERNEL(tile::Bf16::THREADS, nep_gemm_bf16, (GEMM_PARAMETERS)) {
  gemm::multiply<tile::Bf16>(a, b, c, partial, m, n, k, a_pitch, b_pitch, c_pitch, transpose_a, transpose_b,
                             beta);
}

// The second stage.
KERNEL(256, nep_gemm_totals,
       (const float* partial, int64_t runs, float* c, int64_t m, int64_t n, int64_t c_pitch, float beta)) {
  for (int64_t i = grid_thread(); i < m * n; i += grid_threads()) {
    float sum = 0;
    for (int64_t run = 0; run < runs; run++) sum += partial[run * m * n + i];
    float& at = c[i / n * c_pitch + i % n];
    at = beta == 0 ? sum : fmaf(beta, at, sum);
  }
}
