// Runs kernels' blocks one after the other, and has the emulator's names for it.
#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "../emulator.h"
#include "counts.h"

namespace ptx {
namespace {

// Instructions a warp may run before the others have their turn.
constexpr int TURN = 4096;

// Lanes that wait for others of a collective: done when all that its mask names are there.
void meet(Warp& w) {
  const Mask waiting = w.in(State::COLLECTIVE);
  each(waiting, [&](unsigned first) {
    if (w.state[first] != State::COLLECTIVE) return;
    const int pc = w.pc[first];
    const Instruction& i = w.kernel->code[static_cast<size_t>(pc)];
    const Mask members = i.member_mask < 0 ? ALL : static_cast<Mask>(w.at(i.member_mask)[first]);
    Mask here = 0;
    each(waiting, [&](unsigned l) {
      const bool same =
          w.pc[l] == pc && (i.member_mask < 0 || static_cast<Mask>(w.at(i.member_mask)[l]) == members);
      here |= same ? Mask{1} << l : 0;
    });
    if ((members >> first & 1) == 0) fail(w, "a lane that its own mask leaves out");
    if ((here & members) != members) return;
    w.now = &i;
    if (w.block->counts != nullptr) count(w, i, members);
    i.handler(w, i, members);
    each(members, [&](unsigned l) {
      w.state[l] = State::RUNNING;
      w.pc[l]++;
    });
  });
}

bool names_all(Warp& w, const Instruction& i) {
  if (i.member_mask < 0) return true;
  const uint64_t* mask = w.at(i.member_mask);
  return std::all_of(mask, mask + LANES, [](uint64_t m) { return static_cast<Mask>(m) == ALL; });
}

// Runs the lanes that are furthest behind, until they reach others or wait.
bool turn(Warp& w) {
  const std::vector<Instruction>& code = w.kernel->code;
  bool moved = false;
  for (int budget = TURN; budget > 0;) {
    const Mask running = w.in(State::RUNNING);
    if (running == 0) {
      if (w.in(State::COLLECTIVE) == 0) return moved;
      meet(w);
      if (w.in(State::RUNNING) == 0) return moved;
      moved = true;
      continue;
    }
    moved = true;
    int pc = INT32_MAX, stop = INT32_MAX;
    each(running, [&](unsigned l) { pc = std::min(pc, w.pc[l]); });
    Mask mask = 0;
    each(running, [&](unsigned l) {
      if (w.pc[l] == pc)
        mask |= Mask{1} << l;
      else
        stop = std::min(stop, w.pc[l]);
    });
    bool together = true;
    while (together && pc < stop && budget > 0) {
      budget--;
      const Instruction& i = code[static_cast<size_t>(pc)];
      w.now = &i;
      Mask active = mask;
      if (i.guard >= 0) {
        const uint64_t* p = w.at(i.guard);
        Mask yes = 0;
        for (unsigned l = 0; l < LANES; l++) yes |= static_cast<Mask>(p[l] & 1) << l;
        active &= i.negated ? ~yes : yes;
      }
      if (w.block->counts != nullptr && i.flow != Flow::COLLECTIVE) count(w, i, active);
      switch (i.flow) {
        case Flow::NONE:
          if (active != 0) i.handler(w, i, active);
          pc++;
          break;
        case Flow::BRANCH:
          if (active == 0) {
            pc++;
          } else if (active == mask && mask == running) {
            pc = i.target;
          } else {
            each(mask, [&](unsigned l) { w.pc[l] = (active >> l & 1) != 0 ? i.target : pc + 1; });
            together = false;
          }
          break;
        default: {
          const State next = i.flow == Flow::EXIT      ? State::ENDED
                             : i.flow == Flow::BARRIER ? State::BARRIER
                                                       : State::COLLECTIVE;
          // All lanes are here: none waits.
          if (next == State::COLLECTIVE && active == ALL && names_all(w, i)) {
            if (w.block->counts != nullptr) count(w, i, ALL);
            i.handler(w, i, ALL);
            pc++;
            break;
          }
          each(mask, [&](unsigned l) {
            w.pc[l] = pc;
            if ((active >> l & 1) != 0)
              w.state[l] = next;
            else
              w.pc[l] = pc + 1;
          });
          together = false;
        }
      }
    }
    if (together) each(mask, [&](unsigned l) { w.pc[l] = pc; });
  }
  return moved;
}

// Whether all threads that have not ended wait at barriers; lets them go on.
bool release(Block& block) {
  for (const Warp& w : block.warps) {
    if (w.in(State::RUNNING) != 0 || w.in(State::COLLECTIVE) != 0) return false;
  }
  bool any = false;
  for (Warp& w : block.warps) {
    each(w.in(State::BARRIER), [&](unsigned l) {
      w.state[l] = State::RUNNING;
      w.pc[l]++;
      any = true;
    });
  }
  return any;
}

void fill_specials(Warp& w, const unsigned (&grid)[3], const unsigned (&at)[3]) {
  const unsigned threads = static_cast<unsigned>(w.kernel->threads);
  for (const auto& [name, r] : w.kernel->specials) {
    for (unsigned l = 0; l < LANES; l++) {
      uint64_t v = 0;
      if (name == "%tid.x")
        v = w.number * LANES + l;
      else if (name == "%ntid.x")
        v = threads;
      else if (name == "%laneid")
        v = l;
      else if (name == "%tid.y" || name == "%tid.z")
        v = 0;
      else if (name == "%ntid.y" || name == "%ntid.z")
        v = 1;
      else if (name.starts_with("%ctaid."))
        v = at[name.back() - 'x'];
      else if (name.starts_with("%nctaid."))
        v = grid[name.back() - 'x'];
      else
        fail(w, "a special register that is not known: " + name);
      w.at(r)[l] = v;
    }
  }
}

void run(const Kernel& kernel, const unsigned (&grid)[3], const unsigned (&at)[3], Block& block) {
  const unsigned warps = (static_cast<unsigned>(kernel.threads) + LANES - 1) / LANES;
  block.warps.resize(warps);
  std::memset(block.shared.data(), 0xa5, block.shared.size());
  for (unsigned n = 0; n < warps; n++) {
    Warp& w = block.warps[n];
    w.block = &block;
    w.number = n;
    w.kernel = &kernel;
    w.registers.assign(static_cast<size_t>(kernel.registers) * LANES, 0xa5a5a5a5a5a5a5a5);
    for (const auto& [r, bits] : kernel.constants) std::fill_n(w.at(r), LANES, bits);
    fill_specials(w, grid, at);
    w.pc.fill(0);
    w.groups.fill(0);
    for (unsigned l = 0; l < LANES; l++) {
      w.copies[l].clear();
      w.state[l] = n * LANES + l < static_cast<unsigned>(kernel.threads) ? State::RUNNING : State::ENDED;
    }
  }
  while (true) {
    bool moved = false;
    for (Warp& w : block.warps) moved |= turn(w);
    if (release(block)) continue;
    if (!moved) break;
  }
  for (Warp& w : block.warps) {
    if (w.in(State::ENDED) != ALL) fail(w, "lanes that wait for ever");
  }
}

std::string error;

// From the files beside the library.
std::map<std::string, Kernel> load() {
  std::map<std::string, Kernel> kernels;
  Dl_info self;
  if (dladdr(reinterpret_cast<const void*>(&nep_emulator_threads), &self) == 0)
    throw Failure("no folder of the interpreter");
  for (const auto& entry :
       std::filesystem::directory_iterator(std::filesystem::path(self.dli_fname).parent_path())) {
    if (entry.path().extension() != ".ptx") continue;
    std::ifstream in(entry.path());
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    for (Kernel& kernel : parse(entry.path().filename(), text)) kernels[kernel.name] = std::move(kernel);
  }
  return kernels;
}

// What cannot be read has no kernels, and says so.
std::map<std::string, Kernel> load_or_say() {
  try {
    return load();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "interpreter: %s\n", e.what());
    return {};
  }
}

const Kernel* find(const char* name) {
  // Never destroyed: the process may end while a kernel runs.
  static const auto& kernels = *new std::map<std::string, Kernel>(load_or_say());
  const auto at = kernels.find(name);
  return at == kernels.end() ? nullptr : &at->second;
}

int64_t write(const std::string& from, uint8_t* text, int64_t capacity) {
  std::memcpy(text, from.data(),
              static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(from.size()), capacity)));
  return static_cast<int64_t>(from.size());
}

}  // namespace

