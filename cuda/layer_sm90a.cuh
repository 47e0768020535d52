// What Hopper's kernels of layers share (…_sm90a.cu): a block's way through a run of samples. One warpgroup
// loads a tile's rows and the unfolded input, rounds and stores them in stages of shared memory, as wgmma
// reads them without swizzling; three multiply 64 by 96 each, products in registers.
#pragma once

#include "hopper.cuh"
#include "layer.cuh"

namespace layer_sm90a {

using layer::Sizes;

constexpr int ROWS = 64, SLICES = 3, COLUMNS = 96, OWNED = COLUMNS / 2;  // of a block; of a warpgroup
constexpr int PIECE = 8, PIECES = COLUMNS / PIECE;                       // columns that lie together
constexpr int SET = 32;  // rows or channels that lanes side by side load
constexpr int WARPGROUP = 128, CONSUMERS = SLICES * WARPGROUP, THREADS = CONSUMERS + WARPGROUP;
constexpr int LINE = 16;           // bytes
constexpr int LEADING = 8 * LINE;  // from terms to the next ones in a plane, for descriptors
constexpr int AHEAD = 8;           // loads of a thread before it stores the first

// How eight rows or columns lie in a plane, position by position, and a thread's share of a
// position. Positions that lie TOGETHER begin where a row of the window may. APART: of a plane's lines, what
// is beyond a multiple of eight, so that no bank serves two lanes of a store: with four lanes of 16 bytes to
// a set, eight lanes are four planes by two lines; with eight of 4 bytes, 32 lanes are four planes by the
// halves of eight lines by four words.
struct Bf16 {
  static constexpr int STEP = 16, VALUES = 8, LANES = SET / VALUES, TOGETHER = 1, BYTES = 16, APART = 2;
  float4 low, high;

  // A line a position, its eight values in it.
  __device__ static int place(int position) { return position * BYTES; }
  __device__ static int begin(int lane, int plane) { return lane * plane; }
  __device__ __forceinline__ void load(const float* from, int left, bool aligned) {
    low = load4(from, left, aligned);
    high = load4(from + 4, left - 4, aligned);
  }
  __device__ __forceinline__ void store(unsigned char* to) const {
    *reinterpret_cast<uint4*>(to) = make_uint4(to_bf16x2(low.x, low.y), to_bf16x2(low.z, low.w),
                                               to_bf16x2(high.x, high.y), to_bf16x2(high.z, high.w));
  }
  __device__ __forceinline__ static void multiply(float (&d)[OWNED], uint64_t a, uint64_t b,
                                                  bool accumulate) {
    wgmma_bf16<COLUMNS>(d, a, b, accumulate);
  }
};
struct Tf32 {
  static constexpr int STEP = 8, VALUES = 4, LANES = SET / VALUES, TOGETHER = 4, BYTES = 32, APART = 1;
  float4 values;

  // Eight lines for four positions, one for each row or column: transposed on the way.
  __device__ static int place(int position) {
    const auto p = static_cast<unsigned>(position);
    return static_cast<int>(p / 4 * 8 * LINE + p % 4 * 4);
  }
  __device__ static int begin(int lane, int plane) { return lane / 2 * plane + lane % 2 * 4 * LINE; }
  __device__ __forceinline__ void load(const float* from, int left, bool aligned) {
    values = load4(from, left, aligned);
  }
  __device__ __forceinline__ void store(unsigned char* to) const {
    *reinterpret_cast<uint32_t*>(to) = to_tf32(values.x);
    *reinterpret_cast<uint32_t*>(to + LINE) = to_tf32(values.y);
    *reinterpret_cast<uint32_t*>(to + 2 * LINE) = to_tf32(values.z);
    *reinterpret_cast<uint32_t*>(to + 3 * LINE) = to_tf32(values.w);
  }
  __device__ __forceinline__ static void multiply(float (&d)[OWNED], uint64_t a, uint64_t b,
                                                  bool accumulate) {
    wgmma_tf32<COLUMNS>(d, a, b, accumulate);
  }
};

// A window of up to three rows, one a warpgroup, of up to three columns by four pieces of channels.
struct Window {
  static constexpr int CHANNEL_PIECES = 4, CHANNELS = CHANNEL_PIECES * PIECE, PLANES = 12;
  __device__ static int slices(const Sizes& s) { return s.kernel_height; }
  __device__ static int row(int slice) { return slice; }
  __device__ static int first_plane(int) { return 0; }
  __device__ static int column(int piece) { return piece / 4; }
  __device__ static int channel_piece(int, int piece) { return piece % 4; }
};
// A window of one pixel: twelve pieces of channels a warpgroup.
struct Point {
  static constexpr int CHANNEL_PIECES = 36, CHANNELS = CHANNEL_PIECES * PIECE, PLANES = 36;
  __device__ static int slices(const Sizes&) { return SLICES; }
  __device__ static int row(int) { return 0; }
  __device__ static int first_plane(int slice) { return slice * PIECES; }
  __device__ static int column(int) { return 0; }
  __device__ static int channel_piece(int slice, int piece) { return slice * PIECES + piece; }
};

// What of shared memory is where; all in bytes but the counts.
template <typename F, typename W>
struct Stages {
  int stages, batch, band, phase_rows, padded_width, entries, row_length, steps;
  int row_plane, input_plane, unit, table, targets, begin;

