// Σₙ (GₙᵀUₙ)∘² for weights of linear and convolution layers; no per-sample gradient ever reaches memory.
//
// The accumulator is cut into units of ROWS × COLUMNS. Each thread owns a contiguous range of units and walks
// all samples for it alone, with its own packed copies of what it needs of G and U: no barrier, and no bit
// that depends on the number of threads. (Sharing one packed G cost two barriers a run of samples, and those
// cost far more than the second packing as soon as anything else ran on the machine.)
//
// Where there are fewer units than threads (the first layer of a small network has one), the threads share
// the samples instead: they write the samples' products of a run beside each other, and their squares are
// then added in the order of the samples. The bits are those of the other way.
#include <omp.h>

#include "depthwise.h"
#include "patches.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t G_FLOATS = int64_t{1} << 19;  // packed G of a run of samples: 2 MiB
constexpr int64_t U_FLOATS = int64_t{1} << 16;  // packed U of a band of columns: 256 KiB
constexpr int64_t U_ROWS = U_FLOATS / COLUMNS;  // its rows
constexpr int64_t BAND_BLOCKS = 512 / ROWS;     // most row blocks whose G is packed at once
constexpr int64_t MAX_PAIR_POSITIONS = 8;       // the symmetric expansion is for few positions
constexpr int64_t PARTIAL_FLOATS = BAND_BLOCKS * ROWS * COLUMNS;
constexpr int64_t RAW_FLOATS = MAX_PAIR_POSITIONS * COLUMNS;
constexpr int64_t TILE_FLOATS = ROWS * COLUMNS;
constexpr int64_t FEW_RUN = 64;  // samples whose products lie in memory at once

struct Plan {
  Geometry geometry;
  bool pairs;                         // the symmetric expansion instead of squares of products
  int64_t rows_per_sample;            // packed rows: positions, or pairs of positions
  int64_t row_blocks, column_blocks;  // of a group's part of the accumulator
  int64_t band_blocks, bands;         // row blocks whose G is packed at once; how often that takes
};

// One row block of one sample must fit; otherwise a thread's packed G has a fixed size.
int64_t gradient_floats(const Geometry& geometry) { return most(G_FLOATS, geometry.positions() * ROWS); }

int64_t thread_floats(const Geometry& geometry) {
  return gradient_floats(geometry) + U_FLOATS + PARTIAL_FLOATS + RAW_FLOATS;
}

Plan plan_for(const Geometry& geometry, bool pairs) {
  Plan plan = {};
  plan.geometry = geometry;
  plan.pairs = pairs;
  const int64_t t = geometry.positions();
  plan.rows_per_sample = pairs ? t * (t + 1) / 2 : t;
  plan.row_blocks = ceil_div(geometry.group_outputs(), ROWS);
  plan.column_blocks = ceil_div(geometry.columns(), COLUMNS);
  const int64_t fitting = most(1, G_FLOATS / (plan.rows_per_sample * ROWS));
  plan.band_blocks = least(plan.row_blocks, least(BAND_BLOCKS, fitting));
  plan.bands = ceil_div(plan.row_blocks, plan.band_blocks);
  return plan;
}

// Rows of one block of ROWS outputs for a run of samples: [sample][position or pair][ROWS], zero past
// `valid`.
void pack_gradient(const Plan& plan, const float* gradient, int64_t group, int64_t block, int64_t sample,
                   int64_t samples, float* out) {
  const int64_t t = plan.geometry.positions(), pitch = plan.geometry.out_channels;
  const int64_t valid = least(ROWS, plan.geometry.group_outputs() - block * ROWS);
  const int64_t output = group * plan.geometry.group_outputs() + block * ROWS;
  for (int64_t s = 0; s < samples; s++) {
    const float* g = gradient + (sample + s) * t * pitch + output;
    if (!plan.pairs) {
      if (valid < ROWS) __builtin_memset(out, 0, sizeof(float) * static_cast<size_t>(t * ROWS));
      copy_any(g, pitch, out, ROWS, valid, t);
      out += t * ROWS;
      continue;
    }
    for (int64_t p = 0; p < t; p++) {
      for (int64_t q = p; q < t; q++, out += ROWS) {
        const float weight = p < q ? 2 : 1;
        for (int64_t r = 0; r < ROWS; r++)
          out[r] = r < valid ? weight * (g[p * pitch + r] * g[q * pitch + r]) : 0;
      }
    }
  }
}

struct Columns {
  Segment segment[COLUMNS];
  int64_t segments, count;
};

