// The products of float rows with one token, with few, and with many. Included by kernels_vector.h.

/// One tile: products of `tokens` rows of x with 4 rows of w (the last of them repeated where there are fewer).
INLINE void tile(
  const int tokens, const float *x, size_t ldx, const float *const w[4], size_t rows, size_t columns, bool adds, float *y,
  size_t ldy) {
  lanes sums[TILE_TOKENS][4];
  UNROLLED for (int t = 0; t < tokens; t++) {
    UNROLLED for (int r = 0; r < 4; r++) sums[t][r] = (lanes){0};
  }
  size_t k = 0;
  for (; k + LANES <= columns; k += LANES) {
    lanes weights[4];
    UNROLLED for (int r = 0; r < 4; r++) weights[r] = load(w[r] + k);
    UNROLLED for (int t = 0; t < tokens; t++) {
      const lanes activation = load(x + (size_t)t * ldx + k);
      UNROLLED for (int r = 0; r < 4; r++) sums[t][r] += activation * weights[r];
    }
  }
  if (k < columns) {
    lanes weights[4];
    UNROLLED for (int r = 0; r < 4; r++) weights[r] = load_part(w[r] + k, columns - k);
    UNROLLED for (int t = 0; t < tokens; t++) {
      const lanes activation = load_part(x + (size_t)t * ldx + k, columns - k);
      UNROLLED for (int r = 0; r < 4; r++) sums[t][r] += activation * weights[r];
    }
  }
  UNROLLED for (int t = 0; t < tokens; t++) {
    const f32x4 total = sums_of(sums[t][0], sums[t][1], sums[t][2], sums[t][3]);
    float *target = y + (size_t)t * ldy;
    for (size_t r = 0; r < rows; r++) target[r] = adds ? target[r] + total[r] : total[r];
  }
}

#define TILE(N) \
  TARGET static __attribute__((noinline)) void tile##N( \
    const float *x, size_t ldx, const float *const w[4], size_t rows, size_t columns, bool adds, float *y, size_t ldy) { \
    tile(N, x, ldx, w, rows, columns, adds, y, ldy); \
  }
TILE(1)
TILE(2)
TILE(3)
#if TILE_TOKENS > 3
TILE(4)
TILE(5)
TILE(6)
#endif

typedef void (*tile_function)(
  const float *, size_t, const float *const[4], size_t, size_t, bool, float *, size_t);

static const tile_function tiles[] = {
  tile1, tile2, tile3,
#if TILE_TOKENS > 3
  tile4, tile5, tile6,
#endif
};

INLINE lanes floats_at(const uint8_t *p) {
  lanes v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE lanes halves_at(const uint8_t *p) {
  halves v;
  memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, lanes);
}

INLINE lanes bfloats_at(const uint8_t *p) {
  words v;
  memcpy(&v, p, sizeof v);
  return (lanes)(__builtin_convertvector(v, ints) << 16);
}

/// Defines the product with one row of numbers of SIZE bytes, of which AT gives LANES.
#define ROW_PRODUCT(NAME, SIZE, AT) \
  INLINE float NAME(const uint8_t *w, const float *x, size_t columns) { \
    lanes sums[4] = {{0}, {0}, {0}, {0}}; \
    size_t k = 0; \
    for (; k + 4 * LANES <= columns; k += 4 * LANES) { \
      UNROLLED for (size_t u = 0; u < 4; u++) sums[u] += AT(w + SIZE * (k + u * LANES)) * load(x + k + u * LANES); \
    } \
    for (; k + LANES <= columns; k += LANES) sums[0] += AT(w + SIZE * k) * load(x + k); \
    if (k < columns) { \
      uint8_t last[SIZE * LANES] = {0}; \
      memcpy(last, w + SIZE * k, SIZE * (columns - k)); \
      sums[1] += AT(last) * load_part(x + k, columns - k); \
    } \
    return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3])); \
  }
ROW_PRODUCT(float_row, 4, floats_at)
ROW_PRODUCT(half_row, 2, halves_at)
ROW_PRODUCT(bfloat_row, 2, bfloats_at)

#include "panels_vector.h"

TARGET static void dot_block(
  const float *x, size_t ldx, size_t tokens, const float *w, size_t ldw, size_t rows, size_t columns, float *y,
  size_t ldy) {
  // Long rows come from memory faster in one stream than in four; short ones, as in attention, share their last sums.
  if (tokens == 1 && columns >= 256) {
    for (size_t r = 0; r < rows; r++) y[r] = float_row((const uint8_t *)(w + r * ldw), x, columns);
    return;
  }
  if (tokens >= PANEL_TOKENS && columns > 0) {
    product((pith_operand){x, ldx, 1}, (pith_operand){w, 1, ldw}, tokens, rows, columns, false, y, ldy);
    return;
  }
  // Long rows are cut so that a tile's operands stay in the first cache.
  const size_t cuts = columns / 1024 + 1;
  const size_t step = (columns / cuts + LANES) / LANES * LANES;
  for (size_t start = 0; start == 0 || start < columns; start += step) {
    const size_t length = columns - start < step ? columns - start : step;
    for (size_t t = 0; t < tokens; t += TILE_TOKENS) {
      const size_t some = tokens - t < TILE_TOKENS ? tokens - t : TILE_TOKENS;
      for (size_t r = 0; r < rows; r += 4) {
        const size_t few = rows - r < 4 ? rows - r : 4;
        const float *const row[4] = {
          w + r * ldw + start, w + (r + (few > 1 ? 1 : 0)) * ldw + start, w + (r + (few > 2 ? 2 : 0)) * ldw + start,
          w + (r + (few > 3 ? 3 : 0)) * ldw + start,
        };
        tiles[some - 1](x + t * ldx + start, ldx, row, few, length, start > 0, y + t * ldy + r, ldy);
      }
    }
  }
}
