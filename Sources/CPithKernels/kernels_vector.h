// The vector version of every kernel, written once with the compiler's vector types. A file includes it for one
// instruction set after it has defined
//   TARGET            the function attribute that allows the instruction set
//   KERNELS           the name of the table to fill
//   LANES             floats per register to work with: 8 or 16
//   TILE_TOKENS       tokens of a tile of dot_block, for 4 rows: as many as the registers hold
//   look_up(t, i)     the floats of the 16-entry table t at the low 4 bits of LANES indices i
//   permute(v, i)     the lanes of v at LANES indices i below LANES
//   first_bytes(p, n) the first n bytes at p, then zeros, as LANES integers
//   spread(word, b)   the 8 codes of b bits in the low bits of a 64-bit word, as the bytes of another
#include "kernels.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLLED _Pragma("clang loop unroll(full)")

typedef float lanes __attribute__((vector_size(LANES * 4)));
typedef int32_t ints __attribute__((vector_size(LANES * 4)));
typedef uint32_t uints __attribute__((vector_size(LANES * 4)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint8_t u8x32 __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(LANES)));
typedef int8_t signed_bytes __attribute__((vector_size(LANES)));
typedef uint16_t words __attribute__((vector_size(LANES * 2)));
typedef _Float16 halves __attribute__((vector_size(LANES * 2)));

INLINE lanes load(const float *p) {
  lanes v;
  memcpy(&v, p, sizeof v);
  return v;
}

/// The first `count` floats at p, then zeros.
INLINE lanes load_part(const float *p, size_t count) {
  lanes v = {0};
  memcpy(&v, p, count * sizeof(float));
  return v;
}

INLINE void store(float *p, lanes v) { memcpy(p, &v, sizeof v); }

INLINE lanes all(float value) { return value - (lanes){0}; }

INLINE f32x4 folded(lanes v) {
#if LANES == 16
  const f32x8 half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7)
    + __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
  const f32x8 half = v;
#endif
  return __builtin_shufflevector(half, half, 0, 1, 2, 3) + __builtin_shufflevector(half, half, 4, 5, 6, 7);
}

/// The sums of four vectors.
INLINE f32x4 sums_of(lanes a, lanes b, lanes c, lanes d) {
  const f32x4 p = folded(a), q = folded(b), r = folded(c), s = folded(d);
  const f32x4 pq = __builtin_shufflevector(p, q, 0, 4, 1, 5) + __builtin_shufflevector(p, q, 2, 6, 3, 7);
  const f32x4 rs = __builtin_shufflevector(r, s, 0, 4, 1, 5) + __builtin_shufflevector(r, s, 2, 6, 3, 7);
  return __builtin_shufflevector(pq, rs, 0, 1, 4, 5) + __builtin_shufflevector(pq, rs, 2, 3, 6, 7);
}

INLINE float sum_of(lanes v) { return sums_of(v, v, v, v)[0]; }

INLINE float half_at(const uint8_t *p) {
  _Float16 value;
  memcpy(&value, p, sizeof value);
  return (float)value;
}

// --- Products ---

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

TARGET static void dot_block(
  const float *x, size_t ldx, size_t tokens, const float *w, size_t ldw, size_t rows, size_t columns, float *y,
  size_t ldy) {
  // Long rows come from memory faster in one stream than in four; short ones, as in attention, share their last sums.
  if (tokens == 1 && columns >= 256) {
    for (size_t r = 0; r < rows; r++) y[r] = float_row((const uint8_t *)(w + r * ldw), x, columns);
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

// --- Decoding ---

TARGET static void half_decode(const uint16_t *values, size_t count, float *out) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    halves v;
    memcpy(&v, values + i, sizeof v);
    store(out + i, __builtin_convertvector(v, lanes));
  }
  for (; i < count; i++) out[i] = half_at((const uint8_t *)(values + i));
}

TARGET static void bfloat_decode(const uint16_t *values, size_t count, float *out) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    words v;
    memcpy(&v, values + i, sizeof v);
    store(out + i, (lanes)(__builtin_convertvector(v, ints) << 16));
  }
  pith_kernels_scalar.bfloat_decode(values + i, count - i, out + i);
}

