// Formula: the exact top of |x| by two radix histograms over key(x) = bits without the sign: 13 high bits,
//          then 18 low (SelectTop.java).
// Layout:  values [n], 4-byte aligned; cuts: four words a cut, as in nepenthe.h; bits: a row of 64-bit
//          words a cut, `stride` apart.
// Threads: high, low: four values a load, four loads a thread before the first is used, in a loop over the
//          grid; segments: a warp for each of a histogram's 512; cut: a block a cut, a segment a thread, then
//          a bin of the one that is found; write: 256 values a warp, so four words of each cut's row at once;
//          keep: a block a cut, in order over the blocks of 65,536 values; trim: a warp a block of them.
// Cost:    12 bytes read a value in three passes, a bit written a cut: bound by memory but for write, where a
//          cut takes some 27 instructions for 256 values, 37 where not all ties are taken: at ten cuts and
//          four instructions a clock about as long as the memory (counted, not measured). Global atomics: one
//          for a value in a cut's bin, but none for zeros, of which there may be many.
// Sums:    integer counts only, so the order of atomics leaves no trace; ties go to the lowest index.
// Tried:   a value a load and thread (8 KB on their way a multiprocessor, a third of what the memory wants),
// a
//          search among the cuts for each value, cuts and ties decided by the host, a histogram's bins walked
//          by one thread: counted at two to three times as long; not measured on a GPU.
#include "common.cuh"

namespace select_top {

using word = unsigned long long;
constexpr int LOW_BITS = 18, HIGH_BINS = 1 << 13, LOW_BINS = 1 << LOW_BITS;
constexpr int SEGMENTS = 512;  // of a histogram
constexpr uint32_t NOTHING = 0x7fffffffu;
constexpr int MOST = 64;
constexpr uint8_t NO_SLOT = 255;
constexpr int64_t BLOCK = 65536;  // ties are counted by blocks of this size
constexpr int THREADS = 256, COUNTING = 512;
constexpr int LOADS = 4;    // of 16 bytes
constexpr int WORDS = 4;    // of a cut's row that a warp writes at once: a sector of the memory
constexpr int TRIMMED = 8;  // words of values that are read before the first is looked at
enum Field { REMAINING, KEY, SLOT, TIES, FIELDS };

__device__ __forceinline__ uint32_t key_of(float value) { return __float_as_uint(value) & 0x7fffffffu; }

// visit(key) for every value, in any order.
template <typename Visit>
__device__ __forceinline__ void every_key(const float* values, int64_t n, Visit visit) {
  const int64_t thread = grid_thread(), step = grid_threads();
  const int64_t past = static_cast<int64_t>(reinterpret_cast<uintptr_t>(values) / sizeof(float) % 4),
                before = past == 0 ? 0 : 4 - past;
  const int64_t lead = before < n ? before : n, fours = (n - lead) / 4, behind = lead + fours * 4;
  if (thread < lead) visit(key_of(values[thread]));
  if (thread < n - behind) visit(key_of(values[behind + thread]));
  const float4* aligned = reinterpret_cast<const float4*>(values + lead);
  for (int64_t i = thread; i < fours; i += LOADS * step) {
    float4 v[LOADS];
#pragma unroll
    for (int k = 0; k < LOADS; k++) v[k] = aligned[i + k * step < fours ? i + k * step : i];
#pragma unroll
    for (int k = 0; k < LOADS; k++) {
      if (i + k * step >= fours) break;
      visit(key_of(v[k].x));
      visit(key_of(v[k].y));
      visit(key_of(v[k].z));
      visit(key_of(v[k].w));
    }
  }
}

// Of a number a thread: the sum of those of the threads up to this one, and of all.
struct Prefix {
  word through, all;
};

__device__ __forceinline__ Prefix prefix(word value, word* warps) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  for (int step = 1; step < 32; step *= 2) {
    const word other = __shfl_sync(ALL_LANES, value, (lane - step) & 31);
    if (lane >= step) value += other;
  }
  __syncthreads();  // of the last call no thread reads any more
  if (lane == 31) warps[warp] = value;
  __syncthreads();
  word all = 0;
  for (int w = 0; w < SEGMENTS / 32; w++) {
    if (w == warp) value += all;
    all += warps[w];
  }
  return {value, all};
}

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

