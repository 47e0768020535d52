// Σₙ (GₙᵀUₙ)∘² for weights of linear and convolution layers; no per-sample gradient ever reaches memory.
//
// Outer loops: bands of outputs small enough for one packed copy of G, and runs of samples small enough for
// the caches. A work item is a band of COLUMNS columns of U: its thread packs it, then meets every packed row
// block of G. Each element of the accumulator belongs to one item, which walks samples in order: no bit
// depends on the threads.
#include <omp.h>

#include "tile.h"
#include "unfold.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t G_FLOATS = int64_t{1} << 19;  // packed G of a run: 2 MiB, shared
constexpr int64_t U_FLOATS = int64_t{1} << 16;  // packed U of an item: 256 KiB a thread
constexpr int64_t U_ROWS = U_FLOATS / COLUMNS;  // its rows
constexpr int64_t BAND = 512;                   // most outputs of a group packed at once
constexpr int64_t MAX_PAIR_POSITIONS = 8;       // the symmetric expansion is for few positions
constexpr int64_t MAX_BLOCKS = BAND / ROWS;

// The workspace, in floats: packed G, then for every thread packed U, one row block's partial products for
// each block of a band, and the raw rows that pairs are made of.
constexpr int64_t PARTIAL_FLOATS = BAND * COLUMNS;
constexpr int64_t RAW_FLOATS = MAX_PAIR_POSITIONS * COLUMNS;
constexpr int64_t THREAD_FLOATS = U_FLOATS + PARTIAL_FLOATS + RAW_FLOATS;

struct Plan {
  Geometry geometry;
  bool pairs;                  // the symmetric expansion instead of squares of products
  int64_t rows_per_sample;     // packed rows: positions, or pairs of positions
  int64_t bands, band_blocks;  // bands of a group's outputs, row blocks in a band
  int64_t groups_at_once;      // groups whose G is packed together
  int64_t run;                 // samples packed together
  int64_t column_blocks, splits;
};

int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

Plan plan_for(const Geometry& geometry, bool pairs, int32_t threads) {
  Plan plan = {};
  plan.geometry = geometry;
  plan.pairs = pairs;
  const int64_t t = geometry.positions();
  plan.rows_per_sample = pairs ? t * (t + 1) / 2 : t;
  const int64_t blocks = ceil_div(geometry.group_outputs(), ROWS);
  const int64_t fitting = most(1, G_FLOATS / (plan.rows_per_sample * ROWS));
  plan.band_blocks = least(blocks, least(MAX_BLOCKS, fitting));
  plan.bands = ceil_div(blocks, plan.band_blocks);
  plan.groups_at_once = plan.bands > 1 ? 1 : clamp(fitting / plan.band_blocks, 1, geometry.groups);
  const int64_t g_rows = plan.rows_per_sample * plan.groups_at_once * plan.band_blocks * ROWS;
  plan.run = most(1, least(G_FLOATS / g_rows, U_ROWS / plan.rows_per_sample));
  plan.column_blocks = ceil_div(geometry.columns(), COLUMNS);
  // Enough items for every thread; a split packs its columns again, so only as many as that takes.
  const int64_t items = plan.column_blocks * plan.groups_at_once, wanted = 2 * threads;
  plan.splits = threads == 1 || items >= wanted ? 1 : least(ceil_div(wanted, items), plan.band_blocks);
  return plan;
}