void fail(const Warp& warp, const std::string& what) {
  std::string where = warp.kernel->name;
  if (warp.now != nullptr) where += ", `" + warp.kernel->lines[static_cast<size_t>(warp.now->line)] + "`";
  throw Failure(what + " (in " + where + ")");
}

void launch(const Kernel& kernel, const unsigned (&grid)[3], int64_t dynamic, void** arguments) {
  Block block;
  block.shared.resize(static_cast<size_t>(kernel.shared_bytes + dynamic));
  block.local_bytes = kernel.local_bytes;
  block.local.resize(static_cast<size_t>(kernel.local_bytes) * static_cast<size_t>(kernel.threads + LANES));
  block.parameters.resize(static_cast<size_t>(kernel.parameter_bytes));
  for (size_t n = 0; n < kernel.parameters.size(); n++) {
    const Parameter& p = kernel.parameters[n];
    std::memcpy(block.parameters.data() + p.offset, arguments[n], static_cast<size_t>(p.bytes));
  }
  Counts counts;
  if (counting()) block.counts = &counts;
  for (unsigned z = 0; z < grid[2]; z++) {
    for (unsigned y = 0; y < grid[1]; y++) {
      for (unsigned x = 0; x < grid[0]; x++) run(kernel, grid, {x, y, z}, block);
    }
  }
  if (counting()) write_counts(kernel, grid, counts);
}

}  // namespace ptx

int32_t nep_emulator_threads(const char* name) {
  const ptx::Kernel* kernel = ptx::find(name);
  return kernel == nullptr ? 0 : kernel->threads;
}
int64_t nep_emulator_signature(const char* name, uint8_t* text, int64_t capacity) {
  std::string letters;
  if (const ptx::Kernel* kernel = ptx::find(name)) {
    for (const ptx::Parameter& p : kernel->parameters) letters += p.letter;
  }
  return ptx::write(letters, text, capacity);
}
int32_t nep_emulator_launch(const char* name, int64_t x, int64_t y, int64_t z, int64_t shared_bytes,
                            void** arguments) {
  try {
    const ptx::Kernel* kernel = ptx::find(name);
    if (kernel == nullptr) throw ptx::Failure(std::string("no kernel ") + name);
    ptx::launch(*kernel, {static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z)},
                shared_bytes, arguments);
    return 0;
  } catch (const ptx::Failure& failure) {
    ptx::error = failure.what();
    return 1;
  }
}
int64_t nep_emulator_error(uint8_t* text, int64_t capacity) { return ptx::write(ptx::error, text, capacity); }
