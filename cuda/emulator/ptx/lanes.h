// How an instruction on registers is done for all lanes, and for which type.
#pragma once

#include <string>

#include "ptx.h"

namespace ptx {

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

}  // namespace ptx
