// The device's memory, and the judge of every access to it: outside an allocation, of a value that nothing
// wrote, or in a race. The compiler's -fsanitize=thread makes each access of a kernel call one of the __tsan
// functions below.
//
// Every word of four bytes has a cell: who wrote it last, and two of those who read it since. Two accesses of
// which one writes are ordered only if a __syncthreads lies between, or, in one warp, a __syncwarp of both,
// or an arrival and a wait at a barrier in memory; different blocks of a launch never are. Atomics race with
// plain accesses, not with each other.
#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include "machine.h"

extern "C" {
// The library's own zeroed data, where the linker put it: __shared__ variables are static ones.
extern char __bss_start[] __attribute__((visibility("hidden")));
extern char _end[] __attribute__((visibility("hidden")));
}

namespace nep {
namespace {

struct Access {
  uint32_t launch, block, epoch, clock;
  uint16_t thread;
  uint8_t bytes;  // which of the word's four; 0: nobody
  uint8_t atomic;
};

struct Cell {
  Access writer, readers[2];
  uint8_t valid;    // which bytes lie in an allocation
  uint8_t written;  // which bytes hold a value
};

constexpr uint64_t ARENA = uint64_t{1} << 32;
constexpr uint64_t GAP = 256;
constexpr uint64_t DYNAMIC = 232448;  // the most dynamic shared memory of a block on sm_90

struct Region {
  uintptr_t begin = 0, end = 0;
  Cell* cells = nullptr;
  Cell* cell(uintptr_t at) const { return cells + (at - begin) / 4; }
};

void* reserve(uint64_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) {
    std::fprintf(stderr, "the CUDA emulator cannot reserve %" PRIu64 " bytes of address space\n", bytes);
    std::abort();
  }
  return at;
}

Region region(uintptr_t begin, uint64_t bytes) {
  return {begin, begin + bytes, static_cast<Cell*>(reserve(bytes / 4 * sizeof(Cell) + sizeof(Cell)))};
}

// Of plain memory, and made when the library is loaded: every access asks for them.
const Region device = region(reinterpret_cast<uintptr_t>(reserve(ARENA)), ARENA);
const Region statics =
    region(reinterpret_cast<uintptr_t>(__bss_start) / 4 * 4,
           reinterpret_cast<uintptr_t>(_end) - reinterpret_cast<uintptr_t>(__bss_start) / 4 * 4);
const Region dynamic = region(reinterpret_cast<uintptr_t>(reserve(DYNAMIC)), DYNAMIC);

std::map<uintptr_t, uint64_t>& allocations() {
  static std::map<uintptr_t, uint64_t> all;
  return all;
}

uint64_t live_bytes = 0;
uint64_t dynamic_bytes = 0;

uint8_t byte_mask(uintptr_t at, int bytes) { return static_cast<uint8_t>(((1 << bytes) - 1) << at % 4); }

template <typename Body>
void each_cell(const Region& region, uintptr_t at, uint64_t bytes, Body body) {
  const uintptr_t end = at + bytes;
  while (at < end) {
    const uintptr_t next = at / 4 * 4 + 4 < end ? at / 4 * 4 + 4 : end;
    body(*region.cell(at), byte_mask(at, static_cast<int>(next - at)), at);
    at = next;
  }
}

void describe_place(uintptr_t at, char* text, size_t size) {
  auto after = allocations().upper_bound(at);
  if (after == allocations().begin()) {
    std::snprintf(text, size, "before every allocation");
    return;
  }
  const auto [begin, bytes] = *--after;
  if (at < begin + bytes) {
    std::snprintf(text, size, "%" PRIu64 " bytes into an allocation of %" PRIu64, at - begin, bytes);
  } else {
    std::snprintf(text, size, "%" PRIu64 " bytes past the end of an allocation of %" PRIu64,
                  at - begin - bytes, bytes);
  }
}

bool ordered(const Access& before, const Actor& now, bool shared) {
  if (before.launch != now.launch || (shared && before.block != now.block)) return true;
  if (before.block != now.block) return false;
  if (before.thread == now.thread || before.epoch != now.epoch) return true;
  return now.seen[before.thread] > before.clock;
}

[[noreturn]] void race(const char* where, uintptr_t at, const Access& before, bool wrote, bool writes) {
  char place[96] = "";
  if (where[0] == 'g') describe_place(at, place, sizeof place);
  fail("race in %s memory%s%s: %s a word that thread %u of block %u %s, with no barrier between", where,
       place[0] ? ", " : "", place, writes ? "writes" : "reads", before.thread, before.block,
       wrote ? "wrote" : "read");
}

void judge(Cell& cell, uint8_t mask, uintptr_t at, const Actor& now, bool write, bool atomic, bool shared) {
  const char* where = shared ? "shared" : "global";
  const bool conflict = (cell.writer.bytes & mask) != 0 && !(atomic && cell.writer.atomic);
  if (conflict && !ordered(cell.writer, now, shared)) race(where, at, cell.writer, true, write);
  const Access mine = {now.launch, now.block, now.epoch, now.clock, now.thread, mask, atomic};
  if (!write) {
    Access& slot = cell.readers[0].bytes == 0 || ordered(cell.readers[0], now, shared) ? cell.readers[0]
                                                                                       : cell.readers[1];
    slot = mine;
    return;
  }
  for (Access& reader : cell.readers) {
    if ((reader.bytes & mask) != 0 && !ordered(reader, now, shared)) race(where, at, reader, false, true);
    reader.bytes = 0;
  }
  cell.writer = mine;
}

void access_global(uintptr_t at, int bytes, const Actor& now, bool write, bool atomic) {
  each_cell(device, at, static_cast<uint64_t>(bytes), [&](Cell& cell, uint8_t mask, uintptr_t word) {
    if ((cell.valid & mask) != mask) {
      char place[96];
      describe_place(word, place, sizeof place);
      fail("out of bounds: %s %d bytes, %s", write ? "writes" : "reads", bytes, place);
    }
    if ((!write || atomic) && (cell.written & mask) != mask) {
      char place[96];
      describe_place(word, place, sizeof place);
      fail("uninitialised: reads a global word that nothing wrote, %s", place);
    }
    judge(cell, mask, word, now, write, atomic, false);
    if (write) cell.written |= mask;
  });
}

void access_shared(const Region& region, uintptr_t at, int bytes, const Actor& now, bool write, bool atomic) {
  each_cell(region, at, static_cast<uint64_t>(bytes), [&](Cell& cell, uint8_t mask, uintptr_t word) {
    const bool fresh = cell.writer.launch != now.launch || cell.writer.block != now.block;
    if (fresh) cell = Cell{};
    if ((!write || atomic) && (cell.written & mask) != mask) {
      fail("uninitialised: reads a shared word that no thread of the block wrote");
    }
    judge(cell, mask, word, now, write, atomic, true);
    if (write) cell.written |= mask;
  });
}

bool allocated(uint64_t at, int64_t bytes) {
  auto after = allocations().upper_bound(at);
  if (after == allocations().begin()) return false;
  const auto [begin, length] = *--after;
  return at + static_cast<uint64_t>(bytes) <= begin + length;
}

// Whether the range lies in one allocation; marks its bytes as written if asked to.
bool host_range(uint64_t at, int64_t bytes, bool write) {
  if (bytes == 0) return true;
  if (!checks) return allocated(at, bytes);
  bool inside = at >= device.begin && at + static_cast<uint64_t>(bytes) <= device.end;
  if (!inside) return false;
  each_cell(device, at, static_cast<uint64_t>(bytes), [&](Cell& cell, uint8_t mask, uintptr_t) {
    inside &= (cell.valid & mask) == mask;
    if (write) cell.written |= mask;
  });
  return inside;
}

}  // namespace

