// What io.nepenthe.kernel.CudaSolver calls of cuSOLVER, on memory of the host, for its test: Jacobi's
// rotations on the lower triangle of a column-major matrix. FAKE_CUSOLVER_STATUS is what creating a handle
// gives, FAKE_CUSOLVER_INFO what a decomposition says of itself.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "in_order.h"

namespace {

constexpr int SUCCESS = 0, INVALID_VALUE = 3, DOUBLE = 1, VECTORS = 1, LOWER = 0;
constexpr size_t DEVICE_BYTES = 1000, HOST_BYTES = 24;
int alive = 0;

int variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? 0 : std::atoi(value);
}

// a becomes diagonal, the columns of v its vectors; both n by n, column-major.
void rotate(std::vector<double>& a, std::vector<double>& v, size_t n) {
  const auto at = [n](size_t i, size_t j) { return j * n + i; };
  for (int sweep = 0; sweep < 50; sweep++) {
    for (size_t p = 0; p + 1 < n; p++) {
      for (size_t q = p + 1; q < n; q++) {
        if (a[at(p, q)] == 0) continue;
        const double theta = (a[at(q, q)] - a[at(p, p)]) / (2 * a[at(p, q)]);
        const double t = std::copysign(1.0, theta) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1), s = t * c;
        const auto turn = [c, s](double& x, double& y) {
          const double before = x;
          x = c * before - s * y;
          y = s * before + c * y;
        };
        for (size_t k = 0; k < n; k++) turn(a[at(k, p)], a[at(k, q)]);
        for (size_t k = 0; k < n; k++) turn(a[at(p, k)], a[at(q, k)]);
        for (size_t k = 0; k < n; k++) turn(v[at(k, p)], v[at(k, q)]);
      }
    }
  }
}

}  // namespace

extern "C" {

int cusolverGetProperty(int part, int* value) {
  *value = part == 0 ? 12 : 0;
  return SUCCESS;
}
int cusolverDnCreate(StreamHandle** handle) {
  if (const int status = variable("FAKE_CUSOLVER_STATUS")) return status;
  *handle = new StreamHandle;
  alive++;
  return SUCCESS;
}
int cusolverDnDestroy(StreamHandle* handle) {
  delete handle;
  alive--;
  return SUCCESS;
}
int cusolverDnSetStream(StreamHandle* handle, void* stream) {
  if (handle == nullptr) return INVALID_VALUE;
  handle->stream = stream;
  return SUCCESS;
}
int cusolverDnCreateParams(int** made) {
  *made = new int(0);
  alive++;
  return SUCCESS;
}
int cusolverDnDestroyParams(int* made) {
  delete made;
  alive--;
  return SUCCESS;
}

int cusolverDnXsyevd_bufferSize(const StreamHandle*, const int* parameters, int jobs, int triangle, int64_t n,
                                int type, const double*, int64_t lda, int value_type, const double*,
                                int compute, size_t* device_bytes, size_t* host_bytes) {
  *device_bytes = DEVICE_BYTES;
  *host_bytes = HOST_BYTES;
  const bool right = parameters != nullptr && jobs == VECTORS && triangle == LOWER && lda >= n &&
                     type == DOUBLE && value_type == DOUBLE && compute == DOUBLE;
  return right ? SUCCESS : INVALID_VALUE;
}

int cusolverDnXsyevd(const StreamHandle* handle, const int* parameters, int jobs, int triangle, int64_t n,
                     int type, double* a, int64_t lda, int value_type, double* values, int compute,
                     void* on_device, size_t device_bytes, void* on_host, size_t host_bytes, int* info) {
  size_t need_device, need_host;
  const int status = cusolverDnXsyevd_bufferSize(handle, parameters, jobs, triangle, n, type, a, lda,
                                                 value_type, values, compute, &need_device, &need_host);
  if (status != SUCCESS || on_device == nullptr || on_host == nullptr || device_bytes < need_device ||
      host_bytes < need_host)
    return INVALID_VALUE;
  after(handle);
  *info = variable("FAKE_CUSOLVER_INFO");
  const size_t size = static_cast<size_t>(n), pitch = static_cast<size_t>(lda);
  std::vector<double> matrix(size * size), vectors(size * size);
  for (size_t j = 0; j < size; j++) {
    vectors[j * size + j] = 1;
    for (size_t i = j; i < size; i++) matrix[j * size + i] = matrix[i * size + j] = a[j * pitch + i];
  }
  rotate(matrix, vectors, size);
  std::vector<size_t> order(size);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t x, size_t y) { return matrix[x * size + x] < matrix[y * size + y]; });
  for (size_t k = 0; k < size; k++) {
    values[k] = matrix[order[k] * size + order[k]];
    for (size_t i = 0; i < size; i++) a[k * pitch + i] = vectors[order[k] * size + i];
  }
  return SUCCESS;
}

int fake_cusolver_alive() { return alive; }
}
