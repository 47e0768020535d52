// PTX's accesses to memory, and the memory of the device.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "../emulator.h"
#include "counts.h"

namespace ptx {
namespace {

std::map<uint64_t, int64_t> allocations;  // the device's: where they begin, and their bytes
constexpr size_t ALIGNMENT = 256;

// The allocation that was found last: most accesses are to one of a few.
uint64_t last_begin = 0, last_end = 0;

bool allocated(uint64_t address, int64_t bytes) {
  const uint64_t end = address + static_cast<uint64_t>(bytes);
  if (address >= last_begin && end <= last_end) return true;
  auto after = allocations.upper_bound(address);
  if (after == allocations.begin()) return false;
  --after;
  const uint64_t begin = after->first, there = begin + static_cast<uint64_t>(after->second);
  if (end > there) return false;
  last_begin = begin;
  last_end = there;
  return true;
}

// The access of an instruction by its address operand.
void count_own(Warp& w, const Instruction& i, Mask mask) {
  if (w.block->counts == nullptr) return;
  count_access(w, i.space, mask, static_cast<unsigned>(i.bytes) * i.vector,
               [&](unsigned l) { return w.at(i.s[0])[l] + static_cast<uint64_t>(i.offset); });
}

void load(Warp& w, const Instruction& i, Mask mask) {
  count_own(w, i, mask);
  each(mask, [&](unsigned l) {
    const uint64_t address = w.at(i.s[0])[l] + static_cast<uint64_t>(i.offset);
    const uint8_t* from = reach(w, i.space, l, address, i.bytes * i.vector);
    for (size_t n = 0; n < i.d.size(); n++, from += i.bytes) {
      uint64_t got = 0;
      std::memcpy(&got, from, i.bytes);
      if (i.k[0] != 0) {  // signed: fills its register
        const int unused = 64 - 8 * i.bytes;
        got = static_cast<uint64_t>(static_cast<int64_t>(got << unused) >> unused);
      }
      if (i.d[n] >= 0) w.at(i.d[n])[l] = got;
    }
  });
}

void store(Warp& w, const Instruction& i, Mask mask) {
  count_own(w, i, mask);
  each(mask, [&](unsigned l) {
    const uint64_t address = w.at(i.s[0])[l] + static_cast<uint64_t>(i.offset);
    uint8_t* to = reach(w, i.space, l, address, i.bytes * i.vector);
    for (size_t n = 1; n < i.s.size(); n++, to += i.bytes) std::memcpy(to, &w.at(i.s[n])[l], i.bytes);
  });
}

void atomic_add(Warp& w, const Instruction& i, Mask mask) {
  count_own(w, i, mask);
  each(mask, [&](unsigned l) {
    uint8_t* at = reach(w, i.space, l, w.at(i.s[0])[l] + static_cast<uint64_t>(i.offset), i.bytes);
    uint64_t old = 0;
    std::memcpy(&old, at, i.bytes);
    const uint64_t sum = old + w.at(i.s[1])[l];
    std::memcpy(at, &sum, i.bytes);
    if (!i.d.empty() && i.d[0] >= 0) w.at(i.d[0])[l] = old;
  });
}

void copy_async(Warp& w, const Instruction& i, Mask mask) {
  if (w.block->counts != nullptr) {
    const unsigned bytes = static_cast<unsigned>(w.at(i.s[2])[0]);
    count_access(w, Space::GLOBAL, mask, bytes,
                 [&](unsigned l) { return w.at(i.s[1])[l] + static_cast<uint64_t>(i.k[0]); });
    count_access(w, Space::SHARED, mask, bytes,
                 [&](unsigned l) { return w.at(i.s[0])[l] + static_cast<uint64_t>(i.offset); });
  }
  each(mask, [&](unsigned l) {
    const int bytes = static_cast<int>(w.at(i.s[2])[l]);
    const int given = i.s.size() > 3 ? std::min(bytes, static_cast<int>(w.at(i.s[3])[l])) : bytes;
    // The address of the second operand has an offset of its own.
    const uint64_t from = w.at(i.s[1])[l] + static_cast<uint64_t>(i.k[0]);
    w.copies[l].push_back({static_cast<uint32_t>(w.at(i.s[0])[l] + static_cast<uint64_t>(i.offset)), from,
                           bytes, given, w.groups[l]});
  });
}

void commit(Warp& w, const Instruction&, Mask mask) {
  each(mask, [&](unsigned l) { w.groups[l]++; });
}

void wait(Warp& w, const Instruction& i, Mask mask) {
  each(mask, [&](unsigned l) { finish_copies(w, l, static_cast<int>(w.at(i.s[0])[l])); });
}

void nothing(Warp&, const Instruction&, Mask) {}

// cvta: a generic address of one in a space, or the other way.
template <bool TO>
void convert_address(Warp& w, const Instruction& i, Mask mask) {
  const uint64_t window = i.space == Space::SHARED  ? SHARED_WINDOW
                          : i.space == Space::LOCAL ? LOCAL_WINDOW
                                                    : 0;
  each(mask, [&](unsigned l) { w.at(i.d[0])[l] = TO ? w.at(i.s[0])[l] - window : w.at(i.s[0])[l] + window; });
}

Space space_of(const Words& words) {
  if (has(words, "global")) return Space::GLOBAL;
  if (has(words, "shared") || has(words, "shared::cta")) return Space::SHARED;
  if (has(words, "local")) return Space::LOCAL;
  if (has(words, "param")) return Space::PARAM;
  if (has(words, "const")) return Space::CONSTANT;
  return Space::GENERIC;
}

}  // namespace

uint8_t* reach(Warp& warp, Space space, unsigned lane, uint64_t address, int bytes) {
  // A register of 32 bits and its offset wrap around: nvcc counts a loop from below the memory's beginning.
  if (space == Space::SHARED) address = static_cast<uint32_t>(address);
  if (address % static_cast<uint64_t>(bytes) != 0)
    fail(warp, "misaligned: " + std::to_string(bytes) + " bytes at " + std::to_string(address));
  if (space == Space::GENERIC) {
    if (address - SHARED_WINDOW < WINDOW) {
      space = Space::SHARED;
      address -= SHARED_WINDOW;
    } else if (address - LOCAL_WINDOW < WINDOW) {
      space = Space::LOCAL;
      address -= LOCAL_WINDOW;
    } else {
      space = Space::GLOBAL;
    }
  }
  if (space == Space::GLOBAL) {
    if (!allocated(address, bytes))
      fail(warp, "out of bounds: " + std::to_string(bytes) + " bytes of global memory");
    return reinterpret_cast<uint8_t*>(address);
  }
  Block& block = *warp.block;
  std::vector<uint8_t>* held = space == Space::SHARED  ? &block.shared
                               : space == Space::PARAM ? &block.parameters
                               : space == Space::LOCAL ? &block.local
                                                       : nullptr;
  if (held == nullptr) fail(warp, "constant memory is not known here");
  uint64_t begin = 0, size = held->size();
  if (space == Space::LOCAL) {
    size = static_cast<uint64_t>(block.local_bytes);
    begin = (warp.number * LANES + lane) * size;
  }
  if (address + static_cast<uint64_t>(bytes) > size) {
    fail(warp, "out of bounds: " + std::to_string(bytes) + " bytes at " + std::to_string(address) + " of " +
                   std::to_string(size));
  }
  return held->data() + begin + address;
}

void finish_copies(Warp& warp, unsigned lane, int left) {
  auto& copies = warp.copies[lane];
  std::erase_if(copies, [&](const Copy& copy) {
    if (copy.group >= warp.groups[lane] - left) return false;
    uint8_t* to = reach(warp, Space::SHARED, lane, copy.to, copy.bytes);
    std::memset(to, 0, static_cast<size_t>(copy.bytes));
    if (copy.given > 0)
      std::memcpy(to, reach(warp, Space::GLOBAL, lane, copy.from, copy.given),
                  static_cast<size_t>(copy.given));
    return true;
  });
}

bool decode_memory(const Words& words, Instruction& into) {
  const std::string &op = words[0], &type = words.back();
  into.space = space_of(words);
  if (op == "ld" || op == "ldu" || op == "st") {
    into.bytes = static_cast<uint8_t>(type_bytes(type));
    into.vector = has(words, "v4") ? 4 : has(words, "v2") ? 2 : 1;
    into.k[0] = type[0] == 's' ? 1 : 0;
    if (into.bytes == 0 || (op == "st" ? into.s.size() - 1 : into.d.size()) != into.vector) return false;
    into.handler = op == "st" ? store : load;
    return true;
  }
  if ((op == "atom" || op == "red") && has(words, "add") && type[0] != 'f') {
    into.bytes = static_cast<uint8_t>(type_bytes(type));
    into.handler = atomic_add;
    return true;
  }
  if (op == "cp" && words[1] == "async") {
    if (has(words, "commit_group"))
      into.handler = commit;
    else if (has(words, "wait_group"))
      into.handler = wait;
    else if (has(words, "shared") && has(words, "global"))
      into.handler = copy_async;
    return into.handler != nullptr;
  }
  if (op == "cvta") {
    into.handler = words[1] == "to" ? convert_address<true> : convert_address<false>;
    return true;
  }
  if (op == "fence" || op == "membar") {
    into.handler = nothing;
    return true;
  }
  return false;
}

}  // namespace ptx

