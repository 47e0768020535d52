// Formula: K[i, j] = Σ_d (x_i[d] − μ[d])·(x_j[d] − μ[d]), μ the mean row (CentredGram.java).
// Layout:  rows [n, width], float, row-major, 4-byte aligned; means [width], K [n, n], double.
// Threads: means: a column a thread; products: 32 by 32 of K a block, on and below the diagonal, four of them
// a
//          thread, by 32 terms in shared memory.
// Cost:    n²·width operations in double; 4·n²·width/32 bytes from the caches: bound by double arithmetic, or
//          by shared memory.
// Sums:    double, terms in ascending order: the same bits at every launch.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace centred_gram {

constexpr int TILE = 32, HALF = TILE / 2;

}  // namespace centred_gram

// Obviously right, here and below: _plain.
KERNEL(64, nep_centred_gram_means_plain, (const float* rows, double* means, int64_t n, int64_t width)) {
  const int64_t d = grid_thread();
  if (d >= width) return;
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += static_cast<double>(rows[i * width + d]);
  means[d] = sum / static_cast<double>(n);
}

KERNEL(256, nep_centred_gram_means, (const float* rows, double* means, int64_t n, int64_t width)) {
  for (int64_t d = grid_thread(); d < width; d += grid_threads()) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += static_cast<double>(rows[i * width + d]);
    means[d] = sum / static_cast<double>(n);
  }
}

KERNEL(64, nep_centred_gram_plain,
       (const float* rows, const double* means, double* gram, int64_t n, int64_t width)) {
  const int64_t at = grid_thread();
  if (at >= n * n) return;
  const float *a = rows + at / n * width, *b = rows + at % n * width;
  double sum = 0;
  for (int64_t d = 0; d < width; d++)
    sum += (static_cast<double>(a[d]) - means[d]) * (static_cast<double>(b[d]) - means[d]);
  gram[at] = sum;
}

// Grid: tiles of columns, of rows.
KERNEL(256, nep_centred_gram,
       (const float* rows, const double* means, double* gram, int64_t n, int64_t width)) {
  using namespace centred_gram;
  __shared__ double left[TILE][TILE + 1], right[TILE][TILE + 1];
  const int64_t row = static_cast<int64_t>(blockIdx.y) * TILE,
                column = static_cast<int64_t>(blockIdx.x) * TILE;
  if (column > row) return;  // the transposed tile writes both
  const int x = static_cast<int>(threadIdx.x) % HALF, y = static_cast<int>(threadIdx.x) / HALF;
  double sum[2][2] = {};
  for (int64_t term = 0; term < width; term += TILE) {
    for (int e = static_cast<int>(threadIdx.x); e < TILE * TILE; e += 256) {
      const int i = e / TILE, t = e % TILE;
      const int64_t d = term + t;
      const double mean = d < width ? means[d] : 0.0;
      const bool in_row = d < width && row + i < n, in_column = d < width && column + i < n;
      left[i][t] = in_row ? static_cast<double>(rows[(row + i) * width + d]) - mean : 0.0;
      right[i][t] = in_column ? static_cast<double>(rows[(column + i) * width + d]) - mean : 0.0;
    }
    __syncthreads();
    for (int t = 0; t < TILE; t++) {
      for (int k = 0; k < 4; k++) sum[k / 2][k % 2] += left[y + k / 2 * HALF][t] * right[x + k % 2 * HALF][t];
    }
    __syncthreads();
  }
  for (int k = 0; k < 4; k++) {
    const int64_t i = row + y + k / 2 * HALF, j = column + x + k % 2 * HALF;
    if (i < n && j <= i) gram[i * n + j] = gram[j * n + i] = sum[k / 2][k % 2];
  }
}
