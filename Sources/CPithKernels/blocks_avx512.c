#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))
#define LANES 16
#define HALF(p) _cvtsh_ss((uint16_t)((p)[0] | (p)[1] << 8))
#define LOOK_UP(table, indices) (u8x16) _mm_shuffle_epi8((__m128i)(table), (__m128i)(indices))
#define OWN_NIBBLE_PRODUCTS
#include "blocks_vector.h"

#pragma STDC FP_CONTRACT ON

// A register holds the sixteen values that a nibble can mean, scale and offset included: a permutation by the codes
// turns them into weights. It looks at the low four bits of each index only.
#define LOW_HALVES(values, codes) _mm512_permutexvar_ps(codes, values)
#define HIGH_HALVES(values, codes) _mm512_permutexvar_ps(_mm512_srli_epi32(codes, 4), values)

INLINE __m512 naturals(void) { return (__m512){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; }

INLINE __m512 q4_0_values(const uint8_t *block) { return (naturals() - 8.0f) * HALF(block); }
INLINE __m512 q4_1_values(const uint8_t *block) { return naturals() * HALF(block) + HALF(block + 2); }
INLINE __m512 iq4_nl_values(const uint8_t *block) { return (__m512){IQ4_NL_VALUES} * HALF(block); }

INLINE __m512i sixteen_bytes(const uint8_t *p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
}

/// The products of a format of 32 weights, whose nibbles stand `header` bytes into the block.
#define NIBBLE_GEMV(name, bytes, header) \
  TARGET static void name##_gemv(const uint8_t *blocks, size_t count, size_t rows, const float *x, float *y) { \
    for (size_t row = 0; row < rows; row++) { \
      __m512 a = _mm512_setzero_ps(), b = _mm512_setzero_ps(); \
      for (size_t i = 0; i < count; i++, blocks += bytes) { \
        const __m512 values = name##_values(blocks); \
        const __m512i codes = sixteen_bytes(blocks + header); \
        a = _mm512_fmadd_ps(LOW_HALVES(values, codes), _mm512_loadu_ps(x + 32 * i), a); \
        b = _mm512_fmadd_ps(HIGH_HALVES(values, codes), _mm512_loadu_ps(x + 32 * i + 16), b); \
      } \
      y[row] = _mm512_reduce_add_ps(_mm512_add_ps(a, b)); \
    } \
  }

NIBBLE_GEMV(q4_0, 18, 2)
NIBBLE_GEMV(q4_1, 20, 4)
NIBBLE_GEMV(iq4_nl, 18, 2)

TARGET static void q4_k_gemv(const uint8_t *blocks, size_t count, size_t rows, const float *x, float *y) {
  for (size_t row = 0; row < rows; row++) {
    __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
    for (size_t i = 0; i < count; i++, blocks += 144) {
      const Scales s = q4_k_scales(blocks);
      UNROLLED
      for (int g = 0; g < 8; g += 2) {
        const float *const inputs = x + 256 * i + 32 * g;
        const __m512i first = sixteen_bytes(blocks + 16 + 16 * g), second = sixteen_bytes(blocks + 32 + 16 * g);
        const __m512 low = naturals() * s.scale[g] + s.offset[g];
        const __m512 high = naturals() * s.scale[g + 1] + s.offset[g + 1];
        a = _mm512_fmadd_ps(LOW_HALVES(low, first), _mm512_loadu_ps(inputs), a);
        b = _mm512_fmadd_ps(LOW_HALVES(low, second), _mm512_loadu_ps(inputs + 16), b);
        c = _mm512_fmadd_ps(HIGH_HALVES(high, first), _mm512_loadu_ps(inputs + 32), c);
        d = _mm512_fmadd_ps(HIGH_HALVES(high, second), _mm512_loadu_ps(inputs + 48), d);
      }
    }
    y[row] = _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
  }
}

const BlockKernels pith_blocks_avx512[FORMAT_NUMBERS] = BLOCK_KERNELS;
#endif
