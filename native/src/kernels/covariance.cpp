// Σ āāᵀ over samples and positions, the half above the diagonal; the unfolded input never reaches memory.
//
// Each thread owns a run of tiles (columns of tiles outermost, down to the diagonal) and walks all rows of ā
// for them alone. It packs the panels of COLUMNS features that it needs once a run of rows; the tile's other
// side reads its ROWS features from the same panels, so nothing is packed twice.
#include <omp.h>

#include "patches.h"

namespace NEP_NAMESPACE {
namespace {

constexpr int64_t MOST_ROWS = 256;                  // rows of ā packed at once: a panel stays in L2
constexpr int64_t PANEL_FLOATS = int64_t{1} << 20;  // all panels of a thread, at most, beyond one row
constexpr int64_t POOL_ROWS = 64;                   // positions unfolded at once before they are pooled
constexpr int64_t MANY_POSITIONS = 32;              // from here on every sample is folded on its own
constexpr int64_t TILES_DOWN = COLUMNS / ROWS;      // tiles that a panel is high
enum Sharing : int32_t { EXPAND = 0, MEAN = 1, SUM = 2 };

struct Call {
  Geometry geometry;
  const float* input;
  const uint8_t* mask;  // samples × positions, or none
  bool bias;
  int32_t sharing;
  int64_t phase;

  int64_t size() const { return features(geometry, bias); }
  int64_t panels() const { return ceil_div(size(), COLUMNS); }
  // Rows of ā that a sample gives.
  int64_t rows() const { return sharing == EXPAND ? geometry.positions() : 1; }
  int64_t fold_every() const { return rows() >= MANY_POSITIONS ? 1 : PERIOD; }
};

int64_t packed_rows(int64_t panels) { return most(1, least(MOST_ROWS, PANEL_FLOATS / (panels * COLUMNS))); }

int64_t thread_floats(const Geometry& geometry, bool bias) {
  const int64_t panels = ceil_div(features(geometry, bias), COLUMNS);
  return (panels * packed_rows(panels) + POOL_ROWS) * COLUMNS;
}

// Tiles of the columns before `panel`, and the column of a tile.
int64_t tiles_before(int64_t panel) { return TILES_DOWN * panel * (panel + 1) / 2; }
int64_t tiles_of(const Call& call) {
  const int64_t last = call.panels() - 1;
  return tiles_before(last) + ceil_div(call.size(), ROWS);
}

// Rows of samples [sample, sample + samples), or positions [first, last) of one.
struct Run {
  int64_t sample, samples, first, last;
};

void mask_rows(const Call& call, int64_t sample, int64_t first, int64_t last, const Band& band, float* out) {
  if (call.mask == nullptr) return;
  const uint8_t* mask = call.mask + sample * call.geometry.positions();
  for (int64_t t = first; t < last; t++) {
    if (mask[t] == 0) zero_runs(out + (t - first) * COLUMNS, COLUMNS, band.padded(), 1);
  }
}

// One row: the sum, or mean over the unmasked, of a sample's positions.
void pool_rows(const Call& call, const Band& band, const float* image, int64_t sample, float* raw,
               float* out) {
  zero_runs(out, COLUMNS, band.padded(), 1);
  const int64_t positions = call.geometry.positions();
  for (int64_t first = 0; first < positions; first += POOL_ROWS) {
    const int64_t last = least(positions, first + POOL_ROWS);
    pack_band(call.geometry, band, image, first, last, raw);
    mask_rows(call, sample, first, last, band, raw);
    for (int64_t t = 0; t < last - first; t++) {
      for (int64_t j = 0; j < band.padded(); j += WIDTH)
        store(out + j, load(out + j) + load(raw + t * COLUMNS + j));
    }
  }
  if (call.sharing == SUM) return;
  int64_t counted = positions;
  if (call.mask != nullptr) {
    counted = 0;
    for (int64_t t = 0; t < positions; t++) counted += call.mask[sample * positions + t] != 0;
  }
  const vfloat scale = splat(counted == 0 ? 0.f : 1.f / static_cast<float>(counted));
  for (int64_t j = 0; j < band.padded(); j += WIDTH) store(out + j, load(out + j) * scale);
}

void pack_panel(const Call& call, const Run& run, int64_t group, int64_t panel, float* raw, float* out) {
  const Band band = band_of(call.geometry, call.bias, group, panel);
  const int64_t image = call.geometry.height * call.geometry.width * call.geometry.channels;
  for (int64_t s = run.sample; s < run.sample + run.samples; s++) {
    if (call.sharing != EXPAND) {
      pool_rows(call, band, call.input + s * image, s, raw, out);
      out += COLUMNS;
      continue;
    }
    pack_band(call.geometry, band, call.input + s * image, run.first, run.last, out);
    mask_rows(call, s, run.first, run.last, band, out);
    out += (run.last - run.first) * COLUMNS;
  }
}

// rest += Σ g uᵀ over the run's rows, folded into sum after every fold_every samples.
template <int NV>
void add_tile(const Call& call, const Run& run, const float* g, const float* u, Tile tile, int64_t rows) {
  alignas(64) float rest[ROWS][COLUMNS];
  if (rows < ROWS || tile.columns < COLUMNS) __builtin_memset(rest, 0, sizeof rest);
  for (int64_t r = 0; r < rows; r++) copy_row(tile.rest + r * tile.pitch, rest[r], tile.columns);
  const int64_t each = run.last - run.first, every = call.fold_every();
  int64_t phase = (call.phase + run.sample) % PERIOD;
  for (int64_t s = 0; s < run.samples;) {
    const int64_t samples = least(run.samples - s, every - phase % every);
    vfloat acc[ROWS][NV];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) acc[r][v] = load(rest[r] + v * WIDTH);
    }
    product<ROWS, NV>(g + s * each * COLUMNS, u + s * each * COLUMNS, samples * each, acc, COLUMNS);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) store(rest[r] + v * WIDTH, acc[r][v]);
    }
    s += samples;
    phase += samples;
    if (phase % every == 0 && run.last == call.rows()) {
      for (int64_t r = 0; r < rows; r++) fold_rest(tile.sum + r * tile.pitch, rest[r], tile.columns);
    }
  }
  for (int64_t r = 0; r < rows; r++) copy_row(rest[r], tile.rest + r * tile.pitch, tile.columns);
}