// The device's memory by the emulator's names, for driver.cpp. Fresh memory holds what no kernel wrote: every
// byte says so.
uint64_t nep_emulator_allocate(int64_t bytes) {
  const size_t size = (static_cast<size_t>(bytes) + ptx::ALIGNMENT - 1) / ptx::ALIGNMENT * ptx::ALIGNMENT;
  void* memory = std::aligned_alloc(ptx::ALIGNMENT, std::max(size, ptx::ALIGNMENT));
  if (memory == nullptr) return 0;
  std::memset(memory, 0xa5, size);
  ptx::allocations[reinterpret_cast<uint64_t>(memory)] = bytes;
  return reinterpret_cast<uint64_t>(memory);
}
int32_t nep_emulator_free(uint64_t address) {
  if (ptx::allocations.erase(address) == 0) return 1;
  ptx::last_begin = ptx::last_end = 0;
  std::free(reinterpret_cast<void*>(address));
  return 0;
}
int32_t nep_emulator_upload(uint64_t to, const void* from, int64_t bytes) {
  if (!ptx::allocated(to, bytes)) return 1;
  std::memcpy(reinterpret_cast<void*>(to), from, static_cast<size_t>(bytes));
  return 0;
}
int32_t nep_emulator_download(void* to, uint64_t from, int64_t bytes) {
  if (!ptx::allocated(from, bytes)) return 1;
  std::memcpy(to, reinterpret_cast<void*>(from), static_cast<size_t>(bytes));
  return 0;
}
int32_t nep_emulator_copy(uint64_t to, uint64_t from, int64_t bytes) {
  if (!ptx::allocated(from, bytes) || !ptx::allocated(to, bytes)) return 1;
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<void*>(from), static_cast<size_t>(bytes));
  return 0;
}
int32_t nep_emulator_clear(uint64_t to, int64_t bytes) {
  if (!ptx::allocated(to, bytes)) return 1;
  std::memset(reinterpret_cast<void*>(to), 0, static_cast<size_t>(bytes));
  return 0;
}
