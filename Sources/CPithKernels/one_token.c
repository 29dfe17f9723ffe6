// What the products of one token with packed rows need to know of the token, the same for every instruction set.
#include "CPithKernels.h"

#include <string.h>

static size_t groups_in(size_t columns, size_t group_size) { return (columns + group_size - 1) / group_size; }

/// Columns rounded up to whole blocks of 128.
static size_t arranged_count(size_t columns, int bits) { return bits == 4 ? (columns + 127) / 128 * 128 : 0; }

size_t pith_token_room(size_t columns, size_t group_size, int bits) {
  return arranged_count(columns, bits) + groups_in(columns, group_size) + 15;
}

static float sum(const float *x, size_t count) {
  float parts[16] = {0};
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int lane = 0; lane < 16; lane++) parts[lane] += x[i + lane];
  }
  for (; i < count; i++) parts[i % 16] += x[i];
  for (int half = 8; half > 0; half /= 2) {
    for (int lane = 0; lane < half; lane++) parts[lane] += parts[lane + half];
  }
  return parts[0];
}

typedef float f32x4 __attribute__((vector_size(16)));

/// A block of 128: 16 rows of 8 become 8 rows of 16, by squares of 4.
static void arrange(const float *x, float *out) {
  for (int i = 0; i < 16; i += 4) {
    for (int j = 0; j < 8; j += 4) {
      f32x4 a, b, c, d;
      memcpy(&a, x + 8 * i + j, sizeof a);
      memcpy(&b, x + 8 * i + 8 + j, sizeof b);
      memcpy(&c, x + 8 * i + 16 + j, sizeof c);
      memcpy(&d, x + 8 * i + 24 + j, sizeof d);
      const f32x4 low_ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), high_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const f32x4 low_cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), high_cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const f32x4 columns[4] = {
        __builtin_shufflevector(low_ab, low_cd, 0, 1, 4, 5), __builtin_shufflevector(low_ab, low_cd, 2, 3, 6, 7),
        __builtin_shufflevector(high_ab, high_cd, 0, 1, 4, 5), __builtin_shufflevector(high_ab, high_cd, 2, 3, 6, 7),
      };
      for (int k = 0; k < 4; k++) memcpy(out + 16 * (j + k) + i, &columns[k], sizeof columns[k]);
    }
  }
}

pith_token pith_prepare_token(const float *x, size_t columns, size_t group_size, int bits, float *room) {
  const size_t arranged = arranged_count(columns, bits), groups = groups_in(columns, group_size);
  for (size_t start = 0; start < arranged; start += 128) {
    if (start + 128 <= columns) {
      arrange(x + start, room + start);
    } else {
      float last[128] = {0};
      for (size_t i = start; i < columns; i++) last[i - start] = x[i];
      arrange(last, room + start);
    }
  }
  float *sums = room + arranged;
  for (size_t group = 0; group < groups; group++) {
    const size_t start = group * group_size;
    sums[group] = sum(x + start, columns - start < group_size ? columns - start : group_size);
  }
  for (size_t i = 0; i < 15; i++) sums[groups + i] = 0;
  return (pith_token){x, arranged > 0 ? room : 0, sums};
}
