#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
    memcpy(&pattern, &value, sizeof value);
  }
  pattern |= (bits & 0x8000) << 16;
  memcpy(&value, &pattern, sizeof value);
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

void pith_blocks_decode_scalar(uint32_t format, const uint8_t *blocks, size_t block_count, float *out);
