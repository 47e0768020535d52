// Philox4x32-10: 128 bits of each counter, the same everywhere (Salmon, Moraes, Dror, Shaw 2011).
#include "simd.h"

namespace NEP_NAMESPACE {
namespace {

constexpr uint64_t MULTIPLIER_0 = 0xD2511F53, MULTIPLIER_1 = 0xCD9E8D57;
constexpr uint32_t WEYL_0 = 0x9E3779B9, WEYL_1 = 0xBB67AE85;
constexpr int ROUNDS = 10;
constexpr int64_t LEAST = 4096;  // words that are worth a thread

inline __attribute__((always_inline)) void block(uint64_t key, uint64_t stream, uint64_t counter,
                                                 uint64_t* out) {
  uint32_t c0 = static_cast<uint32_t>(counter), c1 = static_cast<uint32_t>(counter >> 32);
  uint32_t c2 = static_cast<uint32_t>(stream), c3 = static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < ROUNDS; round++) {
    const uint64_t p0 = MULTIPLIER_0 * c0, p1 = MULTIPLIER_1 * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    k0 += WEYL_0;
    k1 += WEYL_1;
  }
  out[0] = (static_cast<uint64_t>(c1) << 32) | c0;
  out[1] = (static_cast<uint64_t>(c3) << 32) | c2;
}

}  // namespace

void philox(uint64_t* out, int64_t n, int64_t key, int64_t stream, int64_t first, int32_t threads) {
  const uint64_t k = static_cast<uint64_t>(key), s = static_cast<uint64_t>(stream);
  const uint64_t start = static_cast<uint64_t>(first);
#pragma omp parallel for schedule(static) num_threads(threads) if (n > LEAST)
  for (int64_t i = 0; i < n / 2; i++) block(k, s, start + static_cast<uint64_t>(i), out + 2 * i);
  if (n % 2 != 0) {
    uint64_t last[2];
    block(k, s, start + static_cast<uint64_t>(n / 2), last);
    out[n - 1] = last[0];
  }
}

}  // namespace NEP_NAMESPACE
