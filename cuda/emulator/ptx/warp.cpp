// What a warp's lanes do together: exchanges, votes, products of matrices; and barriers in shared memory.
#include <cstring>

#include "ptx.h"

namespace ptx {
namespace {

// PTX ISA 9.7.9.6: c holds the segment's mask in bits 8 to 12 and its bound in bits 0 to 4.
void shuffle(Warp& w, const Instruction& i, Mask mask) {
  std::array<uint64_t, LANES> from;
  std::memcpy(from.data(), w.at(i.s[0]), sizeof from);
  each(mask, [&](unsigned l) {
    const uint32_t b = static_cast<uint32_t>(w.at(i.s[1])[l]) & 0x1f,
                   c = static_cast<uint32_t>(w.at(i.s[2])[l]);
    const uint32_t segment = c >> 8 & 0x1f, bound = c & 0x1f;
    const uint32_t most = (l & segment) | (bound & ~segment), least = l & segment;
    int source = 0;
    bool inside = false;
    switch (i.k[0]) {
      case 'u':
        source = static_cast<int>(l) - static_cast<int>(b);
        inside = source >= static_cast<int>(most);
        break;
      case 'd':
        source = static_cast<int>(l + b);
        inside = source <= static_cast<int>(most);
        break;
      case 'b':
        source = static_cast<int>(l ^ b);
        inside = source <= static_cast<int>(most);
        break;
      default:
        source = static_cast<int>(least | (b & ~segment));
        inside = source <= static_cast<int>(most);
    }
    const unsigned there = inside ? static_cast<unsigned>(source) : l;
    if ((mask >> there & 1) == 0)
      fail(w, "a shuffle from lane " + std::to_string(there) + ", which is not in its mask");
    w.at(i.d[0])[l] = from[there] & 0xffffffffu;
    if (i.d.size() > 1 && i.d[1] >= 0) w.at(i.d[1])[l] = inside ? 1 : 0;
  });
}

void vote(Warp& w, const Instruction& i, Mask mask) {
  Mask yes = 0;
  each(mask, [&](unsigned l) { yes |= (w.at(i.s[0])[l] != 0) != (i.k[1] != 0) ? Mask{1} << l : 0; });
  const uint64_t result = i.k[0] == 'b'   ? yes
                          : i.k[0] == 'a' ? yes == mask
                          : i.k[0] == 'n' ? yes != 0
                                          : yes == 0 || yes == mask;
  each(mask, [&](unsigned l) { w.at(i.d[0])[l] = result; });
}

void meet(Warp&, const Instruction&, Mask) {}

float bf16(uint32_t half) { return value<float>(static_cast<uint64_t>(half & 0xffff) << 16); }
// The chip reads a TF32 operand's upper 19 bits.
float tf32(uint64_t word) { return value<float>(word & 0xffffe000u); }

// mma.sync m16n8, by the manual's fragment layouts; products are exact in float64, the sum is rounded once.
template <bool WIDE>
void multiply(Warp& w, const Instruction& i, Mask mask) {
  if (mask != ALL) fail(w, "a product of a warp that is not together");
  constexpr unsigned TERMS = WIDE ? 16 : 8;
  double a[16][TERMS], b[TERMS][8];
  for (unsigned l = 0; l < LANES; l++) {
    const unsigned g = l / 4, t = l % 4;
    for (unsigned r = 0; r < 4; r++) {
      const uint64_t word = w.at(i.s[r])[l];
      const unsigned row = g + (r % 2) * 8;
      if constexpr (WIDE) {
        a[row][2 * t + r / 2 * 8] = static_cast<double>(bf16(static_cast<uint32_t>(word)));
        a[row][2 * t + r / 2 * 8 + 1] = static_cast<double>(bf16(static_cast<uint32_t>(word >> 16)));
      } else {
        a[row][t + r / 2 * 4] = static_cast<double>(tf32(word));
      }
    }
    for (unsigned r = 0; r < 2; r++) {
      const uint64_t word = w.at(i.s[4 + r])[l];
      if constexpr (WIDE) {
        b[2 * t + r * 8][g] = static_cast<double>(bf16(static_cast<uint32_t>(word)));
        b[2 * t + r * 8 + 1][g] = static_cast<double>(bf16(static_cast<uint32_t>(word >> 16)));
      } else {
        b[t + r * 4][g] = static_cast<double>(tf32(word));
      }
    }
  }
  for (unsigned l = 0; l < LANES; l++) {
    for (unsigned r = 0; r < 4; r++) {
      const unsigned row = l / 4 + r / 2 * 8, column = 2 * (l % 4) + r % 2;
      double sum = static_cast<double>(value<float>(w.at(i.s[6 + r])[l]));
      for (unsigned k = 0; k < TERMS; k++) sum += a[row][k] * b[k][column];
      w.at(i.d[r])[l] = bits(static_cast<float>(sum));
    }
  }
}

// wgmma of this warp's 16 of 64 rows, both operands in shared memory by their descriptors without swizzling:
// pieces of eight rows of 16 bytes. It is done when it is asked for.
template <bool WIDE>
void warpgroup_multiply(Warp& w, const Instruction& i, Mask mask) {
  if (mask != ALL) fail(w, "a product of a warp that is not together");
  constexpr unsigned TERMS = WIDE ? 16 : 8;
  constexpr int BYTES = WIDE ? 2 : 4;
  const unsigned columns = static_cast<unsigned>(i.k[0]), registers = columns / 2;
  const size_t last = i.s.size();
  const uint64_t a = w.at(i.s[registers])[0], b = w.at(i.s[registers + 1])[0];
  for (unsigned l = 1; l < LANES; l++) {
    if (w.at(i.s[registers])[l] != a || w.at(i.s[registers + 1])[l] != b)
      fail(w, "lanes that disagree on wgmma's descriptors");
  }
  // p, then the signs, then for bfloat16 whether the sides are contiguous.
  const bool accumulate = w.at(i.s[registers + 2])[0] != 0;
  for (size_t n = registers + 3; n < last; n++) {
    if (static_cast<int64_t>(w.at(i.s[n])[0]) != 1)
      fail(w, "wgmma with operands that are negated or not as they are known here");
  }
  if (last != registers + (WIDE ? 7 : 5)) fail(w, "wgmma with other operands than are known here");
  const auto element = [&](uint64_t descriptor, unsigned side, unsigned term) {
    if (descriptor >> 46 != 0) fail(w, "a descriptor that swizzles, or has an offset");
    const uint64_t start = (descriptor & 0x3fff) << 4, leading = (descriptor >> 16 & 0x3fff) << 4,
                   stride = (descriptor >> 32 & 0x3fff) << 4;
    const uint64_t at = WIDE ? start + side / 8 * stride + term / 8 * leading + term % 8 * 16 + side % 8 * 2
                             : start + side / 8 * stride + term / 4 * leading + side % 8 * 16 + term % 4 * 4;
    uint32_t word = 0;
    std::memcpy(&word, reach(w, Space::SHARED, 0, at, BYTES), BYTES);
    return static_cast<double>(WIDE ? bf16(word) : tf32(word));
  };
  std::vector<double> left(16 * TERMS), right(TERMS * columns);
  const unsigned first = w.number % 4 * 16;
  for (unsigned k = 0; k < TERMS; k++) {
    for (unsigned r = 0; r < 16; r++) left[r * TERMS + k] = element(a, first + r, k);
    for (unsigned c = 0; c < columns; c++) right[k * columns + c] = element(b, c, k);
  }
  for (unsigned l = 0; l < LANES; l++) {
    for (unsigned r = 0; r < registers; r++) {
      const unsigned row = l / 4 + r / 2 % 2 * 8, column = r / 4 * 8 + l % 4 * 2 + r % 2;
      double sum = accumulate ? static_cast<double>(value<float>(w.at(i.s[r])[l])) : 0;
      for (unsigned k = 0; k < TERMS; k++) sum += left[row * TERMS + k] * right[k * columns + column];
      w.at(i.d[r])[l] = bits(static_cast<float>(sum));
    }
  }
}

// A barrier in shared memory: how many arrive a phase, how many are still to come, and the phases that ended.
struct Barrier {
  uint16_t count, left;
  uint32_t phase;
};
Barrier* barrier_at(Warp& w, const Instruction& i, unsigned lane, int operand) {
  return reinterpret_cast<Barrier*>(reach(
      w, Space::SHARED, lane,
      (w.at(i.s[static_cast<size_t>(operand)])[lane] + static_cast<uint64_t>(i.offset)) & 0xffffffffu, 8));
}
void barrier_init(Warp& w, const Instruction& i, Mask mask) {
  each(mask, [&](unsigned l) {
    const uint16_t count = static_cast<uint16_t>(w.at(i.s[1])[l]);
    *barrier_at(w, i, l, 0) = {count, count, 0};
  });
}
void barrier_arrive(Warp& w, const Instruction& i, Mask mask) {
  each(mask, [&](unsigned l) {
    Barrier* at = barrier_at(w, i, l, 0);
    if (at->left == 0) fail(w, "an arrival at a barrier that was not made");
    if (--at->left == 0) {
      at->left = at->count;
      at->phase++;
    }
  });
}
void barrier_try(Warp& w, const Instruction& i, Mask mask) {
  each(mask, [&](unsigned l) {
    const uint64_t parity = w.at(i.s[1])[l];
    w.at(i.d[0])[l] = (barrier_at(w, i, l, 0)->phase & 1) != (parity & 1) ? 1 : 0;
  });
}

}  // namespace

bool decode_warp(const Words& words, Instruction& into) {
  const std::string& op = words[0];
  if (op == "shfl" && words[1] == "sync" && words.back() == "b32" && into.s.size() == 4) {
    into.k[0] = words[2][0];
    into.flow = Flow::COLLECTIVE;
    into.member_mask = into.s[3];
    into.handler = shuffle;
  } else if (op == "vote" && words[1] == "sync" && into.s.size() == 2) {
    into.k[0] = words[2] == "ballot" ? 'b' : words[2] == "all" ? 'a' : words[2] == "any" ? 'n' : 'u';
    into.k[1] = into.negated ? 1 : 0;
    into.flow = Flow::COLLECTIVE;
    into.member_mask = into.s[1];
    into.handler = vote;
  } else if (op == "bar" && words[1] == "warp") {
    into.flow = Flow::COLLECTIVE;
    into.member_mask = into.s[0];
    into.handler = meet;
  } else if (op == "bar" || op == "barrier") {
    if (into.s.size() != 1) return false;
    into.flow = Flow::BARRIER;
    into.handler = meet;
  } else if (op == "mma" && has(words, "m16n8k8") && has(words, "tf32")) {
    into.flow = Flow::COLLECTIVE;
    into.handler = multiply<false>;
  } else if (op == "mma" && has(words, "m16n8k16") && has(words, "bf16")) {
    into.flow = Flow::COLLECTIVE;
    into.handler = multiply<true>;
  } else if (op == "wgmma" && words[1] == "mma_async") {
    const bool wide = has(words, "bf16");
    if (!wide && !has(words, "tf32")) return false;
    for (const std::string& word : words) {
      if (word.rfind("m64n", 0) == 0) into.k[0] = std::stoi(word.substr(4));
    }
    into.flow = Flow::COLLECTIVE;
    into.handler = wide ? warpgroup_multiply<true> : warpgroup_multiply<false>;
  } else if (op == "wgmma") {
    into.flow = Flow::COLLECTIVE;
    into.handler = meet;
  } else if (op == "mbarrier") {
    into.handler = words[1] == "init"                               ? barrier_init
                   : words[1] == "arrive"                           ? barrier_arrive
                   : words[1] == "try_wait" && has(words, "parity") ? barrier_try
                                                                    : nullptr;
  } else {
    return false;
  }
  into.matrix = op == "mma" || words[1] == "mma_async";
  return into.handler != nullptr;
}

}  // namespace ptx
