// Codes as ARM processors take them, a part of integers_neon.c and integers_dot.c, which define `dot`: the sums with the
// products of 16 signed bytes.
#define INLINE static inline __attribute__((always_inline)) TARGET
#define WIDTH 16
#define TILE_TOKENS 3
#define STEP8 16
#define STEP4 16
#define CENTER8 0

typedef int8x16_t weights8;
typedef struct {
  int8x16_t low, high;
} weights4;

INLINE uint8x16_t first_codes(const uint8_t *p, size_t count) {
  if (count >= 16) return vld1q_u8(p);
  uint8_t some[16] = {0};
  memcpy(some, p, count);
  return vld1q_u8(some);
}

INLINE weights8 weights8_at(const uint8_t *p, size_t count) {
  return vreinterpretq_s8_u8(veorq_u8(first_codes(p, count), vdupq_n_u8(128)));
}
#define values8_at(p) vld1q_s8(p)
#define dot8(sums, weights, values) ((ints)dot((int32x4_t)(sums), weights, values))

INLINE weights4 weights4_at(const uint8_t *p, size_t count) {
  const uint8x16_t codes = first_codes(p, count);
  return (weights4){
    vreinterpretq_s8_u8(vandq_u8(codes, vdupq_n_u8(15))), vreinterpretq_s8_u8(vshrq_n_u8(codes, 4))};
}
#define dot4(sums, weights, even, odd) \
  ((ints)dot(dot((int32x4_t)(sums), weights.low, vld1q_s8(even)), weights.high, vld1q_s8(odd)))

#include "integers_vector.h"
