// Hopper's own words, for sources that are compiled for sm_90a only (…_sm90a.cu): products of a warpgroup,
// four warps, which run on their own from shared memory; and barriers that lie in shared memory.
#pragma once

#include "common.cuh"

#if !defined(NEP_EMULATED)

// An address in the block's shared memory, as descriptors hold it.
__device__ __forceinline__ uint32_t shared_address(const void* at) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(at));
}

// The same value, of which the compiler does not know that: what follows from it is formed where it is used,
// and takes no registers before.
__device__ __forceinline__ int hidden(int value) {
  asm volatile("" : "+r"(value));
  return value;
}

// This thread's writes to shared memory so far can be read by wgmma after the next barrier. The other way
// needs none: a wgmma that was waited for has read (PTX ISA, 9.7.15.4).
__device__ __forceinline__ void proxy_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// A barrier whose phases end with the count's last arrival. One thread makes it, before a __syncthreads.
__device__ __forceinline__ void barrier_init(uint64_t* at, uint32_t count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(at)), "r"(count) : "memory");
}
__device__ __forceinline__ void barrier_arrive(uint64_t* at) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(at)) : "memory");
}
// Waits until the phase of a parity has ended; the first phase has parity 0.
__device__ __forceinline__ void barrier_wait(uint64_t* at, uint32_t parity) {
  // The loop is the assembler's: the compiler takes what follows one of its own for divergent, and serialises
  // wgmma.
  asm volatile(
      "{\n"
      ".reg .pred over;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 over, [%0], %1;\n"
      "@!over bra again;\n"
      "}" ::"r"(shared_address(at)),
      "r"(parity)
      : "memory");
}

// Before the first wgmma, and between other accesses to its registers and the next.
__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
// Closes a group of wgmmas.
__device__ __forceinline__ void wgmma_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
// Waits for all groups but the last LEFT: their accumulators can be used, their operands overwritten.
template <int LEFT>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(LEFT) : "memory");
}

#define NEP_REGISTERS_48                                                             \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "           \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define NEP_REGISTERS_128                                                                        \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "                       \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "             \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "             \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "             \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "             \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "             \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define NEP_OUT_8(d, i)                                                                       \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), \
      "+f"(d[i + 6]), "+f"(d[i + 7])
#define NEP_OUT_16(d, i) NEP_OUT_8(d, i), NEP_OUT_8(d, i + 8)
#define NEP_OUT_48(d) NEP_OUT_16(d, 0), NEP_OUT_16(d, 16), NEP_OUT_16(d, 32)
#define NEP_OUT_128(d)                                                                       \
  NEP_OUT_48(d), NEP_OUT_16(d, 48), NEP_OUT_16(d, 64), NEP_OUT_16(d, 80), NEP_OUT_16(d, 96), \
      NEP_OUT_16(d, 112)
// a, b, accumulate are the operands that follow the registers.
#define NEP_WGMMA(shape, types, registers, a, b, accumulate, last)                                     \
  "{\n.reg .pred p;\nsetp.ne.b32 p, " accumulate ", 0;\nwgmma.mma_async.sync.aligned." shape "." types \
  " {" registers "}, " a ", " b ", p, 1, 1" last ";\n}"

// d (+)= a·b: 64 rows, COLUMNS columns, 16 bfloat16 terms; both operands with their sides contiguous
// (descriptor()). Thread l of the warpgroup holds in d[4c…4c + 3], with g = l % 32 / 4 and t = l % 4, of rows
// 16·(l / 32) + …: (g, 8c + 2t), (g, 8c + 2t + 1), (g + 8, 8c + 2t), (g + 8, 8c + 2t + 1).
template <int COLUMNS>
__device__ __forceinline__ void wgmma_bf16(float (&d)[COLUMNS / 2], uint64_t a, uint64_t b, bool accumulate) {
  static_assert(COLUMNS == 96 || COLUMNS == 256);
  if constexpr (COLUMNS == 96) {
    asm volatile(NEP_WGMMA("m64n96k16", "f32.bf16.bf16", NEP_REGISTERS_48, "%48", "%49", "%50", ", 1, 1")
                 : NEP_OUT_48(d)
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
  } else {
    asm volatile(NEP_WGMMA("m64n256k16", "f32.bf16.bf16", NEP_REGISTERS_128, "%128", "%129", "%130", ", 1, 1")
                 : NEP_OUT_128(d)
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
  }
}

// The same of 8 TF32 terms, which are contiguous in both operands.
template <int COLUMNS>
__device__ __forceinline__ void wgmma_tf32(float (&d)[COLUMNS / 2], uint64_t a, uint64_t b, bool accumulate) {
  static_assert(COLUMNS == 96 || COLUMNS == 256);
  if constexpr (COLUMNS == 96) {
    asm volatile(NEP_WGMMA("m64n96k8", "f32.tf32.tf32", NEP_REGISTERS_48, "%48", "%49", "%50", "")
                 : NEP_OUT_48(d)
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
  } else {
    asm volatile(NEP_WGMMA("m64n256k8", "f32.tf32.tf32", NEP_REGISTERS_128, "%128", "%129", "%130", "")
                 : NEP_OUT_128(d)
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));
  }
}
#endif

// What a wgmma reads, without swizzling: pieces of eight rows of 16 bytes one after the other, aligned to 16
// bytes. bfloat16: a row is a term, its eight values are of the side; the next eight terms lie `leading`
// bytes further, the next eight of the side `stride`. TF32: a row is of the side, its four values are terms;
// the next four terms lie `leading` bytes further, the next eight of the side `stride`. So say the manual's
// tables and its worked examples (PTX ISA 9.0, 9.7.15.5.1.2.1: MN-major and K-major, no swizzling) and what
// has run on the chip: CUTLASS (cute/atom/mma_traits_sm90_gmma.hpp, INTERLEAVE) and Triton (MMAHelpers.h,
// swizzling 0, whose tests found that ptxas before 13.0.88 gets side-contiguous operands wrong:
// CudaKernels.java).
__device__ __forceinline__ uint64_t descriptor(const void* start, uint32_t leading, uint32_t stride) {
  return static_cast<uint64_t>(shared_address(start) >> 4 & 0x3fff) |
         static_cast<uint64_t>(leading >> 4 & 0x3fff) << 16 |
         static_cast<uint64_t>(stride >> 4 & 0x3fff) << 32;
}
