// PTX's instructions on registers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ptx.h"

namespace ptx {
namespace {

template <typename D, typename A, auto F>
void unary(Warp& w, const Instruction& i, Mask mask) {
  uint64_t* d = w.at(i.d[0]);
  const uint64_t* a = w.at(i.s[0]);
  if (mask == ALL) {
    for (unsigned l = 0; l < LANES; l++) d[l] = bits<D>(F(value<A>(a[l])));
  } else {
    each(mask, [&](unsigned l) { d[l] = bits<D>(F(value<A>(a[l]))); });
  }
}
template <typename D, typename A, typename B, auto F>
void binary(Warp& w, const Instruction& i, Mask mask) {
  uint64_t* d = w.at(i.d[0]);
  const uint64_t *a = w.at(i.s[0]), *b = w.at(i.s[1]);
  if (mask == ALL) {
    for (unsigned l = 0; l < LANES; l++) d[l] = bits<D>(F(value<A>(a[l]), value<B>(b[l])));
  } else {
    each(mask, [&](unsigned l) { d[l] = bits<D>(F(value<A>(a[l]), value<B>(b[l]))); });
  }
}
template <typename D, typename A, typename B, typename C, auto F>
void ternary(Warp& w, const Instruction& i, Mask mask) {
  uint64_t* d = w.at(i.d[0]);
  const uint64_t *a = w.at(i.s[0]), *b = w.at(i.s[1]), *c = w.at(i.s[2]);
  if (mask == ALL) {
    for (unsigned l = 0; l < LANES; l++) d[l] = bits<D>(F(value<A>(a[l]), value<B>(b[l]), value<C>(c[l])));
  } else {
    each(mask, [&](unsigned l) { d[l] = bits<D>(F(value<A>(a[l]), value<B>(b[l]), value<C>(c[l]))); });
  }
}

// Calls what with a value of the type's C++ type.
template <typename F>
Handler of_integer(const std::string& t, F&& what) {
  if (t == "u16" || t == "b16") return what(uint16_t{});
  if (t == "s16") return what(int16_t{});
  if (t == "u32" || t == "b32") return what(uint32_t{});
  if (t == "s32") return what(int32_t{});
  if (t == "u64" || t == "b64") return what(uint64_t{});
  if (t == "s64") return what(int64_t{});
  return nullptr;
}
template <typename F>
Handler of_float(const std::string& t, F&& what) {
  if (t == "f32") return what(float{});
  if (t == "f64") return what(double{});
  return nullptr;
}
template <typename F>
Handler of_any(const std::string& t, F&& what) {
  const Handler integer = of_integer(t, what);
  return integer != nullptr ? integer : of_float(t, what);
}

template <typename T>
using Unsigned = std::make_unsigned_t<T>;
template <typename T>
using Wide = std::conditional_t<
    sizeof(T) == 8, std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>>>;

// Shifts by as many bits as there are, or more, leave nothing but the sign.
template <typename T>
T shift_left(T a, uint32_t b) {
  return b >= sizeof(T) * 8 ? T{0} : static_cast<T>(static_cast<Unsigned<T>>(a) << b);
}
template <typename T>
T shift_right(T a, uint32_t b) {
  if (b >= sizeof(T) * 8) return std::is_signed_v<T> && a < 0 ? static_cast<T>(-1) : T{0};
  return static_cast<T>(a >> b);
}
template <typename T>
T minimum(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a == b) return std::signbit(a) ? a : b;
    return std::isnan(a) ? b : std::isnan(b) || a < b ? a : b;
  } else {
    return std::min(a, b);
  }
}
template <typename T>
T maximum(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a == b) return std::signbit(a) ? b : a;
    return std::isnan(a) ? b : std::isnan(b) || a > b ? a : b;
  } else {
    return std::max(a, b);
  }
}
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

