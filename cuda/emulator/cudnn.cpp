// What io.nepenthe.kernel.CudaDnn calls of cuDNN, on memory of the host, for its test: channels last, as the
// manual says, with no help from how it is called. FAKE_CUDNN_STATUS is what creating a handle gives,
// FAKE_CUDNN_ALGORITHMS how many algorithms there are for a convolution. With FAKE_CUDA_DRY=1, as of
// driver.cpp, it touches no memory.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "in_order.h"

namespace {

constexpr int SUCCESS = 0, BAD_PARAM = 2000, NOT_SUPPORTED = 3000;
constexpr int NHWC = 1, FLOAT = 0, CROSS_CORRELATION = 1, DETERMINISTIC = 1;
constexpr size_t WORKSPACE = 4096;

struct Sizes {
  int format = -1, type = -1, n = 0, c = 0, h = 0, w = 0;
};
struct Convolution {
  int top = -1, left = -1, down = 0, across = 0, tall = 0, wide = 0, mode = -1, type = -1, math = -1;
};
// As the header has it.
struct Performance {
  int algorithm, status;
  float time;
  size_t memory;
  int determinism, math, reserved[3];
};

int alive = 0, last_math = -1, last_algorithm = -1;

int algorithms() {
  const char* count = std::getenv("FAKE_CUDNN_ALGORITHMS");
  return count == nullptr ? 4 : std::atoi(count);
}

bool dry() { return std::getenv("FAKE_CUDA_DRY") != nullptr; }

int out(int in, int pad, int kernel, int stride, int dilation) {
  return 1 + (in + 2 * pad - ((kernel - 1) * dilation + 1)) / stride;
}

bool fit(const Sizes& x, const Sizes& w, const Convolution& c, const Sizes& y) {
  return x.format == NHWC && w.format == NHWC && y.format == NHWC && x.type == FLOAT && w.type == FLOAT &&
         y.type == FLOAT && c.mode == CROSS_CORRELATION && c.type == FLOAT && x.n == y.n && w.n == y.c &&
         w.c == x.c && y.h == out(x.h, c.top, w.h, c.down, c.tall) &&
         y.w == out(x.w, c.left, w.w, c.across, c.wide);
}

// The first is not deterministic, the second needs more memory than there is, the third is for another
// arithmetic only: the fourth must be taken. What it says of memory is for that arithmetic, too.
int propose(bool fits, int math, int wanted, int* found, Performance* results) {
  if (!fits) return BAD_PARAM;
  *found = algorithms() < wanted ? algorithms() : wanted;
  for (int i = 0; i < *found; i++) {
    results[i] = {i + 1, SUCCESS, 1.0f, 0, i == 0 ? 0 : DETERMINISTIC, math == 3 ? 3 : 1, {}};
  }
  return SUCCESS;
}
int needs(bool fits, int algorithm, size_t* bytes) {
  if (!fits) return BAD_PARAM;
  if (algorithm == 3) return NOT_SUPPORTED;
  *bytes = algorithm == 2 ? size_t{1} << 50 : WORKSPACE;
  return SUCCESS;
}

// Calls body(place in y, place in x, place in w) for every product.
template <typename Body>
void products(const Sizes& x, const Sizes& w, const Convolution& c, const Sizes& y, Body body) {
  for (int n = 0; n < y.n; n++)
    for (int i = 0; i < y.h; i++)
      for (int j = 0; j < y.w; j++)
        for (int o = 0; o < y.c; o++)
          for (int a = 0; a < w.h; a++)
            for (int b = 0; b < w.w; b++) {
              const int row = i * c.down - c.top + a * c.tall, column = j * c.across - c.left + b * c.wide;
              if (row < 0 || row >= x.h || column < 0 || column >= x.w) continue;
              for (int k = 0; k < x.c; k++)
                body(((n * y.h + i) * y.w + j) * y.c + o, ((n * x.h + row) * x.w + column) * x.c + k,
                     ((o * w.h + a) * w.w + b) * w.c + k);
            }
}

void scale(float* values, const Sizes& s, float by) {
  const int count = s.n * s.c * s.h * s.w;
  for (int i = 0; i < count; i++) values[i] = by == 0 ? 0 : by * values[i];
}

// A device's kernels fail on what is not aligned to 16 bytes.
bool aligned(const void* a, const void* b, const void* c) {
  return ((reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) | reinterpret_cast<uintptr_t>(c)) &
          15) == 0;
}

int used(const Convolution& c, int algorithm, const void* workspace, size_t bytes) {
  last_math = c.math;
  last_algorithm = algorithm;
  return workspace == nullptr || bytes < WORKSPACE ? BAD_PARAM : SUCCESS;
}

}  // namespace

