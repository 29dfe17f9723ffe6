// The vector version of every kernel, written once with the compiler's vector types. A file includes it for one
// instruction set after it has defined
//   TARGET            the function attribute that allows the instruction set
//   KERNELS           the name of the table to fill
//   LANES             floats per register to work with: 8 or 16
//   TILE_TOKENS       tokens of a tile for 4 rows, summed across lanes at the end: as many as the registers hold
//   PANEL_TOKENS      how many tokens are worth a transposed panel
//   OUTER_ROWS        rows of its tiles of 2 LANES columns: as many as the registers hold
//   look_up(t, i)     the floats of the 16-entry table t at the low 4 bits of LANES indices i
//   permute(v, i)     the lanes of v at LANES indices i below LANES
//   expand(v, bits)   the first lanes of v in the lanes whose bit is set, 0 in the others
//   compress(v, bits) where there is a quick way: the lanes of v whose bit is set, one after the other
//   spread_halves(p, bits), spread_bytes(p, bits)
//                     the same: numbers at p, float16 or biased by 128, as floats in the lanes whose bit is set, 0 in the others; 8 are read
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

INLINE size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

INLINE float half_at(const uint8_t *p) {
  _Float16 value;
  memcpy(&value, p, sizeof value);
  return (float)value;
}

#include "products_vector.h"

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

/// Blocks of 8 codes, out of `size` bytes.
INLINE void unpack_bits(const int bits, const uint8_t *codes, size_t size, size_t blocks, uint8_t *out) {
  for (size_t block = 0, place = 0; block < blocks; block++, place += (size_t)bits) {
    uint64_t word = 0;
    if (place + 8 <= size) {
      // What lies above the codes does not matter.
      memcpy(&word, codes + place, 8);
    } else {
      memcpy(&word, codes + place, (size_t)bits);
    }
    const uint64_t eight = spread(word, bits);
    memcpy(out + 8 * block, &eight, 8);
  }
}

/// Codes first … first + count − 1 of a packed row, one per byte; `first` is a multiple of 8, and `buffer` has
/// room for a piece.
INLINE const uint8_t *unpacked(const uint8_t *codes, int bits, size_t first, size_t count, uint8_t *buffer) {
  if (bits == 8) return codes + first;
  const uint8_t *start = codes + first / 8 * (size_t)bits;
  const size_t blocks = count / 8, size = (count * (size_t)bits + 7) / 8;
  size_t done = blocks * 8;
  switch (bits) {
  case 1: unpack_bits(1, start, size, blocks, buffer); break;
  case 2: unpack_bits(2, start, size, blocks, buffer); break;
  case 3: unpack_bits(3, start, size, blocks, buffer); break;
  case 4: {
    for (done = 0; done + 32 <= count; done += 32) {
      const u8x32 v = nibbles(start + done / 2);
      memcpy(buffer + done, &v, sizeof v);
    }
    break;
  }
  case 5: unpack_bits(5, start, size, blocks, buffer); break;
  case 6: unpack_bits(6, start, size, blocks, buffer); break;
  case 7: unpack_bits(7, start, size, blocks, buffer); break;
  }
  for (; done < count; done++) buffer[done] = (uint8_t)pith_code(start, done, bits);
  return buffer;
}

INLINE lanes numbers(const uint8_t *codes) {
  bytes v;
  memcpy(&v, codes, sizeof v);
  return __builtin_convertvector(v, lanes);
}

#include "affine_vector.h"

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

#include "vectors_vector.h"

#include "one_token_vector.h"

#include "masked_vector.h"

#include "columns_vector.h"

#include "elementwise_vector.h"

#include "gradients_vector.h"

const pith_kernels KERNELS = {
  dot_block, product, half_decode, bfloat_decode, half_product, bfloat_product, half_columns, bfloat_columns, affine_decode, affine_product, codebook_decode,
  codebook_product, vectors_decode, vectors_product, masked_decode, masked_product, subtract_products, subtract_columns,
  sum_rows, lowest_sum, lowest_way, hadamard, rms_norm, layer_norm, softmax, silu, gelu, gelu_tanh, log_sum_exp, kl_divergence,
  rms_norm_gradient, layer_norm_gradient, softmax_gradient, silu_gradient, gelu_gradient, gelu_tanh_gradient, cross_entropy, distillation,
  round_to_grid, round_to_grid_gradient, adamw,
};
