// Formula: F[o, j] += Σₙ (Σₜ G[n, t, o]·U[n, t, j])², as square_gradients.cu; BF16 factors, wgmma.
// Layout:  input [n, h, w, c], gradient [n, t, o]; sum, rest [o, j]: a drift-free sum; 4-byte aligned, 16 for
//          full speed. Windows of one pixel, or of up to 3 by 3 (CudaHopperSquares.java).
// Threads: 64 outputs by 36 pieces of eight columns a block, for a run of samples. Three warpgroups multiply
//          64 by 96 each (a row of the window, or 96 channels), products and Σ(·)² in registers; the fourth
//          loads, rounds and stores ahead of them. A stage of shared memory holds `batch` samples, or `band`
//          rows of outputs of one: 16 bytes a position in a plane for every eight outputs, and in one for
//          every column of the window and eight channels; another row of the window begins further into it.
// Cost:    2·n·t·o·j operations on the tensor cores, n·o·j multiply-adds on the CUDA cores. A block of 64
//          outputs and 32 channels, for every 16 positions: 144 cycles of the tensor cores, 6 KB from memory
//          or L2, 5 KB written to shared memory and 15 KB read; for every sample 144 cycles of the CUDA
//          cores. Predicted for an H200 where nothing is measured: 64→64 32² 55 to 70 % of the BF16 rate,
//          bound by L2 (43 bytes a cycle and multiprocessor of some 60); 512→512 4² 60 to 75 % of the
//          multiply-adds' 144 cycles a sample, which the loads' own instructions and waits for single
//          products lengthen.
// Sums:    float32; positions, then samples in order; BF16 factors only; nep_square_gradients_totals adds
//          runs of samples in order. An Inf may show as NaN in other columns of its sample.
// Tried:   nothing else yet; not measured on a GPU.
#include "hopper.cuh"
#include "layer.cuh"

namespace square_gradients_sm90a {

using layer::Sizes;

constexpr int ROWS = 64, SLICES = 3, COLUMNS = 96, OWNED = COLUMNS / 2;  // of a block; of a warpgroup
constexpr int PIECE = 8, PIECES = COLUMNS / PIECE;                       // columns that lie together
constexpr int WARPGROUP = 128, CONSUMERS = SLICES * WARPGROUP, THREADS = CONSUMERS + WARPGROUP, STEP = 16;
constexpr int AHEAD = 8;  // loads of a thread before it stores the first

// A window of up to three rows, one a warpgroup, of up to three columns by four pieces of channels.
struct Window {
  static constexpr int CHANNEL_PIECES = 4, PLANES = 12;
  __device__ static int slices(const Sizes& s) { return s.kernel_height; }
  __device__ static int row(int slice) { return slice; }
  __device__ static int first_plane(int) { return 0; }
  __device__ static int column(int piece) { return piece / 4; }
  __device__ static int channel_piece(int, int piece) { return piece % 4; }
};
// A window of one pixel: twelve pieces of channels a warpgroup.
struct Point {
  static constexpr int CHANNEL_PIECES = 36, PLANES = 36;
  __device__ static int slices(const Sizes&) { return SLICES; }
  __device__ static int row(int) { return 0; }
  __device__ static int first_plane(int slice) { return slice * PIECES; }
  __device__ static int column(int) { return 0; }
  __device__ static int channel_piece(int slice, int piece) { return slice * PIECES + piece; }
};

// What of shared memory is where; all in bytes but the counts.
template <typename W>
struct Stages {
  int stages, batch, band, phase_rows, padded_width, entries, steps;
  int gradient_plane, input_plane, unit, table, targets, begin;