  __device__ Stages(const Sizes& s, int count, int samples, int lines)
      : stages(count), batch(samples), band(lines) {
    // Rows of the image lie by their remainder modulo the stride: what a row of the window reads for
    // successive rows of outputs follows each other.
    phase_rows = band + (s.kernel_height - 1) * s.dilation_height / s.stride_height;
    padded_width = (s.out_width - 1) * s.stride_width + (s.kernel_width - 1) * s.dilation_width + 1;
    entries = phases(s) * phase_rows * padded_width;
    // In positions; where several rows of the window begin in a plane, filled up with zeros.
    row_length = s.kernel_height == 1 ? s.out_width : up(s.out_width, F::TOGETHER);
    const int positions = up(band * row_length, F::STEP);
    steps = positions / F::STEP;
    int last = 0;
    for (int y = 0; y < s.kernel_height; y++) last = max(last, begin_of(s, y));
    row_plane = plane(positions);
    input_plane = plane(max(last + positions, phases(s) * phase_rows * row_length));
    unit = rows() + W::PLANES * input_plane;
    table = stages * 16;
    targets = table + entries * 8;
    begin = up(targets + entries * s.kernel_width * 2, LINE);
  }
  __device__ static int up(int count, int to) { return (count + to - 1) / to * to; }
  __device__ static int plane(int positions) {
    const int lines = up(positions, F::TOGETHER) * F::BYTES / LINE;
    return (lines + ((F::APART - lines) & 7)) * LINE;
  }
  __device__ static int phases(const Sizes& s) { return s.kernel_height == 1 ? 1 : s.stride_height; }
  // The position in a plane at which a row of the window begins.
  __device__ int begin_of(const Sizes& s, int y) const {
    const int at = y * s.dilation_height;
    return (at % s.stride_height * phase_rows + at / s.stride_height) * row_length;
  }
  __device__ int rows() const { return ROWS / PIECE * row_plane; }
};

// For every pixel of a padded band: where it lies from the band's first row on, in elements, and its row, or
// OUTSIDE where it is not in the image or not read; for every column of the window the position that reads
// it, or NOBODY.
struct Pixel {
  int offset, row;
};
constexpr int OUTSIDE = -1 << 30;
constexpr uint16_t NOBODY = 0xffff;

template <typename F, typename W>
__device__ void make_table(const Sizes& s, const Stages<F, W>& st, Pixel* table, uint16_t* targets) {
  for (int e = static_cast<int>(threadIdx.x); e < st.entries; e += static_cast<int>(blockDim.x)) {
    const int row = e / st.padded_width, x = e % st.padded_width;
    const int y = row % st.phase_rows * s.stride_height + row / st.phase_rows, column = x - s.left;
    bool needed = false;
    for (int k = 0; k < s.kernel_width; k++) {
      const int from = x - k * s.dilation_width, to = from / s.stride_width;
      const bool read = from >= 0 && from % s.stride_width == 0 && to < s.out_width;
      targets[k * st.entries + e] = read ? static_cast<uint16_t>(row * st.row_length + to) : NOBODY;
      needed |= read;
    }
    table[e] = {(y * s.width + column) * s.channels, needed && column >= 0 && column < s.width ? y : OUTSIDE};
  }
}

// Where a thread is among `each` positions or pixels of every set of every sample.
struct Walk {
  int set, at;
};

// Loads `sets` sets of a stage, of each `each` positions or pixels, and stores them. load(values, walk,
// there) and store(values, walk) are of this thread's lane of a set.
template <typename F, typename Load, typename Store>
__device__ __forceinline__ void copy(int sets, int each, Load load, Store store) {
  constexpr int SIDE_BY_SIDE = WARPGROUP / F::LANES;
  const int whole = SIDE_BY_SIDE / each, rest = SIDE_BY_SIDE % each;
  const auto advance = [&](Walk& walk) {
    walk.set += whole;
    walk.at += rest;
    if (walk.at >= each) {
      walk.at -= each;
      walk.set++;
    }
  };
  const int first = static_cast<int>(threadIdx.x) % WARPGROUP / F::LANES;
  Walk walk = {first / each, first % each};
  while (walk.set < sets) {
    Walk later = walk;
    F values[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      load(values[i], later, later.set < sets);
      advance(later);
    }
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      if (walk.set < sets) store(values[i], walk);
      advance(walk);
    }
  }
}

