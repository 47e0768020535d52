// What a profiler would count of a launch, as far as PTX shows it: FAKE_CUDA_COUNTS names a file that gets a
// line of JSON for each. They are counts, not times; the machine code has other instructions.
#pragma once

#include <functional>

#include "ptx.h"

namespace ptx {

struct Counts {
  uint64_t instructions = 0;                            // of warps
  uint64_t lanes = 0;                                   // that took part in them
  uint64_t matrix_products = 0;                         // mma.sync and wgmma, of warps
  uint64_t barriers = 0;                                // that warps came to
  uint64_t global_requests = 0, global_sectors = 0;     // of warps; of 32 bytes
  uint64_t shared_requests = 0, shared_wavefronts = 0;  // of warps; passes over the banks
  uint64_t shared_least = 0;                            // passes if no two lanes met in a bank
  uint64_t local_requests = 0;
};

// Whether anyone asked.
bool counting();
// An instruction of a warp, and what it does to memory: each lane's first address.
void count(Warp& warp, const Instruction& instruction, Mask mask);
void count_access(Warp& warp, Space space, Mask mask, unsigned bytes,
                  const std::function<uint64_t(unsigned)>& address);
void write_counts(const Kernel& kernel, const unsigned (&grid)[3], const Counts& counts);

}  // namespace ptx
