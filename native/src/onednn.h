// What the planned oneDNN primitives share. oneDNN divides work by the number of threads it finds, and sums
// of its weight gradients then depend on that number. So every plan here is for one thread, on pieces of
// fixed size, and the pieces are what an OpenMP team shares out: the bits depend on the sizes only.
#pragma once

#include <omp.h>

#include <cstdint>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <vector>

// A planned operation. Its memory for scratch is the caller's, `workspace` floats, aligned to 64 bytes.
struct nep_primitive {
  virtual ~nep_primitive() = default;
  virtual void execute(const float* a, const float* b, const float* c, float* out, float* second,
                       float* scratch, bool accumulate) = 0;
  int64_t workspace = 0;
  std::string implementations;
};

namespace nep {

using dnnl::memory;

dnnl::engine& engine();
dnnl::stream& stream();

// oneDNN plans for as many threads as OpenMP would give it now.
class PlanFor {
 public:
  explicit PlanFor(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
  ~PlanFor() { omp_set_num_threads(before_); }
  PlanFor(const PlanFor&) = delete;
  PlanFor& operator=(const PlanFor&) = delete;

 private:
  int before_;
};

inline dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

inline int64_t floats(const memory::desc& desc) {
  return (static_cast<int64_t>(desc.get_size()) + 63) / 64 * 16;
}

// A memory without memory: the address is set before each execution.
inline memory placed(const memory::desc& desc) { return memory(desc, engine(), DNNL_MEMORY_NONE); }

inline void* address(const float* p) { return const_cast<float*>(p); }

// One primitive and its arguments, for use by one thread at a time.
struct Call {
  dnnl::primitive primitive;
  std::unordered_map<int, memory> arguments;
  void set(int argument, const float* p) { arguments.at(argument).set_data_handle(address(p)); }
  void run() { primitive.execute(stream(), arguments); }
};

inline Call call(const dnnl::primitive& primitive,
                 std::initializer_list<std::pair<int, memory::desc>> descs) {
  Call result{primitive, {}};
  for (const auto& [argument, desc] : descs) result.arguments.emplace(argument, placed(desc));
  return result;
}

// A copy between two layouts of the same values.
class Reorder {
 public:
  Reorder(const memory::desc& from, const memory::desc& to, int threads);
  void run(const float* from, float* to, float* scratch);
  int64_t workspace() const { return workspace_; }

 private:
  Call call_;
  int64_t workspace_;
};

// A team costs more than it saves below this many floating-point operations.
inline int team_for(int64_t flops, int threads) { return flops < (1 << 21) ? 1 : threads; }

// Runs body(task) for each task on at most `threads` threads; an exception of one comes out on the caller's.
template <typename Body>
void share(int64_t tasks, int threads, Body body) {
  std::string failure;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (tasks > 1 && threads > 1)
  for (int64_t task = 0; task < tasks; task++) {
    PlanFor one(1);
    try {
      body(task, omp_get_thread_num());
    } catch (const std::exception& e) {
#pragma omp critical
      failure = e.what();
    }
  }
  if (!failure.empty()) throw std::runtime_error(failure);
}

// out[i] (+)= Σ over parts of parts[part * stride + i], in the order of the parts.
void sum_parts(const float* parts, int64_t count, int64_t stride, float* out, int64_t n, bool accumulate,
               int threads);

// out[i] += term[i].
inline void add_to(float* out, const float* term, int64_t n) {
  for (int64_t i = 0; i < n; i++) out[i] += term[i];
}

// Sums of the columns of rows × columns values: out[c] (+)= Σ over rows, 256 rows at a time.
void sum_rows(const float* values, int64_t rows, int64_t columns, float* out, bool accumulate);

}  // namespace nep
