// The ABI of planned primitives, and what they share.
#include "onednn.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "nepenthe.h"

#define NEP_EXPORT extern "C" __attribute__((visibility("default")))

namespace nep {

dnnl::engine& engine() {
  static dnnl::engine one(dnnl::engine::kind::cpu, 0);
  return one;
}

dnnl::stream& stream() {
  static thread_local dnnl::stream one(engine());
  return one;
}

Reorder::Reorder(const memory::desc& from, const memory::desc& to, int threads) : workspace_(0) {
  PlanFor team(threads);
  const dnnl::reorder::primitive_desc plan(engine(), from, engine(), to, user_scratchpad());
  workspace_ = floats(plan.scratchpad_desc());
  call_ = call(dnnl::reorder(plan),
               {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, to}, {DNNL_ARG_SCRATCHPAD, plan.scratchpad_desc()}});
}

void Reorder::run(const float* from, float* to, float* scratch) {
  call_.set(DNNL_ARG_FROM, from);
  call_.set(DNNL_ARG_TO, to);
  call_.set(DNNL_ARG_SCRATCHPAD, scratch);
  call_.run();
}

void sum_parts(const float* parts, int64_t count, int64_t stride, float* out, int64_t n, bool accumulate,
               int threads) {
  constexpr int64_t BLOCK = 2048;
  const int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (blocks * count > 16)
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t first = block * BLOCK, last = std::min(n, first + BLOCK);
    float sum[BLOCK];
    std::memcpy(sum, parts + first, static_cast<size_t>(last - first) * sizeof(float));
    for (int64_t part = 1; part < count; part++) {
      const float* other = parts + part * stride;
      for (int64_t i = first; i < last; i++) sum[i - first] += other[i];
    }
    for (int64_t i = first; i < last; i++) out[i] = accumulate ? out[i] + sum[i - first] : sum[i - first];
  }
}

void sum_rows(const float* values, int64_t rows, int64_t columns, float* out, bool accumulate) {
  constexpr int64_t TILE = 64, BLOCK = 256;
  for (int64_t c = 0; c < columns; c += TILE) {
    const int64_t width = std::min(TILE, columns - c);
    double total[TILE] = {};
    for (int64_t first = 0; first < rows; first += BLOCK) {
      float sum[TILE] = {};
      for (int64_t r = first; r < std::min(rows, first + BLOCK); r++) {
        const float* row = values + r * columns + c;
        for (int64_t i = 0; i < width; i++) sum[i] += row[i];
      }
      for (int64_t i = 0; i < width; i++) total[i] += static_cast<double>(sum[i]);
    }
    for (int64_t i = 0; i < width; i++) {
      const float sum = static_cast<float>(total[i]);
      out[c + i] = accumulate ? out[c + i] + sum : sum;
    }
  }
}

nep_primitive* plan_convolution(int32_t direction, const int64_t* g, bool bias, int threads);
nep_primitive* plan_linear(int32_t direction, int64_t batch, int64_t inputs, int64_t outputs, bool bias,
                           int threads);

}  // namespace nep

namespace {

thread_local std::string last_error;

template <typename Make>
nep_primitive* guarded(Make make) {
  try {
    return make();
  } catch (const std::exception& e) {
    last_error = e.what();
    return nullptr;
  }
}

int64_t give(const std::string& value, uint8_t* text, int64_t capacity) {
  const int64_t length = static_cast<int64_t>(value.size());
  std::memcpy(text, value.data(), static_cast<size_t>(std::min(length, capacity)));
  return length;
}

}  // namespace

NEP_EXPORT int64_t nep_last_error(uint8_t* text, int64_t capacity) {
  return give(last_error, text, capacity);
}

NEP_EXPORT nep_primitive* nep_plan_convolution(int32_t direction, const int64_t* geometry, int32_t bias,
                                               int32_t threads) {
  return guarded([&] { return nep::plan_convolution(direction, geometry, bias != 0, threads); });
}

NEP_EXPORT nep_primitive* nep_plan_linear(int32_t direction, int64_t batch, int64_t inputs, int64_t outputs,
                                          int32_t bias, int32_t threads) {
  return guarded([&] { return nep::plan_linear(direction, batch, inputs, outputs, bias != 0, threads); });
}

NEP_EXPORT int64_t nep_primitive_workspace(struct nep_primitive* primitive) { return primitive->workspace; }

NEP_EXPORT int64_t nep_primitive_describe(struct nep_primitive* primitive, uint8_t* text, int64_t capacity) {
  return give(primitive->implementations, text, capacity);
}

NEP_EXPORT int32_t nep_primitive_execute(struct nep_primitive* primitive, const float* first,
                                         const float* second, const float* third, float* output,
                                         float* second_output, float* workspace, int32_t accumulate) {
  try {
    primitive->execute(first, second, third, output, second_output, workspace, accumulate != 0);
    return 0;
  } catch (const std::exception& e) {
    last_error = e.what();
    return 1;
  }
}

NEP_EXPORT void nep_primitive_destroy(struct nep_primitive* primitive) { delete primitive; }