  __device__ Stages(const Sizes& s, int count, int samples, int rows)
      : stages(count), batch(samples), band(rows) {
    // Rows of the image lie by their remainder modulo the stride: what a row of the window reads for
    // successive rows of outputs follows each other.
    phase_rows = band + (s.kernel_height - 1) * s.dilation_height / s.stride_height;
    padded_width = (s.out_width - 1) * s.stride_width + (s.kernel_width - 1) * s.dilation_width + 1;
    entries = phases(s) * phase_rows * padded_width;
    steps = (band * s.out_width + STEP - 1) / STEP;
    int last = 0;
    for (int y = 0; y < s.kernel_height; y++) last = max(last, begin_of(s, y));
    // An odd number of 16 bytes: neither pieces nor positions that are stored together share a bank.
    gradient_plane = (steps * STEP | 1) * 16;
    input_plane = (max(last + steps * STEP, phases(s) * phase_rows * s.out_width) | 1) * 16;
    unit = gradients() + W::PLANES * input_plane;
    table = stages * 16;
    targets = table + entries * 8;
    begin = (targets + entries * s.kernel_width * 2 + 15) / 16 * 16;
  }
  __device__ static int phases(const Sizes& s) { return s.kernel_height == 1 ? 1 : s.stride_height; }
  // The position in a plane at which a row of the window begins.
  __device__ int begin_of(const Sizes& s, int y) const {
    const int at = y * s.dilation_height;
    return (at % s.stride_height * phase_rows + at / s.stride_height) * s.out_width;
  }
  __device__ int gradients() const { return ROWS / PIECE * gradient_plane; }
};

// For every pixel of a padded band: where it lies from the band's first row on, in elements, and its row, or
// OUTSIDE where it is not in the image or not read; for every column of the window the position that reads
// it, or NOBODY.
struct Pixel {
  int offset, row;
};
constexpr int OUTSIDE = -1 << 30;
constexpr uint16_t NOBODY = 0xffff;

template <typename W>
__device__ void make_table(const Sizes& s, const Stages<W>& st, Pixel* table, uint16_t* targets) {
  for (int e = static_cast<int>(threadIdx.x); e < st.entries; e += static_cast<int>(blockDim.x)) {
    const int row = e / st.padded_width, x = e % st.padded_width;
    const int y = row % st.phase_rows * s.stride_height + row / st.phase_rows, column = x - s.left;
    bool needed = false;
    for (int k = 0; k < s.kernel_width; k++) {
      const int from = x - k * s.dilation_width, to = from / s.stride_width;
      const bool read = from >= 0 && from % s.stride_width == 0 && to < s.out_width;
      targets[k * st.entries + e] = read ? static_cast<uint16_t>(row * s.out_width + to) : NOBODY;
      needed |= read;
    }
    table[e] = {(y * s.width + column) * s.channels, needed && column >= 0 && column < s.width ? y : OUTSIDE};
  }
}

struct Eight {
  float4 low, high;
  __device__ void load(const float* from, int left, bool aligned) {
    low = load4(from, left, aligned);
    high = load4(from + 4, left - 4, aligned);
  }
  __device__ uint4 rounded() const {
    return make_uint4(to_bf16x2(low.x, low.y), to_bf16x2(low.z, low.w), to_bf16x2(high.x, high.y),
                      to_bf16x2(high.z, high.w));
  }
};

// Where a thread is among `each` things of every sample of a batch.
struct Walk {
  int sample, at, each;
  __device__ void advance(int by) {
    at += by;
    while (at >= each) {
      at -= each;
      sample++;
    }
  }
};

// A block's part: the tile's corner, and its samples.
struct Part {
  int group, first_output, first_piece, samples;
};

// Fills a stage with `count` samples from `sample` on, of each the band's rows from `row` on.
template <typename W>
__device__ __forceinline__ void fill(const Sizes& s, const Stages<W>& st, const Part& part,
                                     const float* input, const float* gradient, const Pixel* table,
                                     const uint16_t* targets, unsigned char* stage, int64_t sample, int count,
                                     int row) {
  const int thread = static_cast<int>(threadIdx.x) - CONSUMERS;
  {
    constexpr int PLANES = ROWS / PIECE;
    const int plane = thread % PLANES, output = part.first_output + plane * PIECE;
    const int left = s.group_outputs() - output;
    const bool aligned = aligned16(gradient) && s.outputs % 4 == 0 && s.group_outputs() % 4 == 0;
    const float* from = gradient + (sample * s.positions() + row * s.out_width) * s.outputs +
                        part.group * s.group_outputs() + output;
    const int positions = st.band * s.out_width, there = s.positions() - row * s.out_width;
    Walk walk = {0, 0, positions};
    walk.advance(thread / PLANES);
    while (walk.sample < count) {
      Walk later = walk;
      Eight values[AHEAD];
#pragma unroll
      for (int i = 0; i < AHEAD; i++) {
        const bool valid = later.sample < count && later.at < there;
        values[i].load(from + (static_cast<int64_t>(later.sample) * s.positions() + later.at) * s.outputs,
                       valid ? left : 0, aligned);
        later.advance(WARPGROUP / PLANES);
      }
#pragma unroll
      for (int i = 0; i < AHEAD; i++) {
        if (walk.sample < count)
          *reinterpret_cast<uint4*>(stage + walk.sample * st.unit + plane * st.gradient_plane +
                                    walk.at * 16) = values[i].rounded();
        walk.advance(WARPGROUP / PLANES);
      }
    }
  }
  constexpr int LANES = WARPGROUP / W::CHANNEL_PIECES;
  const int piece = thread % W::CHANNEL_PIECES;
  if (thread >= LANES * W::CHANNEL_PIECES) return;
  const int channel = (part.first_piece + piece) * PIECE, left = s.group_channels() - channel;
  const bool aligned = aligned16(input) && s.channels % 4 == 0 && s.group_channels() % 4 == 0;
  const int top = row * s.stride_height - s.top;
  const int64_t image = static_cast<int64_t>(s.height) * s.width * s.channels;
  const float* from = input + sample * image + static_cast<int64_t>(top) * s.width * s.channels +
                      part.group * s.group_channels() + channel;
  unsigned char* planes = stage + st.gradients() + piece * st.input_plane;
  Walk walk = {0, 0, st.entries};
  walk.advance(thread / W::CHANNEL_PIECES);
  while (walk.sample < count) {
    Walk later = walk;
    Eight values[AHEAD];
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      const bool there = later.sample < count;
      const Pixel pixel = table[there ? later.at : 0];
      const int y = top + pixel.row;
      values[i].load(from + later.sample * image + pixel.offset, there && y >= 0 && y < s.height ? left : 0,
                     aligned);
      later.advance(LANES);
    }
#pragma unroll
    for (int i = 0; i < AHEAD; i++) {
      if (walk.sample < count) {
        const uint4 rounded = values[i].rounded();
        for (int k = 0; k < s.kernel_width; k++) {
          const uint16_t to = targets[k * st.entries + walk.at];
          if (to != NOBODY)
            *reinterpret_cast<uint4*>(planes + walk.sample * st.unit +
                                      k * W::CHANNEL_PIECES * st.input_plane + to * 16) = rounded;
        }
      }
      walk.advance(LANES);
    }
  }
}