extern "C" {

int cudnnGetProperty(int part, int* value) {
  *value = part == 0 ? 9 : part;
  return SUCCESS;
}
const char* cudnnGetErrorString(int status) {
  return status == BAD_PARAM ? "CUDNN_STATUS_BAD_PARAM" : "CUDNN_STATUS_NOT_INITIALIZED";
}
int cudnnCreate(StreamHandle** handle) {
  if (const char* status = std::getenv("FAKE_CUDNN_STATUS")) return std::atoi(status);
  *handle = new StreamHandle;
  alive++;
  return SUCCESS;
}
int cudnnDestroy(StreamHandle* handle) {
  delete handle;
  alive--;
  return SUCCESS;
}
int cudnnSetStream(StreamHandle* handle, void* stream) {
  if (handle == nullptr) return BAD_PARAM;
  handle->stream = stream;
  return SUCCESS;
}

int cudnnCreateTensorDescriptor(Sizes** made) {
  *made = new Sizes;
  alive++;
  return SUCCESS;
}
int cudnnCreateFilterDescriptor(Sizes** made) { return cudnnCreateTensorDescriptor(made); }
int cudnnDestroyTensorDescriptor(Sizes* made) {
  delete made;
  alive--;
  return SUCCESS;
}
int cudnnDestroyFilterDescriptor(Sizes* made) { return cudnnDestroyTensorDescriptor(made); }
int cudnnCreateConvolutionDescriptor(Convolution** made) {
  *made = new Convolution;
  alive++;
  return SUCCESS;
}
int cudnnDestroyConvolutionDescriptor(Convolution* made) {
  delete made;
  alive--;
  return SUCCESS;
}
int cudnnSetTensor4dDescriptor(Sizes* s, int format, int type, int n, int c, int h, int w) {
  *s = {format, type, n, c, h, w};
  return SUCCESS;
}
int cudnnSetFilter4dDescriptor(Sizes* s, int type, int format, int k, int c, int h, int w) {
  *s = {format, type, k, c, h, w};
  return SUCCESS;
}
int cudnnSetConvolution2dDescriptor(Convolution* c, int top, int left, int down, int across, int tall,
                                    int wide, int mode, int type) {
  *c = {top, left, down, across, tall, wide, mode, type, c->math};
  return SUCCESS;
}
int cudnnSetConvolutionMathType(Convolution* c, int math) {
  c->math = math;
  return SUCCESS;
}

int cudnnGetConvolutionForwardAlgorithm_v7(int*, const Sizes* x, const Sizes* w, const Convolution* c,
                                           const Sizes* y, int wanted, int* found, Performance* results) {
  return propose(fit(*x, *w, *c, *y), c->math, wanted, found, results);
}
int cudnnGetConvolutionBackwardDataAlgorithm_v7(int*, const Sizes* w, const Sizes* dy, const Convolution* c,
                                                const Sizes* dx, int wanted, int* found,
                                                Performance* results) {
  return propose(fit(*dx, *w, *c, *dy), c->math, wanted, found, results);
}

int cudnnGetConvolutionForwardWorkspaceSize(int*, const Sizes* x, const Sizes* w, const Convolution* c,
                                            const Sizes* y, int algorithm, size_t* bytes) {
  return needs(fit(*x, *w, *c, *y), algorithm, bytes);
}
int cudnnGetConvolutionBackwardDataWorkspaceSize(int*, const Sizes* w, const Sizes* dy, const Convolution* c,
                                                 const Sizes* dx, int algorithm, size_t* bytes) {
  return needs(fit(*dx, *w, *c, *dy), algorithm, bytes);
}

int cudnnConvolutionForward(const StreamHandle* handle, const float* alpha, const Sizes* xs, const float* x,
                            const Sizes* ws, const float* w, const Convolution* c, int algorithm,
                            void* workspace, size_t bytes, const float* beta, const Sizes* ys, float* y) {
  if (!fit(*xs, *ws, *c, *ys) || !aligned(x, w, y)) return NOT_SUPPORTED;
  if (dry()) return used(*c, algorithm, workspace, bytes);
  after(handle);
  scale(y, *ys, *beta);
  products(*xs, *ws, *c, *ys, [&](int to, int from, int by) { y[to] += *alpha * x[from] * w[by]; });
  return used(*c, algorithm, workspace, bytes);
}
int cudnnConvolutionBackwardData(const StreamHandle* handle, const float* alpha, const Sizes* ws,
                                 const float* w, const Sizes* dys, const float* dy, const Convolution* c,
                                 int algorithm, void* workspace, size_t bytes, const float* beta,
                                 const Sizes* dxs, float* dx) {
  if (!fit(*dxs, *ws, *c, *dys) || !aligned(dx, w, dy)) return NOT_SUPPORTED;
  if (dry()) return used(*c, algorithm, workspace, bytes);
  after(handle);
  scale(dx, *dxs, *beta);
  products(*dxs, *ws, *c, *dys, [&](int from, int to, int by) { dx[to] += *alpha * dy[from] * w[by]; });
  return used(*c, algorithm, workspace, bytes);
}

int fake_cudnn_alive() { return alive; }
int fake_cudnn_math() { return last_math; }
int fake_cudnn_algorithm() { return last_algorithm; }
}