template <typename T>
Handler integer_operation(const std::string& op, const Words& words) {
  using U = Unsigned<T>;
  if (op == "add")
    return binary<T, T, T, [](T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); }>;
  if (op == "sub")
    return binary<T, T, T, [](T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); }>;
  if (op == "mul" && has(words, "lo"))
    return binary<T, T, T, [](T a, T b) {
      return static_cast<T>(static_cast<Wide<U>>(static_cast<U>(a)) * static_cast<U>(b));
    }>;
  if (op == "mul" && has(words, "hi"))
    return binary<T, T, T, [](T a, T b) {
      return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> sizeof(T) * 8);
    }>;
  if (op == "mul" && has(words, "wide")) {
    if constexpr (sizeof(T) < 8)
      return binary<Wide<T>, T, T, [](T a, T b) {
        return static_cast<Wide<T>>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b));
      }>;
  }
  if (op == "mad" && has(words, "lo"))
    return ternary<T, T, T, T, [](T a, T b, T c) {
      return static_cast<T>(static_cast<Wide<U>>(static_cast<U>(a)) * static_cast<U>(b) + static_cast<U>(c));
    }>;
  if (op == "mad" && has(words, "wide")) {
    if constexpr (sizeof(T) < 8)
      return ternary<Wide<T>, T, T, Wide<T>, [](T a, T b, Wide<T> c) {
        return static_cast<Wide<T>>(
            static_cast<Unsigned<Wide<T>>>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) +
            static_cast<Unsigned<Wide<T>>>(c));
      }>;
  }
  // What a division by zero gives is not said; all ones on every chip so far.
  if (op == "div")
    return binary<T, T, T, [](T a, T b) {
      return b == 0                                           ? static_cast<T>(-1)
             : std::is_signed_v<T> && b == static_cast<T>(-1) ? static_cast<T>(U{0} - static_cast<U>(a))
                                                              : static_cast<T>(a / b);
    }>;
  if (op == "rem")
    return binary<T, T, T, [](T a, T b) {
      return b == 0 ? a : std::is_signed_v<T> && b == static_cast<T>(-1) ? T{0} : static_cast<T>(a % b);
    }>;
  if (op == "min") return binary<T, T, T, minimum<T>>;
  if (op == "max") return binary<T, T, T, maximum<T>>;
  if (op == "and") return binary<T, T, T, [](T a, T b) { return static_cast<T>(a & b); }>;
  if (op == "or") return binary<T, T, T, [](T a, T b) { return static_cast<T>(a | b); }>;
  if (op == "xor") return binary<T, T, T, [](T a, T b) { return static_cast<T>(a ^ b); }>;
  if (op == "not") return unary<T, T, [](T a) { return static_cast<T>(~a); }>;
  if (op == "neg") return unary<T, T, [](T a) { return static_cast<T>(U{0} - static_cast<U>(a)); }>;
  if (op == "abs")
    return unary<T, T, [](T a) {
      return std::is_signed_v<T> && a < 0 ? static_cast<T>(U{0} - static_cast<U>(a)) : a;
    }>;
  if (op == "shl") return binary<T, T, uint32_t, shift_left<T>>;
  if (op == "shr") return binary<T, T, uint32_t, shift_right<T>>;
  if (op == "popc")
    return unary<uint32_t, T, [](T a) { return static_cast<uint32_t>(std::popcount(static_cast<U>(a))); }>;
  if (op == "clz")
    return unary<uint32_t, T, [](T a) { return static_cast<uint32_t>(std::countl_zero(static_cast<U>(a))); }>;
  if (op == "brev")
    return unary<T, T, [](T a) {
      U out = 0;
      for (unsigned n = 0; n < sizeof(T) * 8; n++)
        out = static_cast<U>(out | static_cast<U>((static_cast<U>(a) >> n & 1) << (sizeof(T) * 8 - 1 - n)));
      return static_cast<T>(out);
    }>;
  if (op == "bfe")
    return ternary<T, T, uint32_t, uint32_t, [](T a, uint32_t from, uint32_t length) {
      const uint32_t width = sizeof(T) * 8;
      from &= 0xff, length &= 0xff;
      if (length == 0) return T{0};
      const uint32_t top = std::min(from + length - 1, width - 1);
      const bool sign = std::is_signed_v<T> && (static_cast<U>(a) >> top & 1) != 0;
      U out = from >= width ? U{0} : static_cast<U>(static_cast<U>(a) >> from);
      if (length < width) out = static_cast<U>(out & ((U{1} << length) - 1));
      const uint32_t have = from >= width ? 0 : std::min(length, width - from);
      if (sign && have < width) out = static_cast<U>(out | ~((U{1} << have) - 1));
      return static_cast<T>(out);
    }>;
  if (op == "selp") return ternary<T, T, T, bool, [](T a, T b, bool p) { return p ? a : b; }>;
  return nullptr;
}

// A rough reciprocal, of the operand's upper half and in the result's: a first guess of float64 divisions.
double rough_reciprocal(double a) {
  const double upper = value<double>(bits(a) & 0xffffffff00000000u);
  return value<double>(bits(1 / upper) & 0xffffffff00000000u);
}

template <typename T>
Handler float_operation(const std::string& op, const Words& words) {
  if (std::is_same_v<T, double> && op == "rcp" && has(words, "approx"))
    return unary<double, double, rough_reciprocal>;
  for (const char* unknown : {"ftz", "sat", "rz", "rm", "rp", "approx"}) {
    if (has(words, unknown)) return nullptr;
  }
  if (op == "add") return binary<T, T, T, [](T a, T b) { return a + b; }>;
  if (op == "sub") return binary<T, T, T, [](T a, T b) { return a - b; }>;
  if (op == "mul") return binary<T, T, T, [](T a, T b) { return a * b; }>;
  if (op == "div") return binary<T, T, T, [](T a, T b) { return a / b; }>;
  if (op == "fma") return ternary<T, T, T, T, [](T a, T b, T c) { return std::fma(a, b, c); }>;
  if (op == "sqrt") return unary<T, T, [](T a) { return std::sqrt(a); }>;
  if (op == "rcp") return unary<T, T, [](T a) { return 1 / a; }>;
  if (op == "neg") return unary<T, T, [](T a) { return -a; }>;
  if (op == "abs") return unary<T, T, [](T a) { return std::abs(a); }>;
  if (op == "min") return binary<T, T, T, minimum<T>>;
  if (op == "max") return binary<T, T, T, maximum<T>>;
  if (op == "copysign") return binary<T, T, T, [](T a, T b) { return std::copysign(b, a); }>;
  if (op == "selp") return ternary<T, T, T, bool, [](T a, T b, bool p) { return p ? a : b; }>;
  return nullptr;
}

