// The emulator's C ABI (EmulatedDriver.java binds it), and what its two halves tell each other: scheduler.cpp
// runs blocks, memory.cpp owns the device's memory and judges every access.
#pragma once

#include <cstdint>

#pragma GCC visibility push(default)
extern "C" {
// The memory of the device; 0 when it has no room. Addresses are aligned to 256 bytes, red zones lie between.
uint64_t nep_emulator_allocate(int64_t bytes);
// 0, or 1 if nothing was allocated there.
int32_t nep_emulator_free(uint64_t address);
int64_t nep_emulator_live_bytes();
// An allocation is used anew: its first bytes hold nothing yet, those behind them are out of bounds.
void nep_emulator_renew(uint64_t address, int64_t bytes);
// 0, or 1 if the range does not lie within one allocation.
int32_t nep_emulator_upload(uint64_t to, const void* from, int64_t bytes);
int32_t nep_emulator_download(void* to, uint64_t from, int64_t bytes);
int32_t nep_emulator_copy(uint64_t to, uint64_t from, int64_t bytes);
int32_t nep_emulator_clear(uint64_t to, int64_t bytes);
// Decides the order in which warps and lanes run from now on.
void nep_emulator_seed(uint64_t seed);
// Threads a block of a kernel, or 0 if there is none of that name.
int32_t nep_emulator_threads(const char* kernel);
// A letter for each of its parameters, in the buffer convention of nep_emulator_error: l eight bytes, i four,
// f float, d double. Empty if there is none of that name.
int64_t nep_emulator_signature(const char* kernel, uint8_t* text, int64_t capacity);
// Runs every block; 0, or 1 and an error that nep_emulator_error tells.
int32_t nep_emulator_launch(const char* kernel, int64_t grid_x, int64_t grid_y, int64_t grid_z,
                            int64_t shared_bytes, void** arguments);
// Writes at most `capacity` bytes of the last error, no terminator, and returns its full length.
int64_t nep_emulator_error(uint8_t* text, int64_t capacity);
}
#pragma GCC visibility pop

namespace nep {

// What holds a thread's accumulators of a wgmma: instructions that nobody waited for; or nothing, and then
// whether they were touched since the last wgmma.fence.
enum class Held : uint8_t { NOTHING, PRODUCT, FENCED };

// Who makes an access. The clock counts this thread's own __syncwarps, arrivals at barriers in memory and
// fences; seen[t] is what it knows of thread t's.
struct Actor {
  uint32_t launch = 0, block = 0, epoch = 0;
  uint16_t thread = 0;
  uint32_t clock = 0;
  const uint32_t* seen = nullptr;
  mutable uintptr_t accumulators = 0, accumulators_end = 0;
  mutable Held held = Held::NOTHING;
};

// Without, no access is judged and no schedule drawn: a block's threads run in order, many times faster.
#if defined(NEP_UNCHECKED)
inline constexpr bool checks = false;
#else
inline constexpr bool checks = true;
#endif

// Of the running thread, or nullptr outside a kernel. Variables: every access reads them.
extern const Actor* actor;
// Whether the running block may be stopped at an access.
extern bool restless;
// Ends the launch with this error; does not return.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));
// In a restless block, now and then lets another thread run.
void maybe_yield();

// Judges an access by the running thread.
void access(uintptr_t address, int bytes, bool write, bool atomic);
// Room for dynamic shared memory, which is judged as shared memory is.
void* reserve_dynamic_shared(int64_t bytes);

}  // namespace nep
