// Formula: the exact top of |x| by two radix histograms over key(x) = bits without the sign: 13 high bits,
//          then 18 low (SelectTop.java).
// Layout:  values [n], 4-byte aligned; cuts: four words a cut, as in nepenthe.h; bits: a row of 64-bit
//          words a cut, `stride` apart.
// Threads: high, low: a value a thread in a loop over the grid; cut: a cut a block; write: a word of 64
//          values a warp.
// Cost:    12 bytes read a value in three passes, a bit written a cut: bound by memory (shared atomics if
//          values are all alike).
// Sums:    integer counts only, so the order of atomics leaves no trace; ties go to the lowest index.
// Tried:   nothing else yet; not measured on a GPU.
#include "common.cuh"

namespace select_top {

using word = unsigned long long;
constexpr int LOW_BITS = 18, HIGH_BINS = 1 << 13, LOW_BINS = 1 << LOW_BITS;
constexpr uint32_t NOTHING = 0x7fffffffu;
constexpr int MOST = 64;
constexpr int64_t BLOCK = 65536;  // ties are counted by blocks of this size
constexpr int THREADS = 256, WORDS = 128;
enum Field { REMAINING, KEY, SLOT, TIES, FIELDS };

__device__ __forceinline__ uint32_t key_of(float value) { return __float_as_uint(value) & 0x7fffffffu; }

}  // namespace select_top

// Obviously right: every value counts in the device's memory.
KERNEL(256, nep_select_top_high_plain,
       (const float* values, int64_t n, select_top::word* histogram, select_top::word* invalid)) {
  using namespace select_top;
  const int64_t i = grid_thread();
  if (i >= n) return;
  const uint32_t key = key_of(values[i]);
  atomicAdd(histogram + (key >> LOW_BITS), word{1});
  if (key > 0x7f800000u) atomicAdd(invalid, word{1});
}

KERNEL(512, nep_select_top_high,
       (const float* values, int64_t n, select_top::word* histogram, select_top::word* invalid)) {
  using namespace select_top;
  __shared__ uint32_t bins[HIGH_BINS];
  for (int b = static_cast<int>(threadIdx.x); b < HIGH_BINS; b += 512) bins[b] = 0;
  __syncthreads();
  word nan = 0;
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) {
    const uint32_t key = key_of(values[i]);
    atomicAdd(bins + (key >> LOW_BITS), 1u);
    nan += key > 0x7f800000u;
  }
  __syncthreads();
  for (int b = static_cast<int>(threadIdx.x); b < HIGH_BINS; b += 512) {
    if (bins[b] != 0) atomicAdd(histogram + b, static_cast<word>(bins[b]));
  }
  if (nan != 0) atomicAdd(invalid, nan);
}

// Counts the low bits of the values in the cuts' bins; these are few, so they count in the device's memory.
// bins ascend.
KERNEL(256, nep_select_top_low,
       (const float* values, int64_t n, const uint32_t* bins, int slots, select_top::word* histograms)) {
  using namespace select_top;
  __shared__ uint32_t wanted[MOST];
  if (static_cast<int>(threadIdx.x) < slots) wanted[threadIdx.x] = bins[threadIdx.x];
  __syncthreads();
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) {
    const uint32_t key = key_of(values[i]), bin = key >> LOW_BITS;
    int low = 0, high = slots;
    while (high - low > 1) {
      const int middle = (low + high) / 2;
      if (wanted[middle] <= bin) {
        low = middle;
      } else {
        high = middle;
      }
    }
    if (wanted[low] == bin)
      atomicAdd(histograms + static_cast<int64_t>(low) * LOW_BINS + (key & (LOW_BINS - 1)), word{1});
  }
}

