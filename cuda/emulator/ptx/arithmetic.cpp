// PTX's instructions on registers.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "lanes.h"

namespace ptx {
namespace {

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

}  // namespace

bool decode_arithmetic(const Words& words, Instruction& into) {
  const std::string &op = words[0], &type = words.back();
  Handler handler = nullptr;
  if (type == "pred" && op != "setp") {
    handler = predicate(op);
  } else if (op == "setp") {
    handler = setp(words, into);
  } else {
    handler = of_integer(type, [&](auto t) { return integer_operation<decltype(t)>(op, words); });
    if (handler == nullptr)
      handler = of_float(type, [&](auto t) { return float_operation<decltype(t)>(op, words); });
  }
  into.handler = handler;
  return handler != nullptr;
}

}  // namespace ptx
