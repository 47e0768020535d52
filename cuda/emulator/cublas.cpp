// What io.nepenthe.kernel.CudaBlas calls of cuBLAS, on memory of the host, for its test: column-major, as the
// library's manual says, with no help from how it is called. FAKE_CUBLAS_STATUS is what creating a handle
// gives; with FAKE_CUDA_DRY=1, as of driver.cpp, it touches no memory.
#include <cstdint>
#include <cstdlib>

#include "in_order.h"

namespace {

struct Handle : StreamHandle {
  void* workspace = nullptr;
  int64_t workspace_bytes = 0;
};

int alive = 0, last_compute = 0;

// Column-major, leading dimension ld.
float at(const float* matrix, int64_t ld, bool transposed, int64_t row, int64_t column) {
  return transposed ? matrix[row * ld + column] : matrix[column * ld + row];
}

}  // namespace

extern "C" {

int cublasGetProperty(int part, int* value) {
  *value = part == 0 ? 13 : 0;
  return 0;
}

const char* cublasGetStatusString(int status) {
  return status == 1 ? "the library was not initialized" : status == 7 ? "invalid value" : "another reason";
}

int cublasCreate_v2(Handle** handle) {
  if (const char* status = std::getenv("FAKE_CUBLAS_STATUS")) return std::atoi(status);
  *handle = new Handle;
  alive++;
  return 0;
}

int cublasDestroy_v2(Handle* handle) {
  delete handle;
  alive--;
  return 0;
}

int cublasSetStream_v2(Handle* handle, void* stream) {
  handle->stream = stream;
  return 0;
}

int cublasSetWorkspace_v2(Handle* handle, void* workspace, size_t bytes) {
  handle->workspace = workspace;
  handle->workspace_bytes = static_cast<int64_t>(bytes);
  return 0;
}

int cublasGemmEx_64(Handle* handle, int transpose_a, int transpose_b, int64_t m, int64_t n, int64_t k,
                    const float* alpha, const float* a, int type_a, int64_t lda, const float* b, int type_b,
                    int64_t ldb, const float* beta, float* c, int type_c, int64_t ldc, int compute,
                    int algorithm) {
  const bool ta = transpose_a == 1, tb = transpose_b == 1;
  if (handle == nullptr || handle->workspace_bytes == 0 || type_a != 0 || type_b != 0 || type_c != 0 ||
      algorithm != -1 || lda < (ta ? k : m) || ldb < (tb ? n : k) || ldc < m)
    return 7;
  last_compute = compute;
  if (std::getenv("FAKE_CUDA_DRY") != nullptr) return 0;
  after(handle);
  for (int64_t column = 0; column < n; column++) {
    for (int64_t row = 0; row < m; row++) {
      float sum = 0;
      for (int64_t t = 0; t < k; t++) sum += at(a, lda, ta, row, t) * at(b, ldb, tb, t, column);
      float* to = c + column * ldc + row;
      *to = *alpha * sum + (*beta == 0 ? 0 : *beta * *to);
    }
  }
  return 0;
}

int fake_cublas_alive() { return alive; }
int fake_cublas_compute() { return last_compute; }
}