void* reserve_dynamic_shared(int64_t bytes) {
  if (bytes < 0 || static_cast<uint64_t>(bytes) > DYNAMIC) return nullptr;
  dynamic_bytes = static_cast<uint64_t>(bytes);
  return reinterpret_cast<void*>(dynamic.begin);
}

void access(uintptr_t at, int bytes, bool write, bool atomic) {
  const Actor* now = actor;
  if (now == nullptr) return;
  if (restless) maybe_yield();
  if (at >= device.begin && at < device.end) {
    access_global(at, bytes, *now, write, atomic);
  } else if (at >= dynamic.begin && at < dynamic.end) {
    if (at + static_cast<uint64_t>(bytes) > dynamic.begin + dynamic_bytes) {
      fail("out of bounds: %s past the end of %" PRIu64 " bytes of dynamic shared memory",
           write ? "writes" : "reads", dynamic_bytes);
    }
    access_shared(dynamic, at, bytes, *now, write, atomic);
  } else if (at >= statics.begin && at < statics.end) {
    access_shared(statics, at, bytes, *now, write, atomic);
  } else if (at >= now->accumulators && at < now->accumulators_end) {
    if (now->held == Held::PRODUCT) {
      fail("accumulators of a wgmma that was not waited for are %s", write ? "written" : "read");
    }
    now->held = Held::NOTHING;
  }
}

