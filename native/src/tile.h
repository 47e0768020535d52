// The register tile that matrix-like statistics share: MR rows (gradients, broadcast) by NV vectors (inputs).
#pragma once

#include "drift_free.h"

namespace NEP_NAMESPACE {
namespace {

#if defined(NEP_LEVEL_v4)
constexpr int ROWS = 8, VECTORS_WIDE = 3;  // 24 accumulators of 32 registers
#elif defined(NEP_LEVEL_v3)
constexpr int ROWS = 4, VECTORS_WIDE = 3;  // 12 of 16
#else
constexpr int ROWS = 4, VECTORS_WIDE = 2;  // 8 of 16; a multiply needs one more
#endif
constexpr int64_t COLUMNS = VECTORS_WIDE * WIDTH;

// acc += gᵀu over k rows; u has COLUMNS floats a packed row, g lies `pitch` floats apart.
template <int MR, int NV>
inline __attribute__((always_inline)) void product(const float* g, const float* u, int64_t k,
                                                   vfloat (&acc)[MR][NV], int64_t pitch = ROWS) {
  for (int64_t i = 0; i < k; i++) {
    vfloat b[NV];
#pragma GCC unroll 3
    for (int v = 0; v < NV; v++) b[v] = load(u + v * WIDTH);
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
      const vfloat a = splat(g[r]);
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) acc[r][v] = multiply_add(a, b[v], acc[r][v]);
    }
    g += pitch;
    u += COLUMNS;
  }
}

// One tile of the accumulator and the packed rows that it meets.
struct Tile {
  const float* g;  // samples × rows_per_sample × ROWS
  const float* u;  // samples × rows_per_sample × COLUMNS
  int64_t samples, rows_per_sample;
  float *sum, *rest;       // at the tile's first element
  int64_t pitch, columns;  // floats between rows of the accumulator; columns of it in this tile
  int64_t phase;           // samples already in rest, below PERIOD
  float* partial;          // ROWS × COLUMNS: a sample's product so far, when its positions come in pieces
  bool first, last;        // whether this is the sample's first, last piece
};

template <int MR>
inline void fold_tile(const Tile& tile, float (*rest)[COLUMNS]) {
  for (int r = 0; r < MR; r++) fold_rest(tile.sum + r * tile.pitch, rest[r], tile.columns);
}

// Copies one row of a tile of the accumulator; most tiles are whole, and then the count is a constant.
inline __attribute__((always_inline)) void copy_row(const float* from, float* to, int64_t columns) {
  if (columns == COLUMNS) {
    for (int64_t j = 0; j < COLUMNS; j += WIDTH) store(to + j, load(from + j));
  } else {
    for (int64_t j = 0; j < columns; j++) to[j] = from[j];
  }
}

template <int MR>
inline void load_tile(const Tile& tile, float (*rest)[COLUMNS]) {
  for (int r = 0; r < MR; r++) {
    for (int64_t j = tile.columns; j < COLUMNS; j++) rest[r][j] = 0;
    copy_row(tile.rest + r * tile.pitch, rest[r], tile.columns);
  }
}

template <int MR>
inline void store_tile(const Tile& tile, const float (*rest)[COLUMNS]) {
  for (int r = 0; r < MR; r++) copy_row(rest[r], tile.rest + r * tile.pitch, tile.columns);
}

// rest += Σₙ (Σₖ g u)∘²: each sample's product stays in registers until it is squared.
template <int MR, int NV>
void square_of_products(const Tile& tile) {
  alignas(64) float rest[MR][COLUMNS];
  if (tile.last) load_tile<MR>(tile, rest);
  int64_t phase = tile.phase;
  for (int64_t s = 0; s < tile.samples; s++) {
    vfloat acc[MR][NV];
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++)
        acc[r][v] = tile.first ? vfloat{} : load(tile.partial + r * COLUMNS + v * WIDTH);
    }
    product<MR, NV>(tile.g + s * tile.rows_per_sample * ROWS, tile.u + s * tile.rows_per_sample * COLUMNS,
                    tile.rows_per_sample, acc);
    if (!tile.last) {
#pragma GCC unroll 8
      for (int r = 0; r < MR; r++) {
#pragma GCC unroll 3
        for (int v = 0; v < NV; v++) store(tile.partial + r * COLUMNS + v * WIDTH, acc[r][v]);
      }
      continue;
    }
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) {
        float* at = rest[r] + v * WIDTH;
        store(at, multiply_add(acc[r][v], acc[r][v], load(at)));
      }
    }
    if (++phase == PERIOD) {
      fold_tile<MR>(tile, rest);
      phase = 0;
    }
  }
  if (tile.last) store_tile<MR>(tile, rest);
}

// rest += Σₙ Σₖ g u, with the rows already squares or products of pairs.
template <int MR, int NV>
void sum_of_products(const Tile& tile) {
  alignas(64) float rest[MR][COLUMNS];
  load_tile<MR>(tile, rest);
  int64_t phase = tile.phase;
  for (int64_t s = 0; s < tile.samples;) {
    const int64_t left = tile.samples - s, run = left < PERIOD - phase ? left : PERIOD - phase;
    vfloat acc[MR][NV];
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) acc[r][v] = load(rest[r] + v * WIDTH);
    }
    product<MR, NV>(tile.g + s * tile.rows_per_sample * ROWS, tile.u + s * tile.rows_per_sample * COLUMNS,
                    run * tile.rows_per_sample, acc);
#pragma GCC unroll 8
    for (int r = 0; r < MR; r++) {
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) store(rest[r] + v * WIDTH, acc[r][v]);
    }
    s += run;
    phase += run;
    if (phase == PERIOD) {
      fold_tile<MR>(tile, rest);
      phase = 0;
    }
  }
  store_tile<MR>(tile, rest);
}

using TileFunction = void (*)(const Tile&);

template <int MR>
TileFunction tile_of_rows(bool squares, int64_t vectors) {
  switch (vectors) {
    case 1:
      return squares ? square_of_products<MR, 1> : sum_of_products<MR, 1>;
    case 2:
      return squares ? square_of_products<MR, 2> : sum_of_products<MR, 2>;
    default:
      return squares ? square_of_products<MR, VECTORS_WIDE> : sum_of_products<MR, VECTORS_WIDE>;
  }
}

inline TileFunction tile_function(bool squares, int64_t rows, int64_t columns) {
  const int64_t vectors = (columns + WIDTH - 1) / WIDTH;
  switch (rows) {
    case 1:
      return tile_of_rows<1>(squares, vectors);
    case 2:
      return tile_of_rows<2>(squares, vectors);
    case 3:
      return tile_of_rows<3>(squares, vectors);
    case 4:
      return tile_of_rows<4>(squares, vectors);
#if defined(NEP_LEVEL_v4)
    case 5:
      return tile_of_rows<5>(squares, vectors);
    case 6:
      return tile_of_rows<6>(squares, vectors);
    case 7:
      return tile_of_rows<7>(squares, vectors);
#endif
    default:
      return tile_of_rows<ROWS>(squares, vectors);
  }
}

}  // namespace
}  // namespace NEP_NAMESPACE
