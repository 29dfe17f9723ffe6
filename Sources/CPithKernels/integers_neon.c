#if defined(__aarch64__)

#include "integers.h"

#include <arm_neon.h>

#define TARGET
#define KERNELS pith_integers_neon

static inline __attribute__((always_inline)) int32x4_t dot(int32x4_t sums, int8x16_t a, int8x16_t b) {
  sums = vpadalq_s16(sums, vmull_s8(vget_low_s8(a), vget_low_s8(b)));
  return vpadalq_s16(sums, vmull_high_s8(a, b));
}

#include "integers_arm.h"

#endif
