#if defined(__aarch64__)
#include <arm_neon.h>

#define TARGET
#define LANES 8
#define HALF(p) half_at(p)
#define LOOK_UP(table, indices) (u8x16) vqtbl1q_u8((uint8x16_t)(table), (uint8x16_t)(indices))
#include "blocks_vector.h"

const BlockKernels pith_blocks_neon[FORMAT_NUMBERS] = BLOCK_KERNELS;
#endif
