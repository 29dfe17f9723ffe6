// The vector version of every block format, written once with the compiler's vector types. A file includes it for one
// instruction set after it has defined
//   TARGET        the function attribute that allows the instruction set
//   LANES         floats per register to work with: 8 or 16
//   HALF(p)       the float32 value of the half-precision number at p
//   LOOK_UP(t, i) the bytes of the 16-byte table t at the 16 indices i, each below 16
// and perhaps
//   FLOATS(v, at) a better way to turn `LANES` of the 32 signed bytes v, from `at` on, into floats
//   OWN_NIBBLE_PRODUCTS if it has better products for the formats that are nibbles and nothing else
//
// A format is two functions: NAME_scales unpacks a block's scales, and NAME_codes gives 32 consecutive codes as signed
// bytes. A weight is scale × code + offset. Products go row by row: memory delivers one stream fastest, and the
// activations stay in the first cache anyway.

#include "blocks.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline)) TARGET
#define UNROLLED _Pragma("clang loop unroll(full)")

typedef uint8_t u8x8 __attribute__((vector_size(8)));
typedef int8_t i8x8 __attribute__((vector_size(8)));
typedef uint32_t u32x2 __attribute__((vector_size(8)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint8_t u8x32 __attribute__((vector_size(32)));
typedef uint32_t u32x8 __attribute__((vector_size(32)));
typedef uint64_t u64x4 __attribute__((vector_size(32)));
typedef int8_t i8x16 __attribute__((vector_size(16)));
typedef int8_t i8x32 __attribute__((vector_size(32)));
typedef float f32x8 __attribute__((vector_size(32)));
typedef float lanes __attribute__((vector_size(LANES * 4)));

/// The scales of a block: one per 16 or 32 weights. `offset` is only set by the formats that have one.
typedef struct {
  float scale[16];
  float offset[16];
} Scales;

INLINE u8x16 load16(const uint8_t *p) {
  u8x16 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE u8x32 load32(const uint8_t *p) {
  u8x32 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE lanes load(const float *p) {
  lanes v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE uint32_t word(const uint8_t *p) {
  uint32_t v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}

INLINE u8x32 joined(u8x16 low, u8x16 high) {
  return __builtin_shufflevector(
    low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 31);
}

/// 32 nibbles from 16 bytes: the low halves, then the high halves.
INLINE u8x32 nibbles(const uint8_t *p) {
  const u8x16 bytes = load16(p);
  return joined(bytes & 15, bytes >> 4);
}

/// 32 bits, each as 16 or 0.
INLINE u8x32 sixteens(const uint8_t *p) {
  const uint32_t bits = word(p);
  const u8x32 repeated = (u8x32)((u32x8){} + bits);
  const u8x32 spread = __builtin_shufflevector(
    repeated, repeated, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 18, 18, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19,
    19, 19, 19, 19);
  const u8x32 single = (u8x32)((u64x4){} + 0x8040201008040201);
  return (u8x32)((spread & single) == single) & 16;
}

INLINE Scales one_scale(const uint8_t *block) {
  Scales s;
  s.scale[0] = HALF(block);
  return s;
}

INLINE Scales scale_and_offset(const uint8_t *block) {
  Scales s;
  s.scale[0] = HALF(block);
  s.offset[0] = HALF(block + 2);
  return s;
}

INLINE Scales q4_0_scales(const uint8_t *block) { return one_scale(block); }
INLINE i8x32 q4_0_codes(const uint8_t *block, int chunk) { return (i8x32)nibbles(block + 2) - 8; }

INLINE Scales q4_1_scales(const uint8_t *block) { return scale_and_offset(block); }
INLINE i8x32 q4_1_codes(const uint8_t *block, int chunk) { return (i8x32)nibbles(block + 4); }

INLINE Scales q5_0_scales(const uint8_t *block) { return one_scale(block); }
INLINE i8x32 q5_0_codes(const uint8_t *block, int chunk) {
  return (i8x32)(nibbles(block + 6) | sixteens(block + 2)) - 16;
}

INLINE Scales q5_1_scales(const uint8_t *block) { return scale_and_offset(block); }
INLINE i8x32 q5_1_codes(const uint8_t *block, int chunk) { return (i8x32)(nibbles(block + 8) | sixteens(block + 4)); }

INLINE Scales q8_0_scales(const uint8_t *block) { return one_scale(block); }
INLINE i8x32 q8_0_codes(const uint8_t *block, int chunk) { return (i8x32)load32(block + 2); }

INLINE Scales iq4_nl_scales(const uint8_t *block) { return one_scale(block); }
INLINE i8x32 iq4_nl_codes(const uint8_t *block, int chunk) {
  const i8x16 table = {IQ4_NL_VALUES};
  const u8x16 bytes = load16(block + 2);
  return (i8x32)joined(LOOK_UP((u8x16)table, bytes & 15), LOOK_UP((u8x16)table, bytes >> 4));
}

/// Eight small integers times a factor.
INLINE void scaled(float *out, u8x8 integers, float factor) {
  const f32x8 v = __builtin_convertvector(integers, f32x8) * factor;
  __builtin_memcpy(out, &v, sizeof v);
}

INLINE void scaled_signed(float *out, u8x8 integers, float factor) {
  const f32x8 v = __builtin_convertvector((i8x8)integers, f32x8) * factor;
  __builtin_memcpy(out, &v, sizeof v);
}

INLINE u8x8 eight_bytes(uint32_t low, uint32_t high) {
  return (u8x8)(u32x2){low, high};
}

INLINE Scales q2_k_scales(const uint8_t *block) {
  Scales s;
  const float d = HALF(block + 80), dmin = HALF(block + 82);
  UNROLLED
  for (int i = 0; i < 2; i++) {
    const u8x8 packed = eight_bytes(word(block + 8 * i), word(block + 8 * i + 4));
    scaled(s.scale + 8 * i, packed & 15, d);
    scaled(s.offset + 8 * i, packed >> 4, -dmin);
  }
  return s;
}
INLINE u8x32 twos(const uint8_t *packed, int chunk) {
  return load32(packed + chunk / 4 * 32) >> (uint8_t)(chunk % 4 * 2) & 3;
}
INLINE i8x32 q2_k_codes(const uint8_t *block, int chunk) { return (i8x32)twos(block + 16, chunk); }

INLINE Scales q3_k_scales(const uint8_t *block) {
  Scales s;
  const float d = HALF(block + 108);
  const uint32_t a = word(block + 96), b = word(block + 100), high = word(block + 104);
  const uint32_t low4 = 0x0F0F0F0F, low2 = 0x03030303;
  const u8x8 first = eight_bytes((a & low4) | (high & low2) << 4, (b & low4) | (high >> 2 & low2) << 4);
  const u8x8 second = eight_bytes((a >> 4 & low4) | (high >> 4 & low2) << 4, (b >> 4 & low4) | (high >> 6 & low2) << 4);
  scaled_signed(s.scale, first - 32, d);
  scaled_signed(s.scale + 8, second - 32, d);
  return s;
}
INLINE i8x32 q3_k_codes(const uint8_t *block, int chunk) {
  return (i8x32)(twos(block + 32, chunk) | (load32(block) >> (uint8_t)chunk & 1) << 2) - 4;
}

INLINE Scales q4_k_scales(const uint8_t *block) {
  Scales s;
  const float d = HALF(block), dmin = HALF(block + 2);
  const uint32_t a = word(block + 4), b = word(block + 8), c = word(block + 12);
  const uint32_t low6 = 0x3F3F3F3F, low4 = 0x0F0F0F0F, two = 0x30303030;
  scaled(s.scale, eight_bytes(a & low6, (c & low4) | (a >> 2 & two)), d);
  scaled(s.offset, eight_bytes(b & low6, (c >> 4 & low4) | (b >> 2 & two)), -dmin);
  return s;
}
INLINE u8x32 fours(const uint8_t *packed, int chunk) {
  return load32(packed + chunk / 2 * 32) >> (uint8_t)(chunk % 2 * 4) & 15;
}
INLINE i8x32 q4_k_codes(const uint8_t *block, int chunk) { return (i8x32)fours(block + 16, chunk); }

INLINE Scales q5_k_scales(const uint8_t *block) { return q4_k_scales(block); }
INLINE i8x32 q5_k_codes(const uint8_t *block, int chunk) {
  return (i8x32)(fours(block + 48, chunk) | (load32(block + 16) >> (uint8_t)chunk & 1) << 4);
}

INLINE Scales q6_k_scales(const uint8_t *block) {
  Scales s;
  const float d = HALF(block + 208);
  scaled_signed(s.scale, eight_bytes(word(block + 192), word(block + 196)), d);
  scaled_signed(s.scale + 8, eight_bytes(word(block + 200), word(block + 204)), d);
  return s;
}
INLINE i8x32 q6_k_codes(const uint8_t *block, int chunk) {
  const u8x32 low = load32(block + chunk / 4 * 64 + chunk % 2 * 32) >> (uint8_t)(chunk % 4 / 2 * 4) & 15;
  return (i8x32)(low | twos(block + 128, chunk) << 4) - 32;
}

// FLOATS: `LANES` of 32 codes from `at` on, as floats. DOT16: the products of 16 codes and activations, SUM16: those
// activations alone, both summed to one register.
#define EIGHT(at) (at), (at) + 1, (at) + 2, (at) + 3, (at) + 4, (at) + 5, (at) + 6, (at) + 7
#if LANES == 8
#ifndef FLOATS
#define FLOATS(v, at) __builtin_convertvector(__builtin_shufflevector(v, v, EIGHT(at)), lanes)
#endif
#define DOT16(v, at, x) (FLOATS(v, at) * load(x + at) + FLOATS(v, at + 8) * load(x + at + 8))
#define SUM16(x, at) (load(x + at) + load(x + at + 8))
#else
#define FLOATS(v, at) __builtin_convertvector(__builtin_shufflevector(v, v, EIGHT(at), EIGHT(at + 8)), lanes)
#define DOT16(v, at, x) (FLOATS(v, at) * load(x + at))
#define SUM16(x, at) load(x + at)
#endif

INLINE float total(lanes v) {
  float sum = 0;
  UNROLLED
  for (int i = 0; i < LANES; i++) sum += v[i];
  return sum;
}

INLINE void store(float *out, lanes weights) { __builtin_memcpy(out, &weights, sizeof weights); }

INLINE lanes weights_of(lanes codes, const Scales *s, int part, int has_offset) {
  return has_offset ? codes * s->scale[part] + s->offset[part] : codes * s->scale[part];
}

INLINE void store_chunk(float *out, i8x32 codes, const Scales *s, int part, int parts, int has_offset) {
  const int second = part + parts - 1;
  store(out, weights_of(FLOATS(codes, 0), s, part, has_offset));
#if LANES == 8
  store(out + 8, weights_of(FLOATS(codes, 8), s, part, has_offset));
  store(out + 24, weights_of(FLOATS(codes, 24), s, second, has_offset));
#endif
  store(out + 16, weights_of(FLOATS(codes, 16), s, second, has_offset));
}

/// The running sums of a row: two, so that one addition need not wait for the other.
typedef struct {
  lanes a, b;
} Sums;

/// Adds the products of 32 weights and activations.
INLINE void add_chunk(Sums *sums, i8x32 codes, const float *x, const Scales *s, int part, int parts, int has_offset) {
#pragma clang fp contract(fast)
  if (parts == 1) {
    const lanes dot = DOT16(codes, 0, x) + DOT16(codes, 16, x);
    sums->a = sums->a + dot * s->scale[part];
    if (has_offset) sums->b = sums->b + (SUM16(x, 0) + SUM16(x, 16)) * s->offset[part];
  } else {
    sums->a = sums->a + DOT16(codes, 0, x) * s->scale[part];
    sums->b = sums->b + DOT16(codes, 16, x) * s->scale[part + 1];
    if (has_offset) {
      sums->a = sums->a + SUM16(x, 16) * s->offset[part + 1];
      sums->b = sums->b + SUM16(x, 0) * s->offset[part];
    }
  }
}

#define DECODE(name, weights, bytes, parts, has_offset) \
  TARGET static void name##_decode(const uint8_t *blocks, size_t count, float *out) { \
    for (size_t b = 0; b < count; b++, blocks += bytes, out += weights) { \
      const Scales s = name##_scales(blocks); \
      UNROLLED \
      for (int c = 0; c < weights / 32; c++) \
        store_chunk(out + 32 * c, name##_codes(blocks, c), &s, parts * c, parts, has_offset); \
    } \
  }

#define GEMV(name, weights, bytes, parts, has_offset) \
  TARGET static void name##_gemv(const uint8_t *blocks, size_t count, size_t rows, const float *x, float *y) { \
    for (size_t row = 0; row < rows; row++) { \
      Sums sums = {{0}, {0}}; \
      for (size_t b = 0; b < count; b++, blocks += bytes) { \
        const Scales s = name##_scales(blocks); \
        UNROLLED \
        for (int c = 0; c < weights / 32; c++) { \
          const float *const inputs = x + b * weights + 32 * c; \
          add_chunk(&sums, name##_codes(blocks, c), inputs, &s, parts * c, parts, has_offset); \
        } \
      } \
      y[row] = total(sums.a + sums.b); \
    } \
  }

#define KERNELS(...) DECODE(__VA_ARGS__) GEMV(__VA_ARGS__)

KERNELS(q5_0, 32, 22, 1, 0)
KERNELS(q5_1, 32, 24, 1, 1)
KERNELS(q8_0, 32, 34, 1, 0)
KERNELS(q2_k, 256, 84, 2, 1)
KERNELS(q3_k, 256, 110, 2, 0)
KERNELS(q5_k, 256, 176, 1, 1)
KERNELS(q6_k, 256, 210, 2, 0)
#ifdef OWN_NIBBLE_PRODUCTS
DECODE(q4_0, 32, 18, 1, 0)
DECODE(q4_1, 32, 20, 1, 1)
DECODE(q4_k, 256, 144, 1, 1)
DECODE(iq4_nl, 32, 18, 1, 0)
#else
KERNELS(q4_0, 32, 18, 1, 0)
KERNELS(q4_1, 32, 20, 1, 1)
KERNELS(q4_k, 256, 144, 1, 1)
KERNELS(iq4_nl, 32, 18, 1, 0)
#endif
