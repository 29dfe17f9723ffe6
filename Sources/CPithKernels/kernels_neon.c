#if defined(__aarch64__)

#include <arm_neon.h>
#include <stdint.h>

#define TARGET
#define KERNELS pith_kernels_neon
#define LANES 8
#define TILE_TOKENS 3
#define OUTER_ROWS 6
#define PANEL_TOKENS 12

#define look_up(table, indices) \
  ({ \
    const float *entries = (table); \
    const ints places = (indices); \
    lanes values; \
    UNROLLED for (int lane = 0; lane < LANES; lane++) values[lane] = entries[places[lane] & 15]; \
    values; \
  })

#define expand(values, bits) \
  ({ \
    const lanes packed = (values); \
    const uint32_t chosen = (bits); \
    lanes spaced = {0}; \
    for (int lane = 0, next = 0; lane < LANES; lane++) { \
      if (chosen >> lane & 1) spaced[lane] = packed[next++]; \
    } \
    spaced; \
  })

#define first_bytes(p, count) \
  ({ \
    ints part = {0}; \
    memcpy(&part, p, count); \
    part; \
  })
#define permute(values, places) look_up((const float *)&(values), places)

static inline __attribute__((always_inline)) uint64_t spread(uint64_t word, int bits) {
  const uint64_t mask = (1u << bits) - 1;
  uint64_t result = 0;
  for (int i = 0; i < 8; i++) result |= (word >> (i * bits) & mask) << (8 * i);
  return result;
}

#include "kernels_vector.h"

#endif
