// The stand-ins of CUDA's libraries compute when they are called. Behind the driver's stand-in (driver.cpp)
// nothing that a stream was given has happened by then, copies of their operands not either: a library's
// work comes after it.
#pragma once

#include <dlfcn.h>

// What a handle of a stand-in knows.
struct StreamHandle {
  void* stream = nullptr;
};

// Waits for what the stream was given, if the process has a driver.
inline void after(const StreamHandle* handle) {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (driver == nullptr) return;  // on the emulator alone everything has happened
  if (void* wait = dlsym(driver, "cuStreamSynchronize"))
    reinterpret_cast<int (*)(void*)>(wait)(handle->stream);
  dlclose(driver);
}
