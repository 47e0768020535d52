// Formula: y[i] = values[256·c + bytes[i]], c = i mod C: images of a byte a value as the floats that the
// bytes
//          stand for, normalised or not (Pixels.java).
// Layout:  bytes [n, C], y [n, C], values [C, 256]; y and values 4-byte aligned.
// Threads: four neighbouring values a thread, 4 bytes a load and 16 a store, in a loop over the grid.
// Cost:    5 bytes and one look-up, in the cache, a value: bound by memory.
// Sums:    none: the table's bits.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace pixels {

constexpr int BYTES = 256, EACH = 4;

}  // namespace pixels

// Obviously right: a thread a value.
KERNEL(256, nep_pixels_plain,
       (const uint8_t* bytes, const float* values, float* y, int64_t n, int channels)) {
  const int64_t i = grid_thread();
  if (i < n) y[i] = values[i % channels * pixels::BYTES + bytes[i]];
}

KERNEL(256, nep_pixels, (const uint8_t* bytes, const float* values, float* y, int64_t n, int channels)) {
  using namespace pixels;
  const bool aligned = aligned16(y) && (reinterpret_cast<uintptr_t>(bytes) & (EACH - 1)) == 0;
  for (int64_t i = grid_thread() * EACH; i < n; i += grid_threads() * EACH) {
    uint32_t four = 0;
    if (aligned && n - i >= EACH) {
      four = *reinterpret_cast<const uint32_t*>(bytes + i);
    } else {
      for (int k = 0; k < EACH && i + k < n; k++) four |= static_cast<uint32_t>(bytes[i + k]) << 8 * k;
    }
    int channel = static_cast<int>(i % channels);
    float found[EACH];
    for (int k = 0; k < EACH; k++) {
      found[k] = values[channel * BYTES + static_cast<int>(four >> 8 * k & 0xff)];
      channel = channel + 1 == channels ? 0 : channel + 1;
    }
    store4(y + i, make_float4(found[0], found[1], found[2], found[3]), n - i, aligned);
  }
}
