#include "blocks.h"

// The oracle: each format as its table in the documentation says, a product and a sum rounded each on its own.
#pragma STDC FP_CONTRACT OFF

static void decode_q4_0(const uint8_t *block, float *out) {
  const float d = half_at(block);
  for (int i = 0; i < 16; i++) {
    out[i] = d * (float)((block[2 + i] & 15) - 8);
    out[i + 16] = d * (float)((block[2 + i] >> 4) - 8);
  }
}

static void decode_q4_1(const uint8_t *block, float *out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 16; i++) {
    out[i] = d * (float)(block[4 + i] & 15) + m;
    out[i + 16] = d * (float)(block[4 + i] >> 4) + m;
  }
}

/// The 5-bit code of a weight: a nibble, and its fifth bit out of 32.
static int five_bits(const uint8_t *fifth, const uint8_t *nibbles, int i) {
  const int low = nibbles[i & 15] >> (i < 16 ? 0 : 4) & 15;
  return low | (fifth[i >> 3] >> (i & 7) & 1) << 4;
}

static void decode_q5_0(const uint8_t *block, float *out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(five_bits(block + 2, block + 6, i) - 16);
}

static void decode_q5_1(const uint8_t *block, float *out) {
  const float d = half_at(block), m = half_at(block + 2);
  for (int i = 0; i < 32; i++) out[i] = d * (float)five_bits(block + 4, block + 8, i) + m;
}

static void decode_q8_0(const uint8_t *block, float *out) {
  const float d = half_at(block);
  for (int i = 0; i < 32; i++) out[i] = d * (float)(int8_t)block[2 + i];
}

static void decode_iq4_nl(const uint8_t *block, float *out) {
  static const float values[16] = {IQ4_NL_VALUES};
  const float d = half_at(block);
  for (int i = 0; i < 16; i++) {
    out[i] = d * values[block[2 + i] & 15];
    out[i + 16] = d * values[block[2 + i] >> 4];
  }
}

/// The 2-bit code of a weight: 32 bytes hold 128 weights, 32 of them at each shift.
static int two_bits(const uint8_t *packed, int i) { return packed[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3; }

/// The nibble of a weight: 32 bytes hold 64 weights, the first 32 of them in the low halves.
static int nibble(const uint8_t *packed, int i) { return packed[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15; }

static void decode_q2_k(const uint8_t *block, float *out) {
  const float d = half_at(block + 80), dmin = half_at(block + 82);
  for (int i = 0; i < 256; i++) {
    const float scale = d * (float)(block[i / 16] & 15), minimum = dmin * (float)(block[i / 16] >> 4);
    out[i] = scale * (float)two_bits(block + 16, i) - minimum;
  }
}

static void decode_q3_k(const uint8_t *block, float *out) {
  const float d = half_at(block + 108);
  for (int i = 0; i < 256; i++) {
    const float scale = d * (float)scale_of_sixteen(block + 96, i / 16);
    const int high = block[i % 32] >> (i / 32) & 1;
    out[i] = scale * (float)(two_bits(block + 32, i) - (high ? 0 : 4));
  }
}

static void decode_q4_k(const uint8_t *block, float *out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (int i = 0; i < 256; i++) {
    const float scale = d * (float)scale_of_group(block + 4, i / 32);
    const float minimum = dmin * (float)minimum_of_group(block + 4, i / 32);
    out[i] = scale * (float)nibble(block + 16, i) - minimum;
  }
}

static void decode_q5_k(const uint8_t *block, float *out) {
  const float d = half_at(block), dmin = half_at(block + 2);
  for (int i = 0; i < 256; i++) {
    const float scale = d * (float)scale_of_group(block + 4, i / 32);
    const float minimum = dmin * (float)minimum_of_group(block + 4, i / 32);
    const int high = block[16 + i % 32] >> (i / 32) & 1;
    out[i] = scale * (float)(nibble(block + 48, i) | high << 4) - minimum;
  }
}

static void decode_q6_k(const uint8_t *block, float *out) {
  const float d = half_at(block + 208);
  for (int i = 0; i < 256; i++) {
    // 64 bytes hold the low nibbles of 128 weights, the first 64 of them in the low halves.
    const int low = block[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4) & 15;
    const float scale = d * (float)(int8_t)block[192 + i / 16];
    out[i] = scale * (float)((low | two_bits(block + 128, i) << 4) - 32);
  }
}

#define KERNELS(name, weights, bytes) \
  static void name##_decode(const uint8_t *blocks, size_t block_count, float *out) { \
    for (size_t i = 0; i < block_count; i++) decode_##name(blocks + i * bytes, out + i * weights); \
  } \
  static void name##_gemv(const uint8_t *blocks, size_t blocks_per_row, size_t rows, const float *x, float *y) { \
    for (size_t row = 0; row < rows; row++) { \
      float sum = 0; \
      for (size_t i = 0; i < blocks_per_row; i++, blocks += bytes) { \
        float block[weights]; \
        decode_##name(blocks, block); \
        for (int j = 0; j < weights; j++) sum += block[j] * x[i * weights + j]; \
      } \
      y[row] = sum; \
    } \
  }

KERNELS(q4_0, 32, 18)
KERNELS(q4_1, 32, 20)
KERNELS(q5_0, 32, 22)
KERNELS(q5_1, 32, 24)
KERNELS(q8_0, 32, 34)
KERNELS(q2_k, 256, 84)
KERNELS(q3_k, 256, 110)
KERNELS(q4_k, 256, 144)
KERNELS(q5_k, 256, 176)
KERNELS(q6_k, 256, 210)
KERNELS(iq4_nl, 32, 18)

const BlockKernels pith_blocks_scalar[FORMAT_NUMBERS] = BLOCK_KERNELS;
