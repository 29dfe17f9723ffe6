#pragma once
#include <stddef.h>
#include <stdint.h>

#include "include/PithBlocks.h"

/// What every format and every instruction set shares: GGUF's numbers, half precision, the packed scales.

enum {
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  IQ4_NL = 20,
};

/// The sixteen values of IQ4_NL.
#define IQ4_NL_VALUES -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113

/// The float32 value of a little-endian half-precision number.
static inline float half_at(const uint8_t *bytes) {
  const uint32_t bits = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
  const uint32_t magnitude = bits & 0x7FFF;
  uint32_t pattern;
  float value;
  if (magnitude >= 0x7C00) {
    pattern = 0x7F800000 | (magnitude & 0x3FF) << 13;
  } else if (magnitude >= 0x0400) {
    pattern = (magnitude << 13) + 0x38000000;
  } else {
    value = (float)magnitude * 0x1p-24f;
    __builtin_memcpy(&pattern, &value, sizeof value);
  }
  pattern |= (bits & 0x8000) << 16;
  __builtin_memcpy(&value, &pattern, sizeof value);
  return value;
}

/// The 6-bit scale of a group in the 12 bytes of Q4_K and Q5_K: groups 0–3 lie whole in bytes 0–3, groups 4–7 have
/// their low nibbles in bytes 8–11 and their upper two bits above those of groups 0–3.
static inline int scale_of_group(const uint8_t *packed, int group) {
  return group < 4 ? packed[group] & 63 : (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
}

/// The 6-bit minimum of a group: groups 0–3 in bytes 4–7, groups 4–7 in the high nibbles of bytes 8–11.
static inline int minimum_of_group(const uint8_t *packed, int group) {
  return group < 4 ? packed[group + 4] & 63 : packed[group + 4] >> 4 | packed[group] >> 6 << 4;
}

/// The 6-bit scale of a group of 16 in the 12 bytes of Q3_K: sixteen nibbles, then their upper two bits.
static inline int scale_of_sixteen(const uint8_t *packed, int group) {
  const int low = packed[group & 7] >> (group < 8 ? 0 : 4) & 15;
  const int high = packed[8 + (group & 3)] >> (2 * (group >> 2)) & 3;
  return (low | high << 4) - 32;
}

/// The loops of one format under one instruction set.
typedef struct {
  void (*decode)(const uint8_t *blocks, size_t block_count, float *out);
  void (*gemv)(const uint8_t *blocks, size_t blocks_per_row, size_t rows, const float *x, float *y);
} BlockKernels;

enum { FORMAT_NUMBERS = IQ4_NL + 1 };

/// By GGUF's number; the numbers that are no format are empty.
extern const BlockKernels pith_blocks_scalar[FORMAT_NUMBERS];
#if defined(__x86_64__)
extern const BlockKernels pith_blocks_avx2[FORMAT_NUMBERS];
extern const BlockKernels pith_blocks_avx512[FORMAT_NUMBERS];
#elif defined(__aarch64__)
extern const BlockKernels pith_blocks_neon[FORMAT_NUMBERS];
#endif

/// The table of all formats, for a file that has defined NAME_decode and NAME_gemv of each.
#define BLOCK_KERNELS \
  { \
    [Q4_0] = {q4_0_decode, q4_0_gemv}, [Q4_1] = {q4_1_decode, q4_1_gemv}, [Q5_0] = {q5_0_decode, q5_0_gemv}, \
    [Q5_1] = {q5_1_decode, q5_1_gemv}, [Q8_0] = {q8_0_decode, q8_0_gemv}, [Q2_K] = {q2_k_decode, q2_k_gemv}, \
    [Q3_K] = {q3_k_decode, q3_k_gemv}, [Q4_K] = {q4_k_decode, q4_k_gemv}, [Q5_K] = {q5_k_decode, q5_k_gemv}, \
    [Q6_K] = {q6_k_decode, q6_k_gemv}, [IQ4_NL] = {iq4_nl_decode, iq4_nl_gemv}, \
  }