// Positions [first, last) of a run's U, or all products of pairs of positions, for one band of columns.
void pack_input(const Plan& plan, const float* input, const Columns& columns, int64_t sample, int64_t samples,
                int64_t first, int64_t last, float* raw, float* out) {
  const Geometry& geometry = plan.geometry;
  const int64_t image = geometry.height * geometry.width * geometry.channels;
  const int64_t rows = last - first;
  const int64_t padded = ceil_div(columns.count, WIDTH) * WIDTH;
  float* target = plan.pairs ? raw : out;
  for (int64_t s = 0; s < samples; s++) {
    if (columns.count < padded) zero_last(target, COLUMNS, padded, rows);
    unfold(geometry, input + (sample + s) * image, columns.segment, columns.segments, first, last, target,
           COLUMNS);
    if (!plan.pairs) {
      target += rows * COLUMNS;
      continue;
    }
    for (int64_t p = 0; p < rows; p++) {
      for (int64_t q = p; q < rows; q++, out += COLUMNS) {
        for (int64_t j = 0; j < padded; j += WIDTH) {
          store(out + j, load(raw + p * COLUMNS + j) * load(raw + q * COLUMNS + j));
        }
      }
    }
  }
}

// What one thread does of one band of one group: units [from, to) of column_blocks × blocks, columns
// outermost.
struct Share {
  int64_t group, first_block, blocks;
  int64_t from, to;
};

// A run of samples, and the packed G of row blocks [first_packed, …) of the share's band.
struct Run {
  int64_t sample, samples, phase;
  int64_t first_packed;
};

struct Space {
  float *g, *u, *partial, *raw;

  Space(float* block, const Geometry& geometry)
      : g(block), u(g + gradient_floats(geometry)), partial(u + U_FLOATS), raw(partial + PARTIAL_FLOATS) {}
};

// One tile of the accumulator, by its number.
struct Unit {
  int64_t group, column, block;

  Unit(const Plan& plan, int64_t number)
      : group(number / (plan.column_blocks * plan.row_blocks)),
        column(number / plan.row_blocks % plan.column_blocks),
        block(number % plan.row_blocks) {}
};

class Worker {
 public:
  Worker(const Plan& plan, const float* input, const float* gradient, float* sum, float* rest, int64_t phase,
         Space space)
      : plan_(plan),
        input_(input),
        gradient_(gradient),
        sum_(sum),
        rest_(rest),
        phase_(phase),
        space_(space) {}

  void work(const Share& share) const {
    // Whole columns need every row block's G; a share within one column only its own.
    const int64_t first_column = share.from / share.blocks, last_column = (share.to - 1) / share.blocks;
    const bool one = first_column == last_column;
    const int64_t first_packed = one ? share.from % share.blocks : 0;
    const int64_t packed = one ? share.to - share.from : share.blocks;
    const int64_t fitting = G_FLOATS / (plan_.rows_per_sample * packed * ROWS);
    const int64_t run = most(1, least(fitting, U_ROWS / plan_.rows_per_sample));
    for (int64_t sample = 0; sample < plan_.geometry.samples; sample += run) {
      const int64_t samples = least(run, plan_.geometry.samples - sample);
      const Run now = {sample, samples, (phase_ + sample) % PERIOD, first_packed};
      for (int64_t b = 0; b < packed; b++) {
        pack_gradient(plan_, gradient_, share.group, share.first_block + first_packed + b, sample, samples,
                      space_.g + b * samples * plan_.rows_per_sample * ROWS);
      }
      for (int64_t column = first_column; column <= last_column; column++) {
        const int64_t start = column * share.blocks;
        this->column(share, now, column, most(share.from - start, 0), least(share.to - start, share.blocks),
                     nullptr);
      }
    }
  }

  // Writes one sample's product of one unit.
  void product(const Unit& unit, int64_t sample, float* out) const {
    pack_gradient(plan_, gradient_, unit.group, unit.block, sample, 1, space_.g);
    column({unit.group, unit.block, 1, 0, 1}, {sample, 1, 0, 0}, unit.column, 0, 1, out);
  }

  // Adds the squares of a unit's products of samples, `stride` floats apart.
  void add_squares(const Unit& unit, int64_t sample, int64_t samples, const float* products,
                   int64_t stride) const {
    const Geometry& geometry = plan_.geometry;
    const int64_t output = unit.block * ROWS, first_column = unit.column * COLUMNS;
    const int64_t columns = least(COLUMNS, geometry.columns() - first_column);
    for (int64_t r = 0; r < least(ROWS, geometry.group_outputs() - output); r++) {
      const int64_t at =
          (unit.group * geometry.group_outputs() + output + r) * geometry.columns() + first_column;
      alignas(64) float rest[COLUMNS] = {};
      copy_row(rest_ + at, rest, columns);
      int64_t phase = (phase_ + sample) % PERIOD;
      for (int64_t s = 0; s < samples; s++) {
        const float* product = products + s * stride + r * COLUMNS;
        for (int64_t j = 0; j < columns; j += WIDTH) {
          const vfloat value = load(product + j);
          store(rest + j, multiply_add(value, value, load(rest + j)));
        }
        if (++phase == PERIOD) {
          fold_rest(sum_ + at, rest, columns);
          phase = 0;
        }
      }
      copy_row(rest, rest_ + at, columns);
    }
  }

