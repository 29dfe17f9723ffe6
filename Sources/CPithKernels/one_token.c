// What the products of one token with packed rows need to know of the token, the same for every instruction set.
#include "kernels.h"

static size_t groups_in(size_t columns, size_t group_size) { return (columns + group_size - 1) / group_size; }

/// Columns of a block: sixteen words of codes.
static size_t block_columns(int bits) { return 16 * pith_codes_of_word(bits); }

/// Columns rounded up to whole blocks, for codes that are multiplied span by span.
static size_t arranged_count(size_t columns, int bits) {
  return bits < 8 ? (columns + block_columns(bits) - 1) / block_columns(bits) * block_columns(bits) : 0;
}

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

/// A block: 16 rows of `count`, 4 or 8, become `count` rows of 16, by squares of 4.
static void arrange(const float *x, size_t count, float *out) {
  for (size_t i = 0; i < 16; i += 4) {
    for (size_t j = 0; j < count; j += 4) {
      f32x4 a, b, c, d;
      memcpy(&a, x + count * i + j, sizeof a);
      memcpy(&b, x + count * (i + 1) + j, sizeof b);
      memcpy(&c, x + count * (i + 2) + j, sizeof c);
      memcpy(&d, x + count * (i + 3) + j, sizeof d);
      const f32x4 low_ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), high_ab = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      const f32x4 low_cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), high_cd = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      const f32x4 columns[4] = {
        __builtin_shufflevector(low_ab, low_cd, 0, 1, 4, 5), __builtin_shufflevector(low_ab, low_cd, 2, 3, 6, 7),
        __builtin_shufflevector(high_ab, high_cd, 0, 1, 4, 5), __builtin_shufflevector(high_ab, high_cd, 2, 3, 6, 7),
      };
      for (size_t k = 0; k < 4; k++) memcpy(out + 16 * (j + k) + i, &columns[k], sizeof columns[k]);
    }
  }
}

pith_token pith_prepare_token(const float *x, size_t columns, size_t group_size, int bits, float *room) {
  const size_t arranged = arranged_count(columns, bits), groups = groups_in(columns, group_size);
  const size_t block = block_columns(bits);
  for (size_t start = 0; start < arranged; start += block) {
    if (start + block <= columns) {
      arrange(x + start, block / 16, room + start);
    } else {
      float last[128] = {0};
      memcpy(last, x + start, (columns - start) * sizeof(float));
      arrange(last, block / 16, room + start);
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
