// Exact selection of the largest |x| by radix histograms, for many counts at once. The key of x is its bits
// without the sign: 31 bits that order like |x|. A cut is four words (see nepenthe.h).
#include "reduce.h"

#include <omp.h>

namespace NEP_NAMESPACE {
namespace {

constexpr int32_t LOW_BITS = 15;
constexpr int64_t LOW_BINS = 1 << LOW_BITS;
constexpr int64_t HIGH_BINS = 1 << 16;
// Each thread counts into this many histograms in turn, so that equal neighbours do not wait for each other.
constexpr int64_t COPIES = 2;
constexpr int32_t NOTHING = 0x7fffffff;   // a key above every number's
constexpr int32_t INFINITE = 0x7f800000;  // above it are the keys of what is not a number
constexpr int64_t BLOCK = 65536;          // nep_select_top_write counts ties by blocks of this size
constexpr int64_t WORD = 64;
constexpr int64_t PER_WORD = WORD / WIDTH;
constexpr int64_t AHEAD = 4 * WORD;
constexpr int32_t MOST = 64;  // cuts in one run
enum Field { REMAINING, KEY, SLOT, TIES, FIELDS };

typedef uint32_t word_at __attribute__((may_alias));
typedef uint64_t pair_at __attribute__((aligned(4), may_alias));
typedef uint32_t vuint __attribute__((vector_size(NEP_WIDTH * 4)));
typedef vint vint_at __attribute__((aligned(4), may_alias));

inline vint keys_at(const float* values) { return *reinterpret_cast<const vint_at*>(values) & 0x7fffffff; }

// The keys of up to 64 values; those past the end are -1, below every threshold.
inline void word_keys(const float* values, int64_t left, vint* keys) {
  if (left >= WORD) {
#pragma GCC unroll 16
    for (int64_t v = 0; v < PER_WORD; v++) keys[v] = keys_at(values + v * WIDTH);
    return;
  }
  int32_t padded[WORD];
  for (int64_t i = 0; i < WORD; i++) {
    padded[i] =
        i < left ? static_cast<int32_t>(reinterpret_cast<const word_at*>(values)[i] & 0x7fffffff) : -1;
  }
#pragma GCC unroll 16
  for (int64_t v = 0; v < PER_WORD; v++) keys[v] = *reinterpret_cast<const vint_at*>(padded + v * WIDTH);
}

// A word of bits from the lanes of its vectors, asked for by number. Masks are joined before they leave their
// registers: one move a word, not four.
template <typename Lanes>
inline __attribute__((always_inline)) uint64_t word_of(Lanes lanes_of) {
#if defined(NEP_LEVEL_v4)
  static_assert(PER_WORD == 4);
  const auto mask = [&](int64_t v) { return static_cast<__mmask16>(lanes_of(v)); };
  return _mm512_kunpackd(_mm512_kunpackw(mask(3), mask(2)), _mm512_kunpackw(mask(1), mask(0)));
#else
  uint64_t word = 0;
#pragma GCC unroll 16
  for (int64_t v = 0; v < PER_WORD; v++) word |= static_cast<uint64_t>(lanes_of(v)) << (v * WIDTH);
  return word;
#endif
}

inline uint64_t above(const vint* keys, vint threshold) {
  return word_of([&](int64_t v) { return lanes_above(keys[v], threshold); });
}

inline uint64_t equal(const vint* keys, vint key) { return above(keys, key - 1) & ~above(keys, key); }

inline uint64_t count(uint64_t word) { return static_cast<uint64_t>(__builtin_popcountll(word)); }

// Whether the cut takes only some of the values whose key equals its threshold.
inline bool splits_ties(const uint64_t* cut) { return cut[REMAINING] < cut[TIES]; }

void high_chunk(const float* values, int64_t n, uint64_t* histogram, uint64_t* invalid) {
  static_assert(COPIES == 2);
  const word_at* bits = reinterpret_cast<const word_at*>(values);
  vint nan = {};
  int64_t i = 0;
  for (; i + WORD <= n; i += WORD) {
    // The processor itself looks ahead within a page only.
#pragma GCC unroll 4
    for (int64_t line = 0; line < WORD; line += 16) __builtin_prefetch(values + i + AHEAD + line);
#pragma GCC unroll 16
    for (int64_t v = 0; v < PER_WORD; v++) nan -= keys_at(values + i + v * WIDTH) > INFINITE;
      // Two values by one load: with a load each it takes longer.
#pragma GCC unroll 4
    for (int64_t c = 0; c < WORD; c += COPIES) {
      const uint64_t pair = *reinterpret_cast<const pair_at*>(values + i + c);
      histogram[(pair >> LOW_BITS) & (HIGH_BINS - 1)]++;
      histogram[HIGH_BINS + ((pair >> (32 + LOW_BITS)) & (HIGH_BINS - 1))]++;
    }
  }
#pragma GCC unroll 16
  for (int64_t lane = 0; lane < WIDTH; lane++) *invalid += static_cast<uint64_t>(nan[lane]);
  for (; i < n; i++) {
    *invalid += (bits[i] & 0x7fffffff) > INFINITE;
    histogram[(bits[i] >> LOW_BITS) & (HIGH_BINS - 1)]++;
  }
}

// The values, of a word's, that equal one of `many`: four vectors at a time, so that they stay in registers.
inline uint64_t among(const vint* values, const vint* many, int64_t size) {
  uint64_t word = 0;
#pragma GCC unroll 4
  for (int64_t v = 0; v < PER_WORD; v += 4) {
#if defined(NEP_LEVEL_v4)
    uint32_t any[4] = {};
    for (int64_t s = 0; s < size; s++) {
      for (int64_t q = 0; q < 4; q++) any[q] |= lanes_equal(values[v + q], many[s]);
    }
#else
    vint equals[4] = {};
    for (int64_t s = 0; s < size; s++) {
      for (int64_t q = 0; q < 4; q++) equals[q] |= values[v + q] == many[s];
    }
    uint32_t any[4];
    for (int64_t q = 0; q < 4; q++) any[q] = lanes(equals[q]);
#endif
    for (int64_t q = 0; q < 4; q++) word |= static_cast<uint64_t>(any[q]) << ((v + q) * WIDTH);
  }
  return word;
}

// The cuts' bins. Few of them are found without a collision by a multiplicative hash into two vectors, so
// that one permutation and one comparison ask about all bins at once; ten bins fit 32 places after some dozen
// tries.
struct Bins {
  static constexpr int64_t PLACES = 2 * WIDTH;
  static constexpr int32_t SHIFT = 32 - __builtin_ctz(PLACES);

