// PTX's instructions that move, convert and rearrange bits.
#include <cmath>
#include <limits>
#include <type_traits>

#include "lanes.h"

namespace ptx {
namespace {

uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
  const uint64_t all = static_cast<uint64_t>(b) << 32 | a;
  uint32_t result = 0;
  for (unsigned n = 0; n < 4; n++) {
    const uint32_t which = selector >> 4 * n & 0xf;
    uint32_t byte = static_cast<uint32_t>(all >> 8 * (which & 7)) & 0xff;
    if ((which & 8) != 0) byte = (byte & 0x80) != 0 ? 0xff : 0;
    result |= byte << 8 * n;
  }
  return result;
}

// Rounds to a whole number by a word of cvt.
template <typename A>
A whole(A a, int64_t how) {
  return how == 'z'   ? std::trunc(a)
         : how == 'm' ? std::floor(a)
         : how == 'p' ? std::ceil(a)
                      : std::nearbyint(a);
}

template <typename D, typename A>
Handler conversion(const Words& words) {
  if constexpr (std::is_floating_point_v<A> && !std::is_floating_point_v<D>) {
    // Out of range is the nearest that there is; what is no number is 0, of 64 bits the highest bit alone.
    return [](Warp& w, const Instruction& i, Mask mask) {
      each(mask, [&](unsigned l) {
        const A a = whole(value<A>(w.at(i.s[0])[l]), i.k[0]);
        D d;
        if (std::isnan(a)) {
          d = sizeof(D) == 8 ? static_cast<D>(uint64_t{1} << 63) : D{0};
        } else if (a >= std::ldexp(A{1}, std::numeric_limits<D>::digits)) {
          d = std::numeric_limits<D>::max();
        } else if (a < static_cast<A>(std::numeric_limits<D>::min())) {
          d = std::numeric_limits<D>::min();
        } else {
          d = static_cast<D>(a);
        }
        w.at(i.d[0])[l] =
            sizeof(D) < 4 && std::is_signed_v<D> ? bits<int64_t>(static_cast<int64_t>(d)) : bits<D>(d);
      });
    };
  } else if constexpr (std::is_floating_point_v<D> && std::is_floating_point_v<A>) {
    if (has(words, "rni") || has(words, "rzi") || has(words, "rmi") || has(words, "rpi")) {
      return [](Warp& w, const Instruction& i, Mask mask) {
        each(mask, [&](unsigned l) {
          w.at(i.d[0])[l] = bits<D>(static_cast<D>(whole(value<A>(w.at(i.s[0])[l]), i.k[0])));
        });
      };
    }
    if (has(words, "rz") || has(words, "rm") || has(words, "rp") || has(words, "sat")) return nullptr;
    return unary<D, A, [](A a) { return static_cast<D>(a); }>;
  } else if constexpr (std::is_floating_point_v<D>) {
    if (has(words, "rz") || has(words, "rm") || has(words, "rp")) return nullptr;
    return unary<D, A, [](A a) { return static_cast<D>(a); }>;
  } else {
    if (has(words, "sat")) return nullptr;
    // A narrow signed result fills its register.
    if constexpr (std::is_signed_v<D>)
      return unary<int64_t, A, [](A a) { return static_cast<int64_t>(static_cast<D>(a)); }>;
    return unary<D, A, [](A a) { return static_cast<D>(a); }>;
  }
}

template <typename F>
Handler of_all(const std::string& t, F&& what) {
  if (t == "u8") return what(uint8_t{});
  if (t == "s8") return what(int8_t{});
  return of_any(t, what);
}

uint32_t to_bf16(uint32_t a) {
  return (a & 0x7fffffff) > 0x7f800000 ? 0x7fff : (a + 0x7fff + (a >> 16 & 1)) >> 16;
}

Handler convert(const Words& words, Instruction& into) {
  const std::string &to = words[words.size() - 2], &from = words.back();
  if (to == "tf32" && has(words, "rna")) {
    return unary<uint32_t, uint32_t, [](uint32_t a) {
      return (a & 0x7f800000) == 0x7f800000 ? a : (a + 0x1000) & ~uint32_t{0x1fff};
    }>;
  }
  if (to == "bf16x2" && has(words, "rn")) {
    // The first operand is the upper half.
    return binary<uint32_t, uint32_t, uint32_t,
                  [](uint32_t a, uint32_t b) { return to_bf16(a) << 16 | to_bf16(b); }>;
  }
  for (const char* way : {"rni", "rzi", "rmi", "rpi"}) {
    if (has(words, way)) into.k[0] = way[1] == 'n' ? 'n' : way[1];
  }
  return of_all(to, [&](auto d) {
    return of_all(from, [&](auto a) { return conversion<decltype(d), decltype(a)>(words); });
  });
}

// mov between a register and the parts of another, and of one to one.
Handler move(const Instruction& i) {
  if (i.d.size() > 1) {
    return [](Warp& w, const Instruction& in, Mask mask) {
      each(mask, [&](unsigned l) {
        const uint64_t all = w.at(in.s[0])[l];
        for (size_t n = 0; n < in.d.size(); n++) {
          const int64_t width = in.k[0] / static_cast<int64_t>(in.d.size());
          if (in.d[n] >= 0)
            w.at(in.d[n])[l] = all >> (width * static_cast<int64_t>(n)) & ((uint64_t{1} << width) - 1);
        }
      });
    };
  }
  if (i.s.size() > 1) {
    return [](Warp& w, const Instruction& in, Mask mask) {
      each(mask, [&](unsigned l) {
        uint64_t all = 0;
        for (size_t n = 0; n < in.s.size(); n++) {
          const int64_t width = in.k[0] / static_cast<int64_t>(in.s.size());
          all |= (w.at(in.s[n])[l] & ((uint64_t{1} << width) - 1)) << (width * static_cast<int64_t>(n));
        }
        w.at(in.d[0])[l] = all;
      });
    };
  }
  return unary<uint64_t, uint64_t, [](uint64_t a) { return a; }>;
}

Handler bit_operation(const Words& words) {
  const std::string& op = words[0];
  if (op == "prmt" && words.size() == 2) return ternary<uint32_t, uint32_t, uint32_t, uint32_t, permute>;
  if (op == "shf") {
    const bool clamp = has(words, "clamp");
    if (has(words, "l") && !clamp)
      return ternary<uint32_t, uint32_t, uint32_t, uint32_t, [](uint32_t a, uint32_t b, uint32_t c) {
        return static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) << (c & 31) >> 32);
      }>;
    if (has(words, "r") && !clamp)
      return ternary<uint32_t, uint32_t, uint32_t, uint32_t, [](uint32_t a, uint32_t b, uint32_t c) {
        return static_cast<uint32_t>((static_cast<uint64_t>(b) << 32 | a) >> (c & 31));
      }>;
    return nullptr;
  }
  if (op == "lop3") {
    return [](Warp& w, const Instruction& i, Mask mask) {
      each(mask, [&](unsigned l) {
        const uint32_t a = value<uint32_t>(w.at(i.s[0])[l]), b = value<uint32_t>(w.at(i.s[1])[l]),
                       c = value<uint32_t>(w.at(i.s[2])[l]);
        const uint32_t table = value<uint32_t>(w.at(i.s[3])[l]);
        uint32_t out = 0;
        for (unsigned n = 0; n < 8; n++) {
          if ((table >> n & 1) == 0) continue;
          out |= ((n & 4) != 0 ? a : ~a) & ((n & 2) != 0 ? b : ~b) & ((n & 1) != 0 ? c : ~c);
        }
        w.at(i.d[0])[l] = out;
      });
    };
  }
  if (op == "bfi") {
    return [](Warp& w, const Instruction& i, Mask mask) {
      each(mask, [&](unsigned l) {
        const uint64_t width = static_cast<uint64_t>(i.k[0]), from = w.at(i.s[2])[l] & 0xff,
                       length = w.at(i.s[3])[l] & 0xff;
        uint64_t out = w.at(i.s[1])[l];
        for (uint64_t n = 0; n < length && from + n < width; n++) {
          const uint64_t bit = w.at(i.s[0])[l] >> n & 1;
          out = (out & ~(uint64_t{1} << (from + n))) | bit << (from + n);
        }
        w.at(i.d[0])[l] = out;
      });
    };
  }
  return nullptr;
}

}  // namespace

bool decode_conversion(const Words& words, Instruction& into) {
  const std::string &op = words[0], &type = words.back();
  if (op == "mov" && type != "pred") {
    into.k[0] = type_bytes(type) * 8;
    into.handler = move(into);
  } else if (op == "cvt") {
    into.handler = convert(words, into);
  } else if (op == "prmt" || op == "shf" || op == "lop3" || op == "bfi") {
    into.k[0] = type_bytes(type) * 8;
    into.handler = bit_operation(words);
  }
  return into.handler != nullptr;
}

}  // namespace ptx