KERNEL(select_top::COUNTING, nep_select_top_high,
       (const float* values, int64_t n, select_top::word* histogram, select_top::word* invalid)) {
  using namespace select_top;
  __shared__ uint32_t bins[HIGH_BINS];
  for (int b = static_cast<int>(threadIdx.x); b < HIGH_BINS; b += COUNTING) bins[b] = 0;
  __syncthreads();
  uint32_t nan = 0;
  every_key(values, n, [&](uint32_t key) {
    atomicAdd(bins + (key >> LOW_BITS), 1u);
    nan += key > 0x7f800000u;
  });
  __syncthreads();
  for (int b = static_cast<int>(threadIdx.x); b < HIGH_BINS; b += COUNTING) {
    if (bins[b] != 0) atomicAdd(histogram + b, static_cast<word>(bins[b]));
  }
  if (nan != 0) atomicAdd(invalid, static_cast<word>(nan));
}

// Counts the low bits of the values in the cuts' bins; these are few, so they count in the device's memory. A
// cut's slot is the first cut with the same bin; the first block writes it down for nep_select_top_cut.
KERNEL_UNSPILLED(select_top::COUNTING, nep_select_top_low,
                 (const float* values, int64_t n, select_top::word* cuts, int count,
                  select_top::word* histograms)) {
  using namespace select_top;
  __shared__ uint8_t slots[HIGH_BINS];
  __shared__ uint32_t wanted[MOST];
  const int thread = static_cast<int>(threadIdx.x);
  for (int b = thread; b < HIGH_BINS; b += COUNTING) slots[b] = NO_SLOT;
  if (thread < count) wanted[thread] = static_cast<uint32_t>(cuts[thread * FIELDS + KEY]);
  __syncthreads();
  if (thread < count && wanted[thread] != NOTHING) {
    int slot = 0;
    while (wanted[slot] != wanted[thread]) slot++;
    if (slot == thread) slots[wanted[thread]] = static_cast<uint8_t>(slot);
    if (blockIdx.x == 0) cuts[thread * FIELDS + SLOT] = static_cast<word>(slot);
  }
  __syncthreads();
  word zeros = 0;
  every_key(values, n, [&](uint32_t key) {
    const uint32_t slot = slots[key >> LOW_BITS];
    if (key == 0) {
      zeros++;
    } else if (slot != NO_SLOT) {
      atomicAdd(histograms + (slot << LOW_BITS | (key & (LOW_BINS - 1))), word{1});
    }
  });
  if (slots[0] == NO_SLOT) return;
  for (int step = 16; step > 0; step /= 2) zeros += __shfl_down_sync(ALL_LANES, zeros, step);
  if (thread % 32 == 0 && zeros != 0) atomicAdd(histograms + (uint32_t{slots[0]} << LOW_BITS), zeros);
}

// sums[s]: of the s-th `each` bins.
KERNEL(select_top::THREADS, nep_select_top_segments,
       (const select_top::word* histograms, int64_t segments, int each, select_top::word* sums)) {
  using namespace select_top;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int64_t s = grid_thread() / 32; s < segments; s += grid_threads() / 32) {
    word sum = 0;
#pragma unroll 16
    for (int b = lane; b < each; b += 32) sum += histograms[s * each + b];
    for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(ALL_LANES, sum, step);
    if (lane == 0) sums[s] = sum;
  }
}

// A block a cut: the highest bin with at least as many values in it and above as are wanted. Threads go
// downwards.
KERNEL(select_top::SEGMENTS, nep_select_top_cut,
       (const select_top::word* histograms, const select_top::word* segments, select_top::word* cuts,
        int low)) {
  using namespace select_top;
  __shared__ word warps[SEGMENTS / 32];
  __shared__ word segment, above;
  const int place = SEGMENTS - 1 - static_cast<int>(threadIdx.x);
  word* cut = cuts + static_cast<int64_t>(blockIdx.x) * FIELDS;
  const word wanted = cut[REMAINING], slot = low != 0 && wanted != 0 ? cut[SLOT] : 0;
  if (wanted == 0) {
    __syncthreads();  // no thread may write before all have read
    if (threadIdx.x == 0) {
      cut[KEY] = NOTHING;
      cut[TIES] = 0;
    }
    return;
  }
  const word inside = segments[slot * SEGMENTS + static_cast<word>(place)];
  const word through = prefix(inside, warps).through;
  if (through >= wanted && through - inside < wanted) {
    segment = static_cast<word>(place);
    above = through - inside;
  }
  __syncthreads();
  const int each = (low != 0 ? LOW_BINS : HIGH_BINS) / SEGMENTS;
  const word bin = segment * static_cast<word>(each) + static_cast<word>(place);
  const word ties = place < each ? histograms[slot * LOW_BINS + bin] : 0;
  const word over = above + prefix(ties, warps).through;
  if (over >= wanted && over - ties < wanted) {
    cut[REMAINING] = wanted - (over - ties);
    cut[TIES] = ties;
    cut[KEY] = low != 0 ? cut[KEY] << LOW_BITS | bin : bin;
  }
}