void access_begun(uintptr_t at, int bytes) {
  if (!checks || actor == nullptr) return;
  const bool in_dynamic = at >= dynamic.begin && at < dynamic.end;
  if (!in_dynamic && !(at >= statics.begin && at < statics.end))
    fail("an asynchronous copy to memory that is not shared");
  each_cell(in_dynamic ? dynamic : statics, at, static_cast<uint64_t>(bytes),
            [&](Cell& cell, uint8_t mask, uintptr_t word) {
              const bool fresh = cell.writer.launch != actor->launch || cell.writer.block != actor->block;
              if (fresh) cell = Cell{};
              judge(cell, mask, word, *actor, true, false, true);
            });
}

void access_async(uintptr_t at) {
  const Actor* now = actor;
  if (at < dynamic.begin || at + 16 > dynamic.begin + dynamic_bytes) {
    fail("out of bounds: a descriptor leads %" PRIu64 " bytes into %" PRIu64
         " bytes of dynamic shared memory",
         at - dynamic.begin, dynamic_bytes);
  }
  if (!checks) return;
  access_shared(dynamic, at, 16, *now, false, false);
  each_cell(dynamic, at, 16, [&](Cell& cell, uint8_t, uintptr_t) {
    if (!fenced(cell.writer.thread, cell.writer.clock, *now)) {
      fail("no fence.proxy.async between thread %u's write to shared memory and a wgmma that reads it",
           cell.writer.thread);
    }
  });
}

}  // namespace nep

using namespace nep;

uint64_t nep_emulator_allocate(int64_t bytes) {
  const uint64_t size = bytes > 0 ? static_cast<uint64_t>(bytes) : 1;
  uintptr_t at = device.begin + GAP;
  for (const auto& [begin, length] : allocations()) {  // the first gap that is wide enough
    if (at + size + GAP <= begin) break;
    at = (begin + length + 2 * GAP - 1) / GAP * GAP;
  }
  if (at + size + GAP > device.end) return 0;
  allocations()[at] = size;
  live_bytes += size;
  if (!checks) return at;
  each_cell(device, at, size, [](Cell& cell, uint8_t mask, uintptr_t) {
    cell.writer.bytes = cell.readers[0].bytes = cell.readers[1].bytes = 0;
    cell.valid |= mask;
    cell.written = static_cast<uint8_t>(cell.written & ~mask);
  });
  return at;
}

int32_t nep_emulator_free(uint64_t address) {
  const auto found = allocations().find(address);
  if (found == allocations().end()) return 1;
  if (checks) {
    each_cell(device, address, found->second, [](Cell& cell, uint8_t mask, uintptr_t) {
      cell.valid = static_cast<uint8_t>(cell.valid & ~mask);
    });
  }
  live_bytes -= found->second;
  allocations().erase(found);
  return 0;
}

