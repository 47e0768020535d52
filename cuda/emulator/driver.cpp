// CUDA's driver API, as far as JCudaDriver.java calls it, over the emulator: named libcuda.so.1 in a folder
// of its own, it lets the tests run that class, JCuda and its natives on a machine without a GPU. Handles are
// small numbers.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>

#include "emulator.h"

#define NEP_API extern "C" __attribute__((visibility("default")))

namespace {

constexpr int SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500, LAUNCH_FAILED = 719;
constexpr uint64_t TOTAL = uint64_t{1} << 30;

// Kernels by handle; the deque keeps their addresses.
std::deque<std::string> kernels;

int variable(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

}  // namespace

NEP_API int cuInit(unsigned) { return variable("FAKE_CUDA_INIT", SUCCESS); }
NEP_API int cuDriverGetVersion(int* version) {
  *version = variable("FAKE_CUDA_VERSION", 13000);
  return SUCCESS;
}
NEP_API int cuDeviceGetCount(int* count) {
  *count = variable("FAKE_CUDA_DEVICES", 1);
  return SUCCESS;
}
NEP_API int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return SUCCESS;
}
NEP_API int cuDeviceGetName(char* name, int length, int) {
  std::strncpy(name, "Emulator behind the driver API", static_cast<size_t>(length));
  return SUCCESS;
}
NEP_API int cuDeviceGetAttribute(int* value, int, int) {
  *value = 2;
  return SUCCESS;
}
NEP_API int cuDevicePrimaryCtxRetain(void** context, int) {
  *context = reinterpret_cast<void*>(uintptr_t{1});
  return SUCCESS;
}
NEP_API int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
NEP_API int cuDevicePrimaryCtxRelease(int) { return SUCCESS; }
NEP_API int cuCtxSetCurrent(void*) { return SUCCESS; }
NEP_API int cuStreamCreate(void** stream, unsigned) {
  *stream = reinterpret_cast<void*>(uintptr_t{2});
  return SUCCESS;
}
NEP_API int cuStreamSynchronize(void*) { return SUCCESS; }
NEP_API int cuStreamDestroy_v2(void*) { return SUCCESS; }
NEP_API int cuMemAllocHost_v2(void** memory, size_t bytes) {
  *memory = std::malloc(bytes);
  return *memory == nullptr ? OUT_OF_MEMORY : SUCCESS;
}
NEP_API int cuMemFreeHost(void* memory) {
  std::free(memory);
  return SUCCESS;
}
NEP_API int cuMemGetInfo_v2(size_t* free, size_t* total) {
  *total = TOTAL;
  *free = TOTAL - static_cast<size_t>(nep_emulator_live_bytes());
  return SUCCESS;
}
NEP_API int cuMemAlloc_v2(uint64_t* address, size_t bytes) {
  if (bytes > TOTAL - static_cast<size_t>(nep_emulator_live_bytes())) return OUT_OF_MEMORY;
  *address = nep_emulator_allocate(static_cast<int64_t>(bytes));
  return *address == 0 ? OUT_OF_MEMORY : SUCCESS;
}
NEP_API int cuMemFree_v2(uint64_t address) {
  return nep_emulator_free(address) == 0 ? SUCCESS : INVALID_VALUE;
}
NEP_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t bytes, void*) {
  return nep_emulator_upload(to, from, static_cast<int64_t>(bytes)) == 0 ? SUCCESS : INVALID_VALUE;
}
NEP_API int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t bytes, void*) {
  return nep_emulator_download(to, from, static_cast<int64_t>(bytes)) == 0 ? SUCCESS : INVALID_VALUE;
}
NEP_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void*) {
  return nep_emulator_copy(to, from, static_cast<int64_t>(bytes)) == 0 ? SUCCESS : INVALID_VALUE;
}
NEP_API int cuMemsetD8Async(uint64_t to, unsigned char, size_t bytes, void*) {
  return nep_emulator_clear(to, static_cast<int64_t>(bytes)) == 0 ? SUCCESS : INVALID_VALUE;
}
// A fatbin begins with its magic number.
NEP_API int cuModuleLoadData(void** module, const void* image) {
  uint32_t magic;
  std::memcpy(&magic, image, sizeof magic);
  *module = reinterpret_cast<void*>(uintptr_t{3});
  return magic == 0xba55ed50u ? SUCCESS : INVALID_VALUE;
}
NEP_API int cuModuleUnload(void*) { return SUCCESS; }
NEP_API int cuModuleGetFunction(void** function, void*, const char* name) {
  if (nep_emulator_threads(name) == 0) return NOT_FOUND;
  kernels.emplace_back(name);
  *function = &kernels.back();
  return SUCCESS;
}
NEP_API int cuFuncGetAttribute(int* value, int, void* function) {
  *value = nep_emulator_threads(static_cast<std::string*>(function)->c_str());
  return SUCCESS;
}
NEP_API int cuLaunchKernel(void* function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned,
                           unsigned, unsigned shared, void*, void** arguments, void**) {
  const char* name = static_cast<std::string*>(function)->c_str();
  if (static_cast<int>(threads) != nep_emulator_threads(name)) return INVALID_VALUE;
  return nep_emulator_launch(name, x, y, z, shared, arguments) == 0 ? SUCCESS : LAUNCH_FAILED;
}
NEP_API int cuEventCreate(void** event, unsigned) {
  *event = new std::chrono::steady_clock::time_point;
  return SUCCESS;
}
NEP_API int cuEventDestroy_v2(void* event) {
  delete static_cast<std::chrono::steady_clock::time_point*>(event);
  return SUCCESS;
}
NEP_API int cuEventRecord(void* event, void*) {
  *static_cast<std::chrono::steady_clock::time_point*>(event) = std::chrono::steady_clock::now();
  return SUCCESS;
}
NEP_API int cuEventSynchronize(void*) { return SUCCESS; }
NEP_API int cuEventElapsedTime(float* milliseconds, void* start, void* end) {
  const auto from = *static_cast<std::chrono::steady_clock::time_point*>(start);
  const auto to = *static_cast<std::chrono::steady_clock::time_point*>(end);
  *milliseconds = std::chrono::duration<float, std::milli>(to - from).count();
  return SUCCESS;
}
NEP_API int cuEventElapsedTime_v2(float* milliseconds, void* start, void* end) {
  return cuEventElapsedTime(milliseconds, start, end);
}
NEP_API int cuGetErrorName(int, const char** text) {
  *text = "EMULATED_ERROR";
  return SUCCESS;
}
NEP_API int cuGetErrorString(int, const char** text) {
  *text = "the emulator says so";
  return SUCCESS;
}