// A block's part: the tile's corner, and its samples.
struct Part {
  int group, first_row, first_piece;
  int64_t first;
  int samples;
};

// Whether four channels of the input lie at a multiple of 16 bytes.
__device__ __forceinline__ bool channels_aligned(const Sizes& s, const float* input) {
  return aligned16(input) && s.channels % 4 == 0 && s.group_channels() % 4 == 0;
}

// The rows of a tile are outputs: their gradients at a position of a sample, counted from the block's first.
struct Outputs {
  const Sizes& s;
  const float* from;
  int left;
  bool aligned;

  __device__ Outputs(const Sizes& sizes, const Part& part, const float* gradient)
      : s(sizes),
        from(gradient + part.first * s.positions() * s.outputs + part.group * s.group_outputs() +
             part.first_row),
        left(s.group_outputs() - part.first_row),
        aligned(aligned16(gradient) && s.outputs % 4 == 0 && s.group_outputs() % 4 == 0) {}
  // In elements from the first; −1 where there is none.
  __device__ int64_t at(int sample, int position) const {
    return position < s.positions() ? (static_cast<int64_t>(sample) * s.positions() + position) * s.outputs
                                    : -1;
  }
};

// Fills a stage with `count` samples from `sample` on, of each the band's rows of outputs from `line` on.
template <typename F, typename W, typename Rows>
__device__ __forceinline__ void fill(const Sizes& s, const Stages<F, W>& st, const Part& part,
                                     const Rows& rows, const float* input, const Pixel* table,
                                     const uint16_t* targets, unsigned char* stage, int sample, int count,
                                     int line) {
  const int lane = static_cast<int>(threadIdx.x) % F::LANES;
  {
    constexpr int SETS = ROWS / SET;
    const int first = line * s.out_width, gap = st.row_length - s.out_width;
    unsigned char* planes = stage + F::begin(lane, st.row_plane);
    copy<F>(
        count * SETS, st.band * s.out_width,
        [&](F& values, const Walk& walk, bool counts) {
          const int row = walk.set % SETS * SET + lane * F::VALUES;
          const int64_t at = counts ? rows.at(sample + walk.set / SETS, first + walk.at) : -1;
          values.load(rows.from + at + row, at >= 0 ? rows.left - row : 0, rows.aligned);
        },
        [&](const F& values, const Walk& walk) {
          const int position = gap == 0 ? walk.at : walk.at + walk.at / s.out_width * gap;
          values.store(planes + walk.set / SETS * st.unit + walk.set % SETS * (SET / PIECE) * st.row_plane +
                       F::place(position));
        });
  }
  constexpr int SETS = W::CHANNELS / SET;
  const int channel = part.first_piece * PIECE + lane * F::VALUES, left = s.group_channels() - channel;
  const bool aligned = channels_aligned(s, input);
  const int top = line * s.stride_height - s.top;
  const int64_t image = static_cast<int64_t>(s.height) * s.width * s.channels;
  const float* from = input + (part.first + sample) * image +
                      static_cast<int64_t>(top) * s.width * s.channels + part.group * s.group_channels() +
                      channel;
  unsigned char* planes = stage + st.rows() + F::begin(lane, st.input_plane);
  copy<F>(
      count * SETS, st.entries,
      [&](F& values, const Walk& walk, bool counts) {
        const int set = walk.set % SETS * SET;
        const Pixel pixel = table[counts ? walk.at : 0];
        const int y = top + pixel.row;
        values.load(from + walk.set / SETS * image + pixel.offset + set,
                    counts && y >= 0 && y < s.height ? left - set : 0, aligned);
      },
      [&](const F& values, const Walk& walk) {
        unsigned char* of =
            planes + walk.set / SETS * st.unit + walk.set % SETS * (SET / PIECE) * st.input_plane;
        for (int k = 0; k < s.kernel_width; k++) {
          const uint16_t to = targets[k * st.entries + walk.at];
          if (to != NOBODY) values.store(of + k * W::CHANNEL_PIECES * st.input_plane + F::place(to));
        }
      });
}

// A block's threads on either side of the stages' barriers.
template <typename F, typename W>
struct Pipeline {
  const Sizes& s;
  const Part& part;
  const Stages<F, W> st;
  uint64_t *full, *empty;
  Pixel* table;
  uint16_t* targets;
  unsigned char* buffers;
  int slice;  // the warpgroup; SLICES loads
  bool leader;
  int stage = 0;
  uint32_t round = 0;