 private:
  // One band of columns of U against row blocks [from, to) of the share. With `product`, the sample's product
  // goes there instead of into the sum.
  void column(const Share& share, const Run& run, int64_t column_block, int64_t from, int64_t to,
              float* product) const {
    const Geometry& geometry = plan_.geometry;
    Columns columns;
    const int64_t first_column = column_block * COLUMNS;
    columns.count = least(COLUMNS, geometry.columns() - first_column);
    columns.segments = segments(geometry, share.group, first_column, columns.count, columns.segment);
    const int64_t t = geometry.positions(), piece = plan_.pairs ? t : least(t, U_ROWS);
    for (int64_t first = 0; first < t; first += piece) {
      const int64_t last = least(t, first + piece);
      pack_input(plan_, input_, columns, run.sample, run.samples, first, last, space_.raw, space_.u);
      for (int64_t block = from; block < to; block++) {
        const int64_t output = (share.first_block + block) * ROWS;
        const int64_t at =
            (share.group * geometry.group_outputs() + output) * geometry.columns() + first_column;
        Tile tile;
        tile.g = space_.g + ((block - run.first_packed) * run.samples * plan_.rows_per_sample + first) * ROWS;
        tile.u = space_.u;
        tile.samples = run.samples;
        tile.rows_per_sample = plan_.pairs ? plan_.rows_per_sample : last - first;
        tile.sum = sum_ + at;
        tile.rest = rest_ + at;
        tile.pitch = geometry.columns();
        tile.columns = columns.count;
        tile.phase = run.phase;
        tile.partial = product ? product : space_.partial + block * TILE_FLOATS;
        tile.first = first == 0;
        tile.last = last == t && !product;
        tile_function(!plan_.pairs, least(ROWS, geometry.group_outputs() - output), columns.count)(tile);
      }
    }
  }

  const Plan& plan_;
  const float *input_, *gradient_;
  float *sum_, *rest_;
  int64_t phase_;
  Space space_;
};

// The thread's share of every group and band: units first to last of all, in the order group, band, column,
// block.
void work(const Plan& plan, const Worker& worker, int64_t first, int64_t last) {
  int64_t start = 0;
  for (int64_t group = 0; group < plan.geometry.groups; group++) {
    for (int64_t band = 0; band < plan.bands; band++) {
      const int64_t first_block = band * plan.band_blocks;
      const int64_t blocks = least(plan.band_blocks, plan.row_blocks - first_block);
      const int64_t units = plan.column_blocks * blocks;
      const int64_t from = most(first - start, 0), to = least(last - start, units);
      if (from < to) worker.work({group, first_block, blocks, from, to});
      start += units;
    }
  }
}

// For fewer units than threads.
void share_samples(const Plan& plan, const float* input, const float* gradient, int32_t phase, float* sum,
                   float* rest, float* workspace, int64_t units, int32_t threads) {
  const int64_t stride = units * TILE_FLOATS;
  float* const products = workspace + threads * thread_floats(plan.geometry);
  for (int64_t sample = 0; sample < plan.geometry.samples; sample += FEW_RUN) {
    const int64_t samples = least(FEW_RUN, plan.geometry.samples - sample);
#pragma omp parallel num_threads(threads)
    {
      const int64_t own = omp_get_thread_num() * thread_floats(plan.geometry);
      const Worker worker(plan, input, gradient, sum, rest, phase, Space(workspace + own, plan.geometry));
#pragma omp for schedule(static)
      for (int64_t s = 0; s < samples; s++) {
        for (int64_t unit = 0; unit < units; unit++)
          worker.product(Unit(plan, unit), sample + s, products + s * stride + unit * TILE_FLOATS);
      }
#pragma omp for schedule(static)
      for (int64_t unit = 0; unit < units; unit++)
        worker.add_squares(Unit(plan, unit), sample, samples, products + unit * TILE_FLOATS, stride);
    }
  }
}

}  // namespace

// Independent of the number of samples.
int64_t square_gradients_workspace(const int64_t* sizes, int32_t threads) {
  const int64_t each = thread_floats(read_geometry(sizes)) + FEW_RUN * TILE_FLOATS;
  return threads * each * static_cast<int64_t>(sizeof(float));
}

void square_gradients(const float* input, const float* gradient, const int64_t* sizes, int32_t phase,
                      int32_t pairs, float* sum, float* rest, float* workspace, int32_t threads) {
  const Geometry geometry = read_geometry(sizes);
  if (is_depthwise(geometry)) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t first = 0; first < geometry.channels; first += WIDTH) {
      depthwise(geometry, input, gradient, first, least(WIDTH, geometry.channels - first), phase, sum, rest);
    }
    return;
  }
  const Plan plan = plan_for(geometry, pairs != 0);
  const int64_t units = geometry.groups * plan.row_blocks * plan.column_blocks;
  if (units < threads && !plan.pairs) {
    share_samples(plan, input, gradient, phase, sum, rest, workspace, units, threads);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    const Worker worker(plan, input, gradient, sum, rest, phase,
                        Space(workspace + thread * thread_floats(geometry), geometry));
    work(plan, worker, units * thread / team, units * (thread + 1) / team);
  }
}

}  // namespace NEP_NAMESPACE
