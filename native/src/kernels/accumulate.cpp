// Drift-free accumulation, chunk by chunk: a chunk of rest and sum stays in the first-level cache while all
// terms of the call pass over it. The loops are elementwise, so the compiler's vectors give the scalar's
// bits.
#include "drift_free.h"
#include "reduce.h"

namespace NEP_NAMESPACE {
namespace {

void add(float* __restrict rest, const float* __restrict values, int64_t n, int32_t kind) {
  switch (kind) {
    case 0:
      for (int64_t j = 0; j < n; j++) rest[j] += values[j];
      break;
    case 1:
      for (int64_t j = 0; j < n; j++) rest[j] += __builtin_fabsf(values[j]);
      break;
    default:
      for (int64_t j = 0; j < n; j++) rest[j] += values[j] * values[j];
  }
}

}  // namespace

void accumulate(float* sum, float* rest, const float* values, int64_t terms, int64_t n, int32_t kind,
                int32_t phase, int32_t threads) {
  const int64_t chunks = (n + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(threads) if (terms * n > 4 * CHUNK)
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t at = c * CHUNK, size = n - at < CHUNK ? n - at : CHUNK;
    for (int64_t t = 0; t < terms; t++) {
      add(rest + at, values + t * n + at, size, kind);
      if ((phase + t + 1) % PERIOD == 0) fold_rest(sum + at, rest + at, size);
    }
  }
}

}  // namespace NEP_NAMESPACE