  // consumers: the warpgroups that multiply.
  __device__ __forceinline__ Pipeline(const Sizes& sizes, const Part& of, int stages, int batch, int band,
                                      int consumers)
      : s(sizes), part(of), st(sizes, stages, batch, band), leader(threadIdx.x % 32 == 0) {
    DYNAMIC_SHARED(unsigned char, shared);
    full = reinterpret_cast<uint64_t*>(shared);
    empty = full + stages;
    table = reinterpret_cast<Pixel*>(shared + st.table);
    targets = reinterpret_cast<uint16_t*>(shared + st.targets);
    buffers = shared + st.begin;
    // What nothing fills is multiplied too: zeros.
    for (int at = static_cast<int>(threadIdx.x) * LINE; at < stages * batch * st.unit; at += THREADS * LINE)
      *reinterpret_cast<uint4*>(buffers + at) = make_uint4(0, 0, 0, 0);
    make_table(s, st, table, targets);
    if (threadIdx.x == 0) {
      for (int i = 0; i < stages; i++) {
        barrier_init(full + i, WARPGROUP / 32);
        barrier_init(empty + i, static_cast<uint32_t>(consumers) * WARPGROUP / 32);
      }
    }
    proxy_fence();
    __syncthreads();
    slice = __shfl_sync(ALL_LANES, static_cast<int>(threadIdx.x) / WARPGROUP, 0);  // known to be uniform
  }

  __device__ void advance() {
    if (++stage == st.stages) {
      stage = 0;
      round++;
    }
  }

  // The warpgroup that loads.
  template <typename Rows>
  __device__ __forceinline__ void load(const Rows& rows, const float* input) {
    for (int n = 0; n < part.samples; n += st.batch) {
      const int count = min(st.batch, part.samples - n);
      for (int line = 0; line < s.out_height; line += st.band) {
        if (round > 0) barrier_wait(empty + stage, (round - 1) % 2);
        fill(s, st, part, rows, input, table, targets, buffers + stage * st.batch * st.unit, n, count, line);
        proxy_fence();
        __syncwarp();
        if (leader) barrier_arrive(full + stage);
        advance();
      }
    }
  }

  // The others. A unit of samples ends where ends(n) says so, after n of the run: done(product, n).
  template <typename Ends, typename Done>
  __device__ __forceinline__ void multiply(Ends ends, Done done) {
    float product[OWNED];
    const int from =
        st.rows() + W::first_plane(slice) * st.input_plane + F::place(st.begin_of(s, W::row(slice)));
#pragma unroll 1
    for (int n = 0; n < part.samples; n += st.batch) {
      const int count = min(st.batch, part.samples - n);
#pragma unroll 1
      for (int line = 0; line < s.out_height; line += st.band) {
        barrier_wait(full + stage, round % 2);
#pragma unroll 1
        for (int i = 0; i < count; i++) {
          const unsigned char* unit = buffers + (stage * st.batch + i) * st.unit;
          const bool begins = line == 0 && (n + i == 0 || ends(n + i));
          int k = 0;
#pragma unroll 1
          do {
            wgmma_fence();
            const unsigned char* at = unit + k * F::STEP * F::BYTES;
            F::multiply(product, descriptor(at, LEADING, static_cast<uint32_t>(st.row_plane)),
                        descriptor(at + from, LEADING, static_cast<uint32_t>(st.input_plane)),
                        k > 0 || !begins);
          } while (++k < st.steps);
          wgmma_commit();
          wgmma_wait<0>();
          if (line + st.band >= s.out_height && ends(n + i + 1)) done(product, n + i + 1);
        }
        __syncwarp();
        if (leader) barrier_arrive(empty + stage);
        advance();
      }
    }
  }

  // use(i, at) for what this thread holds as number i, and where it is in a matrix of the group's columns of
  // which the tile's first row is number `above`; of rows that are `left`, and where keep(row, column).
  template <typename Keep, typename Use>
  __device__ __forceinline__ void each(int above, int left, Keep keep, Use use) const {
    const int of_block = hidden(static_cast<int>(threadIdx.x)), thread = of_block % WARPGROUP;
    const int row = thread / 32 * 16 + thread % 32 / 4;
    const int channel = part.first_piece * PIECE + thread % 4 * 2;
    const int first = W::row(of_block / WARPGROUP) * s.kernel_width * s.group_channels() + channel;
    const int64_t start = static_cast<int64_t>(above + row) * s.columns() + first;
#pragma unroll
    for (int i = 0; i < OWNED; i++) {
      const int down = i / 2 % 2 * 8, piece = W::channel_piece(of_block / WARPGROUP, i / 4) * PIECE + i % 2;
      const int column = W::column(i / 4), offset = column * s.group_channels() + piece;
      if (row + down < left && column < s.kernel_width && channel + piece < s.group_channels() &&
          keep(row + down, first + offset))
        use(i, start + static_cast<int64_t>(down) * s.columns() + offset);
    }
  }
};

}  // namespace layer_sm90a
