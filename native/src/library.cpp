// The exported functions: what the library is, and one forwarder per kernel to the level chosen at load.
#include "nepenthe.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels.h"

#define NEP_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// One function pointer a kernel.
struct Level {
  const char* name;
  bool supported;
#define KERNEL(type, name, parameters, arguments) type(*name) parameters;
#include "kernels.def"
#undef KERNEL
};

// Lowest first. __builtin_cpu_supports also asks the operating system whether it saves the registers.
const Level* levels(size_t* count) {
#if defined(__x86_64__)
  static const Level all[] = {
      {
          "x86-64-v2",
          true,
#define KERNEL(type, name, parameters, arguments) nep_v2::name,
#include "kernels.def"
#undef KERNEL
      },
      {
          "x86-64-v3",
          static_cast<bool>(__builtin_cpu_supports("x86-64-v3")),
#define KERNEL(type, name, parameters, arguments) nep_v3::name,
#include "kernels.def"
#undef KERNEL
      },
      {
          "x86-64-v4",
          static_cast<bool>(__builtin_cpu_supports("x86-64-v4")),
#define KERNEL(type, name, parameters, arguments) nep_v4::name,
#include "kernels.def"
#undef KERNEL
      },
  };
#else
  static const Level all[] = {{
      "generic",
      true,
#define KERNEL(type, name, parameters, arguments) nep_generic::name,
#include "kernels.def"
#undef KERNEL
  }};
#endif
  *count = sizeof all / sizeof *all;
  return all;
}

// Java has refused an unknown cap before it loads the library; here one simply bounds nothing.
const char* cap() {
  const char* value = std::getenv("NEPENTHE_MAX_ISA");
  return value == nullptr ? "" : value;
}

const Level& choose() {
  size_t count;
  const Level* all = levels(&count);
  const Level* chosen = &all[0];
  for (size_t i = 0; i < count && all[i].supported; i++) {
    chosen = &all[i];
    if (std::strcmp(all[i].name, cap()) == 0) break;
  }
  return *chosen;
}

const Level& level() {
  static const Level& chosen = choose();
  return chosen;
}

int64_t give(const std::string& value, uint8_t* text, int64_t capacity) {
  const int64_t length = static_cast<int64_t>(value.size());
  std::memcpy(text, value.data(), static_cast<size_t>(length < capacity ? length : capacity));
  return length;
}

}  // namespace

NEP_EXPORT int64_t nep_header_hash(uint8_t* text, int64_t capacity) {
  return give(NEPENTHE_HEADER_HASH, text, capacity);
}

NEP_EXPORT int64_t nep_describe(uint8_t* text, int64_t capacity) {
  std::string out = std::string("isa=") + level().name + "\nisa.supported=";
  size_t count;
  const Level* all = levels(&count);
  for (size_t i = 0; i < count && all[i].supported; i++) out += std::string(i > 0 ? "," : "") + all[i].name;
  out += std::string("\nisa.cap=") + cap();
  out += "\ncompiler=g++ " __VERSION__;
  const dnnl_version_t* dnnl = dnnl_version();
  out += "\nonednn=" + std::to_string(dnnl->major) + "." + std::to_string(dnnl->minor) + "." +
         std::to_string(dnnl->patch);
  out += "\nthreads=" + std::to_string(omp_get_num_procs()) + "\n";
  return give(out, text, capacity);
}

NEP_EXPORT int32_t nep_startable_threads(int32_t wanted) {
  std::mutex gate;
  std::vector<std::thread> others;
  gate.lock();
  try {
    while (static_cast<int32_t>(others.size()) + 1 < wanted) {
      others.emplace_back([&gate] { const std::lock_guard<std::mutex> passed(gate); });
    }
  } catch (const std::exception&) {
    // The system starts no more, or has no memory to note another.
  }
  gate.unlock();
  for (std::thread& other : others) other.join();
  return static_cast<int32_t>(others.size()) + 1;
}

#define KERNEL(type, name, parameters, arguments) \
  NEP_EXPORT type nep_##name parameters { return level().name arguments; }
#include "kernels.def"