  int32_t bins[MOST];  // ascending, padded with NOTHING
  int64_t slots = 0;
  uint32_t factor = 0;  // 0 if no factor was found that parts them
  int32_t at[PLACES];   // the bin in each place
  int32_t slot[PLACES];

  Bins(const uint64_t* cuts, int32_t count_of_cuts) {
    for (int32_t& bin : bins) bin = NOTHING;
    for (int32_t r = 0; r < count_of_cuts; r++) {
      const uint64_t* cut = cuts + r * FIELDS;
      if (cut[KEY] == NOTHING) continue;
      const int64_t s = static_cast<int64_t>(cut[SLOT]);
      bins[s] = static_cast<int32_t>(cut[KEY]);
      slots = slots > s + 1 ? slots : s + 1;
    }
    uint32_t odd = 0x9e3779b1;
    for (int32_t tries = 0; tries < 4096 && factor == 0; tries++, odd = odd * 0x2545f491 + 0x3c6ef372) {
      if (parts(odd | 1)) factor = odd | 1;
    }
  }

  uint32_t place(int32_t bin) const { return (static_cast<uint32_t>(bin) * factor) >> SHIFT; }

 private:
  bool parts(uint32_t by) {
    for (int32_t& bin : at) bin = NOTHING;
    for (int64_t s = 0; s < slots; s++) {
      const uint32_t p = (static_cast<uint32_t>(bins[s]) * by) >> SHIFT;
      if (at[p] != NOTHING) return false;
      at[p] = bins[s];
      slot[p] = static_cast<int32_t>(s);
    }
    return true;
  }
};

// Counts the values in one of the bins, each among the low bits of its bin's slot.
void low_chunk_hashed(const float* values, int64_t n, const Bins& bins, uint64_t* histogram) {
  const vint first = *reinterpret_cast<const vint_at*>(bins.at);
  const vint second = *reinterpret_cast<const vint_at*>(bins.at + WIDTH);
  const vuint factor = vuint{} + bins.factor;
  for (int64_t at = 0; at < n; at += WORD) {
    vint keys[PER_WORD];
    word_keys(values + at, n - at, keys);
    uint64_t chosen = word_of([&](int64_t v) {
      const vint bin = keys[v] >> LOW_BITS;
      const vuint place = (reinterpret_cast<vuint>(bin) * factor) >> Bins::SHIFT;
      const vint there = __builtin_shuffle(first, second, reinterpret_cast<vint>(place));
      return lanes_equal(there, bin);
    });
    for (; chosen != 0; chosen &= chosen - 1) {
      const uint32_t bits = reinterpret_cast<const word_at*>(values)[at + __builtin_ctzll(chosen)];
      const int32_t key = static_cast<int32_t>(bits & 0x7fffffff);
      histogram[bins.slot[bins.place(key >> LOW_BITS)] * LOW_BINS + (key & (LOW_BINS - 1))]++;
    }
  }
}

// The same for bins that no factor parts.
void low_chunk(const float* values, int64_t n, const Bins& bins, uint64_t* histogram) {
  vint many[MOST];
  for (int64_t s = 0; s < bins.slots; s++) many[s] = vint{} + bins.bins[s];
  for (int64_t at = 0; at < n; at += WORD) {
    vint keys[PER_WORD];
    word_keys(values + at, n - at, keys);
    for (vint& key : keys) key >>= LOW_BITS;
    for (uint64_t chosen = among(keys, many, bins.slots); chosen != 0; chosen &= chosen - 1) {
      const uint32_t bits = reinterpret_cast<const word_at*>(values)[at + __builtin_ctzll(chosen)];
      const int32_t key = static_cast<int32_t>(bits & 0x7fffffff);
      int64_t slot = 0;
      for (int64_t s = 0; s < bins.slots; s += WIDTH) {
        const vint some = *reinterpret_cast<const vint_at*>(bins.bins + s);
        slot += __builtin_popcount(lanes_above(vint{} + (key >> LOW_BITS), some));
      }
      histogram[slot * LOW_BINS + (key & (LOW_BINS - 1))]++;
    }
  }
}

}  // namespace

void select_top_high(const float* values, int64_t n, uint64_t* histograms, uint64_t* invalid,
                     int32_t threads) {
  const int64_t chunks = (n + CHUNK - 1) / CHUNK;
  uint64_t nan = 0;
#pragma omp parallel for schedule(static) num_threads(threads) reduction(+ : nan) if (n > BLOCK)
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t at = c * CHUNK;
    high_chunk(values + at, n - at < CHUNK ? n - at : CHUNK,
               histograms + omp_get_thread_num() * COPIES * HIGH_BINS, &nan);
  }
  *invalid += nan;
}

