#if defined(__x86_64__)

#include "integers.h"

#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define KERNELS pith_integers_avx2
#define WIDTH 32
#define TILE_TOKENS 3
#define STEP8 16
#define STEP4 32
#define CENTER8 128

typedef __m256i weights8;
typedef struct {
  __m256i low, high;
} weights4;

// 8 bits: codes and values as 16-bit numbers, since pairs of their products do not fit in 16 bits.

INLINE weights8 weights8_at(const uint8_t *p, size_t count) {
  if (count >= 16) return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)p));
  uint8_t some[16] = {0};
  memcpy(some, p, count);
  return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)some));
}
INLINE __m256i values8_at(const int8_t *p) { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p)); }
#define dot8(sums, weights, values) ((ints)_mm256_add_epi32((__m256i)(sums), _mm256_madd_epi16(weights, values)))

// 4 bits: four products of a code and a value are at most 4 · 15 · 127 = 7620 and do fit.

INLINE weights4 weights4_at(const uint8_t *p, size_t count) {
  __m256i codes;
  if (count >= 32) {
    codes = _mm256_loadu_si256((const __m256i *)p);
  } else {
    uint8_t some[32] = {0};
    memcpy(some, p, count);
    codes = _mm256_loadu_si256((const __m256i *)some);
  }
  const __m256i mask = _mm256_set1_epi8(15);
  return (weights4){_mm256_and_si256(codes, mask), _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask)};
}

INLINE __m256i dot4_avx2(__m256i sums, weights4 weights, const int8_t *even, const int8_t *odd) {
  const __m256i low = _mm256_maddubs_epi16(weights.low, _mm256_loadu_si256((const __m256i *)even));
  const __m256i high = _mm256_maddubs_epi16(weights.high, _mm256_loadu_si256((const __m256i *)odd));
  return _mm256_add_epi32(sums, _mm256_madd_epi16(_mm256_add_epi16(low, high), _mm256_set1_epi16(1)));
}
#define dot4(sums, weights, even, odd) ((ints)dot4_avx2((__m256i)(sums), weights, even, odd))

#include "integers_vector.h"

#endif