// Rows of one block of ROWS outputs for a run of samples: [sample][position or pair][ROWS], zero past
// `valid`.
void pack_gradient(const Plan& plan, const float* gradient, int64_t sample, int64_t samples, int64_t output,
                   int64_t valid, float* out) {
  const int64_t t = plan.geometry.positions(), pitch = plan.geometry.out_channels;
  for (int64_t s = 0; s < samples; s++) {
    const float* g = gradient + (sample + s) * t * pitch + output;
    if (!plan.pairs) {
      for (int64_t p = 0; p < t; p++, out += ROWS) {
        if (valid == ROWS) {
          __builtin_memcpy(out, g + p * pitch, sizeof(float) * ROWS);
        } else {
          for (int64_t r = 0; r < ROWS; r++) out[r] = r < valid ? g[p * pitch + r] : 0;
        }
      }
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
  int64_t segments, group, count;
};

// Positions [first, last) of a run's U, or all products of pairs of positions, for one band of columns.
void pack_input(const Plan& plan, const float* input, const Columns& columns, int64_t sample, int64_t samples,
                int64_t first, int64_t last, float* raw, float* out) {
  const Geometry& geometry = plan.geometry;
  const int64_t image = geometry.height * geometry.width * geometry.channels, rows = last - first;
  const int64_t padded = ceil_div(columns.count, WIDTH) * WIDTH;
  float* target = plan.pairs ? raw : out;
  for (int64_t s = 0; s < samples; s++) {
    unfold(geometry, input + (sample + s) * image, columns.group, columns.segment, columns.segments, first,
           last, target, COLUMNS);
    zero_runs(target + columns.count, COLUMNS, padded - columns.count, rows);
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

Geometry read_geometry(const int64_t* sizes) {
  Geometry geometry;
  __builtin_memcpy(&geometry, sizes, sizeof geometry);
  return geometry;
}

int64_t gradient_floats(const Geometry& geometry) { return most(G_FLOATS, geometry.positions() * ROWS); }

struct Run {
  const Plan& plan;
  const float* input;
  float *sum, *rest;
  int64_t sample, samples, phase;
  int64_t group, band;  // the first group and the band that g holds
  const float* g;
};

// One band of columns against the row blocks [from, to) of one group's packed G.
void item(const Run& run, int64_t group, int64_t column_block, int64_t from, int64_t to,
          float* thread_space) {
  const Plan& plan = run.plan;
  const Geometry& geometry = plan.geometry;
  float *u = thread_space, *partial = u + U_FLOATS, *raw = partial + PARTIAL_FLOATS;
  Columns columns;
  const int64_t first_column = column_block * COLUMNS;
  columns.group = run.group + group;
  columns.count = least(COLUMNS, geometry.columns() - first_column);
  columns.segments = segments(geometry, first_column, columns.count, columns.segment);
  const int64_t t = geometry.positions(), piece = plan.pairs ? t : least(t, U_ROWS);
  const int64_t block_rows = run.samples * plan.rows_per_sample;
  for (int64_t first = 0; first < t; first += piece) {
    const int64_t last = least(t, first + piece);
    pack_input(plan, run.input, columns, run.sample, run.samples, first, last, raw, u);
    for (int64_t block = from; block < to; block++) {
      const int64_t output = (run.band * plan.band_blocks + block) * ROWS;
      const int64_t rows = least(ROWS, geometry.group_outputs() - output);
      if (rows <= 0) break;
      Tile tile;
      tile.g = run.g + ((group * plan.band_blocks + block) * block_rows + first) * ROWS;
      tile.u = u;
      tile.samples = run.samples;
      tile.rows_per_sample = plan.pairs ? plan.rows_per_sample : last - first;
      const int64_t at =
          (columns.group * geometry.group_outputs() + output) * geometry.columns() + first_column;
      tile.sum = run.sum + at;
      tile.rest = run.rest + at;
      tile.pitch = geometry.columns();
      tile.columns = columns.count;
      tile.phase = run.phase;
      tile.partial = partial + block * ROWS * COLUMNS;
      tile.first = first == 0;
      tile.last = last == t;
      tile_function(!plan.pairs, rows, columns.count)(tile);
    }
  }
}

}  // namespace

// Independent of the number of samples; packed G outgrows its share only when one row block of one sample
// does.
int64_t square_gradients_workspace(const int64_t* sizes, int32_t threads) {
  return (gradient_floats(read_geometry(sizes)) + threads * THREAD_FLOATS) *
         static_cast<int64_t>(sizeof(float));
}

void square_gradients(const float* input, const float* gradient, const int64_t* sizes, int32_t phase,
                      int32_t pairs, float* sum, float* rest, float* workspace, int32_t threads) {
  const Geometry geometry = read_geometry(sizes);
  const Plan plan = plan_for(geometry, pairs != 0, threads);
  float *const g = workspace, *const spaces = workspace + gradient_floats(geometry);
#pragma omp parallel num_threads(threads)
  {
    float* const thread_space = spaces + omp_get_thread_num() * THREAD_FLOATS;
    for (int64_t group = 0; group < geometry.groups; group += plan.groups_at_once) {
      const int64_t groups = least(plan.groups_at_once, geometry.groups - group);
      for (int64_t band = 0; band < plan.bands; band++) {
        for (int64_t sample = 0; sample < geometry.samples; sample += plan.run) {
          const int64_t samples = least(plan.run, geometry.samples - sample);
          const int64_t block_floats = samples * plan.rows_per_sample * ROWS;
#pragma omp for schedule(static)
          for (int64_t b = 0; b < groups * plan.band_blocks; b++) {
            const int64_t output = (band * plan.band_blocks + b % plan.band_blocks) * ROWS;
            const int64_t valid = clamp(geometry.group_outputs() - output, 0, ROWS);
            if (valid > 0) {
              pack_gradient(plan, gradient, sample, samples,
                            (group + b / plan.band_blocks) * geometry.group_outputs() + output, valid,
                            g + b * block_floats);
            }
          }
          const Run run = {plan,  input, sum, rest, sample, samples, (phase + sample) % PERIOD,
                           group, band,  g};
#pragma omp for schedule(dynamic)
          for (int64_t i = 0; i < groups * plan.column_blocks * plan.splits; i++) {
            const int64_t split = i % plan.splits, column_block = i / plan.splits % plan.column_blocks;
            item(run, i / (plan.splits * plan.column_blocks), column_block,
                 plan.band_blocks * split / plan.splits, plan.band_blocks * (split + 1) / plan.splits,
                 thread_space);
          }
        }
      }
    }
  }
}

}  // namespace NEP_NAMESPACE