template <typename T>
bool unordered([[maybe_unused]] T a, [[maybe_unused]] T b) {
  if constexpr (std::is_floating_point_v<T>) return std::isnan(a) || std::isnan(b);
  return false;
}

// Comparisons; those that end with u also hold where an operand is not a number.
template <typename T>
Handler comparison(const std::string& how) {
  if (how == "eq") return binary<bool, T, T, [](T a, T b) { return a == b; }>;
  if (how == "ne") return binary<bool, T, T, [](T a, T b) { return a != b && !unordered(a, b); }>;
  if (how == "lt" || how == "lo") return binary<bool, T, T, [](T a, T b) { return a < b; }>;
  if (how == "le" || how == "ls") return binary<bool, T, T, [](T a, T b) { return a <= b; }>;
  if (how == "gt" || how == "hi") return binary<bool, T, T, [](T a, T b) { return (a > b); }>;
  if (how == "ge" || how == "hs") return binary<bool, T, T, [](T a, T b) { return a >= b; }>;
  if (how == "equ") return binary<bool, T, T, [](T a, T b) { return a == b || unordered(a, b); }>;
  if (how == "neu") return binary<bool, T, T, [](T a, T b) { return a != b; }>;
  if (how == "ltu") return binary<bool, T, T, [](T a, T b) { return !(a >= b); }>;
  if (how == "leu") return binary<bool, T, T, [](T a, T b) { return !(a > b); }>;
  if (how == "gtu") return binary<bool, T, T, [](T a, T b) { return !(a <= b); }>;
  if (how == "geu") return binary<bool, T, T, [](T a, T b) { return !(a < b); }>;
  if (how == "num") return binary<bool, T, T, [](T a, T b) { return !unordered(a, b); }>;
  if (how == "nan") return binary<bool, T, T, unordered<T>>;
  return nullptr;
}

// The comparison, then what a predicate adds to it.
template <auto F>
void combine(Warp& w, const Instruction& i, Mask mask) {
  reinterpret_cast<Handler>(i.k[0])(w, i, mask);
  uint64_t* d = w.at(i.d[0]);
  const uint64_t* c = w.at(i.s[2]);
  each(mask, [&](unsigned l) { d[l] = F(d[l] != 0, c[l] != 0) ? 1 : 0; });
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
Handler move(const std::string& type, const Instruction& i) {
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
  (void)type;
  return unary<uint64_t, uint64_t, [](uint64_t a) { return a; }>;
}

Handler predicate(const std::string& op) {
  if (op == "and") return binary<bool, bool, bool, [](bool a, bool b) { return a && b; }>;
  if (op == "or") return binary<bool, bool, bool, [](bool a, bool b) { return a || b; }>;
  if (op == "xor") return binary<bool, bool, bool, [](bool a, bool b) { return a != b; }>;
  if (op == "not") return unary<bool, bool, [](bool a) { return !a; }>;
  if (op == "mov") return unary<bool, bool, [](bool a) { return a; }>;
  return nullptr;
}

Handler setp(const Words& words, Instruction& into) {
  const Handler plain = of_any(words.back(), [&](auto t) { return comparison<decltype(t)>(words[1]); });
  if (plain == nullptr || into.d.size() != 1) return nullptr;
  if (words.size() == 3) return plain;
  into.k[0] = reinterpret_cast<int64_t>(plain);
  if (words[2] == "and") return combine<[](bool a, bool b) { return a && b; }>;
  if (words[2] == "or") return combine<[](bool a, bool b) { return a || b; }>;
  if (words[2] == "xor") return combine<[](bool a, bool b) { return a != b; }>;
  return nullptr;
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

bool decode_arithmetic(const Words& words, Instruction& into) {
  const std::string &op = words[0], &type = words.back();
  Handler handler = nullptr;
  if (type == "pred" && op != "setp") {
    handler = predicate(op);
  } else if (op == "mov") {
    into.k[0] = type_bytes(type) * 8;
    handler = move(type, into);
  } else if (op == "setp") {
    handler = setp(words, into);
  } else if (op == "cvt") {
    handler = convert(words, into);
  } else if (op == "prmt" || op == "shf" || op == "lop3" || op == "bfi") {
    into.k[0] = type_bytes(type) * 8;
    handler = bit_operation(words);
  } else {
    handler = of_integer(type, [&](auto t) { return integer_operation<decltype(t)>(op, words); });
    if (handler == nullptr)
      handler = of_float(type, [&](auto t) { return float_operation<decltype(t)>(op, words); });
  }
  into.handler = handler;
  return handler != nullptr;
}

}  // namespace ptx
