// CUDA's driver API, as far as JCudaDriver.java calls it, over the emulator: named libcuda.so.1 in a folder
// of its own, it lets the tests run that class, JCuda and its natives on a machine without a GPU. It is
// stricter than a device: nothing that a stream was given happens before somebody waits for it; every call
// needs the context of its own thread, and handles that are still good; a kernel that failed leaves the
// context broken until it is reset. What a real driver lets pass and punishes later ends the process, with a
// word on stderr. FAKE_CUDA_MULTIPROCESSORS is how many it says it has. With FAKE_CUDA_DRY=1 it is a large
// device that judges calls and does nothing: sizes that only such a device holds can be asked for, and their
// results mean nothing.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "emulator.h"

#define NEP_API extern "C" __attribute__((visibility("default")))

namespace {

enum Result {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  CONTEXT_IS_DESTROYED = 709,
  LAUNCH_FAILED = 719,
};
constexpr int MISUSE = 86;  // the process's exit status
constexpr uint64_t TOTAL = uint64_t{1} << 30, LARGE_TOTAL = uint64_t{139} << 30;
constexpr int MULTIPROCESSORS = 2, LARGE_MULTIPROCESSORS = 132;
constexpr unsigned MOST_Y = 65535, SHARED_WITHOUT_ASKING = 48 << 10, MOST_SHARED = 232448;
constexpr int LEAST_CAPABILITY = 80;  // cuda.cmake compiles for no older chip

enum class Kind { STREAM, EVENT, MODULE, FUNCTION };

struct Object {
  Kind kind;
  std::string name;                                 // of a function
  uintptr_t module = 0;                             // a function's
  unsigned shared = SHARED_WITHOUT_ASKING;          // dynamic shared memory that a function may be given
  std::chrono::steady_clock::time_point time = {};  // an event's
  bool recorded = false, passed = false;
};

bool initialised = false;
int retained = 0;
uintptr_t context = 0x100;  // the primary one; another number after each reset or last release
int broken = SUCCESS;
thread_local uintptr_t current = 0;
std::map<uintptr_t, Object> objects;
uintptr_t next_handle = 0x1000;
std::map<uintptr_t, size_t> pinned;
std::map<uint64_t, size_t> allocated;
std::vector<std::function<int()>> pending;

int variable(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

bool dry() {
  static const bool set = variable("FAKE_CUDA_DRY", 0) != 0;
  return set;
}

uint64_t total() { return dry() ? LARGE_TOTAL : TOTAL; }

uint64_t live() {
  uint64_t bytes = 0;
  for (const auto& [address, size] : allocated) bytes += size;
  return bytes;
}

uint64_t allocate(size_t bytes) {
  static uint64_t next = uint64_t{1} << 40;
  if (!dry()) return nep_emulator_allocate(static_cast<int64_t>(bytes));
  next += (bytes + 511) / 256 * 256;
  return next - (bytes + 255) / 256 * 256;
}

bool release(uint64_t address) {
  const bool known = allocated.erase(address) > 0;
  return known && (dry() || nep_emulator_free(address) == 0);
}

// Whether the range lies within one allocation.
bool inside(uint64_t at, size_t bytes) {
  auto after = allocated.upper_bound(at);
  if (after == allocated.begin()) return false;
  const auto [begin, size] = *--after;
  return at + bytes <= begin + size;
}

[[noreturn]] void misuse(const char* what) {
  std::fprintf(stderr, "driver misuse: %s\n", what);
  std::fflush(stderr);
  _exit(MISUSE);
}

// What every call that works on a context begins with.
int ready() {
  if (!initialised) return NOT_INITIALIZED;
  if (current == 0) return INVALID_CONTEXT;
  if (current != context || retained == 0) return CONTEXT_IS_DESTROYED;
  return broken;
}

// Does what was asked for so far, or only what an event waits for.
int drain(const Object* until = nullptr) {
  size_t done = 0;
  while (done < pending.size() && !(until != nullptr && (until->passed || !until->recorded))) {
    if (broken == SUCCESS) broken = pending[done]();
    done++;
  }
  pending.erase(pending.begin(), pending.begin() + static_cast<std::ptrdiff_t>(done));
  return broken;
}

Object* find(const void* handle, Kind kind) {
  const auto at = objects.find(reinterpret_cast<uintptr_t>(handle));
  return at == objects.end() || at->second.kind != kind ? nullptr : &at->second;
}

void* make(Object object) {
  next_handle += 0x10;
  objects[next_handle] = std::move(object);
  return reinterpret_cast<void*>(next_handle);
}

void end_context() {
  pending.clear();
  objects.clear();
  while (!allocated.empty()) release(allocated.begin()->first);
  for (const auto& [address, bytes] : pinned) std::free(reinterpret_cast<void*>(address));
  pinned.clear();
  broken = SUCCESS;
  context += 0x100;
}

int enqueue(const void* stream, std::function<int()> work) {
  if (const int status = ready()) return status;
  if (find(stream, Kind::STREAM) == nullptr) return INVALID_HANDLE;
  pending.push_back(std::move(work));
  return SUCCESS;
}

void require_pinned(const void* from, size_t bytes) {
  const uintptr_t at = reinterpret_cast<uintptr_t>(from);
  auto after = pinned.upper_bound(at);
  if (after == pinned.begin()) misuse("an asynchronous copy of memory that is not pinned");
  const auto [begin, size] = *--after;
  if (at + bytes > begin + size) misuse("an asynchronous copy past the end of pinned memory");
}

// A copy between ranges of device memory, or of one range.
int copy(const void* stream, uint64_t one, uint64_t other, size_t bytes, const std::function<int()>& work) {
  if (!inside(one, bytes) || !inside(other, bytes)) return INVALID_VALUE;
  return enqueue(stream, [=] { return dry() || work() == 0 ? SUCCESS : LAUNCH_FAILED; });
}

}  // namespace

NEP_API int cuInit(unsigned) {
  initialised = true;
  return variable("FAKE_CUDA_INIT", SUCCESS);
}
NEP_API int cuDriverGetVersion(int* version) {
  *version = variable("FAKE_CUDA_VERSION", 13000);
  return SUCCESS;
}
NEP_API int cuDeviceGetCount(int* count) {
  *count = variable("FAKE_CUDA_DEVICES", 1);
  return initialised ? SUCCESS : NOT_INITIALIZED;
}
NEP_API int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  if (!initialised) return NOT_INITIALIZED;
  return ordinal >= 0 && ordinal < variable("FAKE_CUDA_DEVICES", 1) ? SUCCESS : INVALID_DEVICE;
}
NEP_API int cuDeviceGetName(char* name, int length, int) {
  std::strncpy(name, "Emulator behind the driver API", static_cast<size_t>(length));
  return initialised ? SUCCESS : NOT_INITIALIZED;
}
NEP_API int cuDeviceGetAttribute(int* value, int attribute, int) {
  const int capability = variable("FAKE_CUDA_CAPABILITY", 90);
  switch (attribute) {
    case 16:  // CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
      *value = variable("FAKE_CUDA_MULTIPROCESSORS", dry() ? LARGE_MULTIPROCESSORS : MULTIPROCESSORS);
      break;
    case 75:  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, then _MINOR
      *value = capability / 10;
      break;
    case 76:
      *value = capability % 10;
      break;
    default:
      return INVALID_VALUE;
  }
  return initialised ? SUCCESS : NOT_INITIALIZED;
}
NEP_API int cuDevicePrimaryCtxRetain(void** out, int) {
  if (!initialised) return NOT_INITIALIZED;
  if (broken != SUCCESS) return broken;
  retained++;
  *out = reinterpret_cast<void*>(context);
  return SUCCESS;
}
NEP_API int cuDevicePrimaryCtxRelease_v2(int) {
  if (retained == 0) return INVALID_CONTEXT;
  if (--retained == 0) end_context();
  return SUCCESS;
}
NEP_API int cuDevicePrimaryCtxRelease(int device) { return cuDevicePrimaryCtxRelease_v2(device); }
NEP_API int cuDevicePrimaryCtxReset_v2(int) {
  end_context();
  return SUCCESS;
}
NEP_API int cuDevicePrimaryCtxReset(int device) { return cuDevicePrimaryCtxReset_v2(device); }
NEP_API int cuCtxSetCurrent(void* wanted) {
  if (!initialised) return NOT_INITIALIZED;
  const uintptr_t number = reinterpret_cast<uintptr_t>(wanted);
  if (number != 0 && (number != context || retained == 0)) return INVALID_CONTEXT;
  current = number;
  return SUCCESS;
}
NEP_API int cuStreamCreate(void** stream, unsigned) {
  if (const int status = ready()) return status;
  *stream = make({Kind::STREAM, {}});
  return SUCCESS;
}
NEP_API int cuStreamSynchronize(void* stream) {
  if (const int status = ready()) return status;
  return find(stream, Kind::STREAM) == nullptr ? static_cast<int>(INVALID_HANDLE) : drain();
}
NEP_API int cuStreamDestroy_v2(void* stream) {
  if (const int status = ready()) return status;
  if (find(stream, Kind::STREAM) == nullptr) return INVALID_HANDLE;
  objects.erase(reinterpret_cast<uintptr_t>(stream));
  return SUCCESS;
}
NEP_API int cuMemAllocHost_v2(void** memory, size_t bytes) {
  if (const int status = ready()) return status;
  *memory = std::malloc(bytes);
  if (*memory == nullptr) return OUT_OF_MEMORY;
  pinned[reinterpret_cast<uintptr_t>(*memory)] = bytes;
  return SUCCESS;
}
NEP_API int cuMemFreeHost(void* memory) {
  if (const int status = ready()) return status;
  if (!pending.empty()) misuse("pinned memory is freed while copies may run");
  if (pinned.erase(reinterpret_cast<uintptr_t>(memory)) == 0) return INVALID_VALUE;
  std::free(memory);
  return SUCCESS;
}
NEP_API int cuMemGetInfo_v2(size_t* free, size_t* all) {
  *all = total();
  *free = total() - live();
  return ready();
}
NEP_API int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  if (const int status = ready()) return status;
  if (bytes == 0) return INVALID_VALUE;
  if (bytes > total() - live()) return OUT_OF_MEMORY;
  *address = allocate(bytes);
  if (*address == 0) return OUT_OF_MEMORY;
  allocated[*address] = bytes;
  return SUCCESS;
}
NEP_API int cuMemFree_v2(uint64_t address) {
  if (const int status = ready()) return status;
  if (!pending.empty()) misuse("device memory is freed while kernels may run");
  return release(address) ? SUCCESS : INVALID_VALUE;
}
NEP_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void* stream) {
  require_pinned(from, bytes);
  return copy(stream, to, to, bytes,
              [=] { return nep_emulator_upload(to, from, static_cast<int64_t>(bytes)); });
}
NEP_API int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void* stream) {
  require_pinned(to, bytes);
  if (dry()) std::memset(to, 0, bytes);
  return copy(stream, from, from, bytes,
              [=] { return nep_emulator_download(to, from, static_cast<int64_t>(bytes)); });
}
NEP_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void* stream) {
  return copy(stream, to, from, bytes,
              [=] { return nep_emulator_copy(to, from, static_cast<int64_t>(bytes)); });
}
NEP_API int cuMemsetD8Async(uint64_t to, unsigned char, size_t bytes, void* stream) {
  return copy(stream, to, to, bytes, [=] { return nep_emulator_clear(to, static_cast<int64_t>(bytes)); });
}
// A fatbin begins with its magic number.
NEP_API int cuModuleLoadData(void** module, const void* image) {
  if (const int status = ready()) return status;
  uint32_t magic;
  std::memcpy(&magic, image, sizeof magic);
  if (magic != 0xba55ed50u) return INVALID_IMAGE;
  if (variable("FAKE_CUDA_CAPABILITY", 90) < LEAST_CAPABILITY) return NO_BINARY_FOR_GPU;
  *module = make({Kind::MODULE, {}});
  return SUCCESS;
}
NEP_API int cuModuleUnload(void* module) {
  if (const int status = ready()) return status;
  if (!pending.empty()) misuse("a module is unloaded while kernels may run");
  if (find(module, Kind::MODULE) == nullptr) return INVALID_HANDLE;
  const uintptr_t gone = reinterpret_cast<uintptr_t>(module);
  for (auto at = objects.begin(); at != objects.end();) {
    at = at->first == gone || at->second.module == gone ? objects.erase(at) : std::next(at);
  }
  return SUCCESS;
}
NEP_API int cuModuleGetFunction(void** function, void* module, const char* name) {
  if (const int status = ready()) return status;
  if (find(module, Kind::MODULE) == nullptr) return INVALID_HANDLE;
  if (nep_emulator_threads(name) == 0) return NOT_FOUND;
  *function = make({Kind::FUNCTION, name, reinterpret_cast<uintptr_t>(module)});
  return SUCCESS;
}
NEP_API int cuFuncGetAttribute(int* value, int attribute, void* handle) {
  if (const int status = ready()) return status;
  const Object* function = find(handle, Kind::FUNCTION);
  if (function == nullptr) return INVALID_HANDLE;
  if (attribute != 0) return INVALID_VALUE;  // CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK
  *value = nep_emulator_threads(function->name.c_str());
  return SUCCESS;
}
NEP_API int cuFuncSetAttribute(void* handle, int attribute, int value) {
  if (const int status = ready()) return status;
  Object* function = find(handle, Kind::FUNCTION);
  if (function == nullptr) return INVALID_HANDLE;
  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
  if (attribute != 8 || value < 0 || static_cast<unsigned>(value) > MOST_SHARED) return INVALID_VALUE;
  function->shared = static_cast<unsigned>(value);
  return SUCCESS;
}
// The values of the arguments are taken when it is called, as the driver does.
NEP_API int cuLaunchKernel(void* handle, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned,
                           unsigned, unsigned shared, void* stream, void** arguments, void**) {
  if (const int status = ready()) return status;
  const Object* function = find(handle, Kind::FUNCTION);
  if (function == nullptr) return INVALID_HANDLE;
  const std::string name = function->name;
  if (x == 0 || y == 0 || z == 0 || x > 0x7fffffffu || y > MOST_Y || z > MOST_Y ||
      shared > function->shared || static_cast<int>(threads) != nep_emulator_threads(name.c_str())) {
    return INVALID_VALUE;
  }
  uint8_t letters[32];
  const int64_t count = nep_emulator_signature(name.c_str(), letters, sizeof letters);
  std::vector<uint64_t> values(static_cast<size_t>(count));
  for (size_t i = 0; i < values.size(); i++) {
    std::memcpy(&values[i], arguments[i], letters[i] == 'i' || letters[i] == 'f' ? 4 : 8);
  }
  return enqueue(stream, [=]() mutable {
    if (dry()) return static_cast<int>(SUCCESS);
    std::vector<void*> slots;
    for (uint64_t& value : values) slots.push_back(&value);
    if (nep_emulator_launch(name.c_str(), x, y, z, shared, slots.data()) == 0)
      return static_cast<int>(SUCCESS);
    uint8_t text[512];
    const int64_t length = nep_emulator_error(text, sizeof text);
    std::fprintf(stderr, "emulator: %.*s\n", static_cast<int>(length < 512 ? length : 512),
                 reinterpret_cast<const char*>(text));
    return static_cast<int>(LAUNCH_FAILED);
  });
}
NEP_API int cuEventCreate(void** event, unsigned) {
  if (const int status = ready()) return status;
  *event = make({Kind::EVENT, {}});
  return SUCCESS;
}
NEP_API int cuEventDestroy_v2(void* event) {
  if (const int status = ready()) return status;
  if (find(event, Kind::EVENT) == nullptr) return INVALID_HANDLE;
  objects.erase(reinterpret_cast<uintptr_t>(event));
  return SUCCESS;
}
NEP_API int cuEventRecord(void* event, void* stream) {
  if (const int status = ready()) return status;
  Object* recorded = find(event, Kind::EVENT);
  if (recorded == nullptr) return INVALID_HANDLE;
  recorded->recorded = true;
  recorded->passed = false;
  return enqueue(stream, [event] {
    if (Object* passed = find(event, Kind::EVENT)) {
      passed->time = std::chrono::steady_clock::now();
      passed->passed = true;
    }
    return static_cast<int>(SUCCESS);
  });
}
NEP_API int cuEventSynchronize(void* event) {
  if (const int status = ready()) return status;
  const Object* waited = find(event, Kind::EVENT);
  return waited == nullptr ? static_cast<int>(INVALID_HANDLE) : drain(waited);
}
NEP_API int cuEventElapsedTime(float* milliseconds, void* start, void* end) {
  if (const int status = ready()) return status;
  const Object *from = find(start, Kind::EVENT), *to = find(end, Kind::EVENT);
  if (from == nullptr || to == nullptr || !from->recorded || !to->recorded) return INVALID_HANDLE;
  if (!from->passed || !to->passed) return NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  return SUCCESS;
}
NEP_API int cuEventElapsedTime_v2(float* milliseconds, void* start, void* end) {
  return cuEventElapsedTime(milliseconds, start, end);
}
NEP_API int cuGetErrorName(int error, const char** text) {
  static std::string name;
  name = "EMULATED_ERROR_" + std::to_string(error);
  *text = name.c_str();
  return SUCCESS;
}
NEP_API int cuGetErrorString(int, const char** text) {
  *text = "the emulator says so";
  return SUCCESS;
}
