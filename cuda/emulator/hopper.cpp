// What sm_90a has of its own, by the PTX manual (9.7.15, wgmma; 9.7.13.15, mbarrier): products of a warpgroup
// that run on their own, from shared memory that descriptors name, and barriers that lie in shared memory.
//
// A product reads its operands when it is issued and again when it is waited for, and is an error if they are
// not the same then. The accumulators hold nothing in between.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "machine.h"

namespace nep {

namespace {

// Fields of a descriptor, in units of 16 bytes: 14 bits from bit 0 (start), 16 (leading dimension's offset)
// and 32 (stride dimension's); from bit 62 on the swizzling mode.
uintptr_t field(uint64_t descriptor, int bit) { return (descriptor >> bit & 0x3fff) << 4; }

// Without swizzling, eight rows of 16 bytes lie one after the other. With 16 bits an element a row is a term
// (the operand is "transposed": its side is contiguous): the next eight of the side are a stride away, the
// next eight terms a leading dimension. With 32 bits a row is of the side: the next eight are a stride away,
// the next four terms a leading dimension. hopper.cuh has the sources.
void read(uint64_t descriptor, bool wide, int first, int sides, std::vector<float>& out) {
  const uintptr_t start = reinterpret_cast<uintptr_t>(machine().dynamic) + field(descriptor, 0);
  const uintptr_t leading = field(descriptor, 16), stride = field(descriptor, 32);
  if (descriptor >> 62 != 0 || (descriptor >> 49 & 7) != 0)
    fail("a descriptor of a mode that is not emulated");
  const int terms = wide ? 16 : 8, each = wide ? 8 : 4;
  out.resize(static_cast<size_t>(sides * terms));
  const auto row = [&](int side, int term) {
    const int within = wide ? term % 8 : side % 8;
    const uintptr_t at = start + static_cast<uintptr_t>(side / 8) * stride +
                         static_cast<uintptr_t>(term / (wide ? 8 : 4)) * leading +
                         static_cast<uintptr_t>(within) * 16;
    access_async(at);
    return reinterpret_cast<const unsigned char*>(at);
  };
  const auto keep = [&](int side, int term, uint32_t bits) {
    out[static_cast<size_t>(side * terms + term)] = nep_value<float>(bits);
  };
  for (int side = 0; side < sides; side += wide ? each : 1) {
    for (int term = 0; term < terms; term += wide ? 1 : each) {
      const unsigned char* from = row(first + side, term);
      for (int e = 0; e < each; e++) {
        if (wide) {
          uint16_t bits;
          std::memcpy(&bits, from + 2 * e, sizeof bits);
          keep(side + e, term, static_cast<uint32_t>(bits) << 16);
        } else {
          uint32_t bits;
          std::memcpy(&bits, from + 4 * e, sizeof bits);
          keep(side, term + e, bits & ~0x1fffu);
        }
      }
    }
  }
}

void read_both(const WarpgroupOperands& o, uint32_t warp, std::vector<float>& a, std::vector<float>& b) {
  read(o.a, o.wide, static_cast<int>(warp % 4) * 16, 16, a);
  read(o.b, o.wide, 0, o.columns, b);
}

bool same(const std::vector<float>& x, const std::vector<float>& y) {
  return std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

// The accumulators of a lane belong to its products.
void hold(Actor& lane, const Product& product, uint32_t l) {
  const auto begin = reinterpret_cast<uintptr_t>(product.d[l]);
  const uintptr_t end = begin + static_cast<uintptr_t>(product.operands.columns) / 2 * sizeof(float);
  if (lane.accumulators == 0 || begin < lane.accumulators) lane.accumulators = begin;
  if (end > lane.accumulators_end) lane.accumulators_end = end;
  lane.held = Held::PRODUCT;
}

void issue(uint32_t warp, const uint64_t* parts) {
  Machine& m = machine();
  Product product = {};
  for (uint32_t l = 0; l < LANES; l++) {
    const auto* of = reinterpret_cast<const std::pair<WarpgroupOperands, float*>*>(parts[l]);
    Actor& lane = m.threads[warp * LANES + l].actor;
    if (l == 0) product.operands = of->first;
    if (!(of->first == product.operands)) fail("lanes of a warp issue different wgmmas");
    product.d[l] = of->second;
    if (lane.held == Held::NOTHING) {
      fail("no wgmma.fence between an access to accumulators, or the kernel's begin, and a wgmma");
    }
    if (lane.held != Held::PRODUCT) lane.accumulators = lane.accumulators_end = 0;
    hold(lane, product, l);
  }
  Warp& self = m.warps[warp];
  std::vector<WarpgroupOperands>& all = m.issued[warp / 4];
  if (self.issued == all.size()) {
    all.push_back(product.operands);
  } else if (!(all[self.issued] == product.operands)) {
    fail("warps of a warpgroup issue different wgmmas");
  }
  self.issued++;
  product.group = self.groups;
  read_both(product.operands, warp, product.a, product.b);
  self.products.push_back(std::move(product));
}

// By the manual's layout of the accumulators (9.7.15.5.1.1): that of mma.m16n8k16, for every eight columns.
void retire(uint32_t warp, const Product& product) {
  const int terms = product.operands.wide ? 16 : 8;
  std::vector<float> a, b;
  read_both(product.operands, warp, a, b);
  if (!same(a, product.a) || !same(b, product.b)) {
    fail("race in shared memory: operands of a wgmma changed before it was waited for");
  }
  for (int lane = 0; lane < static_cast<int>(LANES); lane++) {
    for (int i = 0; i < product.operands.columns / 2; i++) {
      const int row = lane / 4 + i / 2 % 2 * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
      float sum = product.operands.accumulate ? product.d[lane][i] : 0;
      for (int k = 0; k < terms; k++) {
        sum += a[static_cast<size_t>(row * terms + k)] * b[static_cast<size_t>(column * terms + k)];
      }
      product.d[lane][i] = sum;
    }
  }
}

void wait(uint32_t warp, int left) {
  Machine& m = machine();
  Warp& self = m.warps[warp];
  size_t done = 0;
  while (done < self.products.size() && self.products[done].group < self.groups - left) {
    retire(warp, self.products[done++]);
  }
  self.products.erase(self.products.begin(), self.products.begin() + static_cast<std::ptrdiff_t>(done));
  for (uint32_t l = 0; l < LANES; l++) {
    Actor& lane = m.threads[warp * LANES + l].actor;
    if (self.products.empty()) {
      if (lane.held == Held::PRODUCT) lane.held = Held::FENCED;
      continue;
    }
    lane.accumulators = lane.accumulators_end = 0;
    for (const Product& product : self.products) hold(lane, product, l);
  }
}

MemoryBarrier& find(const uint64_t* at) {
  Machine& m = machine();
  const auto found = m.barriers.find(reinterpret_cast<uintptr_t>(at));
  if (found == m.barriers.end()) fail("uninitialised: an mbarrier that nothing made");
  access(found->first, 8, false, true);
  return found->second;
}

}  // namespace

bool of_warpgroup(Collective what) { return what >= Collective::WARPGROUP_FENCE; }

void warpgroup_collective(Collective what, uint32_t warp, const uint64_t* parts) {
  Machine& m = machine();
  switch (what) {
    case Collective::WARPGROUP_FENCE:
      for (uint32_t l = 0; l < LANES; l++) {
        Held& held = m.threads[warp * LANES + l].actor.held;
        if (held == Held::NOTHING) held = Held::FENCED;
      }
      break;
    case Collective::WARPGROUP_PRODUCT:
      issue(warp, parts);
      break;
    case Collective::WARPGROUP_COMMIT:
      m.warps[warp].groups++;
      break;
    default:
      wait(warp, static_cast<int>(parts[0]));
  }
}

void check_end(uint32_t warp) {
  Machine& m = machine();
  if (!m.warps[warp].products.empty()) fail("ends before its wgmmas were waited for");
}

void warpgroup_product(const WarpgroupOperands& operands, float* d) {
  const std::pair<WarpgroupOperands, float*> part = {operands, d};
  warp_collective(Collective::WARPGROUP_PRODUCT, 0xffffffffu, reinterpret_cast<uint64_t>(&part));
}

void warpgroup(Collective what, int left) { warp_collective(what, 0xffffffffu, static_cast<uint64_t>(left)); }

uint32_t shared_address(const void* at) {
  const uintptr_t offset = reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(machine().dynamic);
  if (offset >= 1 << 18) fail("out of bounds: an operand that is not in dynamic shared memory");
  if (offset % 16 != 0)
    fail("misaligned: an operand of a wgmma at %u, which must be a multiple of 16",
         static_cast<unsigned>(offset));
  return static_cast<uint32_t>(offset);
}

void proxy_fence() {
  Thread& self = *machine().running;
  self.fences.push_back({self.actor.epoch, self.actor.clock});
  self.actor.clock++;
}

bool fenced(uint16_t writer, uint32_t clock, const Actor& reader) {
  const std::vector<Thread::Fence>& all = machine().threads[writer].fences;
  const auto first = std::partition_point(all.begin(), all.end(),
                                          [&](const Thread::Fence& fence) { return fence.clock < clock; });
  return first != all.end() &&
         (writer == reader.thread || first->epoch < reader.epoch || reader.seen[writer] > first->clock);
}

void barrier_init(uint64_t* at, uint32_t count) {
  Machine& m = machine();
  if (reinterpret_cast<uintptr_t>(at) % 8 != 0) fail("misaligned: an mbarrier, which is of eight bytes");
  access(reinterpret_cast<uintptr_t>(at), 8, true, false);
  const std::vector<uint32_t> nobody(m.threads.size(), 0);
  m.barriers[reinterpret_cast<uintptr_t>(at)] = {count, count, 0, nobody, nobody};
}

void barrier_arrive(uint64_t* at) {
  Machine& m = machine();
  MemoryBarrier& barrier = find(at);
  Thread& self = *m.running;
  learn(barrier.known, self.seen);
  barrier.known[self.actor.thread] = ++self.actor.clock;
  if (--barrier.pending > 0) return;
  barrier.pending = barrier.count;
  barrier.parity ^= 1;
  barrier.published = barrier.known;
  for (Thread& t : m.threads) {
    if (t.state == State::MEMORY_BARRIER && t.awaited == reinterpret_cast<uintptr_t>(at) &&
        t.parity != barrier.parity) {
      t.state = State::READY;
    }
  }
}

// The phase of a parity is over while the current one has the other.
void barrier_wait(uint64_t* at, uint32_t parity) {
  Machine& m = machine();
  MemoryBarrier& barrier = find(at);
  Thread& self = *m.running;
  while (barrier.parity == parity) {
    self.awaited = reinterpret_cast<uintptr_t>(at);
    self.parity = parity;
    leave(State::MEMORY_BARRIER);
  }
  learn(self.seen, barrier.published);
}

std::string describe_wait(const Thread& stuck) {
  const MemoryBarrier& barrier = machine().barriers[stuck.awaited];
  char text[128];
  std::snprintf(text, sizeof text, "deadlock: waits at an mbarrier, at which %u of %u never arrive",
                barrier.pending, barrier.count);
  return text;
}

}  // namespace nep