void add_tile(const Call& call, const Run& run, const float* panels, int64_t pitch, int64_t panel,
              int64_t down, float* sum, float* rest) {
  const int64_t size = call.size(), row = down * ROWS, column = panel * COLUMNS;
  Tile tile = {};
  tile.sum = sum + row * size + column;
  tile.rest = rest + row * size + column;
  tile.pitch = size;
  tile.columns = least(COLUMNS, size - column);
  const float* g = panels + row / COLUMNS * pitch + row % COLUMNS;
  const float* u = panels + panel * pitch;
  const int64_t rows = least(ROWS, size - row);
  switch ((tile.columns + WIDTH - 1) / WIDTH) {
    case 1:
      return add_tile<1>(call, run, g, u, tile, rows);
    case 2:
      return add_tile<2>(call, run, g, u, tile, rows);
    default:
      return add_tile<VECTORS_WIDE>(call, run, g, u, tile, rows);
  }
}

// Tiles [from, to) of one group, for all samples.
void work(const Call& call, int64_t group, int64_t from, int64_t to, float* sum, float* rest, float* space) {
  int64_t first_panel = 0;
  while (tiles_before(first_panel + 1) <= from) first_panel++;
  int64_t last_panel = first_panel;
  while (tiles_before(last_panel + 1) < to) last_panel++;
  const int64_t rows = call.rows(), fit = packed_rows(call.panels()), pitch = fit * COLUMNS;
  const int64_t many = most(1, fit / rows), piece = least(rows, fit);
  float* const raw = space + call.panels() * pitch;
  for (int64_t sample = 0; sample < call.geometry.samples; sample += many) {
    const int64_t samples = least(many, call.geometry.samples - sample);
    for (int64_t first = 0; first < rows; first += piece) {
      const Run run = {sample, samples, first, least(rows, first + piece)};
      for (int64_t panel = 0; panel <= last_panel; panel++)
        pack_panel(call, run, group, panel, raw, space + panel * pitch);
      for (int64_t panel = first_panel; panel <= last_panel; panel++) {
        const int64_t start = tiles_before(panel);
        const int64_t end = least(to, least(tiles_before(panel + 1), tiles_of(call)));
        for (int64_t tile = most(from, start); tile < end; tile++)
          add_tile(call, run, space, pitch, panel, tile - start, sum, rest);
      }
    }
  }
}

}  // namespace

int64_t covariance_workspace(const int64_t* sizes, int32_t bias, int32_t threads) {
  return threads * thread_floats(read_geometry(sizes), bias != 0) * static_cast<int64_t>(sizeof(float));
}

void covariance(const float* input, const uint8_t* mask, const int64_t* sizes, int32_t bias, int32_t sharing,
                int32_t phase, float* sum, float* rest, float* workspace, int32_t threads) {
  const Call call = {read_geometry(sizes), input, mask, bias != 0, sharing, phase};
  const int64_t size = call.size(), tiles = tiles_of(call), groups = call.geometry.groups;
#pragma omp parallel num_threads(threads)
  {
    const int64_t thread = omp_get_thread_num(), team = omp_get_num_threads();
    float* const space = workspace + thread * thread_floats(call.geometry, call.bias);
    const int64_t first = groups * tiles * thread / team, last = groups * tiles * (thread + 1) / team;
    for (int64_t group = first / tiles; group < groups && group * tiles < last; group++) {
      const int64_t from = most(0, first - group * tiles), to = least(tiles, last - group * tiles);
      if (from < to)
        work(call, group, from, to, sum + group * size * size, rest + group * size * size, space);
    }
  }
}

}  // namespace NEP_NAMESPACE
