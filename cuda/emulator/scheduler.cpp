// Runs the blocks of a launch one after the other, the threads of a block as fibers. Warps are scheduled on
// their own: a block draws one of four temperaments, of which one lets a single warp run as far ahead as
// barriers let it, and one may stop a thread at any access to memory. Nothing but __syncthreads and barriers
// in memory makes warps wait for each other, and nothing but a collective whose mask names both makes lanes
// wait.
#include <sys/mman.h>

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "machine.h"

#if defined(__x86_64__)
asm(R"(
.text
.hidden nep_fiber_switch
.globl nep_fiber_switch
.type nep_fiber_switch, @function
nep_fiber_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size nep_fiber_switch, .-nep_fiber_switch
)");
#endif

namespace nep {

const Registration* Registration::first = nullptr;
const Actor* actor = nullptr;
bool restless = false;

namespace {

constexpr size_t STACK = 64 << 10;
constexpr uint32_t MOST_THREADS = 1024;

// On the heap: the kernels read coordinates here, and the library's own zeroed data is their shared memory.
Machine* const the_machine = new Machine;

}  // namespace

Machine& machine() { return *the_machine; }

void leave(State state) {
  Machine& m = machine();
  Thread* self = m.running;
  self->state = state;
  m.running = nullptr;
  actor = nullptr;
  switch_fiber(self->fiber, m.host);
}

void learn(std::vector<uint32_t>& to, const std::vector<uint32_t>& from) {
  for (size_t i = 0; i < to.size(); i++) to[i] = to[i] > from[i] ? to[i] : from[i];
}

namespace {

void finish(Thread& thread, int left);

void enter() {
  Machine& m = machine();
  m.kernel->call(m.arguments, m.kernel->address);
  finish(*m.running, 0);
  check_end(m.running->actor.thread / LANES);
  leave(State::DONE);
  __builtin_trap();
}

uint32_t warps() { return static_cast<uint32_t>((machine().threads.size() + LANES - 1) / LANES); }

void shuffle_warps() {
  Machine& m = machine();
  m.order.resize(warps());
  for (uint32_t w = 0; w < m.order.size(); w++) m.order[w] = w;
  if (m.temperament == Temperament::DESCENDING) {
    for (uint32_t w = 0; w < m.order.size(); w++) m.order[w] = warps() - 1 - w;
    return;
  }
  for (uint32_t w = warps(); w > 1; w--) std::swap(m.order[w - 1], m.order[m.random.below(w)]);
}

Thread* next_in_order() {
  Machine& m = machine();
  const size_t count = m.threads.size();
  for (size_t i = 0; i < count; i++) {
    Thread& thread = m.threads[m.next];
    m.next = m.next + 1 == count ? 0 : m.next + 1;
    if (thread.state == State::READY) return &thread;
  }
  return nullptr;
}

// A ready thread, or nullptr.
Thread* choose() {
  Machine& m = machine();
  if (m.temperament == Temperament::IN_ORDER) return next_in_order();
  if (m.temperament == Temperament::FAIR || m.temperament == Temperament::RESTLESS) shuffle_warps();
  for (uint32_t warp : m.order) {
    uint32_t ready[LANES], count = 0;
    for (uint32_t l = 0; l < LANES && warp * LANES + l < m.threads.size(); l++) {
      if (m.threads[warp * LANES + l].state == State::READY) ready[count++] = l;
    }
    if (count > 0) {
      const uint32_t pick = m.temperament == Temperament::DESCENDING ? count - 1 : m.random.below(count);
      return &m.threads[warp * LANES + ready[pick]];
    }
  }
  return nullptr;
}

// Lets everybody go on if everybody waits at the barrier. False if nobody can ever go on.
bool release() {
  Machine& m = machine();
  size_t waiting = 0, done = 0;
  for (const Thread& t : m.threads) {
    waiting += t.state == State::BARRIER;
    done += t.state == State::DONE;
  }
  if (waiting == m.threads.size()) {
    for (Thread& t : m.threads) {
      t.state = State::READY;
      t.actor.epoch++;
    }
    if (checks) shuffle_warps();
    return true;
  }
  if (done == m.threads.size()) return true;
  for (const Thread& t : m.threads) {
    if (t.state != State::DONE) {
      m.running = const_cast<Thread*>(&t);
      break;
    }
  }
  char text[256];
  const Thread& stuck = *m.running;
  if (stuck.state == State::BARRIER) {
    std::snprintf(text, sizeof text,
                  "divergence: waits at __syncthreads, which %zu of %zu threads never reach",
                  m.threads.size() - waiting, m.threads.size());
  } else if (stuck.state == State::COLLECTIVE) {
    std::snprintf(text, sizeof text, "divergence: waits for the lanes of mask %08x, not all of which come",
                  stuck.mask);
  }
  m.failed = true;
  m.error = stuck.state == State::MEMORY_BARRIER ? describe_wait(stuck) : text;
  return false;
}

void describe_failure() {
  Machine& m = machine();
  char text[256];
  const unsigned thread = m.running->actor.thread;
  std::snprintf(text, sizeof text, "%s, block (%u,%u,%u), thread %u (warp %u, lane %u): ", m.kernel->name,
                m.where.block.x, m.where.block.y, m.where.block.z, thread, thread / LANES, thread % LANES);
  m.error = text + m.error;
  m.running = nullptr;
  actor = nullptr;
}

void run_block(dim3 block, uint32_t index) {
  Machine& m = machine();
  m.where.block = block;
  m.temperament = checks ? static_cast<Temperament>(m.random.below(4)) : Temperament::IN_ORDER;
  m.next = 0;
  restless = m.temperament == Temperament::RESTLESS;
  for (size_t i = 0; i < m.threads.size(); i++) {
    Thread& t = m.threads[i];
    t.state = State::READY;
    t.seen.assign(m.threads.size(), 0);
    t.actor = {m.launch, index, 1, static_cast<uint16_t>(i), 1, t.seen.data(), 0, 0, Held::NOTHING};
    t.fences.clear();
    t.copies.clear();
    t.groups = 0;
    // Tops at the same place of every stack would meet in the same few sets of a cache.
    start_fiber(t.fiber, m.stacks + i * STACK, STACK - i % 64 * 256, enter);
  }
  m.warps.assign(warps(), {});
  m.issued.assign((m.threads.size() + WARPGROUP - 1) / WARPGROUP, {});
  m.barriers.clear();
  if (checks) shuffle_warps();
  for (;;) {
    Thread* next = choose();
    if (next == nullptr) {
      bool over = true;
      for (const Thread& t : m.threads) over &= t.state == State::DONE;
      if (over) return;
      if (!release()) return describe_failure();
      continue;
    }
    m.running = next;
    actor = &next->actor;
    m.where.thread = {next->actor.thread, 0, 0};
    switch_fiber(m.host, next->fiber);
    if (m.failed) return describe_failure();
  }
}

// The copies of finished groups happen now: as late as they may. That they may have happened as soon as they
// began was judged then.
void finish(Thread& thread, int left) {
  size_t kept = 0;
  for (const Copy& copy : thread.copies) {
    if (copy.group >= thread.groups - left) {
      thread.copies[kept++] = copy;
      continue;
    }
    if (copy.from_source > 0) {
      access(reinterpret_cast<uintptr_t>(copy.source), copy.from_source, false, false);
    }
    access(reinterpret_cast<uintptr_t>(copy.target), copy.bytes, true, false);
    std::memset(copy.target, 0, static_cast<size_t>(copy.bytes));
    std::memcpy(copy.target, copy.source, static_cast<size_t>(copy.from_source));
  }
  thread.copies.resize(kept);
}

// Lanes that meet know of each other all that was before. What they know of other warps' threads comes by
// barriers in memory only: without, only their own warp's clocks are looked at.
void meet(uint32_t warp, uint32_t mask) {
  Machine& m = machine();
  const size_t own = static_cast<size_t>(warp) * LANES, all = m.threads.size();
  const size_t begin = m.barriers.empty() ? own : 0;
  const size_t end = m.barriers.empty() && own + LANES < all ? own + LANES : all;
  std::vector<uint32_t> known(end - begin, 0);
  for (uint32_t l = 0; l < LANES; l++) {
    if ((mask >> l & 1) == 0) continue;
    Thread& t = m.threads[own + l];
    for (size_t k = begin; k < end; k++) {
      if (known[k - begin] < t.seen[k]) known[k - begin] = t.seen[k];
    }
    known[own + l - begin] = ++t.actor.clock;
  }
  for (uint32_t l = 0; l < LANES; l++) {
    if ((mask >> l & 1) != 0)
      std::memcpy(m.threads[own + l].seen.data() + begin, known.data(), known.size() * sizeof(uint32_t));
  }
}

float tf32(uint32_t bits) { return nep_value<float>(bits & ~0x1fffu); }
float bf16(uint32_t bits, int half) { return nep_value<float>(half ? bits & 0xffff0000u : bits << 16); }

// d += a·b by the fragment layouts of the PTX manual (9.7.14, mma.m16n8k8 for .tf32, mma.m16n8k16 for .bf16).
void multiply(Collective what, const uint64_t* parts) {
  const bool wide = what == Collective::MATRIX_BF16;
  const int terms = wide ? 16 : 8;
  float a[16][16], b[16][8];
  for (uint32_t lane = 0; lane < LANES; lane++) {
    const auto* o = reinterpret_cast<const MatrixOperands*>(parts[lane]);
    const uint32_t g = lane / 4, t = lane % 4;
    for (uint32_t i = 0; i < 4; i++) {
      const uint32_t row = g + i % 2 * 8;
      if (!wide) {
        a[row][t + i / 2 * 4] = tf32(o->a[i]);
      } else {
        for (int h = 0; h < 2; h++) a[row][2 * t + i / 2 * 8 + static_cast<uint32_t>(h)] = bf16(o->a[i], h);
      }
    }
    for (uint32_t i = 0; i < 2; i++) {
      if (!wide) {
        b[t + i * 4][g] = tf32(o->b[i]);
      } else {
        for (int h = 0; h < 2; h++) b[2 * t + i * 8 + static_cast<uint32_t>(h)][g] = bf16(o->b[i], h);
      }
    }
  }
  for (uint32_t lane = 0; lane < LANES; lane++) {
    const auto* o = reinterpret_cast<const MatrixOperands*>(parts[lane]);
    for (uint32_t i = 0; i < 4; i++) {
      const uint32_t row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
      for (int k = 0; k < terms; k++) o->d[i] += a[row][k] * b[k][column];
    }
  }
}

}  // namespace

const Coordinates& coordinates() { return machine().where; }
uint32_t lane() { return machine().running->actor.thread % LANES; }
void* dynamic_shared() { return machine().dynamic; }

void fail(const char* format, ...) {
  Machine& m = machine();
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  m.error = text;
  m.failed = true;
  Fiber abandoned;
  switch_fiber(abandoned, m.host);
  __builtin_trap();
}

void maybe_yield() {
  Machine& m = machine();
  if (m.random.below(16) == 0) leave(State::READY);
}

void block_barrier() { leave(State::BARRIER); }

const uint64_t* warp_collective(Collective what, uint32_t mask, uint64_t value) {
  Machine& m = machine();
  Thread& self = *m.running;
  const uint32_t own = lane(), warp = self.actor.thread / LANES;
  if ((mask >> own & 1) == 0) fail("a lane asks for a collective of mask %08x, which does not name it", mask);
  self.what = what;
  self.mask = mask;
  self.part = value;
  bool all = true;
  for (uint32_t l = 0; l < LANES; l++) {
    if ((mask >> l & 1) == 0 || l == own) continue;
    const size_t other = warp * LANES + l;
    if (other >= m.threads.size()) fail("mask %08x names lane %u, which the block does not have", mask, l);
    const Thread& t = m.threads[other];
    all &= t.state == State::COLLECTIVE && t.what == what && t.mask == mask;
  }
  if (!all) {
    leave(State::COLLECTIVE);
    return self.parts;
  }
  uint64_t parts[LANES] = {};
  for (uint32_t l = 0; l < LANES; l++) {
    if ((mask >> l & 1) != 0) parts[l] = m.threads[warp * LANES + l].part;
  }
  if (what == Collective::MATRIX_TF32 || what == Collective::MATRIX_BF16) multiply(what, parts);
  if (of_warpgroup(what)) warpgroup_collective(what, warp, parts);
  if (what == Collective::SYNC) meet(warp, mask);
  for (uint32_t l = 0; l < LANES; l++) {
    if ((mask >> l & 1) == 0) continue;
    Thread& t = m.threads[warp * LANES + l];
    std::memcpy(t.parts, parts, sizeof parts);
    t.state = State::READY;
  }
  return self.parts;
}

void matrix(Collective what, float* d, const uint32_t* a, const uint32_t* b) {
  MatrixOperands operands = {d, a, b};
  warp_collective(what, 0xffffffffu, reinterpret_cast<uint64_t>(&operands));
}

void copy_async(void* target, const void* source, int bytes, int from_source) {
  Thread& self = *machine().running;
  const uintptr_t both = reinterpret_cast<uintptr_t>(target) | reinterpret_cast<uintptr_t>(source);
  if (both % static_cast<uintptr_t>(bytes) != 0) fail("misaligned: an asynchronous copy of %d bytes", bytes);
  access_begun(reinterpret_cast<uintptr_t>(target), bytes);
  self.copies.push_back({target, source, bytes, from_source, self.groups});
}
void commit_copies() { machine().running->groups++; }
void wait_copies(int left) { finish(*machine().running, left); }

uint64_t atomic_add(void* at, uint64_t value, int bytes) {
  if (checks) access(reinterpret_cast<uintptr_t>(at), bytes, true, true);
  uint64_t old = 0;
  std::memcpy(&old, at, static_cast<size_t>(bytes));
  const uint64_t sum = old + value;
  std::memcpy(at, &sum, static_cast<size_t>(bytes));
  return old;
}

namespace {

const Registration* find(const char* name) {
  for (const Registration* k = Registration::first; k != nullptr; k = k->next) {
    if (std::strcmp(k->name, name) == 0) return k;
  }
  return nullptr;
}

int64_t write(const std::string& from, uint8_t* text, int64_t capacity) {
  const int64_t length = static_cast<int64_t>(from.size());
  std::memcpy(text, from.data(), static_cast<size_t>(length < capacity ? length : capacity));
  return length;
}

void run(int64_t x, int64_t y, int64_t z, int64_t shared_bytes) {
  Machine& m = machine();
  m.dynamic = reserve_dynamic_shared(shared_bytes);
  if (x < 1 || y < 1 || z < 1 || x > 0x7fffffff || y > 65535 || z > 65535 || m.dynamic == nullptr) {
    m.error = std::string(m.kernel->name) + ": a grid or shared memory that no device takes";
    m.failed = true;
    return;
  }
  if (m.stacks == nullptr) {
    void* stacks = mmap(nullptr, MOST_THREADS * STACK, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks == MAP_FAILED) std::abort();
    m.stacks = static_cast<char*>(stacks);
  }
  const uint32_t count = static_cast<uint32_t>(m.kernel->threads);
  m.threads.resize(count);
  m.where = {
      {}, {}, {count, 1, 1}, {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)}};
  const int64_t blocks = x * y * z;
  const bool backwards = m.random.below(2) != 0;
  const int64_t start = static_cast<int64_t>(m.random.next() % static_cast<uint64_t>(blocks));
  for (int64_t b = 0; b < blocks && !m.failed; b++) {
    const int64_t at = (start + (backwards ? blocks - b : b)) % blocks;
    run_block(
        {static_cast<unsigned>(at % x), static_cast<unsigned>(at / x % y), static_cast<unsigned>(at / x / y)},
        static_cast<uint32_t>(at));
  }
}

}  // namespace
}  // namespace nep

using namespace nep;

void nep_emulator_seed(uint64_t seed) { machine().random.state = seed; }

int32_t nep_emulator_threads(const char* kernel) {
  const Registration* found = find(kernel);
  return found == nullptr ? 0 : found->threads;
}

int64_t nep_emulator_signature(const char* kernel, uint8_t* text, int64_t capacity) {
  const Registration* found = find(kernel);
  return found == nullptr ? 0 : write(found->signature, text, capacity);
}

int32_t nep_emulator_launch(const char* kernel, int64_t grid_x, int64_t grid_y, int64_t grid_z,
                            int64_t shared_bytes, void** arguments) {
  Machine& m = machine();
  m.kernel = find(kernel);
  m.failed = false;
  m.error.clear();
  if (m.kernel == nullptr) {
    m.error = std::string("no kernel is named ") + kernel;
    return 1;
  }
  m.arguments = arguments;
  m.launch++;
  run(grid_x, grid_y, grid_z, shared_bytes);
  return m.failed ? 1 : 0;
}

int64_t nep_emulator_error(uint8_t* text, int64_t capacity) { return write(machine().error, text, capacity); }