/// How many codes of a row are unpacked at one time: a multiple of 8, so that each piece starts at a byte.
#define PIECE 512

/// The bytes of 32 four-bit codes, in order.
INLINE u8x32 nibbles(const uint8_t *p) {
  u8x16 v;
  memcpy(&v, p, sizeof v);
  const u8x16 low = v & 15, high = v >> 4;
  return __builtin_shufflevector(
    low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14,
    30, 15, 31);
}

INLINE void unpack_bits(const int bits, const uint8_t *codes, size_t blocks, uint8_t *out) {
  for (size_t block = 0; block < blocks; block++) {
    uint64_t word = 0;
    memcpy(&word, codes + block * (size_t)bits, (size_t)bits);
    const uint64_t eight = spread(word, bits);
    memcpy(out + 8 * block, &eight, 8);
  }
}

/// Codes first … first + count − 1 of a packed row, one per byte; `first` is a multiple of 8, and `buffer` has
/// room for a piece.
INLINE const uint8_t *unpacked(const uint8_t *codes, int bits, size_t first, size_t count, uint8_t *buffer) {
  if (bits == 8) return codes + first;
  const uint8_t *start = codes + first / 8 * (size_t)bits;
  const size_t blocks = count / 8;
  size_t done = blocks * 8;
  switch (bits) {
  case 1: unpack_bits(1, start, blocks, buffer); break;
  case 2: unpack_bits(2, start, blocks, buffer); break;
  case 3: unpack_bits(3, start, blocks, buffer); break;
  case 4: {
    for (done = 0; done + 32 <= count; done += 32) {
      const u8x32 v = nibbles(start + done / 2);
      memcpy(buffer + done, &v, sizeof v);
    }
    break;
  }
  case 5: unpack_bits(5, start, blocks, buffer); break;
  case 6: unpack_bits(6, start, blocks, buffer); break;
  case 7: unpack_bits(7, start, blocks, buffer); break;
  }
  for (; done < count; done++) buffer[done] = (uint8_t)pith_code(start, done, bits);
  return buffer;
}

INLINE lanes numbers(const uint8_t *codes) {
  bytes v;
  memcpy(&v, codes, sizeof v);
  return __builtin_convertvector(v, lanes);
}

INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

TARGET static void affine_decode(const pith_affine *m, size_t row, float *out) {
  uint8_t buffer[PIECE];
  for (size_t start = 0; start < m->columns; start += PIECE) {
    const size_t end = smaller(start + PIECE, m->columns);
    const uint8_t *codes = unpacked(m->codes + row * m->row_bytes, m->bits, start, end - start, buffer);
    for (size_t i = start; i < end;) {
      const size_t group = i / m->group_size, stop = smaller((group + 1) * m->group_size, end);
      const float scale = half_at(m->scales + 2 * (row * m->groups + group));
      const float zero = pith_affine_zero(m, row, group);
      for (; i + LANES <= stop; i += LANES) store(out + i, scale * (numbers(codes + i - start) - zero));
      for (; i < stop; i++) out[i] = scale * ((float)codes[i - start] - zero);
    }
  }
}

// --- Codebooks ---

typedef struct {
  float values[16];
} small_table;

/// A row and its table, decoded to `entries`.
INLINE pith_codebook_row codebook_row_at(const pith_codebook *m, size_t row, float entries[256]) {
  const size_t count = (size_t)1 << m->bits;
  if (m->table_per_row) {
    half_decode((const uint16_t *)(m->tables + 2 * row * count), count, entries);
  } else {
    memcpy(entries, m->tables, count * sizeof(float));
  }
  return (pith_codebook_row){m->codes + row * m->row_bytes, entries, m->bits};
}

INLINE small_table table_of(const pith_codebook_row *row) {
  small_table table = {{0}};
  if (row->bits <= 4) memcpy(table.values, row->table, sizeof(float) << row->bits);
  return table;
}