// A block a cut: the highest bin with at least as many values in it and above as are wanted.
KERNEL(256, nep_select_top_cut, (const select_top::word* histograms, select_top::word* cuts, int low)) {
  using namespace select_top;
  __shared__ word sums[256];
  word* cut = cuts + static_cast<int64_t>(blockIdx.x) * FIELDS;
  const word wanted = cut[REMAINING];
  if (wanted == 0) {
    __syncthreads();  // no thread may write before all have read
    if (threadIdx.x == 0) {
      cut[KEY] = NOTHING;
      cut[TIES] = 0;
    }
    return;
  }
  const int64_t bins = low != 0 ? LOW_BINS : HIGH_BINS, part = bins / 256;
  const word* counts = low != 0 ? histograms + static_cast<int64_t>(cut[SLOT]) * LOW_BINS : histograms;
  word sum = 0;
  for (int64_t b = part * threadIdx.x; b < part * (threadIdx.x + 1); b++) sum += counts[b];
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  word over = 0;
  int64_t segment = 255;
  while (segment > 0 && over + sums[segment] < wanted) over += sums[segment--];
  int64_t bin = part * (segment + 1) - 1;
  while (bin > part * segment && over + counts[bin] < wanted) over += counts[bin--];
  cut[REMAINING] = wanted - over;
  cut[TIES] = counts[bin];
  cut[KEY] = low != 0 ? cut[KEY] << LOW_BITS | static_cast<word>(bin) : static_cast<word>(bin);
}

// ties [blocks of 65,536, cuts], zeroed before.
KERNEL(select_top::THREADS, nep_select_top_write,
       (const float* values, int64_t n, const select_top::word* cuts, int count, select_top::word* bits,
        int64_t stride, select_top::word* ties)) {
  using namespace select_top;
  __shared__ uint32_t threshold[MOST];
  __shared__ bool splits[MOST];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  if (static_cast<int>(threadIdx.x) < count) {
    const word* cut = cuts + threadIdx.x * FIELDS;
    threshold[threadIdx.x] = static_cast<uint32_t>(cut[KEY]);
    splits[threadIdx.x] = cut[REMAINING] < cut[TIES];
  }
  __syncthreads();
  const int64_t words = (n + 63) / 64, first = static_cast<int64_t>(blockIdx.x) * WORDS;
  for (int64_t w = first + warp; w < first + WORDS && w < words; w += THREADS / 32) {
    const int64_t i = w * 64 + lane;
    const bool there = i < n, there_too = i + 32 < n;
    const uint32_t key = there ? key_of(values[i]) : 0, key_too = there_too ? key_of(values[i + 32]) : 0;
    for (int r = 0; r < count; r++) {
      const uint32_t t = threshold[r];
      const word low = __ballot_sync(ALL_LANES, there && key >= t);
      const word high = __ballot_sync(ALL_LANES, there_too && key_too >= t);
      if (lane == 0) bits[r * stride + w] = high << 32 | low;
      if (splits[r]) {
        const int tied = __popc(__ballot_sync(ALL_LANES, there && key == t)) +
                         __popc(__ballot_sync(ALL_LANES, there_too && key_too == t));
        if (lane == 0 && tied > 0) atomicAdd(ties + i / BLOCK * count + r, static_cast<word>(tied));
      }
    }
  }
}

// A warp a block of 65,536 values and a cut: where keep is not 2^64-1, clears all values equal to the key but
// the first.
KERNEL(32, nep_select_top_trim,
       (const float* values, int64_t n, const select_top::word* cuts, int count, select_top::word* bits,
        int64_t stride, const select_top::word* keep)) {
  using namespace select_top;
  const int r = static_cast<int>(blockIdx.y), lane = static_cast<int>(threadIdx.x);
  word left = keep[static_cast<int64_t>(blockIdx.x) * count + r];
  if (left == ~word{0}) return;
  const uint32_t key = static_cast<uint32_t>(cuts[r * FIELDS + KEY]);
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * BLOCK;
  for (int64_t at = begin; at < n && at < begin + BLOCK; at += 64) {
    const int64_t i = at + lane;
    const word low = __ballot_sync(ALL_LANES, i < n && key_of(values[i]) == key);
    const word high = __ballot_sync(ALL_LANES, i + 32 < n && key_of(values[i + 32]) == key);
    word tied = high << 32 | low;
    for (; left > 0 && tied != 0; left--) tied &= tied - 1;
    if (lane == 0 && tied != 0) bits[r * stride + at / 64] &= ~tied;
  }
}