// ties [blocks of 65,536, cuts], zeroed before.
KERNEL(select_top::THREADS, nep_select_top_write,
       (const float* values, int64_t n, const select_top::word* cuts, int count, select_top::word* bits,
        int64_t stride, select_top::word* ties)) {
  using namespace select_top;
  struct alignas(8) Threshold {
    int32_t key, splits;
  };
  __shared__ Threshold thresholds[MOST];
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (static_cast<int>(threadIdx.x) < count) {
    const word* cut = cuts + threadIdx.x * FIELDS;
    thresholds[threadIdx.x] = {static_cast<int32_t>(cut[KEY]), cut[REMAINING] < cut[TIES]};
  }
  __syncthreads();
  const int64_t words = (n + 63) / 64;
  const bool pairs = (reinterpret_cast<uintptr_t>(bits) & 15) == 0 && stride % 2 == 0;
  for (int64_t first = grid_thread() / 32 * WORDS; first < words; first += grid_threads() / 32 * WORDS) {
    int32_t keys[2 * WORDS];  // -1 where there is no value: below every threshold
#pragma unroll
    for (int k = 0; k < 2 * WORDS; k++) {
      const int64_t i = first * 64 + k * 32 + lane;
      const uint32_t key = key_of(values[i < n ? i : n - 1]);
      keys[k] = i < n ? static_cast<int32_t>(key) : -1;
    }
    word* row = bits + first;
    for (int r = 0; r < count; r++, row += stride) {
      const Threshold t = thresholds[r];
      uint32_t halves[2 * WORDS];
#pragma unroll
      for (int k = 0; k < 2 * WORDS; k++) halves[k] = __ballot_sync(ALL_LANES, keys[k] >= t.key);
      if (pairs && words - first >= WORDS) {
        const uint4 two = lane == 0 ? make_uint4(halves[0], halves[1], halves[2], halves[3])
                                    : make_uint4(halves[4], halves[5], halves[6], halves[7]);
        if (lane < WORDS / 2) *reinterpret_cast<uint4*>(row + 2 * lane) = two;
      } else if (lane == 0) {
#pragma unroll
        for (int w = 0; w < WORDS; w++) {
          if (w < words - first) row[w] = word{halves[2 * w + 1]} << 32 | halves[2 * w];
        }
      }
      if (t.splits == 0) continue;
      bool equal = false;
#pragma unroll
      for (int k = 0; k < 2 * WORDS; k++) equal |= keys[k] == t.key;
      if (!__any_sync(ALL_LANES, equal)) continue;
      int tied = 0;
#pragma unroll
      for (int k = 0; k < 2 * WORDS; k++) tied += __popc(__ballot_sync(ALL_LANES, keys[k] == t.key));
      if (lane == 0) atomicAdd(ties + first * 64 / BLOCK * count + r, static_cast<word>(tied));
    }
  }
}

// Turns the numbers of ties into the numbers to keep, 2^64-1 for all: the first ones are kept, as many as
// remain.
KERNEL(select_top::SEGMENTS, nep_select_top_keep,
       (const select_top::word* cuts, int count, int64_t blocks, select_top::word* ties)) {
  using namespace select_top;
  __shared__ word warps[SEGMENTS / 32];
  word* column = ties + blockIdx.x;
  const word remaining = cuts[static_cast<int64_t>(blockIdx.x) * FIELDS + REMAINING];
  const int64_t thread = threadIdx.x;
  word before = 0, next = thread < blocks ? column[thread * count] : 0;
  for (int64_t first = 0; first < blocks; first += SEGMENTS) {
    const int64_t block = first + thread, ahead = block + SEGMENTS;
    const word met = next;
    next = ahead < blocks ? column[ahead * count] : 0;
    const Prefix sums = prefix(met, warps);
    const word taken = before + sums.through - met, left = taken < remaining ? remaining - taken : 0;
    if (block < blocks) column[block * count] = met > left ? left : ~word{0};
    before += sums.all;
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
  for (int64_t at = begin; at < n && at < begin + BLOCK; at += 64 * TRIMMED) {
    bool equal[2 * TRIMMED];
#pragma unroll
    for (int k = 0; k < 2 * TRIMMED; k++) {
      const int64_t i = at + k * 32 + lane;
      equal[k] = (key_of(values[i < n ? i : n - 1]) == key) & (i < n);
    }
#pragma unroll
    for (int w = 0; w < TRIMMED; w++) {
      const word low = __ballot_sync(ALL_LANES, equal[2 * w]);
      const word high = __ballot_sync(ALL_LANES, equal[2 * w + 1]);
      word tied = high << 32 | low;
      for (; left > 0 && tied != 0; left--) tied &= tied - 1;
      if (lane == 0 && tied != 0) bits[r * stride + at / 64 + w] &= ~tied;
    }
  }
}