// The stages in turn, on either side of their barriers.
struct Turn {
  int stage = 0;
  uint32_t round = 0;
  __device__ void advance(int stages) {
    if (++stage == stages) {
      stage = 0;
      round++;
    }
  }
};

#define SQUARE_GRADIENTS_SM90A_PARAMETERS                                                              \
  const float *input, const float *gradient, float *sum, float *rest, float *partial, int64_t samples, \
      int phase, int stages, int batch, int band, LAYER_PARAMETERS

template <typename W>
__device__ __forceinline__ void add(SQUARE_GRADIENTS_SM90A_PARAMETERS) {
  DYNAMIC_SHARED(unsigned char, shared);
  const Sizes s = LAYER_SIZES;
  const Stages<W> st(s, stages, batch, band);
  uint64_t* const full = reinterpret_cast<uint64_t*>(shared);
  uint64_t* const empty = full + stages;
  Pixel* const table = reinterpret_cast<Pixel*>(shared + st.table);
  uint16_t* const targets = reinterpret_cast<uint16_t*>(shared + st.targets);
  unsigned char* const buffers = shared + st.begin;

  const int across = (s.group_channels() + W::CHANNEL_PIECES * PIECE - 1) / (W::CHANNEL_PIECES * PIECE);
  const int64_t first = samples * blockIdx.z / gridDim.z;
  const Part part = {static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x) / across * ROWS,
                     static_cast<int>(blockIdx.x) % across * W::CHANNEL_PIECES,
                     static_cast<int>(samples * (blockIdx.z + 1) / gridDim.z - first)};

  // What nothing fills is multiplied too: zeros.
  for (int at = static_cast<int>(threadIdx.x) * 16; at < stages * batch * st.unit; at += THREADS * 16)
    *reinterpret_cast<uint4*>(buffers + at) = make_uint4(0, 0, 0, 0);
  make_table(s, st, table, targets);
  if (threadIdx.x == 0) {
    for (int i = 0; i < stages; i++) {
      barrier_init(full + i, WARPGROUP / 32);
      barrier_init(empty + i, static_cast<uint32_t>(W::slices(s)) * WARPGROUP / 32);
    }
  }
  proxy_fence();
  __syncthreads();

  const bool leader = threadIdx.x % 32 == 0;
  const int slice =
      __shfl_sync(ALL_LANES, static_cast<int>(threadIdx.x) / WARPGROUP, 0);  // known to be uniform
  Turn turn;
  if (slice == SLICES) {
    for (int n = 0; n < part.samples; n += batch) {
      const int count = min(batch, part.samples - n);
      for (int row = 0; row < s.out_height; row += band) {
        if (turn.round > 0) barrier_wait(empty + turn.stage, (turn.round - 1) % 2);
        fill(s, st, part, input, gradient, table, targets, buffers + turn.stage * batch * st.unit, first + n,
             count, row);
        proxy_fence();
        __syncwarp();
        if (leader) barrier_arrive(full + turn.stage);
        turn.advance(stages);
      }
    }
    return;
  }
  if (slice >= W::slices(s)) return;

  // use(i, where) for the weights of this thread; i of its accumulators, where in [o, j].
  const auto each_weight = [&](auto use) {
    const int thread = hidden(static_cast<int>(threadIdx.x)) % WARPGROUP;
    const int output = part.first_output + thread / 32 * 16 + thread % 32 / 4;
    const int channel = part.first_piece * PIECE + thread % 4 * 2;
    const int64_t corner = (static_cast<int64_t>(part.group) * s.group_outputs() + output) * s.columns() +
                           W::row(slice) * s.kernel_width * s.group_channels() + channel;
#pragma unroll
    for (int i = 0; i < OWNED; i++) {
      const int down = i / 2 % 2 * 8, piece = W::channel_piece(slice, i / 4) * PIECE + i % 2;
      const int column = W::column(i / 4);
      if (output + down < s.group_outputs() && column < s.kernel_width &&
          channel + piece < s.group_channels())
        use(i, corner + static_cast<int64_t>(down) * s.columns() + column * s.group_channels() + piece);
    }
  };
  const int before = static_cast<int>((phase + first) % PERIOD);
  float product[OWNED], total[OWNED] = {};
  if (partial == nullptr) each_weight([&](int i, int64_t at) { total[i] = rest[at]; });

  const int from =
      st.gradients() + W::first_plane(slice) * st.input_plane + st.begin_of(s, W::row(slice)) * 16;
