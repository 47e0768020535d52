#include "counts.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace ptx {
namespace {

constexpr unsigned BANKS = 32, BANK_BYTES = 4, SECTOR = 32;

const char* file() {
  static const char* name = std::getenv("FAKE_CUDA_COUNTS");
  return name == nullptr || *name == '\0' ? nullptr : name;
}

// Eight bytes a lane go by half warps, sixteen by quarters; words that are the same are read once.
void shared(Counts& counts, Mask mask, unsigned bytes, const std::function<uint64_t(unsigned)>& address) {
  const unsigned words = std::max(1u, bytes / BANK_BYTES), together = LANES / words;
  for (unsigned first = 0; first < LANES; first += together) {
    std::array<std::set<uint64_t>, BANKS> banks;
    uint64_t most = 0;
    each(mask & (together == LANES ? ALL : ((Mask{1} << together) - 1) << first), [&](unsigned l) {
      for (unsigned n = 0; n < words; n++) {
        const uint64_t word = address(l) / BANK_BYTES + n;
        banks[word % BANKS].insert(word);
        most = std::max<uint64_t>(most, banks[word % BANKS].size());
      }
    });
    counts.shared_wavefronts += most;
    counts.shared_least += most > 0 ? 1 : 0;
  }
}

}  // namespace

bool counting() { return file() != nullptr; }

void count(Warp& warp, const Instruction& instruction, Mask mask) {
  Counts& counts = *warp.block->counts;
  counts.instructions++;
  counts.lanes += static_cast<uint64_t>(std::popcount(mask));
  counts.matrix_products += instruction.matrix ? 1 : 0;
  counts.barriers += instruction.flow == Flow::BARRIER ? 1 : 0;
}

void count_access(Warp& warp, Space space, Mask mask, unsigned bytes,
                  const std::function<uint64_t(unsigned)>& address) {
  if (mask == 0) return;
  Counts& counts = *warp.block->counts;
  if (space == Space::GENERIC) {
    const uint64_t any = address(static_cast<unsigned>(std::countr_zero(mask)));
    space = any - SHARED_WINDOW < WINDOW  ? Space::SHARED
            : any - LOCAL_WINDOW < WINDOW ? Space::LOCAL
                                          : Space::GLOBAL;
  }
  if (space == Space::GLOBAL) {
    std::set<uint64_t> sectors;
    each(mask, [&](unsigned l) { sectors.insert(address(l) / SECTOR); });
    counts.global_requests++;
    counts.global_sectors += sectors.size();
  } else if (space == Space::SHARED) {
    counts.shared_requests++;
    shared(counts, mask, bytes, address);
  } else if (space == Space::LOCAL) {
    counts.local_requests++;
  }
}

void write_counts(const Kernel& kernel, const unsigned (&grid)[3], const Counts& c) {
  std::FILE* out = std::fopen(file(), "a");
  if (out == nullptr) return;
  std::fprintf(out,
               "{\"kernel\":\"%s\",\"grid\":[%u,%u,%u],\"threads\":%d,\"instructions\":%lu,\"lanes\":%lu,"
               "\"matrixProducts\":%lu,\"barriers\":%lu,\"globalRequests\":%lu,\"globalSectors\":%lu,"
               "\"sharedRequests\":%lu,\"sharedWavefronts\":%lu,\"sharedLeast\":%lu,\"localRequests\":%lu}\n",
               kernel.name.c_str(), grid[0], grid[1], grid[2], kernel.threads, c.instructions, c.lanes,
               c.matrix_products, c.barriers, c.global_requests, c.global_sectors, c.shared_requests,
               c.shared_wavefronts, c.shared_least, c.local_requests);
  std::fclose(out);
}

}  // namespace ptx