void select_top_low(const float* values, int64_t n, const uint64_t* cuts, int32_t count_of_cuts,
                    uint64_t* histograms, int32_t threads) {
  const Bins bins(cuts, count_of_cuts);
  const int64_t chunks = (n + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) num_threads(threads) if (n > BLOCK)
  for (int64_t c = 0; c < chunks; c++) {
    const int64_t at = c * CHUNK;
    const int64_t size = n - at < CHUNK ? n - at : CHUNK;
    uint64_t* histogram = histograms + omp_get_thread_num() * bins.slots * LOW_BINS;
    if (bins.factor != 0) {
      low_chunk_hashed(values + at, size, bins, histogram);
    } else {
      low_chunk(values + at, size, bins, histogram);
    }
  }
}

namespace {

// Adds `copies` histograms into the first and turns that into "how many in this bin or a higher one".
void suffix_sums(uint64_t* histograms, int64_t bins, int64_t stride, int64_t copies, int32_t threads) {
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t part = 0; part < 16; part++) {
    const int64_t size = bins / 16;
    for (int64_t c = 1; c < copies; c++) {
      for (int64_t b = part * size; b < (part + 1) * size; b++) histograms[b] += histograms[c * stride + b];
    }
  }
  for (int64_t b = bins - 2; b >= 0; b--) histograms[b] += histograms[b + 1];
}

// The highest bin with at least `wanted` values in it and above; suffix sums do not increase.
int64_t find(const uint64_t* sums, int64_t bins, uint64_t wanted) {
  int64_t low = 0, high = bins;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    if (sums[middle] >= wanted) {
      low = middle;
    } else {
      high = middle;
    }
  }
  return low;
}

// Numbers the cuts' distinct bins in ascending order.
void number_slots(uint64_t* cuts, int32_t count_of_cuts) {
  for (int32_t r = 0; r < count_of_cuts; r++) {
    uint64_t* cut = cuts + r * FIELDS;
    cut[SLOT] = 0;
    for (int32_t q = 0; q < count_of_cuts; q++) {
      const uint64_t key = cuts[q * FIELDS + KEY];
      bool first = key < cut[KEY];
      for (int32_t p = 0; p < q; p++) first &= cuts[p * FIELDS + KEY] != key;
      cut[SLOT] += first;
    }
    if (cut[KEY] == NOTHING) cut[SLOT] = UINT64_MAX;
  }
}

}  // namespace

