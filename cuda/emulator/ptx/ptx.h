// An interpreter of PTX, what nvcc makes of the sources: unlike the emulator, which compiles the sources
// themselves, it sees nvcc's code, the inline assembly, the kernels' parameters and their shared memory. A
// warp's lanes run together where they are at the same instruction; the lanes furthest behind run first.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace ptx {

constexpr unsigned LANES = 32;
using Mask = uint32_t;
constexpr Mask ALL = ~Mask{0};

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Instruction;
struct Warp;
// Does an instruction for the lanes of the mask.
using Handler = void (*)(Warp&, const Instruction&, Mask);

enum class Flow : uint8_t { NONE, BRANCH, EXIT, BARRIER, COLLECTIVE };
// Where an address leads.
enum class Space : uint8_t { GENERIC, GLOBAL, SHARED, LOCAL, PARAM, CONSTANT };

struct Instruction {
  Handler handler = nullptr;
  Flow flow = Flow::NONE;
  Space space = Space::GENERIC;
  uint8_t bytes = 0, vector = 1;  // of an access: of each value, and how many
  bool negated = false;
  bool matrix = false;         // a product of matrices
  int guard = -1;              // the predicate's register
  int target = 0;              // of a branch
  int member_mask = -1;        // of a collective: the register that names its lanes
  int64_t offset = 0;          // of an address
  std::vector<int> d;          // registers that are written; -1 for _
  std::vector<int> s;          // registers that are read
  std::array<int64_t, 3> k{};  // what else it says
  int line = 0;
  const std::string* text = nullptr;
};

struct Parameter {
  std::string name;
  int bytes = 0, offset = 0;
  char letter = 'l';
};

struct Kernel {
  std::string name;
  int threads = 0;
  std::vector<Parameter> parameters;
  int parameter_bytes = 0;
  int registers = 0;
  std::vector<std::pair<int, uint64_t>> constants;  // registers that hold an immediate value
  std::map<std::string, int> specials;              // … and a special register's
  int64_t shared_bytes = 0;                         // without the dynamic part, which follows
  int64_t local_bytes = 0;
  std::vector<Instruction> code;
  std::vector<std::string> lines;
};

// The kernels of a file.
std::vector<Kernel> parse(const std::string& file, const std::string& text);

struct Block;
enum class State : uint8_t { RUNNING, BARRIER, COLLECTIVE, ENDED };

// A copy to shared memory that was begun.
struct Copy {
  uint32_t to;
  uint64_t from;
  int bytes, given, group;
};

struct Warp {
  Block* block = nullptr;
  unsigned number = 0;
  const Kernel* kernel = nullptr;
  std::vector<uint64_t> registers;  // [register][lane]
  std::array<int, LANES> pc{};
  std::array<State, LANES> state{};
  std::array<std::vector<Copy>, LANES> copies;
  std::array<int, LANES> groups{};
  const Instruction* now = nullptr;

  uint64_t* at(int r) { return registers.data() + static_cast<size_t>(r) * LANES; }
  Mask in(State wanted) const {
    Mask mask = 0;
    for (unsigned l = 0; l < LANES; l++) mask |= state[l] == wanted ? Mask{1} << l : 0;
    return mask;
  }
};

struct Counts;

struct Block {
  std::vector<Warp> warps;
  std::vector<uint8_t> shared;
  std::vector<uint8_t> local;
  std::vector<uint8_t> parameters;
  int64_t local_bytes = 0;   // of a thread
  Counts* counts = nullptr;  // none where nobody asked
};

template <typename T>
T value(uint64_t bits) {
  T v;
  __builtin_memcpy(&v, &bits, sizeof v);
  return v;
}
template <>
inline bool value<bool>(uint64_t bits) {
  return bits != 0;
}
template <typename T>
uint64_t bits(T v) {
  uint64_t b = 0;
  __builtin_memcpy(&b, &v, sizeof v);
  return b;
}

template <typename F>
void each(Mask mask, F&& what) {
  for (Mask left = mask; left != 0; left &= left - 1) what(static_cast<unsigned>(std::countr_zero(left)));
}

[[noreturn]] void fail(const Warp& warp, const std::string& what);

// What an instruction's words mean; false where they are not known. arithmetic.cpp, convert.cpp, memory.cpp,
// warp.cpp.
using Words = std::vector<std::string>;
bool decode_arithmetic(const Words& words, Instruction& into);
bool decode_conversion(const Words& words, Instruction& into);
bool decode_memory(const Words& words, Instruction& into);
bool decode_warp(const Words& words, Instruction& into);
bool has(const Words& words, const char* word);
// A type's bytes: u32, b16, f64, …
int type_bytes(const std::string& type);

// Memory: where `bytes` at an address lie, if they may be accessed.
uint8_t* reach(Warp& warp, Space space, unsigned lane, uint64_t address, int bytes);
// Addresses of shared and local memory among all others.
constexpr uint64_t SHARED_WINDOW = uint64_t{0x7a} << 40, LOCAL_WINDOW = uint64_t{0x7b} << 40,
                   WINDOW = uint64_t{1} << 32;
void finish_copies(Warp& warp, unsigned lane, int left);

// Runs every block.
void launch(const Kernel& kernel, const unsigned (&grid)[3], int64_t dynamic, void** arguments);

}  // namespace ptx
