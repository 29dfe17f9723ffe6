#if defined(__aarch64__)
#include <arm_neon.h>

#define TARGET
#define LANES 8
#define HALF(p) half_value(p)
#define LOOK_UP(table, indices) (u8x16) vqtbl1q_u8((uint8x16_t)(table), (uint8x16_t)(indices))
#define FLOATS(v, at) \
  eight_floats((int8x16_t)__builtin_shufflevector(v, v, EIGHT((at) & 16), EIGHT(((at) & 16) + 8)), (at) & 8)

typedef float eight __attribute__((vector_size(32)));

static inline float half_value(const uint8_t *bytes) {
  __fp16 value;
  __builtin_memcpy(&value, bytes, sizeof value);
  return value;
}

/// Four signed bytes as floats in two steps: each goes to the top of a word (an index beyond the table gives 0), and the
/// word is read as a fixed-point number with 24 bits after the point.
static inline __attribute__((always_inline)) float32x4_t four_floats(int8x16_t codes, uint8_t from) {
  const uint8x16_t tops = {255, 255, 255, from,     255, 255, 255, from + 1,
                           255, 255, 255, from + 2, 255, 255, 255, from + 3};
  return vcvtq_n_f32_s32(vreinterpretq_s32_s8(vqtbl1q_s8(codes, tops)), 24);
}

static inline __attribute__((always_inline)) eight eight_floats(int8x16_t codes, uint8_t from) {
  return __builtin_shufflevector(four_floats(codes, from), four_floats(codes, from + 4), 0, 1, 2, 3, 4, 5, 6, 7);
}

#include "blocks_vector.h"

const BlockKernels pith_blocks_neon[FORMAT_NUMBERS] = BLOCK_KERNELS;
#endif
