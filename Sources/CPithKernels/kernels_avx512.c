#if defined(__x86_64__)

#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi2")))
#define KERNELS pith_kernels_avx512
#define LANES 16
#define TILE_TOKENS 6
#define OUTER_ROWS 12
#define PANEL_TOKENS 48

#define look_up(table, indices) ((lanes)_mm512_permutexvar_ps((__m512i)(indices), _mm512_loadu_ps(table)))
#define permute(values, places) ((lanes)_mm512_permutexvar_ps((__m512i)(places), (__m512)(values)))
#define expand(values, bits) ((lanes)_mm512_maskz_expand_ps((__mmask16)(bits), (__m512)(values)))
#define first_bytes(p, count) ((ints)_mm512_maskz_loadu_epi8(~0ull >> (64 - (count)), p))
#define spread(word, bits) _pdep_u64(word, 0x0101010101010101ull * ((1u << (bits)) - 1))

#include "kernels_vector.h"

#endif