void nep_emulator_renew(uint64_t address, int64_t bytes) {
  const auto found = allocations().find(address);
  if (!checks || found == allocations().end()) return;
  each_cell(device, address, found->second, [](Cell& cell, uint8_t, uintptr_t) { cell = Cell{}; });
  each_cell(device, address, static_cast<uint64_t>(bytes),
            [](Cell& cell, uint8_t mask, uintptr_t) { cell.valid |= mask; });
}

int64_t nep_emulator_live_bytes() { return static_cast<int64_t>(live_bytes); }

int32_t nep_emulator_upload(uint64_t to, const void* from, int64_t bytes) {
  if (!host_range(to, bytes, true)) return 1;
  std::memcpy(reinterpret_cast<void*>(to), from, static_cast<size_t>(bytes));
  return 0;
}

int32_t nep_emulator_download(void* to, uint64_t from, int64_t bytes) {
  if (!host_range(from, bytes, false)) return 1;
  std::memcpy(to, reinterpret_cast<const void*>(from), static_cast<size_t>(bytes));
  return 0;
}

int32_t nep_emulator_copy(uint64_t to, uint64_t from, int64_t bytes) {
  if (!host_range(from, bytes, false) || !host_range(to, bytes, true)) return 1;
  std::memmove(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), static_cast<size_t>(bytes));
  return 0;
}

int32_t nep_emulator_clear(uint64_t to, int64_t bytes) {
  if (!host_range(to, bytes, true)) return 1;
  std::memset(reinterpret_cast<void*>(to), 0, static_cast<size_t>(bytes));
  return 0;
}

// The thread sanitizer's interface, as the compiler calls it.
extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
#define NEP_ACCESS(bytes)                                                                             \
  void __tsan_read##bytes(void* at) { access(reinterpret_cast<uintptr_t>(at), bytes, false, false); } \
  void __tsan_write##bytes(void* at) { access(reinterpret_cast<uintptr_t>(at), bytes, true, false); } \
  void __tsan_unaligned_read##bytes(void* at) {                                                       \
    access(reinterpret_cast<uintptr_t>(at), bytes, false, false);                                     \
  }                                                                                                   \
  void __tsan_unaligned_write##bytes(void* at) {                                                      \
    access(reinterpret_cast<uintptr_t>(at), bytes, true, false);                                      \
  }
NEP_ACCESS(1)
NEP_ACCESS(2)
NEP_ACCESS(4)
NEP_ACCESS(8)
NEP_ACCESS(16)
void __tsan_read_range(void* at, uint64_t bytes) {
  access(reinterpret_cast<uintptr_t>(at), static_cast<int>(bytes), false, false);
}
void __tsan_write_range(void* at, uint64_t bytes) {
  access(reinterpret_cast<uintptr_t>(at), static_cast<int>(bytes), true, false);
}

// The undefined-behaviour sanitizer's: an address that the type does not allow, as a vector of 16 bytes that
// lies at 4.
struct TypeMismatch {
  const char* file;
  uint32_t line, column;
  const void* type;
  uint8_t log_alignment, kind;
};
void __ubsan_handle_type_mismatch_v1_abort(TypeMismatch* data, void* address) {
  fail("misaligned: address %p, which must be a multiple of %d (%s:%u)", address, 1 << data->log_alignment,
       data->file, data->line);
}
void __ubsan_handle_type_mismatch_v1(TypeMismatch* data, void* address) {
  __ubsan_handle_type_mismatch_v1_abort(data, address);
}
// An index past the end of an array of known size, as static shared memory has.
void __ubsan_handle_out_of_bounds_abort(void*, void* index) {
  fail("out of bounds: index %lld of an array of fixed size",
       static_cast<long long>(reinterpret_cast<intptr_t>(index)));
}
void __ubsan_handle_out_of_bounds(void* data, void* index) {
  __ubsan_handle_out_of_bounds_abort(data, index);
}
}
