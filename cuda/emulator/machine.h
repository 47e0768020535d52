// The running block as the emulator knows it: its threads, and what each of them waits for. scheduler.cpp
// runs them; hopper.cpp has what a warpgroup asks for, and barriers in memory.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "device.h"
#include "emulator.h"
#include "fiber.h"

namespace nep {

constexpr uint32_t LANES = 32;
constexpr uint32_t WARPGROUP = 128;

enum class State { READY, BARRIER, COLLECTIVE, MEMORY_BARRIER, DONE };

struct Copy {
  void* target;
  const void* source;
  int bytes, from_source, group;
};

struct Thread {
  Fiber fiber;
  State state = State::READY;
  Actor actor;
  std::vector<uint32_t> seen;  // what it knows of every thread's clock
  Collective what = Collective::SYNC;
  uint32_t mask = 0;
  uint64_t part = 0;
  uint64_t parts[LANES] = {};
  std::vector<Copy> copies;
  int groups = 0;
  // A fence between the generic and the asynchronous proxy covers what was written up to this clock.
  struct Fence {
    uint32_t epoch, clock;
  };
  std::vector<Fence> fences;
  uintptr_t awaited = 0;  // the barrier in memory, and the parity of its phase
  uint32_t parity = 0;
};

// A wgmma of one warp that nobody has waited for: 16 rows of its warpgroup's 64.
struct Product {
  WarpgroupOperands operands;
  float* d[LANES];
  int group;
  std::vector<float> a, b;  // as they were when it was issued
};

struct Warp {
  std::vector<Product> products;
  int groups = 0;
  size_t issued = 0;
};

// An mbarrier.
struct MemoryBarrier {
  uint32_t count = 0, pending = 0, parity = 0;
  std::vector<uint32_t> known, published;  // clocks of those who arrived; of those of complete phases
};

// SplitMix64 (Steele, Lea, Flood 2014).
struct Random {
  uint64_t state = 1;
  uint64_t next() {
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  uint32_t below(uint32_t n) { return static_cast<uint32_t>((next() >> 32) * n >> 32); }
};

// The first four are drawn.
enum class Temperament { FAIR, AHEAD, RESTLESS, DESCENDING, IN_ORDER };

struct Machine {
  Fiber host;
  std::vector<Thread> threads;
  char* stacks = nullptr;
  Coordinates where;
  Random random;
  Temperament temperament = Temperament::FAIR;
  std::vector<uint32_t> order;  // of warps, the first preferred
  size_t next = 0;              // where a block that runs in order goes on
  Thread* running = nullptr;
  const Registration* kernel = nullptr;
  void** arguments = nullptr;
  void* dynamic = nullptr;
  uint32_t launch = 0;
  std::string error;
  bool failed = false;
  std::vector<Warp> warps;
  std::vector<std::vector<WarpgroupOperands>> issued;  // by warpgroup
  std::map<uintptr_t, MemoryBarrier> barriers;
};

Machine& machine();
// Stops the running thread in this state; the scheduler goes on.
void leave(State state);
// Raises each clock of `to` to that of `from`.
void learn(std::vector<uint32_t>& to, const std::vector<uint32_t>& from);

// What hopper.cpp does where a warp's lanes have all come.
bool of_warpgroup(Collective what);
void warpgroup_collective(Collective what, uint32_t warp, const uint64_t* parts);
// Whether all of a block's warps may end.
void check_end(uint32_t warp);
// Judges a read of 16 bytes of shared memory by the asynchronous proxy, for the running thread.
void access_async(uintptr_t address);
// Judges the target of a copy that begins: from now on it may be written, at the latest when it was waited
// for.
void access_begun(uintptr_t address, int bytes);
// Whether a thread made such a fence after its write of that clock, and before what orders that for the
// reader.
bool fenced(uint16_t writer, uint32_t clock, const Actor& reader);
// Why the stuck thread waits.
std::string describe_wait(const Thread& stuck);

}  // namespace nep
