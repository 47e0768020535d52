// The list of kernels. Adding one: a line here, its prototype in nepenthe.h, its source in kernels/.
// NEP_KERNELS(X) calls X(return type, name, (parameters), (arguments)) for each; library.cpp makes the
// dispatch table and the exported functions from it, and each level's namespace declares its implementation.
#pragma once

#include <cstdint>

#define NEP_KERNELS(X)                                                                                    \
  X(int64_t, roof_multiply_add, (int64_t steps, int32_t threads), (steps, threads))                       \
  X(void, roof_copy, (float* target, const float* source, int64_t n, int32_t threads),                    \
    (target, source, n, threads))                                                                         \
  X(void, roof_triad,                                                                                     \
    (float* target, const float* a, const float* b, float scale, int64_t n, int32_t threads),             \
    (target, a, b, scale, n, threads))                                                                    \
  X(void, dampen,                                                                                         \
    (float* weights, const float* forget, const float* reference, int64_t n, float alpha, float lambda,   \
     float upper, uint64_t* counts, double* magnitudes, int32_t threads),                                 \
    (weights, forget, reference, n, alpha, lambda, upper, counts, magnitudes, threads))                   \
  X(void, accumulate,                                                                                     \
    (float* sum, float* rest, const float* values, int64_t terms, int64_t n, int32_t kind, int32_t phase, \
     int32_t threads),                                                                                    \
    (sum, rest, values, terms, n, kind, phase, threads))

#define NEP_DECLARE(type, name, parameters, arguments) type name parameters;
#define NEP_DECLARE_LEVEL(level) \
  namespace nep_##level {        \
    NEP_KERNELS(NEP_DECLARE)     \
  }

#if defined(__x86_64__)
NEP_DECLARE_LEVEL(v2)
NEP_DECLARE_LEVEL(v3)
NEP_DECLARE_LEVEL(v4)
#else
NEP_DECLARE_LEVEL(generic)
#endif
