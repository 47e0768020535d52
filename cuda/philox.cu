// Formula: Philox4x32-10 of (key, stream, first + i): two 64-bit words a counter (Philox.java).
// Layout:  out [words] of 64 bits, 8-byte aligned; word i is half i % 2 of counter first + i / 2.
// Threads: a counter a thread, its two words in one store of 16 bytes, in a loop over the grid.
// Cost:    8 bytes and 50 integer operations a word: bound by integer arithmetic.
// Sums:    none; the bits of Java and of the processor.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace philox {

struct Words {
  uint64_t low, high;
};

__device__ __forceinline__ Words draw(uint64_t key, uint64_t stream, uint64_t index) {
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {uint64_t{c1} << 32 | c0, uint64_t{c3} << 32 | c2};
}

}  // namespace philox

// Obviously right: a thread a word.
KERNEL(256, nep_philox_plain, (uint64_t * out, int64_t words, int64_t key, int64_t stream, int64_t first)) {
  const int64_t i = grid_thread();
  if (i >= words) return;
  const philox::Words drawn = philox::draw(static_cast<uint64_t>(key), static_cast<uint64_t>(stream),
                                           static_cast<uint64_t>(first) + static_cast<uint64_t>(i / 2));
  out[i] = i % 2 == 0 ? drawn.low : drawn.high;
}

KERNEL(256, nep_philox, (uint64_t * out, int64_t words, int64_t key, int64_t stream, int64_t first)) {
  const bool aligned = aligned16(out);
  for (int64_t i = grid_thread() * 2; i < words; i += grid_threads() * 2) {
    const philox::Words drawn = philox::draw(static_cast<uint64_t>(key), static_cast<uint64_t>(stream),
                                             static_cast<uint64_t>(first) + static_cast<uint64_t>(i / 2));
    if (aligned && i + 1 < words) {
      *reinterpret_cast<uint4*>(out + i) =
          make_uint4(static_cast<uint32_t>(drawn.low), static_cast<uint32_t>(drawn.low >> 32),
                     static_cast<uint32_t>(drawn.high), static_cast<uint32_t>(drawn.high >> 32));
    } else {
      out[i] = drawn.low;
      if (i + 1 < words) out[i + 1] = drawn.high;
    }
  }
}