/// LANES values at unpacked codes.
INLINE lanes values_at(const pith_codebook_row *row, const small_table *table, const uint8_t *codes) {
  bytes v;
  memcpy(&v, codes, sizeof v);
  if (row->bits <= 4) return look_up(table->values, __builtin_convertvector(v, ints));
  lanes values;
  UNROLLED for (int i = 0; i < LANES; i++) values[i] = row->table[codes[i]];
  return values;
}

TARGET static void codebook_decode(const pith_codebook *m, size_t row, float *out) {
  uint8_t buffer[PIECE];
  float entries[256];
  const pith_codebook_row r = codebook_row_at(m, row, entries);
  const small_table table = table_of(&r);
  for (size_t start = 0; start < m->columns; start += PIECE) {
    const size_t end = smaller(start + PIECE, m->columns);
    const uint8_t *codes = unpacked(r.codes, m->bits, start, end - start, buffer);
    for (size_t i = start; i < end;) {
      const size_t group = i / m->group_size, stop = smaller((group + 1) * m->group_size, end);
      const float scale = pith_codebook_scale(m, row * m->groups + group);
      for (; i + LANES <= stop; i += LANES) store(out + i, scale * values_at(&r, &table, codes + i - start));
      for (; i < stop; i++) out[i] = scale * r.table[codes[i - start]];
    }
  }
}

#include "one_token_vector.h"

// --- Element by element ---

INLINE lanes greater(lanes a, lanes b) {
  const ints choice = a > b;
  return (lanes)(((ints)a & choice) | ((ints)b & ~choice));
}

INLINE lanes lesser(lanes a, lanes b) {
  const ints choice = a < b;
  return (lanes)(((ints)a & choice) | ((ints)b & ~choice));
}

/// e^x to about two units in the last place; 0 below e^−87; NaN stays NaN.
INLINE lanes exponential(lanes x) {
  const lanes given = x;
  const ints isNumber = x == x;
  const ints vanishes = x < all(-87.3f);
  x = lesser(greater(x, all(-87.3f)), all(88.3f));
  const lanes magic = all(12582912.0f);  // 1.5 · 2²³: adding it rounds to a whole number
  const lanes n = x * 1.44269504f + magic - magic;
  const lanes r = x - n * 0.693359375f + n * 2.12194440e-4f;
  lanes p = all(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const lanes power = (lanes)((__builtin_convertvector(n, ints) + 127) << 23);
  return (lanes)(((ints)(p * power) & ~vanishes & isNumber) | ((ints)given & ~isNumber));
}

TARGET static void rms_norm(const float *x, const float *weight, float epsilon, size_t count, float *out) {
  lanes squares = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) squares += load(x + i) * load(x + i);
  if (i < count) squares += load_part(x + i, count - i) * load_part(x + i, count - i);
  const float scale = 1 / sqrtf(sum_of(squares) / (float)count + epsilon);
  for (i = 0; i + LANES <= count; i += LANES) store(out + i, load(x + i) * scale * load(weight + i));
  for (; i < count; i++) out[i] = x[i] * scale * weight[i];
}

TARGET static void layer_norm(
  const float *x, const float *weight, const float *bias, float epsilon, size_t count, float *out) {
  lanes sum = {0}, squares = {0};
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) sum += load(x + i);
  if (i < count) sum += load_part(x + i, count - i);
  const float mean = sum_of(sum) / (float)count;
  for (i = 0; i + LANES <= count; i += LANES) squares += (load(x + i) - mean) * (load(x + i) - mean);
  float rest = 0;
  for (; i < count; i++) rest += (x[i] - mean) * (x[i] - mean);
  const float scale = 1 / sqrtf((sum_of(squares) + rest) / (float)count + epsilon);
  for (i = 0; i + LANES <= count; i += LANES) {
    store(out + i, (load(x + i) - mean) * scale * load(weight + i) + load(bias + i));
  }
  for (; i < count; i++) out[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

TARGET static float highest_of(const float *x, size_t count) {
  lanes highest = all(-INFINITY);
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) highest = greater(load(x + i), highest);
  float result = -INFINITY;
  for (int lane = 0; lane < LANES; lane++) result = highest[lane] > result ? highest[lane] : result;
  for (; i < count; i++) result = x[i] > result ? x[i] : result;
  return result;
}