void select_top_cut(uint64_t* histograms, uint64_t* cuts, int32_t count_of_cuts, int32_t low,
                    int32_t threads) {
  uint64_t slots = 0;
  if (low) {
    for (int32_t r = 0; r < count_of_cuts; r++) {
      const uint64_t* cut = cuts + r * FIELDS;
      if (cut[KEY] != NOTHING && cut[SLOT] >= slots) slots = cut[SLOT] + 1;
    }
    for (uint64_t s = 0; s < slots; s++) {
      suffix_sums(histograms + s * LOW_BINS, LOW_BINS, static_cast<int64_t>(slots) * LOW_BINS, threads,
                  threads);
    }
  } else {
    suffix_sums(histograms, HIGH_BINS, HIGH_BINS, COPIES * threads, threads);
  }
  const int64_t bins = low ? LOW_BINS : HIGH_BINS;
  for (int32_t r = 0; r < count_of_cuts; r++) {
    uint64_t* cut = cuts + r * FIELDS;
    if (cut[REMAINING] == 0) {
      cut[KEY] = NOTHING;
      cut[TIES] = 0;
      continue;
    }
    const uint64_t* sums = low ? histograms + cut[SLOT] * LOW_BINS : histograms;
    const int64_t bin = find(sums, bins, cut[REMAINING]);
    const uint64_t over = bin + 1 < bins ? sums[bin + 1] : 0;
    cut[REMAINING] -= over;
    cut[TIES] = sums[bin] - over;
    if (low) {
      cut[KEY] = cut[KEY] << LOW_BITS | static_cast<uint64_t>(bin);
      continue;
    }
    cut[KEY] = static_cast<uint64_t>(bin);
  }
  if (!low) number_slots(cuts, count_of_cuts);
}

void select_top_write(const float* values, int64_t n, const uint64_t* cuts, int32_t count_of_cuts,
                      uint64_t* bits, int64_t stride, uint64_t* ties, int32_t threads) {
  vint threshold[MOST], split[MOST];
  int32_t split_cut[MOST] = {}, splits = 0;
  for (int32_t r = 0; r < count_of_cuts; r++) {
    const uint64_t* cut = cuts + r * FIELDS;
    const vint key = vint{} + static_cast<int32_t>(cut[KEY]);
    threshold[r] = key - 1;
    if (splits_ties(cut)) {
      split_cut[splits] = r;
      split[splits++] = key;
    }
  }
  const int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (n > BLOCK)
  for (int64_t b = 0; b < blocks; b++) {
    uint64_t* met = ties + b * count_of_cuts;
    for (int32_t r = 0; r < count_of_cuts; r++) met[r] = 0;
    const int64_t end = (b + 1) * BLOCK < n ? (b + 1) * BLOCK : n;
    for (int64_t at = b * BLOCK; at < end; at += WORD) {
      vint keys[PER_WORD];
      word_keys(values + at, end - at, keys);
      uint64_t* word = bits + at / WORD;
      for (int32_t r = 0; r < count_of_cuts; r++) word[r * stride] = above(keys, threshold[r]);
      if (among(keys, split, splits) == 0) continue;
      for (int32_t s = 0; s < splits; s++) met[split_cut[s]] += count(equal(keys, split[s]));
    }
  }
}

void select_top_trim(const float* values, int64_t n, const uint64_t* cuts, int32_t count_of_cuts,
                     uint64_t* bits, int64_t stride, const uint64_t* keep, int32_t threads) {
  const int64_t blocks = (n + BLOCK - 1) / BLOCK;
#pragma omp parallel for schedule(static) num_threads(threads) if (n > BLOCK)
  for (int64_t b = 0; b < blocks; b++) {
    const int64_t end = (b + 1) * BLOCK < n ? (b + 1) * BLOCK : n;
    for (int32_t r = 0; r < count_of_cuts; r++) {
      uint64_t left = keep[b * count_of_cuts + r];
      if (left == UINT64_MAX) continue;
      const vint key = vint{} + static_cast<int32_t>(cuts[r * FIELDS + KEY]);
      for (int64_t at = b * BLOCK; at < end; at += WORD) {
        vint keys[PER_WORD];
        word_keys(values + at, end - at, keys);
        uint64_t tied = equal(keys, key);
        for (; left > 0 && tied != 0; left--) tied &= tied - 1;
        bits[at / WORD + r * stride] &= ~tied;
      }
    }
  }
}

}  // namespace NEP_NAMESPACE
