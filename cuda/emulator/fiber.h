// A second stack to run on, and the switch to and from it.
#pragma once

#include <cstddef>
#include <cstdint>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace nep {

#if defined(__x86_64__)
struct Fiber {
  void* stack_pointer = nullptr;
};

// Saves what a call must preserve and the stack pointer; goes on where `to` was left.
extern "C" void nep_fiber_switch(void** from, void* to) __attribute__((visibility("hidden")));

inline void switch_fiber(Fiber& from, const Fiber& to) {
  nep_fiber_switch(&from.stack_pointer, to.stack_pointer);
}

// Makes the next switch to the fiber call `entry`, which must never return.
inline void start_fiber(Fiber& fiber, char* stack, size_t size, void (*entry)()) {
  uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + size) / 16 * 16 - 16;
  void** slot = reinterpret_cast<void**>(top);
  *slot = reinterpret_cast<void*>(entry);
  fiber.stack_pointer = slot - 6;  // six registers, whose values do not matter
}
#else
struct Fiber {
  ucontext_t context;
};
inline void switch_fiber(Fiber& from, const Fiber& to) { swapcontext(&from.context, &to.context); }
inline void start_fiber(Fiber& fiber, char* stack, size_t size, void (*entry)()) {
  getcontext(&fiber.context);
  fiber.context.uc_stack = {stack, 0, size};
  fiber.context.uc_link = nullptr;
  makecontext(&fiber.context, entry, 0);
}
#endif

}  // namespace nep