#pragma unroll 1
  for (int n = 0; n < part.samples; n += batch) {
    const int count = min(batch, part.samples - n);
#pragma unroll 1
    for (int row = 0; row < s.out_height; row += band) {
      barrier_wait(full + turn.stage, turn.round % 2);
#pragma unroll 1
      for (int i = 0; i < count; i++) {
        const unsigned char* unit = buffers + (turn.stage * batch + i) * st.unit;
        int k = 0;
#pragma unroll 1
        do {
          wgmma_fence();
          wgmma_bf16<COLUMNS>(
              product, descriptor(unit + k * STEP * 16, 128, static_cast<uint32_t>(st.gradient_plane)),
              descriptor(unit + from + k * STEP * 16, 128, static_cast<uint32_t>(st.input_plane)),
              row + k > 0);
        } while (++k < st.steps);
        wgmma_commit();
        wgmma_wait<0>();
        if (row + band < s.out_height) continue;
#pragma unroll
        for (int e = 0; e < OWNED; e++) total[e] = fmaf(product[e], product[e], total[e]);
        if (partial == nullptr && (before + n + i + 1) % PERIOD == 0)
          each_weight([&](int e, int64_t at) { two_sum(sum[at], total[e]); });
      }
      __syncwarp();
      if (leader) barrier_arrive(empty + turn.stage);
      turn.advance(stages);
    }
  }
  float* out =
      partial == nullptr ? rest : partial + static_cast<int64_t>(blockIdx.z) * s.outputs * s.columns();
  each_weight([&](int i, int64_t at) { out[at] = total[i]; });
}

}  // namespace square_gradients_sm90a

// Grid: tiles of a group's weights, groups, runs of samples. One run adds to sum and rest, several write
// partial [runs, o, j]. stages, batch, band: how shared memory is used.
KERNEL(square_gradients_sm90a::THREADS, nep_square_gradients_sm90a_window,
       (SQUARE_GRADIENTS_SM90A_PARAMETERS)) {
  using namespace square_gradients_sm90a;
  add<Window>(input, gradient, sum, rest, partial, samples, phase, stages, batch, band, LAYER_ARGUMENTS);
}
KERNEL(square_gradients_sm90a::THREADS, nep_square_gradients_sm90a_point,
       (SQUARE_GRADIENTS_SM90A_PARAMETERS)) {
  using namespace square_gradients_sm90a;
  add<Point>(input, gradient, sum, rest, partial, samples, phase, stages, batch, band, LAYER_ARGUMENTS);
}
