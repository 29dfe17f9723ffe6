#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define LANES 8
#define HALF(p) _cvtsh_ss((uint16_t)((p)[0] | (p)[1] << 8))
#define LOOK_UP(table, indices) (u8x16) _mm_shuffle_epi8((__m128i)(table), (__m128i)(indices))
#include "blocks_vector.h"

const BlockKernels pith_blocks_avx2[FORMAT_NUMBERS] = BLOCK_KERNELS;
#endif