TARGET static void softmax(float *x, size_t count, float scale) {
  size_t i = 0;
  for (; i + LANES <= count; i += LANES) store(x + i, load(x + i) * scale);
  for (; i < count; i++) x[i] *= scale;
  const float highest = highest_of(x, count);
  lanes sum = {0};
  float rest = 0;
  for (i = 0; i + LANES <= count; i += LANES) {
    const lanes e = exponential(load(x + i) - highest);
    sum += e;
    store(x + i, e);
  }
  for (; i < count; i++) rest += x[i] = expf(x[i] - highest);
  const float inverse = 1 / (sum_of(sum) + rest);
  for (i = 0; i + LANES <= count; i += LANES) store(x + i, load(x + i) * inverse);
  for (; i < count; i++) x[i] *= inverse;
}

INLINE lanes silu_of(lanes x) { return x / (1 + exponential(-x)); }

/// x · Φ(x), with erf to 1.5e-7 (Abramowitz and Stegun, 7.1.26).
INLINE lanes gelu_of(lanes x) {
  const lanes z = x * 0.70710678f;
  const lanes size = greater(z, -z);
  const lanes t = 1 / (1 + 0.3275911f * size);
  lanes p = all(1.061405429f);
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const lanes erf_of_size = 1 - p * t * exponential(-z * z);
  const lanes erf = (lanes)((ints)erf_of_size | ((ints)z & INT32_MIN));
  return 0.5f * x * (1 + erf);
}

INLINE lanes gelu_tanh_of(lanes x) {
  // 1 + tanh(u) = 2σ(2u).
  return x / (1 + exponential(-1.59576912f * (x + 0.044715f * x * x * x)));
}

#define ELEMENTWISE(NAME) \
  TARGET static void NAME(const float *x, float *out, size_t count) { \
    size_t i = 0; \
    for (; i + LANES <= count; i += LANES) store(out + i, NAME##_of(load(x + i))); \
    if (i < count) { \
      const lanes last = NAME##_of(load_part(x + i, count - i)); \
      memcpy(out + i, &last, (count - i) * sizeof(float)); \
    } \
  }
ELEMENTWISE(silu)
ELEMENTWISE(gelu)
ELEMENTWISE(gelu_tanh)

// --- Rows of logits ---

/// Sums over many terms go through double precision every so often.
#define STRIDE 1024

TARGET static float log_sum_exp(const float *x, size_t count) {
  const float highest = highest_of(x, count);
  double sum = 0;
  size_t i = 0;
  while (i + LANES <= count) {
    lanes part = {0};
    const size_t stop = smaller(i + STRIDE, count);
    for (; i + LANES <= stop; i += LANES) part += exponential(load(x + i) - highest);
    sum += sum_of(part);
  }
  for (; i < count; i++) sum += expf(x[i] - highest);
  return highest + (float)log(sum);
}

TARGET static float kl_divergence(const float *p, const float *q, size_t count) {
  const float p_log = log_sum_exp(p, count), q_log = log_sum_exp(q, count);
  double sum = 0;
  size_t i = 0;
  while (i + LANES <= count) {
    lanes part = {0};
    const size_t stop = smaller(i + STRIDE, count);
    for (; i + LANES <= stop; i += LANES) {
      const lanes log_p = load(p + i) - p_log;
      part += exponential(log_p) * (log_p - (load(q + i) - q_log));
    }
    sum += sum_of(part);
  }
  for (; i < count; i++) sum += expf(p[i] - p_log) * ((p[i] - p_log) - (q[i] - q_log));
  return (float)sum;
}

const pith_kernels KERNELS = {
  dot_block, half_decode, bfloat_decode, half_product, bfloat_product, affine_decode, affine_product, codebook_decode,
  codebook_product, rms_norm, layer_norm, softmax, silu, gelu, gelu_tanh, log_sum_exp, kl_divergence,
};
