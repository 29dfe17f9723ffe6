// Integer products, written once with the compiler's vector types. A file includes it for one instruction set after it
// has defined
//   TARGET           the function attribute that allows the instruction set
//   KERNELS          the table to fill
//   WIDTH            bytes per register
//   TILE_TOKENS      tokens of a tile, for 4 rows: as many as the registers hold, 3 or 6
//   STEP8, STEP4     the bytes of codes that one step takes, of 8 bits and of 4
//   CENTER8          what dot8 does not take off the codes of 8 bits: 128, or 0
// and the functions
//   weights8_at(p, n), values8_at(p)   STEP8 codes, of which the first n are there, and as many values
//   dot8(sums, weights, values)        adds their products, in any order of the lanes
//   weights4_at(p, n)                  STEP4 bytes of codes, of which the first n are there
//   dot4(sums, weights, even, odd)     adds the products of their low halves with STEP4 values, and of their high halves
#define UNROLLED _Pragma("clang loop unroll(full)")
#define LANES (WIDTH / 4)

typedef float lanes __attribute__((vector_size(WIDTH)));
typedef int32_t ints __attribute__((vector_size(WIDTH)));
typedef int8_t narrow __attribute__((vector_size(LANES)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef int32_t i32x8 __attribute__((vector_size(32)));

INLINE i32x4 folded(ints v) {
#if LANES == 16
  const i32x8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
    + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#elif LANES == 8
  const i32x8 half = v;
#else
  return v;
#endif
#if LANES > 4
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
#endif
}

/// The sums of four vectors.
INLINE i32x4 sums_of(const ints v[4]) {
  const i32x4 p = folded(v[0]), q = folded(v[1]), r = folded(v[2]), s = folded(v[3]);
  const i32x4 pq = __builtin_shufflevector(p, q, 0, 4, 1, 5) + __builtin_shufflevector(p, q, 2, 6, 3, 7);
  const i32x4 rs = __builtin_shufflevector(r, s, 0, 4, 1, 5) + __builtin_shufflevector(r, s, 2, 6, 3, 7);
  return __builtin_shufflevector(pq, rs, 0, 1, 4, 5) + __builtin_shufflevector(pq, rs, 2, 3, 6, 7);
}

/// Four rows (the last of them repeated where there are fewer).
typedef struct {
  const uint8_t *codes[4];
  float scales[4];
  size_t row_bytes, count;
} row_block;

/// One step of row `r` of a tile, of which `count` bytes of codes are there.
INLINE void step(
  const int bits, const int tokens, const uint8_t *codes, const int8_t *values, size_t stride, size_t k, size_t count,
  ints sums[TILE_TOKENS][4], const int r) {
  if (bits == 8) {
    const weights8 weights = weights8_at(codes + k, count);
    UNROLLED for (int t = 0; t < tokens; t++) {
      sums[t][r] = dot8(sums[t][r], weights, values8_at(values + (size_t)t * stride + k));
    }
  } else {
    const weights4 weights = weights4_at(codes + k, count);
    UNROLLED for (int t = 0; t < tokens; t++) {
      const int8_t *even = values + (size_t)t * stride + k / 64 * 128 + k % 64;
      sums[t][r] = dot4(sums[t][r], weights, even, even + 64);
    }
  }
}

/// One tile: products of some tokens with a block of rows.
INLINE void tile(
  const int bits, const int tokens, const row_block *rows, const pith_integer_tokens *all, size_t token, float *y,
  size_t ldy) {
  ints sums[TILE_TOKENS][4];
  UNROLLED for (int t = 0; t < tokens; t++) {
    UNROLLED for (int r = 0; r < 4; r++) sums[t][r] = (ints){0};
  }
  const size_t size = bits == 8 ? STEP8 : STEP4;
  const int8_t *values = all->values + token * all->stride;
  const size_t whole = rows->row_bytes / size * size, rest = rows->row_bytes - whole;
  if (tokens == 1) {
    // Weights come from memory faster in one stream than in four.
    UNROLLED for (int r = 0; r < 4; r++) {
      for (size_t k = 0; k < whole; k += size) {
        step(bits, tokens, rows->codes[r], values, all->stride, k, size, sums, r);
      }
    }
  } else {
    for (size_t k = 0; k < whole; k += size) {
      UNROLLED for (int r = 0; r < 4; r++) {
        step(bits, tokens, rows->codes[r], values, all->stride, k, size, sums, r);
      }
    }
  }
  if (rest > 0) {
    UNROLLED for (int r = 0; r < 4; r++) {
      step(bits, tokens, rows->codes[r], values, all->stride, whole, rest, sums, r);
    }
  }
  UNROLLED for (int t = 0; t < tokens; t++) {
    // In unsigned numbers, since the sum of the products before the correction may not fit.
    const uint32_t correction = (uint32_t)(bits == 8 ? CENTER8 : 8) * (uint32_t)all->sums[token + (size_t)t];
    const i32x4 totals = sums_of(sums[t]);
    float *target = y + (size_t)t * ldy;
    for (size_t r = 0; r < rows->count; r++) {
      const int32_t total = (int32_t)((uint32_t)totals[r] - correction);
      target[r] = (float)total * (all->scales[token + (size_t)t] * rows->scales[r]);
    }
  }
}

typedef void (*tile_function)(const row_block *, const pith_integer_tokens *, size_t, float *, size_t);

#define TILE(BITS, N) \
  TARGET static __attribute__((noinline)) void tile##BITS##_##N( \
    const row_block *rows, const pith_integer_tokens *all, size_t token, float *y, size_t ldy) { \
    tile(BITS, N, rows, all, token, y, ldy); \
  }
TILE(8, 1)
TILE(8, 2)
TILE(8, 3)
TILE(4, 1)
TILE(4, 2)
TILE(4, 3)
#if TILE_TOKENS > 3
TILE(8, 4)
TILE(8, 5)
TILE(8, 6)
TILE(4, 4)
TILE(4, 5)
TILE(4, 6)
#endif

static const tile_function tiles8[] = {
  tile8_1, tile8_2, tile8_3,
#if TILE_TOKENS > 3
  tile8_4, tile8_5, tile8_6,
#endif
};

static const tile_function tiles4[] = {
  tile4_1, tile4_2, tile4_3,
#if TILE_TOKENS > 3
  tile4_4, tile4_5, tile4_6,
#endif
};

INLINE float scale_at(const pith_integers *m, size_t row) {
  if (!m->scales_are_half) return pith_integer_scale(m, row);
  _Float16 value;
  memcpy(&value, m->scales + 2 * row, sizeof value);
  return (float)value;
}

TARGET static void product(
  const pith_integers *m, const pith_integer_tokens *tokens, size_t first, size_t last, float *y, size_t ldy) {
  const tile_function *tiles = m->bits == 8 ? tiles8 : tiles4;
  // As many tokens as stay in the first cache while the rows pass by.
  const size_t fitting = 16384 / (tokens->stride + 1) / TILE_TOKENS * TILE_TOKENS;
  const size_t block = fitting < TILE_TOKENS ? TILE_TOKENS : fitting;
  for (size_t start = 0; start < tokens->count; start += block) {
    const size_t stop = start + block < tokens->count ? start + block : tokens->count;
    for (size_t row = first; row < last; row += 4) {
      row_block rows = {{0}, {0}, m->row_bytes, last - row < 4 ? last - row : 4};
      for (size_t r = 0; r < 4; r++) {
        const size_t index = row + (r < rows.count ? r : rows.count - 1);
        rows.codes[r] = m->codes + index * m->row_bytes;
        rows.scales[r] = scale_at(m, index);
      }
      for (size_t t = start; t < stop; t += TILE_TOKENS) {
        const size_t some = stop - t < TILE_TOKENS ? stop - t : TILE_TOKENS;
        tiles[some - 1](&rows, tokens, t, y + t * ldy + row, ldy);
      }
    }
  }
}

// --- Activations ---

INLINE lanes floats_at(const float *p, size_t count) {
  lanes v = {0};
  if (count >= LANES) {
    memcpy(&v, p, sizeof v);
  } else {
    memcpy(&v, p, count * sizeof(float));
  }
  return v;
}

TARGET static pith_range range_of(const float *x, size_t count) {
  lanes low = {0}, high = {0};
  ints magnitude = {0};
  for (size_t i = 0; i < count; i += LANES) {
    const lanes v = floats_at(x + i, count - i);
    low = __builtin_elementwise_min(low, v);
    high = __builtin_elementwise_max(high, v);
    // As integers, magnitudes of floats keep their order, and NaN stands above all.
    const ints size = (ints)v & 0x7FFFFFFF;
    magnitude = __builtin_elementwise_max(magnitude, size);
  }
  pith_range range = {0, 0, 0};
  int32_t largest = 0;
  for (int lane = 0; lane < LANES; lane++) {
    range.low = low[lane] < range.low ? low[lane] : range.low;
    range.high = high[lane] > range.high ? high[lane] : range.high;
    largest = magnitude[lane] > largest ? magnitude[lane] : largest;
  }
  memcpy(&range.magnitude, &largest, sizeof largest);
  return range;
}

/// Quantizes `count` floats, a multiple of 64, to as many values in their order; returns the sums of the lanes.
INLINE ints quantize_block(const float *x, const pith_integer_grid *grid, size_t count, int8_t *values) {
  const lanes none = {0};
  const lanes low = none + grid->low, high = none + grid->high;
  ints sums = {0};
  for (size_t i = 0; i < count; i += LANES) {
    lanes v = floats_at(x + i, LANES) * grid->inverse;
    v = __builtin_elementwise_max(__builtin_elementwise_min(v, high), low);
    // To the nearest, and to even where two are as near.
    const ints q = __builtin_convertvector((v + 0x1.8p23f) - 0x1.8p23f, ints);
    sums += q;
    const narrow bytes = __builtin_convertvector(q, narrow);
    memcpy(values + i, &bytes, sizeof bytes);
  }
  return sums;
}

TARGET static void quantize(
  const float *x, size_t columns, pith_activations activations, int weight_bits, int8_t *values, float *scale,
  int32_t *sum) {
  const pith_integer_grid grid = pith_integer_grid_of(range_of(x, columns), activations);
  *scale = grid.scale;
  *sum = 0;
  if (grid.inverse == 0) {
    memset(values, 0, pith_integer_stride(columns, weight_bits));
    return;
  }
  const size_t block = weight_bits == 8 ? 64 : 128;
  ints sums = {0};
  for (size_t start = 0; start < columns; start += block) {
    const float *source = x + start;
    float last[128] = {0};
    if (columns - start < block) {
      memcpy(last, source, (columns - start) * sizeof(float));
      source = last;
    }
    if (weight_bits == 8) {
      sums += quantize_block(source, &grid, 64, values + start);
    } else {
      int8_t ordered[128];
      sums += quantize_block(source, &grid, 128, ordered);
      for (int i = 0; i < 64; i++) {
        values[start + i] = ordered[2 * i];
        values[start + 64 + i] = ordered[2 * i + 1];
      }
    }
  }
  for (int lane = 0; lane < LANES; lane++) *sum += sums[lane];
}

const pith_integer_kernels KERNELS = {quantize, product};
